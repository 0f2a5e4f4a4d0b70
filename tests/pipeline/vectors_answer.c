/*
 * vectors_answer.c - answers byte for byte: framing, keep-alive, pipelining, early refusals.
 */
#include "pipeline.h"

/* H-20, H-22, W-24: how the end of an answer is told; L-12: the status line is the real one. */
static void test_framing(void)
{
    static const struct vector rows[] = {
        W("text", PLAIN, OK, KEPT("2", "ok")),
        W("empty", GET("/big/0") "\r\n", OK, KEPT("0", "")),
        W("file", GET("/file/12") "\r\n", OK, KEPT("12", "defghijklmno")),
        W("wire", GET("/wire") "\r\n", OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n"
          "Content-Length: 5\r\n\r\nwired"),
        W("wire in two", GET("/wire/split") "\r\n", OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n"
          "Content-Length: 5\r\n\r\nwired"),
        W("chunks", GET("/chunks/3") "\r\n", OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n"),
        W("no chunks", GET("/chunks/0") "\r\n", OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\n"),
        W("a source of known length", GET("/length/13") "\r\n", OK, KEPT("13", "abcdefghijklm")),
        W("a source of length 0", GET("/length/0") "\r\n", OK, KEPT("0", "")),
        W("chunks for 1.0", "GET /chunks/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", DONE,
          "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npiecepiece"),
        W("204", GET("/status/204") "\r\n" PLAIN, "204 200 " OPEN,
          "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n" KEPT("2", "ok")),
        W("304", GET("/status/304") "\r\n" PLAIN, "304 200 " OPEN,
          "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n" KEPT("2", "ok")),
        W("two unknown statuses", GET("/status/299") "\r\n" GET("/status/598") "\r\n",
          "299 598 " OPEN,
          "HTTP/1.1 299 \r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n299"
          "HTTP/1.1 598 \r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n598"),
        W("no answer is a 500", GET("/never") "\r\n" PLAIN, "500 | Closed done",
          REFUSED("500", "Internal Server Error")),
    };

    run_vectors(rows, COUNT(rows));
}

/* HEAD is answered as GET without the body, whatever kind the body is. */
static void test_head_requests(void)
{
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define LENGTH(n) "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: " n "\r\n\r\n"
    static const struct vector rows[] = {
        W("memory", HEAD("/big/9") HEAD("/"), OK_OK, LENGTH("9") LENGTH("2")),
        W("file", HEAD("/file/9"), OK, LENGTH("9")),
        W("source", HEAD("/length/9") PLAIN, OK_OK, LENGTH("9") KEPT("2", "ok")),
        W("chunks", HEAD("/chunks/9") PLAIN, OK_OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
          KEPT("2", "ok")),
        W("wire", HEAD("/wire") HEAD("/wire/split"), OK_OK,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n"
          "Content-Length: 5\r\n\r\n"
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n"
          "Content-Length: 5\r\n\r\n"),
        W("refused", "HEAD / HTTP/1.1\r\n\r\n", BAD,
          "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"),
    };

    run_vectors(rows, COUNT(rows));
}

/* W-25..29, H-21, I-15, L-06 and I-25: when the connection stays. */
static void test_keep_alive(void)
{
#define OLD(fields) "GET / HTTP/1.0\r\n" fields "\r\n"
#define NEW(fields) "GET / HTTP/1.1\r\nHost: x\r\n" fields "\r\n"
    static const struct vector rows[] = {
        W("1.1 (W-26)", NEW(""), OK, KEPT("2", "ok")),
        W("1.1 close (W-26)", NEW("Connection: close\r\n"), DONE, LAST("2", "ok")),
        V("1.1 CLOSE (W-29)", NEW("Connection: CLOSE\r\n"), DONE),
        V("1.1 Close in a list", NEW("Connection: foo , Close\r\n"), DONE),
        V("1.1 close in another line", NEW("Connection: foo\r\nConnection: close\r\n"), DONE),
        V("1.1 keep-alive and close", NEW("Connection: keep-alive, close\r\n"), DONE),
        V("1.1 close behind a tab", NEW("Connection:\tclose\t\r\n"), DONE),
        V("1.1 closed", NEW("Connection: closed\r\n"), OK),
        V("1.1 foo close", NEW("Connection: foo close\r\n"), OK),
        V("1.1 keep-alive", NEW("Connection: keep-alive\r\n"), OK),
        V("1.1 upgrade", NEW("Connection: Upgrade\r\nUpgrade: h2c\r\n"), OK),
        V("1.1 Proxy-Connection", NEW("Proxy-Connection: close\r\n"), OK),
        W("1.0 (W-27)", OLD(""), DONE, LAST("2", "ok")),
        W("1.0 keep-alive (W-27)", OLD("Connection: keep-alive\r\n"), OK, KEPT("2", "ok")),
        V("1.0 Keep-Alive in a list", OLD("Connection: x,Keep-Alive\r\n"), OK),
        V("1.0 both", OLD("Connection: keep-alive, close\r\n"), DONE),
        V("1.0 keep-alives", OLD("Connection: keep-alives\r\n"), DONE),
        V("1.0 keep-alive elsewhere", OLD("Keep-Alive: 5\r\n"), DONE),
        V("1.2 is served as 1.1", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", OK),
        V("1.0 needs no Host", OLD("Connection: keep-alive\r\n") OLD(""), "200 200 | Closed done"),
        W("the application closes (H-21)", GET("/close") "\r\n" PLAIN, DONE, LAST("3", "bye")),
    };

    run_vectors(rows, COUNT(rows));
}

/* H-18, H-19, I-12, L-17: order, nothing lost, one at a time, nothing after a close. */
static void test_pipelining(void)
{
    static const struct vector rows[] = {
        W("two", PLAIN GET("/big/3") "\r\n", OK_OK, KEPT("2", "ok") KEPT("3", "abc")),
        W("kinds in order",
          GET("/chunks/1") "\r\n" GET("/file/3") "\r\n" GET("/wire") "\r\n" GET("/length/4") "\r\n",
          "200 200 200 200 " OPEN,
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\npiece\r\n0\r\n\r\n" KEPT("3", "def")
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n"
          "Content-Length: 5\r\n\r\nwired" KEPT("4", "abcd")),
        W("bodies between", POST("/echo") "Content-Length: 3\r\n\r\nabc" PLAIN
          POST("/echo") CHUNKED "2\r\nde\r\n0\r\n\r\n" PLAIN,
          "200 200 200 200 " OPEN,
          KEPT("3", "abc") KEPT("2", "ok") KEPT("2", "de") KEPT("2", "ok")),
        W("promised ones", GET("/later") "\r\n" PLAIN GET("/later") "\r\n" PLAIN,
          "200 200 200 200 " OPEN,
          KEPT("5", "later") KEPT("2", "ok") KEPT("5", "later") KEPT("2", "ok")),
        W("close in the middle", PLAIN NEW("Connection: close\r\n") PLAIN,
          "200 200 | Closed done", KEPT("2", "ok") LAST("2", "ok")),
        W("a promised one that closes", GET("/later") "Connection: close\r\n\r\n" PLAIN, DONE,
          LAST("5", "later")),
        W("garbage behind a good one", PLAIN "\r\n\r\n\r\n" PLAIN, OK_BAD,
          KEPT("2", "ok") REFUSED("400", "Bad Request")),
        W("a partial one", PLAIN "GET / HT", OK, KEPT("2", "ok")),
        W("an empty line between", POST("/echo") "Content-Length: 2\r\n\r\nhi\r\n" PLAIN, OK_OK,
          KEPT("2", "hi") KEPT("2", "ok")),
        { "FIN behind two", STR_INIT(PLAIN PLAIN), "200 200 | Closed client_closed",
          KEPT("2", "ok") KEPT("2", "ok"), true },
        E("FIN behind a part", PLAIN "GET /", "200 | Closed cut_request"),
        E("FIN in a body", POST("/echo") "Content-Length: 3\r\n\r\nab", "| Closed cut_request"),
        E("FIN at once", "", "| Closed client_closed"),
        E("FIN behind an empty line", "\r\n", "| Closed client_closed"),
    };

    run_vectors(rows, COUNT(rows));
}

/* H-19, W-12 and the early refusals: an answer before the body is read. */
static void test_early(void)
{
#define EARLY(status, words, how) \
    "HTTP/1.1 " status " " words "\r\nConnection: " how "\r\nContent-Length: 3\r\n\r\n" status
    static const struct vector rows[] = {
        W("401, the body is read and dropped",
          POST("/early/401") "Content-Length: 5\r\n\r\nGET /" PLAIN, "401 200 " OPEN,
          EARLY("401", "Unauthorized", "keep-alive") KEPT("2", "ok")),
        W("401 without a body", GET("/early/401") "\r\n" PLAIN, "401 200 " OPEN,
          EARLY("401", "Unauthorized", "keep-alive") KEPT("2", "ok")),
        W("413 of an unknown length", POST("/early/413") CHUNKED "5\r\nhello\r\n0\r\n\r\n" PLAIN,
          "413 | Closed body_unread", EARLY("413", "Content Too Large", "close")),
        W("401 of a long body", POST("/early/401") "Content-Length: 65537\r\n\r\nxx",
          "401 | Closed body_unread", EARLY("401", "Unauthorized", "close")),
        W("401 while the client waits to be asked",
          POST("/early/401") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
          "401 | Closed body_unread", EARLY("401", "Unauthorized", "close")),
        W("promised before the body", POST("/promise") "Content-Length: 2\r\n\r\nhi" PLAIN, OK_OK,
          KEPT("5", "later") KEPT("2", "ok")),
        W("444", PLAIN GET("/444") "\r\n" PLAIN, "200 | Closed refused", KEPT("2", "ok")),
        W("444 before the body", POST("/early/444") "Content-Length: 3\r\n\r\nabc",
          "| Closed refused", ""),
    };

    run_vectors(rows, COUNT(rows));
}

CU_TestInfo answer_tests[] = {
    { "framing", test_framing },
    { "HEAD", test_head_requests },
    { "keep-alive", test_keep_alive },
    { "pipelining", test_pipelining },
    { "early answers", test_early },
    CU_TEST_INFO_NULL
};
