/*
 * fake_request.h - a request made by hand: for tests of what comes behind the parser.
 *
 * It has an exchange, the core's context and a connection that leads nowhere. Tests set what they
 * need in x, ctx and conn. What the core answers for a module (slv_alloc() and the like) is there
 * in a simple form that gives way to the real one where that is linked.
 */
#ifndef SLV_FAKE_REQUEST_H
#define SLV_FAKE_REQUEST_H

#include "conn/conn.h"
#include "core/config.h"
#include "core/context.h"
#include "core/server.h"
#include "http/exchange.h"

struct fake_request {
    struct slv_request *r;         /* &x->req */
    struct exchange *x;
    struct context ctx;
    struct conn conn;              /* 192.0.2.1:4242 to 198.51.100.7:8080, number 7 */
    struct server server;          /* named "site.example" */
    char *head;                    /* the text, from the heap */
};

/*
 * Takes a request head apart: "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n". Nothing is checked or
 * decoded; host is the Host field in lower case up to a colon.
 */
struct fake_request *fake_request_new(const struct config *config, const char *head);
void fake_request_free(struct fake_request **f);

/*
 * Moves the message as the adapter does at the end of a turn, and frees its old bytes, so that a
 * sanitizer notices a view that was left behind. Once.
 */
void fake_request_move(struct fake_request *f);

#endif
