/*
 * session.c - one socket and its connection: the driver.
 *
 * The usual turn is one recv and one send. The read watcher stays on, the write watcher is
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

/*
 * Wake-ups that are heard in the turn in which they come; one more waits until others have had
 * their turns, so that a source that makes nothing of what it reads does not hold the worker.
 */
#define HEARD_MAX 4

/* How long a socket that is full may put off the transport's last words, ms. */
#define GOODBYE_TIME 5000

struct session {
    unsigned magic;
#define SESSION_MAGIC 0x5e551042u
    bool in_turn;                  /* a wake-up now will be seen at its end, if not before */
    bool woken;
    bool nagle;                    /* TCP_NODELAY was taken off */
    struct channel channel;
    ev_io io;
    struct loop_timer timer;
    struct conn *c;
    struct session_host *host;
    struct preface *preface;       /* to be read before the transport reads; NULL: nothing is */
    struct link link;
    struct link late;              /* see struct session_host */
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
    list_remove(&s->late);
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

/* What came of one attempt to write. */
struct attempt {
    size_t wanted;                 /* bytes that would have been all; 0: there was nothing */
    ssize_t n;                     /* bytes that left; 0: a file has ended too early; -1: error */
    int error;
};

/* Writes what waits, once. */
static struct attempt try_write(struct session *s)
{
    struct iovec iov[IOV_COUNT];
    const struct outq_span *file;
    struct attempt a = { 0 };
    size_t count;

    if (!conn_has_output(s->c))
        return a;
    count = conn_output(s->c, iov, IOV_COUNT, &file);
    if (file) {
        a.wanted = file->size < TURN_MAX ? (size_t)file->size : TURN_MAX;
        a.n = send_range(s, file);
    } else {
        for (size_t i = 0; i < count; i++)
            a.wanted += iov[i].iov_len;
        a.n = s->channel.transport->writev(&s->channel, iov, count,
                                           (s->c->limits->options & CONN_CORK)
                                           && s->c->out.count > count);
    }
    a.error = errno;
    if (a.wanted > s->channel.transport->batch)
        a.wanted = s->channel.transport->batch;
    return a;
}

/* Notes what came of it. False: the socket takes no more, or the turn's share is used up. */
static bool note_written(struct session *s, const struct attempt *a, size_t *left)
{
    if (a->n > 0) {
        conn_sent(s->c, (size_t)a->n, loop_now(s->host->loop));
        *left -= (size_t)a->n < *left ? (size_t)a->n : *left;
        return (size_t)a->n >= a->wanted && *left > 0;
    }
    if (a->n == 0)
        /* The file has become shorter than what was announced: only a cut says so. */
        conn_fail(s->c, CLOSE_HANDLER);
    else if (a->error == ECONNRESET || a->error == EPIPE)
        conn_fail(s->c, CLOSE_ABORTED);
    else if (a->error != EAGAIN && a->error != EINTR)
        conn_fail(s->c, CLOSE_IO);
    return false;
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

/* Writes what there is, and hears whoever wakes it, until nothing comes of either. */
static void answer(struct session *s, size_t left)
{
    unsigned heard = 0;
    struct attempt a;

    do {
        if (s->woken) {
            s->woken = false;
            conn_woken(s->c, loop_now(s->host->loop));
        }
        do
            a = try_write(s);
        while (a.wanted && note_written(s, &a, &left));
    } while (s->woken && left && ++heard < HEARD_MAX);
}

/* The end of a turn: what must stay is put in its place, and what comes next is seen to. */
static void end_turn(struct session *s)
{
    unsigned want;

    conn_settle(s->c);
    s->in_turn = false;
    want = conn_want(s->c);
    if (want & (CONN_SHUT | CONN_CLOSE) && !said_goodbye(s)) {
        want = CONN_WRITE;
    } else if (want & CONN_SHUT) {
        s->channel.transport->shutdown(&s->channel);
        s->goodbye_by = 0;
        conn_shut(s->c, loop_now(s->host->loop));
        want = conn_want(s->c);
    }
    if (want & CONN_CLOSE) {
        session_end(s);
        return;
    }
    watch(s, want);
    loop_timer_set(s->host->loop, &s->timer, deadline_of(s));
    if (s->woken) {
        list_remove(&s->late);
        list_add(&s->host->late, &s->late);
        loop_call_next(s->host->loop);
    }
}

/* One turn: read, answer, write, and see what comes next. */
static void take_turn(struct session *s, int events)
{
    s->in_turn = true;
    if (s->preface && (events & EV_READ))
        read_preface(s);
    if (!s->preface && (events & EV_READ))
        fill(s);
    if (s->channel.unsent)
        s->channel.transport->flush(&s->channel);
    apply_nagle(s);
    answer(s, TURN_MAX);
    end_turn(s);
}

/*
 * struct conn_driver: turns. Each part of a turn for all of them: a system call throws what the
 * processor knows of our code and our memory out of its nearest caches, so between two calls as
 * little as possible is done.
 */
static void take_turns(struct conn *const *all, size_t n)
{
    struct session *some[CONN_TURNS_MAX];
    struct attempt attempts[CONN_TURNS_MAX];
    size_t count = 0;

    AN(n <= CONN_TURNS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct session *s;

        CAST_OBJ(s, all[i]->driver_arg, SESSION_MAGIC);
        /* Named before. */
        if (s->in_turn)
            continue;
        s->in_turn = true;
        s->woken = false;
        apply_nagle(s);
        conn_woken(s->c, loop_now(s->host->loop));
        some[count++] = s;
    }
    for (size_t i = 0; i < count; i++)
        attempts[i] = try_write(some[i]);
    for (size_t i = 0; i < count; i++) {
        size_t left = TURN_MAX;

        if (!attempts[i].wanted || note_written(some[i], &attempts[i], &left))
            answer(some[i], left);
        end_turn(some[i]);
    }
}

void sessions_late(void *arg)
{
    struct session_host *host = arg;
    struct link now;

    /* A list of our own: those that are woken again come next time. */
    list_init(&now);
    while (!list_empty(&host->late)) {
        struct link *at = host->late.next;

        list_remove(at);
        list_add(&now, at);
    }
    while (!list_empty(&now)) {
        struct session *s = LIST_ITEM(now.next, struct session, late);

        list_remove(&s->late);
        take_turn(s, 0);
    }
}

static const struct conn_driver driver = {
    .wake = on_wake, .turns = take_turns, .find_local = find_local, .tls_text = about_tls
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
    list_init(&s->late);
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
