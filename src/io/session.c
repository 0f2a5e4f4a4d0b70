/*
 * session.c - one socket and its connection: the driver.
 *
 * The usual turn is one read and one writev. The read watcher stays on, the write watcher is
 * started only when the socket takes no more, and the deadline is a store into the wheel.
 */
#include "io/session.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "io/loop_ev.h"
#include "io/preface.h"
#include "io/sockaddr.h"
#include "io/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* Spans per write. */
#define IOV_COUNT 64

/* Bytes written in one turn, so that one fast reader does not hold the worker. */
#define TURN_MAX (1024 * 1024)

/* How long a socket that is full may put off the transport's last words, ms. */
#define GOODBYE_TIME 5000

struct session {
    unsigned magic;
#define SESSION_MAGIC 0x5e551042u
    bool in_turn;                  /* a wake-up now will be seen before the turn ends */
    bool woken;
    bool nagle;                    /* TCP_NODELAY was taken off */
    struct channel channel;
    ev_io io;
    struct loop_timer timer;
    struct conn *c;
    struct session_host *host;
    struct preface *preface;       /* to be read before the transport reads; NULL: nothing is */
    struct link link;
    ms_t goodbye_by;               /* the end waits so long for its last words; 0: it does not */
};

static void take_turn(struct session *s, int events);

/* struct conn_driver: wake */
static void on_wake(void *arg)
{
    struct session *s;

    CAST_OBJ(s, arg, SESSION_MAGIC);
    s->woken = true;
    if (!s->in_turn)
        ev_feed_event(loop_ev(s->host->loop), &s->io, EV_CUSTOM);
}

/* The socket is ready, or the connection was woken. */
static void on_event(struct ev_loop *ev, ev_io *w, int events)
{
    struct session *s;

    (void)ev;
    CAST_OBJ(s, w->data, SESSION_MAGIC);
    take_turn(s, events);
}

/* The connection's deadline. */
static void on_deadline(void *arg)
{
    struct session *s;

    CAST_OBJ(s, arg, SESSION_MAGIC);
    if (s->preface && conn_deadline(s->c) <= loop_now(s->host->loop))
        preface_expired(s->preface, s->c);
    else
        conn_expired(s->c, loop_now(s->host->loop));
    take_turn(s, 0);
}

/* struct conn_driver: find_local */
static void find_local(struct conn *c, void *arg)
{
    struct session *s;

    CAST_OBJ(s, arg, SESSION_MAGIC);
    sockaddr_local(s->channel.fd, &c->local);
}

/* struct conn_driver: tls_text */
static struct str about_tls(void *arg, enum tls_text what, struct arena *arena)
{
    struct session *s;

    CAST_OBJ(s, arg, SESSION_MAGIC);
    AN(s->channel.tls != NULL);
    return tls_text(s->channel.tls, what, arena);
}

/* Closes and frees. */
static void session_end(struct session *s)
{
    struct session_host *host = s->host;
    enum close_reason why = (enum close_reason)s->c->reason;

    if ((s->c->limits->options & CONN_RESET_ON_TIMEOUT)
        && (why == CLOSE_SEND_TIMEOUT || why == CLOSE_HEADER_TIMEOUT
            || why == CLOSE_BODY_TIMEOUT)) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };

        setsockopt(s->channel.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    loop_timer_set(host->loop, &s->timer, MS_NEVER);
    if (s->preface)
        preface_free(&s->preface);
    conn_free(&s->c);
    metrics_mine->closed[why == CLOSE_NONE ? CLOSE_ABORTED : why]++;
    /* After that: a handler that is told of the end may still wake the connection. */
    ev_io_stop(loop_ev(host->loop), &s->io);
    close(s->channel.fd);
    if (s->channel.tls)
        tls_free(&s->channel.tls);
    list_remove(&s->link);
    host->count--;
    s->magic = 0;
    free(s);
    host->closed(host->arg);
}

/* The handshake is over, or was not wanted: from now on the client's own words come. */
static void open_up(struct session *s)
{
    struct channel *ch = &s->channel;

    ch->opened = false;
    if (ch->transport == &transport_tls) {
        s->c->tls = tls_server(ch->tls);
        s->c->refuse_with = (uint16_t)tls_judge_client(ch->tls, s->c);
    } else {
        s->c->refuse_with = 497;
    }
    s->host->opened(s->c, s->host->arg);
    if (!s->c->tls)
        tls_free(&ch->tls);
}

/* What stands in front of the transport's bytes; once it is over, there is no preface any more. */
static void read_preface(struct session *s)
{
    if (preface_read(s->preface, s->channel.fd, s->c, s->host->scratch))
        preface_free(&s->preface);
}

/* One read, into the worker's scratch. */
static void fill(struct session *s)
{
    struct channel *ch = &s->channel;
    ssize_t n = ch->transport->read(ch, s->host->scratch, SESSION_SCRATCH);
    int error = errno;

    if (ch->opened)
        open_up(s);
    if (n >= 0)
        conn_received(s->c, s->host->scratch, (size_t)n, loop_now(s->host->loop));
    else if (error == ECONNRESET || error == EPIPE)
        conn_fail(s->c, CLOSE_CLIENT_CLOSED);
    else if (error != EAGAIN && error != EINTR)
        conn_fail(s->c, CLOSE_IO);
    if (ch->why)
        conn_close(s->c, (enum close_reason)ch->why, true);
    else if (ch->ended && n > 0)
        conn_received(s->c, s->host->scratch, 0, loop_now(s->host->loop));
}

/* A range of a file, by the kernel or through memory. */
static ssize_t send_range(struct session *s, const struct outq_span *file)
{
    size_t size = file->size < TURN_MAX ? (size_t)file->size : TURN_MAX;
    struct iovec iov;
    ssize_t n;

    if (!(s->c->limits->options & CONN_NO_SENDFILE) || s->channel.tls)
        return s->channel.transport->sendfile(&s->channel, file->fd, file->offset, size);
    if (size > SESSION_SCRATCH)
        size = SESSION_SCRATCH;
    n = pread(file->fd, s->host->file_scratch, size, file->offset);
    if (n <= 0)
        return n;
    iov = (struct iovec){ s->host->file_scratch, (size_t)n };
    return s->channel.transport->writev(&s->channel, &iov, 1, false);
}

/* Writes what waits. False: the socket takes no more, or the turn's share is used up. */
static bool write_some(struct session *s, size_t *left)
{
    struct iovec iov[IOV_COUNT];
    const struct outq_span *file;
    size_t count = conn_output(s->c, iov, IOV_COUNT, &file), wanted = 0;
    ssize_t n;

    if (file) {
        wanted = file->size < TURN_MAX ? (size_t)file->size : TURN_MAX;
        n = send_range(s, file);
        if (n == 0) {
            /* The file has become shorter than what was announced: only a cut says so. */
            conn_fail(s->c, CLOSE_HANDLER);
            return false;
        }
    } else {
        for (size_t i = 0; i < count; i++)
            wanted += iov[i].iov_len;
        n = s->channel.transport->writev(&s->channel, iov, count,
                                         (s->c->limits->options & CONN_CORK)
                                         && s->c->out.count > count);
    }
    if (wanted > s->channel.transport->batch)
        wanted = s->channel.transport->batch;
    if (n < 0) {
        if (errno == ECONNRESET || errno == EPIPE)
            conn_fail(s->c, CLOSE_ABORTED);
        else if (errno != EAGAIN && errno != EINTR)
            conn_fail(s->c, CLOSE_IO);
        return false;
    }
    conn_sent(s->c, (size_t)n, loop_now(s->host->loop));
    *left -= (size_t)n < *left ? (size_t)n : *left;
    return (size_t)n >= wanted && *left > 0;
}

/* tcp_nodelay off. */
static void apply_nagle(struct session *s)
{
    int off = 0;

    if (s->nagle || !(s->c->limits->options & CONN_NO_DELAY_OFF))
        return;
    s->nagle = true;
    setsockopt(s->channel.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
}

/*
 * Sets the watcher to what the connection wants now; the kernel hears of it only if that changed.
 */
static void watch(struct session *s, unsigned want)
{
    int events = (want & CONN_READ ? EV_READ : 0)
               | (want & CONN_WRITE || s->channel.unsent ? EV_WRITE : 0);
    struct ev_loop *ev = loop_ev(s->host->loop);

    if (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(ev, &s->io);
    if (!events)
        return;
    ev_io_modify(&s->io, events);
    ev_io_start(ev, &s->io);
}

/* The transport has said what is to be said before the end, or there is nobody to say it to. */
static bool said_goodbye(struct session *s)
{
    ms_t now = loop_now(s->host->loop);

    /* An answer that broke off must not look as if it had come to its end. */
    if (s->c->broken || s->c->reason == CLOSE_HANDLER)
        return true;
    if (s->channel.transport->goodbye(&s->channel))
        return true;
    if (!s->goodbye_by)
        s->goodbye_by = now + GOODBYE_TIME;
    return now >= s->goodbye_by;
}

/* When it must be looked at if nothing happens. */
static ms_t deadline_of(const struct session *s)
{
    ms_t at = conn_deadline(s->c);

    return s->goodbye_by && s->goodbye_by < at ? s->goodbye_by : at;
}

/* One turn: read, answer, write, and see what comes next. */
static void take_turn(struct session *s, int events)
{
    struct session_host *host = s->host;
    size_t left = TURN_MAX;
    unsigned want;

    s->in_turn = true;
    if (s->preface && (events & EV_READ))
        read_preface(s);
    if (!s->preface && (events & EV_READ))
        fill(s);
    if (s->channel.unsent)
        s->channel.transport->flush(&s->channel);
    apply_nagle(s);
    do {
        if (s->woken) {
            s->woken = false;
            conn_woken(s->c, loop_now(host->loop));
        }
        while (conn_has_output(s->c) && write_some(s, &left))
            ;
    } while (s->woken && left);
    conn_settle(s->c);
    s->in_turn = false;
    want = conn_want(s->c);
    if (want & (CONN_SHUT | CONN_CLOSE) && !said_goodbye(s)) {
        want = CONN_WRITE;
    } else if (want & CONN_SHUT) {
        s->channel.transport->shutdown(&s->channel);
        s->goodbye_by = 0;
        conn_shut(s->c, loop_now(host->loop));
        want = conn_want(s->c);
    }
    if (want & CONN_CLOSE) {
        session_end(s);
    } else {
        watch(s, want);
        loop_timer_set(host->loop, &s->timer, deadline_of(s));
    }
}

static const struct conn_driver driver = {
    .wake = on_wake, .find_local = find_local, .tls_text = about_tls
};

void session_start(struct session_host *host, int fd, struct tls *tls, struct conn *c)
{
    struct session *s = mem_zalloc(sizeof *s);

    s->magic = SESSION_MAGIC;
    s->channel = (struct channel){
        .transport = tls ? &transport_tls : &transport_plain, .tls = tls, .c = c, .fd = fd
    };
    s->c = c;
    s->host = host;
    s->preface = preface_new(c);
    ev_io_init(&s->io, on_event, fd, EV_READ);
    s->io.data = s;
    loop_timer_init(&s->timer, on_deadline, s);
    list_add(&host->sessions, &s->link);
    host->count++;
    c->driver = &driver;
    c->driver_arg = s;
    take_turn(s, EV_READ);
}

void sessions_drain(struct session_host *host, enum conn_drain how)
{
    LIST_EACH(at, after, &host->sessions) {
        struct session *s = LIST_ITEM(at, struct session, link);

        conn_drain(s->c, how, loop_now(host->loop));
        take_turn(s, 0);
    }
}

void sessions_abort(struct session_host *host, enum close_reason reason)
{
    LIST_EACH(at, after, &host->sessions) {
        struct session *s = LIST_ITEM(at, struct session, link);

        conn_fail(s->c, reason);
        session_end(s);
    }
}
