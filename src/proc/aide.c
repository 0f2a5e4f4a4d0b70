/*
 * aide.c - processes beside the workers: how each of them begins.
 *
 * All have the rights of a worker and none of its sockets to accept from, and no private key. Those
 * that do one thing and end write to the logs themselves, and nobody would take what they make once
 * the master has gone: they are killed then. Those that last would hold log files that have been
 * rotated, so whatever they log is a line for the master; that pipe also tells them of its end.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "core/hub.h"
#include "io/tls.h"
#include "proc/clock.h"
#include "proc/privileges.h"
#include "proc/signals.h"
#include "proc/title.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Closes a log file. */
static void let_go(int fd)
{
    close(fd);
}

/* From here on all lines of this process are the master's to log. */
static void speak_to_master(int words)
{
    log_set_default(NULL);
    log_files_each(let_go);
    AN(dup2(words, STDERR_FILENO) == STDERR_FILENO);
}

/* Writes to the logs itself. */
static void speak_for_itself(const struct master *m, const struct generation *g)
{
    if (m->daemonized)
        logs_take_stderr(g->config);
    logs_use(g->config);
}

/* Ends with the master. Linux forgets this when the user changes. */
static void end_with(pid_t master)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        log_alert(errno, "prctl(PR_SET_PDEATHSIG) failed");
    if (getppid() != master)
        exit(EXIT_FAILURE);
}

/* Runs in the process. */
static _Noreturn void begin(struct master *m, const struct aide *aide, struct generation *g,
                            pid_t master, int fd, const void *arg)
{
    title_set("%s (gen %lu)", child_kind_name(aide->kind), g->number);
    if (aide->lasting)
        speak_to_master(fd);
    else
        speak_for_itself(m, g);
    signals_restore();
    tls_forget(g->config);
    if (m->hub && !aide->needs_hub)
        hub_free(&m->hub);
    if (privileges_drop(g->config->process) != 0)
        exit(EXIT_FATAL);
    if (!aide->lasting)
        end_with(master);
    aide->run(m, g, fd, arg);
    exit(EXIT_SUCCESS);
}

struct child *aide_fork(struct master *m, const struct aide *aide, struct generation *g, int fd,
                        int masters, const void *arg)
{
    pid_t pid, master = getpid();
    struct child *c = NULL;

    CHECK_OBJ(m, MASTER_MAGIC);
    CHECK_OBJ(g, GENERATION_MAGIC);
    pid = child_fork(m, g, child_kind_name(aide->kind));
    if (pid == 0) {
        if (masters >= 0)
            close(masters);
        begin(m, aide, g, master, fd, arg);
    }
    close(fd);
    if (pid > 0) {
        c = child_add(m, aide->kind, pid, g);
        c->aide = aide;
        c->words = masters;
    } else if (masters >= 0) {
        close(masters);
    }
    return c;
}

struct child *aide_start(struct master *m, const struct aide *aide, struct generation *g,
                         const void *arg)
{
    const char *name = child_kind_name(aide->kind);
    struct child *c;
    int words[2];

    AN(aide->hear != NULL);
    if (pipe2(words, O_CLOEXEC) != 0) {
        log_alert(errno, "pipe() failed while spawning \"%s\"", name);
        return NULL;
    }
    /* Only the reading end must not block; the writer is to wait for the reader. */
    fcntl(words[0], F_SETFL, O_NONBLOCK);
    c = aide_fork(m, aide, g, words[1], words[0], arg);
    if (c)
        log_line(NULL, NULL, aide->level, 0, "start %s %ld", name, (long)c->pid);
    return c;
}

void aide_keep(struct master *m, const struct aide *aide, bool needed, ms_t *after)
{
    bool there = false;
    ms_t now = clock_now();

    CHECK_OBJ(m, MASTER_MAGIC);
    AN(aide->lasting);
    LIST_EACH(at, after_at, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->aide != aide || c->leaving)
            continue;
        if (needed && c->generation == m->serving)
            there = true;
        else
            child_terminate(c);
    }
    if (!needed)
        *after = MS_NEVER;
    else if (!there && (*after == MS_NEVER || now >= *after))
        *after = aide_start(m, aide, m->serving, NULL) ? MS_NEVER : now + aide->pause;
}

void aide_ended(struct child *c, int status)
{
    struct master *m = c->master;

    CHECK_OBJ(c, CHILD_MAGIC);
    child_hear_lines(c);
    child_log_end(c, status);
    if (c->aide->ended)
        c->aide->ended(m, c, status);
}
