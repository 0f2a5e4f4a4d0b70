/*
 * upgrade.c - another binary takes over the listening sockets, while this one goes on serving.
 *
 * The old master steps aside: its pid file and control socket get another name, so that the new one
 * is found under the usual names. Both serve. Whoever ends first leaves the names to the other.
 */
#include "proc/state.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/listen.h"
#include "proc/activation.h"
#include "proc/notify.h"
#include "proc/pidfile.h"
#include "proc/signals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The name of the pid file while the new binary has the usual one; from the heap. */
static char *old_path(const struct master *m)
{
    size_t room = strlen(m->pid_path) + sizeof PIDFILE_OLD;
    char *path = mem_alloc(room);

    snprintf(path, room, "%s%s", m->pid_path, PIDFILE_OLD);
    return path;
}

bool upgrade_has_peer(const struct master *m)
{
    return m->new_binary != 0 || (m->inherited_from != 0 && getppid() == m->inherited_from);
}

/* In the child: becomes the new program. */
static _Noreturn void become(struct master *m)
{
    char *sockets = listen_inheritable(m->serving->config);

    listen_survive_exec(m->serving->config);
    activation_survive_exec();
    notify_survive_exec();
    signals_restore();
    setenv("SELVAGE", sockets, 1);
    tickets_leave();
    keep_leave(m);
    execv(m->program, m->args);
    log_alert(errno, "execve() failed while executing new binary process \"%s\"", m->program);
    _exit(EXIT_FATAL);
}

/* Gives the names back to this process. */
static void take_names_back(struct master *m)
{
    char *old = old_path(m);

    if (rename(old, m->pid_path) != 0)
        log_alert(errno, "rename() %s back to %s failed after an attempt to execute new binary "
                  "process \"%s\"", old, m->pid_path, m->program);
    control_move(m->control, m->pid_path);
    free(old);
}

void upgrade_begin(struct master *m)
{
    char *old = old_path(m);
    pid_t pid = -1;

    CHECK_OBJ(m, MASTER_MAGIC);
    AN(!upgrade_has_peer(m));
    log_notice(0, "changing binary");
    if (rename(m->pid_path, old) != 0) {
        log_alert(errno, "rename() %s to %s failed before executing new binary process \"%s\"",
                  m->pid_path, old, m->program);
    } else {
        control_move(m->control, old);
        pid = child_fork(m, m->serving, "new binary process");
        if (pid == 0)
            become(m);
        if (pid < 0)
            take_names_back(m);
    }
    free(old);
    if (pid < 0)
        return;
    m->new_binary = pid;
    child_add(m, CHILD_BINARY, pid, NULL);
    log_notice(0, "start new binary process %ld", (long)pid);
}

void upgrade_ended(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    AN(m->new_binary != 0);
    m->new_binary = 0;
    take_names_back(m);
    /* The workers were stopped in favour of the binary that has just gone. */
    if (m->workers_stopped && m->state == MASTER_RUNS) {
        m->workers_stopped = false;
        log_notice(0, "start worker processes");
    }
}
