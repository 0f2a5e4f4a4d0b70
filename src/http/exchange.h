/*
 * exchange.h - one request and its answer.
 *
 * Made by the HTTP/1 adapter when the first byte of a request arrives, given back when the last
 * byte of the answer has left or the connection is lost. The adapter fills the request part, the
 * core decides (struct http_app), respond.c turns the decision into bytes. Several may live on
 * one connection: one that is being received or answered, and those whose answers wait in the
 * output queue.
 *
 * Memory from the arena lives as long as the exchange. What the adapter and the core keep of the
 * message lies in an arena of its own, and may be moved between two turns of the loop by
 * exchange_settle(), which knows all of it. So an exchange that goes on for hours, a stream or
 * another protocol, holds no more than it needs.
 */
#ifndef SLV_EXCHANGE_H
#define SLV_EXCHANGE_H

#include <selvage/upgrade.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/close.h"
#include "base/list.h"
#include "base/wheel.h"
#include "conn/conn.h"
#include "http/target.h"

#include <stdarg.h>

struct exchange;
struct h1;
struct parse;

#define EXCHANGE_HEADERS_MAX 128

/* Of a body that nobody wants, this much is read and dropped so that the connection can be kept. */
#define EXCHANGE_UNREAD_MAX (64 * 1024)

/*
 * Blocks of the two arenas: what modules get, of which there may be little (an idle WebSocket fits
 * into one block); and the message.
 */
#define EXCHANGE_ARENA 288
#define EXCHANGE_MESSAGE 2048

/* A header field of the answer. */
struct header_out {
    struct header_out *next;
    struct str name, value;
};

/* How far the answer is. */
enum answer_state {
    ANSWER_NONE,                   /* nothing decided yet */
    ANSWER_LATER,                  /* promised by a handler */
    ANSWER_STREAMING,              /* head queued, a source is being pulled */
    ANSWER_COMPLETE,               /* all of it queued */
    ANSWER_UPGRADED,               /* 101 queued: another protocol follows */
    ANSWER_ABANDONED               /* closed without an answer (444), or broken off */
};

/* How the end of the answer's body is told (RFC 9112 section 6). */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

/*
 * Time and size limits that are in force for an exchange; the core changes them when it has
 * routed.
 */
struct h1_limits {
    ms_t header_timeout;           /* from the first byte of the head to its last */
    ms_t body_timeout;             /* from the end of the head; each byte that came adds 1 ms */
    ms_t keepalive_timeout;        /* between two requests; 0: no keep-alive */
    struct conn_limits conn;       /* what the shell and its driver are given */
    int64_t body_max;              /* 0: no limit */
    size_t header_buffer;          /* longest request line or field */
    size_t header_buffers;         /* times this: the whole head */
    unsigned keepalive_requests;   /* on one connection */
};

/*
 * What the HTTP/1 adapter asks of the application, in this order: begin, headers, body…, request,
 * done. An answer may be given in headers (a refusal before the body is read), request, or later.
 */
struct http_hooks {
    /* The first byte of a request has arrived. */
    void (*begin)(struct exchange *x);
    /* The head is complete and well formed; a body may follow. */
    void (*headers)(struct exchange *x);
    /* Payload of the body, borrowed for this call; not called once an answer was given. */
    void (*body)(struct exchange *x, const char *data, size_t n);
    /* The message is complete and no answer was given yet. */
    void (*request)(struct exchange *x);
    /* The message is malformed or beyond a limit: answer with this status. */
    void (*refuse)(struct exchange *x, int status);
    /*
     * The views of x->req have been moved. May be NULL. packed: x->message has been replaced; what
     * the application keeps in there has to move to x->message, where app_size bytes are left.
     */
    void (*moved)(struct exchange *x, bool packed);
    size_t app_size;
    /* All over: x->reason says how. The exchange is freed after this. */
    void (*done)(struct exchange *x);
};

struct exchange {
    struct slv_request req;        /* first: a struct slv_request * is a struct exchange * */
    unsigned magic;
#define EXCHANGE_MAGIC 0x3c8a96e0u
    enum close_reason reason;      /* for the log. NONE: answered and sent whole */
    struct link link;              /* in h1's queue of answers on their way */
    struct h1 *h1;                 /* whose; NULL for requests that a builder makes up */
    struct conn *conn;             /* NULL likewise */
    struct arena arena;
    struct arena message;          /* for what exchange_settle() moves */
    const struct h1_limits *limits;
    const struct http_hooks *hooks;
    void *app;                     /* the application's own: struct context, in message */
    struct parse *parse;           /* in message; NULL: packed */
    struct target *target;         /* the same; the request target in its parts, raw */

    /* The request. */
    struct slv_header *fields;     /* in message; req.headers is the same */
    const char *head;              /* first byte of the message, for moving the views */
    /* bytes of request line and header fields, blank line included */
    uint32_t head_size;
    uint32_t field_room;
    uint32_t head_seen;            /* bytes of the head so far */
    uint32_t head_room;            /* of the buffer that an unfinished head lies in */
    bool head_moved;               /* the head lies in message already */
    bool packed;                   /* message has the size of what it holds */
    bool body_expected, body_done; /* more than 0 bytes announced; all of them are in */
    bool expect_continue;
    bool wants_close;              /* by its version and Connection field (W-26..28) */
    bool upgrade;                  /* a valid Upgrade offer came with it */
    int64_t unread;                /* bytes of the body that came after the answer */
    int64_t body_received;
    int64_t received;              /* all bytes, as $request_length counts them */

    /* The answer. */
    uint8_t answer;                /* enum answer_state */
    uint8_t framing;               /* enum framing */
    uint16_t refusal;              /* the status for what parse.c refuses; 0: nothing */
    bool keep_alive;               /* decided when the head is written */
    bool close_after;              /* must not be kept alive (error, drain, unread body) */
    bool accept_ranges_out;
    int status;                    /* 0: none yet */
    uint32_t repeated;             /* known fields that came more than once, as 1 << enum */
    struct header_out *headers_out, **headers_out_end;
    /* Fields that have a place of their own in the head; empty: not sent. */
    struct str server_out, content_type_out, last_modified_out, etag_out, location_out;
    int64_t content_length_out;    /* -1: none sent */
    uint64_t head_out;             /* bytes of the answer's head */
    uint64_t out_begin, out_end;   /* positions in the connection's output queue */
    struct slv_source *source;
    int64_t source_left;           /* bytes that a source of known length still owes; -1: unknown */
    const struct slv_protocol *protocol; /* what follows a 101; NULL: nothing does */
    void *protocol_state;
    void (*release)(void *owner);  /* of the body; once, when the exchange is over */
    void *owner;

    /* For the log. */
    ms_t began;                    /* first byte (I-sojourn: W-18) */
    ms_t handled;                  /* the handler's start */
};

/* One from the worker's shelf or the heap, clean; and back to it. limits may be changed later. */
struct exchange *exchange_new(const struct http_hooks *hooks, const struct h1_limits *limits,
                              ms_t now);
void exchange_free(struct exchange **x);

/*
 * The end of one that was begun: its source and its protocol are told, it is logged, the body's
 * owner is released, the memory given back.
 */
void exchange_end(struct exchange *x, enum close_reason reason);

/*
 * The end of a turn: moves the head of a request that is complete to where it stays, once, and the
 * views with it. An exchange that has a long life before it is packed by that: all that lies in
 * x->message moves.
 */
void exchange_settle(struct exchange *x);

/*
 * Notes why the request is refused; the first refusal stays. Returns -1, for the callers' sake.
 */
int exchange_refuse(struct exchange *x, int status, enum close_reason reason);

/* Room for one more field at the end of x->fields, counted already; NULL: there are too many. */
struct slv_header *exchange_add_field(struct exchange *x);

/* Takes an exchange back from what modules hold. */
static inline struct exchange *exchange_of(const struct slv_request *r)
{
    struct exchange *x = (struct exchange *)(uintptr_t)r;

    AN(r != NULL && r->magic == SLV_REQUEST_MAGIC);
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    return x;
}

/*
 * The value of a field that is a list; several fields of the name are joined by commas in the arena
 * (RFC 9110 section 5.3). .p NULL: absent.
 */
struct str exchange_list(const struct exchange *x, enum slv_known_header h);

/* Bytes of the answer that have left so far: all, and of the body. */
uint64_t exchange_sent(const struct exchange *x);
uint64_t exchange_body_sent(const struct exchange *x);

#endif
