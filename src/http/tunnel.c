/*
 * tunnel.c - another protocol on a connection that began with HTTP/1: the adapter.
 */
#include "http/tunnel.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

/* In the exchange's arena; what a turn needs of the exchange it has itself. */
struct slv_tunnel {
    unsigned magic;
#define TUNNEL_MAGIC 0x70e1ad17u
    bool in_turn;                  /* what is queued now leaves without being asked for */
    bool settled;                  /* the exchange has been packed */
    struct exchange *x;
    struct conn *conn;
    const struct slv_protocol *protocol;
    void *state;                   /* the protocol's */
    char *spent;                   /* until the end of its first turn */
    ms_t now;
};

/* A turn of the protocol begins. */
static struct slv_tunnel *enter(void *state, ms_t now)
{
    struct slv_tunnel *t;

    CAST_OBJ(t, state, TUNNEL_MAGIC);
    AN(!t->in_turn);
    t->in_turn = true;
    t->now = now;
    return t;
}

/* struct adapter: feed */
static size_t tunnel_feed(void *state, struct conn *c, char *data, size_t n, ms_t now)
{
    struct slv_tunnel *t = enter(state, now);
    size_t used = t->protocol->feed(t->state, t, data, n);

    (void)c;
    AN(used <= n);
    t->x->received += (int64_t)used;
    t->in_turn = false;
    return used;
}

/* struct adapter: eof */
static void tunnel_eof(void *state, struct conn *c, ms_t now)
{
    struct slv_tunnel *t;

    /* Called again when the kept bytes have been fed. */
    if (conn_kept(c))
        return;
    t = enter(state, now);
    t->protocol->eof(t->state, t);
    t->in_turn = false;
}

/* struct adapter: may_feed */
static bool tunnel_may_feed(const void *state)
{
    const struct slv_tunnel *t;

    CAST_OBJ(t, state, TUNNEL_MAGIC);
    return t->protocol->may_feed(t->state);
}

/* struct adapter: produce */
static void tunnel_produce(void *state, struct conn *c, ms_t now)
{
    struct slv_tunnel *t = enter(state, now);

    if (t->protocol->produce && !c->closing)
        t->protocol->produce(t->state, t);
    t->in_turn = false;
}

/* struct adapter: deadline */
static ms_t tunnel_deadline(const void *state, const struct conn *c)
{
    const struct slv_tunnel *t;

    (void)c;
    CAST_OBJ(t, state, TUNNEL_MAGIC);
    return t->protocol->deadline(t->state);
}

/* struct adapter: expired */
static void tunnel_expired(void *state, struct conn *c, ms_t now)
{
    struct slv_tunnel *t = enter(state, now);

    (void)c;
    t->protocol->expired(t->state, t);
    t->in_turn = false;
}

/* struct adapter: drain */
static void tunnel_drain(void *state, struct conn *c, ms_t now)
{
    struct slv_tunnel *t = enter(state, now);

    t->protocol->drain(t->state, t, c->drain == CONN_DRAIN_NOW);
    t->in_turn = false;
}

/* struct adapter: settle. Nothing of a protocol points into the scratch between two turns. */
static void tunnel_settle(void *state, struct conn *c)
{
    struct slv_tunnel *t;

    (void)c;
    CAST_OBJ(t, state, TUNNEL_MAGIC);
    if (t->settled)
        return;
    exchange_settle(t->x);
    t->settled = true;
    free(t->spent);
    t->spent = NULL;
}

/* struct adapter: state */
static enum conn_state tunnel_state(const void *state)
{
    (void)state;
    return CONN_UPGRADED;
}

/* struct adapter: describe */
static size_t tunnel_describe(const void *state, char *buf, size_t size)
{
    const struct slv_tunnel *t = state;
    int n;

    if (!t || t->magic != TUNNEL_MAGIC)
        return 0;
    n = snprintf(buf, size, "%s behind request: \"%.*s\"", t->protocol->name,
                 t->x->req.line.n < 200 ? (int)t->x->req.line.n : 200, t->x->req.line.p);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* struct adapter: free */
static void tunnel_free(void *state, struct conn *c, enum close_reason reason)
{
    struct slv_tunnel *t;
    struct exchange *x;

    (void)c;
    CAST_OBJ(t, state, TUNNEL_MAGIC);
    x = t->x;
    t->in_turn = true;
    x->protocol->free(x->protocol_state, t);
    x->protocol = NULL;
    t->magic = 0;
    free(t->spent);
    exchange_end(x, reason);
}

const struct adapter tunnel_adapter = {
    .name = "tunnel",
    .feed = tunnel_feed,
    .eof = tunnel_eof,
    .may_feed = tunnel_may_feed,
    .produce = tunnel_produce,
    .deadline = tunnel_deadline,
    .expired = tunnel_expired,
    .drain = tunnel_drain,
    .settle = tunnel_settle,
    .state = tunnel_state,
    .describe = tunnel_describe,
    .free = tunnel_free,
};

void tunnel_begin(struct exchange *x, char *spent, ms_t now)
{
    struct slv_tunnel *t;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->protocol != NULL && x->conn != NULL);
    t = arena_zalloc(&x->arena, sizeof *t);
    t->magic = TUNNEL_MAGIC;
    t->x = x;
    t->conn = x->conn;
    t->protocol = x->protocol;
    t->state = x->protocol_state;
    t->spent = spent;
    x->h1 = NULL;
    conn_upgrade(x->conn, &tunnel_adapter, t);
    t = enter(t, now);
    if (x->protocol->open)
        x->protocol->open(x->protocol_state, t);
    t->in_turn = false;
    /* A worker that is being replaced takes no vows for longer than the rest of them. */
    if (x->conn->drain != CONN_STAY && !x->conn->closing)
        tunnel_drain(t, x->conn, now);
}

/* ---- For protocols -------------------------------------------------------------------------- */

/* The queue, or NULL where nothing is taken any more. */
static struct outq *queue_of(struct slv_tunnel *t)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    if (t->conn->closing)
        return NULL;
    if (!t->in_turn)
        conn_wake(t->conn);
    return &t->conn->out;
}

void slv_tunnel_write(struct slv_tunnel *t, const void *data, size_t size)
{
    struct outq *q = queue_of(t);

    if (q)
        outq_add_copy(q, data, size);
}

void slv_tunnel_write_turn(struct slv_tunnel *t, const void *data, size_t size)
{
    struct outq *q = queue_of(t);

    if (q)
        outq_add(q, data, size, OUTQ_TRANSIENT);
}

void slv_tunnel_write_owned(struct slv_tunnel *t, const void *data, size_t size,
                            void (*release)(void *owner), void *owner)
{
    struct outq *q = queue_of(t);

    if (q)
        outq_add_owned(q, data, size, release, owner);
    else if (release)
        release(owner);
}

size_t slv_tunnel_waiting(const struct slv_tunnel *t)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    return outq_waiting(&t->conn->out);
}

/* The word of a protocol in the server's own terms. */
static enum close_reason reason_of(enum slv_end why)
{
    static const enum close_reason reasons[] = {
        [SLV_END_DONE] = CLOSE_UPGRADE_DONE,
        [SLV_END_GONE] = CLOSE_CLIENT_CLOSED,
        [SLV_END_PROTOCOL] = CLOSE_PROTOCOL,
        [SLV_END_DATA] = CLOSE_BAD_DATA,
        [SLV_END_TOO_LARGE] = CLOSE_MESSAGE_TOO_LARGE,
        [SLV_END_SLOW] = CLOSE_SLOW_READER,
        [SLV_END_SILENT] = CLOSE_SILENT,
        [SLV_END_DRAINED] = CLOSE_DRAINED,
        [SLV_END_FAILED] = CLOSE_HANDLER,
    };

    AN((unsigned)why < sizeof reasons / sizeof *reasons);
    return reasons[why];
}

void slv_tunnel_close(struct slv_tunnel *t, enum slv_end why, bool linger)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    conn_close(t->conn, reason_of(why), linger);
    if (!t->in_turn)
        conn_wake(t->conn);
}

void slv_tunnel_abort(struct slv_tunnel *t, enum slv_end why)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    conn_fail(t->conn, reason_of(why));
    if (!t->in_turn)
        conn_wake(t->conn);
}

void slv_tunnel_wake(struct slv_tunnel *t)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    conn_wake(t->conn);
}

int64_t slv_tunnel_now(const struct slv_tunnel *t)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    return t->now;
}

struct slv_request *slv_tunnel_request(const struct slv_tunnel *t)
{
    CHECK_OBJ(t, TUNNEL_MAGIC);
    return &t->x->req;
}
