/*
 * What is counted, besides the reasons for which connections end (close.h). One line each:
 * COUNTER_name, the name for monitoring, and what it counts. All only ever grow.
 */
#ifndef SLV_TBL_COUNTERS_H
#define SLV_TBL_COUNTERS_H

#define COUNTERS(X) \
    X(CONNECTIONS,   "connections_total",           "Connections accepted.") \
    X(REFUSED,       "connections_refused_total",   "Connections told 503 for want of room.") \
    X(REQUESTS,      "requests_total",              "Requests answered or given up.") \
    X(SENT,          "sent_bytes_total",            "Bytes of answers sent, heads included.") \
    X(STATUS_1XX,    "responses_1xx_total",         "Requests that ended with a status 1xx.") \
    X(STATUS_2XX,    "responses_2xx_total",         "Requests that ended with a status 2xx.") \
    X(STATUS_3XX,    "responses_3xx_total",         "Requests that ended with a status 3xx.") \
    X(STATUS_4XX,    "responses_4xx_total",         "Requests that ended with a status 4xx.") \
    X(STATUS_5XX,    "responses_5xx_total",         "Requests that ended with a status 5xx.") \
    X(UPGRADES,      "upgrades_total",              "Upgrades to another protocol.") \
    X(PUBLISHED,     "hub_published_total",         "Messages published to channels.") \
    X(PUBLISH_REFUSED, "hub_refused_total",        "Messages that were refused.") \
    X(SUBSCRIBED,    "hub_subscribed_total",        "Subscriptions to channels.") \
    X(SUBSCRIBE_REFUSED, "hub_subscribe_refused_total", "Subscriptions that were refused.") \
    X(IMAGE_ANSWERS, "prebuilt_answers_total",      "Answers from prebuilt images.") \
    X(IMAGE_304,     "prebuilt_not_modified_total", "Of them, those that were 304.") \
    X(IMAGE_SWAPS,   "prebuilt_swaps_total",        "Prebuilt images put in place by workers.") \
    X(TLS_FULL,      "tls_handshakes_full_total",   "TLS handshakes with a new session.") \
    X(TLS_RESUMED,   "tls_handshakes_resumed_total", "TLS handshakes that resumed a session.") \
    X(TLS_FAILED,    "tls_handshakes_failed_total", "TLS handshakes that came to nothing.") \
    X(TLS_PLAIN,     "tls_plain_connections_total", "Connections without TLS to a TLS address.") \
    X(MISDIRECTED,   "misdirected_requests_total",  "Requests for a host of another TLS context.")

#endif
