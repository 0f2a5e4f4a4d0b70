/*
 * fake_request.c - a request made by hand.
 */
#include "fake_request.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/error_log.h"

#include <stdlib.h>

#define WEAK __attribute__((weak))

/* ---- What the core would answer ------------------------------------------------------------- */

/* Memory of the request. */
WEAK void *slv_alloc(struct slv_request *r, size_t size)
{
    return arena_alloc(&exchange_of(r)->arena, size);
}

/* Text in such memory. */
WEAK struct str slv_printf(struct slv_request *r, const char *format, ...)
{
    struct str s;
    va_list args;

    va_start(args, format);
    s = arena_vprintf(&exchange_of(r)->arena, format, args);
    va_end(args);
    return s;
}

/* A root with a detour in it. */
WEAK struct str slv_request_root(struct slv_request *r, size_t *replaced)
{
    (void)r;
    *replaced = 0;
    return STR("/tmp/../tmp");
}

/* A file below it. */
WEAK struct str slv_request_file(struct slv_request *r, struct str path)
{
    return slv_printf(r, "/tmp/../tmp%.*s", STR_ARG(path));
}

/* A line of the error log. */
WEAK void slv_log(const struct slv_request *r, enum slv_level level, int error, const char *format,
                  ...)
{
    va_list args;

    va_start(args, format);
    error_log_request(r, level, error, format, args);
    va_end(args);
}

/* The name that the request was given. */
WEAK struct str server_name(const struct server *s)
{
    return s->name;
}

/* ---- The request ---------------------------------------------------------------------------- */

/* Takes the bytes before a separator off the front of s; all of it where there is none. */
static struct str take(struct str *s, struct str separator)
{
    const char *at = s->n ? memmem(s->p, s->n, separator.p, separator.n) : NULL;
    struct str front = { s->p, at ? (size_t)(at - s->p) : s->n };

    *s = str_from(*s, at ? front.n + separator.n : s->n);
    return front;
}

/* Method, target and version. */
static void read_line(struct slv_request *r, struct str line)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS" };
    struct str rest;

    r->line = line;
    r->method_name = take(&line, STR(" "));
    r->method = SLV_METHOD_OTHER;
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (str_eq(r->method_name, str_of(names[i])))
            r->method = (enum slv_method)i;
    r->raw_target = rest = take(&line, STR(" "));
    r->version = str_eq(line, STR("HTTP/1.0")) ? 10 : str_eq(line, STR("HTTP/1.1")) ? 11 : 0;
    r->path = take(&rest, STR("?"));
    r->args = rest;
}

/* One field: its name in lower case, in place. */
static void read_field(struct exchange *x, struct str line)
{
    static const char *const known[] = {
#define X(id, name) name,
        SLV_KNOWN_HEADERS(X)
#undef X
    };
    struct slv_request *r = &x->req;
    struct str name = take(&line, STR(":"));

    for (char *p = (char *)(uintptr_t)name.p; p < name.p + name.n; p++)
        *p = str_lower(*p);
    AN(r->header_count < x->field_room);
    x->fields[r->header_count++] = (struct slv_header){ name, str_trim(line) };
    for (int i = 0; i < SLV_H_COUNT; i++)
        if (!r->known[i] && str_eq(name, str_of(known[i])))
            r->known[i] = (uint8_t)r->header_count;
}

/* $host: the Host field without its port, in lower case. */
static void read_host(struct exchange *x)
{
    struct str field = slv_header_in(&x->req, SLV_H_HOST);
    char *lower;

    field = take(&field, STR(":"));
    if (field.n == 0)
        return;
    lower = arena_cstr(&x->arena, field);
    for (char *p = lower; *p; p++)
        *p = str_lower(*p);
    x->req.host = (struct str){ lower, field.n };
}

/* Makes a request of a head. */
struct fake_request *fake_request_new(const struct config *config, const char *head)
{
    struct fake_request *f = mem_zalloc(sizeof *f);
    struct exchange *x = f->x = exchange_new(NULL, NULL, 0);
    struct str rest;

    f->r = &x->req;
    f->head = mem_strdup(head);
    rest = str_of(f->head);
    x->head = rest.p;
    x->head_size = rest.n;
    x->received = (int64_t)rest.n;
    x->field_room = 32;
    x->fields = arena_zalloc(&x->arena, x->field_room * sizeof *x->fields);
    x->req.headers = x->fields;
    read_line(&x->req, take(&rest, STR("\r\n")));
    for (struct str line = take(&rest, STR("\r\n")); line.n; line = take(&rest, STR("\r\n")))
        read_field(x, line);
    read_host(x);
    f->conn = (struct conn){ .magic = CONN_MAGIC, .requests = 3, .number = 7,
                             .peer = { .family = ADDR_V4, .port = 4242, .ip = { 192, 0, 2, 1 } },
                             .local = { .family = ADDR_V4, .port = 8080,
                                        .ip = { 198, 51, 100, 7 } } };
    x->conn = &f->conn;
    f->server = (struct server){ .magic = SERVER_MAGIC, .name = STR("site.example") };
    f->ctx = (struct context){ .magic = CONTEXT_MAGIC, .x = x, .config = config,
                               .server = &f->server, .client = &f->conn.peer };
    x->app = &f->ctx;
    return f;
}

/* Gives it back. */
void fake_request_free(struct fake_request **pf)
{
    struct fake_request *f = *pf;

    *pf = NULL;
    exchange_free(&f->x);
    free(f->head);
    free(f);
}

/* Moves the message elsewhere. */
void fake_request_move(struct fake_request *f)
{
    struct slv_request *r = f->r;
    struct str *views[] = { &r->method_name, &r->line, &r->raw_target, &r->path, &r->args };
    size_t size = strlen(f->head);
    char *to = mem_strdup(f->head);

    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (views[i]->p && (uintptr_t)views[i]->p - (uintptr_t)f->head <= size)
            views[i]->p = to + (views[i]->p - f->head);
    for (size_t i = 0; i < r->header_count; i++) {
        f->x->fields[i].name.p = to + (f->x->fields[i].name.p - f->head);
        f->x->fields[i].value.p = to + (f->x->fields[i].value.p - f->head);
    }
    free(f->head);
    f->head = to;
    f->x->head = to;
    f->x->head_moved = true;
}
