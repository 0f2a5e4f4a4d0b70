/*
 * tls.h - TLS on connections, for the files of this layer and above; OpenSSL does not show.
 *
 * A struct tls is what a connection has besides its socket: from the first byte on an SSL object,
 * and ciphertext only while the socket does not take it. Everything that is needed within a turn
 * alone (what was read, what is to be sent, what is gathered into a record) belongs to the worker,
 * and OpenSSL reads and writes there through one BIO for all connections. So an idle connection
 * has no buffer but what OpenSSL cannot let go of.
 *
 *   tls_new()      accepted, nothing read yet: the connection speaks tls_adapter, "the handshake"
 *   tls_begin()    the first byte says that it is TLS
 *   tls_take()     shakes hands, then decrypts
 *   tls_put()      encrypts
 *   tls_goodbye()  close_notify
 */
#ifndef SLV_TLS_H
#define SLV_TLS_H

#include "conn/conn.h"
#include "core/server.h"
#include "core/tls_conf.h"

struct tls;

/* Makes contexts of the configuration; for struct config_source. */
extern const struct tls_backend tls_backend;

/* In a process that serves nobody: wipes private keys and ticket keys. */
void tls_forget(const struct config *config);

/* What all connections of a worker share: once before the first, and after the last. */
void tls_worker_start(void);
void tls_worker_stop(void);

/* A connection to an address with TLS; the handshake is to be over at the deadline. */
struct tls *tls_new(const struct listen_addr *at, ms_t deadline);
void tls_free(struct tls **t);

/* What a connection speaks until its handshake is over; the state is its struct tls. */
extern const struct adapter tls_adapter;

/* The virtual host that the handshake was for. */
const struct server *tls_server(const struct tls *t);

/*
 * What the client's certificate means for its requests: 495 (it does not hold), 496 (it is missing)
 * or 0. Says why in the log.
 */
int tls_judge_client(const struct tls *t, const struct conn *c);

/* struct conn_driver: tls_text */
struct str tls_text(const struct tls *t, enum tls_text what, struct arena *arena);

#endif
