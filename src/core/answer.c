/*
 * answer.c - from "this is the representation" to the answer.
 */
#include "core/answer.h"

#include "base/check.h"
#include "conn/conn.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/files.h"
#include "core/server.h"
#include "core/version.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/head.h"
#include "http/range.h"
#include "http/respond.h"

#include <stdio.h>

/* As many ranges as a head of the usual size can name; more are answered with the whole. */
#define RANGES_MAX 200

/* add_header applies to these without "always". */
static bool header_status(int status)
{
    return status == 200 || status == 201 || status == 204 || status == 206 || status == 301
        || status == 302 || status == 303 || status == 304 || status == 307 || status == 308;
}

/* A date as a header field's value. */
static struct str date_value(struct exchange *x, time_t t)
{
    char *text = arena_alloc(&x->arena, DATE_SIZE);

    return (struct str){ text, date_format(t, text) };
}

/* Expires and Cache-Control by the location's "expires". */
static void add_expires(struct exchange *x, const struct expires *e, time_t modified)
{
    time_t now = head_now(), at = now;
    int64_t age;

    switch (e->kind) {
    case EXPIRES_OFF:
        return;
    case EXPIRES_EPOCH:
        respond_header(x, STR("Expires"), STR("Thu, 01 Jan 1970 00:00:01 GMT"));
        respond_header(x, STR("Cache-Control"), STR("no-cache"));
        return;
    case EXPIRES_MAX:
        respond_header(x, STR("Expires"), STR("Thu, 31 Dec 2037 23:55:55 GMT"));
        respond_header(x, STR("Cache-Control"), STR("max-age=315360000"));
        return;
    case EXPIRES_AFTER:
        at = now + e->seconds;
        break;
    case EXPIRES_MODIFIED:
        at = (modified ? modified : now) + e->seconds;
        break;
    case EXPIRES_DAILY: {
        struct tm day;

        localtime_r(&now, &day);
        day.tm_hour = day.tm_min = day.tm_sec = 0;
        at = mktime(&day) + e->seconds;
        at += at <= now ? 86400 : 0;
        break;
    }
    }
    age = at - now;
    respond_header(x, STR("Expires"), date_value(x, at));
    respond_header(x, STR("Cache-Control"),
                   age < 0 ? STR("no-cache") : arena_printf(&x->arena, "max-age=%lld",
                                                            (long long)age));
}

void answer_fields(struct slv_request *r, const struct slv_response *response, int status)
{
    struct exchange *x = exchange_of(r);
    const struct core_conf *core = context_of(r)->core;

    x->server_out = core->server_tokens == TOKENS_ON ? STR("selvage/" SELVAGE_VERSION)
                                                      : STR("selvage");
    x->content_type_out = respond_bodiless(status) ? (struct str){ NULL, 0 }
                                                   : response->content_type;
    x->etag_out = core->etag ? response->etag : (struct str){ NULL, 0 };
    if (response->last_modified && (status == 200 || status == 206 || status == 304))
        x->last_modified_out = date_value(x, response->last_modified);
    if (core->expires && header_status(status))
        add_expires(x, core->expires, response->last_modified);
    for (const struct added_header *h = core->add_headers; h; h = h->next) {
        struct str value;

        if (!h->always && !header_status(status))
            continue;
        value = slv_template_text(r, h->value);
        if (value.n)
            respond_header(x, h->name, arena_str(&x->arena, value));
    }
}

/* The preconditions of the request against this representation. */
static enum cond_result judge(struct exchange *x, const struct core_conf *core,
                              const struct slv_response *response)
{
    const struct slv_request *r = &x->req;
    struct conditions c = {
        .if_match = exchange_list(x, SLV_H_IF_MATCH),
        .if_unmodified_since = slv_header_in(r, SLV_H_IF_UNMODIFIED_SINCE),
        .if_none_match = exchange_list(x, SLV_H_IF_NONE_MATCH),
        .if_modified_since = slv_header_in(r, SLV_H_IF_MODIFIED_SINCE),
        .get_or_head = r->method == SLV_GET || r->method == SLV_HEAD,
        .etag = core->etag ? response->etag : (struct str){ NULL, 0 },
        .last_modified = response->last_modified ? response->last_modified : COND_NO_DATE,
        .ims_mode = (enum ims_mode)core->if_modified_since,
        .now = head_now(),
    };

    return cond_evaluate(&c);
}

/* A body's part. */
static struct slv_body cut(const struct slv_body *whole, const struct range *range)
{
    struct slv_body part = *whole;

    part.release = NULL;
    part.owner = NULL;
    part.size = (int64_t)(range->last - range->first + 1);
    if (whole->kind == SLV_BODY_MEM)
        part.data += range->first;
    else
        part.offset += (int64_t)range->first;
    return part;
}

/* A piece of text between parts, in the exchange's memory. */
static struct slv_body text_piece(struct str text)
{
    return (struct slv_body){ .kind = SLV_BODY_MEM, .data = text.p, .size = (int64_t)text.n };
}

/* 206 with several parts (RFC 9110 section 14.6). */
static void answer_parts(struct exchange *x, const struct slv_response *response,
                         const struct range *ranges, size_t count)
{
    static unsigned long boundary_number;
    struct slv_body *pieces = arena_alloc(&x->arena, (2 * count + 1) * sizeof *pieces);
    struct str boundary = arena_printf(&x->arena, "%020lu",
                                       (unsigned long)head_now() * 1000 + boundary_number++ % 1000);
    struct str type = response->content_type;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        pieces[n++] = text_piece(arena_printf(&x->arena,
            "\r\n--%.*s\r\n%s%.*s%sContent-Range: bytes %llu-%llu/%lld\r\n\r\n", STR_ARG(boundary),
            type.n ? "Content-Type: " : "", STR_ARG(type), type.n ? "\r\n" : "",
            (unsigned long long)ranges[i].first, (unsigned long long)ranges[i].last,
            (long long)response->body.size));
        pieces[n++] = cut(&response->body, &ranges[i]);
    }
    pieces[n++] = text_piece(arena_printf(&x->arena, "\r\n--%.*s--\r\n", STR_ARG(boundary)));
    pieces[0].release = response->body.release;
    pieces[0].owner = response->body.owner;
    x->content_type_out = arena_printf(&x->arena, "multipart/byteranges; boundary=%.*s",
                                       STR_ARG(boundary));
    respond_pieces(x, 206, pieces, n);
}

/* The request's ranges, if they are to be honoured. */
static enum range_result wanted_ranges(struct exchange *x, const struct core_conf *core,
                                       const struct slv_response *response, struct range *ranges,
                                       size_t *count)
{
    const struct slv_request *r = &x->req;
    struct str range = slv_header_in(r, SLV_H_RANGE), if_range = slv_header_in(r, SLV_H_IF_RANGE);
    size_t max = core->max_ranges < 0 || core->max_ranges > RANGES_MAX ? RANGES_MAX
                                                                        : (size_t)core->max_ranges;

    if (!range.p || r->method != SLV_GET || max == 0)
        return RANGE_NONE;
    if (if_range.p && !cond_if_range(if_range, core->etag ? response->etag : STR(""),
                                     response->last_modified ? response->last_modified
                                                             : COND_NO_DATE))
        return RANGE_NONE;
    return range_parse(range, (uint64_t)response->body.size, ranges, max, count);
}

/* Releases a body that will not be sent. */
static void drop_body(const struct slv_response *response)
{
    if (response->body.release)
        response->body.release(response->body.owner);
}

/* Refuses the representation at hand: its coding is not that of the page that says so. */
static int refuse(struct exchange *x, const struct slv_response *response, int status)
{
    drop_body(response);
    respond_header_drop(x, STR("Content-Encoding"));
    return status;
}

/* 304: the fields that a 200 would have had, no body. */
static int answer_not_modified(struct slv_request *r, const struct slv_response *response)
{
    static const struct slv_body none = { .kind = SLV_BODY_NONE };

    drop_body(response);
    answer_fields(r, response, 304);
    respond(exchange_of(r), 304, &none);
    return SLV_DONE;
}

/* 200 or 206 or 416, by Range. */
static int answer_ranges(struct slv_request *r, const struct slv_response *response)
{
    struct exchange *x = exchange_of(r);
    struct range ranges[RANGES_MAX];
    size_t count = 0;
    struct slv_body part;

    x->accept_ranges_out = context_of(r)->core->max_ranges != 0;
    switch (wanted_ranges(x, context_of(r)->core, response, ranges, &count)) {
    case RANGE_UNSATISFIABLE:
        respond_header(x, STR("Content-Range"),
                       arena_printf(&x->arena, "bytes */%lld", (long long)response->body.size));
        x->accept_ranges_out = false;
        return refuse(x, response, 416);
    case RANGE_OK:
        break;
    case RANGE_NONE:
        answer_fields(r, response, 200);
        respond(x, 200, &response->body);
        return SLV_DONE;
    }
    answer_fields(r, response, 206);
    if (count > 1) {
        answer_parts(x, response, ranges, count);
        return SLV_DONE;
    }
    respond_header(x, STR("Content-Range"),
                   arena_printf(&x->arena, "bytes %llu-%llu/%lld",
                                (unsigned long long)ranges[0].first,
                                (unsigned long long)ranges[0].last,
                                (long long)response->body.size));
    part = cut(&response->body, &ranges[0]);
    part.release = response->body.release;
    part.owner = response->body.owner;
    respond(x, 206, &part);
    return SLV_DONE;
}

int answer(struct slv_request *r, const struct slv_response *response)
{
    struct exchange *x = exchange_of(r);
    struct context *ctx = context_of(r);
    enum slv_body_kind kind = response->body.kind;
    int status = response->status;

    if (ctx->error_page) {
        /* The page for an error keeps the error's status, and is never "not modified". */
        status = ctx->error_status ? ctx->error_status : status;
    } else if (status == 200) {
        enum cond_result c = judge(x, ctx->core, response);

        if (c == COND_NOT_MODIFIED)
            return answer_not_modified(r, response);
        if (c == COND_FAILED)
            return refuse(x, response, 412);
        if (!response->no_ranges && (kind == SLV_BODY_MEM || kind == SLV_BODY_FILE))
            return answer_ranges(r, response);
    }
    answer_fields(r, response, status);
    respond(x, status, &response->body);
    return SLV_DONE;
}

struct str answer_location(struct slv_request *r, struct str target)
{
    struct exchange *x = exchange_of(r);
    struct context *ctx = context_of(r);
    struct str host = r->host;
    unsigned port = x->conn ? ((const struct listen_addr *)x->conn->listen)->addr.port : 0;
    bool tls = x->conn && x->conn->tls;
    const char *scheme = tls ? "https" : "http";

    if (!target.n || target.p[0] != '/' || !ctx->core->absolute_redirect)
        return target;
    if (ctx->core->server_name_in_redirect || !host.n)
        host = server_name(ctx->server);
    if (!host.n)
        return target;
    if (ctx->core->port_in_redirect && port && port != (tls ? 443u : 80u))
        return arena_printf(&x->arena, "%s://%.*s:%u%.*s", scheme, STR_ARG(host), port,
                            STR_ARG(target));
    return arena_printf(&x->arena, "%s://%.*s%.*s", scheme, STR_ARG(host), STR_ARG(target));
}

/*
 * 495 to 497 are names for error_page, as with nginx. What leaves is a 400 that says what is meant.
 */
static int sent_status(int status)
{
    return status >= 495 && status <= 497 ? 400 : status;
}

/* The words for a status on a built-in page. */
static struct str page_words(int status)
{
    switch (status) {
    case 495:
        return STR("The SSL certificate error");
    case 496:
        return STR("No required SSL certificate was sent");
    case 497:
        return STR("The plain HTTP request was sent to HTTPS port");
    default:
        return head_reason(status);
    }
}

/* The text of a built-in page, as nginx's but for the name. */
static struct str builtin_page(struct exchange *x, int status, struct str server)
{
    struct str reason = page_words(status);

    if (!reason.n)
        reason = STR("Unknown");
    return arena_printf(&x->arena,
        "<html>\r\n<head><title>%d %.*s</title></head>\r\n<body>\r\n"
        "<center><h1>%d %.*s</h1></center>\r\n<hr><center>%.*s</center>\r\n</body>\r\n</html>\r\n",
        sent_status(status), STR_ARG(reason), sent_status(status), STR_ARG(reason),
        STR_ARG(server));
}

void answer_builtin(struct slv_request *r, int status)
{
    struct exchange *x = exchange_of(r);
    struct slv_response response = { .status = status, .content_type = STR("text/html") };
    struct str page;

    response.status = sent_status(status);
    answer_fields(r, &response, response.status);
    page = builtin_page(x, status, x->server_out);
    status = response.status;
    x->last_modified_out = x->etag_out = (struct str){ NULL, 0 };
    x->accept_ranges_out = false;
    if (status == 405 && !respond_header_find(x, STR("Allow")).p)
        respond_header(x, STR("Allow"), STR("GET, HEAD"));
    response.body = (struct slv_body){ .kind = SLV_BODY_MEM, .data = page.p,
                                       .size = (int64_t)page.n };
    if (respond_bodiless(status) || status == 204)
        response.body = (struct slv_body){ .kind = SLV_BODY_NONE };
    respond(x, status, &response.body);
}

/* The error_page of the location that names the status. */
static const struct error_page *page_for(const struct core_conf *core, int status)
{
    for (const struct error_page *p = core->error_pages; p; p = p->next)
        for (size_t i = 0; i < p->count; i++)
            if (p->statuses[i] == status)
                return p;
    return NULL;
}

/* Lets the configuration's page answer. False: there is none that could. */
static bool answer_by_page(struct slv_request *r, int status)
{
    struct context *ctx = context_of(r);
    const struct error_page *page = page_for(ctx->core, status);
    struct str target, args = STR("");
    const char *mark;
    int result;

    /* An error while an error page is made is answered by the server itself. */
    if (!page || ctx->error_page)
        return false;
    ctx->error_page = true;
    target = slv_template_text(r, page->target);
    if (target.n && target.p[0] != '/' && target.p[0] != '@') {
        int as = page->answer_status > 300 && page->answer_status < 309 ? page->answer_status : 302;

        return slv_redirect(r, as, target) == SLV_DONE;
    }
    ctx->error_status = page->answer_status < 0 ? sent_status(status) : page->answer_status;
    if (target.p && target.p[0] == '/') {
        if (r->method != SLV_HEAD)
            r->method = SLV_GET;
        mark = memchr(target.p, '?', target.n);
        if (mark) {
            args = str_from(target, (size_t)(mark + 1 - target.p));
            target.n = (size_t)(mark - target.p);
        }
    }
    result = core_redirect(r, target, args);
    if (result >= 100)
        answer_builtin(r, result);
    return true;
}

void answer_status(struct slv_request *r, int status)
{
    struct exchange *x = exchange_of(r);

    if (x->answer != ANSWER_NONE && x->answer != ANSWER_LATER)
        return;
    if (status == 444) {
        respond_abandon(x);
        return;
    }
    /* These say that the byte stream cannot be trusted any more. */
    if (status == 400 || status == 408 || status == 413 || status == 414 || status == 431
        || status == 500 || status == 501 || (status >= 495 && status <= 497))
        x->close_after = true;
    if (status < 300 || !answer_by_page(r, status))
        answer_builtin(r, status);
}
