/*
 * pollset.h - the descriptors that the master waits for, put together anew for every wait.
 *
 * The master has a dozen of them and wakes up a few times a day: what counts here is that there
 * is no state that could go stale.
 */
#ifndef SLV_POLLSET_H
#define SLV_POLLSET_H

#include "base/wheel.h"

#include <poll.h>

typedef void poll_call(void *arg, short events);

struct pollset {
    struct pollfd *fds;            /* from the heap */
    struct poll_watch {
        poll_call *call;
        void *arg;
    } *watches;
    size_t count, room;
};

/* Empties it, for the next round. */
void pollset_clear(struct pollset *p);

/* Gives its memory back; it may be used again. */
void pollset_free(struct pollset *p);

/*
 * Waits for events of fd; negative ones are left out. arg must live until pollset_wait() returns.
 */
void pollset_add(struct pollset *p, int fd, short events, poll_call *call, void *arg);

/*
 * Waits until something happens or the deadline (MS_NEVER: none) has passed, then makes the
 * calls.
 */
void pollset_wait(struct pollset *p, ms_t deadline);

#endif
