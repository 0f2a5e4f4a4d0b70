/*
 * order.c - signals: what each one asks for, in nginx's words.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "io/listen.h"
#include "proc/activation.h"
#include "proc/clock.h"
#include "proc/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/*
 * Closing a terminal's window sends this signal, too. It must not stop a server in the
 * foreground.
 */
static bool from_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* SIGHUP: a new configuration; during an upgrade the old one comes back. */
static void reconfigure(struct master *m)
{
    if (m->new_binary == 0) {
        reload_request(m);
        return;
    }
    if (m->workers_stopped)
        log_notice(0, "start worker processes");
    m->workers_stopped = false;
}

/* SIGWINCH: workers finish, the master stays. */
static void stop_workers(struct master *m)
{
    if (!m->serving)
        return;
    reload_abandon(m, "the workers are being stopped");
    spawn_drain(m, NULL, upgrade_has_peer(m));
    slots_free(&m->serving->slots);
    slots_init(&m->serving->slots, (size_t)m->serving->config->process->worker_processes,
               clock_now());
    m->workers_stopped = true;
}

void order_quit(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (m->state != MASTER_RUNS)
        return;
    m->state = MASTER_QUITS;
    reload_abandon(m, "the server is shutting down");
    announce_end(m);
    publish_give_way(m);
    watcher_check(m);
    control_close(&m->control, "the server is shutting down");
    spawn_drain(m, NULL, upgrade_has_peer(m));
    if (m->serving)
        listen_close(m->serving->config, !upgrade_has_peer(m) && !activation_used());
}

void order_terminate(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (m->state == MASTER_TERMINATES)
        return;
    m->state = MASTER_TERMINATES;
    reload_abandon(m, "the server is shutting down");
    announce_end(m);
    control_close(&m->control, "the server is shutting down");
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind != CHILD_BINARY)
            child_terminate(c);
    }
}

/* SIGUSR2, unless an upgrade is under way already. */
static void change_binary(struct master *m)
{
    if (m->serving && !upgrade_has_peer(m))
        upgrade_begin(m);
}

/* The end of the line that announces a signal. */
static const char *action_of(const struct master *m, int signo)
{
    switch (signo) {
    case SIGHUP:
        return ", reconfiguring";
    case SIGQUIT:
        return ", shutting down";
    case SIGTERM:
    case SIGINT:
        return ", exiting";
    case SIGUSR1:
        return ", reopening logs";
    case SIGUSR2:
        return upgrade_has_peer(m) ? ", ignoring" : ", changing binary";
    case SIGWINCH:
        return !m->daemonized && from_terminal() ? ", ignoring" : ", stop accepting connections";
    default:
        return "";
    }
}

void order_signal(struct master *m, int signo, pid_t from)
{
    const char *action = action_of(m, signo);

    CHECK_OBJ(m, MASTER_MAGIC);
    if (from > 0)
        log_notice(0, "signal %d (%s) received from %ld%s", signo, signals_name(signo), (long)from,
                   action);
    else
        log_notice(0, "signal %d (%s) received%s", signo, signals_name(signo), action);
    if (signo == SIGCHLD)
        reap(m);
    else if (signo == SIGTERM || signo == SIGINT)
        order_terminate(m);
    else if (signo == SIGUSR1)
        logs_reopen(m);
    if (m->state != MASTER_RUNS || strcmp(action, ", ignoring") == 0)
        return;
    if (signo == SIGQUIT)
        order_quit(m);
    else if (signo == SIGHUP)
        reconfigure(m);
    else if (signo == SIGWINCH)
        stop_workers(m);
    else if (signo == SIGUSR2)
        change_binary(m);
}
