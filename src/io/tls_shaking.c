/*
 * tls_shaking.c - what a connection speaks until its handshake is over: nothing, within a time.
 */
#include "io/tls_ssl.h"

#include "base/check.h"
#include "base/metrics.h"

#include <stdio.h>

/* struct adapter: feed. The session puts another adapter in place before there is anything. */
static size_t shaking_feed(void *state, struct conn *c, char *data, size_t n, ms_t now)
{
    (void)state;
    (void)c;
    (void)data;
    (void)now;
    return n;
}

/* struct adapter: eof */
static void shaking_eof(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)now;
    conn_close(c, CLOSE_TLS_CUT, false);
}

/* struct adapter: may_feed */
static bool shaking_may_feed(const void *state)
{
    (void)state;
    return false;
}

/* struct adapter: produce, settle */
static void shaking_produce(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)c;
    (void)now;
}

/* struct adapter: settle */
static void shaking_settle(void *state, struct conn *c)
{
    (void)state;
    (void)c;
}

/* struct adapter: deadline */
static ms_t shaking_deadline(const void *state, const struct conn *c)
{
    const struct tls *t;

    (void)c;
    CAST_OBJ(t, state, TLS_MAGIC);
    return t->deadline;
}

/* struct adapter: expired */
static void shaking_expired(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)now;
    conn_fail(c, CLOSE_TLS_TIMEOUT);
}

/* struct adapter: drain. A handshake ends soon, or its time does. */
static void shaking_drain(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)now;
    if (c->drain == CONN_DRAIN_NOW)
        conn_close(c, CLOSE_DRAINED, false);
}

/* struct adapter: state */
static enum conn_state shaking_state(const void *state)
{
    (void)state;
    return CONN_RECEIVING_HEADERS;
}

/* struct adapter: describe */
static size_t shaking_describe(const void *state, char *buf, size_t size)
{
    int n = snprintf(buf, size, "in a TLS handshake");

    (void)state;
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* struct adapter: free. The struct tls belongs to the session. */
static void shaking_free(void *state, struct conn *c, enum close_reason reason)
{
    struct tls *t;

    CAST_OBJ(t, state, TLS_MAGIC);
    /* What stands in front of a handshake, and does not hold, has been told of. */
    if (reason == CLOSE_NONE || reason == CLOSE_PROXY_HEADER)
        return;
    metrics_add(COUNTER_TLS_FAILED, 1);
    if (!t->logged)
        tls_log_failure(t, c, "connection ended", close_words(reason), "SSL handshaking");
}

const struct adapter tls_adapter = {
    .name = "tls handshake",
    .feed = shaking_feed,
    .eof = shaking_eof,
    .may_feed = shaking_may_feed,
    .produce = shaking_produce,
    .deadline = shaking_deadline,
    .expired = shaking_expired,
    .drain = shaking_drain,
    .settle = shaking_settle,
    .state = shaking_state,
    .describe = shaking_describe,
    .free = shaking_free,
};
