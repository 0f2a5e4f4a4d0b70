/*
 * signaller.c - "-s": a process that tells a running master what to do.
 */
#include "proc/signaller.h"

#include "base/check.h"
#include "proc/clock.h"
#include "proc/control.h"
#include "proc/pidfile.h"
#include "proc/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long the outcome of a reload is waited for without a word from the master. */
#define ANSWER_WITHIN 60000

/* What comes from the master, line by line. */
struct answer {
    int fd;
    char text[4096];
    size_t size;                   /* of what has been read */
    size_t taken;                  /* of it, lines that have been looked at */
};

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

/* Reads more. 1: something came; 0: the master has ended or it takes too long. */
static bool read_more(struct answer *a, ms_t deadline)
{
    struct pollfd p = { .fd = a->fd, .events = POLLIN };
    ms_t left = deadline - clock_now();
    ssize_t n;

    memmove(a->text, a->text + a->taken, a->size - a->taken);
    a->size -= a->taken;
    a->taken = 0;
    /* A line that is too long is none of the master's. */
    if (left <= 0 || a->size == sizeof a->text || poll(&p, 1, (int)left) <= 0)
        return false;
    n = recv(a->fd, a->text + a->size, sizeof a->text - a->size, 0);
    if (n <= 0)
        return false;
    a->size += (size_t)n;
    return true;
}

/* The next line, NUL instead of its end; NULL: there will be none. */
static char *next_line(struct answer *a, ms_t deadline)
{
    do {
        char *line = a->text + a->taken, *end = memchr(line, '\n', a->size - a->taken);

        if (end) {
            *end = '\0';
            a->taken += (size_t)(end - line) + 1;
            return line;
        }
    } while (read_more(a, deadline));
    return NULL;
}

/* Is this line's first word that one? Then *rest is what follows. */
static bool says(const char *line, const char *word, const char **rest)
{
    size_t n = strlen(word);

    *rest = line + n + 1;
    return strncmp(line, word, n) == 0 && line[n] == ' ';
}

/* Follows a reload to its end; the exit status. */
static int follow(int fd)
{
    ms_t deadline = clock_now() + ANSWER_WITHIN;
    struct answer a = { .fd = fd };
    const char *line, *rest;

    while ((line = next_line(&a, deadline))) {
        /* Whoever reports progress is not stuck. */
        deadline = clock_now() + ANSWER_WITHIN;
        if (says(line, "ok", &rest))
            return EXIT_SUCCESS;
        if (says(line, "error", &rest)) {
            fprintf(stderr, "selvage: reload refused: %s\n", rest);
            return EXIT_FAILURE;
        }
        if (says(line, "emerg", &rest) || says(line, "warn", &rest))
            fprintf(stderr, "selvage: [%.*s] %s\n", (int)(rest - line) - 1, line, rest);
        else if (says(line, "detail", &rest))
            fprintf(stderr, "%s\n", rest);
    }
    fprintf(stderr, clock_now() < deadline
            ? "selvage: the master process has ended before the reload was over\n"
            : "selvage: the reload takes longer than %d seconds, it goes on\n",
            ANSWER_WITHIN / 1000);
    return EXIT_FAILURE;
}

/* Asks for a reload by the control socket. True: it was asked, *status is the outcome. */
static bool ask(const char *pid_path, int *status)
{
    static const char question[] = "reload\n";
    int fd = control_connect(pid_path);

    if (fd < 0)
        return false;
    if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) != (ssize_t)sizeof question - 1) {
        close(fd);
        return false;
    }
    *status = follow(fd);
    close(fd);
    return true;
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
    if (signo == SIGHUP && wait && ask(config->process->pid.p, &status))
        return status;
    if (kill(pid, signo) != 0) {
        log_alert(errno, "kill(%ld, %d) failed", (long)pid, signo);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
