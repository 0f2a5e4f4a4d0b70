/*
 * publish.c - messages that come by POST, and what a channel has.
 */
#include "stream.h"

#include <stdlib.h>

/* A text that says what it is, in JSON. */
static int answer_json(struct slv_request *r, int status, struct str text)
{
    slv_header_out(r, STR("Cache-Control"), STR("no-cache"));
    return slv_respond_text(r, status, STR("application/json"), text);
}

/* A publication that waits for the server that several machines share. */
struct publication {
    unsigned magic;
#define PUBLICATION_MAGIC 0x9b11ca71u
    struct slv_request *r;
    struct str channel;
    struct slv_hub_posting posting;
    struct slv_timer timer;
};

/* Says that it has been published. */
static int answer_id(struct slv_request *r, struct str channel, uint64_t id)
{
    /* Names have no byte that would have to be written otherwise in JSON. */
    return answer_json(r, 202, slv_printf(r, "{\"channel\":\"%.*s\",\"id\":%llu}\n",
                                          STR_ARG(channel), (unsigned long long)id));
}

/* Says that it has not been, or that nobody knows. */
static void answer_failure(struct slv_request *r, enum slv_hub_result result, struct str text)
{
    slv_respond_text(r, slv_hub_refused(r, result), STR("text/plain"), text);
}

/* struct slv_hub_posting: done */
static void on_done(struct slv_hub_posting *posting, enum slv_hub_result result, uint64_t id)
{
    struct publication *p = (struct publication *)(void *)
        ((char *)posting - offsetof(struct publication, posting));

    if (p->magic != PUBLICATION_MAGIC)
        abort();
    slv_timer_set(&p->timer, -1);
    if (result == SLV_HUB_OK)
        answer_id(p->r, p->channel, id);
    else
        answer_failure(p->r, result, STR("refused\n"));
}

/* struct slv_timer: fire. The message stays where it is, and may be published yet. */
static void on_late(struct slv_timer *timer)
{
    struct publication *p = (struct publication *)(void *)
        ((char *)timer - offsetof(struct publication, timer));

    slv_hub_post_forget(&p->posting);
    answer_failure(p->r, SLV_HUB_LATER, STR("not known\n"));
}

/* The request is over, perhaps because its client has gone. */
static void forget(void *arg)
{
    struct publication *p = arg;

    if (p->magic != PUBLICATION_MAGIC)
        abort();
    slv_hub_post_forget(&p->posting);
    slv_timer_set(&p->timer, -1);
    p->magic = 0;
}

/* Publishes, and answers when it is known what has come of it. */
static int publish(struct slv_request *r, const struct stream_conf *c,
                   const struct slv_hub_post *post)
{
    struct publication *p = slv_alloc(r, sizeof *p);
    enum slv_hub_result result;
    uint64_t id;

    *p = (struct publication){
        .magic = PUBLICATION_MAGIC, .r = r, .posting.done = on_done, .timer.fire = on_late,
        .channel = slv_printf(r, "%.*s", STR_ARG(post->channel))
    };
    result = slv_hub_post(&p->posting, post, &id);
    if (result == SLV_HUB_OK)
        return answer_id(r, p->channel, id);
    if (result != SLV_HUB_LATER)
        return slv_hub_refused(r, result);
    slv_on_end(r, forget, p);
    slv_timer_set(&p->timer, c->publish_timeout);
    return SLV_LATER;
}

/* Data of that type is no text: pictures, sound, and what nobody knows. */
static bool is_binary(struct str type)
{
    static const char *const kinds[] = {
        "application/octet-stream", "image/", "audio/", "video/", "font/"
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct str kind = str_of(kinds[i]);

        if (type.n >= kind.n && str_ieq((struct str){ type.p, kind.n }, kind))
            return true;
    }
    return false;
}

int stream_publish(struct slv_request *r, const struct stream_conf *c)
{
    struct slv_hub_post post = {
        .data = slv_request_body(r), .rate = (unsigned)c->rate,
        .type = slv_header_in(r, SLV_H_CONTENT_TYPE)
    };
    int status = stream_channel(r, c->publish, &post.channel);

    if (status)
        return status;
    if (is_binary(post.type))
        post.kind = SLV_HUB_BINARY;
    /* What curl says of all that it is given, and no kind of message. */
    if (str_ieq(post.type, STR("application/x-www-form-urlencoded")))
        post.type.n = 0;
    if (c->event)
        post.event = slv_template_text(r, c->event);
    return publish(r, c, &post);
}

int stream_presence(struct slv_request *r, const struct stream_conf *c)
{
    struct slv_hub_presence p;
    enum slv_hub_result result;
    struct str name;
    int status = stream_channel(r, c->publish, &name);

    if (status)
        return status;
    result = slv_hub_presence(name, &p);
    if (result != SLV_HUB_OK)
        return slv_hub_refused(r, result);
    return answer_json(r, 200, slv_printf(r,
        "{\"channel\":\"%.*s\",\"subscribers\":%llu,\"messages\":%llu,\"bytes\":%llu,"
        "\"last_id\":%llu}\n", STR_ARG(name), (unsigned long long)p.subscribers,
        (unsigned long long)p.messages, (unsigned long long)p.bytes,
        (unsigned long long)p.last_id));
}
