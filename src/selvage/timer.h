/*
 * timer.h - calls after some time, in a worker.
 */
#ifndef SELVAGE_TIMER_H
#define SELVAGE_TIMER_H

#include <selvage/request.h>

/*
 * Embedded in a struct of the module's, zeroed but for fire. fire() is called once, outside of the
 * turns of connections, up to a tenth of a second late and never early; it may set the timer again.
 * A timer that is set must be turned off before its memory goes.
 */
struct slv_timer {
    void (*fire)(struct slv_timer *t);
    uint64_t room[6];
};

/* Sets or moves it to so many milliseconds from now; negative: off. */
SLV_API void slv_timer_set(struct slv_timer *t, int64_t ms);

/* Monotonic milliseconds as of this turn of the worker. */
SLV_API int64_t slv_now(void);

#endif
