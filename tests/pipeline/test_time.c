/*
 * test_time.c - deadlines, lingering and draining, with a clock that is turned by hand.
 */
#include "pipeline.h"

#include <string.h>

/* Frees it and checks that all ends were met. */
static void finish(struct memconn *m)
{
    memconn_free(m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(m));
}

/* 5-G, W-38: the head's clock runs from its first byte, whatever drips in. */
static void test_head_deadline(void)
{
    static const char drip[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct memconn m;
    ms_t begin;

    memconn_init(&m);
    memconn_wait(&m, 3000);
    begin = m.now;
    for (size_t i = 0; m.c && conn_state(m.c) == CONN_RECEIVING_HEADERS; i++) {
        memconn_feed(&m, drip + i, 1);
        memconn_wait(&m, 900);
    }
    /* The sixth byte came after 4,500 ms, a seventh never. */
    CU_ASSERT(m.now - begin <= 5400);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "408 | Closing header_timeout");
    CU_ASSERT_PTR_NOT_NULL(strstr(memconn_undated(&m), "Connection: close"));
    memconn_eof(&m);
    finish(&m);

    /* To the millisecond. */
    memconn_init(&m);
    memconn_feed_str(&m, "G");
    memconn_wait(&m, 4999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OPEN);
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "408 | Closing header_timeout");
    finish(&m);

    /* The head of a second request likewise, from its own first byte. */
    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    memconn_wait(&m, 4000);
    memconn_feed_str(&m, "GET");
    memconn_wait(&m, 4999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 408 | Closing header_timeout");
    finish(&m);
}

/* A client that connects and says nothing, or nothing but an empty line, is closed silently. */
static void test_fresh_deadline(void)
{
    static const char *const rows[] = { NULL, "\r", "\r\n" };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        if (rows[i])
            memconn_feed_str(&m, rows[i]);
        memconn_wait(&m, 4999);
        CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OPEN);
        memconn_wait(&m, 1);
        CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| Closed idle_timeout");
        finish(&m);
    }
}

/* I-13, I-19: the idle clock starts when the last byte has left, and its end is silent. */
static void test_idle_deadline(void)
{
    struct memconn m;

    memconn_init(&m);
    m.limits.keepalive_timeout = 7000;
    m.blocked = true;
    memconn_feed_str(&m, PLAIN);
    memconn_wait(&m, 8000);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    m.blocked = false;
    memconn_turn(&m);
    memconn_wait(&m, 6999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_feed_str(&m, PLAIN);
    memconn_wait(&m, 6999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK_OK);
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 200 | Closed idle_timeout");
    finish(&m);
}

/* How long a body of so many bytes a second is read. */
static ms_t body_time(unsigned rate)
{
    struct memconn m;
    ms_t begin;

    memconn_init(&m);
    m.limits.body_max = 0;
    memconn_feed_str(&m, POST("/sink") "Content-Length: 1000000\r\n\r\n");
    begin = m.now;
    while (m.c && conn_state(m.c) == CONN_RECEIVING_BODY && m.now - begin < 200000) {
        char bytes[1000] = "";

        memconn_wait(&m, 100);
        memconn_feed(&m, bytes, rate / 10);
    }
    if (m.now - begin < 200000)
        CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "408 | Closing body_timeout");
    begin = m.now - begin;
    memconn_eof(&m);
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
    return begin;
}

/* The body's clock: 30 s, and a millisecond for each byte. */
static void test_body_deadline(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, POST("/sink") "Content-Length: 9\r\n\r\n");
    memconn_wait(&m, 29999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| ReceivingBody");
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "408 | Closing body_timeout");
    finish(&m);

    CU_ASSERT(body_time(10) <= 30400);
    CU_ASSERT(body_time(500) >= 59500 && body_time(500) <= 60500);
    CU_ASSERT_EQUAL(body_time(1000), 200000);
    CU_ASSERT_EQUAL(body_time(5000), 200000);
}

/* The body's clock does not start anew when the answer to an earlier request leaves. */
static void test_body_behind_answer(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, PLAIN POST("/sink") "Content-Length: 9\r\n\r\n");
    memconn_wait(&m, 20000);
    m.blocked = false;
    memconn_turn(&m);
    memconn_wait(&m, 9999);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | ReceivingBody");
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 408 | Closing body_timeout");
    finish(&m);
}

/* The body's deadline where the answer is promised already, and where it is out. */
static void test_body_deadline_answered(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, POST("/promise") "Content-Length: 9\r\n\r\n");
    memconn_wait(&m, 30000);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "408 | Closing body_timeout");
    finish(&m);
    memconn_init(&m);
    memconn_feed_str(&m, POST("/early/401") "Content-Length: 9\r\n\r\n");
    memconn_wait(&m, 30000);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "401 | Closing body_timeout");
    finish(&m);
}

/* A handler may think as long as it likes. */
static void test_no_deadline(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later") "\r\n");
    CU_ASSERT_EQUAL(conn_deadline(m.c), MS_NEVER);
    memconn_wait(&m, 10000000);
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    finish(&m);
}

/* send_timeout: from the last byte taken; and from when bytes began to wait, if none did before. */
static void test_send_stall(void)
{
    static const char *const rows[] = { GET("/big/100") "\r\n", GET("/stream") "\r\n",
                                        GET("/file/100") "\r\n", "bad\r\n\r\n" };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        memconn_wait(&m, 4000);
        m.blocked = true;
        memconn_feed_str(&m, rows[i]);
        memconn_wait(&m, 59999);
        SUITE_CHECK(m.c != NULL, "%zu", i);
        m.blocked = false;
        m.write_max = m.writes_max = 1;
        memconn_turn(&m);
        m.blocked = true;
        memconn_wait(&m, 59999);
        SUITE_CHECK(m.c != NULL && m.out.n == 1, "%zu", i);
        memconn_wait(&m, 1);
        SUITE_CHECK(m.c == NULL, "%zu", i);
        SUITE_CHECK(m.reason == (i == 3 ? CLOSE_BAD_REQUEST : CLOSE_SEND_TIMEOUT), "%zu: %s", i,
                    close_token(m.reason));
        finish(&m);
    }
}

/* An answer that comes late, or on a connection that was idle long, has its whole time to leave. */
static void test_stall_starts_with_bytes(void)
{
    struct memconn m;

    memconn_init(&m);
    m.limits.keepalive_timeout = 1000000;
    memconn_feed_str(&m, PLAIN);
    memconn_wait(&m, 500000);
    m.blocked = true;
    memconn_feed_str(&m, PLAIN);
    memconn_wait(&m, 59999);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    m.blocked = false;
    memconn_turn(&m);
    memconn_feed_str(&m, GET("/later") "\r\n");
    memconn_wait(&m, 500000);
    m.blocked = true;
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    memconn_wait(&m, 59999);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    memconn_wait(&m, 1);
    CU_ASSERT_EQUAL(m.reason, CLOSE_SEND_TIMEOUT);
    finish(&m);
}

/* After a refusal: the answer, our FIN, then input is dropped until the peer's FIN or the time. */
static void test_linger(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, "bad\r\n\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_WRITE | CONN_READ);
    memconn_feed_str(&m, "more");
    m.blocked = false;
    CU_ASSERT_FALSE(m.shut);
    memconn_turn(&m);
    CU_ASSERT_TRUE(m.shut);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    memconn_wait(&m, 3000);
    memconn_feed_str(&m, PLAIN);
    CU_ASSERT_EQUAL(m.app.begun, 1);
    memconn_wait(&m, 1999);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closing");
    memconn_wait(&m, 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), BAD);
    finish(&m);

    memconn_init(&m);
    memconn_feed_str(&m, "bad\r\n\r\n");
    memconn_eof(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), BAD);
    finish(&m);

    /* Off. */
    memconn_init(&m);
    m.limits.conn.lingering_time = 0;
    memconn_feed_str(&m, "bad\r\n\r\n");
    CU_ASSERT_FALSE(m.shut);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), BAD);
    finish(&m);
}

/* Where the peer has sent all it will, there is nothing to linger for; else there is. */
static void test_linger_by_need(void)
{
    static const struct {
        const char *in;
        bool lingers;
    } rows[] = {
        { GET("/") "Connection: close\r\n\r\n", false },
        { GET("/") "Connection: close\r\n\r\n" PLAIN, true },
        { POST("/early/413") "Content-Length: 99999\r\n\r\nx", true },
        { POST("/early/413") "Connection: close\r\nContent-Length: 1\r\n\r\n", true },
        { GET("/later") "Connection: close\r\n\r\n" PLAIN, true },
        { GET("/later") "Connection: close\r\n\r\n", false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        memconn_feed_str(&m, rows[i].in);
        if (m.app.pending) {
            memapp_answer(&m.app, 200, "x");
            memconn_turn(&m);
        }
        SUITE_CHECK(m.shut == rows[i].lingers && (m.c != NULL) == rows[i].lingers, "%zu", i);
        memconn_eof(&m);
        finish(&m);
    }
}

/* W-08, W-13: lazily, an idle connection stays for one more answer, which says close. */
static void test_drain_lazy(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    memconn_wait(&m, 4000);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_feed_str(&m, PLAIN);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), KEPT("2", "ok") LAST("2", "ok"));
    CU_ASSERT_EQUAL(m.reason, CLOSE_DRAINED);
    finish(&m);

    /* Or it idles out. */
    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    memconn_wait(&m, 5000);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed idle_timeout");
    finish(&m);

    /* An answer whose head has left already keeps its word; the next one says close. */
    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream") "\r\n");
    memconn_drain(&m, CONN_DRAIN_LAZY);
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_feed_str(&m, PLAIN);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 200 | Closed drained");
    finish(&m);
}

/* At once: idle connections close, requests that have begun are answered. */
static void test_drain_now(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_drain(&m, CONN_DRAIN_NOW);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| Closed drained");
    finish(&m);

    memconn_init(&m);
    memconn_feed_str(&m, PLAIN);
    memconn_drain(&m, CONN_DRAIN_LAZY);
    memconn_drain(&m, CONN_DRAIN_NOW);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed drained");
    finish(&m);

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later") "\r\n");
    memconn_drain(&m, CONN_DRAIN_NOW);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| DispatchingOrSending");
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), LAST("1", "x"));
    CU_ASSERT_EQUAL(m.reason, CLOSE_DRAINED);
    finish(&m);

    memconn_init(&m);
    memconn_feed_str(&m, "GET / HT");
    memconn_drain(&m, CONN_DRAIN_NOW);
    memconn_feed_str(&m, "TP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed drained");
    finish(&m);

    /* One whose answer is on its way is as good as idle, and gets it whole. */
    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, PLAIN);
    memconn_drain(&m, CONN_DRAIN_NOW);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Closing");
    m.blocked = false;
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed drained");
    finish(&m);
}

CU_TestInfo time_tests[] = {
    { "head", test_head_deadline },
    { "nothing said", test_fresh_deadline },
    { "idle", test_idle_deadline },
    { "body", test_body_deadline },
    { "body behind an answer", test_body_behind_answer },
    { "body of an answered request", test_body_deadline_answered },
    { "a handler that thinks", test_no_deadline },
    { "send stall", test_send_stall },
    { "a stall starts with the bytes", test_stall_starts_with_bytes },
    { "linger", test_linger },
    { "linger by need", test_linger_by_need },
    { "lazy drain", test_drain_lazy },
    { "drain at once", test_drain_now },
    CU_TEST_INFO_NULL
};
