/*
 * h1.c - HTTP/1.0 and 1.1 on a connection: the adapter.
 *
 * A request goes   head -> body -> answering -> flying -> gone
 * h->cur is the one in the first three; "flying" are those whose answers are queued whole and
 * wait for the socket. Views of a request point into bytes that the driver owns until the end of
 * the turn; then h1_settle() moves what is still needed: an unfinished head to h->partial, a
 * finished one to its exchange's arena. An exchange whose answer is a 101 leaves with the
 * connection: see tunnel.h.
 */
#include "http/h1.h"

#include "base/check.h"
#include "base/mem.h"
#include "http/parse.h"
#include "http/respond.h"
#include "http/tunnel.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Answers on their way at a time; more requests wait. Bounds memory, and the age of what is
 * queued.
 */
#define FLYING_MAX 64

/* A source is asked for more while less than this is queued. */
#define LOW_MARK (64 * 1024)

struct h1 {
    unsigned magic;
#define H1_MAGIC 0x41e0adafu
    uint8_t blank;                 /* bytes of an empty line before a request: 0, 1 (CR) or 2 */
    bool head_done;                /* of cur */
    uint16_t flying_count;
    const struct http_hooks *hooks;
    const struct h1_limits *limits; /* of the last exchange: they time the idle connection */
    struct exchange *cur;
    struct link flying;
    char *partial;                 /* an unfinished head */
    char *spent;                   /* one that was finished in this turn: views point into it */
    ms_t since;                    /* the head's end, or when the connection became idle */
};

struct h1 *h1_new(const struct http_hooks *hooks, const struct h1_limits *limits, ms_t now)
{
    struct h1 *h = mem_zalloc(sizeof *h);

    AN(hooks != NULL && limits != NULL);
    h->magic = H1_MAGIC;
    h->hooks = hooks;
    h->limits = limits;
    h->since = now;
    list_init(&h->flying);
    return h;
}

/* Lets go of the exchanges whose answers have left. */
static void land(struct h1 *h, struct conn *c, ms_t now)
{
    while (!list_empty(&h->flying)) {
        struct exchange *x = LIST_ITEM(h->flying.next, struct exchange, link);

        if (x->out_end > outq_sent(&c->out))
            return;
        list_remove(&x->link);
        h->flying_count--;
        /* A request that is being received has its own clock in there. */
        if (!h->cur)
            h->since = now;
        exchange_end(x, CLOSE_NONE);
    }
}

/* cur is answered and read: it waits for the socket, the next request may come. */
static void retire(struct h1 *h, struct conn *c)
{
    struct exchange *x = h->cur;
    enum close_reason why = x->reason;

    h->cur = NULL;
    x->out_end = outq_end(&c->out);
    list_add(&h->flying, &x->link);
    h->flying_count++;
    /* A head that left before a drain promised to stay; an idle connection may go all the same. */
    if (x->keep_alive && (c->drain != CONN_DRAIN_NOW || conn_kept(c)))
        return;
    if (why == CLOSE_NONE)
        why = !x->body_done ? CLOSE_BODY_UNREAD : c->eof ? CLOSE_CLIENT_CLOSED
            : c->drain != CONN_STAY ? CLOSE_DRAINED : CLOSE_DONE;
    /* Where input may be on its way still, closing at once would reset the answer away. */
    conn_close(c, why, close_is_error(why) || !x->body_done);
}

/* Moves cur on if it can move. */
static void advance(struct h1 *h, struct conn *c)
{
    struct exchange *x = h->cur;

    if (!x || c->broken || x->answer != ANSWER_COMPLETE || !h->head_done)
        return;
    if (x->body_done || !x->body_expected || !x->keep_alive)
        retire(h, c);
}

/* cur's head is complete, or as complete as it will be. */
static void finish_head(struct h1 *h)
{
    h->head_done = true;
    if (!h->partial)
        return;
    AN(h->spent == NULL);
    h->spent = h->partial;
    h->partial = NULL;
}

/* Asks cur's source for more while there is room. */
static void pull(struct h1 *h, struct conn *c)
{
    struct exchange *x = h->cur;

    while (x && !c->closing && x->answer == ANSWER_STREAMING
           && outq_waiting(&c->out) < LOW_MARK) {
        uint64_t before = outq_end(&c->out);

        x->source->pull(x->source, &x->req);
        if (outq_end(&c->out) == before)
            break;
    }
}

/*
 * Refuses cur with a status; what follows on this connection is not looked at. The refusal may
 * itself be promised or streamed.
 */
static void refuse(struct h1 *h, struct conn *c, int status)
{
    struct exchange *x = h->cur;

    x->close_after = true;
    finish_head(h);
    if (!x->head_size) {
        /* As much as came of it: the log wants to see it. */
        x->head_size = x->head_seen;
        x->received = (int64_t)x->head_seen;
    }
    x->body_expected = false;
    if (x->answer == ANSWER_NONE || x->answer == ANSWER_LATER) {
        x->answer = ANSWER_NONE;
        x->hooks->refuse(x, status);
    }
    if (x->answer == ANSWER_NONE) {
        x->answer = ANSWER_ABANDONED;
        conn_close(c, x->reason == CLOSE_NONE ? CLOSE_REFUSED : x->reason, false);
    }
    x->keep_alive = false;
    pull(h, c);
    advance(h, c);
}

/* What the limits say about the socket. */
static void adopt_limits(struct h1 *h, struct conn *c)
{
    h->limits = h->cur->limits;
    c->limits = &h->limits->conn;
}

/* Begins an exchange. */
static void begin(struct h1 *h, struct conn *c, ms_t now)
{
    struct exchange *x = exchange_new(h->hooks, h->limits, now);

    x->h1 = h;
    x->conn = c;
    h->cur = x;
    h->head_done = false;
    x->out_begin = outq_end(&c->out);
    c->requests++;
    parse_begin(x);
    x->hooks->begin(x);
    adopt_limits(h, c);
}

/* The head is complete: the application looks at it, and may answer already. */
static void head_complete(struct h1 *h, struct conn *c, ms_t now)
{
    struct exchange *x = h->cur;

    finish_head(h);
    h->since = now;
    x->hooks->headers(x);
    adopt_limits(h, c);
    if (c->broken || !x->body_expected || x->answer != ANSWER_NONE)
        return;
    if (x->limits->body_max && x->req.content_length > x->limits->body_max) {
        x->reason = CLOSE_BODY_TOO_LARGE;
        refuse(h, c, 413);
    } else if (x->expect_continue) {
        outq_add(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25, OUTQ_HELD);
    }
}

/* The message is complete: the handler runs (I-08), and must answer or promise to. */
static void message_complete(struct h1 *h, struct conn *c, ms_t now)
{
    struct exchange *x = h->cur;

    if (!x || c->broken || c->closing)
        return;
    x->handled = now;
    if (x->answer == ANSWER_NONE)
        x->hooks->request(x);
    if (x->answer == ANSWER_NONE) {
        refuse(h, c, 500);
        return;
    }
    pull(h, c);
    advance(h, c);
}

/* Puts bytes behind the unfinished head; returns how many fitted. */
static size_t grow_partial(struct h1 *h, const char *data, size_t n)
{
    struct exchange *x = h->cur;
    size_t max = x->limits->header_buffer * x->limits->header_buffers + 1;

    AN(x->head_seen < max && max <= UINT32_MAX / 2);
    if (n > max - x->head_seen)
        n = max - x->head_seen;
    if (x->head_seen + n > x->head_room) {
        size_t room = x->head_room * 2 > x->head_seen + n ? x->head_room * 2 : x->head_seen + n;
        char *wider = mem_alloc(room);

        memcpy(wider, h->partial, x->head_seen);
        exchange_move(x, wider);
        free(h->partial);
        h->partial = wider;
        x->head_room = (uint32_t)room;
    }
    memcpy(h->partial + x->head_seen, data, n);
    return n;
}

/* Bytes of a head. Returns how many were taken. */
static size_t feed_head(struct h1 *h, struct conn *c, char *data, size_t n, ms_t now)
{
    struct exchange *x = h->cur;
    size_t seen = x->head_seen;
    enum parse_event event;

    if (h->partial)
        n = grow_partial(h, data, n);
    else
        x->head = data;
    x->head_seen = (uint32_t)(seen + n);
    event = parse_head(x, x->head_seen);
    if (event == PARSE_MORE)
        return n;
    if (event == PARSE_REFUSED) {
        refuse(h, c, x->refusal);
        return n;
    }
    AN(x->head_size > seen);
    x->received = (int64_t)x->head_size;
    head_complete(h, c, now);
    if (event == PARSE_DONE)
        message_complete(h, c, now);
    else
        advance(h, c);
    return x->head_size - seen;
}

/* Bytes of a body. Returns how many were taken. */
static size_t feed_body(struct h1 *h, struct conn *c, const char *data, size_t n, ms_t now)
{
    struct exchange *x = h->cur;
    bool answered = x->answer != ANSWER_NONE;
    size_t used;
    enum parse_event event = parse_body(x, data, n, &used);

    x->received += (int64_t)used;
    if (answered)
        x->unread += (int64_t)used;
    if (event == PARSE_REFUSED) {
        refuse(h, c, x->refusal);
    } else if (event == PARSE_DONE) {
        message_complete(h, c, now);
    } else if (x->unread > EXCHANGE_UNREAD_MAX) {
        x->keep_alive = false;
        advance(h, c);
    }
    return used;
}

/* One empty line before a request is passed over (RFC 9112 section 2.2). Returns its bytes. */
static size_t skip_blank(struct h1 *h, const char *data, size_t n)
{
    size_t i = 0;

    if (h->blank == 0 && i < n && data[i] == '\r')
        h->blank = 1, i++;
    if (h->blank == 1 && i < n && data[i] == '\n')
        h->blank = 2, i++;
    return i;
}

/*
 * Hands the connection to the protocol that cur's 101 has promised, once no earlier answer is on
 * its way. h is gone then.
 */
static void upgrade(struct h1 *h, struct conn *c, ms_t now)
{
    struct exchange *x = h->cur;
    char *spent = h->spent;

    if (!x || x->answer != ANSWER_UPGRADED || h->flying_count || c->closing)
        return;
    h->cur = NULL;
    h->spent = NULL;
    tunnel_begin(x, spent, now);
}

/* struct adapter: feed */
static size_t h1_feed(void *state, struct conn *c, char *data, size_t n, ms_t now)
{
    struct h1 *h;
    size_t blank = 0, used;

    CAST_OBJ(h, state, H1_MAGIC);
    if (!h->cur) {
        blank = skip_blank(h, data, n);
        if (blank == n)
            return n;
        begin(h, c, now);
        if (h->blank == 1) {
            h->cur->reason = CLOSE_BAD_REQUEST;
            refuse(h, c, 400);
            return n;
        }
        h->blank = 0;
    }
    if (h->head_done)
        used = feed_body(h, c, data + blank, n - blank, now);
    else
        used = feed_head(h, c, data + blank, n - blank, now);
    /* The end of a body whose answer left before it. */
    land(h, c, now);
    upgrade(h, c, now);
    return blank + used;
}

/* struct adapter: may_feed */
static bool h1_may_feed(const void *state)
{
    const struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    if (!h->cur)
        return h->flying_count < FLYING_MAX;
    return !h->head_done || (h->cur->body_expected && !h->cur->body_done);
}

/* struct adapter: eof. A request that is being answered still gets its answer. */
static void h1_eof(void *state, struct conn *c, ms_t now)
{
    struct h1 *h;
    struct exchange *x;

    CAST_OBJ(h, state, H1_MAGIC);
    (void)now;
    x = h->cur;
    if (x && x->answer == ANSWER_STREAMING && x->source_left < 0) {
        /* A stream without an end would go on for nobody. */
        conn_fail(c, CLOSE_CLIENT_CLOSED);
    } else if (conn_kept(c)) {
        /* Requests that came before the end are answered first. */
        return;
    } else if (!x) {
        conn_close(c, CLOSE_CLIENT_CLOSED, false);
    } else if (!h->head_done || (x->body_expected && !x->body_done)) {
        if (x->answer == ANSWER_NONE) {
            x->reason = CLOSE_CUT_REQUEST;
            x->status = 400;
        }
        conn_close(c, CLOSE_CUT_REQUEST, false);
    } else {
        x->keep_alive = false;
        x->close_after = true;
    }
}

/* struct adapter: produce */
static void h1_produce(void *state, struct conn *c, ms_t now)
{
    struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    land(h, c, now);
    if (c->closing || !h->cur)
        return;
    pull(h, c);
    advance(h, c);
    land(h, c, now);
    upgrade(h, c, now);
}

/* struct adapter: deadline */
static ms_t h1_deadline(const void *state, const struct conn *c)
{
    const struct h1 *h;
    const struct exchange *x;

    CAST_OBJ(h, state, H1_MAGIC);
    x = h->cur;
    if (x && !h->head_done)
        return x->began + x->limits->header_timeout;
    /*
     * Each byte of payload buys a millisecond: no slower than 1,000 bytes a second in the long
     * run.
     */
    if (x && x->body_expected && !x->body_done)
        return h->since + x->limits->body_timeout + x->body_received;
    if (x || h->flying_count)
        return MS_NEVER;
    return h->since + (c->requests ? h->limits->keepalive_timeout : h->limits->header_timeout);
}

/* struct adapter: expired */
static void h1_expired(void *state, struct conn *c, ms_t now)
{
    struct h1 *h;
    enum close_reason why;

    CAST_OBJ(h, state, H1_MAGIC);
    (void)now;
    if (!h->cur) {
        conn_close(c, CLOSE_IDLE, false);
        return;
    }
    why = h->head_done ? CLOSE_BODY_TIMEOUT : CLOSE_HEADER_TIMEOUT;
    if (h->cur->answer == ANSWER_NONE || h->cur->answer == ANSWER_LATER) {
        h->cur->reason = why;
        refuse(h, c, 408);
    } else {
        conn_close(c, why, true);
    }
}

/*
 * struct adapter: drain. An idle connection waits for its next request unless nobody will follow
 * us.
 */
static void h1_drain(void *state, struct conn *c, ms_t now)
{
    struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    (void)now;
    if (c->drain == CONN_DRAIN_NOW && !h->cur)
        conn_close(c, CLOSE_DRAINED, false);
}

/* struct adapter: settle */
static void h1_settle(void *state, struct conn *c)
{
    struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    (void)c;
    LIST_EACH(at, after, &h->flying)
        exchange_settle(LIST_ITEM(at, struct exchange, link));
    if (h->cur && h->head_done)
        exchange_settle(h->cur);
    if (h->spent) {
        free(h->spent);
        h->spent = NULL;
    }
    if (h->cur && !h->head_done && !h->partial) {
        h->cur->head_room = h->cur->head_seen < 512 ? 512 : h->cur->head_seen;
        h->partial = mem_alloc(h->cur->head_room);
        memcpy(h->partial, h->cur->head, h->cur->head_seen);
        exchange_move(h->cur, h->partial);
    }
}

/* struct adapter: state (I-05) */
static enum conn_state h1_state(const void *state)
{
    const struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    if (!h->cur)
        return h->flying_count ? CONN_DISPATCHING : CONN_RECEIVING_HEADERS;
    if (!h->head_done)
        return CONN_RECEIVING_HEADERS;
    if (h->cur->answer == ANSWER_STREAMING)
        return CONN_STREAMING;
    return h->cur->body_expected && !h->cur->body_done ? CONN_RECEIVING_BODY : CONN_DISPATCHING;
}

/* struct adapter: describe */
static size_t h1_describe(const void *state, char *buf, size_t size)
{
    const struct h1 *h = state;
    int n;

    if (!h || h->magic != H1_MAGIC || !h->cur)
        return 0;
    n = snprintf(buf, size, "request: \"%.*s\"",
                 h->cur->req.line.n < 200 ? (int)h->cur->req.line.n : 200,
                 h->cur->req.line.p ? h->cur->req.line.p : "");
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* struct adapter: free */
static void h1_free(void *state, struct conn *c, enum close_reason reason)
{
    struct h1 *h;

    CAST_OBJ(h, state, H1_MAGIC);
    LIST_EACH(at, after, &h->flying) {
        struct exchange *x = LIST_ITEM(at, struct exchange, link);

        list_remove(at);
        exchange_end(x, x->out_end <= outq_sent(&c->out) ? CLOSE_NONE : reason);
    }
    if (h->cur) {
        h->cur->out_end = outq_end(&c->out);
        exchange_end(h->cur, reason);
    }
    free(h->partial);
    free(h->spent);
    h->magic = 0;
    free(h);
}

void h1_wake(struct exchange *x)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (x->conn)
        conn_wake(x->conn);
}

const struct adapter h1_adapter = {
    .name = "http/1.1",
    .feed = h1_feed,
    .eof = h1_eof,
    .may_feed = h1_may_feed,
    .produce = h1_produce,
    .deadline = h1_deadline,
    .expired = h1_expired,
    .drain = h1_drain,
    .settle = h1_settle,
    .state = h1_state,
    .describe = h1_describe,
    .free = h1_free,
};
