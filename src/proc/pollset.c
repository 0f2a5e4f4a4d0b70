/*
 * pollset.c - the descriptors that the master waits for.
 */
#include "proc/pollset.h"

#include "base/log.h"
#include "base/mem.h"
#include "proc/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void pollset_clear(struct pollset *p)
{
    p->count = 0;
}

void pollset_free(struct pollset *p)
{
    free(p->fds);
    free(p->watches);
    memset(p, 0, sizeof *p);
}

void pollset_add(struct pollset *p, int fd, short events, poll_call *call, void *arg)
{
    AN(call != NULL);
    if (fd < 0)
        return;
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 16;
        p->fds = mem_resize(p->fds, p->room, sizeof *p->fds);
        p->watches = mem_resize(p->watches, p->room, sizeof *p->watches);
    }
    p->fds[p->count] = (struct pollfd){ fd, events, 0 };
    p->watches[p->count++] = (struct poll_watch){ call, arg };
}

/* Milliseconds from now, as poll(2) wants them. */
static int timeout_of(ms_t deadline)
{
    ms_t left;

    if (deadline == MS_NEVER)
        return -1;
    left = deadline - clock_now();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void pollset_wait(struct pollset *p, ms_t deadline)
{
    int n = poll(p->fds, p->count, timeout_of(deadline));

    if (n < 0 && errno != EINTR)
        log_alert(errno, "poll() failed");
    for (size_t i = 0; n > 0 && i < p->count; i++)
        if (p->fds[i].revents)
            p->watches[i].call(p->watches[i].arg, p->fds[i].revents);
}
