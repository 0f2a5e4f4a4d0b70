/*
 * start.c - from the command line to running workers.
 */
#include "proc/state.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/images.h"
#include "io/listen.h"
#include "proc/about.h"
#include "proc/activation.h"
#include "proc/daemon.h"
#include "proc/notify.h"
#include "proc/pidfile.h"
#include "proc/report.h"
#include "proc/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Opens logs and sockets, taking what the old binary left. 0, or -1 after logging. */
static int open_all(struct master *m, struct config *config)
{
    struct listen_inherited inherited = { NULL, 0 };
    const char *text = getenv("SELVAGE");
    char why[LISTEN_WHY_MAX];
    int rc;

    if (logs_open(why, sizeof why) != 0)
        return -1;
    logs_use(config);
    if (text) {
        log_notice(0, "using inherited sockets from \"%s\"", text);
        m->inherited_from = getppid();
        listen_inherited_parse(&inherited, text);
        unsetenv("SELVAGE");
    }
    activation_lend(NULL, &inherited);
    about_log();
    rc = listen_open(config, NULL, &inherited, LISTEN_TRIES_START, why);
    listen_inherited_free(&inherited);
    return rc;
}

/* Leaves the terminal and says where it is to be found. 0, or -1 after logging. */
static int settle(struct master *m, const struct process_conf *process)
{
    bool in_use = false;

    /* A new binary is the child of a process that has left the terminal already. */
    m->daemonized = process->daemon;
    if (process->daemon && !m->inherited_from) {
        m->started_fd = daemon_begin();
        if (m->started_fd < 0)
            return -1;
    }
    m->pid_path = mem_strdup(process->pid.p);
    if (process->master_process) {
        m->control = control_open(m->pid_path, &in_use, command_asked, m);
        if (in_use)
            return -1;
    }
    m->has_pid_file = pidfile_write(m->pid_path) == 0;
    return m->has_pid_file ? 0 : -1;
}

/* ---- One process ---------------------------------------------------------------------------- */

static char *single_pid_path;      /* for the end of a process that is its own master */

/* Runs at exit. */
static void remove_single_pid(void)
{
    pidfile_remove(single_pid_path);
    free(single_pid_path);
}

/* Builds images and waits for that. */
static void build_and_wait(struct master *m, struct generation *g)
{
    struct pollset p = { 0 };
    struct child *c;
    unsigned count;
    int status;

    if (reload_begin_images(m, g->config, &count) != 0 || !count
        || builder_start(m, g, IMAGE_QUICK) != 0)
        return;
    c = LIST_ITEM(m->children.next, struct child, link);
    while (c->words >= 0) {
        pollset_clear(&p);
        children_poll(m, &p);
        pollset_wait(&p, MS_NEVER);
    }
    pollset_free(&p);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    child_free(&c);
    reload_take_images(g->config);
}

/* master_process off: this process serves. For looking at it with a debugger, not for visitors. */
static _Noreturn void serve_alone(struct master *m, struct generation *g)
{
    struct config *config = g->config;

    build_and_wait(m, g);
    single_pid_path = m->pid_path;
    atexit(remove_single_pid);
    daemon_succeeded(&m->started_fd);
    notify_send("READY=1\nSTATUS=one process serves\n");
    free(m->program);
    close(m->signal_fd);
    slots_free(&g->slots);
    free(g);
    worker_main(&(struct worker_start){
        .config = config, .channel = -1, .words = -1, .hub = m->hub, .take_stderr = m->daemonized
    });
}

/* ---- Start ---------------------------------------------------------------------------------- */

int start(struct master *m)
{
    struct conf_report report = { .write = report_plain };
    struct config *config = config_load(m->source, &report);
    struct generation *g;

    if (!config)
        return -1;
    /* One process serves all that the workers would have shared. */
    if (!config->process->master_process)
        config->process->worker_processes = 1;
    g = generation_new(m, config);
    if (open_all(m, config) != 0 || settle(m, config->process) != 0)
        return -1;
    keep_hub(m, config->process);
    if (!config->process->master_process)
        serve_alone(m, g);
    metrics_share();
    tickets_begin(m);
    m->reload.generation = g;
    reload_build(m);
    return 0;
}

/* Everybody who waits is told, and standard error is let go. */
static void succeeded(struct master *m)
{
    m->started = true;
    if (m->daemonized)
        logs_take_stderr(m->serving->config);
    log_set_stderr(0);
    daemon_succeeded(&m->started_fd);
    log_info(0, "generation %lu serves", m->serving->number);
    announce_serving(m);
}

void start_check(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (m->started || !m->serving || m->state != MASTER_RUNS)
        return;
    if (slots_settled(&m->serving->slots)) {
        succeeded(m);
    } else if (slots_all_given_up(&m->serving->slots)) {
        log_emerg(0, "no worker process could be started");
        m->status = EXIT_FAILURE;
        order_terminate(m);
    }
}
