/*
 * relay.h - channels that several machines share, by way of a Redis server: what its process does.
 *
 * All machines append to one stream on the server, PREFIX:log, with a script that gives each
 * message the next id of its channel (PREFIX:id:CHANNEL); and all of them read that stream and
 * place what they find in their own hub. So every machine has the same messages with the same ids
 * in the same order, and a client may go on at any of them.
 *
 * Letters are taken from the outbox and sent without waiting for each other, at most some hundreds
 * at a time. A letter leaves when the server has answered for it. When the connection breaks,
 * nobody knows which of those under way have arrived: all are sent again, and the script knows by
 * their numbers (PREFIX:from:ORIGIN) those that it has seen.
 */
#ifndef SLV_RELAY_H
#define SLV_RELAY_H

#include "core/config.h"
#include "core/hub.h"

#include <stdbool.h>

/* Lines for the master's log are written to words, which also tells when it has gone. */
_Noreturn void relay_run(struct hub *h, const struct hub_backend *server,
                         const struct hub_bounds *bounds, int words);

#endif
