/*
 * master.c - the process that owns sockets, configuration and workers: its loop and its end.
 */
#include "proc/master.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/listen.h"
#include "proc/activation.h"
#include "proc/clock.h"
#include "proc/daemon.h"
#include "proc/notify.h"
#include "proc/pidfile.h"
#include "proc/signals.h"
#include "proc/state.h"
#include "proc/title.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The sooner of two times. */
static ms_t sooner(ms_t a, ms_t b)
{
    return a < b ? a : b;
}

/* When something has to be done although nothing happens. */
static ms_t next_deadline(const struct master *m)
{
    ms_t next = sooner(m->reload.deadline, m->publish.deadline);

    next = sooner(next, control_deadline(m->control));

    LIST_EACH(at, after, &m->children)
        next = sooner(next, LIST_ITEM(at, struct child, link)->nudge_at);
    next = sooner(next, notify_due());
    if (m->state == MASTER_RUNS)
        next = sooner(sooner(sooner(next, tickets_next(m)), m->relay_after),
                      sooner(m->watch_after, m->publish.retry_at));
    if (m->state == MASTER_RUNS)
        next = sooner(sooner(next, certificates_next(m)), stapler_next(m));
    if (m->serving && !m->workers_stopped && m->state == MASTER_RUNS)
        next = sooner(next, slots_next(&m->serving->slots));
    return next;
}

/* Becomes more insistent with those who were told to end and did not. */
static void nudge_due(struct master *m)
{
    ms_t now = clock_now();

    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->nudge_at <= now)
            child_nudge(c);
    }
}

/* Signals are taken behind all other callbacks, because they may end what those speak of. */
static void on_signals(void *arg, short events)
{
    (void)arg;
    (void)events;
}

/* Acts on the signals that have come. */
static void take_signals(struct master *m)
{
    struct signal_got got;

    while (signals_next(m->signal_fd, &got))
        order_signal(m, got.signo, got.from);
}

/* Is everything over that the master has to wait for? A new binary goes on without it. */
static bool nothing_left(const struct master *m)
{
    if (m->state == MASTER_RUNS)
        return false;
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->kind != CHILD_BINARY)
            return false;
    return true;
}

/* Waits once and acts. */
static void turn(struct master *m, struct pollset *p)
{
    pollset_clear(p);
    pollset_add(p, m->signal_fd, POLLIN, on_signals, m);
    children_poll(m, p);
    control_poll(m->control, p);
    certificates_poll(m, p);
    pollset_wait(p, next_deadline(m));
    take_signals(m);
    nudge_due(m);
    reload_check(m);
    start_check(m);
    spawn_due(m);
    publish_check(m);
    watcher_check(m);
    relay_check(m);
    announce_alive(m);
    if (m->state == MASTER_RUNS) {
        tickets_check(m);
        certificates_check(m);
    }
    stapler_check(m);
    control_sweep(m->control);
    generations_collect(m);
}

/* Removes what tells of this process. */
static void remove_names(struct master *m)
{
    char *old;

    control_close(&m->control, "the server is shutting down");
    if (!m->has_pid_file)
        return;
    old = mem_alloc(strlen(m->pid_path) + sizeof PIDFILE_OLD);
    sprintf(old, "%s%s", m->pid_path, PIDFILE_OLD);
    pidfile_remove(m->new_binary ? old : m->pid_path);
    free(old);
}

/* Gives everything back. */
static void finish(struct master *m)
{
    remove_names(m);
    LIST_EACH(at, after, &m->generations)
        listen_close(LIST_ITEM(at, struct generation, link)->config,
                     !upgrade_has_peer(m) && !activation_used());
    activation_end();
    if (m->has_pid_file)
        log_notice(0, "exit");
    certificates_forget(m);
    logs_use(NULL);
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        child_free(&c);
    }
    generations_free(m);
    shelves_free(m);
    keep_free(m);
    if (m->started_fd >= 0)
        close(m->started_fd);
    close(m->signal_fd);
    free(m->pid_path);
    free(m->program);
    m->magic = 0;
}

/* "master process /usr/sbin/selvage -c file" */
static void set_title(char *const args[])
{
    char text[2048] = "";
    size_t used = 0;

    for (size_t i = 0; args[i] && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", args[i]);
    title_set("master process%s", text);
}

int master_run(const struct config_source *source, char *const args[], const char *error_log)
{
    struct master m = {
        .magic = MASTER_MAGIC, .source = source, .args = args, .started_fd = -1,
        .reload.deadline = MS_NEVER, .publish.deadline = MS_NEVER, .publish.retry_at = MS_NEVER,
        .watch_after = MS_NEVER, .relay_after = MS_NEVER, .tickets.retry_at = MS_NEVER,
        .certificates.look_at = MS_NEVER, .certificates.retry_at = MS_NEVER,
        .certificates.changed = MS_NEVER, .certificates.settles = MS_NEVER
    };
    struct pollset p = { 0 };

    list_init(&m.children);
    list_init(&m.generations);
    list_init(&m.shelves);
    log_set_stderr(SLV_LOG_WARN);
    logs_begin(error_log);
    notify_begin();
    activation_begin();
    signals_block();
    m.signal_fd = signals_open();
    m.program = daemon_program(args[0]);
    if (start(&m) == 0) {
        set_title(args);
        spawn_due(&m);
        while (!nothing_left(&m))
            turn(&m, &p);
    } else {
        m.status = EXIT_FAILURE;
    }
    pollset_free(&p);
    finish(&m);
    return m.status;
}
