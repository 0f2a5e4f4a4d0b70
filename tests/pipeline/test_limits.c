/*
 * test_limits.c - sizes and counts, at their exact borders, and memory that does not grow.
 */
#include "pipeline.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORTY "0123456789012345678901234567890123456789"

/* W-40: the request line, a field, and the head as a whole. */
static void test_head_sizes(void)
{
#define LINE_OF(more) "GET /?" FORTY more " HTTP/1.1\r\nHost: x\r\n\r\n"
#define FIELD_OF(more) GET("/") "field: " FORTY more "\r\n\r\n"
#define HEAD_OF(more) GET("/") "a: " FORTY "\r\n" "b: 01234567890123456789" more "\r\n\r\n"
    static const struct h1_limits limits = {
        .header_timeout = 5000, .body_timeout = 5000, .keepalive_timeout = 5000,
        .conn.send_timeout = 5000, .conn.lingering_time = 5000, .keepalive_requests = 9,
        .header_buffer = 64, .header_buffers = 2,
    };
    static const struct vector rows[] = {
        V("line of 64", LINE_OF("0123456"), OK),
        V("line of 65", LINE_OF("01234567"), "414 | Closed header_too_large"),
        V("line of 140", LINE_OF(FORTY FORTY), "414 | Closed header_too_large"),
        V("line without end", "GET /" FORTY FORTY, "414 | Closed header_too_large"),
        V("field of 64", FIELD_OF("012345678901234"), OK),
        V("field of 65", FIELD_OF("0123456789012345"), "431 | Closed header_too_large"),
        V("head of 128", HEAD_OF("0123456789012345678901234567890"), OK),
        V("head of 129", HEAD_OF("01234567890123456789012345678901"),
          "431 | Closed header_too_large"),
        V("head without end", GET("/") "a: " FORTY "\r\nb: " FORTY FORTY,
          "431 | Closed header_too_large"),
        V("an empty line does not count", "\r\n" LINE_OF("0123456"), OK),
        V("two heads of 128", HEAD_OF("0123456789012345678901234567890")
          HEAD_OF("0123456789012345678901234567890"), OK_OK),
    };

    run_limited(rows, COUNT(rows), &limits);
}

/* W-11, W-23: bodies up to body_max, in both framings; 0 is no limit. */
static void test_body_sizes(void)
{
    struct h1_limits limits = memconn_limits;
    static const struct vector limited[] = {
        W("length 5", POST("/echo") "Content-Length: 5\r\n\r\nhello" PLAIN, OK_OK,
          KEPT("5", "hello") KEPT("2", "ok")),
        W("length 6", POST("/echo") "Content-Length: 6\r\n\r\nhello!", TOO_LONG,
          REFUSED("413", "Content Too Large")),
        W("chunks of 5", POST("/echo") CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", OK,
          KEPT("5", "hello")),
        V("chunks of 6", POST("/echo") CHUNKED "3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n", TOO_LONG),
        V("answered before 6 were read", POST("/early/401") "Content-Length: 6\r\n\r\nhello!"
          PLAIN, "401 200 " OPEN),
    };
    static const struct vector unlimited[] = {
        W("length 6", POST("/echo") "Content-Length: 6\r\n\r\nhello!", OK, KEPT("6", "hello!")),
        V("length 2^63-1", POST("/echo") "Content-Length: 9223372036854775807\r\n\r\n",
          "| ReceivingBody"),
        V("chunk 2^63-1", POST("/echo") CHUNKED "7fffffffffffffff\r\nabc", "| ReceivingBody"),
        V("chunk 2^63", POST("/echo") CHUNKED "8000000000000000\r\nabc", TOO_LONG),
    };

    limits.body_max = 5;
    run_limited(limited, COUNT(limited), &limits);
    limits.body_max = 0;
    run_limited(unlimited, COUNT(unlimited), &limits);
}

/* A body that is too long after an answer was promised is refused, and the promise is void. */
static void test_promise_refused(void)
{
    struct memconn m;

    memconn_init(&m);
    m.limits.body_max = 5;
    memconn_feed_str(&m, POST("/promise") CHUNKED "3\r\nhel\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "| ReceivingBody");
    memconn_feed_str(&m, "3\r\nlo!\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), "413 | Closing body_too_large");
    CU_ASSERT_PTR_NULL(m.app.pending);
    memconn_eof(&m);
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* Requests on a connection, and keep-alive off (W-25). */
static void test_request_count(void)
{
    struct h1_limits limits = memconn_limits;
    static const struct vector three[] = {
        W("the third says so", PLAIN PLAIN PLAIN PLAIN, "200 200 200 | Closed done",
          KEPT("2", "ok") KEPT("2", "ok") LAST("2", "ok")),
    };
    static const struct vector off[] = {
        W("off", PLAIN PLAIN, DONE, LAST("2", "ok")),
    };

    limits.keepalive_requests = 3;
    run_limited(three, COUNT(three), &limits);
    limits = memconn_limits;
    limits.keepalive_timeout = 0;
    run_limited(off, COUNT(off), &limits);
}

/* Feeds a request with that many small fields beside Host; the verdict on it. */
static const char *with_fields(unsigned count, size_t piece)
{
    struct memconn m;
    struct memtext head = { 0 };
    const char *verdict;

    memconn_init(&m);
    memtext_printf(&head, GET("/"));
    for (unsigned i = 1; i < count; i++)
        memtext_printf(&head, "f%u: %u\r\n", i, i);
    memtext_printf(&head, "\r\n");
    memconn_feed_pieces(&m, head.p, head.n, piece);
    memconn_eof(&m);
    verdict = memconn_verdict(&m);
    memconn_free(&m);
    memtext_free(&head);
    return verdict;
}

/* W-40: 128 fields. */
static void test_field_count(void)
{
    static const size_t pieces[] = { 1, 2, 100, 100000 };

    for (size_t i = 0; i < COUNT(pieces); i++) {
        CU_ASSERT_STRING_EQUAL(with_fields(1, pieces[i]), "200 | Closed client_closed");
        CU_ASSERT_STRING_EQUAL(with_fields(17, pieces[i]), "200 | Closed client_closed");
        CU_ASSERT_STRING_EQUAL(with_fields(128, pieces[i]), "200 | Closed client_closed");
        CU_ASSERT_STRING_EQUAL(with_fields(129, pieces[i]), "431 | Closed header_too_large");
    }
}

/* Feeds a chunked request with so many bytes of extension or trailers; the verdict on it. */
static const char *with_quiet(size_t extension, size_t trailer, size_t piece)
{
    struct memconn m;
    struct memtext in = { 0 };
    const char *verdict;

    memconn_init(&m);
    memtext_printf(&in, POST("/") CHUNKED "1;");
    for (size_t i = 0; i < extension; i++)
        memtext_add(&in, "e", 1);
    memtext_printf(&in, "\r\nx\r\n0\r\nt: ");
    for (size_t i = 0; i < trailer; i++)
        memtext_add(&in, "t", 1);
    memtext_printf(&in, "\r\n\r\n");
    memconn_feed_pieces(&m, in.p, in.n, piece);
    memconn_eof(&m);
    verdict = memconn_verdict(&m);
    memconn_free(&m);
    memtext_free(&in);
    return verdict;
}

/* Chunk extensions and trailers are bounded alike however they arrive. */
static void test_quiet(void)
{
    static const size_t pieces[] = { 1, 1000, 16384, 100000 };
    const size_t most = 16 * 1024;

    for (size_t i = 0; i < COUNT(pieces); i++) {
        /* "1;" and CRLF stand around an extension, twelve bytes around a trailer. */
        CU_ASSERT_STRING_EQUAL(with_quiet(most - 4, 0, pieces[i]), "200 | Closed client_closed");
        CU_ASSERT_STRING_EQUAL(with_quiet(most - 3, 0, pieces[i]), "400 | Closed bad_request");
        CU_ASSERT_STRING_EQUAL(with_quiet(1, most - 12, pieces[i]), "200 | Closed client_closed");
        CU_ASSERT_STRING_EQUAL(with_quiet(1, most - 11, pieces[i]), "400 | Closed bad_request");
    }
}

/* W-23: a gigabyte of chunks takes no memory that stays, and no calls of the allocator. */
static void test_gigabyte(void)
{
    const size_t piece = 65536;
    char *chunk = malloc(piece + 16);
    struct memconn m;
    unsigned long calls = 0;
    size_t held = 0;
    int n = sprintf(chunk, "%zx\r\n", piece);

    memset(chunk + n, 'x', piece);
    memcpy(chunk + n + piece, "\r\n", 2);
    memconn_init(&m);
    m.limits.body_max = 0;
    memconn_feed_str(&m, POST("/sink") CHUNKED);
    for (unsigned i = 0; i < 16384; i++) {
        memconn_feed(&m, chunk, (size_t)n + piece + 2);
        if (i == 0) {
            calls = mem_calls();
            held = m.app.head_held;
        }
    }
    CU_ASSERT_EQUAL(m.app.payload_bytes, (size_t)1 << 30);
    CU_ASSERT_EQUAL(mem_calls(), calls);
    CU_ASSERT_EQUAL(m.app.head_held, held);
    CU_ASSERT(held < 8192);
    memconn_feed_str(&m, "0\r\n\r\n");
    CU_ASSERT_STRING_EQUAL(memconn_verdict(&m), OK);
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
    free(chunk);
}

/* H-18: sixteen requests in one read are answered in one turn, by one write. */
static void test_batch(void)
{
    struct memconn m;
    char in[16 * sizeof PLAIN] = "";

    for (int i = 0; i < 16; i++)
        strcat(in, PLAIN);
    memconn_init(&m);
    memconn_feed_str(&m, in);
    CU_ASSERT_EQUAL(m.turns, 1);
    CU_ASSERT_EQUAL(m.writes, 1);
    CU_ASSERT_EQUAL(m.app.done, 16);
    CU_ASSERT_EQUAL(m.out.n, 16 * strlen(KEPT("2", "ok")) + 16 * 37);
    CU_ASSERT_STRING_EQUAL(memconn_state(&m), "ReceivingHeaders");
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

/* A thousand requests to a peer that reads nothing: bounded, and none is lost once it reads. */
static void test_blocked_pipeline(void)
{
    struct memconn m;
    struct memtext in = { 0 };
    size_t fed, answers = 0;

    memconn_init(&m);
    for (unsigned i = 0; i < 1000; i++)
        memtext_printf(&in, "GET /big/%u HTTP/1.1\r\nHost: x\r\nPadding: %0*u\r\n\r\n", i, 200, i);
    m.blocked = true;
    for (fed = 0; fed < in.n; fed += 1000) {
        size_t n = in.n - fed < 1000 ? in.n - fed : 1000;

        if (!memconn_feed(&m, in.p + fed, n))
            break;
    }
    CU_ASSERT(fed < in.n && fed < 128 * 1024);
    CU_ASSERT(m.app.asked <= 64 && m.app.done == 0);
    CU_ASSERT_EQUAL(memconn_want(&m), CONN_WRITE);
    m.blocked = false;
    memconn_feed_pieces(&m, in.p + fed, in.n - fed, 1000);
    memconn_flush(&m);
    CU_ASSERT_EQUAL(m.app.done, 1000);
    for (char *at = m.out.p; at; answers++) {
        unsigned length = 0;

        at = strstr(at, "Content-Length: ");
        if (!at || sscanf(at, "Content-Length: %u", &length) != 1 || length != answers)
            break;
        at++;
    }
    CU_ASSERT_EQUAL(answers, 1000);
    memtext_free(&in);
    memconn_free(&m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&m));
}

CU_TestInfo limit_tests[] = {
    { "sizes of heads", test_head_sizes },
    { "sizes of bodies", test_body_sizes },
    { "a promise that is refused", test_promise_refused },
    { "number of requests", test_request_count },
    { "number of fields", test_field_count },
    { "bytes between payload", test_quiet },
    { "a gigabyte of chunks", test_gigabyte },
    { "sixteen answers in one write", test_batch },
    { "a pipeline to a peer that does not read", test_blocked_pipeline },
    CU_TEST_INFO_NULL
};
