/*
 * Why connections end. One line each: CLOSE_name, the token in logs and counters, whether it
 * counts as an error, and words for people. conn_fail() and the adapters give one of these; there
 * is no other way down.
 */
#ifndef SLV_TBL_CLOSE_H
#define SLV_TBL_CLOSE_H

#define CLOSE_REASONS(X) \
    X(NONE,             "open",             false, "still open") \
    X(DONE,             "done",             false, "the last answer said Connection: close") \
    X(CLIENT_CLOSED,    "client_closed",    false, "the client closed") \
    X(IDLE,             "idle_timeout",     false, "no further request within keepalive_timeout") \
    X(HEADER_TIMEOUT,   "header_timeout",   true,  "request head not complete in time") \
    X(BODY_TIMEOUT,     "body_timeout",     true,  "request body not complete in time") \
    X(SEND_TIMEOUT,     "send_timeout",     true,  "the client took no bytes for send_timeout") \
    X(BAD_REQUEST,      "bad_request",      true,  "malformed request") \
    X(HEADER_TOO_LARGE, "header_too_large", true,  "request head beyond its limits") \
    X(BODY_TOO_LARGE,   "body_too_large",   true,  "request body beyond client_max_body_size") \
    X(NOT_IMPLEMENTED,  "not_implemented",  true,  "method or transfer coding not implemented") \
    X(BAD_VERSION,      "bad_version",      true,  "HTTP version not supported") \
    X(CUT_REQUEST,      "cut_request",      true,  "the client closed inside a request") \
    X(ABORTED,          "aborted",          true,  "the client left before the answer was out") \
    X(IO,               "io_error",         true,  "read or write failed") \
    X(HANDLER,          "handler_error",    true,  "the answer broke off") \
    X(REFUSED,          "refused",          false, "closed without an answer as configured (444)") \
    X(BODY_UNREAD,      "body_unread",      false, "answered before a long body was read") \
    X(DRAINED,          "drained",          false, "this worker is being replaced or stopped") \
    X(SHUTDOWN,         "shutdown",         true,  "worker_shutdown_timeout or a fast stop") \
    X(DIED,             "worker_died",      true,  "the worker process died") \
    X(SLOW,             "slow_subscriber",  true,  "the client was too slow for its channel") \
    X(PROXY_HEADER,     "proxy_header",     true,  "no valid header of the PROXY protocol") \
    X(OVERLOAD,         "overload",         true,  "no free worker connection")

#endif
