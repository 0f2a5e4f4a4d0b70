/*
 * test_stream.c - answers that are made while they are sent, promised, broken off or refused late.
 */
#include "pipeline.h"

#include <string.h>

#define CHUNKED_HEAD \
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Frees it and checks that all ends were met. */
static void finish(struct memconn *m)
{
    memconn_free(m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(m));
}

/* I-16, I-17, I-18, H-08, H-17: pushed pieces leave at once; then the connection is as before. */
static void test_pushed(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream") "\r\n" PLAIN);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), CHUNKED_HEAD);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Streaming");
    memconn_wait(&m, 1000 * 1000);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Streaming");
    memapp_push(&m.app, "one");
    CU_ASSERT(m.woken);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), CHUNKED_HEAD "3\r\none\r\n");
    memapp_push(&m.app, "a second");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m),
        CHUNKED_HEAD "3\r\none\r\n8\r\na second\r\n0\r\n\r\n" KEPT("2", "ok"));
    CU_ASSERT_EQUAL(m.app.stopped, 1);
    CU_ASSERT_EQUAL(m.app.stopped_with_error, 0);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_feed_str(&m, PLAIN);
    CU_ASSERT_EQUAL(m.app.done, 3);
    finish(&m);
}

/*
 * A stream of unknown length may go on for hours: what is kept of its request has just the size
 * that it needs, however its head has come, and is all there.
 */
static void test_packed(void)
{
    static const char head[] = GET("/stream?a=b") "Foo: bar\r\nLast: one\r\n\r\n";
    const struct exchange *x;
    struct memconn m;

    for (size_t cut = 0; cut < sizeof head - 1; cut++) {
        memconn_init(&m);
        if (cut)
            memconn_feed(&m, head, cut);
        memconn_feed(&m, head + cut, sizeof head - 1 - cut);
        x = memapp_waiting(&m.app);
        CU_ASSERT_TRUE(x->packed && x->head_moved);
        CU_ASSERT(arena_held(&x->message) <= x->head_size + 3 * sizeof(struct slv_header) + 64);
        CU_ASSERT_TRUE(str_eq(x->req.line, STR("GET /stream?a=b HTTP/1.1")));
        CU_ASSERT_TRUE(str_eq(x->req.args, STR("a=b")));
        CU_ASSERT_EQUAL(x->req.header_count, 3);
        CU_ASSERT_TRUE(str_eq(x->req.headers[1].value, STR("bar")));
        CU_ASSERT_TRUE(str_eq(x->req.headers[2].value, STR("one")));
        memconn_clear(&m);
        memapp_push(&m.app, "text");
        memapp_push_end(&m.app);
        memconn_turn(&m);
        CU_ASSERT_STRING_EQUAL(memconn_undated(&m), "4\r\ntext\r\n0\r\n\r\n");
        memconn_feed_str(&m, PLAIN);
        CU_ASSERT_EQUAL(m.app.done, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(m.app.log.p, "GET /stream?a=b HTTP/1.1 200 open "));
        finish(&m);
    }
    /* One that will be over soon is not worth it. */
    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, GET("/length/1000000") "\r\n");
    CU_ASSERT_EQUAL(m.app.moved, 1);
    CU_ASSERT_EQUAL(m.app.packed, 0);
    finish(&m);
}

/* I-18: the same with Connection: close, and for 1.0, where the body ends with the connection. */
static void test_stream_and_close(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream") "Connection: close\r\n\r\n");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed done");
    finish(&m);
    memconn_init(&m);
    memconn_feed_str(&m, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    memapp_push(&m.app, "text");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntext");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed done");
    finish(&m);
}

/* A source is pulled while little waits, and no further: a peer that does not read costs little. */
static void test_low_mark(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, GET("/length/1000000") "\r\n");
    CU_ASSERT(m.c->out.end >= 64 * 1024 && m.c->out.end < 65 * 1024);
    memconn_turn(&m);
    memconn_turn(&m);
    CU_ASSERT(m.c->out.end < 65 * 1024);
    m.blocked = false;
    m.write_max = 1000;
    m.writes_max = 1;
    for (int i = 0; i < 100; i++) {
        memconn_turn(&m);
        CU_ASSERT(m.c->out.end - m.c->out.sent < 65 * 1024);
    }
    m.write_max = m.writes_max = 0;
    memconn_flush(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    CU_ASSERT(m.out.n > 1000000);
    for (size_t i = 0; i < 1000000; i += 997)
        CU_ASSERT_EQUAL(m.out.p[m.out.n - 1000000 + i], memapp_pattern(i));
    finish(&m);
}

/* stop: without error only once the last byte has left, and release with it. */
static void test_stop_after_last_byte(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, GET("/length/100") "\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "DispatchingOrSending");
    CU_ASSERT_EQUAL(m.app.stopped + m.app.released + m.app.done, 0);
    m.blocked = false;
    m.write_max = m.out.n + 10;
    m.writes_max = 1;
    while (m.c->out.count) {
        CU_ASSERT_EQUAL(m.app.stopped + m.app.released + m.app.done, 0);
        memconn_turn(&m);
    }
    CU_ASSERT_EQUAL(m.app.stopped, 1);
    CU_ASSERT_EQUAL(m.app.stopped_with_error, 0);
    CU_ASSERT_EQUAL(m.app.released, 1);
    CU_ASSERT_EQUAL(m.app.done, 1);
    finish(&m);
}

/* H-11, H-13: the transport fails in mid-stream, with each kind of answer on its way. */
static void test_abort(void)
{
    static const struct {
        const char *in;
        unsigned errors;
        const char *log;
    } rows[] = {
        { GET("/stream") "\r\n", 1, "GET /stream HTTP/1.1 200 aborted 20\n" },
        { GET("/chunks/9") "\r\n", 1, "GET /chunks/9 HTTP/1.1 200 aborted 20\n" },
        { GET("/length/999999") "\r\n", 1, "GET /length/999999 HTTP/1.1 200 aborted 20\n" },
        { "HEAD /length/9 HTTP/1.1\r\nHost: x\r\n\r\n", 1,
          "HEAD /length/9 HTTP/1.1 200 aborted 20\n" },
        { GET("/big/999") "\r\n", 0, "GET /big/999 HTTP/1.1 200 aborted 20\n" },
        { GET("/file/999") "\r\n", 0, "GET /file/999 HTTP/1.1 200 aborted 20\n" },
        { GET("/wire") "\r\n", 0, "GET /wire HTTP/1.1 200 aborted 20\n" },
        { GET("/later") "\r\n", 0, "GET /later HTTP/1.1 0 aborted 0\n" },
        { POST("/echo") "Content-Length: 9\r\n\r\nabc", 0, "POST /echo HTTP/1.1 0 aborted 0\n" },
        { "GET /half", 0, " 0 aborted 0\n" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        m.write_max = 20;
        m.writes_max = 1;
        memconn_feed_str(&m, rows[i].in);
        CU_ASSERT_EQUAL(m.app.done, 0);
        memconn_reset(&m);
        CU_ASSERT_EQUAL(m.reason, CLOSE_ABORTED);
        CU_ASSERT_EQUAL(m.app.done, 1);
        CU_ASSERT_EQUAL(m.app.stopped_with_error, rows[i].errors);
        SUITE_CHECK(strcmp(memtext_get(&m.app.log), rows[i].log) == 0, "%zu: %s", i, m.app.log.p);
        finish(&m);
    }
}

/* An abort with several answers on their way: each is done once, with what it got. */
static void test_abort_in_pipeline(void)
{
    static const char in[] = PLAIN GET("/length/30") "\r\n" PLAIN GET("/later") "\r\n" PLAIN;
    const size_t first = strlen(KEPT("2", "ok")) + 37;
    struct memconn m;

    memconn_init(&m);
    m.write_max = first + 30;
    m.writes_max = 1;
    memconn_feed(&m, in, sizeof in - 1);
    CU_ASSERT_EQUAL(m.app.done, 1);
    memconn_reset(&m);
    CU_ASSERT_STRING_EQUAL(m.app.log.p,
        "GET / HTTP/1.1 200 open 101\nGET /length/30 HTTP/1.1 200 aborted 30\n"
        "GET / HTTP/1.1 200 aborted 0\nGET /later HTTP/1.1 0 aborted 0\n");
    finish(&m);
}

/* A source that gives less or more than it announced: cut, never another length. */
static void test_wrong_length(void)
{
    static const struct {
        const char *in, *verdict;
    } rows[] = {
        { PLAIN GET("/short/20") "\r\n" PLAIN, "200 cut | Closed handler_error" },
        { PLAIN GET("/over/25") "\r\n" PLAIN, "200 cut | Closed handler_error" },
        { PLAIN GET("/over/20") "\r\n" PLAIN, "200 200 | Closed handler_error" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memconn m;

        memconn_init(&m);
        memconn_feed_str(&m, rows[i].in);
        memconn_eof(&m);
        SUITE_CHECK(strcmp(memconn_verdict(&m), rows[i].verdict) == 0, "%zu: %s", i,
                    memconn_verdict(&m));
        CU_ASSERT_EQUAL(m.app.begun, 2);
        CU_ASSERT_EQUAL(m.app.stopped_with_error, 1);
        finish(&m);
    }
}

/* A client that goes away: an endless stream ends, all else is finished first. */
static void test_fin(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream") "\r\n");
    memconn_eof(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
    CU_ASSERT_EQUAL(m.app.stopped_with_error, 1);
    finish(&m);

    /* The same with a request behind it, which does not keep it alive. */
    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream") "\r\n" PLAIN);
    memconn_eof(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
    finish(&m);

    memconn_init(&m);
    m.write_max = 100;
    m.writes_max = 1;
    memconn_feed_str(&m, GET("/length/300000") "\r\n");
    memconn_eof(&m);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Streaming");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_WRITE);
    memconn_flush(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | Closed client_closed");
    CU_ASSERT_EQUAL(m.app.stopped_with_error, 0);
    finish(&m);

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later") "\r\n");
    memconn_eof(&m);
    CU_ASSERT_EQUAL(memconn_want(&m), 0);
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m), LAST("1", "x"));
    CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
    finish(&m);
}

/* H-18: a FIN behind requests that wait for a promised answer: all are answered, then the end. */
static void test_fin_behind_kept(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later") "\r\n" PLAIN GET("/later") "\r\n" PLAIN "GET /pa");
    memconn_eof(&m);
    CU_ASSERT_EQUAL(m.app.begun, 1);
    memapp_answer(&m.app, 200, "x");
    memconn_turn(&m);
    CU_ASSERT_EQUAL(m.app.done, 2);
    memapp_answer(&m.app, 200, "y");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 200 200 200 | Closed cut_request");
    CU_ASSERT_STRING_EQUAL(m.app.log.p,
        "GET /later HTTP/1.1 200 open 100\nGET / HTTP/1.1 200 open 101\n"
        "GET /later HTTP/1.1 200 open 100\nGET / HTTP/1.1 200 open 101\n 400 cut_request 0\n");
    finish(&m);
}

/* H-02, H-03: a refusal that is promised, streamed, or that nobody gives. */
static void test_refusals(void)
{
    static const char bad[] = POST("/echo") CHUNKED "3\r\nabcX\r\nmore of that";
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_LATER;
    memconn_feed(&m, bad, sizeof bad - 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| DispatchingOrSending");
    memconn_feed_str(&m, "and more");
    memconn_wait(&m, 100000);
    memapp_answer(&m.app, 400, "sorry");
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "400 | Closing bad_request");
    memconn_eof(&m);
    finish(&m);

    memconn_init(&m);
    m.app.refuse = REFUSE_STREAM;
    memconn_feed(&m, bad, sizeof bad - 1);
    memapp_push(&m.app, "sorry");
    memconn_turn(&m);
    memconn_feed_str(&m, "and more");
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "Streaming");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    CU_ASSERT_STRING_EQUAL(memconn_undated(&m),
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nsorry\r\n0\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "400 | Closing bad_request");
    memconn_eof(&m);
    finish(&m);

    memconn_init(&m);
    m.app.refuse = REFUSE_NOT;
    memconn_feed(&m, bad, sizeof bad - 1);
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| Closed bad_request");
    finish(&m);

    memconn_init(&m);
    m.app.refuse = REFUSE_NOT;
    memconn_feed_str(&m, GET("/never") "\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| Closed refused");
    finish(&m);
}

/* A body whose answer is there or promised already: it ends well, or the promise is void. */
static void test_body_behind_answer(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, POST("/early/200") "Content-Length: 3\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 | ReceivingBody");
    memconn_feed_str(&m, "abc");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_feed_str(&m, POST("/promise") CHUNKED "3\r\nab");
    memconn_feed_str(&m, "cX\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "200 400 | Closing bad_request");
    CU_ASSERT_EQUAL(m.app.refused, 1);
    memconn_eof(&m);
    finish(&m);
}

CU_TestInfo stream_tests[] = {
    { "pushed pieces", test_pushed },
    { "packed requests", test_packed },
    { "a stream, then the end", test_stream_and_close },
    { "pulling stops at the low mark", test_low_mark },
    { "stop and release after the last byte", test_stop_after_last_byte },
    { "abort", test_abort },
    { "abort in a pipeline", test_abort_in_pipeline },
    { "a source of another length", test_wrong_length },
    { "FIN", test_fin },
    { "FIN behind requests that wait", test_fin_behind_kept },
    { "refusals", test_refusals },
    { "a body behind its answer", test_body_behind_answer },
    CU_TEST_INFO_NULL
};
