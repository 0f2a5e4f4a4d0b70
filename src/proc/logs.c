/*
 * logs.c - where the master's own lines go; opening log files anew.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "proc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct log first_log;       /* until there is a configuration */
static struct master *reopening;   /* for a callback that has no argument */

void logs_begin(const char *path)
{
    struct log_file *failed;

    AN(first_log.file == NULL);
    if (!path)
        return;
    first_log.level = SLV_LOG_NOTICE;
    first_log.file = log_file_get(path);
    if (log_files_open(&failed) == 0) {
        log_set_default(&first_log);
        return;
    }
    log_alert(errno, "could not open error log file: open() \"%s\" failed", path);
    log_file_drop(first_log.file);
    first_log.file = NULL;
}

void logs_use(const struct config *config)
{
    log_set_default(config ? config->process->error_log : NULL);
    if (first_log.file)
        log_file_drop(first_log.file);
    first_log.file = NULL;
}

int logs_open(char *why, size_t size)
{
    struct log_file *failed;

    if (log_files_open(&failed) == 0)
        return 0;
    log_emerg(errno, "open() \"%s\" failed", failed->path);
    snprintf(why, size, "open() \"%s\" failed (%d: %s)", failed->path, errno, strerror(errno));
    return -1;
}

/* The first file of the error log; NULL where it is standard error. */
static struct log_file *first_file(const struct config *config)
{
    struct log_file *file = config->process->error_log ? config->process->error_log->file : NULL;

    return file && file->path && file->fd >= 0 ? file : NULL;
}

void logs_take_stderr(const struct config *config)
{
    struct log_file *file = first_file(config);

    if (file && dup2(file->fd, STDERR_FILENO) < 0)
        log_alert(errno, "dup2(%d, %d) failed", file->fd, STDERR_FILENO);
}

/* Gives every worker the file that is now behind a descriptor of the master. */
static void pass_on(int fd, int number)
{
    struct channel_message message = { .what = CHANNEL_REOPENED, .fd = number };

    LIST_EACH(at, after, &reopening->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_WORKER && c->channel >= 0
            && channel_send(c->channel, &message, fd) != 0)
            log_alert(errno, "worker process %ld keeps the old log file", (long)c->pid);
    }
}

/* A log file was opened anew. */
static void reopened(int fd)
{
    pass_on(fd, fd);
}

void logs_reopen(struct master *m)
{
    const struct process_conf *process;
    bool root = geteuid() == 0;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->serving)
        return;
    process = m->serving->config->process;
    log_notice(0, "reopening logs");
    reopening = m;
    log_files_reopen(root ? (int)process->uid : -1, root ? (int)process->gid : -1, reopened);
    if (m->daemonized && first_file(m->serving->config)) {
        logs_take_stderr(m->serving->config);
        pass_on(STDERR_FILENO, STDERR_FILENO);
    }
    reopening = NULL;
}
