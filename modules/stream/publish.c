/*
 * publish.c - messages that come by POST, and what a channel has.
 */
#include "stream.h"

/* A text that says what it is, in JSON. */
static int answer_json(struct slv_request *r, int status, struct str text)
{
    slv_header_out(r, STR("Cache-Control"), STR("no-cache"));
    return slv_respond_text(r, status, STR("application/json"), text);
}

int stream_publish(struct slv_request *r, const struct stream_conf *c)
{
    struct str type = slv_header_in(r, SLV_H_CONTENT_TYPE);
    struct str binary = STR("application/octet-stream");
    struct slv_hub_post post = { .data = slv_request_body(r), .rate = (unsigned)c->rate };
    enum slv_hub_result result;
    uint64_t id;
    int status = stream_channel(r, c->publish, &post.channel);

    if (status)
        return status;
    if (type.n >= binary.n && str_ieq((struct str){ type.p, binary.n }, binary))
        post.kind = SLV_HUB_BINARY;
    if (c->event)
        post.event = slv_template_text(r, c->event);
    result = slv_hub_publish(&post, &id);
    if (result != SLV_HUB_OK)
        return stream_refused(r, result);
    /* Names have no byte that would have to be written otherwise in JSON. */
    return answer_json(r, 202, slv_printf(r, "{\"channel\":\"%.*s\",\"id\":%llu}\n",
                                          STR_ARG(post.channel), (unsigned long long)id));
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
        return stream_refused(r, result);
    return answer_json(r, 200, slv_printf(r,
        "{\"channel\":\"%.*s\",\"subscribers\":%llu,\"messages\":%llu,\"bytes\":%llu,"
        "\"last_id\":%llu}\n", STR_ARG(name), (unsigned long long)p.subscribers,
        (unsigned long long)p.messages, (unsigned long long)p.bytes,
        (unsigned long long)p.last_id));
}
