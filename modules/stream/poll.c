/*
 * poll.c - long polling: the next message of a channel is the answer, when there is one.
 */
#include "stream.h"

#include <stdlib.h>

struct poll {
    unsigned magic;
#define POLL_MAGIC 0x90117e57u
    struct slv_request *r;
    struct slv_hub_subscriber subscriber;
    struct stream_clock clock;
    bool conditional;              /* it was asked with If-None-Match */
};

/* Answers with a message. */
static int answer(struct poll *p, const struct slv_hub_message *m, bool gap)
{
    struct slv_request *r = p->r;
    struct str id = slv_printf(r, "%llu", (unsigned long long)m->id);
    char *data = slv_alloc(r, m->data.n + 1);

    memcpy(data, m->data.p, m->data.n);
    stream_uncached(r);
    slv_header_out(r, STR("Last-Event-ID"), id);
    if (m->event.n)
        slv_header_out(r, STR("X-Event"), slv_printf(r, "%.*s", STR_ARG(m->event)));
    if (gap)
        slv_header_out(r, STR("X-Gap"), STR("1"));
    slv_hub_unsubscribe(&p->subscriber);
    stream_clock_stop(&p->clock);
    return slv_respond(r, &(struct slv_response){
        .status = 200,
        .content_type = m->kind == SLV_HUB_TEXT ? STR("text/plain; charset=utf-8")
                                                : STR("application/octet-stream"),
        .etag = slv_printf(r, "\"%.*s\"", STR_ARG(id)),
        .no_ranges = true,
        .body = { .kind = SLV_BODY_MEM, .data = data, .size = (int64_t)m->data.n },
    });
}

/* Answers if there is a message. SLV_LATER: there is none. */
static int try(struct poll *p)
{
    struct slv_hub_message m;
    enum slv_hub_read got = slv_hub_next(&p->subscriber, &m);
    bool gap = got == SLV_HUB_GAP;

    if (gap)
        got = slv_hub_next(&p->subscriber, &m);
    return got == SLV_HUB_MESSAGE ? answer(p, &m, gap) : SLV_LATER;
}

/* Answers that there was nothing; the id tells where to go on. */
static int answer_nothing(struct poll *p)
{
    struct slv_request *r = p->r;
    struct str id = slv_printf(r, "%llu",
                               (unsigned long long)slv_hub_position(&p->subscriber));

    stream_uncached(r);
    slv_header_out(r, STR("Last-Event-ID"), id);
    slv_hub_unsubscribe(&p->subscriber);
    stream_clock_stop(&p->clock);
    return slv_respond(r, &(struct slv_response){
        .status = p->conditional ? 304 : 204,
        .etag = slv_printf(r, "\"%.*s\"", STR_ARG(id)),
        .body.kind = SLV_BODY_NONE,
    });
}

/* struct slv_hub_subscriber: news */
static void news(struct slv_hub_subscriber *s)
{
    struct poll *p = (struct poll *)(void *)((char *)s - offsetof(struct poll, subscriber));

    if (p->magic != POLL_MAGIC)
        abort();
    try(p);
}

/* struct stream_clock: end */
static void on_end(struct stream_clock *c)
{
    answer_nothing((struct poll *)(void *)((char *)c - offsetof(struct poll, clock)));
}

/* The request is over, perhaps because its client has gone. */
static void forget(void *arg)
{
    struct poll *p = arg;

    if (p->magic != POLL_MAGIC)
        abort();
    slv_hub_unsubscribe(&p->subscriber);
    stream_clock_stop(&p->clock);
    p->magic = 0;
}

int stream_poll(struct slv_request *r, const struct stream_conf *c)
{
    struct poll *p = slv_alloc(r, sizeof *p);
    enum slv_hub_result subscribed;
    struct str name;
    int result = stream_channel(r, c->what.text, &name);

    if (result)
        return result;
    *p = (struct poll){ .magic = POLL_MAGIC, .r = r, .subscriber.news = news };
    p->conditional = slv_header_in(r, SLV_H_IF_NONE_MATCH).p != NULL;
    p->clock.end = on_end;
    p->clock.beats = INT64_MAX;
    p->clock.ends = slv_now() + c->poll_timeout;
    subscribed = slv_hub_subscribe(&p->subscriber, r, name, stream_after(r, c), stream_most(c));
    if (subscribed != SLV_HUB_OK)
        return slv_hub_refused(r, subscribed);
    slv_on_end(r, forget, p);
    result = try(p);
    if (result != SLV_LATER)
        return result;
    if (r->method == SLV_HEAD)
        return answer_nothing(p);
    stream_clock_start(&p->clock);
    return SLV_LATER;
}
