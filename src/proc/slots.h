/*
 * slots.h - when a worker that has ended is started again: policy without processes.
 *
 * Every worker has a slot. Its past decides how soon it gets a successor:
 *
 *   exit status 2                      never: it said that trying again is of no use
 *   exit status 0, having been ready   at once: somebody asked that worker to go
 *   ended before it was ready          after 1, 2, 4 … 60 s, whatever it was before
 *   ended within 5 s, never healthy    the same
 *   ended later                        at once
 *   once healthy (ready and 60 s old)  at once, from then on: a crash that somebody triggers from
 *                                      outside must not be able to stop the service
 *
 * Knows no clock and no process: both come as arguments.
 */
#ifndef SLV_SLOTS_H
#define SLV_SLOTS_H

#include "base/wheel.h"

#include <stdbool.h>
#include <stddef.h>

#define SLOT_QUICK_DEATH 5000      /* ms */
#define SLOT_HEALTHY_AFTER 60000
#define SLOT_DELAY_FIRST 1000
#define SLOT_DELAY_LONGEST 60000

/* The exit status of a worker that must not be tried again. */
#define EXIT_FATAL 2

enum slot_state {
    SLOT_WAITING,                  /* wants a worker, at "when" */
    SLOT_RUNNING,
    SLOT_GIVEN_UP
};

struct slot {
    enum slot_state state;
    bool ready;                    /* the running worker has reported that it serves */
    bool healthy;                  /* some worker here was ready and lived long */
    ms_t started;
    ms_t delay;                    /* before the last start; 0: none */
    ms_t when;                     /* while waiting: the time to start */
};

struct slots {
    unsigned magic;
#define SLOTS_MAGIC 0x510751e5u
    size_t count;
    struct slot *list;             /* from the heap */
};

/* All slots wait for a worker, now. */
void slots_init(struct slots *s, size_t count, ms_t now);
void slots_free(struct slots *s);

/* The worker of a slot was started. */
void slots_started(struct slots *s, size_t slot, ms_t now);

/* Starting it failed: counts as a death. */
void slots_failed(struct slots *s, size_t slot, ms_t now);

/* The worker reported that it serves. */
void slots_ready(struct slots *s, size_t slot);

/* The worker has ended with a status as of wait(2). Returns what becomes of its slot. */
enum slot_state slots_exited(struct slots *s, size_t slot, int status, ms_t now);

/* The slot whose turn it is to be started, or count. */
size_t slots_due(const struct slots *s, ms_t now);

/* When the next one is due; MS_NEVER: none waits. */
ms_t slots_next(const struct slots *s);

/* Are all slots running and ready, or given up; and at least one ready? */
bool slots_settled(const struct slots *s);

/* No worker will be started any more. */
bool slots_all_given_up(const struct slots *s);

#endif
