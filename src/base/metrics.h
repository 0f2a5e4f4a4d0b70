/*
 * metrics.h - counters that processes share: each worker counts in a seat of its own, whoever wants
 * to know adds the seats up.
 *
 * A seat is written by one process alone, so counting is one addition without a lock. The master
 * gives a seat to each worker it starts, and puts what a worker has counted to what all dead ones
 * have counted when it is reaped: totals outlive workers and reloads, and never go back.
 */
#ifndef SLV_METRICS_H
#define SLV_METRICS_H

#include "base/close.h"
#include "base/tbl/counters.h"

#include <stddef.h>
#include <stdint.h>

enum counter {
#define X(id, name, help) COUNTER_##id,
    COUNTERS(X)
#undef X
    COUNTER_COUNT
};

struct metrics {
    uint64_t counter[COUNTER_COUNT];
    uint64_t closed[CLOSE_COUNT];  /* connections that have ended, by reason */
};

/* Where this process counts: private memory until metrics_sit(). Never NULL. */
extern struct metrics *metrics_mine;

/* Counts. */
static inline void metrics_add(enum counter c, uint64_t n)
{
    metrics_mine->counter[c] += n;
}

/* "requests_total", and what it is. */
const char *metrics_name(enum counter c);
const char *metrics_help(enum counter c);

/* ---- Seats ----------------------------------------------------------------------------------- */

#define METRICS_SEATS 1024u

/* Makes the seats, in memory that forked processes share. Once; without it nothing is shared. */
void metrics_share(void);

/* Takes a free seat; METRICS_SEATS: there is none, its process then counts for itself. */
unsigned metrics_take(void);

/* This process counts in that seat from now on. */
void metrics_sit(unsigned seat);

/*
 * The process of that seat has ended, and with it connections that it had no time to count: they
 * count as CLOSE_DIED.
 */
void metrics_leave(unsigned seat);

/* What all have counted, dead or alive; without seats: what this process has. */
void metrics_sum(struct metrics *out);

/* Connections that are open, by such a sum. */
uint64_t metrics_open(const struct metrics *m);

#endif
