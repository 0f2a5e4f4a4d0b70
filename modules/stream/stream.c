/*
 * stream.c - the module of answers that go on: events, polls, files that grow; and publishing.
 */
#include "stream.h"

#include <stdlib.h>
#include <sys/random.h>

SLV_API extern const struct slv_module selvage_module;

/* All clocks of this worker. */
static struct stream_clock *clocks;
static bool draining;
static int64_t drain_ends;         /* when the last one has to have ended */
static uint64_t seed;

/* ---- Configuration --------------------------------------------------------------------------- */

/* stream sse | longpoll | chunked | multipart channel; stream file path */
static int set_stream(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    static const struct slv_word words[] = {
        { "sse", STREAM_SSE }, { "longpoll", STREAM_LONGPOLL }, { "chunked", STREAM_CHUNKED },
        { "multipart", STREAM_MULTIPART }, { "file", STREAM_FILE }, { NULL, 0 }
    };
    struct stream_what *what = &((struct stream_conf *)conf)->what;
    struct str text = slv_conf_arg(cf, 2);

    (void)d;
    for (const struct slv_word *w = words; w->word; w++)
        if (str_eq(slv_conf_arg(cf, 1), str_of(w->word)))
            what->kind = (enum stream_kind)w->value;
    if (what->kind == STREAM_NONE)
        return slv_conf_error(cf, 1, "invalid value \"%.*s\", it must be \"sse\", \"longpoll\", "
                              "\"chunked\", \"multipart\" or \"file\"",
                              STR_ARG(slv_conf_arg(cf, 1)));
    if (what->kind == STREAM_FILE && text.n && text.p[0] != '$')
        text = slv_conf_path(cf, text, false);
    what->text = slv_template_compile(cf, 2, text);
    what->after = slv_template_compile(cf, 2, STR("$arg_last_event_id"));
    return what->text && what->after ? 0 : -1;
}

/* A channel that is named once and for all can be judged when the file is read. */
static int check_name(struct slv_conf *cf, const struct slv_template *t, const char *directive)
{
    struct str name = t ? slv_template_literal(t) : (struct str){ NULL, 0 };

    if (!name.p || slv_hub_name_ok(name))
        return 0;
    return slv_conf_error(cf, 0, "invalid channel \"%.*s\" in \"%s\", it must be 1 to %d letters, "
                          "digits or any of -_.~:/@+=,", STR_ARG(name), directive,
                          SLV_HUB_NAME_MAX);
}

/* Checks what belongs together. */
static int finish(struct slv_conf *cf, void *conf)
{
    const struct stream_conf *c = conf;

    if (c->what.kind != STREAM_FILE && check_name(cf, c->what.text, "stream") != 0)
        return -1;
    return check_name(cf, c->publish, "publish");
}

static const struct slv_bounds natural = { 0, UINT32_MAX };

#define FIELD(member) SLV_FIELD(struct stream_conf, member)
#define EVERYWHERE SLV_IN_ANY_HTTP

static const struct slv_directive directives[] = {
    { "stream", SLV_IN_LOCATION, 2, 2, SLV_NOT_INHERITED,
      "sse | longpoll | chunked | multipart | file text", set_stream, FIELD(what), NULL, NULL },
    { "publish", SLV_IN_LOCATION, 1, 1, SLV_NOT_INHERITED, "channel", slv_set_template,
      FIELD(publish), NULL, NULL },
    { "publish_event", EVERYWHERE, 1, 1, 0, "text", slv_set_template, FIELD(event), NULL, NULL },
    { "publish_timeout", EVERYWHERE, 1, 1, 0, "time", slv_set_ms, FIELD(publish_timeout), "5s",
      NULL },
    { "publish_rate", EVERYWHERE, 1, 1, 0, "number", slv_set_number, FIELD(rate), "0", &natural },
    { "stream_subscribers", EVERYWHERE, 1, 1, 0, "number", slv_set_number, FIELD(subscribers),
      "0", &natural },
    { "stream_client_subscribers", EVERYWHERE, 1, 1, 0, "number", slv_set_number,
      FIELD(client_subscribers), "0", &natural },
    { "stream_heartbeat", EVERYWHERE, 1, 1, 0, "time", slv_set_ms, FIELD(heartbeat), "15s", NULL },
    { "stream_retry", EVERYWHERE, 1, 1, 0, "time", slv_set_ms, FIELD(retry), "2s", NULL },
    { "stream_max_age", EVERYWHERE, 1, 1, 0, "time", slv_set_ms, FIELD(max_age), "0", NULL },
    { "stream_lag", EVERYWHERE, 1, 1, 0, "size", slv_set_size, FIELD(lag), "1m", &natural },
    { "stream_poll_timeout", EVERYWHERE, 1, 1, 0, "time", slv_set_ms, FIELD(poll_timeout), "30s",
      NULL },
    { 0 }
};

/* ---- What all kinds need --------------------------------------------------------------------- */

int stream_channel(struct slv_request *r, const struct slv_template *t, struct str *name)
{
    *name = slv_template_text(r, t);
    if (slv_hub_name_ok(*name))
        return 0;
    slv_log(r, SLV_LOG_INFO, 0, "client asks for a channel of %zu bytes whose name is not allowed",
            name->n);
    return 400;
}

struct slv_hub_most stream_most(const struct stream_conf *c)
{
    return (struct slv_hub_most){ (unsigned)c->subscribers, (unsigned)c->client_subscribers };
}

uint64_t stream_after(struct slv_request *r, const struct stream_conf *c)
{
    struct str text = slv_header_in(r, SLV_H_LAST_EVENT_ID);

    if (!text.n && c->what.kind == STREAM_LONGPOLL) {
        text = slv_header_in(r, SLV_H_IF_NONE_MATCH);
        if (text.n > 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
            text = (struct str){ text.p + 1, text.n - 2 };
    }
    if (!text.n && r->args.n)
        text = slv_template_text(r, c->what.after);
    return slv_hub_after(text);
}

void stream_uncached(struct slv_request *r)
{
    slv_header_out(r, STR("Cache-Control"), STR("no-cache"));
    slv_header_out(r, STR("X-Accel-Buffering"), STR("no"));
}

bool stream_draining(void)
{
    return draining;
}

int64_t stream_random(int64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n > 0 ? (int64_t)(seed % (uint64_t)n) : 0;
}

/* ---- Clocks ---------------------------------------------------------------------------------- */

/* Its end has come, or a beat. */
static void on_time(struct slv_timer *t)
{
    struct stream_clock *c = (struct stream_clock *)(void *)
        ((char *)t - offsetof(struct stream_clock, timer));
    int64_t now = slv_now();

    if (c->magic != STREAM_CLOCK_MAGIC)
        abort();
    if (now >= c->ends)
        c->end(c);
    else if (now >= c->beats)
        c->beat(c);
    else
        stream_clock_set(c);
}

void stream_clock_set(struct stream_clock *c)
{
    int64_t now = slv_now(), at = c->ends < c->beats ? c->ends : c->beats;

    slv_timer_set(&c->timer, at == INT64_MAX ? -1 : at > now ? at - now : 0);
}

/* Lets it end at some time until the drain has to be over. */
static void hasten(struct stream_clock *c)
{
    int64_t left = drain_ends - slv_now(), ends = slv_now() + stream_random(left);

    if (ends < c->ends)
        c->ends = ends;
}

void stream_clock_start(struct stream_clock *c)
{
    c->magic = STREAM_CLOCK_MAGIC;
    c->timer.fire = on_time;
    c->prev = NULL;
    c->next = clocks;
    if (clocks)
        clocks->prev = c;
    clocks = c;
    if (draining)
        hasten(c);
    stream_clock_set(c);
}

void stream_clock_stop(struct stream_clock *c)
{
    if (c->magic != STREAM_CLOCK_MAGIC)
        return;
    slv_timer_set(&c->timer, -1);
    *(c->prev ? &c->prev->next : &clocks) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->magic = 0;
}

/* ---- The module ------------------------------------------------------------------------------ */

/* Answers with what there is to a method that has no meaning here. */
static int wrong_method(struct slv_request *r, const struct stream_conf *c)
{
    slv_header_out(r, STR("Allow"), c->publish ? STR("GET, HEAD, POST") : STR("GET, HEAD"));
    return 405;
}

/* Answers requests of locations that publish or stream. */
static int content(struct slv_request *r, const void *conf)
{
    const struct stream_conf *c = conf;

    if (c->what.kind == STREAM_NONE && !c->publish)
        return SLV_DECLINED;
    if (r->method == SLV_POST && c->publish)
        return stream_publish(r, c);
    if (r->method != SLV_GET && r->method != SLV_HEAD)
        return wrong_method(r, c);
    switch (c->what.kind) {
    case STREAM_SSE:
    case STREAM_CHUNKED:
    case STREAM_MULTIPART:
        return stream_events(r, c);
    case STREAM_LONGPOLL:
        return stream_poll(r, c);
    case STREAM_FILE:
        return stream_follow(r, c);
    case STREAM_NONE:
        break;
    }
    return stream_presence(r, c);
}

/* What is posted is kept, as much as client_max_body_size lets pass. */
static int64_t body(struct slv_request *r, const void *conf)
{
    const struct stream_conf *c = conf;

    return c->publish && r->method == SLV_POST ? INT64_MAX : 0;
}

/* This worker is being replaced, or stopped. */
static void drain(bool successor, int64_t window)
{
    (void)successor;
    if (draining)
        return;
    draining = true;
    drain_ends = slv_now() + window;
    for (struct stream_clock *c = clocks; c; c = c->next) {
        hasten(c);
        stream_clock_set(c);
    }
}

/* Every worker throws other dice. */
static int worker_start(void)
{
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed;
    seed |= 1;
    return 0;
}

const struct slv_module selvage_module = {
    SLV_MODULE_HEADER,
    .name = "stream",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct stream_conf),
    .finish = finish,
    .content = content,
    .body = body,
    .drain = drain,
    .worker_start = worker_start,
};
