/*
 * clock.h - the master's clock.
 */
#ifndef SLV_CLOCK_H
#define SLV_CLOCK_H

#include "base/check.h"
#include "base/wheel.h"

#include <time.h>

/* Monotonic milliseconds. */
static inline ms_t clock_now(void)
{
    struct timespec t;

    AN(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (ms_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
