/*
 * memapp.c - a small application behind an HTTP/1 adapter, for tests.
 */
#include "memapp.h"

#include "base/check.h"
#include "conn/conn.h"
#include "http/h1.h"
#include "http/respond.h"
#include "http/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG_MAX (4 * 1024 * 1024)

/* The application's part of an exchange, in its arena. */
struct memapp_request {
    struct slv_source source;      /* first: a source is taken back from its address */
    unsigned magic;
#define MEMAPP_MAGIC 0x7e57a990u
    struct memapp *app;
    struct exchange *x;
    struct memtext body;           /* of the request, or what was pushed */
    size_t given, total;           /* by a source of a certain size */
    int fd;
    bool owned;                    /* body and fd go with the release */
    bool pushed_all;
};

/* The application of an exchange. */
static struct memapp *app_of(const struct exchange *x)
{
    return (struct memapp *)(uintptr_t)x->conn->listen;
}

/* Its part of an exchange. */
static struct memapp_request *request_of(const struct exchange *x)
{
    struct memapp_request *q;

    CAST_OBJ(q, x->app, MEMAPP_MAGIC);
    AN(q->x == x);
    return q;
}

/* The pattern. */
char memapp_pattern(size_t at)
{
    return (char)('a' + at % 23);
}

/* Memory full of the pattern, for ever. */
static const char *pattern(void)
{
    static char *bytes;

    if (!bytes) {
        bytes = malloc(BIG_MAX);
        AN(bytes != NULL);
        for (size_t i = 0; i < BIG_MAX; i++)
            bytes[i] = memapp_pattern(i);
    }
    return bytes;
}

/* Notes a hook and the state that the connection is in. */
static void note(struct exchange *x, char letter)
{
    struct memapp *app = app_of(x);

    if (letter == 'p' && app->trace.n && app->trace.p[app->trace.n - 1] == 'p')
        return;
    memtext_add(&app->trace, &letter, 1);
    memtext_printf(&app->states, "%c=%s ", letter, conn_state_name(conn_state(x->conn)));
}

/* Notes that an answer is given. */
static void note_answer(struct exchange *x)
{
    memtext_add(&app_of(x)->answered, x->req.method == SLV_HEAD ? "H" : "-", 1);
}

/* What hangs on a request goes. */
static void drop(struct memapp_request *q)
{
    memtext_free(&q->body);
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
}

/* struct slv_body: release */
static void release(void *owner)
{
    struct memapp_request *q;

    CAST_OBJ(q, owner, MEMAPP_MAGIC);
    AN(q->owned);
    q->owned = false;
    q->app->released++;
    drop(q);
}

/* A body with its owner counted. */
static struct slv_body owned_body(struct memapp_request *q, enum slv_body_kind kind)
{
    AN(!q->owned);
    q->owned = true;
    q->app->owners++;
    return (struct slv_body){ .kind = kind, .fd = -1, .release = release, .owner = q };
}

/* Answers with bytes. */
static void answer(struct exchange *x, int status, const char *data, size_t n)
{
    struct slv_body body = owned_body(request_of(x), SLV_BODY_MEM);

    body.data = data;
    body.size = (int64_t)n;
    note_answer(x);
    respond(x, status, &body);
}

/* Answers with the status' number. */
static void answer_number(struct exchange *x, int status)
{
    struct str text = arena_printf(&x->arena, "%d", status);

    answer(x, status, text.p, text.n);
}

/* struct slv_source: stop */
static void source_stop(struct slv_source *source, struct slv_request *r, int error)
{
    struct memapp_request *q = (struct memapp_request *)(void *)source;

    CHECK_OBJ(q, MEMAPP_MAGIC);
    AN(exchange_of(r) == q->x);
    q->app->stopped++;
    q->app->stopped_with_error += error != 0;
    if (q->app->pending == q)
        q->app->pending = NULL;
}

/* struct slv_source: pull, for /chunks */
static void pull_chunks(struct slv_source *source, struct slv_request *r)
{
    struct memapp_request *q = (struct memapp_request *)(void *)source;

    (void)r;
    q->app->pulls++;
    if (q->given < q->total)
        respond_write(q->x, "piece", 5);
    else
        respond_end(q->x);
    q->given++;
}

/* struct slv_source: pull, for /length, /short and /over: ten bytes at a time. */
static void pull_length(struct slv_source *source, struct slv_request *r)
{
    struct memapp_request *q = (struct memapp_request *)(void *)source;
    size_t n = q->total - q->given;

    (void)r;
    q->app->pulls++;
    if (n > 10)
        n = 10;
    if (!n) {
        respond_end(q->x);
        return;
    }
    respond_write(q->x, pattern() + q->given, n);
    q->given += n;
}

/* struct slv_source: pull, for /stream */
static void pull_stream(struct slv_source *source, struct slv_request *r)
{
    struct memapp_request *q = (struct memapp_request *)(void *)source;

    (void)r;
    q->app->pulls++;
    respond_write(q->x, q->body.p, q->body.n);
    memtext_clear(&q->body);
    if (q->pushed_all)
        respond_end(q->x);
}

/* Answers with a source; size -1: of unknown length. */
static void answer_source(struct exchange *x, int status,
                          void (*pull)(struct slv_source *, struct slv_request *), int64_t size)
{
    struct memapp_request *q = request_of(x);
    struct slv_body body = owned_body(q, SLV_BODY_SOURCE);

    q->source = (struct slv_source){ pull, source_stop };
    q->app->sources++;
    body.source = &q->source;
    body.size = size;
    memtext_clear(&q->body);
    note_answer(x);
    respond(x, status, &body);
}

/* Answers with a range of a file that is gone when it is closed. */
static void answer_file(struct exchange *x, size_t n)
{
    struct memapp_request *q = request_of(x);
    struct slv_body body = owned_body(q, SLV_BODY_FILE);

    q->fd = memfd_create("memapp", MFD_CLOEXEC);
    AN(q->fd >= 0 && write(q->fd, pattern(), n + 3) == (ssize_t)n + 3);
    body.fd = q->fd;
    body.offset = 3;
    body.size = (int64_t)n;
    note_answer(x);
    respond(x, 200, &body);
}

/* Answers with prebuilt bytes. */
static void answer_wire(struct exchange *x, bool split)
{
    static const char whole[] = "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nwired";
    struct slv_body owner = owned_body(request_of(x), SLV_BODY_NONE);
    struct slv_wire wire = {
        .status = 200, .head = whole, .head_size = sizeof whole - 6,
        .body = split ? "wired" : whole + sizeof whole - 6, .body_size = 5,
        .release = owner.release, .owner = owner.owner,
    };

    note_answer(x);
    respond_wire(x, &wire);
}

/* Answers with the request as it looks from here. */
static void answer_report(struct exchange *x)
{
    struct memapp_request *q = request_of(x);
    const struct slv_request *r = &x->req;
    struct memtext t = { 0 };

    memtext_printf(&t, "%.*s|%d|%u|%.*s|%.*s|%.*s|%lld\n", STR_ARG(r->line), (int)r->method,
                   r->version, STR_ARG(r->path), STR_ARG(r->args), STR_ARG(r->host),
                   (long long)r->content_length);
    for (size_t i = 0; i < r->header_count; i++)
        memtext_printf(&t, "%.*s=%.*s\n", STR_ARG(r->headers[i].name),
                       STR_ARG(r->headers[i].value));
    memtext_add(&t, memtext_get(&q->body), q->body.n);
    memtext_free(&q->body);
    q->body = t;
    answer(x, 200, q->body.p, q->body.n);
}

/* The promise of an answer. */
static void promise(struct exchange *x)
{
    AN(app_of(x)->pending == NULL);
    app_of(x)->pending = request_of(x);
    x->answer = ANSWER_LATER;
}

/* The number behind a prefix of the path; -1 where the path has another. */
static long number_behind(const struct exchange *x, struct str prefix)
{
    struct str path = x->req.path;
    uint64_t n;

    if (!str_starts(path, prefix) || digits_parse(str_from(path, prefix.n), &n) || n > BIG_MAX)
        return -1;
    return (long)n;
}

/* http_hooks: begin */
static void on_begin(struct exchange *x)
{
    struct memapp_request *q = arena_zalloc(&x->arena, sizeof *q);

    q->magic = MEMAPP_MAGIC;
    q->app = app_of(x);
    q->x = x;
    q->fd = -1;
    x->app = q;
    q->app->begun++;
    note(x, 'b');
}

/* All views of a request lie within its head. */
static void check_views(const struct exchange *x)
{
    const struct slv_request *r = &x->req;
    const char *end = x->head + x->head_size;

    AN(r->method_name.p == x->head && r->line.p == x->head && r->line.p + r->line.n < end);
    AN(r->raw_target.p > x->head && r->raw_target.p + r->raw_target.n < end);
    for (size_t i = 0; i < r->header_count; i++) {
        AN(r->headers[i].name.p > r->line.p + r->line.n);
        AN(r->headers[i].value.p > r->headers[i].name.p);
        AN(r->headers[i].value.p + r->headers[i].value.n < end);
    }
}

/* http_hooks: headers */
static void on_headers(struct exchange *x)
{
    long n;

    app_of(x)->heads++;
    app_of(x)->head_at = (uintptr_t)x->head;
    note(x, 'h');
    check_views(x);
    x->req.path = x->target->path;
    x->req.args = x->target->args;
    if ((n = number_behind(x, STR("/early/"))) == 444)
        respond_abandon(x);
    else if (n >= 200 && n <= 599)
        answer_number(x, (int)n);
    else if (str_eq(x->req.path, STR("/promise")))
        promise(x);
}

/* http_hooks: body */
static void on_body(struct exchange *x, const char *data, size_t n)
{
    struct memapp *app = app_of(x);

    note(x, 'p');
    AN(n > 0);
    app->payloads++;
    app->payload_bytes += n;
    app->head_held = arena_held(&x->arena);
    if (!str_eq(x->req.path, STR("/sink")))
        memtext_add(&request_of(x)->body, data, n);
}

/* The answers that have no number in their path. */
static void answer_named(struct exchange *x)
{
    struct memapp_request *q = request_of(x);
    struct str path = x->req.path;

    if (str_eq(path, STR("/")) || str_eq(path, STR("*")) || str_eq(path, STR("/sink"))) {
        answer(x, 200, "ok", 2);
    } else if (str_eq(path, STR("/echo"))) {
        answer(x, 200, memtext_get(&q->body), q->body.n);
    } else if (str_eq(path, STR("/report"))) {
        answer_report(x);
    } else if (str_eq(path, STR("/later"))) {
        promise(x);
    } else if (str_eq(path, STR("/stream"))) {
        q->app->pending = q;
        answer_source(x, 200, pull_stream, -1);
    } else if (str_eq(path, STR("/wire")) || str_eq(path, STR("/wire/split"))) {
        answer_wire(x, path.n > 5);
    } else if (str_eq(path, STR("/444"))) {
        respond_abandon(x);
    } else if (str_eq(path, STR("/upgrade")) && q->app->upgrade) {
        q->app->upgrade(x, q->app->upgrade_arg);
    } else if (str_eq(path, STR("/close"))) {
        respond_header(x, STR("Connection"), STR("Close"));
        answer(x, 200, "bye", 3);
    } else if (!str_eq(path, STR("/never"))) {
        answer_number(x, 404);
    }
}

/* http_hooks: request */
static void on_request(struct exchange *x)
{
    struct memapp_request *q = request_of(x);
    long n;

    q->app->asked++;
    note(x, 'r');
    AN(x->answer == ANSWER_NONE);
    if ((n = number_behind(x, STR("/big/"))) >= 0) {
        answer(x, 200, pattern(), (size_t)n);
    } else if ((n = number_behind(x, STR("/file/"))) >= 0) {
        answer_file(x, (size_t)n);
    } else if ((n = number_behind(x, STR("/status/"))) >= 200 && n <= 599) {
        answer_number(x, (int)n);
    } else if ((n = number_behind(x, STR("/chunks/"))) >= 0) {
        q->total = (size_t)n;
        answer_source(x, 200, pull_chunks, -1);
    } else if ((n = number_behind(x, STR("/length/"))) >= 0) {
        q->total = (size_t)n;
        answer_source(x, 200, pull_length, n);
    } else if ((n = number_behind(x, STR("/short/"))) > 0) {
        q->total = (size_t)n - 1;
        answer_source(x, 200, pull_length, n);
    } else if ((n = number_behind(x, STR("/over/"))) >= 0) {
        q->total = (size_t)n + 1;
        answer_source(x, 200, pull_length, n);
    } else {
        answer_named(x);
    }
}

/* http_hooks: refuse */
static void on_refuse(struct exchange *x, int status)
{
    struct memapp *app = app_of(x);

    app->refused++;
    note(x, 'x');
    AN(x->answer == ANSWER_NONE || x->answer == ANSWER_LATER);
    if (app->pending && app->pending->x == x)
        app->pending = NULL;
    if (app->refuse == REFUSE_LATER) {
        promise(x);
    } else if (app->refuse == REFUSE_STREAM) {
        app->pending = request_of(x);
        answer_source(x, status, pull_stream, -1);
    } else if (app->refuse == REFUSE_TEXT) {
        answer_number(x, status);
    }
}

/* http_hooks: moved */
static void on_moved(struct exchange *x, bool packed)
{
    app_of(x)->moved++;
    app_of(x)->packed += packed;
    AN(x->head_moved);
}

/* http_hooks: done */
static void on_done(struct exchange *x)
{
    struct memapp_request *q = request_of(x);

    q->app->done++;
    note(x, 'd');
    if (q->app->pending == q)
        q->app->pending = NULL;
    memtext_printf(&q->app->log, "%.*s %d %s %llu\n", (int)x->req.line.n,
                   x->req.line.n ? x->req.line.p : "", x->status, close_token(x->reason),
                   (unsigned long long)exchange_sent(x));
    if (!q->owned)
        drop(q);
}

/* The promised answer. */
void memapp_answer(struct memapp *app, int status, const char *text)
{
    struct memapp_request *q = app->pending;
    struct str copy;

    AN(q != NULL && q->x->answer == ANSWER_LATER);
    app->pending = NULL;
    copy = arena_str(&q->x->arena, str_of(text));
    answer(q->x, status, copy.p, copy.n);
    h1_wake(q->x);
}

/* More for a stream. */
void memapp_push(struct memapp *app, const char *text)
{
    AN(app->pending != NULL);
    memtext_add(&app->pending->body, text, strlen(text));
    h1_wake(app->pending->x);
}

/* The end of a stream. */
void memapp_push_end(struct memapp *app)
{
    struct memapp_request *q = app->pending;

    AN(q != NULL);
    q->pushed_all = true;
    /* The next request may come before the end of this answer has left. */
    app->pending = NULL;
    h1_wake(q->x);
}

/* Who waits for an answer, or for more of it. */
const struct exchange *memapp_waiting(const struct memapp *app)
{
    AN(app->pending != NULL);
    return app->pending->x;
}

/* Frees the texts. */
void memapp_free(struct memapp *app)
{
    memtext_free(&app->trace);
    memtext_free(&app->states);
    memtext_free(&app->answered);
    memtext_free(&app->log);
}

const struct http_hooks memapp_hooks = {
    .begin = on_begin,
    .headers = on_headers,
    .body = on_body,
    .request = on_request,
    .refuse = on_refuse,
    .moved = on_moved,
    .done = on_done,
};
