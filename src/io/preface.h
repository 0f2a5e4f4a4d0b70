/*
 * preface.h - what stands in front of a connection's own bytes: the header of the PROXY protocol.
 *
 * The session reads it before its transport reads anything. Exactly the header's bytes are taken
 * from the socket, so what follows is the transport's, be it TLS or plain.
 */
#ifndef SLV_PREFACE_H
#define SLV_PREFACE_H

#include "conn/conn.h"

struct preface;

/* For a connection that has arrived (c->listen is set); NULL where its address has no preface. */
struct preface *preface_new(const struct conn *c);

/* Frees it, read or not. */
void preface_free(struct preface **preface);

/*
 * Reads what has come, by way of scratch (of PREFACE_SCRATCH bytes at least). True: that was all
 * of it, and c->proxied is set if it names somebody. On anything else than a header the connection
 * fails, with a line in the error log.
 */
bool preface_read(struct preface *preface, int fd, struct conn *c, char *scratch);

#define PREFACE_SCRATCH 4096

/* It has not come in time: the connection fails likewise. */
void preface_expired(const struct preface *preface, struct conn *c);

#endif
