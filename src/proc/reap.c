/*
 * reap.c - processes that have ended: what they said, and what follows from it.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "core/hub.h"
#include "proc/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_WORDS_MAX 2048

/* Logs what a worker wrote in its last moment. */
static void log_last_words(const struct child *c)
{
    char text[LAST_WORDS_MAX + 1], *rest = text, *line;
    ssize_t n = c->words >= 0 ? read(c->words, text, LAST_WORDS_MAX) : 0;

    if (n <= 0)
        return;
    text[n] = '\0';
    while ((line = strsep(&rest, "\n")))
        if (*line)
            log_alert(0, "last words of %s %ld: %s", child_name(c), (long)c->pid, line);
}

/* A worker has ended. */
static void worker_ended(struct master *m, struct child *c, int status)
{
    struct generation *g = c->generation;
    ms_t now = clock_now();

    child_hear(c);
    metrics_leave(c->seat);
    if (m->hub)
        hub_left(m->hub, hub_seat_for(m->hub, c->seat));
    child_log_end(c, status);
    log_last_words(c);
    if (c->leaving)
        return;
    slots_exited(&g->slots, c->slot, status, now);
    if (g == m->reload.generation)
        reload_worker_ended(m, c);
    else if (g->slots.list[c->slot].state == SLOT_WAITING && g->slots.list[c->slot].when > now)
        log_notice(0, "next worker process in slot %u in %lld s", c->slot,
                   (long long)(g->slots.list[c->slot].delay / 1000));
}

/* One process has ended. */
static void ended(struct master *m, struct child *c, int status)
{
    /* Its number may be another process's from now on: nobody may find it and send it a signal. */
    list_remove(&c->link);
    switch (c->kind) {
    case CHILD_WORKER:
        worker_ended(m, c, status);
        break;
    case CHILD_BUILDER:
    case CHILD_WATCHER:
    case CHILD_RELAY:
    case CHILD_HELPER:
    case CHILD_STAPLER:
        aide_ended(c, status);
        break;
    case CHILD_BINARY:
        child_log_end(c, status);
        upgrade_ended(m);
        break;
    }
    child_free(&c);
}

/* The process of that id. NULL: not one of ours. */
static struct child *find(struct master *m, pid_t pid)
{
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->pid == pid)
            return LIST_ITEM(at, struct child, link);
    return NULL;
}

void reap(struct master *m)
{
    int status;
    pid_t pid;

    CHECK_OBJ(m, MASTER_MAGIC);
    while ((pid = waitpid(-1, &status, WNOHANG)) != 0) {
        struct child *c = pid > 0 ? find(m, pid) : NULL;

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return;
        if (c)
            ended(m, c, status);
        else
            log_notice(0, "unknown process %ld has ended", (long)pid);
    }
}
