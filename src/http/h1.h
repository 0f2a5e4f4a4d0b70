/*
 * h1.h - HTTP/1.0 and 1.1 on a connection: the adapter.
 *
 * One exchange at a time is received and answered; the next one begins when the answer has been
 * queued whole and the request read whole (H-18). Answers leave in order and are batched:
 * exchanges whose answers wait in the output queue are kept until the last byte has left, then
 * logged.
 */
#ifndef SLV_H1_H
#define SLV_H1_H

#include "conn/conn.h"
#include "http/exchange.h"

extern const struct adapter h1_adapter;

/*
 * The adapter's state for conn_new(&h1_adapter, …). limits: those of the listener's default
 * server.
 */
struct h1 *h1_new(const struct http_hooks *hooks, const struct h1_limits *limits, ms_t now);

/* A promised answer (ANSWER_LATER) was given, or a source has more: asks the driver for a turn. */
void h1_wake(struct exchange *x);

#endif
