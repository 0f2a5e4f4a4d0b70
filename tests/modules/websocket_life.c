/*
 * websocket_life.c - the life of a WebSocket connection: upgrade, timers, slow peers, drain, ends.
 */
#include "websocket_kit.h"

#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

/* I-24: the request and frames in one write, cut everywhere, behind earlier requests as well. */
static void test_tail(void)
{
    struct memtext in = { NULL, 0, 0 };
    size_t first = strlen("GET /big/3000 HTTP/1.1\r\nHost: x\r\n\r\n");

    memtext_add(&in, "GET /big/3000 HTTP/1.1\r\nHost: x\r\n\r\n", first);
    memtext_add(&in, WSKIT_REQUEST, sizeof WSKIT_REQUEST - 1);
    wskit_write(&in, "81'tail' 82*126 01'a' 80'b'", 27);
    for (size_t cut = 1; cut < in.n * 3; cut++) {
        struct wskit k;
        const char *head;

        wskit_init(&k);
        k.m.write_max = cut < in.n ? 0 : 100;
        k.m.writes_max = cut < in.n ? 0 : 1;
        memconn_feed_pieces(&k.m, in.p, cut % in.n, in.n);
        memconn_feed_pieces(&k.m, in.p + cut % in.n, in.n - cut % in.n, in.n);
        memconn_flush(&k.m);
        head = memmem(k.m.out.p, k.m.out.n, "HTTP/1.1 101", 12);
        CU_ASSERT_PTR_NOT_NULL_FATAL(head);
        k.read = (size_t)(strstr(head, "\r\n\r\n") + 4 - k.m.out.p);
        SUITE_CHECK(strcmp(wskit_heard(&k), "81'tail' 82*126 81'ab' " UP) == 0, "cut at %zu", cut);
        CU_ASSERT_EQUAL(k.m.app.begun, 2);
        wskit_free(&k);
    }
    memtext_free(&in);
}

/* I-17, I-22, I-23: no HTTP is seen any more, no idle time-out applies, send_timeout does. */
static void test_state(void)
{
    struct wskit k;

    wskit_start(&k);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
    memconn_wait(&k.m, 1000 * 1000);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
    CU_ASSERT_EQUAL(k.m.app.done, 0);
    k.m.blocked = true;
    wskit_feed(&k, "81'a'");
    memconn_wait(&k.m, 59999);
    CU_ASSERT_STRING_EQUAL(memconn_state(&k.m), "Upgraded");
    memconn_wait(&k.m, 1);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_SEND_TIMEOUT);
    CU_ASSERT_EQUAL(k.m.app.done, 1);
    CU_ASSERT(strstr(k.m.app.log.p, " 101 send_timeout ") != NULL);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open text'a' close#1006'' ");
    wskit_free(&k);
}

/* HTTP behind the upgrade is nothing but a bad frame. */
static void test_http_behind(void)
{
    struct wskit k;

    wskit_start(&k);
    memconn_feed_str(&k.m, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#1002 | Closing protocol_error");
    CU_ASSERT_EQUAL(k.m.app.begun, 1);
    wskit_free(&k);
}

/* The peer's Close: ours, then our FIN, then whatever it still says is dropped until its own. */
static void test_close_order(void)
{
    struct wskit k;

    wskit_start(&k);
    wskit_feed(&k, "81'a' 88#1000'bye'");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "81'a' 88#1000 | Closing upgrade_done");
    CU_ASSERT_TRUE(k.m.shut);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open text'a' close#1000'bye' ");
    wskit_feed(&k, "81'b'");
    CU_ASSERT_PTR_NOT_NULL(k.m.c);
    memconn_eof(&k.m);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_UPGRADE_DONE);
    CU_ASSERT(strstr(k.m.app.log.p, "GET /upgrade HTTP/1.1 101 upgrade_done ") != NULL);
    wskit_free(&k);
}

/* Who never ends its side is not waited for longer than lingering_time. */
static void test_linger(void)
{
    struct wskit k;

    wskit_start(&k);
    wskit_feed(&k, "88''");
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#1005'' ");
    memconn_wait(&k.m, 4999);
    CU_ASSERT_PTR_NOT_NULL(k.m.c);
    memconn_wait(&k.m, 1);
    CU_ASSERT_PTR_NULL(k.m.c);
    wskit_free(&k);
}

/* The peer goes without a word: 1006. */
static void test_gone(void)
{
    struct wskit k;

    wskit_start(&k);
    wskit_feed(&k, "01'a'");
    memconn_eof(&k.m);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_CLIENT_CLOSED);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#1006'' ");
    wskit_free(&k);

    wskit_start(&k);
    wskit_feed(&k, "[81 fe]");
    memconn_reset(&k.m);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#1006'' ");
    wskit_free(&k);
}

/* The 101 never leaves: the handler hears of that, too. */
static void test_never_open(void)
{
    struct wskit k;

    wskit_init(&k);
    k.m.blocked = true;
    memconn_feed_str(&k.m, "GET /big/9 HTTP/1.1\r\nHost: x\r\n\r\n" WSKIT_REQUEST "more");
    CU_ASSERT_STRING_EQUAL(memconn_state(&k.m), "DispatchingOrSending");
    memconn_reset(&k.m);
    CU_ASSERT_STRING_EQUAL(k.events.p, "close#1006'' ");
    wskit_free(&k);
}

/* websocket_ping_interval and websocket_ping_timeout. */
static void test_pings(void)
{
    struct wskit k;

    wskit_init(&k);
    k.settings.ping_interval = 1000;
    k.settings.ping_timeout = 300;
    wskit_open(&k);
    memconn_wait(&k.m, 999);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
    memconn_wait(&k.m, 1);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "89'' " UP);
    memconn_wait(&k.m, 299);
    wskit_feed(&k, "8a''");
    memconn_wait(&k.m, 999);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
    /* Anything that comes is a sign of life. */
    wskit_feed(&k, "81'a'");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "81'a' " UP);
    memconn_wait(&k.m, 1000);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "89'' " UP);
    memconn_wait(&k.m, 299);
    wskit_feed(&k, "[81]");
    memconn_wait(&k.m, 1299);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "89'' " UP);
    memconn_wait(&k.m, 1);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_SILENT);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open text'a' close#1006'' ");
    wskit_free(&k);
}

/* A successor is there: 1001, each at its own moment. */
static void test_drain(void)
{
    struct wskit k;

    wskit_start(&k);
    wshost_drain_delay = 700;
    memconn_drain(&k.m, CONN_DRAIN_LAZY);
    memconn_wait(&k.m, 699);
    wskit_feed(&k, "81'a'");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "81'a' " UP);
    memconn_wait(&k.m, 1);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#1001 " UP);
    /* What is on its way is dropped, and the Close ends it. */
    wskit_feed(&k, "81'b' 88#1001");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "| Closing drained");
    CU_ASSERT_STRING_EQUAL(k.events.p, "open text'a' close#1001'' ");
    wskit_free(&k);
}

/* Nobody follows: at once. And a worker that drains already sends newcomers away, too. */
static void test_drain_now(void)
{
    struct wskit k;

    wskit_start(&k);
    wshost_drain_delay = 700;
    memconn_drain(&k.m, CONN_DRAIN_LAZY);
    memconn_drain(&k.m, CONN_DRAIN_NOW);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#1001 " UP);
    memconn_wait(&k.m, 4999);
    CU_ASSERT_PTR_NOT_NULL(k.m.c);
    memconn_wait(&k.m, 1);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_DRAINED);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#1001'' ");
    wskit_free(&k);

    wskit_init(&k);
    memconn_drain(&k.m, CONN_DRAIN_LAZY);
    wskit_open(&k);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
    memconn_wait(&k.m, 700);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#1001 " UP);
    wskit_free(&k);
}

/* A peer that reads nothing is not read from, and nothing is lost when it reads again. */
static void test_pause(void)
{
    struct wskit k;
    char wanted[64];
    size_t fed = 0;
    struct memtext in = { NULL, 0, 0 };

    wskit_start(&k);
    k.m.blocked = true;
    wskit_write(&in, "82*1000", 7);
    while (memconn_want(&k.m) & CONN_READ) {
        memconn_feed(&k.m, in.p, in.n);
        fed++;
    }
    /* What is queued, and what the shell keeps: 64 KiB each. */
    CU_ASSERT(fed > 120 && fed < 140);
    CU_ASSERT(outq_waiting(&k.m.c->out) < 66 * 1024);
    memconn_wait(&k.m, 59000);
    k.m.blocked = false;
    memconn_turn(&k.m);
    memconn_flush(&k.m);
    snprintf(wanted, sizeof wanted, "82*1000 ");
    for (size_t i = 0; i < fed; i++) {
        const char *at = k.m.out.p + k.read + i * 1004;

        CU_ASSERT_FATAL(k.read + (i + 1) * 1004 <= k.m.out.n);
        CU_ASSERT(memcmp(at, "\x82\x7e\x03\xe8" "abcd", 8) == 0);
    }
    CU_ASSERT_EQUAL(k.m.out.n, k.read + fed * 1004);
    memtext_free(&in);
    wskit_free(&k);
}

/* A span that counts how often it is given back. */
static void count_release(void *owner)
{
    ++*(unsigned *)owner;
}

/* websocket_buffer: who takes less than it is sent gets a Close behind what is queued. */
static void test_overflow(void)
{
    static char frame[1002] = "\x82\x7e\x03\xe6";
    struct wskit k;
    unsigned released = 0, queued = 0;

    wskit_init(&k);
    k.settings.buffer = 10000;
    k.settings.overflow_code = 1008;
    wskit_open(&k);
    k.m.blocked = true;
    while (slv_ws_send_prepared(k.ws, frame, sizeof frame, count_release, &released) == 0)
        queued++;
    CU_ASSERT_EQUAL(queued, 10);
    CU_ASSERT_EQUAL(released, 1);
    CU_ASSERT_EQUAL(slv_ws_send(k.ws, SLV_WS_TEXT, "a", 1), -1);
    CU_ASSERT(wshost_log[0] != '\0');
    memconn_turn(&k.m);
    /* As long as it takes some, it is not cut. */
    for (int i = 0; i < 9; i++) {
        memconn_wait(&k.m, 50000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(k.m.c);
        k.m.blocked = false;
        k.m.write_max = 1002;
        k.m.writes_max = 1;
        memconn_turn(&k.m);
        k.m.blocked = true;
    }
    k.m.blocked = false;
    CU_ASSERT(strstr(wskit_heard(&k), "88#1008 | Upgraded") != NULL);
    CU_ASSERT_EQUAL(released, 11);
    memconn_wait(&k.m, 4999);
    CU_ASSERT_PTR_NOT_NULL(k.m.c);
    memconn_wait(&k.m, 1);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_SLOW_READER);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#1008'' ");
    wskit_free(&k);
}

/* Prepared frames outside of a turn wake the connection, and are given back if it is lost. */
static void test_prepared(void)
{
    static const char frame[] = "\x81\x05hello";
    struct wskit k;
    unsigned released = 0;

    wskit_start(&k);
    CU_ASSERT_EQUAL(slv_ws_send_prepared(k.ws, frame, 7, count_release, &released), 0);
    CU_ASSERT_EQUAL(slv_ws_send_prepared(k.ws, frame, 7, NULL, NULL), 0);
    CU_ASSERT_EQUAL(slv_ws_waiting(k.ws), 14);
    CU_ASSERT_TRUE(k.m.woken);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "81'hello' 81'hello' " UP);
    CU_ASSERT_EQUAL(released, 1);
    k.m.blocked = true;
    CU_ASSERT_EQUAL(slv_ws_send_prepared(k.ws, frame, 7, count_release, &released), 0);
    memconn_reset(&k.m);
    CU_ASSERT_EQUAL(released, 2);
    wskit_free(&k);
}

/* A handler closes with a code and a reason, which is cut between characters, and awaits Close. */
static void test_handler_closes(void)
{
    struct wskit k;
    char reason[130];

    memset(reason, 'r', sizeof reason);
    memcpy(reason + 121, "\xe2\x82\xac", 3);
    wskit_start(&k);
    slv_ws_close(k.ws, 4000, (struct str){ reason, sizeof reason });
    slv_ws_close(k.ws, 4001, STR("again"));
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#4000 " UP);
    CU_ASSERT_EQUAL(k.m.out.p[k.read - 124], 123);
    CU_ASSERT_STRING_EQUAL(k.events.p, "open ");
    wskit_feed(&k, "89'a' 88#4000");
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "| Closing upgrade_done");
    CU_ASSERT_STRING_EQUAL(k.events.p, "open close#4000'' ");
    wskit_free(&k);

    wskit_start(&k);
    slv_ws_close(k.ws, 1005, STR(""));
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), "88#1011 " UP);
    memconn_eof(&k.m);
    CU_ASSERT_EQUAL(k.m.reason, CLOSE_UPGRADE_DONE);
    wskit_free(&k);
}

/* Calls that get memory; the linker sends all of them here. */
static unsigned long memory_calls;
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

/* malloc, counted. */
void *__wrap_malloc(size_t size)
{
    memory_calls++;
    return __real_malloc(size);
}

/* calloc, counted. */
void *__wrap_calloc(size_t count, size_t size)
{
    memory_calls++;
    return __real_calloc(count, size);
}

/* realloc, counted. */
void *__wrap_realloc(void *p, size_t size)
{
    memory_calls++;
    return __real_realloc(p, size);
}

/* Feeds a message; how often memory was got. */
static unsigned long calls_for(struct wskit *k, const struct memtext *in, bool mute)
{
    unsigned long before = memory_calls;

    k->mute = mute;
    memtext_clear(&k->events);
    memtext_clear(&k->m.out);
    memconn_feed(&k->m, in->p, in->n);
    return memory_calls - before;
}

/* A warm echo of a message that came whole gets no memory, and is written at once. */
static void test_cheap_echo(void)
{
    struct wskit k;
    struct memtext in = { NULL, 0, 0 };
    unsigned long mute, copying;
    unsigned turns, writes;

    wskit_start(&k);
    wskit_write(&in, "82*125", 6);
    calls_for(&k, &in, false);
    mute = calls_for(&k, &in, true);
    turns = k.m.turns;
    writes = k.m.writes;
    CU_ASSERT_EQUAL(calls_for(&k, &in, false), mute);
    CU_ASSERT_EQUAL(k.m.turns, turns + 1);
    CU_ASSERT_EQUAL(k.m.writes, writes + 1);
    CU_ASSERT_EQUAL(k.m.out.n, 127);
    /* The counter counts. */
    k.copies = true;
    copying = calls_for(&k, &in, false);
    CU_ASSERT(copying > mute);
    memtext_free(&in);
    wskit_free(&k);
}

CU_TestInfo life_tests[] = {
    { "bytes behind the request", test_tail },
    { "state and time-outs", test_state },
    { "HTTP behind the upgrade", test_http_behind },
    { "order of closing", test_close_order },
    { "lingering", test_linger },
    { "gone without a word", test_gone },
    { "never open", test_never_open },
    { "pings", test_pings },
    { "drain", test_drain },
    { "drain at once", test_drain_now },
    { "pause", test_pause },
    { "overflow", test_overflow },
    { "prepared frames", test_prepared },
    { "a handler closes", test_handler_closes },
    { "a cheap echo", test_cheap_echo },
    CU_TEST_INFO_NULL
};
