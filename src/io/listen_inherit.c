/*
 * listen_inherit.c - listening sockets on their way from one program to the next.
 */
#include "io/listen.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Is fd a socket that listens? */
static bool listens(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value;
}

void listen_inherited_parse(struct listen_inherited *inherited, const char *text)
{
    char *end;

    *inherited = (struct listen_inherited){ NULL, 0 };
    for (const char *p = text; *p; p = end + 1) {
        long fd = strtol(p, &end, 10);

        if (end == p || *end != ';' || fd <= STDERR_FILENO || fd > INT32_MAX || !listens((int)fd)) {
            log_emerg(0, "invalid socket number \"%s\" in SELVAGE environment variable, "
                      "ignoring the rest of the variable", p);
            return;
        }
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        inherited->fds = mem_resize(inherited->fds, inherited->count + 1, sizeof(int));
        inherited->fds[inherited->count++] = (int)fd;
    }
}

void listen_inherited_free(struct listen_inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->fds[i] >= 0)
            close(inherited->fds[i]);
    free(inherited->fds);
    *inherited = (struct listen_inherited){ NULL, 0 };
}

char *listen_inheritable(const struct config *config)
{
    size_t room = 1, used = 0;
    char *text;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (const struct listen_socket *s = config->sockets; s; s = s->next)
        room += s->fd_count * sizeof "-2147483648;";
    text = mem_zalloc(room);
    for (const struct listen_socket *s = config->sockets; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            used += (size_t)snprintf(text + used, room - used, "%d;", s->fds[i]);
    AN(used < room);
    return text;
}

void listen_survive_exec(const struct config *config)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (const struct listen_socket *s = config->sockets; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            if (fcntl(s->fds[i], F_SETFD, 0) != 0)
                log_alert(errno, "fcntl(%d, F_SETFD) failed", s->fds[i]);
}
