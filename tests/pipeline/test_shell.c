/*
 * test_shell.c - the shell around the protocol: wants, ends, reasons, and another adapter in place.
 */
#include "pipeline.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A protocol that sends back what it gets in another case, and pauses behind each '!'. */
struct shout {
    unsigned magic;
#define SHOUT_MAGIC 0x5400717eu
    bool lower, paused;
    unsigned *freed;               /* counts */
    unsigned eofs, drains;
};

/* Makes the state of one. */
static struct shout *shout_new(bool lower, unsigned *freed)
{
    struct shout *s = mem_zalloc(sizeof *s);

    s->magic = SHOUT_MAGIC;
    s->lower = lower;
    s->freed = freed;
    return s;
}

/* struct adapter: feed */
static size_t shout_feed(void *state, struct conn *c, char *data, size_t n, ms_t now)
{
    struct shout *s;
    size_t i;

    (void)now;
    CAST_OBJ(s, state, SHOUT_MAGIC);
    AN(!s->paused);
    for (i = 0; i < n && !s->paused; i++) {
        if (s->lower)
            data[i] = str_lower(data[i]);
        else if (data[i] >= 'a' && data[i] <= 'z')
            data[i] = (char)(data[i] - 'a' + 'A');
        s->paused = data[i] == '!';
    }
    outq_add(&c->out, data, i, OUTQ_TRANSIENT);
    return i;
}

/* struct adapter: eof */
static void shout_eof(void *state, struct conn *c, ms_t now)
{
    struct shout *s;

    (void)now;
    CAST_OBJ(s, state, SHOUT_MAGIC);
    s->eofs++;
    if (!conn_kept(c))
        conn_close(c, CLOSE_CLIENT_CLOSED, false);
}

/* struct adapter: may_feed */
static bool shout_may_feed(const void *state)
{
    const struct shout *s;

    CAST_OBJ(s, state, SHOUT_MAGIC);
    return !s->paused;
}

/* struct adapter: produce. What it has to say it says at once. */
static void shout_produce(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)c;
    (void)now;
}

/* struct adapter: deadline */
static ms_t shout_deadline(const void *state, const struct conn *c)
{
    (void)state;
    return c->opened + 1000;
}

/* struct adapter: expired */
static void shout_expired(void *state, struct conn *c, ms_t now)
{
    (void)state;
    (void)now;
    conn_close(c, CLOSE_IDLE, false);
}

/* struct adapter: drain */
static void shout_drain(void *state, struct conn *c, ms_t now)
{
    struct shout *s;

    (void)c;
    (void)now;
    CAST_OBJ(s, state, SHOUT_MAGIC);
    s->drains++;
}

/* struct adapter: settle */
static void shout_settle(void *state, struct conn *c)
{
    (void)state;
    (void)c;
}

/* struct adapter: state */
static enum conn_state shout_state(const void *state)
{
    (void)state;
    return CONN_UPGRADED;
}

/* struct adapter: free */
static void shout_free(void *state, struct conn *c, enum close_reason reason)
{
    struct shout *s;

    (void)c;
    (void)reason;
    CAST_OBJ(s, state, SHOUT_MAGIC);
    ++*s->freed;
    s->magic = 0;
    free(s);
}

static const struct adapter shout_adapter = {
    .name = "shout",
    .feed = shout_feed,
    .eof = shout_eof,
    .may_feed = shout_may_feed,
    .produce = shout_produce,
    .deadline = shout_deadline,
    .expired = shout_expired,
    .drain = shout_drain,
    .settle = shout_settle,
    .state = shout_state,
    .free = shout_free,
};

/* A connection that speaks that. */
static struct shout *shout_init(struct memconn *m, unsigned *freed)
{
    struct shout *s = shout_new(false, freed);

    memconn_init(m);
    conn_upgrade(m->c, &shout_adapter, s);
    return s;
}

/* I-04, I-22: another adapter in place; the old one is freed, the connection is the same. */
static void test_swap(void)
{
    struct memconn m;
    unsigned freed = 0, freed_too = 0;
    struct conn *c;

    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    c = m.c;
    conn_upgrade(m.c, &shout_adapter, shout_new(false, &freed));
    CU_ASSERT_PTR_EQUAL(m.c, c);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Upgraded");
    memconn_clear(&m);
    memconn_feed_str(&m, "GET / HTTP/1.1\r\n");
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "GET / HTTP/1.1\r\n");
    CU_ASSERT_EQUAL(m.app.begun, 1);
    conn_upgrade(m.c, &shout_adapter, shout_new(true, &freed_too));
    CU_ASSERT_EQUAL(freed, 1);
    memconn_feed_str(&m, "GET");
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "GET / HTTP/1.1\r\nget");
    memconn_free(&m);
    CU_ASSERT_EQUAL(freed, 1);
    CU_ASSERT_EQUAL(freed_too, 1);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* I-24: bytes that came with the last ones of the old protocol go to the new one. */
static void test_swap_with_tail(void)
{
    static const char in[] = "abc!DEF!GHI";

    for (size_t cut = 1; cut < sizeof in - 1; cut++) {
        struct memconn m;
        unsigned freed = 0;

        shout_init(&m, &freed);
        memconn_feed(&m, in, cut);
        memconn_feed(&m, in + cut, sizeof in - 1 - cut);
        CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "ABC!");
        conn_upgrade(m.c, &shout_adapter, shout_new(true, &freed));
        CU_ASSERT_EQUAL(freed, 1);
        conn_wake(m.c);
        memconn_turn(&m);
        CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "ABC!def!");
        memconn_feed_str(&m, "JK");
        conn_upgrade(m.c, &shout_adapter, shout_new(false, &freed));
        memconn_eof(&m);
        conn_wake(m.c);
        memconn_turn(&m);
        CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "ABC!def!GHIJK");
        CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
        CU_ASSERT_EQUAL(freed, 3);
        memconn_free(&m);
    }
}

/* While the adapter is paused the shell reads on, up to a bound, and keeps every byte. */
static void test_kept(void)
{
    struct memconn m;
    unsigned freed = 0;
    struct shout *s = shout_init(&m, &freed);
    char block[1000];
    size_t fed = 0;

    memset(block, 'x', sizeof block);
    memconn_feed_str(&m, "!");
    CU_ASSERT_FALSE(conn_kept(m.c));
    while (memconn_feed(&m, block, sizeof block))
        fed += sizeof block;
    CU_ASSERT_TRUE(conn_kept(m.c));
    CU_ASSERT(fed >= 64 * 1024 && fed <= 65 * 1024);
    CU_ASSERT_EQUAL(memconn_want(&m), 0);
    CU_ASSERT_EQUAL(m.out.n, 1);
    s->paused = false;
    conn_wake(m.c);
    memconn_turn(&m);
    CU_ASSERT_EQUAL(m.out.n, 1 + fed);
    CU_ASSERT_FALSE(conn_kept(m.c));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    memconn_free(&m);
    CU_ASSERT_EQUAL(freed, 1);
}

/* The end of input is told at once, and again when the kept bytes have been fed. */
static void test_eof_behind_kept(void)
{
    struct memconn m;
    unsigned freed = 0;
    struct shout *s = shout_init(&m, &freed);

    memconn_feed_str(&m, "a!b");
    memconn_eof(&m);
    CU_ASSERT_EQUAL(s->eofs, 1);
    CU_ASSERT_PTR_NOT_NULL(m.c);
    CU_ASSERT_EQUAL(memconn_want(&m), 0);
    s->paused = false;
    conn_wake(m.c);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "A!B");
    CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
    CU_ASSERT_EQUAL(freed, 1);
    memconn_free(&m);
}

/* H-10: any partial amount; what was queued for a turn outlives it. */
static void test_partial_writes(void)
{
    struct memconn m;
    unsigned freed = 0;

    shout_init(&m, &freed);
    m.write_max = 16;
    m.writes_max = 1;
    memconn_feed_str(&m, "a line that is longer than sixteen bytes");
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "A LINE THAT IS L");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ | CONN_WRITE);
    memconn_feed_str(&m, ", and more");
    memconn_flush(&m);
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out),
                           "A LINE THAT IS LONGER THAN SIXTEEN BYTES, AND MORE");
    memconn_free(&m);
}

/* conn_fail() and conn_close(): the first reason stays, what waits is dropped or leaves. */
static void test_ends(void)
{
    struct memconn m;
    unsigned freed = 0;

    shout_init(&m, &freed);
    m.blocked = true;
    memconn_feed_str(&m, "abc");
    conn_fail(m.c, CLOSE_IO);
    conn_fail(m.c, CLOSE_SHUTDOWN);
    conn_close(m.c, CLOSE_DONE, true);
    CU_ASSERT_EQUAL(m.c->reason, CLOSE_IO);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closed");
    CU_ASSERT_EQUAL(conn_deadline(m.c), MS_NEVER);
    conn_received(m.c, NULL, 0, m.now);
    conn_woken(m.c, m.now);
    conn_expired(m.c, m.now);
    memconn_turn(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_IO);
    CU_ASSERT_EQUAL(m.out.n, 0);
    memconn_free(&m);

    shout_init(&m, &freed);
    m.blocked = true;
    memconn_feed_str(&m, "abc");
    conn_close(m.c, CLOSE_DRAINED, false);
    conn_close(m.c, CLOSE_DONE, true);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_WRITE);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closing");
    m.blocked = false;
    memconn_turn(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_DRAINED);
    CU_ASSERT_STRING_EQUAL(memtext_get(&m.out), "ABC");
    memconn_free(&m);

    shout_init(&m, &freed);
    conn_close(m.c, CLOSE_DONE, false);
    conn_fail(m.c, CLOSE_SHUTDOWN);
    memconn_turn(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_DONE);
    memconn_free(&m);
    CU_ASSERT_EQUAL(freed, 3);
}

/* The adapter's own deadline, and drain, which it hears of once for each step. */
static void test_adapter_calls(void)
{
    struct memconn m;
    unsigned freed = 0;
    struct shout *s = shout_init(&m, &freed);

    memconn_drain(&m, CONN_STAY);
    CU_ASSERT_EQUAL(s->drains, 0);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    CU_ASSERT_EQUAL(s->drains, 1);
    memconn_drain(&m, CONN_DRAIN_NOW);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    CU_ASSERT_EQUAL(s->drains, 2);
    CU_ASSERT_EQUAL(m.c->drain, CONN_DRAIN_NOW);
    memconn_wait(&m, 999);
    CU_ASSERT_PTR_NOT_NULL(m.c);
    memconn_wait(&m, 1);
    CU_ASSERT_EQUAL(m.reason, CLOSE_IDLE);
    memconn_free(&m);
}

/* struct conn_driver: find_local */
static void find_local(struct conn *c, void *arg)
{
    AN(c->local.family == ADDR_NONE && arg != NULL);
    c->local = (struct addr){ .family = ADDR_V4, .port = 80, .ip = { 192, 0, 2, 1 } };
}

/* The local address is asked for once; a wake-up without a driver is harmless. */
static void test_driver_calls(void)
{
    struct conn_driver driver;
    struct memconn m;

    memconn_init(&m);
    CU_ASSERT_EQUAL(conn_local(m.c)->family, ADDR_NONE);
    driver = *m.c->driver;
    driver.find_local = find_local;
    m.c->driver = &driver;
    CU_ASSERT_EQUAL(conn_local(m.c)->port, 80);
    CU_ASSERT_EQUAL(conn_local(m.c)->ip[0], 192);
    conn_wake(m.c);
    CU_ASSERT_EQUAL(m.wakes, 1);
    m.c->driver = NULL;
    conn_wake(m.c);
    CU_ASSERT_EQUAL(m.wakes, 1);
    memconn_free(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_ABORTED);
}

/* I-05: the names of the states. */
static void test_state_names(void)
{
    static const char *const names[] = { "ReceivingHeaders", "ReceivingBody",
        "DispatchingOrSending", "Streaming", "Upgraded", "Closing", "Closed" };

    for (unsigned i = 0; i <= CONN_CLOSED; i++)
        CU_ASSERT_STRING_EQUAL(conn_state_name((enum conn_state)i), names[i]);
    CU_ASSERT_EQUAL(CONN_CLOSED + 1, COUNT(names));
}

CU_TestInfo shell_tests[] = {
    { "another adapter", test_swap },
    { "another adapter, with bytes left", test_swap_with_tail },
    { "kept bytes", test_kept },
    { "FIN behind kept bytes", test_eof_behind_kept },
    { "partial writes", test_partial_writes },
    { "ends", test_ends },
    { "deadline and drain", test_adapter_calls },
    { "the driver's calls", test_driver_calls },
    { "names of states", test_state_names },
    CU_TEST_INFO_NULL
};
