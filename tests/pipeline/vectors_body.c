/*
 * vectors_body.c - Content-Length, Transfer-Encoding, chunks and trailers (RFC 9112 sections 6, 7).
 */
#include "pipeline.h"

#define P POST("/echo")
#define TE(value) P "Transfer-Encoding: " value "\r\n\r\n"
#define CL(value) P "Content-Length: " value "\r\n\r\n"
#define BODY "3\r\nabc\r\n0\r\n\r\n"
#define ECHO KEPT("3", "abc")

/* H-20, L-07, W-40: the length is digits, once. */
static void test_length(void)
{
    static const struct vector rows[] = {
        W("CL", CL("3") "abc", OK, ECHO),
        W("CL 0", CL("0") PLAIN, OK_OK, KEPT("0", "") KEPT("2", "ok")),
        W("GET with CL body", GET("/echo") "Content-Length: 3\r\n\r\nabc", OK, ECHO),
        W("POST no length", P "\r\n" PLAIN, OK_OK, KEPT("0", "") KEPT("2", "ok")),
        V("CL+TE", P "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, BAD),
        V("TE+CL", P "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" BODY, BAD),
        V("CL 0 + TE", P "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, BAD),
        V("dup CL same", P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BAD),
        V("dup CL differ", P "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", BAD),
        V("dup CL 0", P "Content-Length: 0\r\ncontent-length: 5\r\n\r\nGET /", BAD),
        V("CL list 3, 3", CL("3, 3") "abc", BAD),
        V("CL +3", CL("+3") "abc", BAD),
        V("CL -1", CL("-1") "abc", BAD),
        V("CL 0x3", CL("0x3") "abc", BAD),
        V("CL 1e1", CL("1e1") "0123456789", BAD),
        V("CL empty", CL("") "abc", BAD),
        V("CL spaces only", CL("   ") "abc", BAD),
        W("CL trailing SP", CL("3 ") "abc", OK, ECHO),
        V("CL trailing TAB", CL("3\t") "abc", BAD),
        W("CL leading zeros", CL("0003") "abc", OK, ECHO),
        V("CL 3 4 (space)", CL("3 4") "abc", BAD),
        V("CL 2^64-1", CL("18446744073709551615"), TOO_LONG),
        V("CL 2^64", CL("18446744073709551616"), BAD),
        V("CL 2^64+3", CL("18446744073709551619") "abc", BAD),
        V("CL 2^63", CL("9223372036854775808"), TOO_LONG),
        V("CL 2^63-1", CL("9223372036854775807"), TOO_LONG),
        V("CL above the limit", CL("1048577"), TOO_LONG),
        V("CL at the limit", CL("1048576"), "| ReceivingBody"),
        V("truncated body", CL("3") "ab", "| ReceivingBody"),
        E("truncated body EOF", CL("3") "ab", "| Closed cut_request"),
        E("truncated chunks EOF", TE("chunked") "3\r\nabc\r\n0\r\n", "| Closed cut_request"),
    };

    run_vectors(rows, COUNT(rows));
}

/* H-20, 5-E: chunked, once, last and alone; anything else is 400 or 501. */
static void test_coding(void)
{
    static const struct vector rows[] = {
        W("TE chunked", TE("chunked") BODY, OK, ECHO),
        W("TE Chunked case", TE("ChunkeD") BODY, OK, ECHO),
        V("TE chunked,identity", TE("chunked,identity") BODY, BAD),
        V("TE chunked,chunked", TE("chunked,chunked") BODY, BAD),
        V("TE identity", TE("identity") BODY, UNKNOWN),
        V("TE gzip", TE("gzip") BODY, UNKNOWN),
        V("TE gzip, chunked", TE("gzip, chunked") BODY, UNKNOWN),
        V("TE identity, chunked", TE("identity, chunked") BODY, UNKNOWN),
        V("TE xchunked", TE("xchunked") BODY, UNKNOWN),
        V("TE chunkedx", TE("chunkedx") BODY, UNKNOWN),
        V("TE chunked;q=1", TE("chunked;q=1") BODY, UNKNOWN),
        W("TE \\tchunked", P "Transfer-Encoding:\tchunked\r\n\r\n" BODY, OK, ECHO),
        V("TE chunked\\t", TE("chunked\t") BODY, BAD),
        V("TE \\x0bchunked", TE("\013chunked") BODY, BAD),
        V("TE \"chunked\" quoted", TE("\"chunked\"") BODY, UNKNOWN),
        V("TE two headers chunked+identity",
          P "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" BODY, BAD),
        V("TE two headers identity+chunked",
          P "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, UNKNOWN),
        V("TE two headers chunked+chunked",
          P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, BAD),
        V("TE empty", TE("") BODY, BAD),
        V("TE empty + CL", P "Content-Length: 3\r\nTransfer-Encoding:\r\n\r\nabc", BAD),
        V("TE of commas", TE(", ,") BODY, BAD),
        W("TE , chunked", TE(", chunked") BODY, OK, ECHO),
        V("TE chunked,", TE("chunked,") BODY, BAD),
        V("TE in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, BAD),
        W("TE underscore name", P "Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", OK,
          ECHO),
        W("TE on GET", GET("/echo") CHUNKED BODY, OK, ECHO),
        V("HEAD with chunked", "HEAD / HTTP/1.1\r\nHost: x\r\n" CHUNKED BODY PLAIN, OK_OK),
    };

    run_vectors(rows, COUNT(rows));
}

/* W-21, W-22: chunk sizes and what surrounds the data. */
static void test_chunks(void)
{
#define C(bytes) TE("chunked") bytes
#define ZEROS "0000000000000000000000000000000000000000"
    static const struct vector rows[] = {
        W("chunk upper/lower hex", C("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n"), OK,
          KEPT("20", "0123456789abcdefghij")),
        W("many chunks", C("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"), OK, ECHO),
        W("no chunk at all", C("0\r\n\r\n") PLAIN, OK_OK, KEPT("0", "") KEPT("2", "ok")),
        W("a last chunk of many zeros", C("3\r\nabc\r\n000\r\n\r\n"), OK, ECHO),
        W("chunks that look like a request", C("e\r\nGET / HTTP/1.1\r\n0\r\n\r\n") PLAIN, OK_OK,
          KEPT("14", "GET / HTTP/1.1") KEPT("2", "ok")),
        V("chunk size overflow 17 hex", C("11111111111111111\r\nabc\r\n"), BAD),
        V("chunk size 16 f", C("ffffffffffffffff\r\nabc\r\n"), TOO_LONG),
        V("chunk size 2^63", C("8000000000000000\r\nabc\r\n"), TOO_LONG),
        V("chunk size above the limit", C("100001\r\n"), TOO_LONG),
        V("chunk size at the limit", C("100000\r\nabc"), "| ReceivingBody"),
        V("chunk sizes above the limit", C("3\r\nabc\r\nffffe\r\n"), TOO_LONG),
        W("chunk size leading zeros x40", C(ZEROS "3\r\nabc\r\n0\r\n\r\n"), OK, ECHO),
        V("chunk size empty", C("\r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size 0x3", C("0x3\r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size +3", C("+3\r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size -3", C("-3\r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size ' 3'", C(" 3\r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size '3 '", C("3 \r\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size bare LF", C("3\nabc\r\n0\r\n\r\n"), BAD),
        V("chunk size CR X", C("3\rXabc\r\n0\r\n\r\n"), BAD),
        V("chunk data not followed by CRLF", C("3\r\nabcd\r\n0\r\n\r\n"), BAD),
        V("chunk data CR without LF", C("3\r\nabc\rX0\r\n\r\n"), BAD),
        V("chunk data bare LF", C("3\r\nabc\n0\r\n\r\n"), BAD),
        V("last chunk bare LF", C("3\r\nabc\r\n0\n\r\n"), BAD),
    };

    run_vectors(rows, COUNT(rows));
}

/* W-40: extensions are passed over; those that llhttp 8.1 cannot read are refused. */
static void test_extensions(void)
{
#define EXT(ext) TE("chunked") "3" ext "\r\nabc\r\n0\r\n\r\n"
    static const struct vector rows[] = {
        W("chunk ext ;a=b", EXT(";a=b"), OK, ECHO),
        W("chunk ext ;a", EXT(";a"), OK, ECHO),
        V("chunk ext two ;a=b;c=d", EXT(";a=b;c=d"), BAD),
        W("chunk ext quoted", EXT(";a=\"b c\""), OK, ECHO),
        V("chunk ext quoted escaped", EXT(";a=\"b\\\"c\""), BAD),
        V("chunk ext quoted CR inside", EXT(";a=\"b\rc\""), BAD),
        V("chunk ext BWS '; a'", EXT("; a"), BAD),
        V("chunk ext BWS ' ;a'", EXT(" ;a"), BAD),
        V("chunk ext bare LF", TE("chunked") "3;\nabc\r\n0\r\n\r\n", BAD),
        V("chunk ext bare LF behind a name", TE("chunked") "3;a\nabc\r\n0\r\n\r\n", BAD),
        V("chunk ext ;CRLF empty", EXT(";"), BAD),
        W("ext of the last chunk", TE("chunked") "3\r\nabc\r\n0;a=b\r\n\r\n" PLAIN, OK_OK,
          ECHO KEPT("2", "ok")),
    };

    run_vectors(rows, COUNT(rows));
}

/* Trailers are read as strictly as fields, and dropped. */
static void test_trailers(void)
{
#define TRAIL(bytes) POST("/report") CHUNKED "1\r\nZ\r\n0\r\n" bytes PLAIN
#define REPORT KEPT("75", "POST /report HTTP/1.1|2|11|/report||x|-1\nhost=x\n" \
                    "transfer-encoding=chunked\nZ")
    static const struct vector rows[] = {
        W("none", TRAIL("\r\n"), OK_OK, REPORT KEPT("2", "ok")),
        W("trailers", TRAIL("a: b\r\nc: d\r\n\r\n"), OK_OK, REPORT KEPT("2", "ok")),
        W("trailer with CL", TRAIL("Content-Length: 9\r\n\r\n"), OK_OK, REPORT KEPT("2", "ok")),
        W("trailer with Host", TRAIL("Host: evil\r\n\r\n"), OK_OK, REPORT KEPT("2", "ok")),
        V("trailer with TE", TRAIL("Transfer-Encoding: gzip\r\n\r\n"), BAD),
        W("trailer Connection: close", TRAIL("Connection: close\r\n\r\n"), OK_OK,
          REPORT KEPT("2", "ok")),
        W("trailer empty value", TRAIL("a:\r\n\r\n"), OK_OK, REPORT KEPT("2", "ok")),
        V("trailer obs-fold", TRAIL("a: b\r\n c\r\n\r\n"), BAD),
        V("trailer obs-fold tab", TRAIL("a: b\r\n\tc\r\n\r\n"), BAD),
        V("trailer that begins with a fold", TRAIL(" a: b\r\n\r\n"), BAD),
        V("trailer empty name", TRAIL(": b\r\n\r\n"), BAD),
        V("trailer no colon", TRAIL("abc\r\n\r\n"), BAD),
        V("trailer space before colon", TRAIL("a : b\r\n\r\n"), BAD),
        V("trailer bare LF", TRAIL("a: b\n\r\n"), BAD),
        V("trailer bare LF end", TRAIL("a: b\r\n\n"), BAD),
        V("trailer bare CR", TRAIL("a: b\rc\r\n\r\n"), BAD),
        V("trailer NUL", TRAIL("a: \0\r\n\r\n"), BAD),
        V("last chunk bare LF end", TRAIL("\n"), BAD),
        V("last chunk CR X", TRAIL("\rX"), BAD),
    };

    run_vectors(rows, COUNT(rows));
}

/* Expect: 100-continue (RFC 9110 section 10.1.1): once, before the body, not for 1.0. */
static void test_continue(void)
{
#define ASK "Expect: 100-continue\r\n"
#define GO_ON "HTTP/1.1 100 Continue\r\n\r\n"
    static const struct vector rows[] = {
        W("asked, not sent yet", P ASK "Content-Length: 3\r\n\r\n", "100 | ReceivingBody", GO_ON),
        W("asked, sent", P ASK "Content-Length: 3\r\n\r\nabc" PLAIN, "100 200 200 " OPEN,
          GO_ON ECHO KEPT("2", "ok")),
        W("asked, chunked", P ASK CHUNKED BODY, "100 " OK, GO_ON ECHO),
        W("any case", P "EXPECT: 100-Continue\r\nContent-Length: 3\r\n\r\nabc", "100 " OK,
          GO_ON ECHO),
        W("1.0", "POST /echo HTTP/1.0\r\n" ASK "Content-Length: 3\r\n\r\nabc", DONE,
          LAST("3", "abc")),
        W("too long", P ASK "Content-Length: 1048577\r\n\r\n", TOO_LONG,
          REFUSED("413", "Content Too Large")),
        W("behind another answer", PLAIN P ASK "Content-Length: 3\r\n\r\nabc", "200 100 " OK,
          KEPT("2", "ok") GO_ON ECHO),
    };

    run_vectors(rows, COUNT(rows));
}

CU_TestInfo body_tests[] = {
    { "Content-Length", test_length },
    { "Transfer-Encoding", test_coding },
    { "chunks", test_chunks },
    { "chunk extensions", test_extensions },
    { "trailers", test_trailers },
    { "100-continue", test_continue },
    CU_TEST_INFO_NULL
};
