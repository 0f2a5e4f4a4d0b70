/*
 * loop.h - the worker's event loop: descriptors, signals, one clock, one timer.
 *
 * The only header of this layer's libev that others see, and it does not show libev. Made after the
 * fork, in the process that runs it.
 */
#ifndef SLV_LOOP_H
#define SLV_LOOP_H

#include "base/wheel.h"

#include <stdbool.h>

struct loop;
struct loop_watch;

/* Makes a loop, in the process that will run it. */
struct loop *loop_new(void);

/* Frees it; all watches but those of signals must have been taken off. */
void loop_free(struct loop **loop);

/* Returns after loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic milliseconds as of this turn. */
ms_t loop_now(const struct loop *loop);

/* Calls back before the loop waits for events: once a turn, however much happened in it. */
void loop_before_wait(struct loop *loop, void (*call)(void *arg), void *arg);

/*
 * Work in small steps, for which the ticks of the wheel lie too far apart: call returns the
 * milliseconds after which it is to be called again, or 0. loop_work() has it called in a moment.
 */
void loop_on_work(struct loop *loop, ms_t (*call)(void *arg), void *arg);
void loop_work(struct loop *loop);

/* Calls back on each such signal, from the loop; the loop owns the watch. */
void loop_on_signal(struct loop *loop, int signo, void (*call)(void *arg), void *arg);

/* Calls back while fd is readable, until loop_unwatch(), which nulls the watch. */
struct loop_watch *loop_on_readable(struct loop *loop, int fd, void (*call)(void *arg), void *arg);
void loop_unwatch(struct loop *loop, struct loop_watch **watch);

/*
 * What is to be called by loop_call_next(): in the next turn of the loop, when all others that are
 * ready now have been called. One for each loop; NULL: nothing any more.
 */
void loop_on_next(struct loop *loop, void (*call)(void *arg), void *arg);
void loop_call_next(struct loop *loop);

/* Sets or moves a deadline; e is embedded by the caller, whose callback takes it from there. */
struct loop_timer {
    struct wheel_entry entry;
    void (*call)(void *arg);
    void *arg;
};
void loop_timer_init(struct loop_timer *t, void (*call)(void *arg), void *arg);
void loop_timer_set(struct loop *loop, struct loop_timer *t, ms_t deadline);

#endif
