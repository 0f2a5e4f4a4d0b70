/*
 * service.c - a worker's connections: accepting, counting, draining.
 */
#include "io/service.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/access_log.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/driver.h"
#include "core/hub_worker.h"
#include "core/server.h"
#include "http/h1.h"
#include "io/listen.h"
#include "io/loop_ev.h"
#include "io/session.h"
#include "io/sockaddr.h"
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections accepted in one wake-up, at most. */
#define ACCEPT_MAX 16

/* How long accepting rests when the process has run out of descriptors. */
#define ACCEPT_PAUSE 200

/* Complaints about the same lack are this far apart. */
#define COMPLAINT_GAP 60000

/* One listening descriptor. */
struct acceptor {
    unsigned magic;
#define ACCEPTOR_MAGIC 0xacce9704u
    ev_io io;
    struct service *service;
    const struct listen_socket *socket;
    unsigned batch;                /* how many the next wake-up tries */
};

struct service {
    unsigned magic;
#define SERVICE_MAGIC 0x5e2f1ce5u
    struct session_host host;
    const struct config *config;
    struct acceptor *acceptors;
    size_t acceptor_count;
    int reserve;                   /* given up to be able to refuse a client when none is left */
    struct loop_timer resume;      /* accepting again */
    struct loop_timer flush;       /* the access log */
    ms_t complained;
    uint64_t number;               /* of the last connection */
    bool draining;
    void (*emptied)(void *arg);
    void *arg;
};

/* Tells the owner once when a draining service is empty. */
static void check_empty(struct service *s)
{
    if (!s->draining || s->host.count || !s->emptied)
        return;
    void (*emptied)(void *) = s->emptied;

    s->emptied = NULL;
    emptied(s->arg);
}

/* struct session_host: closed */
static void on_closed(void *arg)
{
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    check_empty(s);
}

/* The adapter for what is spoken to a server, from now on. */
static void *http_state(const struct server *server, ms_t now)
{
    return h1_new(&core_hooks, &core_conf_of(server->block)->limits, now);
}

/* struct session_host: opened. All protocols that are agreed upon in a handshake are HTTP/1. */
static void on_opened(struct conn *c, void *arg)
{
    const struct listen_addr *at;
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    CAST_OBJ(at, c->listen, LISTEN_ADDR_MAGIC);
    if (!c->tls)
        metrics_add(COUNTER_TLS_PLAIN, 1);
    conn_upgrade(c, &h1_adapter,
                 http_state(c->tls ? c->tls : at->fallback, loop_now(s->host.loop)));
}

/* Buffered log lines have a date by which they are out. */
static void set_flush(struct service *s)
{
    ms_t due;

    if (s->flush.entry.deadline != MS_NEVER)
        return;
    due = access_log_due(s->config);
    if (due != MS_NEVER)
        loop_timer_set(s->host.loop, &s->flush, due);
}

/* The worker is about to wait. */
static void before_wait(void *arg)
{
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    hub_turn_over();
    set_flush(s);
}

/* A module's timer is due. */
static void on_module_timer(void *arg)
{
    struct slv_timer *t = arg;

    t->fire(t);
}

/* struct core_driver: timer_set */
static void set_module_timer(void *arg, struct slv_timer *t, int64_t ms)
{
    struct loop_timer *timer = (struct loop_timer *)(void *)t->room;
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    if (!timer->call)
        loop_timer_init(timer, on_module_timer, t);
    loop_timer_set(s->host.loop, timer, ms < 0 ? MS_NEVER : loop_now(s->host.loop) + ms);
}

/* struct core_driver: now */
static int64_t module_now(void *arg)
{
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    return loop_now(s->host.loop);
}

static const struct core_driver driver = { .timer_set = set_module_timer, .now = module_now };

_Static_assert(sizeof(struct loop_timer) <= sizeof(((struct slv_timer *)0)->room),
               "a timer has its room");

/* The access log's date has come. */
static void on_flush(void *arg)
{
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    access_log_flush(s->config, loop_now(s->host.loop), false);
    set_flush(s);
}

/* Starts or stops all acceptors. */
static void accept_all(struct service *s, bool on)
{
    struct ev_loop *ev = loop_ev(s->host.loop);

    for (size_t i = 0; i < s->acceptor_count; i++) {
        if (on)
            ev_io_start(ev, &s->acceptors[i].io);
        else
            ev_io_stop(ev, &s->acceptors[i].io);
    }
}

/* Accepting goes on after a pause. */
static void on_resume(void *arg)
{
    struct service *s;

    CAST_OBJ(s, arg, SERVICE_MAGIC);
    /* Somebody else may have taken the last descriptor before it could be had back. */
    if (s->reserve < 0)
        s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!s->draining)
        accept_all(s, true);
}

/* Says what is lacking, not too often. */
static void complain(struct service *s, int error, const char *what)
{
    ms_t now = loop_now(s->host.loop);

    if (s->complained && now - s->complained < COMPLAINT_GAP)
        return;
    s->complained = now;
    log_alert(error, "%s", what);
}

/* A client that cannot be served is told so, and why it may come again. */
static void refuse_client(int fd)
{
    static const char text[] =
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
        "content-length: 11\r\n\r\noverloaded\n";
    char unread[4096];

    metrics_add(COUNTER_REFUSED, 1);
    /* What the client said must be read, or closing would reset the answer away. */
    if (read(fd, unread, sizeof unread) >= 0 || errno == EAGAIN)
        if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            errno = 0;
    close(fd);
}

/*
 * No descriptor is left: one client is refused with the one kept in reserve, then accepting
 * rests.
 */
static void out_of_descriptors(struct service *s, const struct acceptor *a, int error)
{
    complain(s, error, "accept4() failed, accepting rests; raise worker_rlimit_nofile");
    if (s->reserve >= 0) {
        int fd;

        close(s->reserve);
        fd = accept4(a->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            refuse_client(fd);
        s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    accept_all(s, false);
    loop_timer_set(s->host.loop, &s->resume, loop_now(s->host.loop) + ACCEPT_PAUSE);
}

/* The address among those of the socket at which a client has arrived. */
static const struct listen_addr *arrived_at(const struct listen_socket *socket,
                                            const struct addr *peer, const struct addr *local)
{
    const struct listen_addr *any = NULL;

    for (const struct listen_addr *a = socket->addrs; a; a = a->next) {
        static const uint8_t zero[16];
        bool wild = memcmp(a->addr.ip, zero, sizeof zero) == 0;

        if (!wild && socket->needs_local && addr_same_host(&a->addr, local))
            return a;
        if (!wild && socket->needs_local)
            continue;
        if (!any || a->addr.family == peer->family)
            any = a;
    }
    AN(any != NULL);
    return any;
}

/* A client has come. */
static void welcome(struct service *s, const struct acceptor *a, int fd,
                    const struct sockaddr_storage *name)
{
    struct addr peer, local = { .family = ADDR_NONE };
    const struct listen_addr *at;
    const struct core_conf *core;
    ms_t now = loop_now(s->host.loop);
    struct tls *tls = NULL;
    struct conn *c;

    sockaddr_to_addr(name, &peer);
    if (a->socket->needs_local)
        sockaddr_local(fd, &local);
    at = arrived_at(a->socket, &peer, &local);
    core = core_conf_of(at->fallback->block);
    if (at->tls)
        tls = tls_new(at, now + core->limits.header_timeout);
    c = tls ? conn_new(&tls_adapter, tls, now) : conn_new(&h1_adapter,
                                                          http_state(at->fallback, now), now);
    if (tls)
        c->limits = &core->limits.conn;
    c->number = ++s->number;
    metrics_add(COUNTER_CONNECTIONS, 1);
    c->peer = peer;
    c->local = local;
    c->listen = at;
    session_start(&s->host, fd, tls, c);
}

/* accept4() failed: what now? */
static void accept_failed(struct service *s, struct acceptor *a, int error)
{
    switch (error) {
    case EAGAIN:
        a->batch = 1;
        return;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ETIMEDOUT:
        return;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        out_of_descriptors(s, a, error);
        return;
    default:
        complain(s, error, "accept4() failed");
        accept_all(s, false);
        loop_timer_set(s->host.loop, &s->resume, loop_now(s->host.loop) + ACCEPT_PAUSE);
    }
}

/*
 * Clients are waiting. One is accepted in a calm time, which saves the call that finds nothing;
 * more, up to ACCEPT_MAX, as long as wake-ups find more.
 */
static void on_accept(struct ev_loop *ev, ev_io *w, int events)
{
    struct acceptor *a;
    struct service *s;
    unsigned batch;

    (void)ev;
    (void)events;
    CAST_OBJ(a, w->data, ACCEPTOR_MAGIC);
    s = a->service;
    batch = a->batch;
    a->batch = batch * 2 < ACCEPT_MAX ? batch * 2 : ACCEPT_MAX;
    for (unsigned i = 0; i < batch && !s->draining; i++) {
        struct sockaddr_storage name = { 0 };
        socklen_t size = sizeof name;
        int fd = accept4(w->fd, (struct sockaddr *)&name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            accept_failed(s, a, errno);
            return;
        }
        if (s->host.count >= (size_t)s->config->process->worker_connections) {
            complain(s, 0, "worker_connections are not enough, clients are refused");
            refuse_client(fd);
            continue;
        }
        welcome(s, a, fd, &name);
    }
}

/* Puts an acceptor on each descriptor that is this worker's. */
static void open_acceptors(struct service *s, unsigned slot)
{
    unsigned workers = (unsigned)s->config->process->worker_processes;
    size_t n = 0;

    for (const struct listen_socket *l = s->config->sockets; l; l = l->next)
        n += l->fd_count;
    s->acceptors = mem_zalloc(n * sizeof *s->acceptors);
    for (const struct listen_socket *l = s->config->sockets; l; l = l->next) {
        for (size_t i = 0; i < l->fd_count; i++) {
            struct acceptor *a = &s->acceptors[s->acceptor_count];

            if (!listen_is_mine(l, i, slot, workers))
                continue;
            s->acceptor_count++;
            a->magic = ACCEPTOR_MAGIC;
            a->service = s;
            a->socket = l;
            a->batch = 1;
            ev_io_init(&a->io, on_accept, l->fds[i], EV_READ);
            a->io.data = a;
        }
    }
}

struct service *service_new(struct loop *loop, const struct config *config, unsigned slot,
                            void (*emptied)(void *arg), void *arg)
{
    struct service *s = mem_zalloc(sizeof *s);

    s->magic = SERVICE_MAGIC;
    s->host = (struct session_host){
        .loop = loop,
        .scratch = mem_alloc(SESSION_SCRATCH),
        .file_scratch = mem_alloc(SESSION_SCRATCH),
        .closed = on_closed,
        .opened = on_opened,
        .arg = s,
    };
    list_init(&s->host.sessions);
    list_init(&s->host.late);
    loop_on_next(s->host.loop, sessions_late, &s->host);
    s->config = config;
    s->emptied = emptied;
    s->arg = arg;
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    loop_timer_init(&s->resume, on_resume, s);
    loop_timer_init(&s->flush, on_flush, s);
    loop_before_wait(loop, before_wait, s);
    core_drive(&driver, s);
    core_use(config);
    tls_worker_start();
    open_acceptors(s, slot);
    accept_all(s, true);
    return s;
}

void service_drain(struct service *s, bool successor)
{
    CHECK_OBJ(s, SERVICE_MAGIC);
    s->draining = true;
    accept_all(s, false);
    loop_timer_set(s->host.loop, &s->resume, MS_NEVER);
    sessions_drain(&s->host, successor ? CONN_DRAIN_LAZY : CONN_DRAIN_NOW);
    check_empty(s);
}

void service_abort(struct service *s)
{
    CHECK_OBJ(s, SERVICE_MAGIC);
    s->draining = true;
    accept_all(s, false);
    sessions_abort(&s->host, CLOSE_SHUTDOWN);
    check_empty(s);
}

size_t service_count(const struct service *s)
{
    CHECK_OBJ(s, SERVICE_MAGIC);
    return s->host.count;
}

void service_free(struct service **ps)
{
    struct service *s;

    TAKE_OBJ(s, ps, SERVICE_MAGIC);
    s->emptied = NULL;
    s->draining = true;
    loop_before_wait(s->host.loop, NULL, NULL);
    loop_on_next(s->host.loop, NULL, NULL);
    accept_all(s, false);
    sessions_abort(&s->host, CLOSE_SHUTDOWN);
    loop_timer_set(s->host.loop, &s->resume, MS_NEVER);
    loop_timer_set(s->host.loop, &s->flush, MS_NEVER);
    access_log_flush(s->config, loop_now(s->host.loop), true);
    tls_worker_stop();
    core_drive(NULL, NULL);
    if (s->reserve >= 0)
        close(s->reserve);
    free(s->acceptors);
    free(s->host.scratch);
    free(s->host.file_scratch);
    s->magic = 0;
    free(s);
}
