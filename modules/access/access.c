/*
 * access.c - the module of "allow" and "deny": access by the client's address.
 */
#include <selvage/module.h>
#include <selvage/network.h>

extern const struct slv_module module_access;

struct rule_node {
    struct rule_node *next;
    struct slv_network network;
    bool all, deny;                /* all: whatever the network is */
};

/* In the order of the file. */
struct rule_list {
    struct rule_node *first, *last;
};

struct access_conf {
    struct rule_list rules;
};

/* allow | deny address | network | unix: | all */
static int set_rule(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct rule_list *rules = &((struct access_conf *)conf)->rules;
    struct str text = slv_conf_arg(cf, 1);
    struct rule_node *node = slv_conf_alloc(cf, sizeof *node);
    bool cut = false;

    node->all = str_eq(text, STR("all"));
    if (!node->all && slv_network_parse(text, &node->network, &cut) != 0)
        return slv_conf_error(cf, 1, "invalid parameter \"%.*s\", it must be an address, a network "
                              "such as 192.0.2.0/24, \"unix:\" or \"all\"", STR_ARG(text));
    if (cut)
        slv_conf_warn(cf, 1, "low address bits of %.*s are meaningless", STR_ARG(text));
    node->deny = d->name[0] == 'd';
    *(rules->last ? &rules->last->next : &rules->first) = node;
    rules->last = node;
    return 0;
}

#define CONTEXTS (SLV_IN_ANY_HTTP | SLV_IN_LIMIT_EXCEPT)

/* Both share one field, so that a block that has either inherits neither. */
static const struct slv_directive directives[] = {
    { "allow", CONTEXTS, 1, 1, SLV_REPEATS, "address | network | unix: | all", set_rule,
      SLV_FIELD(struct access_conf, rules), NULL, NULL },
    { "deny", CONTEXTS, 1, 1, SLV_REPEATS, "address | network | unix: | all", set_rule,
      SLV_FIELD(struct access_conf, rules), NULL, NULL },
    { 0 }
};

/* Judges the client by the first rule that speaks of it. */
static int access_hook(struct slv_request *r, const void *conf)
{
    const struct rule_list *rules = &((const struct access_conf *)conf)->rules;
    uint8_t ip[16] = { 0 };
    int length;

    if (!rules->first)
        return SLV_DECLINED;
    length = slv_request_peer(r, ip);
    for (const struct rule_node *node = rules->first; node; node = node->next) {
        if (!node->all && !slv_network_has(&node->network, ip, length))
            continue;
        if (!node->deny)
            return SLV_DONE;
        /* Where a password may still open the door, this is no incident. */
        if (!slv_satisfy_any(r))
            slv_log(r, SLV_LOG_ERROR, 0, "access forbidden by rule");
        return 403;
    }
    return SLV_DECLINED;
}

const struct slv_module module_access = {
    SLV_MODULE_HEADER,
    .name = "access",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct access_conf),
    .access = access_hook,
};
