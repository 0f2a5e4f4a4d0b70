/*
 * pipeline.h - vectors for the sans-IO connection, and what the sources of test_pipeline share.
 *
 * A vector is input and what must come out of it. It is run whole, byte by byte, cut in two at
 * every place, and against peers that take 1, 7 or 16 bytes at a time: the outcome must be the
 * same.
 */
#ifndef SLV_PIPELINE_H
#define SLV_PIPELINE_H

#include "memconn.h"
#include "suite.h"

#include <selvage/str.h>

struct vector {
    const char *name;
    struct str in;
    const char *verdict;           /* as memconn_verdict() words it, once all has been written */
    const char *out;               /* the output without Date lines; NULL: statuses suffice */
    bool eof;                      /* the peer's FIN follows the input */
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Rows: input and verdict; with output; and with a FIN behind. */
#define V(name, in, verdict) { name, STR_INIT(in), verdict, NULL, false }
#define W(name, in, verdict, out) { name, STR_INIT(in), verdict, out, false }
#define E(name, in, verdict) { name, STR_INIT(in), verdict, NULL, true }

/* Requests. */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"
#define PLAIN "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

/* Answers without their Date. */
#define KEPT(length, body) \
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: " length "\r\n\r\n" body
#define LAST(length, body) \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " length "\r\n\r\n" body
#define REFUSED(status, words) \
    "HTTP/1.1 " status " " words "\r\nConnection: close\r\nContent-Length: 3\r\n\r\n" status

/* Verdicts. A connection that lingers is closed by the peer's FIN before it is looked at. */
#define OPEN "| ReceivingHeaders"
#define OK "200 " OPEN
#define OK_OK "200 200 " OPEN
#define DONE "200 | Closed done"
#define BAD "400 | Closed bad_request"
#define OK_BAD "200 " BAD
#define UNKNOWN "501 | Closed not_implemented"
#define VERSION_505 "505 | Closed bad_version"
#define TOO_LONG "413 | Closed body_too_large"

/* Runs the vectors in all ways; with other limits than memconn_limits. */
void run_vectors(const struct vector *v, size_t count);
void run_limited(const struct vector *v, size_t count, const struct h1_limits *limits);

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo answer_tests[];
extern CU_TestInfo head_tests[];
extern CU_TestInfo body_tests[];
extern CU_TestInfo limit_tests[];
extern CU_TestInfo state_tests[];
extern CU_TestInfo stream_tests[];
extern CU_TestInfo time_tests[];
extern CU_TestInfo shell_tests[];

#endif
