/*
 * signaller.c - "-s": a process that tells a running master what to do.
 */
#include "proc/signaller.h"

#include "base/check.h"
#include "proc/asker.h"
#include "proc/pidfile.h"
#include "proc/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Lines go to the error log that the configuration names, where that exists. */
static void use_log(const struct config *config)
{
    const struct log *log = config->process->error_log;

    for (const struct log *at = log; at; at = at->next)
        if (at->file->path && at->file->fd < 0)
            at->file->fd = open(at->file->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    log_set_default(log);
    log_set_stderr(SLV_LOG_WARN);
}

int signaller_run(const struct config *config, const char *word, bool wait)
{
    int signo = signals_of_word(word), status = EXIT_SUCCESS;
    pid_t pid;

    CHECK_OBJ(config, CONFIG_MAGIC);
    use_log(config);
    log_notice(0, "signal process started");
    pid = pidfile_read(config->process->pid.p);
    if (pid < 0)
        return EXIT_FAILURE;
    if (signo == SIGHUP && wait
        && asker_ask(config->process->pid.p, "reload", "reload refused", &status))
        return status;
    if (kill(pid, signo) != 0) {
        log_alert(errno, "kill(%ld, %d) failed", (long)pid, signo);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
