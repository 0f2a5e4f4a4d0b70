/*
 * channel.c - websocket channel: connections that listen to a channel of the hub, and speak there.
 *
 * A message lies in shared memory as the frame that goes out, so it is sent from there. What a
 * client has not been sent yet waits in the log and not in its queue: it may lag behind by
 * websocket_buffer bytes, like any other.
 */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>

#include "connection.h"
#include "frame.h"

/* With so much unsent, no more is queued until some has left. */
#define QUEUE_MARK (16 * 1024)

struct listener {
    unsigned magic;
#define LISTENER_MAGIC 0x11570e4bu
    bool tell;                     /* it is to be told where it begins */
    uint8_t size;                  /* of name */
    struct slv_hub_subscriber subscriber;
    const struct channel_endpoint *endpoint;
    struct slv_ws *ws;             /* NULL: not open yet */
    char name[];                   /* of the channel */
};

_Static_assert(SLV_HUB_NAME_MAX <= UINT8_MAX, "the size of a name is a byte");

/* Takes one back. */
static struct listener *listener_of(void *p)
{
    struct listener *l = p;

    if (!l || l->magic != LISTENER_MAGIC)
        abort();
    return l;
}

/* ---- Configuration --------------------------------------------------------------------------- */

/* The number behind the '=' of a parameter. 0 or -1. */
static int parse_count(struct str text, unsigned *out)
{
    int64_t n;

    if (slv_parse_size(text, &n) != 0 || n < 1 || n > UINT32_MAX)
        return -1;
    *out = (unsigned)n;
    return 0;
}

int channel_parse(struct slv_conf *cf, struct channel_endpoint *c)
{
    struct str name;

    for (size_t i = 3; i < slv_conf_count(cf); i++) {
        struct str word = slv_conf_arg(cf, i);

        if (str_eq(word, STR("publish")))
            c->publish = true;
        else if (!(str_starts(word, STR("rate=")) && parse_count(str_from(word, 5), &c->rate) == 0)
                 && !(str_starts(word, STR("subscribers="))
                      && parse_count(str_from(word, 12), &c->most.channel) == 0)
                 && !(str_starts(word, STR("client_subscribers="))
                      && parse_count(str_from(word, 19), &c->most.client) == 0))
            return slv_conf_error(cf, i, "invalid parameter \"%.*s\", it must be \"publish\", "
                                  "rate=number, subscribers=number or client_subscribers=number",
                                  STR_ARG(word));
    }
    c->name = slv_template_compile(cf, 2, slv_conf_arg(cf, 2));
    c->after = slv_template_compile(cf, 2, STR("$arg_last_event_id"));
    if (!c->name || !c->after)
        return -1;
    name = slv_template_literal(c->name);
    if (name.p && !slv_hub_name_ok(name))
        return slv_conf_error(cf, 2, "invalid channel \"%.*s\", it must be 1 to %d letters, digits "
                              "or any of -_.~:/@+=,", STR_ARG(name), SLV_HUB_NAME_MAX);
    return 0;
}

/* ---- Listening ------------------------------------------------------------------------------- */

int channel_join(struct slv_request *r, const struct channel_endpoint *c, struct listener **made)
{
    struct str name = slv_template_text(r, c->name), after = { NULL, 0 };
    struct listener *l;
    enum slv_hub_result result;

    if (!slv_hub_name_ok(name)) {
        slv_log(r, SLV_LOG_INFO, 0, "client asks for a channel of %zu bytes whose name is not "
                "allowed", name.n);
        return 400;
    }
    l = calloc(1, sizeof *l + name.n);
    if (!l)
        abort();
    l->magic = LISTENER_MAGIC;
    l->endpoint = c;
    l->size = (uint8_t)name.n;
    memcpy(l->name, name.p, name.n);
    if (r->args.n)
        after = slv_template_text(r, c->after);
    result = slv_hub_subscribe(&l->subscriber, r, name, slv_hub_after(after), c->most);
    if (result == SLV_HUB_OK) {
        *made = l;
        return 0;
    }
    channel_leave(&l);
    return slv_hub_refused(r, result);
}

void channel_leave(struct listener **pl)
{
    struct listener *l = listener_of(*pl);

    *pl = NULL;
    slv_hub_unsubscribe(&l->subscriber);
    l->magic = 0;
    free(l);
}

void channel_tell(struct listener *l)
{
    l->tell = true;
}

/*
 * The first message: behind which id those begin that follow, and whether some are missing.
 * Position 0 is where they are, or the place in front of a channel that had none.
 */
static void tell_begin(struct listener *l)
{
    struct slv_hub_message m;
    uint64_t behind = slv_hub_position(&l->subscriber);
    enum slv_hub_read got = behind ? SLV_HUB_NOTHING : slv_hub_next(&l->subscriber, &m);
    char text[64];
    int n;

    behind = slv_hub_position(&l->subscriber) - (got == SLV_HUB_MESSAGE);
    n = snprintf(text, sizeof text, "{\"after\":%llu%s}", (unsigned long long)behind,
                 got == SLV_HUB_GAP ? ",\"gap\":true" : "");
    l->tell = false;
    slv_ws_send(l->ws, SLV_WS_TEXT, text, (size_t)n);
    if (got == SLV_HUB_MESSAGE)
        ws_send_turn(l->ws, m.frame.p, m.frame.n);
}

/* struct slv_ws_handler: on_room. Sends what there is, as long as it leaves. */
static void deliver(struct slv_ws *ws, void *arg)
{
    struct listener *l = listener_of(arg);
    struct slv_hub_message m;

    if (l->tell)
        tell_begin(l);
    while (slv_ws_waiting(ws) < QUEUE_MARK) {
        switch (slv_hub_next(&l->subscriber, &m)) {
        case SLV_HUB_MESSAGE:
            ws_send_turn(ws, m.frame.p, m.frame.n);
            break;
        case SLV_HUB_GAP:
            slv_ws_close(ws, CODE_TRY_LATER, STR("messages are missing"));
            return;
        case SLV_HUB_NOTHING:
            return;
        }
    }
    ws_bound(ws, slv_hub_lag(&l->subscriber));
}

/* struct slv_ws_handler: on_open */
static void on_open(struct slv_ws *ws, void *arg)
{
    listener_of(arg)->ws = ws;
    deliver(ws, arg);
}

/* ---- Speaking -------------------------------------------------------------------------------- */

/* struct slv_ws_handler: on_message */
static void on_message(struct slv_ws *ws, void *arg, enum slv_ws_kind kind, char *data, size_t n)
{
    struct listener *l = listener_of(arg);
    struct slv_hub_post post = {
        .channel = { l->name, l->size },
        .kind = kind == SLV_WS_TEXT ? SLV_HUB_TEXT : SLV_HUB_BINARY,
        .data = { data, n }, .rate = l->endpoint->rate
    };
    uint64_t id;

    if (!l->endpoint->publish) {
        slv_ws_close(ws, CODE_POLICY, STR("nothing can be said here"));
        return;
    }
    switch (slv_hub_publish(&post, &id)) {
    case SLV_HUB_OK:
        return;
    case SLV_HUB_TOO_LARGE:
        slv_ws_close(ws, CODE_TOO_LARGE, STR("the channel takes no message of that size"));
        return;
    case SLV_HUB_TOO_FAST:
        slv_ws_close(ws, CODE_POLICY, STR("too many messages"));
        return;
    default:
        slv_ws_close(ws, CODE_TRY_LATER, STR("the channel takes no message now"));
        return;
    }
}

/* struct slv_ws_handler: on_close */
static void on_close(struct slv_ws *ws, void *arg, unsigned code, struct str reason)
{
    struct listener *l = listener_of(arg);

    (void)ws;
    (void)code;
    (void)reason;
    channel_leave(&l);
}

const struct slv_ws_handler channel_handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_room = deliver,
    .on_close = on_close,
};
