/*
 * listen_socket.c - one listening socket: address, options, bind, listen.
 */
#include "io/listen.h"

#include "base/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* After the system's headers, because it needs their types. */
#include <linux/vm_sockets.h>

/* Any of the address kinds that can be listened on. */
union endpoint {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_vm vm;
};

/* ---- Addresses ------------------------------------------------------------------------------ */

/* Fills in what to bind for an address family; returns the length. */
static socklen_t endpoint_of(const struct listen_socket *s, int family, union endpoint *e)
{
    memset(e, 0, sizeof *e);
    e->any.sa_family = (sa_family_t)family;
    switch (family) {
    case AF_INET:
        e->v4.sin_port = htons(s->addr.port);
        if (s->addr.family == ADDR_V4)
            memcpy(&e->v4.sin_addr, s->addr.ip, 4);
        return sizeof e->v4;
    case AF_INET6:
        e->v6.sin6_port = htons(s->addr.port);
        if (s->addr.family == ADDR_V6)
            memcpy(&e->v6.sin6_addr, s->addr.ip, 16);
        return sizeof e->v6;
    case AF_UNIX:
        AN(s->path.n < sizeof e->local.sun_path);
        memcpy(e->local.sun_path, s->path.p, s->path.n);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + s->path.n + 1);
    case AF_VSOCK:
        e->vm.svm_port = s->addr.port;
        memcpy(&e->vm.svm_cid, s->addr.ip, sizeof e->vm.svm_cid);
        return sizeof e->vm;
    default:
        NEVER("address family");
    }
}

/* The family to try first. */
static int family_of(const struct listen_socket *s)
{
    switch ((enum addr_family)s->addr.family) {
    case ADDR_NONE:
    case ADDR_V6:
        return AF_INET6;
    case ADDR_V4:
        return AF_INET;
    case ADDR_UNIX:
        return AF_UNIX;
    case ADDR_VSOCK:
        return AF_VSOCK;
    }
    NEVER("address family");
}

size_t listen_name(const struct listen_socket *s, char *out, size_t size)
{
    char text[ADDR_TEXT_MAX];
    int n;

    AN(size > 0);
    if (s->addr.family == ADDR_UNIX) {
        n = snprintf(out, size, "unix:%.*s", STR_ARG(s->path));
    } else if (s->addr.family == ADDR_NONE) {
        n = snprintf(out, size, "0.0.0.0:%u", s->addr.port);
    } else {
        addr_text_port(&s->addr, text);
        n = snprintf(out, size, "%s", text);
    }
    AN(n > 0);
    return (size_t)n < size ? (size_t)n : size - 1;
}

/* Is this the dual-stack wildcard, an IPv6 socket that takes IPv4 too? */
static bool takes_both(int fd)
{
    int only = 1;
    socklen_t size = sizeof only;

    return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0 && !only;
}

bool listen_socket_is(const struct listen_socket *s, int fd)
{
    union endpoint have, want;
    socklen_t have_size = sizeof have;

    memset(&have, 0, sizeof have);
    if (getsockname(fd, &have.any, &have_size) != 0)
        return false;
    /* A dual-stack address may have become plain IPv4 on a host without IPv6. */
    if (have.any.sa_family != family_of(s)
        && !(s->addr.family == ADDR_NONE && have.any.sa_family == AF_INET))
        return false;
    endpoint_of(s, have.any.sa_family, &want);
    switch (have.any.sa_family) {
    case AF_INET:
        return have.v4.sin_port == want.v4.sin_port
            && have.v4.sin_addr.s_addr == want.v4.sin_addr.s_addr;
    case AF_INET6:
        return have.v6.sin6_port == want.v6.sin6_port
            && memcmp(&have.v6.sin6_addr, &want.v6.sin6_addr, 16) == 0
            && takes_both(fd) == (s->addr.family == ADDR_NONE);
    case AF_UNIX:
        return strncmp(have.local.sun_path, want.local.sun_path, sizeof have.local.sun_path) == 0;
    default:
        return have.vm.svm_port == want.vm.svm_port && have.vm.svm_cid == want.vm.svm_cid;
    }
}

/* ---- Options -------------------------------------------------------------------------------- */

/*
 * Sets one option. What a kernel refuses here makes the server slower, not wrong: it is only
 * logged.
 */
static void set_option(const struct listen_socket *s, int fd, int level, int option, int value,
                       const char *name)
{
    char address[LISTEN_WHY_MAX];

    if (setsockopt(fd, level, option, &value, sizeof value) == 0)
        return;
    listen_name(s, address, sizeof address);
    log_alert(errno, "setsockopt(%s, %d) for %s failed, ignored", name, value, address);
}

/* Keep-alive probes of connections; they inherit the setting from the listener. */
static void set_keepalive(const struct listen_socket *s, int fd)
{
    const struct listen_options *o = &s->options;

    if (o->keepalive >= 0)
        set_option(s, fd, SOL_SOCKET, SO_KEEPALIVE, o->keepalive, "SO_KEEPALIVE");
    if (o->keepidle)
        set_option(s, fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepidle, "TCP_KEEPIDLE");
    if (o->keepintvl)
        set_option(s, fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepintvl, "TCP_KEEPINTVL");
    if (o->keepcnt)
        set_option(s, fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepcnt, "TCP_KEEPCNT");
}

/* Options of TCP. TCP_NODELAY is set here, because accepted sockets inherit it for nothing. */
static void set_tcp(const struct listen_socket *s, int fd)
{
    const struct listen_options *o = &s->options;
    int value = 0;
    socklen_t size = sizeof value;

    set_option(s, fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    set_keepalive(s, fd);
    /*
     * The kernel rounds the seconds up to whole retransmissions, so only on and off are compared.
     */
    if (getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, &size) == 0
        && (value != 0) != o->deferred)
        set_option(s, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, o->deferred, "TCP_DEFER_ACCEPT");
    value = 0;
    size = sizeof value;
    if (getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &value, &size) == 0 && value != o->fastopen)
        set_option(s, fd, IPPROTO_TCP, TCP_FASTOPEN, o->fastopen, "TCP_FASTOPEN");
}

/* Gives the path of a unix socket its mode and owner. */
static void set_path_rights(const struct listen_socket *s)
{
    const struct listen_options *o = &s->options;
    mode_t mode = o->unix_mode < 0 ? 0666 : (mode_t)o->unix_mode;

    AN(s->addr.family == ADDR_UNIX);
    if (chmod(s->path.p, mode) != 0)
        log_alert(errno, "chmod() \"%s\" failed", s->path.p);
    if ((o->unix_uid >= 0 || o->unix_gid >= 0)
        && lchown(s->path.p, (uid_t)o->unix_uid, (gid_t)o->unix_gid) != 0)
        log_alert(errno, "chown() \"%s\" failed", s->path.p);
}

/* Everything that may be set on a socket before and after it is in use. */
static void set_options(const struct listen_socket *s, int fd)
{
    if (s->options.rcvbuf)
        set_option(s, fd, SOL_SOCKET, SO_RCVBUF, s->options.rcvbuf, "SO_RCVBUF");
    if (s->options.sndbuf)
        set_option(s, fd, SOL_SOCKET, SO_SNDBUF, s->options.sndbuf, "SO_SNDBUF");
    if (s->addr.family != ADDR_UNIX && s->addr.family != ADDR_VSOCK)
        set_tcp(s, fd);
}

/* The length of the queue. */
static int backlog_of(const struct listen_socket *s)
{
    return s->options.backlog < 0 ? LISTEN_BACKLOG : s->options.backlog;
}

void listen_socket_apply(const struct listen_socket *s, int fd)
{
    char address[LISTEN_WHY_MAX];

    AN(fd >= 0);
    set_options(s, fd);
    if (s->addr.family == ADDR_UNIX)
        set_path_rights(s);
    /* A second listen() changes the queue's length and nothing else. */
    if (listen(fd, backlog_of(s)) != 0) {
        listen_name(s, address, sizeof address);
        log_alert(errno, "listen() to %s, backlog %d failed, ignored", address, backlog_of(s));
    }
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* Does anybody listen on this path? Asked only where a bind failed. */
static bool path_is_served(const union endpoint *e, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool served = fd < 0 || connect(fd, &e->any, size) == 0 || errno != ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return served;
}

/*
 * Binds a unix socket. A socket file that a dead server left behind is replaced; a file of any
 * other kind, or one that somebody listens on, is not. 0, or -1 with errno.
 */
static int bind_path(const struct listen_socket *s, int fd, const union endpoint *e, socklen_t size)
{
    struct stat st;
    /* Until its rights are set nobody else may connect. */
    mode_t old_mask = umask(0177);
    int rc = bind(fd, &e->any, size), error = errno;

    if (rc != 0 && error == EADDRINUSE && lstat(s->path.p, &st) == 0 && S_ISSOCK(st.st_mode)
        && !path_is_served(e, size) && unlink(s->path.p) == 0) {
        rc = bind(fd, &e->any, size);
        error = errno;
    }
    umask(old_mask);
    if (rc == 0)
        set_path_rights(s);
    errno = error;
    return rc;
}

/* Options that must stand before bind(). 0, or -1 with errno and *call set. */
static int set_before_bind(const struct listen_socket *s, int fd, int family, const char **call)
{
    int on = 1, only = s->addr.family != ADDR_NONE;

    if (family != AF_INET && family != AF_INET6)
        return 0;
    *call = "setsockopt(SO_REUSEADDR)";
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -1;
    *call = "setsockopt(SO_REUSEPORT)";
    if (s->options.reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return -1;
    *call = "setsockopt(IPV6_V6ONLY)";
    return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) : 0;
}

/* Opens a socket of one family. The descriptor; -1 with errno and *call set. */
static int open_family(const struct listen_socket *s, int family, const char **call)
{
    union endpoint e;
    socklen_t size = endpoint_of(s, family, &e);
    int fd, error, rc;

    *call = "socket()";
    fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    rc = set_before_bind(s, fd, family, call);
    if (rc == 0) {
        *call = "bind()";
        rc = family == AF_UNIX ? bind_path(s, fd, &e, size) : bind(fd, &e.any, size);
    }
    if (rc == 0) {
        set_options(s, fd);
        *call = "listen()";
        rc = listen(fd, backlog_of(s));
    }
    if (rc == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int listen_socket_open(const struct listen_socket *s, const char **call)
{
    int fd = open_family(s, family_of(s), call);

    /* The wildcard means "what this host has": a kernel without IPv6 gives plain IPv4. */
    if (fd < 0 && s->addr.family == ADDR_NONE
        && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL || errno == ENOPROTOOPT))
        fd = open_family(s, AF_INET, call);
    return fd;
}
