/*
 * listen.c - the listening sockets of a configuration, and their way from one to the next.
 */
#include "io/listen.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY_PAUSE_MS 500

/* A search for sockets that are still missing. */
struct opening {
    struct config *config;
    const struct config *old;
    char *why;
    bool again;                    /* something was in use and may be free a little later */
};

/* The socket of the same key; NULL where config has none. */
static struct listen_socket *find(const struct config *config, struct str key)
{
    struct listen_socket *s = config ? config->sockets : NULL;

    while (s && !str_eq(s->key, key))
        s = s->next;
    return s;
}

/* Is this descriptor one of the sockets of config? */
static bool has_fd(const struct config *config, int fd)
{
    for (const struct listen_socket *s = config ? config->sockets : NULL; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            if (s->fds[i] == fd)
                return true;
    return false;
}

/* How many descriptors a socket should have at least. */
static size_t wanted(const struct config *config, const struct listen_socket *s)
{
    AN(config->process->worker_processes > 0);
    return s->options.reuseport ? (size_t)config->process->worker_processes : 1;
}

/* Adds a descriptor. The array is made once for all that may come, so that nothing moves. */
static void add_fd(struct listen_socket *s, int fd)
{
    AN(fd >= 0);
    s->fds[s->fd_count++] = fd;
}

/*
 * Takes what there is already: from the running configuration, or from the program before this
 * one.
 */
static void take_known(struct config *config, const struct config *old, struct listen_socket *s,
                       struct listen_inherited *inherited)
{
    const struct listen_socket *same = find(old, s->key);
    size_t room = wanted(config, s) + (same ? same->fd_count : 0)
                + (inherited ? inherited->count : 0);

    AN(s->fd_count == 0);
    s->fds = arena_zalloc(&config->arena, room * sizeof *s->fds);
    for (size_t i = 0; same && i < same->fd_count; i++)
        add_fd(s, same->fds[i]);
    for (size_t i = 0; inherited && i < inherited->count; i++)
        if (inherited->fds[i] >= 0 && listen_socket_is(s, inherited->fds[i])) {
            add_fd(s, inherited->fds[i]);
            listen_socket_apply(s, inherited->fds[i]);
            inherited->fds[i] = -1;
        }
}

/* Sets or clears SO_REUSEPORT on the running configuration's sockets of a port. */
static void share_port(const struct config *old, uint16_t port, int on)
{
    for (const struct listen_socket *s = old ? old->sockets : NULL; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            if (s->addr.family != ADDR_UNIX && s->addr.port == port)
                setsockopt(s->fds[i], SOL_SOCKET, SO_REUSEPORT,
                           &(int){ on || s->options.reuseport }, sizeof(int));
}

/*
 * Opens one socket more. Where the running configuration holds the port by another address ("*:80"
 * becomes "127.0.0.1:80"), or the socket alone and now a group is wanted, the kernel lets both
 * stand side by side only with SO_REUSEPORT on both, so it is lent for the time of the change.
 */
static int open_beside(const struct config *old, const struct listen_socket *s, const char **call)
{
    struct listen_socket lent = *s;
    int fd = listen_socket_open(s, call), error = errno;

    if (fd >= 0 || error != EADDRINUSE || !old || s->addr.family == ADDR_UNIX)
        return fd;
    lent.options.reuseport = true;
    share_port(old, s->addr.port, 1);
    fd = listen_socket_open(&lent, call);
    error = errno;
    share_port(old, s->addr.port, s->options.reuseport);
    if (fd >= 0 && !s->options.reuseport)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 0 }, sizeof(int));
    errno = error;
    return fd;
}

/* Opens what one socket still lacks. 0, also where trying again may help; -1 with the reason. */
static int open_missing(struct opening *o, struct listen_socket *s)
{
    char address[LISTEN_WHY_MAX - 64];
    const char *call = NULL;
    int fd;

    while (s->fd_count < wanted(o->config, s)) {
        fd = open_beside(o->old, s, &call);
        if (fd >= 0) {
            add_fd(s, fd);
            continue;
        }
        o->again = o->again || errno == EADDRINUSE;
        listen_name(s, address, sizeof address);
        snprintf(o->why, LISTEN_WHY_MAX, "%s to %s failed (%d: %s)", call, address, errno,
                 strerror(errno));
        log_emerg(0, "%s", o->why);
        return errno == EADDRINUSE ? 0 : -1;
    }
    return 0;
}

/* Goes once through all sockets. 0: all are open; 1: some are in use; -1: it cannot be. */
static int open_round(struct opening *o)
{
    o->again = false;
    for (struct listen_socket *s = o->config->sockets; s; s = s->next)
        if (open_missing(o, s) != 0)
            return -1;
    return o->again;
}

int listen_open(struct config *config, const struct config *old, struct listen_inherited *inherited,
                unsigned tries, char why[LISTEN_WHY_MAX])
{
    struct opening o = { .config = config, .old = old, .why = why };
    int left = 1;

    CHECK_OBJ(config, CONFIG_MAGIC);
    AN(tries > 0);
    for (struct listen_socket *s = config->sockets; s; s = s->next)
        take_known(config, old, s, inherited);
    while (left > 0 && tries-- > 0) {
        left = open_round(&o);
        if (left > 0 && tries > 0) {
            log_notice(0, "try again to bind() after %dms", RETRY_PAUSE_MS);
            nanosleep(&(struct timespec){ 0, RETRY_PAUSE_MS * 1000000L }, NULL);
        }
    }
    if (left == 0)
        return 0;
    if (left > 0)
        log_emerg(0, "still could not bind()");
    listen_rollback(config, old);
    return -1;
}

/* Removes the path of a unix socket that this process made. */
static void remove_path(const struct listen_socket *s)
{
    AN(s->addr.family == ADDR_UNIX);
    if (unlink(s->path.p) != 0 && errno != ENOENT)
        log_emerg(errno, "unlink() \"%s\" failed", s->path.p);
}

void listen_commit(struct config *config, struct config *old)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct listen_socket *s = old ? old->sockets : NULL; s; s = s->next) {
        const struct listen_socket *same = find(config, s->key);

        for (size_t i = 0; i < s->fd_count; i++) {
            AN(has_fd(config, s->fds[i]) == (same != NULL));
            if (same)
                listen_socket_apply(same, s->fds[i]);
            else
                close(s->fds[i]);
        }
        if (!same && s->addr.family == ADDR_UNIX && s->fd_count > 0)
            remove_path(s);
        s->fds = NULL;
        s->fd_count = 0;
    }
}

void listen_rollback(struct config *config, const struct config *old)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct listen_socket *s = config->sockets; s; s = s->next) {
        bool opened = false;

        for (size_t i = 0; i < s->fd_count; i++)
            if (!has_fd(old, s->fds[i])) {
                close(s->fds[i]);
                opened = true;
            }
        if (opened && s->addr.family == ADDR_UNIX && !find(old, s->key))
            remove_path(s);
        s->fds = NULL;
        s->fd_count = 0;
    }
}

void listen_close(struct config *config, bool remove_paths)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct listen_socket *s = config->sockets; s; s = s->next) {
        if (remove_paths && s->addr.family == ADDR_UNIX && s->fd_count > 0)
            remove_path(s);
        for (size_t i = 0; i < s->fd_count; i++)
            close(s->fds[i]);
        s->fds = NULL;
        s->fd_count = 0;
    }
}

void listen_forget(const struct config *keep, const struct config *other)
{
    AN(keep != other);
    for (const struct listen_socket *s = other->sockets; s; s = s->next)
        for (size_t i = 0; i < s->fd_count; i++)
            if (!has_fd(keep, s->fds[i]))
                close(s->fds[i]);
}

bool listen_is_mine(const struct listen_socket *s, size_t i, unsigned slot, unsigned workers)
{
    AN(i < s->fd_count);
    AN(slot < workers);
    return !s->options.reuseport || i % workers == slot;
}
