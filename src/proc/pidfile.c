/*
 * pidfile.c - the file that says which process is the master.
 */
#include "proc/pidfile.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int pidfile_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), rc = 0;

    AN(path[0] == '/');
    if (fd < 0) {
        log_emerg(errno, "open() \"%s\" failed", path);
        return -1;
    }
    if (dprintf(fd, "%ld\n", (long)getpid()) < 0) {
        log_emerg(errno, "write() to \"%s\" failed", path);
        rc = -1;
    }
    close(fd);
    return rc;
}

/* The number in a text that may end with a line break; -1 where it is none. */
static pid_t number_of(const char *text)
{
    char *end;
    long pid = strtol(text, &end, 10);

    return end > text && !*end && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : -1;
}

/* Reads the text of the file without line breaks at its end. 0, or -1 with errno. */
static int read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, text, size - 1);
    close(fd);
    if (n < 0)
        return -1;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    return 0;
}

void pidfile_remove(const char *path)
{
    char text[32];

    /* A server that was started meanwhile may have made the file its own. */
    if (read_text(path, text, sizeof text) != 0 || number_of(text) != getpid())
        return;
    if (unlink(path) != 0)
        log_alert(errno, "unlink() \"%s\" failed", path);
}

pid_t pidfile_read(const char *path)
{
    char text[32];
    pid_t pid;

    if (read_text(path, text, sizeof text) != 0) {
        log_error(errno, "open() \"%s\" failed", path);
        return -1;
    }
    pid = number_of(text);
    if (pid < 0)
        log_error(0, "invalid PID number \"%s\" in \"%s\"", text, path);
    return pid;
}
