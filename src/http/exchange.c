/*
 * exchange.c - one request and its answer: made, given back, measured.
 */
#include "http/exchange.h"

#include "base/check.h"
#include "base/mem.h"
#include "conn/conn.h"
#include "http/parse.h"

#include <stdlib.h>

/* Exchanges kept with their arenas' first blocks, so that a warm worker allocates nothing. */
#define SHELF 128

static struct exchange *shelf[SHELF];
static size_t shelved;

/*
 * Arenas that packed exchanges have left, for the next ones: given back to the heap, each would
 * become a hole among what lives long.
 */
#define MESSAGES 8

static struct arena messages[MESSAGES];
static size_t message_count;

struct exchange *exchange_new(const struct http_hooks *hooks, const struct h1_limits *limits,
                              ms_t now)
{
    struct arena arena, message;
    struct exchange *x;

    if (shelved) {
        x = shelf[--shelved];
        arena = x->arena;
        message = x->message;
    } else {
        x = mem_alloc(sizeof *x);
        arena_init(&arena, EXCHANGE_ARENA);
        if (message_count)
            message = messages[--message_count];
        else
            arena_init(&message, EXCHANGE_MESSAGE);
    }
    *x = (struct exchange){ .req.magic = SLV_REQUEST_MAGIC, .magic = EXCHANGE_MAGIC };
    x->arena = arena;
    x->message = message;
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
    arena_reset(&x->arena);
    arena_reset(&x->message);
    x->magic = x->req.magic = 0;
    if (shelved < SHELF && !x->packed) {
        shelf[shelved++] = x;
        return;
    }
    arena_free(&x->arena);
    arena_free(&x->message);
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

/* ---- Settling -------------------------------------------------------------------------------- */

/* It goes on for longer than it takes to send an answer, and its request is whole. */
static bool lives_long(const struct exchange *x)
{
    return (x->body_done || !x->body_expected)
        && (x->answer == ANSWER_UPGRADED
            || (x->answer == ANSWER_STREAMING && x->source_left < 0));
}

/* Bytes of an object in an arena. */
static size_t rounded(size_t n)
{
    return (n + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
}

/* What is to be moved, besides what the application has. */
static size_t message_size(const struct exchange *x)
{
    size_t size = rounded(x->head_size) + rounded(x->req.header_count * sizeof *x->fields);

    for (const struct header_out *h = x->headers_out; h; h = h->next)
        size += rounded(sizeof *h);
    return size;
}

/* The nodes of the answer's fields follow; what they show is elsewhere. */
static void move_headers_out(struct exchange *x)
{
    struct header_out **at = &x->headers_out;

    for (; *at; at = &(*at)->next)
        *at = memcpy(arena_alloc(&x->message, sizeof **at), *at, sizeof **at);
    x->headers_out_end = at;
}

/*
 * Moves what is still needed of the message into a block of just that size. The parser is not: the
 * request is whole.
 */
static void pack(struct exchange *x)
{
    struct arena before = x->message;
    size_t fields = x->req.header_count * sizeof *x->fields;
    size_t size = message_size(x) + rounded(x->hooks->app_size);

    AN(size <= UINT32_MAX);
    arena_init(&x->message, size < 64 ? 64 : (unsigned)size);
    exchange_move(x, memcpy(arena_alloc(&x->message, x->head_size), x->head, x->head_size));
    if (fields)
        x->fields = memcpy(arena_alloc(&x->message, fields), x->fields, fields);
    x->req.headers = x->fields;
    x->field_room = (uint32_t)x->req.header_count;
    move_headers_out(x);
    x->parse = NULL;
    x->target = NULL;
    x->head_moved = x->packed = true;
    if (x->hooks->moved)
        x->hooks->moved(x, true);
    arena_trim(&x->arena);
    arena_reset(&before);
    if (message_count < MESSAGES)
        messages[message_count++] = before;
    else
        arena_free(&before);
}

void exchange_settle(struct exchange *x)
{
    char *to;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (x->head_moved || !x->head_size)
        return;
    if (lives_long(x)) {
        pack(x);
        return;
    }
    to = arena_alloc(&x->message, x->head_size);
    memcpy(to, x->head, x->head_size);
    exchange_move(x, to);
    x->head_moved = true;
    if (x->hooks->moved)
        x->hooks->moved(x, false);
}

int exchange_refuse(struct exchange *x, int status, enum close_reason reason)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (!x->refusal) {
        x->refusal = (uint16_t)status;
        x->reason = reason;
    }
    return -1;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* Not inlined, because it would weigh on each field that has room. */
static __attribute__((noinline)) void grow_fields(struct exchange *x)
{
    uint32_t n = (uint32_t)x->req.header_count, room = n ? n * 2 : 16;
    struct slv_header *more = arena_alloc(&x->message, room * sizeof *more);

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
