/*
 * fuzz_ws.c - a WebSocket connection with a hostile peer, in pieces, and slow readers.
 *
 * The first four bytes say how: the sizes of the reads, bytes a write, writes a turn, and what else
 * happens (the bits below). The rest is what the peer sends behind its handshake. Wanted: what the
 * server says is whole frames in an order that the protocol allows, text in it is UTF-8, messages
 * keep to their limit, the handler hears of one end, nothing is left over, and the outcome does not
 * depend on how the bytes arrived. A broken promise aborts.
 */
#include "../../modules/websocket/connection.h"
#include "../../modules/websocket/frame.h"
#include "../../modules/websocket/utf8.h"
#include "drive.h"
#include "wshost.h"

#include <string.h>

enum {
    BIT_DEFLATE = 1 << 0,
    BIT_TAKEOVER = 1 << 1,
    BIT_COPIES = 1 << 2,           /* the echo copies */
    BIT_WAIT = 1 << 3,             /* time passes, with pings */
    BIT_DRAIN = 1 << 4,            /* a drain in the middle */
    BIT_EOF = 1 << 5,              /* a FIN at the end, or else a reset */
    BIT_SMALL = 1 << 6             /* small limits and windows */
};

struct peer {
    struct memconn m;
    struct ws_settings settings;
    struct deflate_terms terms;
    const struct drive *drive;
    unsigned opened, closed;
};

/* struct slv_ws_handler: on_open */
static void on_open(struct slv_ws *ws, void *arg)
{
    promise(ws != NULL);
    ((struct peer *)arg)->opened++;
}

/* struct slv_ws_handler: on_message */
static void on_message(struct slv_ws *ws, void *arg, enum slv_ws_kind kind, char *data, size_t n)
{
    const struct peer *p = arg;
    struct utf8 u = { 0, 0, 0 };

    promise(p->opened == 1 && !p->closed && (int64_t)n <= p->settings.max_message);
    promise(kind == SLV_WS_BINARY || (utf8_feed(&u, data, n) && utf8_complete(&u)));
    if (p->drive->bits & BIT_COPIES)
        slv_ws_send(ws, kind, data, n);
    else
        slv_ws_send_back(ws, kind, data, n);
}

/* struct slv_ws_handler: on_close */
static void on_close(struct slv_ws *ws, void *arg, unsigned code, struct str reason)
{
    promise(ws && code >= 1000 && code < 5000 && reason.n <= FRAME_CONTROL_MAX - 2);
    ((struct peer *)arg)->closed++;
}

static const struct slv_ws_handler handler = {
    .on_open = on_open, .on_message = on_message, .on_close = on_close
};

/* struct memapp: upgrade */
static void upgrade(struct exchange *x, void *arg)
{
    struct peer *p = arg;

    wshost_upgrade(x, &p->settings, &p->terms, &handler, p);
}

/* Settings and terms by the bits. */
static void set_up(struct peer *p, const struct drive *d)
{
    bool small = d->bits & BIT_SMALL;
    int8_t window = small ? 9 : 15;

    *p = (struct peer){ .drive = d };
    p->settings = (struct ws_settings){
        .max_message = small ? 200 : 1 << 20,
        .max_frame = small ? 150 : 0,
        .buffer = 1 << 20,
        .overflow_code = 1013,
        .ping_interval = d->bits & BIT_WAIT ? 3000 : 0,
        .ping_timeout = 2000,
        .deflate = { .enabled = true, .takeover = true, .window = window, .memory = 1 << 20 },
    };
    p->terms = (struct deflate_terms){
        .agreed = d->bits & BIT_DEFLATE,
        .server_takeover = d->bits & BIT_TAKEOVER, .client_takeover = d->bits & BIT_TAKEOVER,
        .server_window = window, .client_window = window,
    };
    wshost_drain_delay = 1000;
    memconn_init(&p->m);
    p->m.app.upgrade = upgrade;
    p->m.app.upgrade_arg = p;
}

/* The server's frames are whole, final, unmasked, of known kinds, and nothing follows a Close. */
static void check_output(const struct peer *p, bool broken)
{
    const char *end = memmem(p->m.out.p, p->m.out.n, "\r\n\r\n", 4);
    size_t at;
    bool closed = false;

    promise(end != NULL);
    at = (size_t)(end + 4 - p->m.out.p);
    while (at < p->m.out.n) {
        const uint8_t *f = (const uint8_t *)p->m.out.p + at;
        size_t left = p->m.out.n - at, head = 2, size;

        promise(!closed);
        if (left < 2 || left < frame_head_size(f[1] == 127 ? 65536 : f[1])) {
            promise(broken);
            return;
        }
        size = f[1];
        if (size >= 126) {
            head = size == 126 ? 4 : 10;
            size = 0;
            for (size_t i = 2; i < head; i++)
                size = size << 8 | f[i];
            promise(frame_head_size(size) == head);
        }
        promise(f[0] == 0x81 || f[0] == 0x82 || f[0] == 0x88 || f[0] == 0x89 || f[0] == 0x8a
                || ((f[0] == 0xc1 || f[0] == 0xc2) && p->terms.agreed));
        closed = f[0] == 0x88;
        promise(!closed || size == 0
                || (size >= 2 && frame_code_valid((unsigned)f[head] << 8 | f[head + 1])));
        if (head + size > left) {
            promise(broken);
            return;
        }
        at += head + size;
    }
}

/* Runs a connection to its end. */
static void run(struct peer *p, const struct drive *d, const char *data, size_t n)
{
    bool broken;

    set_up(p, d);
    memconn_feed_str(&p->m, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                     "Upgrade: websocket\r\n\r\n");
    memconn_flush(&p->m);
    drive_feed(&p->m, d, data, n);
    memconn_flush(&p->m);
    if (d->bits & BIT_EOF)
        memconn_eof(&p->m);
    else
        memconn_reset(&p->m);
    memconn_flush(&p->m);
    if (p->m.c)
        memconn_eof(&p->m);
    memconn_wait(&p->m, 1000000);
    promise(p->m.c == NULL);
    promise(p->opened == 1 && p->closed == 1 && deflate_held() == 0);
    promise(memconn_unbalanced(&p->m) == NULL);
    broken = p->m.reason == CLOSE_ABORTED || p->m.reason == CLOSE_SILENT
        || p->m.reason == CLOSE_SEND_TIMEOUT;
    check_output(p, broken);
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drive d, whole;
    struct peer p, q;

    if (size < DRIVE_SIZE)
        return 0;
    d = drive_read(data, BIT_WAIT, BIT_DRAIN);
    run(&p, &d, (const char *)data + DRIVE_SIZE, size - DRIVE_SIZE);
    if (!(d.bits & (BIT_WAIT | BIT_DRAIN))) {
        whole = (struct drive){ .bits = d.bits ^ BIT_COPIES };
        run(&q, &whole, (const char *)data + DRIVE_SIZE, size - DRIVE_SIZE);
        promise(p.m.reason == q.m.reason);
        promise(p.m.out.n == q.m.out.n);
        promise(memcmp(p.m.out.p, q.m.out.p, p.m.out.n) == 0);
        memconn_free(&q.m);
    }
    memconn_free(&p.m);
    return 0;
}
