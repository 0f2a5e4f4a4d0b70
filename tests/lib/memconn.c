/*
 * memconn.c - an HTTP/1 connection driven from strings, with a clock that tests turn.
 */
#include "memconn.h"

#include "base/check.h"
#include "http/h1.h"
#include "http/head.h"
#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the scratch is overwritten with when its turn is over. */
#define POISON 0xdb

#define START 1000000
#define WALL_CLOCK 1700000000

const struct h1_limits memconn_limits = {
    .header_timeout = 5000,
    .body_timeout = 30000,
    .keepalive_timeout = 5000,
    .conn.send_timeout = 60000,
    .conn.lingering_time = 5000,
    .body_max = 1024 * 1024,
    .header_buffer = 8192,
    .header_buffers = 4,
    .keepalive_requests = 10000,
};

/* struct conn_driver: wake */
static void on_wake(void *arg)
{
    struct memconn *m = arg;

    m->wakes++;
    m->woken = true;
}

/* struct conn_driver: turns. They are the test's to take. */
static void on_turns(struct conn *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        on_wake(all[i]->driver_arg);
}

/* Sets the clocks. */
static void set_clock(struct memconn *m, ms_t now)
{
    AN(now >= m->now);
    m->now = now;
    head_clock(WALL_CLOCK + (time_t)(now / 1000));
}

static const struct conn_driver driver = { .wake = on_wake, .turns = on_turns };

/* Makes the connection. */
void memconn_serve(struct memconn *m, const struct http_hooks *hooks,
                   const struct h1_limits *limits, const void *listen)
{
    *m = (struct memconn){ .limits = memconn_limits };
    set_clock(m, START);
    m->c = conn_new(&h1_adapter, h1_new(hooks, limits ? limits : &m->limits, m->now), m->now);
    m->c->driver = &driver;
    m->c->driver_arg = m;
    m->c->listen = listen;
}

/* With the application behind it. */
void memconn_init(struct memconn *m)
{
    memconn_serve(m, &memapp_hooks, NULL, &m->app);
}

/* The connection is over. */
static void end(struct memconn *m)
{
    m->reason = (enum close_reason)m->c->reason;
    if (m->reason == CLOSE_NONE)
        m->reason = CLOSE_ABORTED;
    conn_free(&m->c);
}

/* Ends it and frees everything. */
void memconn_free(struct memconn *m)
{
    if (m->c)
        end(m);
    memapp_free(&m->app);
    memtext_free(&m->out);
}

/* Takes at most max bytes of what waits. Returns how many there were. */
static size_t take_output(struct memconn *m, size_t max)
{
    struct iovec iov[64];
    const struct outq_span *file;
    size_t count = conn_output(m->c, iov, 64, &file), got = 0;

    AN(file ? count == 0 : count > 0);
    if (file) {
        char block[4096];
        size_t want = file->size < sizeof block ? (size_t)file->size : sizeof block;

        if (want > max)
            want = max;
        AN(pread(file->fd, block, want, file->offset) == (ssize_t)want);
        memtext_add(&m->out, block, want);
        return want;
    }
    for (size_t i = 0; i < count && got < max; i++) {
        size_t n = iov[i].iov_len < max - got ? iov[i].iov_len : max - got;

        AN(iov[i].iov_len > 0);
        memtext_add(&m->out, iov[i].iov_base, n);
        got += n;
    }
    return got;
}

/*
 * Writes while the peer takes some, sees to wake-ups, settles, and does what the connection
 * wants.
 */
static void finish_turn(struct memconn *m)
{
    unsigned writes = 0;
    unsigned want;

    do {
        if (m->woken) {
            m->woken = false;
            conn_woken(m->c, m->now);
        }
        while ((conn_want(m->c) & CONN_WRITE) && !m->blocked
               && (!m->writes_max || writes < m->writes_max)) {
            conn_sent(m->c, take_output(m, m->write_max ? m->write_max : SIZE_MAX), m->now);
            writes++;
        }
    } while (m->woken && (!m->writes_max || writes < m->writes_max));
    conn_settle(m->c);
    m->turns++;
    m->writes += writes;
    want = conn_want(m->c);
    AN(!(want & CONN_CLOSE) || want == CONN_CLOSE);
    AN(!(want & CONN_SHUT) || want == CONN_SHUT);
    if (want & CONN_SHUT) {
        AN(!m->shut);
        m->shut = true;
        conn_shut(m->c, m->now);
        want = conn_want(m->c);
    }
    if (want & CONN_CLOSE)
        end(m);
}

/* A turn with input. */
size_t memconn_feed(struct memconn *m, const char *data, size_t n)
{
    char *scratch;

    AN(n > 0);
    if (!m->c || !(conn_want(m->c) & CONN_READ))
        return 0;
    scratch = malloc(n);
    AN(scratch != NULL);
    memcpy(scratch, data, n);
    m->scratch = (uintptr_t)scratch;
    conn_received(m->c, scratch, n, m->now);
    finish_turn(m);
    memset(scratch, POISON, n);
    free(scratch);
    return n;
}

/* A turn with a string. */
void memconn_feed_str(struct memconn *m, const char *text)
{
    memconn_feed(m, text, strlen(text));
}

/* Turns with pieces. */
void memconn_feed_pieces(struct memconn *m, const char *data, size_t n, size_t size)
{
    while (n && m->c) {
        size_t piece = n < size ? n : size;

        if (memconn_feed(m, data, piece)) {
            data += piece;
            n -= piece;
        } else if (!(conn_want(m->c) & CONN_WRITE) || m->blocked) {
            return;
        } else {
            memconn_turn(m);
        }
    }
}

/* The end of input. */
void memconn_eof(struct memconn *m)
{
    if (!m->c || !(conn_want(m->c) & CONN_READ))
        return;
    conn_received(m->c, NULL, 0, m->now);
    finish_turn(m);
}

/* The transport has failed. */
void memconn_reset(struct memconn *m)
{
    if (!m->c)
        return;
    conn_fail(m->c, CLOSE_ABORTED);
    finish_turn(m);
}

/* A turn without input. */
void memconn_turn(struct memconn *m)
{
    if (m->c)
        finish_turn(m);
}

/* Turns until all is written. */
void memconn_flush(struct memconn *m)
{
    while (m->c && !m->blocked && (m->woken || (conn_want(m->c) & CONN_WRITE)))
        finish_turn(m);
}

/* Time passes. */
void memconn_wait(struct memconn *m, ms_t ms)
{
    ms_t until = m->now + ms;

    while (m->c && conn_deadline(m->c) <= until) {
        ms_t due = conn_deadline(m->c);

        set_clock(m, due > m->now ? due : m->now);
        conn_expired(m->c, m->now);
        finish_turn(m);
        /* A deadline that has been noticed must be gone. */
        AN(!m->c || conn_deadline(m->c) > m->now);
    }
    set_clock(m, until);
}

/* The worker is to end. */
void memconn_drain(struct memconn *m, enum conn_drain how)
{
    if (!m->c)
        return;
    conn_drain(m->c, how, m->now);
    finish_turn(m);
}

/* What it wants. */
unsigned memconn_want(const struct memconn *m)
{
    return m->c ? conn_want(m->c) : CONN_CLOSE;
}

/* Its state. */
const char *memconn_state(const struct memconn *m)
{
    return conn_state_name(m->c ? conn_state(m->c) : CONN_CLOSED);
}

/* Forgets the output. */
void memconn_clear(struct memconn *m)
{
    memtext_clear(&m->out);
    memtext_clear(&m->app.answered);
}

/* The output in words. */
const char *memconn_verdict(const struct memconn *m)
{
    static struct memtext text;
    struct str out = { m->out.p, m->out.n };
    enum close_reason reason = m->c ? (enum close_reason)m->c->reason : m->reason;
    size_t finals = 0;

    memtext_clear(&text);
    while (out.n) {
        struct reply r;
        bool head = finals < m->app.answered.n && m->app.answered.p[finals] == 'H';
        enum reply_result result = reply_next(&out, head, &r);

        if (result == REPLY_CUT)
            memtext_printf(&text, "cut ");
        else if (result == REPLY_MALFORMED)
            memtext_printf(&text, "malformed ");
        else
            memtext_printf(&text, "%d ", r.status);
        if (result != REPLY_OK)
            break;
        finals += r.status >= 200;
    }
    memtext_printf(&text, "| %s", memconn_state(m));
    if (reason != CLOSE_NONE)
        memtext_printf(&text, " %s", close_token(reason));
    return text.p;
}

/* The output without the lines that change. */
const char *memconn_undated(const struct memconn *m)
{
    static struct memtext text;
    const char *at = memtext_get(&m->out), *end_of_out = at + m->out.n;

    memtext_clear(&text);
    memtext_add(&text, "", 0);
    while (at < end_of_out) {
        const char *lf = memchr(at, '\n', (size_t)(end_of_out - at));
        size_t n = lf ? (size_t)(lf + 1 - at) : (size_t)(end_of_out - at);

        if (n < 6 || memcmp(at, "Date: ", 6) != 0)
            memtext_add(&text, at, n);
        at += n;
    }
    return text.p;
}

/* The sums at the end. */
const char *memconn_unbalanced(const struct memconn *m)
{
    const struct memapp *a = &m->app;

    if (m->c)
        return "it is not closed";
    if (a->begun != a->done)
        return "a request began and was not done, or the other way round";
    if (a->sources != a->stopped)
        return "a source was not stopped once";
    if (a->owners != a->released)
        return "a body was not released once";
    if (a->asked > a->heads || a->heads > a->begun)
        return "the hooks came out of order";
    return NULL;
}
