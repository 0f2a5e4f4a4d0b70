/*
 * spawn.c - starting workers and telling them to finish.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "proc/channel.h"
#include "proc/clock.h"
#include "proc/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What a draining worker gets above its own time before the master becomes insistent. */
#define DRAIN_GRACE 5000

/* The descriptors between the master and a worker that is to be: [0] is the master's end. */
struct lines {
    int channel[2], words[2];
};

/* Makes them. 0, or -1 after logging. */
static int open_lines(struct lines *l)
{
    if (channel_pair(l->channel) != 0) {
        log_alert(errno, "socketpair() failed while spawning \"worker process\"");
        return -1;
    }
    if (pipe2(l->words, O_NONBLOCK | O_CLOEXEC) != 0) {
        log_alert(errno, "pipe() failed while spawning \"worker process\"");
        close(l->channel[0]);
        close(l->channel[1]);
        return -1;
    }
    return 0;
}

/* Closes one side of both. */
static void close_side(const struct lines *l, int side)
{
    close(l->channel[side]);
    close(l->words[side]);
}

int spawn_worker(struct master *m, struct generation *g, unsigned slot)
{
    struct lines l;
    unsigned seat = metrics_take();
    struct child *c;
    pid_t pid = -1;

    CHECK_OBJ(g, GENERATION_MAGIC);
    if (open_lines(&l) == 0) {
        pid = child_fork(m, g, "worker process");
        if (pid == 0) {
            close_side(&l, 0);
            metrics_sit(seat);
            worker_main(&(struct worker_start){
                .config = g->config, .slot = slot, .channel = l.channel[1], .words = l.words[1],
                .hub = m->hub, .seat = seat, .take_stderr = m->daemonized
            });
        }
        close_side(&l, 1);
        if (pid < 0)
            close_side(&l, 0);
    }
    if (pid < 0) {
        metrics_leave(seat);
        slots_failed(&g->slots, slot, clock_now());
        return -1;
    }
    slots_started(&g->slots, slot, clock_now());
    c = child_add(m, CHILD_WORKER, pid, g);
    c->slot = slot;
    c->seat = seat;
    c->channel = l.channel[0];
    c->words = l.words[0];
    /* It has inherited the images that answer now, ticket keys, and certificates. */
    c->certificates_sent = m->certificates.serial;
    c->swaps_sent = m->publish.serial;
    c->tickets_sent = m->tickets.serial;
    log_notice(0, "start worker process %ld", (long)pid);
    return 0;
}

void spawn_due(struct master *m)
{
    ms_t now = clock_now();
    size_t slot;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->serving || m->workers_stopped || m->state != MASTER_RUNS)
        return;
    while ((slot = slots_due(&m->serving->slots, now)) < m->serving->slots.count)
        spawn_worker(m, m->serving, (unsigned)slot);
}

/* Tells one worker. One that does not listen any more gets the signal that means the same. */
static void drain_worker(struct child *c, bool successor)
{
    struct channel_message message = { .what = CHANNEL_DRAIN, .successor = successor };

    c->leaving = true;
    if (c->nudge_pause == 0)
        c->nudge_at = clock_now() + c->generation->config->process->worker_shutdown_timeout
                    + DRAIN_GRACE;
    if (c->channel < 0 || channel_send(c->channel, &message, -1) != 0)
        kill(c->pid, SIGQUIT);
}

void spawn_drain(struct master *m, const struct generation *g, bool successor)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_WORKER && (!g || c->generation == g))
            drain_worker(c, successor);
    }
}
