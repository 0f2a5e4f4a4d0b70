/*
 * service.h - a worker's connections: accepting, counting, draining.
 */
#ifndef SLV_SERVICE_H
#define SLV_SERVICE_H

#include "core/config.h"
#include "io/loop.h"

struct service;

/*
 * Starts to accept on the sockets of the configuration. slot: which of a reuseport socket's
 * descriptors is this worker's. emptied(arg) is called once, when a draining service has lost its
 * last connection.
 */
struct service *service_new(struct loop *loop, const struct config *config, unsigned slot,
                            void (*emptied)(void *arg), void *arg);

/*
 * Stops accepting and lets connections end. successor: another worker takes new connections, so
 * idle ones wait for their next request, which is answered with Connection: close, or idle out;
 * without a successor idle ones are closed at once. May be called again with a stricter word.
 */
void service_drain(struct service *s, bool successor);

/* Ends every connection now. */
void service_abort(struct service *s);

/* Connections that are open. */
size_t service_count(const struct service *s);

/* Frees everything; connections that are left are aborted. */
void service_free(struct service **s);

#endif
