/*
 * events.c - a channel as an answer that goes on: server-sent events, parts, or the data alone.
 */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

/* Random, so that no data will have it in a line; a client reads it from Content-Type anyway. */
#define BOUNDARY "slv-hC5x0tNqYw7"

/* Messages that leave nothing to send, in one turn; then other connections have theirs. */
#define SKIPS_MAX 64

struct events {
    struct slv_source source;      /* first, see there */
    unsigned magic;
#define EVENTS_MAGIC 0xe7e475a1u
    struct slv_request *r;
    const struct stream_conf *conf;
    struct slv_hub_subscriber subscriber;
    struct stream_clock clock;
    int64_t sent;                  /* when something was last queued */
    bool begun;                    /* the first lines have left */
    bool woken;                    /* there is news, and it has not been asked for more since */
    bool beat, ending;             /* what it is to say when it is asked next */
};

/* The events of a source. */
static struct events *events_of(struct slv_source *source)
{
    struct events *e = (struct events *)(void *)source;

    if (e->magic != EVENTS_MAGIC)
        abort();
    return e;
}

/* Writes text. */
static void say(struct events *e, const char *text, int n)
{
    slv_write(e->r, text, (size_t)n);
}

/* The first lines: how soon to come again, and behind which message this begins. */
static void begin(struct events *e, uint64_t behind)
{
    char text[96];

    e->begun = true;
    if (e->conf->what.kind == STREAM_SSE)
        say(e, text, snprintf(text, sizeof text, "retry: %lld\nid: %llu\n\n",
                              (long long)e->conf->retry, (unsigned long long)behind));
    else if (e->conf->what.kind == STREAM_MULTIPART)
        say(e, "--" BOUNDARY, sizeof "--" BOUNDARY - 1);
}

/* The last line: when to come again, not all at the same time. */
static void end(struct events *e)
{
    char text[48];
    int64_t retry = e->conf->retry / 2 + stream_random(e->conf->retry + 1);

    if (e->conf->what.kind == STREAM_SSE)
        say(e, text, snprintf(text, sizeof text, "retry: %lld\n\n", (long long)retry));
    else if (e->conf->what.kind == STREAM_MULTIPART)
        say(e, "--\r\n", 4);
    /* On this connection it would come back here. */
    if (stream_draining())
        slv_close_after(e->r);
    slv_end(e->r);
    /* What is queued may take its time to leave. */
    slv_hub_unsubscribe(&e->subscriber);
    stream_clock_stop(&e->clock);
}

/*
 * Messages are missing; the data of the event says behind which one it goes on. False: there is no
 * way to say so, and nothing was queued.
 */
static bool tell_gap(struct events *e, uint64_t before)
{
    char text[128];

    if (e->conf->what.kind != STREAM_SSE)
        return false;
    say(e, text, snprintf(text, sizeof text,
                          "event: gap\ndata: {\"after\":%llu,\"resumes\":%llu}\n\n",
                          (unsigned long long)before,
                          (unsigned long long)slv_hub_position(&e->subscriber)));
    return true;
}

/*
 * A part (RFC 2046 section 5.1). The boundary behind it leaves at once, because it is only then
 * that a client knows that the part is whole.
 */
static void pass_part(struct events *e, const struct slv_hub_message *m)
{
    struct str type = m->type;
    char text[SLV_HUB_TYPE_MAX + 128];

    if (!type.n)
        type = m->kind == SLV_HUB_TEXT ? STR("text/plain; charset=utf-8")
                                       : STR("application/octet-stream");
    say(e, text, snprintf(text, sizeof text, "\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n"
                          "Content-ID: <%llu>\r\n\r\n", STR_ARG(type), m->data.n,
                          (unsigned long long)m->id));
    slv_write(e->r, m->data.p, m->data.n);
    say(e, "\r\n--" BOUNDARY, sizeof "\r\n--" BOUNDARY - 1);
}

/* One message into the queue of the connection. False: there was nothing to queue. */
static bool pass_on(struct events *e, const struct slv_hub_message *m)
{
    e->sent = slv_now();
    if (e->conf->what.kind == STREAM_SSE)
        slv_write_chunk(e->r, m->chunk, m->sse);
    else if (e->conf->what.kind == STREAM_MULTIPART)
        pass_part(e, m);
    else
        slv_write(e->r, m->data.p, m->data.n);
    return e->conf->what.kind != STREAM_CHUNKED || m->data.n > 0;
}

/*
 * The beginning. Position 0 is an id that the history does not reach back to, or the place in front
 * of a channel that has not had a message.
 */
static void start(struct events *e, uint64_t before)
{
    struct slv_hub_message m;
    enum slv_hub_read got = before ? SLV_HUB_NOTHING : slv_hub_next(&e->subscriber, &m);

    begin(e, got == SLV_HUB_MESSAGE ? m.id - 1 : slv_hub_position(&e->subscriber));
    if (got == SLV_HUB_GAP)
        tell_gap(e, stream_after(e->r, e->conf));
    else if (got == SLV_HUB_MESSAGE)
        pass_on(e, &m);
}

/*
 * struct slv_source: pull. One thing at a time, so that little is queued for a slow client; but
 * one, because what queues nothing is not asked for more.
 */
static void pull(struct slv_source *source, struct slv_request *r)
{
    struct events *e = events_of(source);
    uint64_t before = slv_hub_position(&e->subscriber);
    struct slv_hub_message m;
    enum slv_hub_read got = SLV_HUB_NOTHING;

    (void)r;
    e->woken = false;
    if (!e->begun) {
        start(e, before);
        return;
    }
    /* On a busy channel there would always be one more message. */
    if (e->ending) {
        end(e);
        return;
    }
    for (int i = 0; i < SKIPS_MAX; i++) {
        before = slv_hub_position(&e->subscriber);
        got = slv_hub_next(&e->subscriber, &m);
        if (got == SLV_HUB_NOTHING)
            break;
        if (got == SLV_HUB_MESSAGE ? pass_on(e, &m) : tell_gap(e, before))
            return;
    }
    if (got != SLV_HUB_NOTHING) {
        slv_wake(e->r);
    } else if (e->beat) {
        e->beat = false;
        say(e, ":\n\n", 3);
    }
}

/* struct slv_source: stop. What there is to do, release() does. */
static void stop(struct slv_source *source, struct slv_request *r, int error)
{
    (void)source;
    (void)r;
    (void)error;
}

/* struct slv_body: release. Also where the answer became another one, such as 412. */
static void release(void *owner)
{
    struct events *e = owner;

    slv_hub_unsubscribe(&e->subscriber);
    stream_clock_stop(&e->clock);
    e->magic = 0;
}

/* struct slv_hub_subscriber: news */
static void news(struct slv_hub_subscriber *s)
{
    struct events *e = (struct events *)(void *)((char *)s - offsetof(struct events, subscriber));

    /* Woken before, and not asked for more since then: the socket is full. */
    if (e->woken && e->conf->lag && slv_hub_lag(s) > (uint64_t)e->conf->lag) {
        slv_cut(e->r);
        return;
    }
    e->woken = true;
}

/* The events of a clock. */
static struct events *of_clock(struct stream_clock *c)
{
    return (struct events *)(void *)((char *)c - offsetof(struct events, clock));
}

/* struct stream_clock: beat. Only where nothing else has told the client that we are there. */
static void on_beat(struct stream_clock *c)
{
    struct events *e = of_clock(c);
    int64_t now = slv_now();

    if (now - e->sent >= e->conf->heartbeat) {
        e->beat = true;
        e->sent = now;
        slv_wake(e->r);
    }
    c->beats = e->sent + e->conf->heartbeat;
    stream_clock_set(c);
}

/* struct stream_clock: end */
static void on_end(struct stream_clock *c)
{
    struct events *e = of_clock(c);

    e->ending = true;
    c->ends = c->beats = INT64_MAX;
    slv_wake(e->r);
}

/* Starts the clock of a stream. */
static void start_clock(struct events *e)
{
    const struct stream_conf *c = e->conf;

    e->sent = slv_now();
    e->clock.beat = on_beat;
    e->clock.end = on_end;
    e->clock.beats = c->heartbeat && c->what.kind == STREAM_SSE ? e->sent + c->heartbeat
                                                                 : INT64_MAX;
    e->clock.ends = c->max_age ? e->sent + c->max_age - stream_random(c->max_age / 5 + 1)
                               : INT64_MAX;
    stream_clock_start(&e->clock);
}

int stream_events(struct slv_request *r, const struct stream_conf *c)
{
    struct events *e = slv_alloc(r, sizeof *e);
    struct slv_response response = { .status = 200, .no_ranges = true };
    struct str name;
    int status = stream_channel(r, c->what.text, &name);

    if (status)
        return status;
    *e = (struct events){
        .source = { pull, stop }, .magic = EVENTS_MAGIC, .r = r, .conf = c,
        .subscriber.news = news
    };
    if (r->method == SLV_GET) {
        enum slv_hub_result result = slv_hub_subscribe(&e->subscriber, r, name,
                                                       stream_after(r, c), stream_most(c));

        if (result != SLV_HUB_OK)
            return slv_hub_refused(r, result);
        start_clock(e);
    }
    stream_uncached(r);
    response.content_type = c->what.kind == STREAM_SSE ? STR("text/event-stream")
        : c->what.kind == STREAM_MULTIPART ? STR("multipart/x-mixed-replace; boundary=" BOUNDARY)
        : slv_request_type(r, r->path);
    response.body = (struct slv_body){
        .kind = SLV_BODY_SOURCE, .source = &e->source, .size = -1, .release = release, .owner = e
    };
    return slv_respond(r, &response);
}
