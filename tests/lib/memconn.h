/*
 * memconn.h - an HTTP/1 connection driven from strings, with a clock that tests turn.
 *
 * It does what a driver does (read, write, shut down, close when the connection wants to) without
 * a descriptor. Behind the adapter sits the application of memapp.h. Each turn reads through a
 * heap block of exactly the bytes that arrived; after the turn the block is overwritten and freed,
 * so that a view that was left behind shows. Nothing here counts in mem_calls().
 *
 * Owner: struct memconn is the test's; memconn_free() gives back what hangs on it.
 */
#ifndef SLV_MEMCONN_H
#define SLV_MEMCONN_H

#include "conn/conn.h"
#include "http/exchange.h"
#include "memapp.h"

struct memconn {
    struct conn *c;                /* NULL once it is closed */
    ms_t now;                      /* the fake clock */
    struct h1_limits limits;       /* may be changed before a request begins */
    struct memapp app;
    struct memtext out;            /* all that was written, as the peer sees it */
    size_t write_max;              /* bytes that the peer takes at a time; 0: all there are */
    unsigned writes_max;           /* times a turn that it takes some; 0: no limit */
    bool blocked;                  /* it takes nothing now */
    unsigned turns, writes;
    unsigned wakes;                /* calls of conn_wake() */
    bool woken;                    /* one of them waits for its turn */
    bool shut;                     /* our side has been shut down for writing */
    enum close_reason reason;      /* once it is closed */
    uintptr_t scratch;             /* where the last read lay; it is gone by now */
};

/* A new connection at 1,000,000 ms, limits as in memconn_limits. */
void memconn_init(struct memconn *m);

/*
 * The same with other hooks than the application's, and with what they expect to find at the
 * connection. limits NULL: those of m.
 */
void memconn_serve(struct memconn *m, const struct http_hooks *hooks,
                   const struct h1_limits *limits, const void *listen);
extern const struct h1_limits memconn_limits;

/* Ends it as an abort where it still lives, and frees everything. */
void memconn_free(struct memconn *m);

/* A turn with bytes from the peer. Returns n, or 0 where the connection does not want to read. */
size_t memconn_feed(struct memconn *m, const char *data, size_t n);
void memconn_feed_str(struct memconn *m, const char *text);

/* The same in pieces of size bytes each, with turns for writing while it does not want to read. */
void memconn_feed_pieces(struct memconn *m, const char *data, size_t n, size_t size);

/* The peer sends no more; it has gone for good. */
void memconn_eof(struct memconn *m);
void memconn_reset(struct memconn *m);

/* A turn without input: wake-ups are seen, what waits is written. */
void memconn_turn(struct memconn *m);

/* Turns until nothing waits to be written, the peer is blocked, or it is closed. */
void memconn_flush(struct memconn *m);

/* Lets time pass; deadlines within it are noticed when they are due. */
void memconn_wait(struct memconn *m, ms_t ms);

void memconn_drain(struct memconn *m, enum conn_drain how);

/* What it wants; CONN_CLOSE once it is closed. Its state's name; "Closed" likewise. */
unsigned memconn_want(const struct memconn *m);
const char *memconn_state(const struct memconn *m);

/* Forgets the output so far. */
void memconn_clear(struct memconn *m);

/*
 * The output in words: the status of each answer, then the state, and the reason where it is
 * closing or closed: "200 100 200 | ReceivingHeaders", "400 | Closing bad_request". "malformed" or
 * "cut" stands in place of an answer that is. Valid until the next call.
 */
const char *memconn_verdict(const struct memconn *m);

/* The output without Date lines, NUL-terminated. Valid until the next call. */
const char *memconn_undated(const struct memconn *m);

/* NULL, or what does not add up once the connection is closed: ends, stops, releases. */
const char *memconn_unbalanced(const struct memconn *m);

#endif
