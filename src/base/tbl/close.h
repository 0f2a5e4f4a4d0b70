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
    X(UPGRADE_DONE,     "upgrade_done",     false, "closed in order by the protocol after HTTP") \
    X(PROTOCOL,         "protocol_error",   true,  "the client broke the protocol after HTTP") \
    X(BAD_DATA,         "bad_data",         true,  "a message that its type does not allow") \
    X(MESSAGE_TOO_LARGE, "message_too_large", true, "a message beyond its limit") \
    X(SLOW_READER,      "slow_reader",      true,  "the client took less than it was sent") \
    X(SILENT,           "ping_timeout",     true,  "no sign of life after a ping") \
    X(DRAINED,          "drained",          false, "this worker is being replaced or stopped") \
    X(SHUTDOWN,         "shutdown",         true,  "worker_shutdown_timeout or a fast stop") \
    X(DIED,             "worker_died",      true,  "the worker process died") \
    X(SLOW,             "slow_subscriber",  true,  "the client was too slow for its channel") \
    X(PROXY_HEADER,     "proxy_header",     true,  "no valid header of the PROXY protocol") \
    X(OVERLOAD,         "overload",         true,  "no free worker connection") \
    X(TLS_TIMEOUT,      "tls_timeout",      true,  "TLS handshake not complete in time") \
    X(TLS_CUT,          "tls_cut",          true,  "the client closed inside the TLS handshake") \
    X(TLS_VERSION,      "tls_version",      true,  "no TLS version in common") \
    X(TLS_CIPHER,       "tls_cipher",       true,  "no TLS cipher, group or signature in common") \
    X(TLS_ALPN,         "tls_alpn",         true,  "no application protocol in common") \
    X(TLS_REJECTED,     "tls_rejected",     false, "refused by ssl_reject_handshake") \
    X(TLS_ALERT,        "tls_alert",        true,  "the client gave the TLS handshake up") \
    X(TLS_MALFORMED,    "tls_malformed",    true,  "malformed TLS handshake") \
    X(TLS_ERROR,        "tls_error",        true,  "malformed TLS record, or an alert")

#endif
