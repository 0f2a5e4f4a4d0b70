/*
 * test_httpaf.c - H-23: a twin of each named test of http/af's server connection.
 *
 * The names are http/af's. Where its contract differs, the twin checks ours: an error outside a
 * request closes without an answer, an error in a handler is a 500, and a connection that is being
 * answered reads on, so that a peer that goes away is noticed.
 */
#include "memconn.h"
#include "suite.h"

#include "http/h1.h"

#include <string.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD(connection, framing) \
    "HTTP/1.1 200 OK\r\nConnection: " connection "\r\n" framing "\r\n\r\n"
#define KEPT(length, body) HEAD("keep-alive", "Content-Length: " length) body
#define LAST(length, body) HEAD("close", "Content-Length: " length) body
#define STREAM HEAD("keep-alive", "Transfer-Encoding: chunked")

/* What has been written since the last look. */
static void wrote(struct memconn *m, const char *want, int line)
{
    suite_check(strcmp(memconn_undated(m), want) == 0, __FILE__, line, "wrote", "%s",
                memconn_undated(m));
    memconn_clear(m);
}
#define WROTE(m, want) wrote((m), (want), __LINE__)

/* All of it has been freed, and all ends were met. */
static void finish(struct memconn *m)
{
    memconn_free(m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(m));
}

/* H-05, H-09: it reads, and has nothing to write. */
static void test_initial_reader_state(void)
{
    struct memconn m;

    memconn_init(&m);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    CU_ASSERT_PTR_EQUAL(m.c->adapter, &h1_adapter);
    finish(&m);
}

/* H-07: the end of input on a fresh connection closes both directions. */
static void test_shutdown_reader_closed(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_eof(&m);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.reason, CLOSE_CLIENT_CLOSED);
    WROTE(&m, "");
    finish(&m);
}

/* One request, one answer; kept, and closed. */
static void test_single_get(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/"));
    WROTE(&m, KEPT("2", "ok"));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
    memconn_init(&m);
    memconn_feed_str(&m, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    WROTE(&m, LAST("2", "ok"));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    finish(&m);
}

/* Several, one after another. */
static void test_multiple_gets(void)
{
    struct memconn m;

    memconn_init(&m);
    for (int i = 0; i < 3; i++) {
        memconn_feed_str(&m, GET("/"));
        WROTE(&m, KEPT("2", "ok"));
    }
    CU_ASSERT_EQUAL(m.app.done, 3);
    finish(&m);
}

/* The answer comes in a later turn, which the connection asks for (H-08, H-12). */
static void test_asynchronous_response(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later"));
    WROTE(&m, "");
    CU_ASSERT_FALSE(memconn_want(&m) & CONN_WRITE);
    CU_ASSERT_EQUAL(m.wakes, 0);
    memapp_answer(&m.app, 200, "");
    CU_ASSERT_EQUAL(m.wakes, 1);
    memconn_turn(&m);
    WROTE(&m, KEPT("0", ""));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* A body, in both framings and in pieces. */
static void test_echo_post(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    memconn_feed_str(&m, "e\r\nThis is a test\r\n");
    memconn_feed_str(&m, "21\r\n... that involves multiple chunks\r\n");
    memconn_feed_str(&m, "0\r\n\r\n");
    WROTE(&m, KEPT("47", "This is a test... that involves multiple chunks"));
    memconn_feed_str(&m, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    memconn_feed_str(&m, "cd");
    WROTE(&m, KEPT("4", "abcd"));
    finish(&m);
}

/* A source that has all at hand. */
static void test_streaming_response(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/length/13"));
    WROTE(&m, KEPT("13", "abcdefghijklm"));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* A source that has its bytes later, all at once. */
static void test_asynchronous_streaming_response(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream"));
    memconn_clear(&m);
    memapp_push(&m.app, "Hello ");
    memapp_push(&m.app, "world!");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    WROTE(&m, "c\r\nHello world!\r\n0\r\n\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* The head leaves before there is any body. */
static void test_immediate_flush(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream"));
    WROTE(&m, STREAM);
    memapp_push(&m.app, "Hello world!");
    memconn_turn(&m);
    WROTE(&m, "c\r\nHello world!\r\n");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    WROTE(&m, "0\r\n\r\n");
    finish(&m);
}

/* H-22: a source of length 0. */
static void test_empty_fixed_streaming(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/length/0"));
    WROTE(&m, KEPT("0", ""));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* H-22: a source without a length that gives nothing. */
static void test_empty_chunked_streaming(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/chunks/0"));
    WROTE(&m, STREAM "0\r\n\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* H-13, H-15: an error outside a request: no answer, and the reason is kept. */
static void test_connection_error(void)
{
    struct memconn m;

    memconn_init(&m);
    conn_fail(m.c, CLOSE_IO);
    memconn_turn(&m);
    WROTE(&m, "");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.reason, CLOSE_IO);
    CU_ASSERT_EQUAL(m.app.begun, 0);
    finish(&m);
}

#define ERROR500 \
    "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 3\r\n\r\n500"

/* A handler that fails at once, and an answer to that at once. */
static void test_sync_error_sync(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/never"));
    WROTE(&m, ERROR500);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.app.refused, 1);
    finish(&m);
}

/* A handler that fails at once, and an answer to that later. */
static void test_sync_error_async(void)
{
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_LATER;
    memconn_feed_str(&m, GET("/never"));
    WROTE(&m, "");
    CU_ASSERT_FALSE(m.woken);
    memapp_answer(&m.app, 500, "500");
    CU_ASSERT_TRUE(m.woken);
    memconn_turn(&m);
    WROTE(&m, ERROR500);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    finish(&m);
}

/* A handler that fails later: its answer is an error, and the connection goes on. */
static void test_async_error_sync(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later"));
    WROTE(&m, "");
    memapp_answer(&m.app, 500, "500");
    memconn_turn(&m);
    WROTE(&m, "HTTP/1.1 500 Internal Server Error\r\nConnection: keep-alive\r\n"
              "Content-Length: 3\r\n\r\n500");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* A handler whose request fails under way, and whose error is answered later still. */
static void test_async_error_async(void)
{
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_LATER;
    memconn_feed_str(&m, "POST /promise HTTP/1.1\r\nHost: x\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n");
    WROTE(&m, "");
    memconn_feed_str(&m, "no chunk\r\n");
    WROTE(&m, "");
    CU_ASSERT_EQUAL(m.app.refused, 1);
    memapp_answer(&m.app, 400, "bad");
    memconn_turn(&m);
    WROTE(&m, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    memconn_eof(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_BAD_REQUEST);
    finish(&m);
}

/* The transport fails within a head: nothing is answered, nothing more is read. */
static void test_error_while_parsing(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "GET / HTTP/1.1\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    conn_fail(m.c, CLOSE_IO);
    CU_ASSERT_EQUAL(memconn_feed(&m, "Host: x\r\n\r\n", 11), 0);
    memconn_turn(&m);
    WROTE(&m, "");
    CU_ASSERT_STRING_EQUAL(m.app.trace.p, "bd");
    CU_ASSERT_STRING_EQUAL(m.app.log.p, " 0 io_error 0\n");
    finish(&m);
}

/* The transport fails before anything was read. */
static void test_error_before_read(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_reset(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_ABORTED);
    CU_ASSERT_EQUAL(m.app.begun, 0);
    WROTE(&m, "");
    finish(&m);
}

/* A refusal that is promised and never given waits, without a deadline of its own. */
static void test_error_left_unhandled(void)
{
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_LATER;
    memconn_feed_str(&m, GET("/never") GET("/"));
    memconn_wait(&m, 1000000);
    WROTE(&m, "");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    CU_ASSERT_EQUAL(m.app.begun, 1);
    memconn_reset(&m);
    finish(&m);
}

/* H-22: chunks leave as they come, and the connection is kept. */
static void test_chunked_encoding(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream"));
    memapp_push(&m.app, "First chunk");
    memconn_turn(&m);
    WROTE(&m, STREAM "b\r\nFirst chunk\r\n");
    memapp_push(&m.app, "Second chunk");
    memconn_turn(&m);
    WROTE(&m, "c\r\nSecond chunk\r\n");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    WROTE(&m, "0\r\n\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* The answer to an error may itself be a stream. */
static void test_chunked_encoding_for_error(void)
{
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_STREAM;
    memconn_feed_str(&m, "X\x01\r\n\r\n");
    memapp_push(&m.app, "Bad");
    memconn_turn(&m);
    memapp_push(&m.app, " request");
    memapp_push_end(&m.app);
    memconn_turn(&m);
    /* Of a request whose version was not understood: as for 1.0, to the end of the connection. */
    WROTE(&m, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nBad request");
    CU_ASSERT_TRUE(m.shut);
    memconn_eof(&m);
    CU_ASSERT_EQUAL(m.reason, CLOSE_BAD_REQUEST);
    finish(&m);
}

/* H-10: the first sixteen bytes, then the rest. */
static void test_blocked_write_on_chunked(void)
{
    struct memconn m;

    memconn_init(&m);
    m.write_max = 16;
    m.writes_max = 1;
    memconn_feed_str(&m, GET("/stream"));
    memapp_push(&m.app, "gets partially written");
    WROTE(&m, "HTTP/1.1 200 OK\r");
    m.write_max = m.writes_max = 0;
    memconn_turn(&m);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.out.p, "chunked\r\n\r\n16\r\ngets partially written\r\n"));
    finish(&m);
}

/* H-11: the peer closes under a stream: what was pushed since goes nowhere and does no harm. */
static void test_body_writing_when_socket_closes(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream"));
    memapp_push(&m.app, "First chunk");
    memconn_turn(&m);
    WROTE(&m, STREAM "b\r\nFirst chunk\r\n");
    memapp_push(&m.app, "Second chunk");
    memconn_reset(&m);
    WROTE(&m, "");
    CU_ASSERT_PTR_NULL(m.app.pending);
    CU_ASSERT_EQUAL(m.app.stopped_with_error, 1);
    finish(&m);
}

/* H-09, H-11: the peer takes no more: the unsent bytes are counted and dropped. */
static void test_writer_unexpected_eof(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, GET("/"));
    CU_ASSERT_EQUAL(m.c->out.end - m.c->out.sent, strlen(KEPT("2", "ok")) + 37);
    memconn_reset(&m);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_STRING_EQUAL(m.app.log.p, "GET / HTTP/1.1 200 aborted 0\n");
    finish(&m);
}

/* H-06: a head in two reads, the second of which does not repeat the first. */
static void test_input_shrunk(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "GET /later HTTP/1.1\r\nH");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    memconn_feed_str(&m, "ost: example.com\r\nConnection: close\r\n"
                         "Accept: application/json, text/plain, */*\r\n"
                         "Accept-Language: en-US,en;q=0.5\r\n\r\n");
    WROTE(&m, "");
    CU_ASSERT_FALSE(m.woken);
    memapp_answer(&m.app, 200, "");
    CU_ASSERT_TRUE(m.woken);
    memconn_turn(&m);
    WROTE(&m, LAST("0", ""));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    finish(&m);
}

#define ERROR400 "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\n400"

/* H-20: a space before the colon. */
static void test_failed_request_parse(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "GET /v1/b HTTP/1.1\r\nHost : example.com\r\n\r\n");
    WROTE(&m, ERROR400);
    CU_ASSERT_STRING_EQUAL(m.app.trace.p, "bxd");
    CU_ASSERT_TRUE(m.shut);
    finish(&m);
}

/* H-20: a negative length. */
static void test_bad_request(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n");
    WROTE(&m, ERROR400);
    CU_ASSERT_EQUAL(m.app.heads, 0);
    CU_ASSERT_TRUE(m.shut);
    finish(&m);
}

/* H-18: two at once. */
static void test_multiple_requests(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/big/0") GET("/big/0"));
    WROTE(&m, KEPT("0", "") KEPT("0", ""));
    finish(&m);
}

/* H-18: two at once whose answers come later: one handler at a time. */
static void test_multiple_async_requests(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later") GET("/later"));
    CU_ASSERT_EQUAL(m.app.asked, 1);
    WROTE(&m, "");
    memapp_answer(&m.app, 200, "");
    memconn_turn(&m);
    WROTE(&m, KEPT("0", ""));
    CU_ASSERT_EQUAL(m.app.asked, 2);
    memapp_answer(&m.app, 200, "");
    memconn_turn(&m);
    WROTE(&m, KEPT("0", ""));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_READ);
    finish(&m);
}

/* H-18: two at once, the first answer closes. */
static void test_multiple_requests_with_close(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/close") GET("/close"));
    WROTE(&m, LAST("3", "bye"));
    CU_ASSERT_EQUAL(m.app.begun, 1);
    CU_ASSERT_TRUE(m.shut);
    memconn_eof(&m);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    finish(&m);
}

/* H-18: two at once, and the end of input behind them. */
static void test_multiple_requests_with_eof(void)
{
    struct memconn m;

    memconn_init(&m);
    m.blocked = true;
    memconn_feed_str(&m, GET("/big/0") GET("/big/0"));
    memconn_eof(&m);
    m.blocked = false;
    memconn_turn(&m);
    WROTE(&m, KEPT("0", "") KEPT("0", ""));
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    finish(&m);
}

/* A line that was read, and a second one that is wrong. */
static void test_parse_failure_after_checkpoint(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "GET /index.html HTTP/1.1\r\n");
    WROTE(&m, "");
    memconn_feed_str(&m, " index.html HTTP/1.1\r\n\r\n");
    WROTE(&m, ERROR400);
    CU_ASSERT_EQUAL(m.app.heads, 0);
    CU_ASSERT_TRUE(m.shut);
    finish(&m);
}

/* The same, with the end of input behind it, and a late answer. */
static void test_parse_failure_at_eof(void)
{
    struct memconn m;

    memconn_init(&m);
    m.app.refuse = REFUSE_LATER;
    memconn_feed_str(&m, "GET /index.html HTTP/1.1\r\n");
    memconn_feed_str(&m, " index.html HTTP/1.1\r\n\r\n");
    memconn_eof(&m);
    WROTE(&m, "");
    memapp_answer(&m.app, 400, "400");
    memconn_turn(&m);
    WROTE(&m, ERROR400);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.reason, CLOSE_BAD_REQUEST);
    finish(&m);
}

/* H-19: answered first, the body read afterwards, then another request. */
static void test_response_before_body(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "POST /early/200 HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n");
    WROTE(&m, KEPT("3", "200"));
    CU_ASSERT_EQUAL(m.app.done, 0);
    memconn_feed_str(&m, "hello, ");
    memconn_feed_str(&m, "world");
    WROTE(&m, "");
    CU_ASSERT_EQUAL(m.app.done, 1);
    CU_ASSERT_EQUAL(m.app.payloads, 0);
    memconn_feed_str(&m, GET("/"));
    WROTE(&m, KEPT("2", "ok"));
    finish(&m);
}

/* The handler closes the connection. */
static void test_shutdown_in_handler(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/444"));
    WROTE(&m, "");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.reason, CLOSE_REFUSED);
    finish(&m);
}

/* The server is shut down under a promised answer. */
static void test_shutdown_during_async(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/later"));
    conn_fail(m.c, CLOSE_SHUTDOWN);
    memconn_turn(&m);
    CU_ASSERT_PTR_NULL(m.app.pending);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_STRING_EQUAL(m.app.log.p, "GET /later HTTP/1.1 0 shutdown 0\n");
    finish(&m);
}

/* The server drains at once under a stream: what was given still leaves, then it closes. */
static void test_flush_before_shutdown(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, GET("/stream"));
    WROTE(&m, STREAM);
    memapp_push(&m.app, "hello world");
    memapp_push_end(&m.app);
    memconn_drain(&m, CONN_DRAIN_NOW);
    WROTE(&m, "b\r\nhello world\r\n0\r\n\r\n");
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_CLOSE);
    CU_ASSERT_EQUAL(m.reason, CLOSE_DRAINED);
    finish(&m);
}

/* H-17: payload is handed on in the turn in which it comes. */
static void test_schedule_read(void)
{
    struct memconn m;

    memconn_init(&m);
    memconn_feed_str(&m, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n");
    CU_ASSERT_EQUAL(m.app.payload_bytes, 0);
    memconn_feed_str(&m, "Hello");
    CU_ASSERT_EQUAL(m.app.payload_bytes, 5);
    CU_ASSERT_EQUAL(m.app.asked, 0);
    memconn_feed_str(&m, "!");
    CU_ASSERT_EQUAL(m.app.payload_bytes, 6);
    WROTE(&m, KEPT("6", "Hello!"));
    finish(&m);
}

/* Runs them. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "initial reader state", test_initial_reader_state },
        { "shutdown reader closed", test_shutdown_reader_closed },
        { "single GET", test_single_get },
        { "multiple GETs", test_multiple_gets },
        { "asynchronous response", test_asynchronous_response },
        { "echo POST", test_echo_post },
        { "streaming response", test_streaming_response },
        { "asynchronous streaming response", test_asynchronous_streaming_response },
        { "asynchronous streaming response, immediate flush", test_immediate_flush },
        { "empty fixed streaming response", test_empty_fixed_streaming },
        { "empty chunked streaming response", test_empty_chunked_streaming },
        { "connection error", test_connection_error },
        { "synchronous error, synchronous handling", test_sync_error_sync },
        { "synchronous error, asynchronous handling", test_sync_error_async },
        { "asynchronous error, synchronous handling", test_async_error_sync },
        { "asynchronous error, asynchronous handling", test_async_error_async },
        { "error while parsing", test_error_while_parsing },
        { "error before read", test_error_before_read },
        { "error left unhandled", test_error_left_unhandled },
        { "chunked encoding", test_chunked_encoding },
        { "chunked encoding for error", test_chunked_encoding_for_error },
        { "blocked write on chunked encoding", test_blocked_write_on_chunked },
        { "body writing when socket closes", test_body_writing_when_socket_closes },
        { "writer unexpected eof", test_writer_unexpected_eof },
        { "input shrunk", test_input_shrunk },
        { "failed request parse", test_failed_request_parse },
        { "bad request", test_bad_request },
        { "multiple requests in single read", test_multiple_requests },
        { "multiple async requests in single read", test_multiple_async_requests },
        { "multiple requests with connection close", test_multiple_requests_with_close },
        { "multiple requests with eof", test_multiple_requests_with_eof },
        { "parse failure after checkpoint", test_parse_failure_after_checkpoint },
        { "parse failure at eof", test_parse_failure_at_eof },
        { "response finished before body read", test_response_before_body },
        { "shutdown in request handler", test_shutdown_in_handler },
        { "shutdown during asynchronous request", test_shutdown_during_async },
        { "flush response before shutdown", test_flush_before_shutdown },
        { "schedule read with data available", test_schedule_read },
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "http/af", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("httpaf", suites);
}
