/*
 * daemon.c - leaving the terminal, and finding the way back to one's own file.
 */
#include "proc/daemon.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "proc/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long the process that was started by hand waits, ms. */
#define START_WITHIN 60000

/* In the process that was started by hand: waits for the outcome. */
static _Noreturn void wait_for_start(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char byte;

    signals_restore();
    /* A large site's images may take longer. Whoever starts services has a limit of his own. */
    if (poll(&p, 1, START_WITHIN) == 0)
        _exit(EXIT_SUCCESS);
    _exit(read(fd, &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Standard input and output are nobody's any more; standard error stays until the start is over. */
static int detach(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (setsid() < 0) {
        log_emerg(errno, "setsid() failed");
        return -1;
    }
    umask(0);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
        log_emerg(errno, "open(\"/dev/null\") failed");
        return -1;
    }
    if (fd > STDERR_FILENO)
        close(fd);
    return 0;
}

int daemon_begin(void)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_emerg(errno, "pipe() failed");
        return -1;
    }
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        log_emerg(errno, "fork() failed");
        return -1;
    }
    if (pid > 0) {
        close(ends[1]);
        wait_for_start(ends[0]);
    }
    close(ends[0]);
    if (detach() != 0) {
        close(ends[1]);
        return -1;
    }
    return ends[1];
}

void daemon_succeeded(int *fd)
{
    if (*fd < 0)
        return;
    /* Nobody needs to be there to read it: that process may have been interrupted. */
    if (write(*fd, "", 1) != 1)
        log_info(errno, "nobody waits for the start any more");
    close(*fd);
    *fd = -1;
}

/* Searches PATH for a program; NULL: it is not there. From the heap. */
static char *search(const char *name)
{
    const char *at = getenv("PATH"), *end;
    char path[PATH_MAX];

    for (; at && *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, ':');
        if (snprintf(path, sizeof path, "%.*s/%s", (int)(end - at), at, name) < PATH_MAX
            && path[0] == '/' && access(path, X_OK) == 0)
            return mem_strdup(path);
    }
    return NULL;
}

char *daemon_program(const char *arg0)
{
    char here[PATH_MAX], *found = NULL;
    size_t room;

    /* Links are not resolved: an upgrade may be that a link points elsewhere. */
    if (!strchr(arg0, '/'))
        found = search(arg0);
    if (found)
        return found;
    if (arg0[0] == '/' || !getcwd(here, sizeof here))
        return mem_strdup(arg0);
    room = strlen(here) + strlen(arg0) + 2;
    found = mem_alloc(room);
    snprintf(found, room, "%s/%s", here, arg0);
    return found;
}
