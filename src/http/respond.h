/*
 * respond.h - an answer into bytes: the head, and the one place where framing is chosen.
 */
#ifndef SLV_RESPOND_H
#define SLV_RESPOND_H

#include "http/exchange.h"

/*
 * Adds a header field of the answer; the views live as long as the exchange. Control bytes in the
 * value leave as spaces, so that no value begins another field.
 */
void respond_header(struct exchange *x, struct str name, struct str value);

/* The value of a field added with respond_header(), any case; .p NULL: none. */
struct str respond_header_find(const struct exchange *x, struct str name);

/* Takes back the fields of a name that were added with respond_header(), any case. */
void respond_header_drop(struct exchange *x, struct str name);

/*
 * Gives the answer: queues status line, fields (x->…_out and those added) and body. Chooses framing
 * (RFC 9112 section 6.3) and keep-alive (W-25..29). Takes the body, whose release runs when the
 * exchange is over. An answer must not have been given before.
 */
void respond(struct exchange *x, int status, const struct slv_body *body);

/* The same for pieces: what a multipart answer queues behind its head, size bytes in all. */
void respond_pieces(struct exchange *x, int status, const struct slv_body *pieces, size_t count);

/* Gives a prebuilt answer. */
void respond_wire(struct exchange *x, const struct slv_wire *wire);

/* The fields of the head, from Server to the blank line, in the exchange's arena. */
struct str respond_fields(struct exchange *x, enum framing framing);

/* A piece of a pulled body, copied. */
void respond_write(struct exchange *x, const void *data, size_t size);

/*
 * The same for bytes that stay where they are until the end of the turn. chunk: data with the
 * framing of a chunk around it.
 */
void respond_write_chunk(struct exchange *x, struct str chunk, struct str data);

/* Its end. */
void respond_end(struct exchange *x);

/* 101, with the fields added so far: protocol will speak behind it. Takes state. */
void respond_upgrade(struct exchange *x, const struct slv_protocol *protocol, void *state);

/* No answer: the connection is closed as it is. */
void respond_abandon(struct exchange *x);

/* Statuses that never have a body (RFC 9110 section 6.4.1). */
bool respond_bodiless(int status);

#endif
