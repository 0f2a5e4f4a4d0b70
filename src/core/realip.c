/*
 * realip.c - whom a request is from.
 */
#include "core/realip.h"

#include <selvage/network.h>

#include "conn/conn.h"
#include "conn/proxy_protocol.h"
#include "core/core_conf.h"
#include "http/token.h"

/* One set_real_ip_from. */
struct real_ip_trust {
    struct real_ip_trust *next;
    struct slv_network network;
};

/* real_ip_header */
struct real_ip_source {
    bool proxy_protocol;
    struct str field;              /* in lower case */
};

/* set_real_ip_from address | network | unix: */
int realip_set_from(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct real_ip_trust *trust = slv_conf_alloc(cf, sizeof *trust);
    struct str text = slv_conf_arg(cf, 1);
    bool cut;

    (void)d;
    if (slv_network_parse(text, &trust->network, &cut) != 0)
        return slv_conf_error(cf, 1, "invalid parameter \"%.*s\", it must be an address, a network "
                              "such as 192.0.2.0/24, or \"unix:\"", STR_ARG(text));
    if (cut)
        slv_conf_warn(cf, 1, "low address bits of %.*s are meaningless", STR_ARG(text));
    trust->next = c->real_ip_from;
    c->real_ip_from = trust;
    return 0;
}

/* real_ip_header field | proxy_protocol */
int realip_set_header(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct real_ip_source *source = slv_conf_alloc(cf, sizeof *source);
    struct str text = slv_conf_arg(cf, 1);
    char *lower;

    (void)d;
    if (!token_valid(text))
        return slv_conf_error(cf, 1, "invalid parameter \"%.*s\", it must be the name of a header "
                              "field or \"proxy_protocol\"", STR_ARG(text));
    lower = slv_conf_alloc(cf, text.n);
    ascii_lower(lower, text.p, text.n);
    source->field = (struct str){ lower, text.n };
    source->proxy_protocol = str_eq(text, STR("proxy_protocol"));
    c->real_ip_header = source;
    return 0;
}

/* The configuration trusts who has that address. */
static bool trusted(const struct core_conf *core, const struct addr *a)
{
    int length = a->family == ADDR_V4 ? 4 : a->family == ADDR_V6 ? 16 : 0;

    /* A peer on a vsock has no IP address either, but is not who "unix:" means. */
    if (!length && a->family != ADDR_UNIX)
        return false;
    for (const struct real_ip_trust *t = core->real_ip_from; t; t = t->next)
        if (slv_network_has(&t->network, a->ip, length))
            return true;
    return false;
}

/* Takes the last word of a list, whose separators are commas and white space. */
static bool take_last(struct str *list, struct str *last)
{
    static const struct byteset separators = { { [','] = true, [' '] = true, ['\t'] = true } };
    size_t end = list->n, begin;

    while (end > 0 && byteset_has(&separators, list->p[end - 1]))
        end--;
    begin = end;
    while (begin > 0 && !byteset_has(&separators, list->p[begin - 1]))
        begin--;
    *last = (struct str){ list->p + begin, end - begin };
    list->n = begin;
    return last->n > 0;
}

/*
 * Goes back from the peer through what proxies have noted, as long as the one who noted it is
 * trusted. True: *at is the client now.
 */
static bool go_back(const struct slv_request *r, const struct core_conf *core, struct addr *at)
{
    bool found = false;

    for (size_t i = r->header_count; i > 0; i--) {
        struct str list = r->headers[i - 1].value, word;
        struct addr before;

        if (!str_eq(r->headers[i - 1].name, core->real_ip_header->field))
            continue;
        while (take_last(&list, &word)) {
            if (!trusted(core, at) || addr_parse_peer(word, &before) != 0)
                return found;
            *at = before;
            found = true;
            if (!core->real_ip_recursive)
                return true;
        }
    }
    return found;
}

void realip_find(struct slv_request *r)
{
    struct context *ctx = context_of(r);
    const struct core_conf *core = ctx->core;
    const struct conn *c = ctx->x->conn;
    struct addr at, *client;

    if (!core->real_ip_from || !c || ctx->client != &c->peer)
        return;
    if (core->real_ip_header->proxy_protocol) {
        if (c->proxied && trusted(core, &c->peer))
            ctx->client = &c->proxied->source;
        return;
    }
    at = c->peer;
    if (!go_back(r, core, &at))
        return;
    client = slv_alloc(r, sizeof *client);
    *client = at;
    ctx->client = client;
}
