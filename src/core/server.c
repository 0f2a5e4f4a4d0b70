/*
 * server.c - virtual hosts: the server block, its names, and the search by name.
 */
#include "core/server.h"

#include "base/check.h"
#include "core/core_conf.h"
#include "core/location.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * Names at one address, in nginx's order: exact, the longest "*.name", the longest "name.*", then
 * regular expressions as they stand in the file.
 */
struct vhosts {
    const struct server *first;    /* to have been entered */
    bool plain;                    /* and the only one, without regular expressions */
    struct table exact, leading, trailing;
    struct vhost_regex {
        struct vhost_regex *next;
        const struct slv_regex *regex;
        const struct server *server;
    } *regexes, **regexes_end;
};

struct str server_name(const struct server *s)
{
    CHECK_OBJ(s, SERVER_MAGIC);
    return s->name;
}

/* server { … } */
int server_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct config *config = cf->conf->owner;
    struct server *s = slv_conf_alloc(cf, sizeof *s);

    (void)d;
    (void)conf;
    s->magic = SERVER_MAGIC;
    s->node = cf->node;
    s->name = (struct str){ "", 0 };
    s->names_end = &s->names;
    s->lines_end = &s->lines;
    s->routes = slv_conf_alloc(cf, sizeof *s->routes);
    s->routes->regexes_end = &s->routes->regexes;
    slv_conf_on_free(cf, routes_free, s->routes);
    *config->servers_end = s;
    config->servers_end = &s->next;
    config->server_count++;
    s->block = conf_open(cf, SLV_IN_SERVER, s);
    return 0;
}

/* A wildcard may stand at one end only, as a label of its own. */
static bool name_is_sane(struct str name)
{
    const char *star = memchr(name.p, '*', name.n);

    if (!star)
        return memchr(name.p, '/', name.n) == NULL;
    if (star == name.p)
        return name.n > 2 && name.p[1] == '.' && !memchr(star + 1, '*', name.n - 1);
    return star == name.p + name.n - 1 && name.n > 2 && star[-1] == '.';
}

/* The machine's name, lower case, for $hostname. */
static struct str machine_name(struct slv_conf *cf)
{
    char name[256];

    if (gethostname(name, sizeof name))
        name[0] = '\0';
    name[sizeof name - 1] = '\0';
    for (char *p = name; *p; p++)
        *p = str_lower(*p);
    return slv_conf_str(cf, str_of(name));
}

/* server_name name … */
int server_name_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct server *s;

    (void)d;
    (void)conf;
    CAST_OBJ(s, cf->block->data, SERVER_MAGIC);
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct server_name *name = slv_conf_alloc(cf, sizeof *name);
        char *p;

        name->text = slv_conf_str(cf, slv_conf_arg(cf, i));
        name->node = cf->node;
        if (str_eq(name->text, STR("$hostname")))
            name->text = machine_name(cf);
        if (name->text.n && name->text.p[0] == '~') {
            name->regex = slv_regex_compile(cf, i, str_from(name->text, 1), true);
            if (!name->regex)
                continue;
        } else {
            p = (char *)(uintptr_t)name->text.p;
            for (size_t k = 0; k < name->text.n; k++)
                p[k] = str_lower(p[k]);
            if (!name_is_sane(name->text)) {
                slv_conf_error(cf, i, "invalid server name or wildcard \"%.*s\"",
                               STR_ARG(name->text));
                continue;
            }
        }
        if (!s->names)
            s->name = name->text.n && name->text.p[0] == '.' ? str_from(name->text, 1)
                                                               : name->text;
        *s->names_end = name;
        s->names_end = &name->next;
    }
    return 0;
}

/* A name's place in the tables: which one, and under which key. */
static struct table *table_for(struct vhosts *v, struct str text, struct str *key)
{
    *key = text;
    if (text.n > 2 && text.p[0] == '*') {
        *key = str_from(text, 2);
        return &v->leading;
    }
    if (text.n > 2 && text.p[text.n - 1] == '*') {
        key->n -= 2;
        return &v->trailing;
    }
    return &v->exact;
}

/* Says that a name is taken, and by whom. */
static void warn_conflict(struct conf *conf, const struct server_name *name,
                          const struct listen_addr *addr, const struct server *other)
{
    conf_message(conf, SLV_LOG_WARN, name->node, 0,
                 "conflicting server name \"%.*s\" on %.*s, ignored, first at %s",
                 STR_ARG(name->text), STR_ARG(addr->text), conf_place(conf, other->node).p);
}

/* Enters one text of a name. */
static void add_text(struct conf *conf, struct listen_addr *addr, const struct server_name *name,
                     struct str text, struct server *s)
{
    struct str key;
    struct table *t = table_for(addr->vhosts, text, &key);
    const struct server *other = table_add(t, key, s);

    if (other && other != s)
        warn_conflict(conf, name, addr, other);
}

/* Frees the tables of an address. */
static void vhosts_free(void *arg)
{
    struct vhosts *v = arg;

    table_free(&v->exact);
    table_free(&v->leading);
    table_free(&v->trailing);
}

/* Enters a server's names at an address. */
void vhosts_add(struct conf *conf, struct listen_addr *addr, struct server *s)
{
    struct vhosts *v = addr->vhosts;

    if (!v) {
        v = addr->vhosts = arena_zalloc(conf->arena, sizeof *v);
        v->regexes_end = &v->regexes;
        v->first = s;
        v->plain = true;
        arena_on_free(conf->arena, vhosts_free, v);
    }
    v->plain = v->plain && s == v->first;
    for (const struct server_name *name = s->names; name; name = name->next) {
        if (name->regex) {
            struct vhost_regex *re = arena_zalloc(conf->arena, sizeof *re);

            /* Its captures are wanted, wherever it leads. */
            v->plain = false;
            re->regex = name->regex;
            re->server = s;
            *v->regexes_end = re;
            v->regexes_end = &re->next;
        } else if (name->text.n > 1 && name->text.p[0] == '.') {
            struct str bare = str_from(name->text, 1);

            add_text(conf, addr, name, bare, s);
            add_text(conf, addr, name, arena_printf(conf->arena, "*.%.*s", STR_ARG(bare)), s);
        } else {
            add_text(conf, addr, name, name->text, s);
        }
    }
    if (!s->names)
        add_text(conf, addr, &(struct server_name){ .node = s->node, .text = STR_INIT("") },
                 STR(""), s);
}

/* Looks for ever shorter ends of the host behind its dots: the longest wildcard comes first. */
static const struct server *find_leading(const struct table *t, struct str host)
{
    const char *dot;

    while (t->used && (dot = memchr(host.p, '.', host.n))) {
        const struct server *s;

        host = str_from(host, (size_t)(dot + 1 - host.p));
        s = table_get(t, host);
        if (s)
            return s;
    }
    return NULL;
}

/* The same from the other end. */
static const struct server *find_trailing(const struct table *t, struct str host)
{
    const char *dot;

    while (t->used && host.n && (dot = memrchr(host.p, '.', host.n))) {
        const struct server *s;

        host.n = (size_t)(dot - host.p);
        s = table_get(t, host);
        if (s)
            return s;
    }
    return NULL;
}

const struct server *vhosts_find(const struct listen_addr *addr, struct str host,
                                 struct slv_request *r)
{
    const struct vhosts *v;
    const struct server *s;

    CHECK_OBJ(addr, LISTEN_ADDR_MAGIC);
    v = addr->vhosts;
    if (v->plain)
        return v->first;
    s = table_get(&v->exact, host);
    if (!s && host.n)
        s = find_leading(&v->leading, host);
    if (!s && host.n)
        s = find_trailing(&v->trailing, host);
    for (const struct vhost_regex *re = v->regexes; re && !s; re = re->next)
        if (slv_regex_match(re->regex, host, r))
            s = re->server;
    return s ? s : addr->fallback;
}

const struct conf_block *server_route(const struct server *s, struct str path,
                                      struct slv_request *r)
{
    const struct location *l;

    CHECK_OBJ(s, SERVER_MAGIC);
    if (!s->routes->any)
        return s->block;
    l = routes_find(s->routes, path, r);
    return l ? l->block : s->block;
}
