/*
 * websocket.c - the module: directives, the content hook, and what other modules are offered.
 */
#include <selvage/module.h>

#include "channel.h"
#include "connection.h"
#include "frame.h"
#include "handshake.h"

SLV_API extern const struct slv_module selvage_module;

/* What answers at a location. */
enum endpoint_kind { ENDPOINT_NONE, ENDPOINT_ECHO, ENDPOINT_CHANNEL };

struct endpoint {
    enum endpoint_kind kind;
    struct channel_endpoint channel;
};

struct origin_list {
    struct origin_rule *first, *last;
};

struct protocol_list {
    struct protocol_name *first, *last;
};

struct websocket_conf {
    struct endpoint endpoint;
    struct origin_list origins;
    struct protocol_list protocols;
    int64_t max_message, max_frame, ping_interval, ping_timeout;
    struct buffer_limit {
        int64_t size;
        unsigned code;
    } buffer;
    struct deflate_settings deflate;
    struct ws_settings settings;   /* made of these when the block is complete */
};

static const struct slv_ws_api api;

/* ---- websocket echo ------------------------------------------------------------------------- */

/* struct slv_ws_handler: on_message */
static void echo_message(struct slv_ws *ws, void *arg, enum slv_ws_kind kind, char *data, size_t n)
{
    (void)arg;
    slv_ws_send_back(ws, kind, data, n);
}

/* struct slv_ws_handler: on_close */
static void echo_close(struct slv_ws *ws, void *arg, unsigned code, struct str reason)
{
    (void)ws;
    (void)arg;
    (void)code;
    (void)reason;
}

static const struct slv_ws_handler echo_handler = {
    .on_message = echo_message,
    .on_close = echo_close,
};

/* ---- Directives ----------------------------------------------------------------------------- */

/* websocket echo; websocket channel name [parameter ...] */
static int set_websocket(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct endpoint *e = &((struct websocket_conf *)conf)->endpoint;
    struct str word = slv_conf_arg(cf, 1);
    size_t count = slv_conf_count(cf);

    (void)d;
    if (str_eq(word, STR("channel")) && count > 2) {
        e->kind = ENDPOINT_CHANNEL;
        return channel_parse(cf, &e->channel);
    }
    e->kind = ENDPOINT_ECHO;
    if (!str_eq(word, STR("echo")) || count > 2)
        return slv_conf_error(cf, 1, "invalid value \"%.*s\", it must be \"echo\" or \"channel\" "
                              "and the name of one", STR_ARG(word));
    return 0;
}

/* websocket_origin word ... */
static int set_origin(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct origin_list *list = &((struct websocket_conf *)conf)->origins;

    (void)d;
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct origin_rule *rule = slv_conf_alloc(cf, sizeof *rule);

        if (origin_rule_parse(cf, i, rule) != 0)
            return -1;
        *(list->last ? &list->last->next : &list->first) = rule;
        list->last = rule;
    }
    return 0;
}

/* websocket_protocols name ... */
static int set_protocols(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct protocol_list *list = &((struct websocket_conf *)conf)->protocols;

    (void)d;
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct protocol_name *p = slv_conf_alloc(cf, sizeof *p);

        p->name = slv_conf_str(cf, slv_conf_arg(cf, i));
        *(list->last ? &list->last->next : &list->first) = p;
        list->last = p;
    }
    return 0;
}

/* websocket_buffer size [1008 | 1013] */
static int set_buffer(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct buffer_limit *b = &((struct websocket_conf *)conf)->buffer;
    struct str size = slv_conf_arg(cf, 1), code;

    (void)d;
    if (slv_parse_size(size, &b->size) != 0 || b->size < 1)
        return slv_conf_error(cf, 1, "invalid size \"%.*s\", it must be a number of bytes from 1, "
                              "or with k, m or g behind it", STR_ARG(size));
    b->code = CODE_TRY_LATER;
    if (slv_conf_count(cf) < 3)
        return 0;
    code = slv_conf_arg(cf, 2);
    if (str_eq(code, STR("1008")))
        b->code = CODE_POLICY;
    else if (!str_eq(code, STR("1013")))
        return slv_conf_error(cf, 2, "invalid code \"%.*s\", it must be 1008 or 1013",
                              STR_ARG(code));
    return 0;
}

/* One parameter of websocket_deflate. */
static int set_deflate_parameter(struct slv_conf *cf, size_t i, struct deflate_settings *s)
{
    struct str word = slv_conf_arg(cf, i);

    if (str_eq(word, STR("takeover=off"))) {
        s->takeover = false;
        return 0;
    }
    if (str_eq(word, STR("takeover=on")))
        return 0;
    if (str_starts(word, STR("memory="))
        && slv_parse_size(str_from(word, 7), &s->memory) == 0 && s->memory >= 0)
        return 0;
    if (str_starts(word, STR("window=")) && (word.n == 8 || word.n == 9)) {
        s->window = 0;
        for (size_t k = 7; k < word.n; k++)
            s->window = word.p[k] >= '0' && word.p[k] <= '9'
                ? s->window * 10 + word.p[k] - '0' : 100;
        if (s->window >= 9 && s->window <= 15)
            return 0;
    }
    return slv_conf_error(cf, i, "invalid parameter \"%.*s\", it must be window=9 to window=15, "
                          "takeover=on, takeover=off or memory=size", STR_ARG(word));
}

/* websocket_deflate on | off [window=bits] [takeover=on|off] [memory=size] */
static int set_deflate(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct deflate_settings *s = &((struct websocket_conf *)conf)->deflate;
    struct str word = slv_conf_arg(cf, 1);

    (void)d;
    *s = (struct deflate_settings){ .takeover = true, .window = 15, .memory = 64 << 20 };
    s->enabled = str_eq(word, STR("on"));
    if (!s->enabled && !str_eq(word, STR("off")))
        return slv_conf_error(cf, 1, "invalid value \"%.*s\", it must be \"on\" or \"off\"",
                              STR_ARG(word));
    for (size_t i = 2; i < slv_conf_count(cf); i++)
        if (set_deflate_parameter(cf, i, s) != 0)
            return -1;
    return 0;
}

static const struct slv_bounds message_bounds = { 1, 1 << 30 };
static const struct slv_bounds frame_bounds = { 0, 1 << 30 };

#define FIELD(member) SLV_FIELD(struct websocket_conf, member)

static const struct slv_directive directives[] = {
    { "websocket", SLV_IN_LOCATION, 1, 6, SLV_NOT_INHERITED,
      "echo | channel name [publish] [rate=number] [subscribers=number] "
      "[client_subscribers=number]", set_websocket, FIELD(endpoint), NULL, NULL },
    { "websocket_origin", SLV_IN_ANY_HTTP, 1, SLV_ARGS_ANY, 0,
      "any | same | name | *.name | ~regex ...", set_origin, FIELD(origins), "any", NULL },
    { "websocket_protocols", SLV_IN_ANY_HTTP, 1, SLV_ARGS_ANY, 0, "name ...", set_protocols,
      FIELD(protocols), NULL, NULL },
    { "websocket_max_message", SLV_IN_ANY_HTTP, 1, 1, 0, "size", slv_set_size, FIELD(max_message),
      "1m", &message_bounds },
    { "websocket_max_frame", SLV_IN_ANY_HTTP, 1, 1, 0, "size", slv_set_size, FIELD(max_frame), "0",
      &frame_bounds },
    { "websocket_buffer", SLV_IN_ANY_HTTP, 1, 2, 0, "size [1008 | 1013]", set_buffer,
      FIELD(buffer), "1m 1013", NULL },
    { "websocket_ping_interval", SLV_IN_ANY_HTTP, 1, 1, 0, "time", slv_set_ms,
      FIELD(ping_interval), "60s", NULL },
    { "websocket_ping_timeout", SLV_IN_ANY_HTTP, 1, 1, 0, "time", slv_set_ms, FIELD(ping_timeout),
      "30s", NULL },
    { "websocket_deflate", SLV_IN_ANY_HTTP, 1, 4, 0,
      "on | off [window=bits] [takeover=on|off] [memory=size]", set_deflate, FIELD(deflate), "off",
      NULL },
    { 0 }
};

/* Completes a block's struct. */
static int finish(struct slv_conf *cf, void *conf)
{
    struct websocket_conf *c = conf;

    if (c->ping_timeout < 1)
        return slv_conf_error(cf, 0, "websocket_ping_timeout must not be 0");
    c->settings = (struct ws_settings){
        .max_message = c->max_message,
        .max_frame = c->max_frame,
        .buffer = c->buffer.size,
        .overflow_code = c->buffer.code,
        .ping_interval = c->ping_interval,
        .ping_timeout = c->ping_timeout,
        .deflate = c->deflate,
    };
    return 0;
}

/* ---- Hooks ---------------------------------------------------------------------------------- */

/* Does the handshake, and upgrades. listener: arg, where it is one; else NULL. */
static int accept_as(struct slv_request *r, const struct protocol_name *protocols,
                     const struct slv_ws_handler *handler, void *arg, struct listener *listener)
{
    const struct websocket_conf *c = slv_request_conf(r, &selvage_module);
    struct handshake_rules rules = {
        .origins = c->origins.first, .protocols = protocols, .deflate = &c->deflate
    };
    struct deflate_terms terms;
    struct str protocol;
    struct ws *ws;
    int status = handshake(r, &rules, &terms, &protocol);

    if (status)
        return status;
    if (listener && str_eq(protocol, STR(CHANNEL_PROTOCOL)))
        channel_tell(listener);
    ws = ws_new(r, &api, &c->settings, &terms, handler, arg);
    if (slv_upgrade(r, &ws_protocol, ws) == SLV_DONE)
        return SLV_DONE;
    ws_discard(&ws);
    return 500;
}

/* struct slv_ws_api: accept */
static int accept_request(struct slv_request *r, const struct slv_ws_handler *handler, void *arg)
{
    const struct websocket_conf *c = slv_request_conf(r, &selvage_module);

    return accept_as(r, c->protocols.first, handler, arg, NULL);
}

/* Lets a client listen to a channel. */
static int accept_listener(struct slv_request *r, const struct websocket_conf *c)
{
    struct protocol_name own = { c->protocols.first, STR(CHANNEL_PROTOCOL) };
    struct listener *l;
    int status = channel_join(r, &c->endpoint.channel, &l);

    if (status)
        return status;
    status = accept_as(r, &own, &channel_handler, l, l);
    if (status != SLV_DONE)
        channel_leave(&l);
    return status;
}

/* struct slv_module: content */
static int content(struct slv_request *r, const void *conf)
{
    const struct websocket_conf *c = conf;

    switch (c->endpoint.kind) {
    case ENDPOINT_ECHO:
        return accept_request(r, &echo_handler, NULL);
    case ENDPOINT_CHANNEL:
        return accept_listener(r, c);
    case ENDPOINT_NONE:
        break;
    }
    return SLV_DECLINED;
}

/* struct slv_module: load */
static int load(struct slv_conf *cf)
{
    return slv_offer(cf, SLV_WS_API, &api);
}

static const struct slv_ws_api api = {
    .accept = accept_request,
    .send = ws_send,
    .send_prepared = ws_send_prepared,
    .send_back = ws_send_back,
    .waiting = ws_waiting,
    .close = ws_close,
    .request = ws_request,
};

const struct slv_module selvage_module = {
    SLV_MODULE_HEADER,
    .name = "websocket",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct websocket_conf),
    .load = load,
    .finish = finish,
    .content = content,
    .worker_stop = deflate_clear,
};
