/*
 * activation.c - listening sockets that a service manager has opened.
 */
#include "proc/activation.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST 3                    /* SD_LISTEN_FDS_START */
#define COUNT_MAX 1024

static int count;                  /* they are FIRST, FIRST + 1 ... */

/* The number in a variable; -1: it is none. */
static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : -1;

    return text && end > text && !*end ? n : -1;
}

/* Is it a socket on which connections can be accepted? */
static bool listens(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value;
}

/* Makes a descriptor what listen.c expects: managers pass blocking ones on. */
static void prepare(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void activation_begin(void)
{
    long pid = number_of("LISTEN_PID"), n = number_of("LISTEN_FDS");

    AN(count == 0);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    /* Meant for a process that has started this one, perhaps. */
    if (pid != (long)getpid() || n <= 0)
        return;
    if (n > COUNT_MAX) {
        log_warn(0, "LISTEN_FDS is %ld, at most %d sockets are taken", n, COUNT_MAX);
        n = COUNT_MAX;
    }
    for (int fd = FIRST; fd < FIRST + (int)n; fd++) {
        if (!listens(fd))
            log_warn(0, "descriptor %d of LISTEN_FDS is no listening socket, ignored", fd);
        prepare(fd);
    }
    count = (int)n;
    log_notice(0, "%d sockets come from the service manager", count);
}

bool activation_used(void)
{
    return count > 0;
}

/* A number that copies of a descriptor share, and other sockets do not have. */
static uint64_t identity(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

/* Does the configuration have this socket? */
static bool serves(const struct config *serving, uint64_t cookie)
{
    for (const struct listen_socket *s = serving ? serving->sockets : NULL; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            if (identity(s->fds[i]) == cookie)
                return true;
    return false;
}

/* Is it among the descriptors? */
static bool is_among(const struct listen_inherited *inherited, uint64_t cookie)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->fds[i] >= 0 && identity(inherited->fds[i]) == cookie)
            return true;
    return false;
}

void activation_lend(const struct config *serving, struct listen_inherited *inherited)
{
    AN(inherited->count == 0 || inherited->fds != NULL);
    for (int fd = FIRST; fd < FIRST + count; fd++) {
        uint64_t cookie = identity(fd);
        int copy;

        if (!listens(fd) || serves(serving, cookie) || is_among(inherited, cookie))
            continue;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST + count);
        if (copy < 0) {
            log_alert(errno, "fcntl(%d, F_DUPFD_CLOEXEC) failed", fd);
            return;
        }
        inherited->fds = mem_resize(inherited->fds, inherited->count + 1, sizeof(int));
        inherited->fds[inherited->count++] = copy;
    }
}

void activation_survive_exec(void)
{
    char text[24];

    if (!count)
        return;
    for (int fd = FIRST; fd < FIRST + count; fd++)
        fcntl(fd, F_SETFD, 0);
    snprintf(text, sizeof text, "%ld", (long)getpid());
    setenv("LISTEN_PID", text, 1);
    snprintf(text, sizeof text, "%d", count);
    setenv("LISTEN_FDS", text, 1);
}

void activation_end(void)
{
    for (int fd = FIRST; fd < FIRST + count; fd++)
        close(fd);
    count = 0;
}
