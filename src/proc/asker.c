/*
 * asker.c - asking a running master by its control socket.
 */
#include "proc/asker.h"

#include "base/check.h"
#include "proc/clock.h"
#include "proc/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Shows a line that is not the last. */
static void show(const char *line)
{
    const char *rest;

    if (says(line, "emerg", &rest) || says(line, "warn", &rest))
        fprintf(stderr, "selvage: [%.*s] %s\n", (int)(rest - line) - 1, line, rest);
    else if (says(line, "detail", &rest))
        fprintf(stderr, "%s\n", rest);
    else if (says(line, "print", &rest))
        printf("%s\n", rest);
    else if (says(line, "progress", &rest) && isatty(STDERR_FILENO))
        fprintf(stderr, "%s ...\n", rest);
}

/* Sends all of it, and that it is all. What is wrong with that, the answer will say. */
static void send_data(int fd, struct str data)
{
    while (data.n) {
        ssize_t n = send(fd, data.p, data.n, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return;
        if (n > 0)
            data = str_from(data, (size_t)n);
    }
    shutdown(fd, SHUT_WR);
}

/* Follows an answer to its end; the exit status. */
static int follow(int fd, struct str data, const char *refused)
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
            fprintf(stderr, "selvage: %s: %s\n", refused, rest);
            return EXIT_FAILURE;
        }
        if (says(line, "send", &rest))
            send_data(fd, data);
        else
            show(line);
    }
    fprintf(stderr, clock_now() < deadline
            ? "selvage: the master process has ended before it was done\n"
            : "selvage: no word from the master process for %d seconds, it goes on\n",
            ANSWER_WITHIN / 1000);
    return EXIT_FAILURE;
}

bool asker_ask(const char *pid_path, const char *question, const char *refused, int *status)
{
    return asker_ask_with(pid_path, question, STR(""), refused, status);
}

bool asker_ask_with(const char *pid_path, const char *question, struct str data,
                    const char *refused, int *status)
{
    int fd = control_connect(pid_path);
    size_t size = strlen(question);

    if (fd < 0)
        return false;
    AN(size < CONTROL_QUESTION_MAX - 1);
    /* Whoever is turned away may have been told why before he has asked. */
    if ((send(fd, question, size, MSG_NOSIGNAL) != (ssize_t)size
         || send(fd, "\n", 1, MSG_NOSIGNAL) != 1) && errno != EPIPE && errno != ECONNRESET) {
        close(fd);
        return false;
    }
    *status = follow(fd, data, refused);
    close(fd);
    return true;
}
