/*
 * listen_conf.c - the listen directive: addresses, options, and how they become sockets.
 */
#include "core/server.h"

#include "base/check.h"
#include "core/core_conf.h"
#include "http/token.h"

#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define UNPRIVILEGED_PORT 8000

static const struct listen_options default_options = {
    .backlog = -1, .ipv6only = -1, .keepalive = -1, .unix_mode = -1, .unix_uid = -1,
    .unix_gid = -1,
};

/* A port number; 0 where it is none. */
static uint16_t port_of(struct str s)
{
    uint64_t n;

    return digits_parse(s, &n) || n > 65535 ? 0 : (uint16_t)n;
}

/* Looks a host name up; the first address that comes is taken. */
static int resolve(struct slv_conf *cf, struct str host, struct addr *out)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    struct str name = slv_conf_str(cf, host);

    if (getaddrinfo(name.p, NULL, &hints, &list))
        return slv_conf_error(cf, 1, "host not found in \"%.*s\" of the \"listen\" directive",
                              STR_ARG(slv_conf_arg(cf, 1)));
    if (list->ai_family == AF_INET) {
        out->family = ADDR_V4;
        memcpy(out->ip, &((struct sockaddr_in *)(void *)list->ai_addr)->sin_addr, 4);
    } else {
        out->family = ADDR_V6;
        memcpy(out->ip, &((struct sockaddr_in6 *)(void *)list->ai_addr)->sin6_addr, 16);
    }
    freeaddrinfo(list);
    return 0;
}

/* vsock:cid:port or vsock:port (any cid). */
static int parse_vsock(struct slv_conf *cf, struct str rest, struct listen_line *line)
{
    const char *colon = memchr(rest.p, ':', rest.n);
    uint64_t cid = UINT32_MAX, port;
    uint32_t cid32;

    if (colon) {
        struct str word = { rest.p, (size_t)(colon - rest.p) };

        if (digits_parse(word, &cid) || cid > UINT32_MAX)
            return slv_conf_error(cf, 1, "invalid cid in \"%.*s\" of the \"listen\" directive",
                                  STR_ARG(slv_conf_arg(cf, 1)));
        rest = str_from(rest, word.n + 1);
    }
    if (digits_parse(rest, &port) || port == 0 || port > 65535)
        return slv_conf_error(cf, 1, "invalid port in \"%.*s\" of the \"listen\" directive",
                              STR_ARG(slv_conf_arg(cf, 1)));
    cid32 = (uint32_t)cid;
    line->addr.family = ADDR_VSOCK;
    line->addr.port = (uint16_t)port;
    memcpy(line->addr.ip, &cid32, sizeof cid32);
    return 0;
}

/* The host part of host[:port]; port 80 where there is none. */
static int parse_host(struct slv_conf *cf, struct str word, struct listen_line *line)
{
    struct str host = word, port = { NULL, 0 };
    const char *colon;
    uint64_t number;

    if (word.n && word.p[0] == '[') {
        const char *end = memchr(word.p, ']', word.n);

        if (!end)
            return slv_conf_error(cf, 1, "invalid host in \"%.*s\" of the \"listen\" directive",
                                  STR_ARG(word));
        host = (struct str){ word.p + 1, (size_t)(end - word.p - 1) };
        if (end + 1 < word.p + word.n)
            port = str_from(word, (size_t)(end + 1 - word.p));
    } else if ((colon = memchr(word.p, ':', word.n))) {
        host.n = (size_t)(colon - word.p);
        port = str_from(word, host.n);
    } else if (!digits_parse(word, &number)) {
        /* Never a host: the resolver would make an address of any number. */
        line->star = true;
        host.n = 0;
    }
    line->addr.port = 80;
    if (port.n || line->star) {
        line->addr.port = port_of(line->star ? word : str_from(port, 1));
        if (!line->addr.port || (!line->star && port.p[0] != ':'))
            return slv_conf_error(cf, 1, "invalid port in \"%.*s\" of the \"listen\" directive",
                                  STR_ARG(word));
    }
    if (str_eq(host, STR("*")))
        line->star = true;
    if (line->star) {
        line->addr.family = ADDR_V4;
        return 0;
    }
    struct addr ip;

    if (!addr_parse(host, &ip)) {
        memcpy(line->addr.ip, ip.ip, sizeof ip.ip);
        line->addr.family = ip.family;
        return 0;
    }
    return resolve(cf, host, &line->addr);
}

/* The address word of a listen directive. */
static int parse_address(struct slv_conf *cf, struct listen_line *line)
{
    struct str word = slv_conf_arg(cf, 1);
    char text[ADDR_TEXT_MAX];

    if (str_starts(word, STR("unix:"))) {
        struct str path = str_from(word, 5);

        if (!path.n)
            return slv_conf_error(cf, 1, "no path in the unix domain socket in \"%.*s\" of the "
                                  "\"listen\" directive", STR_ARG(word));
        line->addr.family = ADDR_UNIX;
        line->path = slv_conf_path(cf, path, false);
        line->text = slv_conf_str(cf, arena_printf(cf->conf->arena, "unix:%.*s",
                                                   STR_ARG(line->path)));
        return 0;
    }
    if (str_starts(word, STR("vsock:")) ? parse_vsock(cf, str_from(word, 6), line)
                                        : parse_host(cf, word, line))
        return -1;
    line->text = slv_conf_str(cf, (struct str){ text, addr_text_port(&line->addr, text) });
    return 0;
}

/* so_keepalive=on|off|[idle]:[interval]:[count] */
static int parse_keepalive(struct slv_conf *cf, size_t arg, struct str v, struct listen_options *o)
{
    int *parts[] = { &o->keepidle, &o->keepintvl, &o->keepcnt };

    o->keepalive = 1;
    if (str_eq(v, STR("on")))
        return 0;
    if (str_eq(v, STR("off"))) {
        o->keepalive = 0;
        return 0;
    }
    for (size_t i = 0; i < 3; i++) {
        const char *colon = memchr(v.p, ':', v.n);
        struct str part = { v.p, colon ? (size_t)(colon - v.p) : v.n };
        int64_t ms = 0;
        uint64_t n = 0;

        if (part.n && (i < 2 ? slv_parse_ms(part, &ms) : digits_parse(part, &n)))
            return slv_conf_error(cf, arg, "invalid so_keepalive value: \"%.*s\"",
                                  STR_ARG(slv_conf_arg(cf, arg)));
        *parts[i] = i < 2 ? (int)(ms / 1000) : (int)(n & 0xff);
        v = colon ? str_from(v, part.n + 1) : (struct str){ "", 0 };
    }
    return 0;
}

/* mode=0660, owner=user[:group] of a unix socket. */
static int parse_unix_option(struct slv_conf *cf, size_t arg, struct str name, struct str v,
                             struct listen_options *o)
{
    struct str text = slv_conf_str(cf, v);
    char *end, *colon;

    if (str_eq(name, STR("mode"))) {
        long mode = strtol(text.p, &end, 8);

        if (*end || end == text.p || mode < 0 || mode > 0777)
            return slv_conf_error(cf, arg, "invalid mode \"%s\", it must be octal, as in 0660",
                                  text.p);
        o->unix_mode = (int)mode;
        return 0;
    }
    colon = strchr((char *)(uintptr_t)text.p, ':');
    if (colon)
        *colon++ = '\0';
    if (*text.p) {
        const struct passwd *pw = getpwnam(text.p);

        if (!pw)
            return slv_conf_error(cf, arg, "getpwnam(\"%s\") failed", text.p);
        o->unix_uid = pw->pw_uid;
    }
    if (colon) {
        const struct group *gr = getgrnam(colon);

        if (!gr)
            return slv_conf_error(cf, arg, "getgrnam(\"%s\") failed", colon);
        o->unix_gid = gr->gr_gid;
    }
    return 0;
}

/* A number behind name=, in [min, INT32_MAX]. */
static int parse_number(struct slv_conf *cf, size_t arg, struct str v, int min, int *out)
{
    int64_t n;

    if (slv_parse_size(v, &n) || n < min || n > INT32_MAX)
        return slv_conf_error(cf, arg, "invalid %.*s", STR_ARG(slv_conf_arg(cf, arg)));
    *out = (int)n;
    return 0;
}

/* A parameter with a value. */
static int parse_valued(struct slv_conf *cf, size_t arg, struct str name, struct str v,
                        struct listen_line *line)
{
    struct listen_options *o = &line->options;
    bool is_unix = line->addr.family == ADDR_UNIX;

    if (str_eq(name, STR("backlog")))
        return parse_number(cf, arg, v, 1, &o->backlog);
    if (str_eq(name, STR("rcvbuf")))
        return parse_number(cf, arg, v, 1, &o->rcvbuf);
    if (str_eq(name, STR("sndbuf")))
        return parse_number(cf, arg, v, 1, &o->sndbuf);
    if (str_eq(name, STR("fastopen")))
        return parse_number(cf, arg, v, 1, &o->fastopen);
    if (str_eq(name, STR("so_keepalive")))
        return parse_keepalive(cf, arg, v, o);
    if (is_unix && (str_eq(name, STR("mode")) || str_eq(name, STR("owner"))))
        return parse_unix_option(cf, arg, name, v, o);
    if (str_eq(name, STR("ipv6only"))) {
        if (line->addr.family != ADDR_V6)
            return slv_conf_error(cf, arg, "ipv6only is not supported on addr \"%.*s\"",
                                  STR_ARG(line->text));
        if (!str_eq(v, STR("on")) && !str_eq(v, STR("off")))
            return slv_conf_error(cf, arg, "invalid ipv6only flags \"%.*s\"", STR_ARG(v));
        o->ipv6only = str_eq(v, STR("on"));
        return 0;
    }
    return slv_conf_error(cf, arg, "invalid parameter \"%.*s\"", STR_ARG(slv_conf_arg(cf, arg)));
}

/* One parameter behind the address. */
static int parse_option(struct slv_conf *cf, size_t arg, struct listen_line *line)
{
    struct str word = slv_conf_arg(cf, arg), name = word;
    const char *equals = memchr(word.p, '=', word.n);

    if (str_eq(word, STR("default_server")) || str_eq(word, STR("default"))) {
        line->is_default = true;
        return 0;
    }
    if (str_eq(word, STR("bind")))
        return 0;
    /* Said of connections, not of the socket, so lines of an address may differ in these. */
    if (str_eq(word, STR("ssl")) || str_eq(word, STR("proxy_protocol"))) {
        line->tls |= str_eq(word, STR("ssl"));
        line->proxy_protocol |= str_eq(word, STR("proxy_protocol"));
        return 0;
    }
    line->has_options = true;
    if (str_eq(word, STR("deferred"))) {
        line->options.deferred = true;
    } else if (str_eq(word, STR("reuseport"))) {
        if (line->addr.family == ADDR_UNIX)
            return slv_conf_error(cf, arg, "reuseport is not supported on a unix socket");
        line->options.reuseport = true;
    } else if (str_eq(word, STR("http2")) || str_eq(word, STR("quic"))) {
        return slv_conf_error(cf, arg, "the \"%.*s\" parameter is one of nginx's that selvage does "
                              "not have", STR_ARG(word));
    } else if (equals) {
        name.n = (size_t)(equals - word.p);
        return parse_valued(cf, arg, name, str_from(word, name.n + 1), line);
    } else {
        return slv_conf_error(cf, arg, "invalid parameter \"%.*s\"", STR_ARG(word));
    }
    return 0;
}

/* Appends a line to its server. */
static void add_line(struct server *s, struct listen_line *line)
{
    line->server = s;
    *s->lines_end = line;
    s->lines_end = &line->next;
}

/* listen address [parameter …] */
int listen_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct listen_line *line = slv_conf_alloc(cf, sizeof *line);
    struct server *s;
    int result = 0;

    (void)d;
    (void)conf;
    CAST_OBJ(s, cf->block->data, SERVER_MAGIC);
    line->node = cf->node;
    line->options = default_options;
    if (parse_address(cf, line))
        return -1;
    for (size_t i = 2; i < slv_conf_count(cf); i++)
        if (parse_option(cf, i, line))
            result = -1;
    for (const struct listen_line *other = s->lines; other; other = other->next)
        if (str_eq(other->text, line->text))
            return slv_conf_error(cf, 1, "a duplicate listen %.*s, first at %s",
                                  STR_ARG(line->text), conf_place(cf->conf, other->node).p);
    if (!result)
        add_line(s, line);
    return result;
}

/* A server without a listen directive: nginx's default. */
static void default_line(struct conf *conf, struct server *s)
{
    struct listen_line *line = arena_zalloc(conf->arena, sizeof *line);
    char text[ADDR_TEXT_MAX];

    line->node = s->node;
    line->options = default_options;
    line->addr.family = ADDR_V4;
    line->addr.port = geteuid() == 0 ? 80 : UNPRIVILEGED_PORT;
    line->star = true;
    line->text = arena_str(conf->arena, (struct str){ text, addr_text_port(&line->addr, text) });
    add_line(s, line);
}

/* An address with what is known of it while lines are gathered. */
struct gathered {
    struct listen_addr *addr;
    struct listen_options options;
    const struct listen_line *first, *fallback, *optioned;
    bool star;
    struct gathered *next;
};

/* Joins one line with the others of its address. */
static int gather(struct conf *conf, struct table *by_text, struct gathered ***end,
                  struct listen_line *line)
{
    struct gathered *g = table_get(by_text, line->text);

    if (!g) {
        g = arena_zalloc(conf->arena, sizeof *g);
        g->addr = arena_zalloc(conf->arena, sizeof *g->addr);
        g->addr->magic = LISTEN_ADDR_MAGIC;
        g->addr->addr = line->addr;
        g->addr->text = line->text;
        g->addr->fallback = line->server;
        g->options = default_options;
        g->first = line;
        table_set(by_text, line->text, g);
        **end = g;
        *end = &g->next;
    }
    line->at = g->addr;
    g->star |= line->star;
    if (line != g->first && line->tls != g->addr->tls)
        conf_message(conf, SLV_LOG_WARN, line->node, 0,
                     "\"ssl\" holds for all servers on %.*s, though not all listen lines say so, "
                     "first at %s", STR_ARG(line->text), conf_place(conf, g->first->node).p);
    g->addr->tls |= line->tls;
    g->addr->proxy_protocol |= line->proxy_protocol;
    if (line->has_options) {
        if (g->optioned && memcmp(&g->options, &line->options, sizeof g->options)) {
            conf_message(conf, SLV_LOG_EMERG, line->node, 0,
                         "duplicate listen options for %.*s, first at %s", STR_ARG(line->text),
                         conf_place(conf, g->optioned->node).p);
            return -1;
        }
        g->options = line->options;
        g->optioned = line;
    }
    if (line->is_default) {
        if (g->fallback) {
            conf_message(conf, SLV_LOG_EMERG, line->node, 0,
                         "a duplicate default server for %.*s, first at %s", STR_ARG(line->text),
                         conf_place(conf, g->fallback->node).p);
            return -1;
        }
        g->fallback = line;
        g->addr->fallback = line->server;
    }
    vhosts_add(conf, g->addr, line->server);
    return 0;
}

/* The address is any of its family. */
static bool is_any(const struct addr *a)
{
    static const uint8_t zero[16];

    return (a->family == ADDR_V4 || a->family == ADDR_V6) && memcmp(a->ip, zero, 16) == 0;
}

/*
 * The gathered wildcard of a family and port, or NULL.
 */
static struct gathered *any_of(struct gathered *list, enum addr_family family, uint16_t port)
{
    for (; list; list = list->next)
        if (list->addr->addr.family == family && list->addr->addr.port == port
            && is_any(&list->addr->addr))
            return list;
    return NULL;
}

/*
 * What a wildcard's socket is bound to: a port alone means both families, unless the IPv6 one of
 * the port insists on its own socket. The pair "listen 80; listen [::]:80" is one socket.
 */
static struct str socket_key(struct conf *conf, struct gathered *all, const struct gathered *g,
                             struct addr *bind)
{
    const struct addr *a = &g->addr->addr;
    const struct gathered *v4 = any_of(all, ADDR_V4, a->port), *v6 = any_of(all, ADDR_V6, a->port);
    bool dual, wildcard_covers;

    *bind = *a;
    if (a->family != ADDR_V4 && a->family != ADDR_V6)
        return g->addr->text;
    dual = v6 && v6->options.ipv6only == 1 ? false : (v4 && v4->star)
        || (v6 && (v4 || v6->options.ipv6only == 0));
    wildcard_covers = is_any(a) || (dual && (v4 || v6)) || (a->family == ADDR_V4 ? v4 : v6) != NULL;
    if (!wildcard_covers)
        return g->addr->text;
    memset(bind->ip, 0, sizeof bind->ip);
    if (!dual)
        return arena_printf(conf->arena, a->family == ADDR_V4 ? "0.0.0.0:%u" : "[::]:%u", a->port);
    bind->family = ADDR_NONE;
    return arena_printf(conf->arena, "*:%u", a->port);
}

/* Options of an address that were said win over those that were not. */
static void merge_options(struct listen_socket *s, const struct gathered *g)
{
    if (g->optioned || is_any(&g->addr->addr)) {
        if (!g->optioned && memcmp(&s->options, &default_options, sizeof s->options))
            return;
        s->options = g->options;
    }
}

/* Puts an address into its socket: specific ones in front. */
static void join_socket(struct conf *conf, struct config *config, struct table *by_key,
                        struct gathered *all, struct gathered *g)
{
    struct addr bind;
    struct str key = socket_key(conf, all, g, &bind);
    struct listen_socket *s = table_get(by_key, key), **end = &config->sockets;
    struct listen_addr **at;

    if (!s) {
        s = arena_zalloc(conf->arena, sizeof *s);
        s->key = key;
        s->addr = bind;
        s->path = g->first->path;
        s->options = default_options;
        s->place = conf_place(conf, g->first->node);
        table_set(by_key, key, s);
        while (*end)
            end = &(*end)->next;
        *end = s;
    }
    merge_options(s, g);
    if (!is_any(&g->addr->addr) && bind.family != ADDR_UNIX && bind.family != ADDR_VSOCK
        && !str_eq(key, g->addr->text))
        s->needs_local = true;
    at = &s->addrs;
    if (is_any(&g->addr->addr))
        while (*at)
            at = &(*at)->next;
    g->addr->next = *at;
    *at = g->addr;
}

int vhosts_link(struct conf *conf, struct config *config)
{
    struct table by_text = { 0 }, by_key = { 0 };
    struct gathered *all = NULL, **end = &all;
    int result = 0;

    for (struct server *s = config->servers; s; s = s->next) {
        if (!s->lines)
            default_line(conf, s);
        for (struct listen_line *line = s->lines; line; line = line->next)
            if (gather(conf, &by_text, &end, line))
                result = -1;
    }
    for (struct gathered *g = all; g; g = g->next)
        join_socket(conf, config, &by_key, all, g);
    table_free(&by_text);
    table_free(&by_key);
    return result;
}
