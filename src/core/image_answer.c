/*
 * image_answer.c - answering from a prebuilt image: a lookup, a choice, two spans.
 */
#include "core/images.h"

#include "base/check.h"
#include "base/metrics.h"
#include "core/core_conf.h"
#include "core/image_head.h"
#include "http/conditional.h"
#include "http/head.h"
#include "http/range.h"

/* As many as slv_respond() serves: a request for more is answered with the whole. */
#define RANGES_MAX 200

/* The server's preference between codings that the client likes equally. */
static const enum coding order[] = { CODING_BR, CODING_ZSTD, CODING_GZIP, CODING_IDENTITY };

/* The variant that the client wants most; identity where it wants none of them. */
static const struct snapshot_variant *choose(struct slv_request *r, const struct snapshot_entry *e)
{
    const struct snapshot_variant *v = snapshot_variants(e);
    struct codings wanted;
    unsigned stock = 0;
    enum coding best;
    struct str accept;

    if (e->variants == 1)
        return v;
    /* Who says nothing about codings is given the plain one. */
    if (!r->known[SLV_H_ACCEPT_ENCODING])
        return v;
    accept = exchange_list(exchange_of(r), SLV_H_ACCEPT_ENCODING);
    negotiate_encoding(accept, accept.p != NULL, &wanted);
    for (unsigned i = 0; i < e->variants; i++)
        stock |= 1u << v[i].coding;
    best = negotiate_pick(&wanted, stock, order, sizeof order / sizeof order[0]);
    for (unsigned i = 1; i < e->variants; i++)
        if (v[i].coding == best)
            return &v[i];
    return v;
}

/* The entity-tag of a variant; empty where it has none. */
static struct str etag_of(const struct snapshot *s, const struct snapshot_variant *v)
{
    return snapshot_text(s, v->brief + v->etag_at, v->etag_size);
}

/* The Last-Modified of an entry, as conditions want it. */
static time_t date_of(const struct snapshot_entry *e)
{
    return e->modified == SNAPSHOT_NO_DATE ? COND_NO_DATE : (time_t)e->modified;
}

/* Judges the preconditions of a request. */
static enum cond_result judge(struct slv_request *r, const struct snapshot *s,
                              const struct snapshot_entry *e, const struct snapshot_variant *v)
{
    struct exchange *x = exchange_of(r);
    struct conditions c = {
        .if_match = exchange_list(x, SLV_H_IF_MATCH),
        .if_unmodified_since = slv_header_in(r, SLV_H_IF_UNMODIFIED_SINCE),
        .if_none_match = exchange_list(x, SLV_H_IF_NONE_MATCH),
        .if_modified_since = slv_header_in(r, SLV_H_IF_MODIFIED_SINCE),
        .get_or_head = true,
        .etag = etag_of(s, v),
        .last_modified = date_of(e),
        .ims_mode = (enum ims_mode)context_of(r)->core->if_modified_since,
        .now = head_now()
    };

    return cond_evaluate(&c);
}

/* The request asks for ranges, and none of them exists. */
static bool beyond_the_end(const struct slv_request *r, const struct snapshot *s,
                           const struct snapshot_entry *e, const struct snapshot_variant *v)
{
    struct str if_range = slv_header_in(r, SLV_H_IF_RANGE);
    int64_t max = context_of(r)->core->max_ranges;
    struct range ranges[RANGES_MAX];
    size_t count;

    if (if_range.p && !cond_if_range(if_range, etag_of(s, v), date_of(e)))
        return false;
    return range_parse(slv_header_in(r, SLV_H_RANGE), v->body_size, ranges,
                       max < 0 || max > RANGES_MAX ? RANGES_MAX : (size_t)max, &count)
        == RANGE_UNSATISFIABLE;
}

/* The last byte of an answer has left, or never will: the version that it lies in may go. */
static void unpin(void *owner)
{
    struct image_version *version = owner;

    image_version_unref(&version);
}

/*
 * Answers a request for ranges: the body is borrowed as ever, but the core makes the head, since
 * that of a part is like no other. Entity-tag, date and fields are those of the full answer, so
 * that what a client has of it fits. A refusal has a page of its own, to which those fields do not
 * belong.
 */
static int answer_range(struct slv_request *r, struct image_version *version,
                        const struct snapshot_entry *e, const struct snapshot_variant *v)
{
    const struct snapshot *s = &version->snapshot;
    struct str extra = snapshot_text(s, e->extra, e->extra_size), line, name, value;
    struct str coding = image_coding_name((enum coding)v->coding);
    struct slv_response response = {
        .status = 200, .content_type = snapshot_text(s, e->type, e->type_size),
        .etag = etag_of(s, v),
        .last_modified = e->modified == SNAPSHOT_NO_DATE ? 0 : (time_t)e->modified,
        .body = { .kind = SLV_BODY_MEM, .data = s->base + v->body, .size = (int64_t)v->body_size,
                  .release = unpin, .owner = version }
    };

    if (beyond_the_end(r, s, e, v)) {
        slv_header_out(r, STR("Content-Range"),
                       slv_printf(r, "bytes */%llu", (unsigned long long)v->body_size));
        return 416;
    }
    while (image_head_line(&extra, &line, &name, &value))
        slv_header_out(r, name, value);
    if (coding.n)
        slv_header_out(r, STR("Content-Encoding"), coding);
    image_version_ref(version);
    return slv_respond(r, &response) == 0 ? SLV_DONE : 500;
}

/*
 * The location that serves is that of the path. It is, unless the request was sent elsewhere inside
 * the server: to a named location, say, where the path stays the same. But what the image has under
 * it was made for another location, and the way there may have been a refusal.
 */
static bool at_home(const struct slv_request *r, const struct context *ctx)
{
    if (!ctx->internal && !ctx->core->try_files)
        return true;
    return server_route(ctx->server, r->path, NULL) == ctx->block;
}

/* The entry for the request, if the image is to answer; or NULL. */
static const struct snapshot_entry *entry_for(const struct slv_request *r,
                                              const struct context *ctx)
{
    const struct slv_image *image = ctx->server->image;
    const struct snapshot_entry *e;

    if (!image)
        return NULL;
    CHECK_OBJ(image, SLV_IMAGE_MAGIC);
    AN(image->server == ctx->server);
    if (!image->current || (r->method != SLV_GET && r->method != SLV_HEAD))
        return NULL;
    e = snapshot_find(&image->current->snapshot, r->path);
    if (!e || e->kind != SNAPSHOT_FILE || ctx->error_page || !at_home(r, ctx))
        return NULL;
    return e;
}

/* The request has preconditions. */
static bool is_conditional(const struct slv_request *r)
{
    return r->known[SLV_H_IF_NONE_MATCH] | r->known[SLV_H_IF_MODIFIED_SINCE]
        | r->known[SLV_H_IF_MATCH] | r->known[SLV_H_IF_UNMODIFIED_SINCE];
}

/* Answers from the image of the request's host. */
int slv_image_answer(struct slv_request *r)
{
    struct context *ctx = context_of(r);
    const struct snapshot_entry *e = entry_for(r, ctx);
    struct image_version *version;
    enum cond_result judged = COND_PASS;
    const struct snapshot_variant *v;
    const struct snapshot *s;
    struct slv_wire wire = { 0 };

    if (!e)
        return SLV_DECLINED;
    version = ctx->server->image->current;
    metrics_add(COUNTER_IMAGE_ANSWERS, 1);
    ctx->image_number = version->number;
    s = &version->snapshot;
    v = choose(r, e);
    AN(v->coding < CODING_MAX && e->status >= 200);
    if (is_conditional(r))
        judged = judge(r, s, e, v);
    if (judged == COND_FAILED)
        return 412;
    if (judged == COND_NOT_MODIFIED) {
        metrics_add(COUNTER_IMAGE_304, 1);
        wire.status = 304;
        wire.head = s->base + v->brief;
        wire.head_size = v->brief_size;
    } else {
        if (r->known[SLV_H_RANGE] && r->method == SLV_GET && ctx->core->max_ranges != 0)
            return answer_range(r, version, e, v);
        wire.status = e->status;
        wire.head = s->base + v->head;
        wire.head_size = v->head_size;
        wire.body = s->base + v->body;
        wire.body_size = v->body_size;
    }
    wire.release = unpin;
    wire.owner = image_version_ref(version);
    return slv_respond_wire(r, &wire) == 0 ? SLV_DONE : 500;
}

/* The path is in the image of the request's host. */
bool slv_image_has(const struct slv_request *r, struct str path)
{
    const struct slv_image *image = context_of(r)->server->image;

    return image && image->current && snapshot_find(&image->current->snapshot, path) != NULL;
}

/* The number of the image that answered. */
uint64_t slv_image_number(const struct slv_request *r)
{
    return context_of(r)->image_number;
}

/* The number of the image that answers for the host now. */
uint64_t slv_image_current(const struct slv_request *r)
{
    const struct slv_image *image = context_of(r)->server->image;

    return image && image->current ? image->current->number : 0;
}
