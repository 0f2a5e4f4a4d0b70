/*
 * wheel.h - deadlines by the ten thousand for the price of a store.
 *
 * A hashed timing wheel: a ring of slots of WHEEL_TICK ms. An entry hangs in the slot of its
 * deadline or of an earlier one; moving a deadline later is one store, the entry is put where it
 * belongs when its slot comes round. So the usual case, a connection whose deadline moves with
 * every request, touches no list. Deadlines are absolute monotonic milliseconds and fire up to
 * one tick late, never early.
 *
 * Owner: entries are embedded in what they time; an entry must be removed before its memory goes.
 */
#ifndef SLV_WHEEL_H
#define SLV_WHEEL_H

#include "base/list.h"

#include <stdint.h>

/* Monotonic milliseconds, absolute or as a span. */
typedef int64_t ms_t;

#define MS_NEVER INT64_MAX
#define WHEEL_TICK 100
#define WHEEL_SLOTS 1024

struct wheel_entry {
    struct link link;
    ms_t deadline;                 /* MS_NEVER while idle */
    ms_t hung;                     /* the time of the slot it hangs in; MS_NEVER: in none */
};

struct wheel {
    ms_t now;                      /* all slots up to here have fired; a multiple of WHEEL_TICK */
    size_t entries;
    struct link slots[WHEEL_SLOTS];
};

/* Makes an empty wheel that stands at now. */
void wheel_init(struct wheel *w, ms_t now);
/* Makes an entry that hangs nowhere. */
void wheel_entry_init(struct wheel_entry *e);

/*
 * Moves the deadline of an entry where a store is enough: it hangs, and not behind the slot of the
 * deadline, which may be up to a tick later. False: wheel_set() must do it.
 */
static inline bool wheel_move(struct wheel_entry *e, ms_t deadline)
{
    if (e->hung - WHEEL_TICK >= deadline || deadline == MS_NEVER)
        return false;
    e->deadline = deadline;
    return true;
}

/* Sets or moves a deadline; MS_NEVER takes the entry out. */
void wheel_set(struct wheel *w, struct wheel_entry *e, ms_t deadline);

/* Takes the entry out; harmless where it is in no wheel. */
void wheel_remove(struct wheel *w, struct wheel_entry *e);

/*
 * Turns the wheel to now and calls expired for each entry whose deadline has passed. The entry is
 * out of the wheel by then; the callback may set, remove and free entries, this one too.
 */
void wheel_turn(struct wheel *w, ms_t now, void (*expired)(struct wheel_entry *e, void *arg),
                void *arg);

/* Nothing hangs in it: the worker may sleep as long as it likes. */
static inline bool wheel_idle(const struct wheel *w)
{
    return w->entries == 0;
}

#endif
