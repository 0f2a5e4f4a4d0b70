/*
 * test_state.c - states and hooks at each step, views, the reset between requests, allocations.
 */
#include "pipeline.h"

#include "base/mem.h"
#include "http/h1.h"

#include <stdio.h>
#include <string.h>

/* I-05, I-06, I-12: the state of a scripted connection at each step. */
static void test_states(void)
{
    struct memconn m;

    memconn_init(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_feed_str(&m, "POST /later HTT");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_feed_str(&m, "P/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingBody");
    memconn_feed_str(&m, "ab");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingBody");
    memconn_feed_str(&m, "cd");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    m.blocked = true;
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    m.blocked = false;
    memconn_flush(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_feed_str(&m, GET("/stream") "\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Streaming");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_feed_str(&m, "bad\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closing");
    memconn_eof(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closed");
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* I-07, I-08, I-10: the hooks, their order, and the state that each of them sees. */
static void test_hooks(void)
{
    static const struct {
        const char *in, *trace, *states;
    } rows[] = {
        { PLAIN, "bhrd", "b=ReceivingHeaders h=DispatchingOrSending r=DispatchingOrSending "
                         "d=ReceivingHeaders " },
        { POST("/echo") "Content-Length: 2\r\n\r\nab", "bhprd",
          "b=ReceivingHeaders h=ReceivingBody p=ReceivingBody r=DispatchingOrSending "
          "d=ReceivingHeaders " },
        { POST("/echo") "Content-Length: 0\r\n\r\n", "bhrd",
          "b=ReceivingHeaders h=DispatchingOrSending r=DispatchingOrSending d=ReceivingHeaders " },
        { POST("/early/401") "Content-Length: 2\r\n\r\nab", "bhd",
          "b=ReceivingHeaders h=ReceivingBody d=ReceivingHeaders " },
        { GET("/chunks/1") "\r\n", "bhrd",
          "b=ReceivingHeaders h=DispatchingOrSending r=DispatchingOrSending d=ReceivingHeaders " },
        { POST("/never") "\r\n", "bhrxd",
          "b=ReceivingHeaders h=DispatchingOrSending r=DispatchingOrSending "
          "x=DispatchingOrSending d=Closing " },
        { "GET / HTTP/1.1\r\n\r\n", "bxd",
          "b=ReceivingHeaders x=DispatchingOrSending d=Closing " },
        { POST("/") CHUNKED "x\r\n", "bhxd",
          "b=ReceivingHeaders h=ReceivingBody x=DispatchingOrSending d=Closing " },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        memconn_feed_str(&m, rows[i].in);
        SUITE_CHECK(strcmp(m.app.trace.p, rows[i].trace) == 0, "%zu: %s", i, m.app.trace.p);
        SUITE_CHECK(strcmp(m.app.states.p, rows[i].states) == 0, "%zu: %s", i, m.app.states.p);
        memconn_free(&m);
        CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
    }
}

/* I-10: three chunks give three payloads whole, and the same bytes when they come one by one. */
static void test_payloads(void)
{
    static const char in[] = POST("/echo") CHUNKED "2\r\nab\r\n3\r\ncde\r\n1\r\nf\r\n0\r\n\r\n";

    for (size_t piece = 1; piece < sizeof in; piece++) {
        struct memconn m;

        memconn_init(&m);
        memconn_feed_pieces(&m, in, sizeof in - 1, piece);
        CU_ASSERT_EQUAL(m.app.payload_bytes, 6);
        CU_ASSERT(m.app.payloads >= 3 && (piece < sizeof in - 1 || m.app.payloads == 3));
        CU_ASSERT_STRING_EQUAL(m.app.trace.p, "bhprd");
        CU_ASSERT_STRING_EQUAL(memconn_undated(&m), KEPT("6", "abcdef"));
        memconn_free(&m);
        CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
    }
}

/* L-03: what arrives whole is parsed where it lies; else it moves, and its views with it. */
static void test_views(void)
{
    static const char pair[] = PLAIN GET("/report?a=b") "Foo-BAR:  Baz qux \t\r\n\r\n";
    static const char want[] = KEPT("2", "ok") KEPT("69",
        "GET /report?a=b HTTP/1.1|0|11|/report|a=b|x|0\nhost=x\nfoo-bar=Baz qux\n");
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    CU_ASSERT_EQUAL(m.app.head_at, m.scratch);
    CU_ASSERT_EQUAL(m.app.moved, 0);
    memconn_clear(&m);
    memconn_feed(&m, pair, sizeof pair - 1);
    CU_ASSERT_EQUAL(m.app.head_at, m.scratch + strlen(PLAIN));
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), want);
    memconn_free(&m);

    /* An answer that is promised sees the request after its bytes have moved. */
    memconn_init(&m);
    memconn_feed_str(&m, GET("/later?q") "\r\n");
    CU_ASSERT_EQUAL(m.app.moved, 1);
    memapp_answer(&m.app, 200, "x");
    memconn_flush(&m);
    CU_ASSERT_STRING_EQUAL(m.app.log.p, "GET /later?q HTTP/1.1 200 open 100\n");
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* The log's view of requests that were refused or cut short, seen after their bytes have moved. */
static void test_refused_log(void)
{
    static const struct {
        const char *in, *log;
    } rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 400 bad_request 106\n" },
        { "GET / HTTP/3.0\r\nHost: x\r\n\r\n", "GET / HTTP/3.0 505 bad_version 121\n" },
        { "GET /x HTTP/1.1\r\na b: c\r\n\r\n", "GET /x HTTP/1.1 400 bad_request 106\n" },
        { "GET /\001 HTTP/1.1\r\n\r\n", "GET /\001 HTTP/1.1 400 bad_request 106\n" },
        { "FOO / HTTP/1.1\r\n\r\n", "FOO / HTTP/1.1 501 not_implemented 110\n" },
        { "no(token / HTTP/1.1\r\n\r\n", "no(token / HTTP/1.1 400 bad_request 106\n" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t piece = 1; piece <= 100; piece += 33) {
            struct memconn m;

            memconn_init(&m);
            /* So that the answer outlives the turn that read the request. */
            m.blocked = true;
            memconn_feed_pieces(&m, rows[i].in, strlen(rows[i].in), piece);
            m.blocked = false;
            memconn_flush(&m);
            memconn_eof(&m);
            if (piece == 100 || i == 0)
                SUITE_CHECK(strcmp(memtext_get(&m.app.log), rows[i].log) == 0, "%zu: %s", i,
                            memtext_get(&m.app.log));
            memconn_free(&m);
            CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
        }
    }
}

/* I-13: of a request that sets everything, the next one sees nothing. */
static void test_reset(void)
{
    static const char full[] =
        "OPTIONS http://full:81/report?args HTTP/1.1\r\nHost: other\r\n"
        "Transfer-Encoding: chunked\r\nConnection: keep-alive, upgrade\r\nUpgrade: w\r\n"
        "Expect: 100-continue\r\nX-Full: yes\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    struct memconn m;
    ms_t idle;

    memconn_init(&m);
    memconn_feed(&m, full, sizeof full - 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(memconn_undated(&m), "x-full=yes\nbody"));
    memconn_wait(&m, 1000);
    memconn_clear(&m);
    idle = conn_deadline(m.c);
    memconn_feed_str(&m, GET("/report") "\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m),
                           KEPT("46", "GET /report HTTP/1.1|0|11|/report||x|0\nhost=x\n"));
    CU_ASSERT_EQUAL(conn_deadline(m.c), idle + 1000);
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* I-14: what a connection left behind in the middle does not show in the next one. */
static void test_reuse_after_kill(void)
{
    static const char full[] = POST("/report?left") "Content-Length: 3\r\nX-Left: yes\r\n\r\nab";

    for (size_t cut = 1; cut < sizeof full; cut++) {
        struct memconn m;

        memconn_init(&m);
        memconn_feed(&m, full, cut);
        memconn_reset(&m);
        CU_ASSERT_EQUAL(m.reason, CLOSE_ABORTED);
        memconn_free(&m);
        CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
        memconn_init(&m);
        memconn_feed_str(&m, GET("/report") "\r\n");
        CU_ASSERT_STRING_EQUAL(memconn_undated(&m),
                               KEPT("46", "GET /report HTTP/1.1|0|11|/report||x|0\nhost=x\n"));
        memconn_free(&m);
    }
}

/* Calls of the allocator that a number of requests make on one warm connection. */
static unsigned long calls_for(const char *in, unsigned times)
{
    struct memconn m;
    unsigned long before;

    memconn_init(&m);
    for (unsigned i = 0; i < 10; i++)
        memconn_feed_str(&m, in);
    before = mem_calls();
    for (unsigned i = 0; i < times; i++) {
        memconn_clear(&m);
        memconn_feed_str(&m, in);
        memconn_wait(&m, 10);
        CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    }
    before = mem_calls() - before;
    CU_ASSERT_EQUAL(m.app.done, times + 10);
    memconn_free(&m);
    return before;
}

/* L-03, I-12: a thousand requests on a warm connection do not ask for memory. */
static void test_allocations(void)
{
    static const char *const rows[] = {
        PLAIN,
        GET("/wire") "\r\n",
        GET("/big/100") "Accept: */*\r\nAccept-Encoding: gzip\r\nUser-Agent: test\r\n\r\n",
        POST("/sink") "Content-Length: 5\r\n\r\nhello",
        POST("/sink") CHUNKED "5\r\nhello\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
#if defined(__SANITIZE_ADDRESS__)
        /* Each object is a block of its own here: as many for one request as for the next. */
        CU_ASSERT_EQUAL(calls_for(rows[i], 1000), 100 * calls_for(rows[i], 10));
#else
        CU_ASSERT_EQUAL(calls_for(rows[i], 1000), 0);
#endif
    }
}

/* Last words about the request in hand. */
static void test_describe(void)
{
    char text[64] = "";
    struct memconn m;
    size_t n;

    memconn_init(&m);
    CU_ASSERT_EQUAL(h1_adapter.describe(m.c->state, text, sizeof text), 0);
    memconn_feed_str(&m, GET("/later") "\r\n");
    n = h1_adapter.describe(m.c->state, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "request: \"GET /later HTTP/1.1\"");
    CU_ASSERT_EQUAL(n, strlen(text));
    CU_ASSERT_EQUAL(h1_adapter.describe(m.c->state, text, 10), 9);
    memconn_free(&m);
}

CU_TestInfo state_tests[] = {
    { "states", test_states },
    { "hooks", test_hooks },
    { "payloads", test_payloads },
    { "views", test_views },
    { "the log of what was refused", test_refused_log },
    { "reset", test_reset },
    { "reuse after a kill", test_reuse_after_kill },
    { "allocations", test_allocations },
    { "description", test_describe },
    CU_TEST_INFO_NULL
};
