/*
 * driver.h - what the core asks of whoever runs the worker's loop, on behalf of modules.
 */
#ifndef SLV_CORE_DRIVER_H
#define SLV_CORE_DRIVER_H

#include <selvage/timer.h>

struct core_driver {
    void (*timer_set)(void *arg, struct slv_timer *t, int64_t ms); /* as slv_timer_set() */
    int64_t (*now)(void *arg);
};

/* One per worker; driver NULL: there is none any more. */
void core_drive(const struct core_driver *driver, void *arg);

#endif
