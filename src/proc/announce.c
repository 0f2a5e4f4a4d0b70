/*
 * announce.c - what the service manager is told about the master, and when.
 *
 * While a new binary is being tried out, the old master is the one that the manager knows and
 * listens to. It names its successor when it is told to end, and not before: until then it may
 * still be the one that stays. So NotifyAccess=main will do, and no worker can speak for the
 * master.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/metrics.h"
#include "proc/clock.h"
#include "proc/notify.h"

#include <stdio.h>

#define STATUS_MAX 320

/* What an end may take above worker_shutdown_timeout, ms: see DRAIN_GRACE in spawn.c. */
#define END_GRACE 15000

/* Workers that serve, or that finish. */
static unsigned count_workers(const struct master *m, bool finish)
{
    unsigned n = 0;

    LIST_EACH(at, after, &m->children) {
        const struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_WORKER && c->ready && (c->leaving || c->drains) == finish)
            n++;
    }
    return n;
}

/* "generation 3 serves: 4 workers, 17 connections, 1204 requests" */
static const char *status_of(const struct master *m, char out[STATUS_MAX])
{
    unsigned old = count_workers(m, true);
    struct metrics sum;
    int n;

    metrics_sum(&sum);
    n = snprintf(out, STATUS_MAX, "generation %lu serves: %u workers, %llu connections, "
                 "%llu requests", m->serving->number, count_workers(m, false),
                 (unsigned long long)metrics_open(&sum),
                 (unsigned long long)sum.counter[COUNTER_REQUESTS]);
    AN(n > 0 && n < STATUS_MAX);
    if (old)
        n += snprintf(out + n, (size_t)(STATUS_MAX - n), ", %u old workers finish", old);
    if (m->new_binary)
        n += snprintf(out + n, (size_t)(STATUS_MAX - n), ", new binary %ld serves, too",
                      (long)m->new_binary);
    AN(n < STATUS_MAX);
    return out;
}

void announce_serving(struct master *m)
{
    char status[STATUS_MAX];

    CHECK_OBJ(m, MASTER_MAGIC);
    if (notify_heard())
        notify_send("READY=1\nSTATUS=%s\n", status_of(m, status));
}

void announce_reload(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=generation %lu serves, a reload is under "
                "way\n", notify_usec(), m->serving->number);
}

void announce_refused(struct master *m, const char *why)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    notify_send("READY=1\nSTATUS=generation %lu serves, a reload was refused: %.512s\n",
                m->serving->number, why);
}

void announce_end(struct master *m)
{
    unsigned long long usec;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (m->new_binary) {
        notify_send("MAINPID=%ld\nSTATUS=new binary %ld serves, the old one finishes\n",
                    (long)m->new_binary, (long)m->new_binary);
        return;
    }
    usec = m->serving ? (unsigned long long)m->serving->config->process->worker_shutdown_timeout
                        * 1000 : 0;
    /* Whatever the unit says: connections get the time that the configuration promises them. */
    notify_send("STOPPING=1\nSTATUS=shutting down\nEXTEND_TIMEOUT_USEC=%llu\n",
                usec + END_GRACE * 1000ull);
}

void announce_alive(struct master *m)
{
    char status[STATUS_MAX];

    CHECK_OBJ(m, MASTER_MAGIC);
    if (clock_now() < notify_due())
        return;
    if (m->state == MASTER_RUNS && m->started && m->reload.step == RELOAD_NONE)
        notify_send("WATCHDOG=1\nSTATUS=%s\n", status_of(m, status));
    else
        notify_send("WATCHDOG=1\n");
    notify_beaten();
}
