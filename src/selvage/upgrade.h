/*
 * upgrade.h - another protocol in the place of HTTP on a request's connection (RFC 9110 section
 * 7.8).
 *
 * A content hook that accepts an upgrade calls slv_upgrade() with a protocol and its state. The
 * server queues the 101, and from the byte behind the request on everything that arrives goes to
 * the protocol. What it writes leaves behind the 101. The request lives on, and is logged when the
 * connection ends. Idle time-outs are the protocol's own affair; send_timeout stays in force.
 */
#ifndef SELVAGE_UPGRADE_H
#define SELVAGE_UPGRADE_H

#include <selvage/request.h>

/* The connection as a protocol sees it; valid from open to free. */
struct slv_tunnel;

/* No deadline. */
#define SLV_NEVER INT64_MAX

/* Why a protocol ends a connection: for the log and the counters. */
enum slv_end {
    SLV_END_DONE,                  /* in order, as the protocol has it */
    SLV_END_GONE,                  /* the peer sends no more, and did not say goodbye */
    SLV_END_PROTOCOL,              /* the peer broke the rules of the protocol */
    SLV_END_DATA,                  /* it sent data that its type does not allow */
    SLV_END_TOO_LARGE,             /* it sent more than is allowed */
    SLV_END_SLOW,                  /* it takes less than it is sent */
    SLV_END_SILENT,                /* it does not answer any more */
    SLV_END_DRAINED,               /* this worker is being replaced or stopped */
    SLV_END_FAILED                 /* the server cannot go on */
};

/* A protocol. state is its own object. All calls but free come from one turn of the loop each. */
struct slv_protocol {
    const char *name;              /* its token in Upgrade */
    /* The 101 has been queued: from here on the protocol may write. May be NULL. */
    void (*open)(void *state, struct slv_tunnel *t);
    /*
     * Takes bytes, which may be changed, and returns how many it is done with; fewer, once it is
     * paused: the rest is kept, and fed again when may_feed says so. They stay where they are until
     * the end of the turn.
     */
    size_t (*feed)(void *state, struct slv_tunnel *t, char *data, size_t n);
    /* Bytes would be taken now. Asked again when bytes have left. */
    bool (*may_feed)(const void *state);
    /* The peer sends no more. */
    void (*eof)(void *state, struct slv_tunnel *t);
    /* Bytes have left, or slv_tunnel_wake() was called. May be NULL. */
    void (*produce)(void *state, struct slv_tunnel *t);
    /* When expired is to be called, on the clock of slv_tunnel_now(); SLV_NEVER: not. */
    int64_t (*deadline)(const void *state);
    void (*expired)(void *state, struct slv_tunnel *t);
    /*
     * This worker takes no more connections and will end: within slv_drain_delay(), or at once,
     * where nobody follows. May be called again with at_once.
     */
    void (*drain)(void *state, struct slv_tunnel *t, bool at_once);
    /* The connection is over, whoever ended it. t is NULL where open was never called. */
    void (*free)(void *state, struct slv_tunnel *t);
};

/* HTTP/1.1, "upgrade" among the options of Connection, and the token among those of Upgrade. */
SLV_API bool slv_upgrade_offered(const struct slv_request *r, struct str token);

/*
 * Accepts: answers with 101 and what slv_header_out() has added. Returns SLV_DONE and has taken
 * state, or -1 where the request offers no such upgrade or was answered.
 */
SLV_API int slv_upgrade(struct slv_request *r, const struct slv_protocol *protocol, void *state);

/*
 * Queues bytes: a copy; bytes that stay where they are until the end of the turn (those of feed,
 * for one); bytes whose owner gives them back when they have left or are given up (release may be
 * NULL). Once the connection is being closed nothing is queued.
 */
SLV_API void slv_tunnel_write(struct slv_tunnel *t, const void *data, size_t size);
SLV_API void slv_tunnel_write_turn(struct slv_tunnel *t, const void *data, size_t size);
SLV_API void slv_tunnel_write_owned(struct slv_tunnel *t, const void *data, size_t size,
                                    void (*release)(void *owner), void *owner);

/* Bytes that wait to leave. */
SLV_API size_t slv_tunnel_waiting(const struct slv_tunnel *t);

/*
 * Ends it: what is queued still leaves. linger: then what the peer still sends is read and dropped
 * for lingering_time, so that the last words are not reset away.
 */
SLV_API void slv_tunnel_close(struct slv_tunnel *t, enum slv_end why, bool linger);

/* Ends it at once, with what is queued. */
SLV_API void slv_tunnel_abort(struct slv_tunnel *t, enum slv_end why);

/* Asks for a turn: produce will be called. */
SLV_API void slv_tunnel_wake(struct slv_tunnel *t);

/* Milliseconds on a clock that never goes back, as of the turn at hand or the last one. */
SLV_API int64_t slv_tunnel_now(const struct slv_tunnel *t);

/* The request that began it. */
SLV_API struct slv_request *slv_tunnel_request(const struct slv_tunnel *t);

/*
 * A random delay below drain_window, milliseconds: when a connection of this request's location is
 * to be sent away, so that not all clients come back at the same moment.
 */
SLV_API int64_t slv_drain_delay(const struct slv_request *r);

#endif
