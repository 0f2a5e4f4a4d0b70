/*
 * fuzz_h1.c - a whole connection: requests from hostile peers, in pieces, and slow readers.
 *
 * The first four bytes say how: the sizes of the reads, bytes a write, writes a turn, and what else
 * happens (the bits below). The rest is what the peer sends. Wanted: the output is well formed up
 * to where the connection was cut, every exchange, source and body has its one end, and the
 * outcome does not depend on how the bytes arrived. A broken promise aborts.
 */
#include "drive.h"
#include "reply.h"

#include <string.h>

enum {
    BIT_EOF = 1 << 0,              /* a FIN behind the input */
    BIT_WAIT = 1 << 1,             /* time passes between the reads */
    BIT_DRAIN = 1 << 2,            /* a drain in the middle */
    BIT_RESET = 1 << 3,            /* a reset at the end */
    BIT_LATE = 1 << 4,             /* refusals are promised */
    BIT_STREAM = 1 << 5,           /* refusals are streamed */
    BIT_SMALL = 1 << 6             /* small limits */
};

/* Gives what was promised, and ends what is streamed. */
static void give_answers(struct memconn *m)
{
    while (m->app.pending) {
        if (m->c && conn_state(m->c) == CONN_STREAMING) {
            memapp_push(&m->app, "pushed");
            memapp_push_end(&m->app);
        } else {
            memapp_answer(&m->app, 200, "later");
        }
        memconn_turn(m);
        memconn_flush(m);
    }
}

/* The output parses; only the last answer of a connection that broke off may be cut. */
static void check_output(const struct memconn *m)
{
    struct str out = { memtext_get(&m->out), m->out.n };
    enum close_reason why = m->reason;
    bool broken = why == CLOSE_ABORTED || why == CLOSE_HANDLER || why == CLOSE_CLIENT_CLOSED
        || why == CLOSE_SEND_TIMEOUT;
    size_t finals = 0;
    bool last = false;

    while (out.n) {
        struct reply r;
        bool head = finals < m->app.answered.n && m->app.answered.p[finals] == 'H';
        enum reply_result result = reply_next(&out, head, &r);

        promise(result != REPLY_MALFORMED);
        promise(!last);
        if (result == REPLY_CUT) {
            promise(broken);
            return;
        }
        finals += r.status >= 200;
        last = r.status >= 200 && r.close;
    }
    promise(finals <= m->app.answered.n && finals <= m->app.begun);
    promise(broken || finals == m->app.answered.n);
}

/* Runs a connection to its end. */
static void run(struct memconn *m, const struct drive *d, const char *data, size_t n)
{
    memconn_init(m);
    if (d->bits & BIT_SMALL) {
        m->limits.header_buffer = 64;
        m->limits.body_max = 40;
        m->limits.keepalive_requests = 5;
    }
    m->app.refuse = d->bits & BIT_LATE ? REFUSE_LATER
        : d->bits & BIT_STREAM ? REFUSE_STREAM : REFUSE_TEXT;
    drive_feed(m, d, data, n);
    memconn_flush(m);
    if (d->bits & BIT_RESET)
        memconn_reset(m);
    if (!(d->bits & BIT_EOF))
        give_answers(m);
    memconn_eof(m);
    give_answers(m);
    memconn_flush(m);
    if (m->c) {
        /* A FIN that was not taken because too much waited before it. */
        memconn_eof(m);
        memconn_flush(m);
    }
    memconn_wait(m, 1000000);
    promise(m->c == NULL);
    promise(memconn_unbalanced(m) == NULL);
    check_output(m);
}

/* A limit was met: what else is wrong behind it is seen or not, as the bytes arrive. */
static bool met_limit(const struct memconn *m)
{
    return m->reason == CLOSE_HEADER_TOO_LARGE;
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drive d, whole;
    struct memconn m, n;

    if (size < DRIVE_SIZE)
        return 0;
    d = drive_read(data, BIT_WAIT, BIT_DRAIN);
    run(&m, &d, (const char *)data + DRIVE_SIZE, size - DRIVE_SIZE);
    if (d.bits & (BIT_WAIT | BIT_DRAIN | BIT_RESET | BIT_EOF)) {
        memconn_free(&m);
        return 0;
    }
    whole = (struct drive){ .bits = d.bits };
    run(&n, &whole, (const char *)data + DRIVE_SIZE, size - DRIVE_SIZE);
    if (!met_limit(&m) && !met_limit(&n)) {
        promise(m.reason == n.reason);
        promise(m.out.n == n.out.n);
        promise(memcmp(memtext_get(&m.out), memtext_get(&n.out), m.out.n) == 0);
    }
    memconn_free(&m);
    memconn_free(&n);
    return 0;
}
