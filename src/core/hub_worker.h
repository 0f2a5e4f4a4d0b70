/*
 * hub_worker.h - the hub in a worker: who listens here, and the functions of <selvage/hub.h>.
 */
#ifndef SLV_HUB_WORKER_H
#define SLV_HUB_WORKER_H

#include "core/hub.h"

/*
 * From now on the functions for modules work on this hub, in which the process has taken its seat.
 * Both must outlive hub_unuse().
 */
void hub_use(struct hub *h, const struct hub_bounds *bounds);

/* They refuse from now on; there must be no subscriber left. */
void hub_unuse(void);

/*
 * As slv_hub_subscribe(), for the client of that number; 0: nobody's. s->connection has been
 * filled: NULL where there is none.
 */
enum slv_hub_result hub_subscribe(struct slv_hub_subscriber *s, struct str channel, uint64_t after,
                                  uint64_t client, struct slv_hub_most most);

/* hub_wake_fd() is readable: wakes subscribers that have news. arg: the hub. */
void hub_woken(void *arg);

/* The worker is about to wait: what was read may be overwritten. */
void hub_turn_over(void);

#endif
