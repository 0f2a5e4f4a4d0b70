/*
 * loop_ev.h - the loop's libev, for the rooms of this layer.
 */
#ifndef SLV_LOOP_EV_H
#define SLV_LOOP_EV_H

#include "io/loop.h"

#include <ev.h>

/* The loop for libev's own functions. */
struct ev_loop *loop_ev(const struct loop *loop);

#endif
