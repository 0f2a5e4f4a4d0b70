/*
 * notify.c - telling a service manager how it goes: sd_notify(3), without its library.
 */
#include "proc/notify.h"

#include "base/check.h"
#include "base/log.h"
#include "proc/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un manager;
static socklen_t manager_size;     /* 0: nobody listens */
static ms_t beat_every;            /* 0: no watchdog */
static ms_t beat_at = MS_NEVER;

/* A number of the environment; 0: it is none. */
static unsigned long long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;

    return text && end > text && !*end ? n : 0;
}

/* Takes the path of the socket; one that begins with '@' has no place in the file system. */
static void take_path(const char *path)
{
    size_t n = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof manager.sun_path) {
        log_warn(0, "NOTIFY_SOCKET \"%s\" is neither a path nor an abstract name, ignored", path);
        return;
    }
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, n);
    if (path[0] == '@')
        manager.sun_path[0] = '\0';
    manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

void notify_begin(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    unsigned long long usec = number_of("WATCHDOG_USEC");

    AN(manager_size == 0);
    if (!path)
        return;
    take_path(path);
    if (!manager_size || !usec || number_of("WATCHDOG_PID") != (unsigned long long)getpid())
        return;
    beat_every = (ms_t)(usec / 2000);
    if (beat_every < 1)
        beat_every = 1;
    beat_at = clock_now();
}

bool notify_heard(void)
{
    return manager_size != 0;
}

void notify_send(const char *format, ...)
{
    char text[NOTIFY_MAX];
    va_list args;
    ssize_t sent;
    int fd, n;

    if (!manager_size)
        return;
    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    AN(n > 0);
    if ((size_t)n >= sizeof text)
        n = (int)sizeof text - 1;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sent = fd < 0 ? -1 : sendto(fd, text, (size_t)n, MSG_NOSIGNAL,
                                (const struct sockaddr *)&manager, manager_size);
    if (sent != n)
        log_warn(errno, "the service manager was not told \"%.*s\"", (int)strcspn(text, "\n"),
                 text);
    if (fd >= 0)
        close(fd);
}

unsigned long long notify_usec(void)
{
    struct timespec t;

    AN(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

ms_t notify_due(void)
{
    return beat_at;
}

void notify_beaten(void)
{
    AN(beat_every > 0);
    beat_at = clock_now() + beat_every;
}

void notify_survive_exec(void)
{
    char pid[24];

    if (!beat_every)
        return;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
}
