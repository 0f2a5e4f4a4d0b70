/*
 * deflate.h - permessage-deflate (RFC 7692): what is agreed, and messages in and out of it.
 *
 * Where each message begins anew (no context takeover), streams belong to the worker and a
 * connection holds nothing between two messages. Where contexts live on, the streams are the
 * connection's, and their memory is taken from a budget of the worker: when that is used up, new
 * connections are told to do without.
 */
#ifndef SLV_WEBSOCKET_DEFLATE_H
#define SLV_WEBSOCKET_DEFLATE_H

#include <selvage/str.h>

#include <stdbool.h>
#include <stdint.h>

/* websocket_deflate */
struct deflate_settings {
    bool enabled;
    bool takeover;                 /* contexts may live from one message to the next */
    int window;                    /* bits, 9 to 15, for either direction */
    int64_t memory;                /* of the worker, for contexts and messages at hand */
};

/* What was agreed for a connection. */
struct deflate_terms {
    bool agreed;
    bool server_takeover, client_takeover;
    int8_t server_window, client_window; /* bits, 8 to 15 */
    bool say_server_window, say_client_window; /* they are named in the answer */
};

enum { DEFLATE_ANSWER_MAX = 160 };

/*
 * Looks through the offers of one Sec-WebSocket-Extensions value and takes the first acceptable
 * one, unless terms hold an agreement already. Returns 0, or -1 where the value is malformed.
 */
int deflate_negotiate(struct str value, const struct deflate_settings *settings,
                      struct deflate_terms *terms);

/* Writes the answer's field value. Returns its length. */
size_t deflate_answer(const struct deflate_terms *terms, char answer[DEFLATE_ANSWER_MAX]);

struct deflate;

/*
 * For a connection, once the terms are agreed. Takes from the budget what deflate_negotiate() has
 * seen to be there.
 */
struct deflate *deflate_new(const struct deflate_terms *terms,
                            const struct deflate_settings *settings);
void deflate_free(struct deflate **d);

enum inflate_result {
    INFLATE_OK,
    INFLATE_BAD,                   /* this is not deflate */
    INFLATE_FULL,                  /* the message would become longer than max */
    INFLATE_MEMORY                 /* the budget of the worker is used up */
};

/* Bytes that grow at their end, behind some that are left free at their beginning. */
struct bytes {
    char *p;                       /* from the heap, or NULL */
    size_t n, room;                /* used, allocated; room for a frame's head included */
};

/* Appends; at least by doubling. */
void bytes_add(struct bytes *b, const char *data, size_t n);
void bytes_reserve(struct bytes *b, size_t n);
void bytes_free(struct bytes *b);

/* Appends what a piece of a compressed message says; ends: the last one. max bounds out->n. */
enum inflate_result deflate_read(struct deflate *d, const char *data, size_t n, bool ends,
                                 size_t max, struct bytes *out);

/* Appends a message, compressed. */
void deflate_write(struct deflate *d, const char *data, size_t n, struct bytes *out);

/* Bytes taken from the budget so far. */
int64_t deflate_held(void);

/* Gives back what the worker keeps for messages to come. */
void deflate_clear(void);

#endif
