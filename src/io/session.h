/*
 * session.h - one socket and its connection: the driver.
 *
 * Does what struct conn wants: reads, writes, waits. Owns the descriptor.
 */
#ifndef SLV_SESSION_H
#define SLV_SESSION_H

#include "base/list.h"
#include "conn/conn.h"
#include "io/loop.h"
#include "io/transport.h"

struct session;

/* What all sessions of a worker share. */
struct session_host {
    struct loop *loop;
    struct link sessions;
    size_t count;
    struct link late;              /* those that were woken in their turn, for the next one */
    char *scratch;                 /* where reads go: one for all, used within a turn only */
    char *file_scratch;            /* for files that are read instead of sent by sendfile() */
    void (*closed)(void *arg);     /* a session has gone */
    /*
     * A connection that began with a handshake is now known to be encrypted, c->tls is set; or not
     * to be, and c->refuse_with is. What is spoken on it must be put in place.
     */
    void (*opened)(struct conn *c, void *arg);
    void *arg;
};

#define SESSION_SCRATCH (64 * 1024)

/*
 * Takes fd, c, and tls (NULL: not encrypted), and gives the connection its first turn: a client
 * that connects usually has something to say. The session may be gone when this returns.
 */
void session_start(struct session_host *host, int fd, struct tls *tls, struct conn *c);

/* Turns for those in host->late. arg: the host. What loop_call_next() is to call. */
void sessions_late(void *arg);

/* Passes conn_drain() on to all sessions. */
void sessions_drain(struct session_host *host, enum conn_drain how);

/* Ends all sessions now. */
void sessions_abort(struct session_host *host, enum close_reason reason);

#endif
