/*
 * conn.c - one connection, without a descriptor, a loop or a clock.
 */
#include "conn/conn.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/*
 * Bytes kept while the adapter is paused. Reading goes on up to here so that a peer that goes
 * away is noticed while its answer is being made.
 */
#define KEPT_MAX (64 * 1024)

const char *conn_state_name(enum conn_state state)
{
    static const char *const names[] = {
        [CONN_RECEIVING_HEADERS] = "ReceivingHeaders",
        [CONN_RECEIVING_BODY] = "ReceivingBody",
        [CONN_DISPATCHING] = "DispatchingOrSending",
        [CONN_STREAMING] = "Streaming",
        [CONN_UPGRADED] = "Upgraded",
        [CONN_CLOSING] = "Closing",
        [CONN_CLOSED] = "Closed",
    };

    AN((unsigned)state < sizeof names / sizeof *names);
    return names[state];
}

/* Until the adapter knows better. */
static const struct conn_limits no_limits = { .send_timeout = MS_NEVER };

struct conn *conn_new(const struct adapter *adapter, void *state, ms_t now)
{
    struct conn *c = mem_zalloc(sizeof *c);

    AN(adapter != NULL && state != NULL);
    c->magic = CONN_MAGIC;
    c->adapter = adapter;
    c->state = state;
    c->opened = c->last_write = now;
    c->was_empty = true;
    c->limits = &no_limits;
    return c;
}

void conn_free(struct conn **pc)
{
    struct conn *c;

    TAKE_OBJ(c, pc, CONN_MAGIC);
    if (c->reason == CLOSE_NONE)
        c->reason = CLOSE_ABORTED;
    c->closing = c->broken = true;
    /* The adapter first: it asks the queue how far its answers got. */
    c->adapter->free(c->state, c, (enum close_reason)c->reason);
    outq_free(&c->out);
    free(c->in);
    free(c->proxied);
    c->magic = 0;
    free(c);
}

enum conn_state conn_state(const struct conn *c)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (c->broken)
        return CONN_CLOSED;
    return c->closing ? CONN_CLOSING : c->adapter->state(c->state);
}

unsigned conn_want(const struct conn *c)
{
    unsigned want = 0;

    CHECK_OBJ(c, CONN_MAGIC);
    if (c->broken)
        return CONN_CLOSE;
    if (!outq_empty(&c->out))
        want |= CONN_WRITE;
    if (!c->closing)
        return c->eof || c->in_size >= KEPT_MAX ? want : want | CONN_READ;
    if (want)
        return c->linger && !c->eof ? want | CONN_READ : want;
    if (!c->linger || c->eof)
        return CONN_CLOSE;
    return c->shut ? CONN_READ : CONN_SHUT;
}

/*
 * The first entry of a turn: what is queued from here on waits since now, not since it last
 * wrote.
 */
static void begin_turn(struct conn *c, ms_t now)
{
    if (c->was_empty)
        c->last_write = now;
    c->was_empty = false;
}

/* Feeds bytes until the adapter pauses; returns how many it took. */
static size_t feed(struct conn *c, char *data, size_t n, ms_t now)
{
    size_t done = 0;

    while (done < n && !c->closing && c->adapter->may_feed(c->state)) {
        size_t used = c->adapter->feed(c->state, c, data + done, n - done, now);

        AN(used <= n - done);
        done += used;
    }
    return done;
}

/* Puts bytes behind those that are kept. */
static void keep(struct conn *c, const char *data, size_t n)
{
    size_t need = c->in_size + n;

    AN(need <= UINT32_MAX);
    if (need > c->in_room) {
        c->in_room = (uint32_t)(need < 1024 ? 1024 : need);
        c->in = mem_resize(c->in, c->in_room, 1);
    }
    memcpy(c->in + c->in_size, data, n);
    c->in_size += (uint32_t)n;
}

/*
 * It is closing with bytes left over: the peer goes on sending, and to close at once would meet its
 * next bytes with a reset that can take the last answer away.
 */
static void linger_for_more(struct conn *c)
{
    c->linger = c->limits->lingering_time > 0;
}

/*
 * Feeds what was kept. The adapter may hold views into it until the end of the turn, so the bytes
 * that it took stay where they are and the rest is what conn_settle() keeps.
 */
static void feed_kept(struct conn *c, ms_t now)
{
    size_t left = c->in_size - c->in_fed;

    if (left)
        c->in_fed += (uint32_t)feed(c, c->in + c->in_fed, left, now);
}

void conn_received(struct conn *c, char *data, size_t n, ms_t now)
{
    size_t used;

    CHECK_OBJ(c, CONN_MAGIC);
    if (c->broken)
        return;
    begin_turn(c, now);
    if (n == 0) {
        c->eof = true;
        if (!c->closing)
            c->adapter->eof(c->state, c, now);
        return;
    }
    if (c->closing)
        return;
    AN(c->in_fed == 0);
    if (c->in_size) {
        keep(c, data, n);
        feed_kept(c, now);
        return;
    }
    used = feed(c, data, n, now);
    if (used == n)
        return;
    if (!c->closing)
        keep(c, data + used, n - used);
    else
        linger_for_more(c);
}

size_t conn_output(const struct conn *c, struct iovec *iov, size_t max,
                   const struct outq_span **file)
{
    CHECK_OBJ(c, CONN_MAGIC);
    *file = outq_file(&c->out);
    return *file ? 0 : outq_iov(&c->out, iov, max);
}

/* Lets the adapter note progress and queue more, then take kept input, until neither moves. */
static void turn(struct conn *c, ms_t now)
{
    uint32_t fed;

    do {
        fed = c->in_fed;
        c->adapter->produce(c->state, c, now);
        if (!c->closing)
            feed_kept(c, now);
    } while (c->in_fed != fed && !c->broken);
    if (c->eof && !c->closing && !conn_kept(c))
        c->adapter->eof(c->state, c, now);
}

void conn_sent(struct conn *c, size_t n, ms_t now)
{
    CHECK_OBJ(c, CONN_MAGIC);
    outq_advance(&c->out, n);
    c->last_write = now;
    turn(c, now);
}

void conn_woken(struct conn *c, ms_t now)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (c->broken)
        return;
    begin_turn(c, now);
    turn(c, now);
}

void conn_wake(struct conn *c)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (c->driver)
        c->driver->wake(c->driver_arg);
}

void conn_turns(struct conn *const *all, size_t n)
{
    if (n && all[0]->driver)
        all[0]->driver->turns(all, n);
}

const struct addr *conn_local(struct conn *c)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (c->local.family == ADDR_NONE && c->driver && c->driver->find_local)
        c->driver->find_local(c, c->driver_arg);
    return &c->local;
}

void conn_shut(struct conn *c, ms_t now)
{
    CHECK_OBJ(c, CONN_MAGIC);
    c->shut = true;
    c->linger_until = now + c->limits->lingering_time;
}

ms_t conn_deadline(const struct conn *c)
{
    ms_t at, stall;

    CHECK_OBJ(c, CONN_MAGIC);
    if (c->broken)
        return MS_NEVER;
    if (c->closing)
        at = c->shut ? c->linger_until : MS_NEVER;
    else
        at = c->adapter->deadline(c->state, c);
    if (outq_empty(&c->out) || c->limits->send_timeout == MS_NEVER)
        return at;
    stall = c->last_write + c->limits->send_timeout;
    return stall < at ? stall : at;
}

void conn_expired(struct conn *c, ms_t now)
{
    CHECK_OBJ(c, CONN_MAGIC);
    begin_turn(c, now);
    if (conn_deadline(c) > now)
        return;
    if (!outq_empty(&c->out) && c->last_write + c->limits->send_timeout <= now)
        conn_fail(c, CLOSE_SEND_TIMEOUT);
    else if (c->closing)
        c->broken = true;
    else
        c->adapter->expired(c->state, c, now);
}

void conn_settle(struct conn *c)
{
    CHECK_OBJ(c, CONN_MAGIC);
    /* First: what is queued until the end of the turn may lie in what the adapter lets go. */
    outq_settle(&c->out);
    c->adapter->settle(c->state, c);
    c->was_empty = outq_empty(&c->out);
    if (!c->in)
        return;
    if (c->closing && conn_kept(c))
        linger_for_more(c);
    c->in_size -= c->in_fed;
    memmove(c->in, c->in + c->in_fed, c->in_size);
    c->in_fed = 0;
    if (c->in_size == 0 || c->closing) {
        free(c->in);
        c->in = NULL;
        c->in_size = c->in_room = 0;
    }
}

void conn_fail(struct conn *c, enum close_reason reason)
{
    CHECK_OBJ(c, CONN_MAGIC);
    AN(reason != CLOSE_NONE);
    if (c->reason == CLOSE_NONE)
        c->reason = (uint8_t)reason;
    c->closing = c->broken = true;
}

void conn_close(struct conn *c, enum close_reason reason, bool linger)
{
    CHECK_OBJ(c, CONN_MAGIC);
    AN(reason != CLOSE_NONE);
    if (c->closing)
        return;
    c->reason = (uint8_t)reason;
    c->closing = true;
    c->linger = linger && c->limits->lingering_time > 0;
}

void conn_drain(struct conn *c, enum conn_drain how, ms_t now)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (how <= c->drain)
        return;
    c->drain = (uint8_t)how;
    if (!c->closing)
        c->adapter->drain(c->state, c, now);
}

void conn_upgrade(struct conn *c, const struct adapter *adapter, void *state)
{
    CHECK_OBJ(c, CONN_MAGIC);
    AN(adapter != NULL && state != NULL);
    c->adapter->free(c->state, c, CLOSE_NONE);
    c->adapter = adapter;
    c->state = state;
}
