/*
 * vectors_head.c - request lines and fields: what llhttp 8.1 takes and RFC 9112 refuses, and more.
 *
 * One row for each input of the table in which llhttp was measured; the verdicts are this server's.
 * Where a status may come from two places, the bytes before the fault decide: a token and a space
 * make an unknown method (501), HTTP/d.d an unknown version (505), anything else is a 400.
 */
#include "pipeline.h"

#define X GET("/")

/* Line ends and folds (RFC 9112 sections 2.2 and 5.2). */
static void test_lines(void)
{
    static const struct vector rows[] = {
        V("simple GET", PLAIN, OK),
        V("HTTP/1.0 GET", "GET / HTTP/1.0\r\n\r\n", DONE),
        V("bare LF everywhere", "GET / HTTP/1.1\nHost: x\n\n", BAD),
        V("bare LF after request line only", "GET / HTTP/1.1\nHost: x\r\n\r\n", BAD),
        V("bare LF after header", X "a: b\nc: d\r\n\r\n", BAD),
        V("bare LF ends header block", X "\n", BAD),
        V("bare LF ends header block, more behind", X "\n" PLAIN, BAD),
        V("bare LF after empty value", X "a:\nb: c\r\n\r\n", BAD),
        V("bare CR in request line end", "GET / HTTP/1.1\rHost: x\r\n\r\n", BAD),
        V("bare CR in value", X "a: b\rc\r\n\r\n", BAD),
        V("bare CR after empty value", X "X:\rTransfer-Encoding: chunked\r\n\r\n", BAD),
        V("CR as header terminator at end", X "\rX", BAD),
        V("CR CR LF", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", BAD),
        V("obs-fold", X "a: b\r\n c\r\n\r\n", BAD),
        V("obs-fold tab", X "a: b\r\n\tc\r\n\r\n", BAD),
        V("obs-fold in empty value", X "a:\r\n b\r\n\r\n", BAD),
        V("obs-fold of nothing", X "a: b\r\n \r\n\r\n", BAD),
        V("obs-fold at the end of an empty value", X "a:\r\n \r\n\r\n", BAD),
        V("obs-fold of Host", "GET / HTTP/1.1\r\nHost:\r\n x\r\n\r\n", BAD),
        V("obs-fold TE chunked", POST("/") "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", BAD),
        V("obs-fold TE after chunked",
          POST("/") "Transfer-Encoding: chunked\r\n , identity\r\n\r\n0\r\n\r\n", BAD),
        V("obs-fold CL", POST("/") "Content-Length: 1\r\n 0\r\n\r\n0123456789", BAD),
        V("leading SP after request line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", BAD),
        V("leading CRLF", "\r\n" PLAIN, OK),
        V("leading 20 CRLF", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
          "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" PLAIN, BAD),
        V("leading LF", "\n" PLAIN, BAD),
        V("leading CR", "\r" PLAIN, BAD),
        V("leading CR CR LF", "\r\r\n" PLAIN, BAD),
        V("leading SP", " " PLAIN, BAD),
        V("nothing but CRLF", "\r\n", OPEN),
        V("truncated header", "GET / HTTP/1.1\r\nHost: ", OPEN),
        E("truncated header EOF", "GET / HTTP/1.1\r\nHost: ", "| Closed cut_request"),
    };

    run_vectors(rows, COUNT(rows));
}

/* Field names and values (RFC 9112 section 5, RFC 9110 section 5.5). */
static void test_fields(void)
{
    static const struct vector rows[] = {
        V("NUL in header value", X "a: b\0c\r\n\r\n", BAD),
        V("NUL in header name", X "a\0b: c\r\n\r\n", BAD),
        V("CTL 0x01 in value", X "a: b\001c\r\n\r\n", BAD),
        V("DEL 0x7f in value", X "a: b\177c\r\n\r\n", BAD),
        V("obs-text in value", X "a: b\351c\r\n\r\n", OK),
        V("tab in value", X "a: b\tc\r\n\r\n", OK),
        V("space before colon", X "a : b\r\n\r\n", BAD),
        V("space before the colon of Host", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", BAD),
        V("tab before colon", X "a\t: b\r\n\r\n", BAD),
        V("space before colon CL", POST("/") "Content-Length : 3\r\n\r\nabc", BAD),
        V("space inside name", X "a b: c\r\n\r\n", BAD),
        V("empty name", X ": b\r\n\r\n", BAD),
        V("empty name first", "GET / HTTP/1.1\r\n: b\r\nHost: x\r\n\r\n", BAD),
        V("empty name and value", X ":\r\n\r\n", BAD),
        V("empty name behind an empty value", X "a:\r\n: b\r\n\r\n", BAD),
        V("no colon", X "abc\r\n\r\n", BAD),
        V("name with (){}", X "a(){}: b\r\n\r\n", BAD),
        V("name 8-bit", X "a\351: b\r\n\r\n", BAD),
        V("empty value", X "a:\r\n\r\n", OK),
        V("value trailing OWS", X "a: b \t \r\n\r\n", OK),
        V("value only OWS", X "a: \t \r\n\r\n", OK),
        V("no OWS", X "a:b\r\n\r\n", OK),
        V("underscore name", X "a_b: c\r\n\r\n", OK),
        V("all token characters", X "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", OK),
    };

    run_vectors(rows, COUNT(rows));
}

/* Host (RFC 9112 section 3.2). */
static void test_host(void)
{
#define HOST(value) "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n"
    static const struct vector rows[] = {
        V("missing Host 1.1", "GET / HTTP/1.1\r\n\r\n", BAD),
        V("missing Host 1.1, others there", "GET / HTTP/1.1\r\nHosts: x\r\n\r\n", BAD),
        V("two Host", X "Host: y\r\n\r\n", BAD),
        V("two Host alike", X "Host: x\r\n\r\n", BAD),
        V("two Host in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nhost: x\r\n\r\n", BAD),
        V("Host with bad chars", HOST("a b"), BAD),
        V("Host with a slash", HOST("a/b"), BAD),
        V("Host with userinfo", HOST("u@a"), BAD),
        V("Host list", HOST("a, b"), BAD),
        V("Host with a bad port", HOST("a:99999"), BAD),
        V("Host empty", HOST(""), OK),
        V("Host with port", HOST("a:80"), OK),
        V("Host IPv6", HOST("[::1]:80"), OK),
        V("bad Host in 1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", BAD),
        W("absolute-form overrides", "GET http://B:81/report?c HTTP/1.1\r\nHost: x\r\n\r\n", OK,
          KEPT("60", "GET http://B:81/report?c HTTP/1.1|0|11|/report|c|b|0\nhost=x\n")),
        V("absolute-form without Host", "GET http://b/ HTTP/1.1\r\n\r\n", BAD),
    };

    run_vectors(rows, COUNT(rows));
}

/* Methods (RFC 9112 section 3.1): 501 for a token that means nothing, 400 for what is no token. */
static void test_methods(void)
{
#define METHOD(m) m " / HTTP/1.1\r\nHost: x\r\n\r\n"
    static const struct vector rows[] = {
        V("method lower", METHOD("get"), UNKNOWN),
        V("method unknown FOO", METHOD("FOO"), UNKNOWN),
        V("method GETX", METHOD("GETX"), UNKNOWN),
        V("method QUERY", METHOD("QUERY"), UNKNOWN),
        V("method with punctuation", METHOD("M-S!"), UNKNOWN),
        V("method of 40 bytes", METHOD("ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJ"), UNKNOWN),
        V("method of a prefix", METHOD("GE"), UNKNOWN),
        V("method PURGE", METHOD("PURGE"), OK),
        V("method DELETE", METHOD("DELETE"), OK),
        V("method M-SEARCH", METHOD("M-SEARCH"), OK),
        V("method PLAY (RTSP) w/ HTTP", METHOD("PLAY"), BAD),
        V("RTSP protocol", "PLAY / RTSP/1.0\r\nHost: x\r\n\r\n", BAD),
        V("RTSP protocol with GET", "GET / RTSP/1.0\r\nHost: x\r\n\r\n", BAD),
        V("ICE protocol SOURCE", "SOURCE / ICE/1.0\r\nHost: x\r\n\r\n", BAD),
        V("empty method", METHOD(""), BAD),
        V("tab sep", "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", BAD),
        V("NUL in method", "GE\0T / HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
        V("TLS ClientHello bytes", "\026\003\001\002\000\001\000\001\374\003\003", BAD),
        V("HTTP response as request", "HTTP/1.1 200 OK\r\n\r\n", BAD),
        V("CONNECT authority-form", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
          "405 | Closed not_implemented"),
        V("CONNECT with path", "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
          "405 | Closed not_implemented"),
        V("CONNECT + CL", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc",
          "405 | Closed not_implemented"),
    };

    run_vectors(rows, COUNT(rows));
}

/* The shape of the request line, and versions (RFC 9112 sections 2.3 and 3). */
static void test_request_line(void)
{
#define LINE(line) line "\r\nHost: x\r\n\r\n"
    static const struct vector rows[] = {
        V("double space", LINE("GET  / HTTP/1.1"), BAD),
        V("double space before version", LINE("GET /  HTTP/1.1"), BAD),
        V("trailing space after version", LINE("GET / HTTP/1.1 "), BAD),
        V("trailing words", LINE("GET / HTTP/1.1 x"), BAD),
        V("HTTP/1.2", LINE("GET / HTTP/1.2"), OK),
        V("HTTP/1.9", LINE("GET / HTTP/1.9"), OK),
        V("HTTP/2.0", LINE("GET / HTTP/2.0"), VERSION_505),
        V("HTTP/3.0", LINE("GET / HTTP/3.0"), VERSION_505),
        V("HTTP/9.9", LINE("GET / HTTP/9.9"), VERSION_505),
        V("HTTP/0.9 explicit", LINE("GET / HTTP/0.9"), "400 | Closed bad_version"),
        V("HTTP/0.9 implicit CRLF", "GET /\r\n\r\n", BAD),
        V("HTTP/0.9 implicit LF", "GET /\n\n", BAD),
        V("HTTP/1.10", LINE("GET / HTTP/1.10"), BAD),
        V("HTTP/1", LINE("GET / HTTP/1"), BAD),
        V("HTTP/1.", LINE("GET / HTTP/1."), BAD),
        V("HTTP/01.1", LINE("GET / HTTP/01.1"), BAD),
        V("HTTP/a.b", LINE("GET / HTTP/a.b"), BAD),
        V("http/1.1 lower", LINE("GET / http/1.1"), BAD),
        V("HTTPS", LINE("GET / HTTPS/1.1"), BAD),
        V("h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION_505),
        V("PRI 1.1", LINE("PRI * HTTP/1.1"), BAD),
        V("PRI /", LINE("PRI / HTTP/1.1"), BAD),
    };

    run_vectors(rows, COUNT(rows));
}

/* Targets (RFC 9112 section 3.2). */
static void test_targets(void)
{
#define TARGET(t) "GET " t " HTTP/1.1\r\nHost: x\r\n\r\n"
    static const struct vector rows[] = {
        V("absolute-form", TARGET("http://a/"), OK),
        V("absolute-form without path", TARGET("http://a"), OK),
        V("absolute-form https", TARGET("HTTPS://a:8/"), OK),
        V("absolute-form ftp", TARGET("ftp://a/"), BAD),
        V("absolute userinfo", TARGET("http://u:p@a/"), BAD),
        V("absolute no host", TARGET("http:///p"), BAD),
        V("absolute no slashes", TARGET("http:/p"), BAD),
        V("asterisk OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        V("asterisk GET", TARGET("*"), BAD),
        V("*foo target", TARGET("*foo"), BAD),
        V("*foo OPTIONS", "OPTIONS *foo HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
        V("target 'foo'", TARGET("foo"), BAD),
        V("target ../etc", TARGET("../etc"), BAD),
        V("target fragment", TARGET("/#a"), BAD),
        V("target fragment behind args", TARGET("/?a#b"), BAD),
        V("target 8-bit", TARGET("/\351"), BAD),
        V("target %zz %00", TARGET("/?%zz%00"), OK),
        V("target <>\"\\^`{|}", TARGET("/?<>\"\\^`{|}"), OK),
        V("target tab", TARGET("/a\tb"), BAD),
        V("target 0x01", TARGET("/\001"), BAD),
        V("target 0x7f", TARGET("/\177"), BAD),
        V("target NUL", TARGET("/\0"), BAD),
        V("target empty", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
        V("target double slash", TARGET("//"), "404 " OPEN),
    };

    run_vectors(rows, COUNT(rows));
}

/* Connection, Upgrade and Expect, and what follows the message. */
static void test_options(void)
{
#define UPGRADE(protocol) "Connection: Upgrade\r\nUpgrade: " protocol "\r\n"
    static const struct vector rows[] = {
        V("pipelined 2", PLAIN PLAIN, OK_OK),
        V("data after Connection: close", X "Connection: close\r\n\r\n" PLAIN, DONE),
        V("CRLF after Connection: close", X "Connection: close\r\n\r\n\r\n", DONE),
        V("data after 1.0 no keepalive", "GET / HTTP/1.0\r\n\r\n" PLAIN, DONE),
        V("1.0 keep-alive pipelined",
          "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
          "200 200 | Closed done"),
        V("upgrade websocket + tail", X UPGRADE("websocket") "\r\n\201\205abcdhello", OK_BAD),
        V("upgrade without Connection", X "Upgrade: websocket\r\n\r\n" PLAIN, OK_OK),
        V("Connection: Upgrade no Upgrade", X "Connection: Upgrade\r\n\r\n" PLAIN, OK_OK),
        V("upgrade h2c + tail GET",
          X "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
          "\r\n" PLAIN, OK_OK),
        V("upgrade with CL body", POST("/") UPGRADE("w") "Content-Length: 3\r\n\r\nabc" PLAIN,
          OK_OK),
        V("upgrade with chunked", POST("/") UPGRADE("w") CHUNKED "3\r\nabc\r\n0\r\n\r\n" PLAIN,
          OK_OK),
        V("upgrade in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: Upgrade, keep-alive\r\n"
          "Upgrade: w\r\n\r\n" PLAIN, OK_OK),
        V("Upgrade empty value", X UPGRADE("") "\r\n" PLAIN, OK_OK),
        V("Expect 100-continue", POST("/") "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi",
          "100 " OK),
        V("Expect unknown", POST("/") "Content-Length: 2\r\nExpect: 200-ok\r\n\r\nhi",
          "417 | Closed bad_request"),
        V("Expect empty", POST("/") "Content-Length: 2\r\nExpect:\r\n\r\nhi",
          "417 | Closed bad_request"),
        V("Expect unknown in 1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 200-ok\r\n\r\n"
          "hi", DONE),
        V("Expect without a body", X "Expect: 100-continue\r\n\r\n", OK),
        V("Expect of an empty body", POST("/") "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n",
          OK),
    };

    run_vectors(rows, COUNT(rows));
}

CU_TestInfo head_tests[] = {
    { "line ends", test_lines },
    { "fields", test_fields },
    { "Host", test_host },
    { "methods", test_methods },
    { "request line", test_request_line },
    { "targets", test_targets },
    { "options", test_options },
    CU_TEST_INFO_NULL
};
