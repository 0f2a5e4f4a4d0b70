/*
 * test_listen.c - listening sockets: opened, kept, given up, handed on. Real ones, on loopback.
 */
#include "io/listen.h"

#include "base/log.h"
#include "suite.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A configuration with what listen.c looks at. */
struct fixture {
    struct config config;
    struct process_conf process;
};

static char directory[64];
static struct log_file nowhere_file = { .path = (char[]){ "/dev/null" }, .users = 1 };
static const struct log nowhere = { .level = SLV_LOG_DEBUG, .file = &nowhere_file };

/*
 * ---- Help
 * ---------------------------------------------------------------------------------------
 */

/* A directory for unix sockets; messages that are expected go nowhere. */
static int begin(void)
{
    snprintf(directory, sizeof directory, "/tmp/selvage-listen-XXXXXX");
    nowhere_file.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_set_default(&nowhere);
    return mkdtemp(directory) && nowhere_file.fd >= 0 ? 0 : 1;
}

/* The other way round. */
static int end(void)
{
    log_set_default(NULL);
    close(nowhere_file.fd);
    return rmdir(directory);
}

/* An empty configuration. */
static void fixture_init(struct fixture *f, int workers)
{
    memset(f, 0, sizeof *f);
    f->config.magic = CONFIG_MAGIC;
    f->config.process = &f->process;
    f->process.worker_processes = workers;
    arena_init(&f->config.arena, 4096);
}

/* Closes what is open. */
static void fixture_free(struct fixture *f)
{
    listen_close(&f->config, true);
    arena_free(&f->config.arena);
}

/* Adds a socket with default options. */
static struct listen_socket *add(struct fixture *f, const char *key)
{
    struct listen_socket *s = arena_zalloc(&f->config.arena, sizeof *s);

    s->key = str_of(key);
    s->options = (struct listen_options){
        .backlog = -1, .ipv6only = -1, .keepalive = -1, .unix_mode = -1, .unix_uid = -1,
        .unix_gid = -1
    };
    s->next = f->config.sockets;
    f->config.sockets = s;
    return s;
}

/* Adds a TCP socket; host NULL: both families. */
static struct listen_socket *add_tcp(struct fixture *f, const char *host, unsigned port)
{
    struct str key = arena_printf(&f->config.arena, "%s:%u", host ? host : "*", port);
    struct listen_socket *s = add(f, key.p);

    if (host)
        CU_ASSERT_EQUAL(addr_parse(str_of(host), &s->addr), 0);
    s->addr.port = (uint16_t)port;
    return s;
}

/* Adds a unix socket in the test's directory. */
static struct listen_socket *add_unix(struct fixture *f, const char *name)
{
    struct str path = arena_printf(&f->config.arena, "%s/%s", directory, name);
    struct listen_socket *s = add(f, arena_printf(&f->config.arena, "unix:%s", path.p).p);

    s->addr.family = ADDR_UNIX;
    s->path = path;
    return s;
}

/* Opens without patience. */
static int open_now(struct fixture *f, const struct fixture *old)
{
    char why[LISTEN_WHY_MAX];

    return listen_open(&f->config, old ? &old->config : NULL, NULL, 1, why);
}

/* Does this host have IPv6? Those that build packages often do not. */
static bool have_v6(void)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

    if (fd >= 0)
        close(fd);
    return have;
}

/* A port that nobody uses. */
static unsigned free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* Connects to a port of 127.0.0.1 or ::1; the descriptor or -1. */
static int connect_to(int family, unsigned port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    int fd = socket(family, SOCK_STREAM, 0), rc;

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    rc = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4)
                           : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

/* Does anybody listen? */
static bool served(int family, unsigned port)
{
    int fd = connect_to(family, port);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A bare unix socket bound to a path; listening or not. */
static int bare_unix(const char *path, bool listening)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    if (listening)
        CU_ASSERT_EQUAL(listen(fd, 1), 0);
    return fd;
}

/* Open descriptors of this process. */
static unsigned open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* The value of an option. */
static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

/*
 * ---- Addresses and options
 * ----------------------------------------------------------------------
 */

/* One socket for both families. */
static void test_dual_stack(void)
{
    unsigned port = free_port();
    struct fixture f;

    fixture_init(&f, 2);
    add_tcp(&f, NULL, port);
    CU_ASSERT_EQUAL_FATAL(open_now(&f, NULL), 0);
    CU_ASSERT_EQUAL(f.config.sockets->fd_count, 1);
    CU_ASSERT_TRUE(served(AF_INET, port));
    CU_ASSERT_EQUAL(served(AF_INET6, port), have_v6());
    fixture_free(&f);
    CU_ASSERT_FALSE(served(AF_INET, port));
}

/* Each family for itself, side by side. */
static void test_single_stack(void)
{
    unsigned port = free_port();
    struct fixture f;

    if (!have_v6())
        return;
    fixture_init(&f, 1);
    add_tcp(&f, "::", port);
    CU_ASSERT_EQUAL_FATAL(open_now(&f, NULL), 0);
    CU_ASSERT_FALSE(served(AF_INET, port));
    CU_ASSERT_TRUE(served(AF_INET6, port));
    fixture_free(&f);
    fixture_init(&f, 1);
    add_tcp(&f, "::", port);
    add_tcp(&f, "127.0.0.1", port);
    CU_ASSERT_EQUAL_FATAL(open_now(&f, NULL), 0);
    CU_ASSERT_TRUE(served(AF_INET, port));
    CU_ASSERT_TRUE(served(AF_INET6, port));
    fixture_free(&f);
}

/* What connections inherit, and what the kernel is told. */
static void test_options(void)
{
    struct listen_socket *s;
    struct fixture f;
    int fd;

    fixture_init(&f, 1);
    s = add_tcp(&f, "127.0.0.1", free_port());
    s->options.deferred = true;
    s->options.fastopen = 7;
    s->options.keepalive = 1;
    s->options.keepidle = 77;
    s->options.sndbuf = 50000;
    CU_ASSERT_EQUAL_FATAL(open_now(&f, NULL), 0);
    fd = s->fds[0];
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_SNDBUF), 100000);
    CU_ASSERT_EQUAL(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    CU_ASSERT_EQUAL(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    CU_ASSERT_EQUAL(option(fd, IPPROTO_TCP, TCP_FASTOPEN), 7);
    CU_ASSERT(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
    CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CU_ASSERT(fcntl(fd, F_GETFL) & O_NONBLOCK);
    fixture_free(&f);
}

/* What messages call it. */
static void test_names(void)
{
    struct listen_socket *s;
    struct fixture f;
    char name[64];

    fixture_init(&f, 1);
    listen_name(add_tcp(&f, NULL, 80), name, sizeof name);
    CU_ASSERT_STRING_EQUAL(name, "0.0.0.0:80");
    listen_name(add_tcp(&f, "::1", 8080), name, sizeof name);
    CU_ASSERT_STRING_EQUAL(name, "[::1]:8080");
    s = add(&f, "unix:/run/x");
    s->addr.family = ADDR_UNIX;
    s->path = STR("/run/x");
    CU_ASSERT_EQUAL(listen_name(s, name, sizeof name), 11);
    CU_ASSERT_STRING_EQUAL(name, "unix:/run/x");
    CU_ASSERT_EQUAL(listen_name(s, name, 8), 7);
    arena_free(&f.config.arena);
}

/*
 * ---- From one configuration to the next
 * ---------------------------------------------------------
 */

/* The socket stays the same one: who waits in its queue is not lost. */
static void test_kept(void)
{
    unsigned port = free_port(), gone = free_port();
    struct fixture old, new;
    int fd, waiting;

    fixture_init(&old, 1);
    add_tcp(&old, "127.0.0.1", port);
    add_tcp(&old, "127.0.0.1", gone);
    CU_ASSERT_EQUAL_FATAL(open_now(&old, NULL), 0);
    fd = old.config.sockets->next->fds[0];
    waiting = connect_to(AF_INET, port);
    CU_ASSERT(waiting >= 0);
    fixture_init(&new, 1);
    add_tcp(&new, "127.0.0.1", port)->options.deferred = true;
    CU_ASSERT_EQUAL_FATAL(open_now(&new, &old), 0);
    CU_ASSERT_EQUAL(new.config.sockets->fds[0], fd);
    /* Until it is decided, nothing has changed. */
    CU_ASSERT_EQUAL(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    CU_ASSERT_TRUE(served(AF_INET, gone));
    listen_commit(&new.config, &old.config);
    CU_ASSERT(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
    CU_ASSERT_FALSE(served(AF_INET, gone));
    CU_ASSERT_EQUAL(old.config.sockets->fd_count, 0);
    close(waiting);
    waiting = accept(fd, NULL, NULL);
    CU_ASSERT(waiting >= 0);
    close(waiting);
    fixture_free(&old);
    CU_ASSERT_EQUAL(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    fixture_free(&new);
}

/* A reload that fails half-way leaves everything as it was, and no descriptor behind. */
static void test_refused(void)
{
    unsigned port = free_port(), fresh = free_port(), taken = free_port(), fds;
    struct fixture old, new, other;
    char why[LISTEN_WHY_MAX], expected[LISTEN_WHY_MAX];

    fixture_init(&old, 1);
    fixture_init(&new, 1);
    fixture_init(&other, 1);
    add_tcp(&other, "127.0.0.1", taken);
    CU_ASSERT_EQUAL_FATAL(open_now(&other, NULL), 0);
    add_tcp(&old, "127.0.0.1", port);
    CU_ASSERT_EQUAL_FATAL(open_now(&old, NULL), 0);
    fds = open_fds();
    add_tcp(&new, "127.0.0.1", taken);
    add_tcp(&new, "127.0.0.1", fresh);
    add_tcp(&new, "127.0.0.1", port);
    add_unix(&new, "fresh");
    CU_ASSERT_EQUAL(listen_open(&new.config, &old.config, NULL, 1, why), -1);
    snprintf(expected, sizeof expected,
             "bind() to 127.0.0.1:%u failed (98: Address already in use)", taken);
    CU_ASSERT_STRING_EQUAL(why, expected);
    CU_ASSERT_EQUAL(open_fds(), fds);
    CU_ASSERT_FALSE(served(AF_INET, fresh));
    CU_ASSERT_TRUE(served(AF_INET, port));
    CU_ASSERT_EQUAL(access(new.config.sockets->path.p, F_OK), -1);
    /* Given up later, by somebody else's fault: the same. */
    listen_close(&other.config, true);
    CU_ASSERT_EQUAL(open_now(&new, &old), 0);
    CU_ASSERT_TRUE(served(AF_INET, fresh));
    listen_rollback(&new.config, &old.config);
    CU_ASSERT_EQUAL(open_fds(), fds - 1);
    CU_ASSERT_TRUE(served(AF_INET, port));
    fixture_free(&new);
    fixture_free(&old);
    fixture_free(&other);
}

/* An address gives way to the wildcard of its port and back, although both cannot stand alone. */
static void test_wildcard_change(void)
{
    unsigned port = free_port();
    struct fixture one, any, back;
    struct fixture stranger;

    fixture_init(&one, 1);
    fixture_init(&any, 1);
    fixture_init(&back, 1);
    fixture_init(&stranger, 1);
    add_tcp(&one, "127.0.0.1", port);
    add_tcp(&any, NULL, port);
    add_tcp(&back, "127.0.0.1", port);
    add_tcp(&stranger, "0.0.0.0", port);
    CU_ASSERT_EQUAL_FATAL(open_now(&one, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(open_now(&any, &one), 0);
    listen_commit(&any.config, &one.config);
    CU_ASSERT_TRUE(served(AF_INET, port));
    CU_ASSERT_EQUAL(served(AF_INET6, port), have_v6());
    CU_ASSERT_EQUAL(option(any.config.sockets->fds[0], SOL_SOCKET, SO_REUSEPORT), 0);
    /* What was lent for the change is taken back: nobody else gets in. */
    CU_ASSERT_EQUAL(open_now(&stranger, NULL), -1);
    CU_ASSERT_EQUAL_FATAL(open_now(&back, &any), 0);
    listen_commit(&back.config, &any.config);
    CU_ASSERT_TRUE(served(AF_INET, port));
    CU_ASSERT_FALSE(served(AF_INET6, port));
    fixture_free(&one);
    fixture_free(&any);
    fixture_free(&stranger);
    fixture_free(&back);
}

/* Does every descriptor belong to some slot, and every slot own one? */
static bool all_shared_out(const struct listen_socket *s, unsigned workers)
{
    for (unsigned slot = 0; slot < workers; slot++) {
        bool any = false;

        for (size_t i = 0; i < s->fd_count; i++)
            any = any || listen_is_mine(s, i, slot, workers);
        if (!any)
            return false;
    }
    for (size_t i = 0; i < s->fd_count; i++) {
        unsigned owners = 0;

        for (unsigned slot = 0; slot < workers; slot++)
            owners += listen_is_mine(s, i, slot, workers);
        if (owners != (s->options.reuseport ? 1 : workers))
            return false;
    }
    return true;
}

/* reuseport: one per worker; switched on, grown, shrunk, switched off, and never one closed. */
static void test_reuseport(void)
{
    static const struct {
        int workers;
        bool reuseport;
        size_t fds;
    } steps[] = {
        { 1, false, 1 }, { 2, true, 2 }, { 5, true, 5 }, { 3, true, 5 }, { 6, true, 6 },
        { 4, false, 6 }, { 8, false, 6 }, { 2, true, 6 },
    };
    enum { STEPS = sizeof steps / sizeof *steps };
    unsigned port = free_port();
    struct fixture f[STEPS];

    for (size_t i = 0; i < STEPS; i++) {
        struct listen_socket *s;

        fixture_init(&f[i], steps[i].workers);
        s = add_tcp(&f[i], "127.0.0.1", port);
        s->options.reuseport = steps[i].reuseport;
        CU_ASSERT_EQUAL_FATAL(open_now(&f[i], i ? &f[i - 1] : NULL), 0);
        SUITE_CHECK(s->fd_count == steps[i].fds, "step %zu: %zu", i, s->fd_count);
        for (size_t n = 0; i > 0 && n < f[i - 1].config.sockets->fd_count; n++)
            SUITE_CHECK(s->fds[n] == f[i - 1].config.sockets->fds[n], "step %zu", i);
        SUITE_CHECK(all_shared_out(s, (unsigned)steps[i].workers), "step %zu", i);
        listen_commit(&f[i].config, i ? &f[i - 1].config : NULL);
        SUITE_CHECK(served(AF_INET, port), "step %zu", i);
    }
    for (size_t i = 0; i < STEPS; i++)
        fixture_free(&f[i]);
    CU_ASSERT_FALSE(served(AF_INET, port));
}

/*
 * ---- Unix sockets
 * -------------------------------------------------------------------------------
 */

/* Mode, and the path's life. */
static void test_unix(void)
{
    struct fixture old, new, last;
    struct listen_socket *s;
    struct stat st;

    fixture_init(&old, 1);
    fixture_init(&new, 1);
    fixture_init(&last, 1);
    s = add_unix(&old, "a");
    CU_ASSERT_EQUAL_FATAL(open_now(&old, NULL), 0);
    CU_ASSERT_EQUAL(stat(s->path.p, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0666);
    s = add_unix(&new, "a");
    s->options.unix_mode = 0600;
    CU_ASSERT_EQUAL_FATAL(open_now(&new, &old), 0);
    listen_commit(&new.config, &old.config);
    CU_ASSERT_EQUAL(stat(s->path.p, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    /* The next configuration does not want it any more. */
    CU_ASSERT_EQUAL(open_now(&last, &new), 0);
    listen_commit(&last.config, &new.config);
    CU_ASSERT_EQUAL(stat(s->path.p, &st), -1);
    /* Somebody else serves it from now on: the path stays. */
    CU_ASSERT_EQUAL(open_now(&new, NULL), 0);
    listen_close(&new.config, false);
    CU_ASSERT_EQUAL(stat(s->path.p, &st), 0);
    unlink(s->path.p);
    fixture_free(&old);
    fixture_free(&new);
    fixture_free(&last);
}

/* What stands in the way is replaced only if it is a dead server's socket. */
static void test_unix_stale(void)
{
    struct fixture f;
    struct listen_socket *s;
    struct stat st;
    int fd;

    fixture_init(&f, 1);
    s = add_unix(&f, "b");
    fd = bare_unix(s->path.p, true);
    CU_ASSERT_EQUAL(open_now(&f, NULL), -1);
    CU_ASSERT_EQUAL(access(s->path.p, F_OK), 0);
    close(fd);
    CU_ASSERT_EQUAL(open_now(&f, NULL), 0);
    listen_close(&f.config, true);
    CU_ASSERT_EQUAL(access(s->path.p, F_OK), -1);
    close(open(s->path.p, O_CREAT | O_WRONLY, 0644));
    CU_ASSERT_EQUAL(open_now(&f, NULL), -1);
    CU_ASSERT_EQUAL(stat(s->path.p, &st), 0);
    CU_ASSERT(S_ISREG(st.st_mode));
    unlink(s->path.p);
    fixture_free(&f);
}

/*
 * ---- Binary upgrade
 * -----------------------------------------------------------------------------
 */

/* Adds what all programs of the next test listen on. */
static void add_all(struct fixture *f, unsigned port, unsigned second)
{
    add_tcp(f, NULL, port);
    add_tcp(f, "127.0.0.2", second);
    add_tcp(f, "127.0.0.1", second)->options.reuseport = true;
    add_unix(f, "c");
}

/* Sockets are found again by their addresses, whatever their order; others are closed. */
static void test_inherited(void)
{
    struct listen_inherited inherited;
    char why[LISTEN_WHY_MAX], *text;
    unsigned port = free_port(), second = free_port(), fds;
    struct fixture old, new;

    fixture_init(&old, 2);
    add_tcp(&old, "127.0.0.3", second);
    add_all(&old, port, second);
    CU_ASSERT_EQUAL_FATAL(open_now(&old, NULL), 0);
    fds = open_fds();
    listen_survive_exec(&old.config);
    CU_ASSERT_EQUAL(fcntl(old.config.sockets->fds[0], F_GETFD), 0);
    text = listen_inheritable(&old.config);
    listen_inherited_parse(&inherited, text);
    CU_ASSERT_EQUAL(inherited.count, 6);
    CU_ASSERT_EQUAL(fcntl(old.config.sockets->fds[0], F_GETFD), FD_CLOEXEC);
    fixture_init(&new, 2);
    add_all(&new, port, second);
    CU_ASSERT_EQUAL(listen_open(&new.config, NULL, &inherited, 1, why), 0);
    listen_inherited_free(&inherited);
    CU_ASSERT_EQUAL(open_fds(), fds - 1);
    for (struct listen_socket *s = new.config.sockets, *o = old.config.sockets; s;
         s = s->next, o = o->next) {
        CU_ASSERT_EQUAL(s->fd_count, o->fd_count);
        CU_ASSERT_EQUAL(memcmp(s->fds, o->fds, s->fd_count * sizeof *s->fds), 0);
    }
    free(text);
    fixture_free(&new);
    arena_free(&old.config.arena);
}

/* What is no list of sockets is not believed. */
static void test_inherited_nonsense(void)
{
    static const char *const texts[] = {
        "", ";", "x;", "6", "-1;", "0;", "2;", "99999;", "99999999999999999999;", " ;", "6 ;",
    };
    struct listen_inherited inherited;
    unsigned fds = open_fds();
    char text[32];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        listen_inherited_parse(&inherited, texts[i]);
        SUITE_CHECK(inherited.count == 0, "\"%s\"", texts[i]);
        listen_inherited_free(&inherited);
    }
    /* A descriptor that is there but does not listen. */
    snprintf(text, sizeof text, "%d;", nowhere_file.fd);
    listen_inherited_parse(&inherited, text);
    CU_ASSERT_EQUAL(inherited.count, 0);
    CU_ASSERT_EQUAL(open_fds(), fds);
}

/* A worker keeps its own configuration's sockets and no others. */
static void test_forget(void)
{
    unsigned port = free_port(), other = free_port();
    struct fixture old, new;
    int kept, closed;

    fixture_init(&old, 1);
    fixture_init(&new, 1);
    add_tcp(&old, "127.0.0.1", port);
    add_tcp(&old, "127.0.0.1", other);
    add_tcp(&new, "127.0.0.1", port);
    CU_ASSERT_EQUAL_FATAL(open_now(&old, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(open_now(&new, &old), 0);
    closed = old.config.sockets->fds[0];
    kept = new.config.sockets->fds[0];
    listen_forget(&new.config, &old.config);
    CU_ASSERT_EQUAL(fcntl(closed, F_GETFD), -1);
    CU_ASSERT_EQUAL(fcntl(kept, F_GETFD), FD_CLOEXEC);
    fixture_free(&new);
    arena_free(&old.config.arena);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo addresses[] = {
        { "dual stack", test_dual_stack }, { "single stack", test_single_stack },
        { "options", test_options }, { "names", test_names }, CU_TEST_INFO_NULL
    };
    CU_TestInfo changes[] = {
        { "kept", test_kept }, { "refused", test_refused },
        { "wildcard", test_wildcard_change }, { "reuseport", test_reuseport },
        { "unix", test_unix }, { "stale", test_unix_stale }, CU_TEST_INFO_NULL
    };
    CU_TestInfo upgrades[] = {
        { "inherited", test_inherited }, { "nonsense", test_inherited_nonsense },
        { "forget", test_forget }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "addresses", begin, end, NULL, NULL, addresses },
        { "changes", begin, end, NULL, NULL, changes },
        { "upgrades", begin, end, NULL, NULL, upgrades }, CU_SUITE_INFO_NULL
    };

    return suite_main("listen", suites);
}
