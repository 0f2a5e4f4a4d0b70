/*
 * exchange.c - one request and its answer: made, given back, measured.
 */
#include "http/exchange.h"

#include "base/check.h"
#include "base/mem.h"
#include "conn/conn.h"
#include "http/parse.h"

#include <stdlib.h>

/* Exchanges kept with their arena's first block, so that a warm worker allocates nothing. */
#define SHELF 128

static struct exchange *shelf[SHELF];
static size_t shelved;

struct exchange *exchange_new(const struct http_hooks *hooks, const struct h1_limits *limits,
                              ms_t now)
{
    struct arena arena;
    struct exchange *x;

    if (shelved) {
        x = shelf[--shelved];
        arena = x->arena;
    } else {
        x = mem_alloc(sizeof *x);
        arena_init(&arena, EXCHANGE_ARENA);
    }
    *x = (struct exchange){ .req.magic = SLV_REQUEST_MAGIC, .magic = EXCHANGE_MAGIC };
    x->arena = arena;
    x->hooks = hooks;
    x->limits = limits;
    x->began = now;
    x->content_length_out = -1;
    x->headers_out_end = &x->headers_out;
    list_init(&x->link);
    return x;
}

void exchange_free(struct exchange **px)
{
    struct exchange *x;

    TAKE_OBJ(x, px, EXCHANGE_MAGIC);
    x->magic = x->req.magic = 0;
    arena_reset(&x->arena);
    if (shelved < SHELF) {
        shelf[shelved++] = x;
        return;
    }
    arena_free(&x->arena);
    free(x);
}

void exchange_end(struct exchange *x, enum close_reason reason)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (x->reason == CLOSE_NONE)
        x->reason = reason;
    if (x->source)
        x->source->stop(x->source, &x->req, reason != CLOSE_NONE);
    if (x->protocol)
        x->protocol->free(x->protocol_state, NULL);
    x->hooks->done(x);
    if (x->release)
        x->release(x->owner);
    exchange_free(&x);
}

/* Not inlined, because it would weigh on each field that has room. */
static __attribute__((noinline)) void grow_fields(struct exchange *x)
{
    size_t n = x->req.header_count, room = n ? n * 2 : 16;
    struct slv_header *more = arena_alloc(&x->arena, room * sizeof *more);

    if (n)
        memcpy(more, x->fields, n * sizeof *more);
    x->fields = more;
    x->field_room = room;
    x->req.headers = more;
}

struct slv_header *exchange_add_field(struct exchange *x)
{
    if (x->req.header_count == EXCHANGE_HEADERS_MAX)
        return NULL;
    if (x->req.header_count == x->field_room)
        grow_fields(x);
    return &x->fields[x->req.header_count++];
}

struct str exchange_list(const struct exchange *x, enum slv_known_header h)
{
    struct str first = slv_header_in(&x->req, h), name, joined;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (!(x->repeated & UINT32_C(1) << h))
        return first;
    name = x->req.headers[x->req.known[h] - 1].name;
    joined = first;
    for (size_t i = x->req.known[h]; i < x->req.header_count; i++)
        if (str_eq(x->req.headers[i].name, name))
            joined = arena_printf(&((struct exchange *)(uintptr_t)x)->arena, "%.*s, %.*s",
                                  STR_ARG(joined), STR_ARG(x->req.headers[i].value));
    return joined;
}

uint64_t exchange_sent(const struct exchange *x)
{
    uint64_t end, sent;

    if (!x->conn || x->status == 0)
        return 0;
    end = x->out_end ? x->out_end : outq_end(&x->conn->out);
    sent = outq_sent(&x->conn->out);
    if (sent > end)
        sent = end;
    return sent > x->out_begin ? sent - x->out_begin : 0;
}

uint64_t exchange_body_sent(const struct exchange *x)
{
    uint64_t sent = exchange_sent(x);

    return sent > x->head_out ? sent - x->head_out : 0;
}
