/*
 * conn.h - one connection, without a descriptor, a loop or a clock.
 *
 * The shell owns one adapter (the protocol), one input buffer, one output queue, one deadline and
 * the reason for its end. The driver asks what it wants and does it: bytes and the time go in,
 * bytes and wishes come out. An upgrade swaps the adapter; bytes that were read already go to the
 * new one.
 *
 * A turn of the driver is:   conn_received() or conn_expired() or conn_woken()
 *                            conn_output() … conn_sent(), as long as the socket takes it
 *                            conn_settle()
 * Between two turns nothing in here points into the driver's scratch buffer.
 */
#ifndef SLV_CONN_H
#define SLV_CONN_H

#include "base/addr.h"
#include "base/close.h"
#include "base/outq.h"
#include "base/wheel.h"
#include "conn/tls_text.h"

struct arena;
struct conn;
struct proxied;

/* What a connection wants, as a set; 0: nothing but time. */
enum {
    CONN_READ = 1 << 0,
    CONN_WRITE = 1 << 1,
    CONN_SHUT = 1 << 2,            /* tell the peer that no more comes (shutdown for writing) */
    CONN_CLOSE = 1 << 3            /* nothing more to do: free it and close */
};

/* The states of DESIGN: what a connection is doing, for logs, metrics and tests. */
enum conn_state {
    CONN_RECEIVING_HEADERS,
    CONN_RECEIVING_BODY,
    CONN_DISPATCHING,              /* DispatchingOrSending */
    CONN_STREAMING,
    CONN_UPGRADED,
    CONN_CLOSING,
    CONN_CLOSED
};

/* "ReceivingHeaders" … "Closed". */
const char *conn_state_name(enum conn_state state);

/* How a connection is being let go. */
enum conn_drain { CONN_STAY, CONN_DRAIN_LAZY, CONN_DRAIN_NOW };

/* How the driver should treat the socket; the adapter passes them on from the configuration. */
enum {
    CONN_NO_SENDFILE = 1 << 0,     /* read files and write them */
    CONN_NO_DELAY_OFF = 1 << 1,    /* let Nagle's algorithm collect small writes */
    CONN_CORK = 1 << 2,            /* hold a head back until the file behind it fills the segment */
    CONN_RESET_ON_TIMEOUT = 1 << 3 /* drop a connection that timed out with RST */
};

/*
 * A protocol. state is the adapter's own object; c its shell.
 */
struct adapter {
    const char *name;
    /*
     * Takes bytes and returns how many it is done with; fewer: it is paused (an answer is on its
     * way). What is left is kept and fed again, at the latest after the next produce. The bytes
     * may be changed in place. They stay where they are until settle or the next feed.
     */
    size_t (*feed)(void *state, struct conn *c, char *data, size_t n, ms_t now);
    /*
     * The peer sends no more. Called at once, though kept bytes may wait still (conn_kept()), and
     * again when those have been fed.
     */
    void (*eof)(void *state, struct conn *c, ms_t now);
    /* Bytes would be taken now. */
    bool (*may_feed)(const void *state);
    /* Bytes have left, or there is room in the queue: note it, queue more. */
    void (*produce)(void *state, struct conn *c, ms_t now);
    /* When it must be woken if nothing happens; MS_NEVER: never. */
    ms_t (*deadline)(const void *state, const struct conn *c);
    void (*expired)(void *state, struct conn *c, ms_t now);
    /* c->drain has become stricter. */
    void (*drain)(void *state, struct conn *c, ms_t now);
    /*
     * The end of a turn: views into bytes that were fed must go. kept are the bytes that the shell
     * keeps for the next feed, moved to where they now lie.
     */
    void (*settle)(void *state, struct conn *c);
    enum conn_state (*state)(const void *state);
    /* Something panicked: one line about the work in hand. */
    size_t (*describe)(const void *state, char *buf, size_t size);
    /* The connection is over, for this reason; free everything. */
    void (*free)(void *state, struct conn *c, enum close_reason reason);
};

/* What is in force for a connection as a whole, whatever is spoken on it. */
struct conn_limits {
    ms_t send_timeout;             /* without a byte taken; MS_NEVER: none */
    ms_t lingering_time;           /* reading on after the last answer; 0: off */
    uint8_t options;               /* CONN_NO_… */
};

/* What a connection may ask of whoever moves its bytes; arg is c->driver_arg. */
struct conn_driver {
    void (*wake)(void *arg);       /* a turn is wanted */
    void (*turns)(struct conn *const *all, size_t n); /* see conn_turns() */
    void (*find_local)(struct conn *c, void *arg); /* fill c->local; may be NULL */
    /* Something about the encryption, in the arena or a constant; .p NULL: there is no such. */
    struct str (*tls_text)(void *arg, enum tls_text what, struct arena *arena);
};

struct conn {
    unsigned magic;
#define CONN_MAGIC 0x5ca1ab1eu
    uint8_t drain;                 /* enum conn_drain */
    uint8_t reason;                /* enum close_reason; CLOSE_NONE while it lives */
    bool eof;                      /* the peer sends no more */
    bool closing;                  /* no more input is fed; what is queued still leaves */
    bool linger;                   /* after that, read and drop until the peer closes */
    bool shut;                     /* the driver has shut the writing side */
    bool broken;                   /* the transport is of no more use */
    bool was_empty;                /* nothing waited to be written when the last turn ended */
    unsigned requests;             /* served or begun on this connection */
    uint32_t in_size, in_room, in_fed; /* of in; in_fed: taken in this turn */
    uint16_t refuse_with;          /* the status for all its requests: 495 … 497; 0: none */
    const struct adapter *adapter;
    void *state;
    const struct conn_driver *driver; /* NULL: none, as in some tests */
    void *driver_arg;
    struct outq out;
    ms_t last_write;               /* when bytes last left, or began to wait */
    const struct conn_limits *limits; /* the adapter keeps them up to date; never NULL */
    char *in;                      /* bytes kept for the next feed; NULL mostly */
    /* What is above lies together: a turn in which nothing special happens needs no more. */
    ms_t linger_until;
    /* For logs and access rules; set by the driver after conn_new(). */
    uint64_t number;
    ms_t opened;
    struct addr peer;              /* who has connected; whom it speaks for is another matter */
    struct addr local;             /* family ADDR_NONE until somebody asks conn_local() */
    struct proxied *proxied;       /* what a PROXY header named, owned; NULL: nobody */
    const void *listen;            /* struct listen_addr */
    const void *tls;               /* encrypted, and this struct server was asked for; or NULL */
};

/* Takes the adapter's state. */
struct conn *conn_new(const struct adapter *adapter, void *state, ms_t now);

/* Frees the adapter with the reason (CLOSE_ABORTED where none was set), drops what is queued. */
void conn_free(struct conn **c);

/* What it wants of the driver now, a set of CONN_*. */
unsigned conn_want(const struct conn *c);

/* Bytes were read that have not been fed yet; those of the feed in hand count. */
static inline bool conn_kept(const struct conn *c)
{
    return c->in_size > c->in_fed;
}

/*
 * n bytes arrived at data, which belongs to the driver and may be changed; 0: the peer sends no
 * more.
 */
void conn_received(struct conn *c, char *data, size_t n, ms_t now);

/* Something waits to be written, and the transport is there. */
static inline bool conn_has_output(const struct conn *c)
{
    return !c->broken && !outq_empty(&c->out);
}

/* Memory to write now, or (0 and *file set) a file range; 0 and NULL: nothing. */
size_t conn_output(const struct conn *c, struct iovec *iov, size_t max,
                   const struct outq_span **file);

/* n bytes have left. May feed kept input and queue more. */
void conn_sent(struct conn *c, size_t n, ms_t now);

/* CONN_SHUT has been done. */
void conn_shut(struct conn *c, ms_t now);

/* When conn_expired() is to be called if nothing happens before; MS_NEVER: never. */
ms_t conn_deadline(const struct conn *c);

/* The deadline has passed (checked again here). */
void conn_expired(struct conn *c, ms_t now);

/* The local address, asked of the kernel the first time. */
const struct addr *conn_local(struct conn *c);

/* Something became ready outside the turns (conn_wake()); lets the adapter produce. */
void conn_woken(struct conn *c, ms_t now);

/* Asks the driver for a turn. */
void conn_wake(struct conn *c);

#define CONN_TURNS_MAX 128

/*
 * For those who wake many connections of one driver, CONN_TURNS_MAX at most: their turns, now, and
 * never while one is being taken. Afterwards any of them may be gone. One may be named twice.
 * Connections without a driver have none.
 */
void conn_turns(struct conn *const *all, size_t n);

/* The end of a turn. */
void conn_settle(struct conn *c);

/* Ends it: nothing more is read or written. The only way down besides conn_close(). Idempotent. */
void conn_fail(struct conn *c, enum close_reason reason);

/*
 * Ends it in order: what is queued still leaves; linger: then input is read and dropped for a
 * while.
 */
void conn_close(struct conn *c, enum close_reason reason, bool linger);

void conn_drain(struct conn *c, enum conn_drain how, ms_t now);

enum conn_state conn_state(const struct conn *c);

/*
 * Puts another protocol in place of this one, whose state is freed; kept bytes go to the new one.
 */
void conn_upgrade(struct conn *c, const struct adapter *adapter, void *state);

#endif
