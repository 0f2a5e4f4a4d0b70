/*
 * relay.c - the master's side of the process that shares channels with other machines.
 *
 * There is one while workers serve or finish. It has the rights of a worker, and is replaced with
 * the configuration, because that bounds the history. The old one and the new one, and those of two
 * masters during an upgrade, take turns by themselves.
 */
#include "proc/relay.h"

#include "base/check.h"
#include "base/log.h"
#include "io/tls.h"
#include "proc/clock.h"
#include "proc/privileges.h"
#include "proc/signals.h"
#include "proc/state.h"
#include "proc/title.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RESTART_PAUSE 1000         /* ms until another one is tried */

/* A log file that is open here would have to be let go when logs are rotated. */
static void let_go(int fd)
{
    close(fd);
}

/* Runs in the relay process. */
static _Noreturn void relay(const struct master *m, int words)
{
    const struct config *config = m->serving->config;

    title_set("relay process (gen %lu)", m->serving->number);
    log_set_default(NULL);
    log_files_each(let_go);
    AN(dup2(words, STDERR_FILENO) == STDERR_FILENO);
    signals_restore();
    tls_forget(config);
    if (privileges_drop(config->process) != 0)
        exit(EXIT_FATAL);
#ifdef HAVE_HIREDIS
    relay_run(m->hub, &m->backend, &(struct hub_bounds){
        .messages = (uint64_t)config->process->hub_history,
        .age = config->process->hub_history_time,
        .bytes = (uint64_t)config->process->hub_history_size
    }, words);
#else
    /* Nobody gets here: the directive is refused. */
    exit(EXIT_FATAL);
#endif
}

/* Starts one for the serving generation. */
static void start_relay(struct master *m)
{
    struct child *c;
    int words[2];
    pid_t pid;

    m->relay_after = clock_now() + RESTART_PAUSE;
    if (pipe2(words, O_CLOEXEC) != 0) {
        log_alert(errno, "pipe() failed while spawning \"relay process\"");
        return;
    }
    fcntl(words[0], F_SETFL, O_NONBLOCK);
    pid = child_fork(m, m->serving, "relay process");
    if (pid == 0) {
        close(words[0]);
        relay(m, words[1]);
    }
    close(words[1]);
    if (pid < 0) {
        close(words[0]);
        return;
    }
    c = child_add(m, CHILD_RELAY, pid, m->serving);
    c->words = words[0];
    m->relay_after = MS_NEVER;
    log_notice(0, "start relay process %ld", (long)pid);
}

/* Somebody publishes, or may listen still. */
static bool is_needed(const struct master *m)
{
    if (!m->serving || !m->hub || !hub_is_shared(m->hub) || m->state == MASTER_TERMINATES)
        return false;
    if (m->state == MASTER_RUNS && !m->workers_stopped)
        return true;
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->kind == CHILD_WORKER)
            return true;
    return false;
}

void relay_check(struct master *m)
{
    bool needed = is_needed(m), there = false;

    CHECK_OBJ(m, MASTER_MAGIC);
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind != CHILD_RELAY || c->leaving)
            continue;
        if (needed && c->generation == m->serving)
            there = true;
        else
            child_terminate(c);
    }
    if (needed && !there && (m->relay_after == MS_NEVER || clock_now() >= m->relay_after))
        start_relay(m);
    else if (!needed)
        m->relay_after = MS_NEVER;
}

void relay_hear(struct child *c, const char *line)
{
    static const struct {
        const char *word;
        enum slv_level level;
    } levels[] = {
        { "error ", SLV_LOG_ERROR }, { "warn ", SLV_LOG_WARN }, { "notice ", SLV_LOG_NOTICE }
    };

    CHECK_OBJ(c, CHILD_MAGIC);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strncmp(line, levels[i].word, strlen(levels[i].word)) == 0) {
            log_line(NULL, NULL, levels[i].level, 0, "%s", line + strlen(levels[i].word));
            return;
        }
    log_error(0, "relay: %s", line);
}

void relay_ended(struct master *m, const struct child *c)
{
    CHECK_OBJ(c, CHILD_MAGIC);
    if (!c->leaving)
        m->relay_after = clock_now() + RESTART_PAUSE;
}
