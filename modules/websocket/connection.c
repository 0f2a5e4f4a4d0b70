/*
 * connection.c - a WebSocket connection: frames into messages, and the way to its end.
 *
 * It is OPEN until either side says Close. Where that was the server, it is CLOSING: data is
 * dropped until the peer's Close comes, or its time is up. Where both have spoken, or a rule was
 * broken, it is OVER: the tunnel writes what is queued, and closes.
 */
#include "connection.h"

#include <selvage/module.h>

#include "frame.h"
#include "utf8.h"

#include <stdlib.h>

/* A peer with more unsent bytes than this is not read from: its echoes would only add to them. */
#define PAUSE_MARK (64 * 1024)

/* How long the peer's Close is waited for after ours, ms. */
#define CLOSE_WAIT 5000

/* Bytes kept free before a message that is put together, for the head of a frame that sends it. */
#define HEADROOM FRAME_HEAD_OUT_MAX

#define FIN 0x80

enum ws_state { WS_OPEN, WS_CLOSING, WS_OVER };

struct ws {
    struct slv_ws head;            /* first: what handlers hold */
    unsigned magic;
#define WS_MAGIC 0x3eb50c4eu
    uint8_t state;                 /* enum ws_state */
    uint8_t kind;                  /* enum slv_ws_kind of the message at hand */
    bool compressed;               /* that message is */
    bool closed;                   /* on_close was called */
    uint8_t control_size;
    uint16_t code;                 /* for on_close: what the server said, or CODE_ABNORMAL */
    uint8_t why;                   /* enum slv_end: CLOSING for that */
    struct utf8 utf8;              /* of a text at hand */
    struct slv_tunnel *tunnel;     /* NULL: not upgraded yet */
    const struct ws_settings *settings;
    const struct slv_ws_handler *handler;
    void *arg;
    struct frame_reader reader;
    struct bytes message;          /* at hand, behind HEADROOM bytes; empty mostly */
    char *control;                 /* payload of a control frame that came in pieces */
    struct deflate *deflate;       /* NULL: not agreed */
    int64_t heard;                 /* when the last bytes came */
    int64_t pinged;                /* when a ping was sent that nothing has followed; 0: none was */
    int64_t drain_at;              /* when it is to be sent away; 0: not */
    int64_t closing_since;         /* when our Close had left; 0: it has not */
};

/* What a handler may send back in the call in hand, and how many bytes before it are free. */
static struct {
    struct ws *ws;
    char *data;
    size_t room;
} back;

/* Takes one back from a handler, or from the tunnel. */
static struct ws *ws_of(const void *p)
{
    struct ws *ws = (struct ws *)(uintptr_t)p;

    if (!ws || ws->magic != WS_MAGIC)
        abort();
    return ws;
}

struct ws *ws_new(struct slv_request *r, const struct slv_ws_api *api,
                  const struct ws_settings *settings,
                  const struct deflate_terms *terms, const struct slv_ws_handler *handler,
                  void *arg)
{
    struct ws *ws = memset(slv_alloc(r, sizeof *ws), 0, sizeof *ws);

    ws->head.api = api;
    ws->magic = WS_MAGIC;
    ws->code = CODE_ABNORMAL;
    ws->settings = settings;
    ws->handler = handler;
    ws->arg = arg;
    ws->reader.max = (uint64_t)settings->max_frame;
    if (terms->agreed) {
        ws->reader.may_compress = true;
        ws->deflate = deflate_new(terms, &settings->deflate);
    }
    return ws;
}

void ws_discard(struct ws **pws)
{
    struct ws *ws = ws_of(*pws);

    *pws = NULL;
    bytes_free(&ws->message);
    free(ws->control);
    deflate_free(&ws->deflate);
    ws->magic = 0;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* Tells the handler of the end, once. */
static void tell_end(struct ws *ws, unsigned code, struct str reason)
{
    if (ws->closed)
        return;
    ws->closed = true;
    ws->code = (uint16_t)code;
    ws->handler->on_close(ws->tunnel ? &ws->head : NULL, ws->arg, code, reason);
}

/* Queues a control frame. */
static void send_control(struct ws *ws, enum frame_opcode opcode, const char *data, size_t n)
{
    char frame[2 + FRAME_CONTROL_MAX];
    size_t at = frame_head(frame, (uint8_t)(FIN | opcode), n);

    if (n)
        memcpy(frame + at, data, n);
    slv_tunnel_write(ws->tunnel, frame, at + n);
}

/* Bytes of s, at most max and not in the middle of a character. */
static size_t cut_text(struct str s, size_t max)
{
    size_t n = s.n < max ? s.n : max;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* Queues a Close frame; CODE_NONE: an empty one. */
static void send_close(struct ws *ws, unsigned code, struct str reason)
{
    char payload[FRAME_CONTROL_MAX];
    size_t n = cut_text(reason, sizeof payload - 2);

    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    if (n)
        memcpy(payload + 2, reason.p, n);
    send_control(ws, FRAME_CLOSE, payload, code == CODE_NONE ? 0 : 2 + n);
}

/* The server's own reason to end, for the log. */
static enum slv_end end_for(unsigned code)
{
    switch (code) {
    case CODE_PROTOCOL:
        return SLV_END_PROTOCOL;
    case CODE_DATA:
        return SLV_END_DATA;
    case CODE_TOO_LARGE:
        return SLV_END_TOO_LARGE;
    case CODE_TRY_LATER:
        return SLV_END_FAILED;
    default:
        return SLV_END_DONE;
    }
}

/* The peer broke a rule, or there is nothing to go on with: Close, and an answer is not awaited. */
static void fail(struct ws *ws, unsigned code, const char *what)
{
    if (ws->state == WS_OVER)
        return;
    slv_log(slv_tunnel_request(ws->tunnel), SLV_LOG_INFO, 0,
            "websocket connection is closed with %u: %s", code, what);
    if (ws->state == WS_OPEN)
        send_close(ws, code, str_of(what));
    ws->state = WS_OVER;
    slv_tunnel_close(ws->tunnel, end_for(code), true);
    tell_end(ws, code, str_of(what));
}

/* Says Close and waits for the peer's: from when ours has left, until when send_timeout counts. */
static void begin_close(struct ws *ws, unsigned code, struct str reason, enum slv_end why)
{
    send_close(ws, code, reason);
    ws->state = WS_CLOSING;
    ws->code = (uint16_t)code;
    ws->why = (uint8_t)why;
}

bool ws_bound(struct slv_ws *head, uint64_t elsewhere)
{
    struct ws *ws = ws_of(head);

    if (ws->state != WS_OPEN)
        return false;
    if (slv_tunnel_waiting(ws->tunnel) + elsewhere < (uint64_t)ws->settings->buffer)
        return true;
    slv_log(slv_tunnel_request(ws->tunnel), SLV_LOG_INFO, 0, "websocket connection is closed with "
            "%u: more than websocket_buffer waits to be sent", ws->settings->overflow_code);
    begin_close(ws, ws->settings->overflow_code, STR("too slow"), SLV_END_SLOW);
    return false;
}

/* May more be queued? Where the peer takes too little, this is the end of it. */
static bool may_send(struct ws *ws)
{
    return ws_bound(&ws->head, 0);
}

/* Queues a message of the heap, whose payload lies HEADROOM bytes behind its beginning. */
static void send_bytes(struct ws *ws, uint8_t first, struct bytes *b)
{
    size_t size = b->n - HEADROOM, head = frame_head_size(size);
    char *frame = b->p + HEADROOM - head;

    frame_head(frame, first, size);
    slv_tunnel_write_owned(ws->tunnel, frame, head + size, free, b->p);
    *b = (struct bytes){ NULL, 0, 0 };
}

/* Sends a message compressed. */
static void send_compressed(struct ws *ws, enum slv_ws_kind kind, const char *data, size_t n)
{
    struct bytes b = { NULL, 0, 0 };

    bytes_reserve(&b, HEADROOM + n / 2 + 64);
    b.n = HEADROOM;
    deflate_write(ws->deflate, data, n, &b);
    send_bytes(ws, (uint8_t)(FIN | FRAME_COMPRESSED | kind), &b);
}

int ws_send(struct slv_ws *head, enum slv_ws_kind kind, const void *data, size_t n)
{
    struct ws *ws = ws_of(head);
    struct bytes b = { NULL, 0, 0 };

    if (!may_send(ws))
        return -1;
    if (ws->deflate && n) {
        send_compressed(ws, kind, data, n);
        return 0;
    }
    bytes_reserve(&b, HEADROOM + n);
    b.n = HEADROOM;
    bytes_add(&b, data, n);
    send_bytes(ws, (uint8_t)(FIN | kind), &b);
    return 0;
}

int ws_send_prepared(struct slv_ws *head, const void *frames, size_t n,
                     void (*release)(void *owner), void *owner)
{
    struct ws *ws = ws_of(head);

    if (!may_send(ws)) {
        if (release)
            release(owner);
        return -1;
    }
    slv_tunnel_write_owned(ws->tunnel, frames, n, release, owner);
    return 0;
}

int ws_send_turn(struct slv_ws *head, const void *frames, size_t n)
{
    struct ws *ws = ws_of(head);

    if (!may_send(ws))
        return -1;
    slv_tunnel_write_turn(ws->tunnel, frames, n);
    return 0;
}

int ws_send_back(struct slv_ws *head, enum slv_ws_kind kind, char *data, size_t n)
{
    struct ws *ws = ws_of(head);
    size_t size = frame_head_size(n);

    if (back.ws != ws || data != back.data || back.room < size || (ws->deflate && n))
        return ws_send(head, kind, data, n);
    back.ws = NULL;
    if (!may_send(ws))
        return -1;
    if (ws->message.p) {
        ws->message.n = HEADROOM + n;
        send_bytes(ws, (uint8_t)(FIN | kind), &ws->message);
        return 0;
    }
    /* Where the head of the client's frame was, there is room for ours. */
    frame_head(data - size, (uint8_t)(FIN | kind), n);
    slv_tunnel_write_turn(ws->tunnel, data - size, size + n);
    return 0;
}

size_t ws_waiting(const struct slv_ws *head)
{
    return slv_tunnel_waiting(ws_of(head)->tunnel);
}

void ws_close(struct slv_ws *head, unsigned code, struct str reason)
{
    struct ws *ws = ws_of(head);

    if (ws->state != WS_OPEN)
        return;
    begin_close(ws, frame_code_valid(code) ? code : CODE_INTERNAL, reason, SLV_END_DONE);
}

struct slv_request *ws_request(const struct slv_ws *head)
{
    return slv_tunnel_request(ws_of(head)->tunnel);
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* Hands a message over. room: bytes before data that may be overwritten. */
static void deliver(struct ws *ws, char *data, size_t n, size_t room)
{
    back.ws = ws;
    back.data = data;
    back.room = room;
    if (ws->handler->on_message)
        ws->handler->on_message(&ws->head, ws->arg, (enum slv_ws_kind)ws->kind, data, n);
    back.ws = NULL;
}

/* A message begins. */
static void begin_message(struct ws *ws, const struct frame_piece *piece)
{
    ws->kind = (uint8_t)piece->opcode;
    ws->compressed = piece->compressed;
    ws->utf8 = (struct utf8){ 0, 0, 0 };
}

/* Looks at text as it comes. False: it is none, and that was said. */
static bool check_text(struct ws *ws, const char *data, size_t n, bool ends)
{
    if (ws->kind != SLV_WS_TEXT)
        return true;
    if (utf8_feed(&ws->utf8, data, n) && (!ends || utf8_complete(&ws->utf8)))
        return true;
    fail(ws, CODE_DATA, "a text is not UTF-8");
    return false;
}

/* Room for the head of a frame that may send the message back. */
static void begin_bytes(struct ws *ws, size_t expected)
{
    if (ws->message.p)
        return;
    bytes_reserve(&ws->message, HEADROOM + expected);
    ws->message.n = HEADROOM;
}

/*
 * A piece of a compressed message. False: the connection is over. What came out before something
 * was wrong is looked at first, so that the verdict does not depend on how the bytes arrived.
 */
static bool inflate_piece(struct ws *ws, const struct frame_piece *piece, bool ends)
{
    size_t max = HEADROOM + (size_t)ws->settings->max_message, before, after;
    enum inflate_result result;

    begin_bytes(ws, piece->n * 2 + 64);
    before = ws->message.n;
    result = deflate_read(ws->deflate, piece->data, piece->n, ends, max, &ws->message);
    after = ws->message.n < max ? ws->message.n : max;
    if (!check_text(ws, ws->message.p + before, after - before, ends && result == INFLATE_OK))
        return false;
    switch (result) {
    case INFLATE_OK:
        return true;
    case INFLATE_FULL:
        fail(ws, CODE_TOO_LARGE, "a message is beyond websocket_max_message");
        break;
    case INFLATE_BAD:
        fail(ws, CODE_DATA, "a compressed message is malformed");
        break;
    case INFLATE_MEMORY:
        fail(ws, CODE_TRY_LATER, "no memory is left for compressed messages");
        break;
    }
    return false;
}

/* A piece of a message that is not all there. False: the connection is over. */
static bool collect(struct ws *ws, const struct frame_piece *piece, bool ends)
{
    size_t lead;

    if (!check_text(ws, piece->data, piece->n, ends))
        return false;
    if (!piece->n && !ends)
        return true;
    /* Of what was only announced, no more is reserved than has come. */
    lead = piece->left < piece->n ? (size_t)piece->left : piece->n;
    begin_bytes(ws, piece->n + lead);
    bytes_add(&ws->message, piece->data, piece->n);
    return true;
}

/* A piece of a data frame. */
static void take_data(struct ws *ws, const struct frame_piece *piece)
{
    bool ends = piece->ends && piece->fin, whole = false;
    uint64_t size = piece->n + piece->left;

    if (piece->begins && piece->opcode != FRAME_CONTINUATION) {
        begin_message(ws, piece);
        whole = ends && !ws->compressed;
    }
    if (ws->state != WS_OPEN)
        return;
    if (!ws->compressed && ws->message.p)
        size += ws->message.n - HEADROOM;
    if (size > (uint64_t)ws->settings->max_message) {
        fail(ws, CODE_TOO_LARGE, "a message is beyond websocket_max_message");
        return;
    }
    if (whole) {
        if (check_text(ws, piece->data, piece->n, true))
            deliver(ws, piece->data, piece->n, piece->room);
        return;
    }
    if (!(ws->compressed ? inflate_piece : collect)(ws, piece, ends) || !ends)
        return;
    deliver(ws, ws->message.p + HEADROOM, ws->message.n - HEADROOM, HEADROOM);
    bytes_free(&ws->message);
}

/* ---- Control frames ------------------------------------------------------------------------- */

/* The peer's Close. */
static void take_close(struct ws *ws, const char *data, size_t n)
{
    unsigned code = CODE_NONE;
    struct str reason = { "", 0 };
    struct utf8 u = { 0, 0, 0 };
    bool first = ws->state == WS_OPEN;

    if (n == 1) {
        fail(ws, CODE_PROTOCOL, "a Close has a payload of one byte");
        return;
    }
    if (n) {
        code = (unsigned)(unsigned char)data[0] << 8 | (unsigned char)data[1];
        reason = (struct str){ data + 2, n - 2 };
    }
    if (n && !frame_code_valid(code)) {
        fail(ws, CODE_PROTOCOL, "the code of a Close is not valid");
        return;
    }
    if (!utf8_feed(&u, reason.p, reason.n) || !utf8_complete(&u)) {
        fail(ws, CODE_DATA, "the reason of a Close is not UTF-8");
        return;
    }
    if (first)
        send_close(ws, code, (struct str){ "", 0 });
    ws->state = WS_OVER;
    slv_tunnel_close(ws->tunnel, first ? SLV_END_DONE : (enum slv_end)ws->why, true);
    tell_end(ws, first ? code : ws->code, reason);
}

/* A whole control frame. */
static void take_control(struct ws *ws, enum frame_opcode opcode, const char *data, size_t n)
{
    if (opcode == FRAME_CLOSE)
        take_close(ws, data, n);
    else if (opcode == FRAME_PING && may_send(ws))
        send_control(ws, FRAME_PONG, data, n);
}

/* A piece of a control frame: put together where it is not all there. */
static void collect_control(struct ws *ws, const struct frame_piece *piece)
{
    if (piece->begins && piece->ends) {
        take_control(ws, piece->opcode, piece->data, piece->n);
        return;
    }
    if (piece->begins) {
        ws->control = malloc(FRAME_CONTROL_MAX);
        if (!ws->control)
            abort();
        ws->control_size = 0;
    }
    memcpy(ws->control + ws->control_size, piece->data, piece->n);
    ws->control_size = (uint8_t)(ws->control_size + piece->n);
    if (!piece->ends)
        return;
    take_control(ws, piece->opcode, ws->control, ws->control_size);
    free(ws->control);
    ws->control = NULL;
}

/* ---- struct slv_protocol -------------------------------------------------------------------- */

/* struct slv_protocol: may_feed */
static bool may_feed(const void *state)
{
    const struct ws *ws = ws_of(state);

    return slv_tunnel_waiting(ws->tunnel) < PAUSE_MARK;
}

/* struct slv_protocol: open */
static void on_tunnel(void *state, struct slv_tunnel *t)
{
    struct ws *ws = ws_of(state);

    ws->tunnel = t;
    ws->heard = slv_tunnel_now(t);
    if (ws->handler->on_open)
        ws->handler->on_open(&ws->head, ws->arg);
}

/* struct slv_protocol: feed */
static size_t feed(void *state, struct slv_tunnel *t, char *data, size_t n)
{
    struct ws *ws = ws_of(state);
    size_t at = 0;

    ws->heard = slv_tunnel_now(t);
    ws->pinged = 0;
    while (at < n && ws->state != WS_OVER && may_feed(ws)) {
        struct frame_piece piece;
        size_t used;
        enum frame_event event = frame_read(&ws->reader, data + at, n - at, &used, &piece);

        at += used;
        if (event == FRAME_FAULT)
            fail(ws, piece.code, piece.fault);
        else if (event == FRAME_PIECE && piece.opcode >= FRAME_CLOSE)
            collect_control(ws, &piece);
        else if (event == FRAME_PIECE)
            take_data(ws, &piece);
    }
    return at;
}

/* struct slv_protocol: eof */
static void on_eof(void *state, struct slv_tunnel *t)
{
    struct ws *ws = ws_of(state);
    bool closing = ws->state == WS_CLOSING;

    ws->state = WS_OVER;
    slv_tunnel_close(t, closing ? (enum slv_end)ws->why : SLV_END_GONE, false);
    tell_end(ws, ws->code, (struct str){ "", 0 });
}

/* struct slv_protocol: produce */
static void produce(void *state, struct slv_tunnel *t)
{
    struct ws *ws = ws_of(state);

    if (ws->state == WS_OPEN && ws->handler->on_room)
        ws->handler->on_room(&ws->head, ws->arg);
    if (ws->state == WS_CLOSING && !ws->closing_since && !slv_tunnel_waiting(t))
        ws->closing_since = slv_tunnel_now(t);
}

/* struct slv_protocol: deadline */
static int64_t deadline(const void *state)
{
    const struct ws *ws = ws_of(state);
    int64_t at = SLV_NEVER;

    if (ws->state == WS_CLOSING)
        return ws->closing_since ? ws->closing_since + CLOSE_WAIT : SLV_NEVER;
    if (ws->settings->ping_interval)
        at = ws->pinged ? ws->pinged + ws->settings->ping_timeout
            : ws->heard + ws->settings->ping_interval;
    return ws->drain_at && ws->drain_at < at ? ws->drain_at : at;
}

/* struct slv_protocol: expired */
static void on_expired(void *state, struct slv_tunnel *t)
{
    struct ws *ws = ws_of(state);
    int64_t now = slv_tunnel_now(t);

    if (ws->state == WS_CLOSING) {
        slv_tunnel_abort(t, (enum slv_end)ws->why);
    } else if (ws->drain_at && ws->drain_at <= now) {
        begin_close(ws, CODE_GOING_AWAY, STR("server is going away"), SLV_END_DRAINED);
    } else if (!ws->pinged || !may_feed(ws)) {
        /* From a peer that is not read from for now, no answer can be expected. */
        if (!ws->pinged)
            send_control(ws, FRAME_PING, NULL, 0);
        ws->pinged = now;
    } else {
        slv_tunnel_abort(t, SLV_END_SILENT);
    }
}

/* struct slv_protocol: drain */
static void on_drain(void *state, struct slv_tunnel *t, bool at_once)
{
    struct ws *ws = ws_of(state);

    if (ws->state != WS_OPEN)
        return;
    ws->drain_at = slv_tunnel_now(t);
    if (at_once)
        begin_close(ws, CODE_GOING_AWAY, STR("server is going away"), SLV_END_DRAINED);
    else
        ws->drain_at += slv_drain_delay(slv_tunnel_request(t));
}

/* struct slv_protocol: free */
static void on_free(void *state, struct slv_tunnel *t)
{
    struct ws *ws = ws_of(state);

    (void)t;
    /* Nothing that the handler still tries is of use. */
    ws->state = WS_OVER;
    tell_end(ws, ws->code, (struct str){ "", 0 });
    ws_discard(&ws);
}

const struct slv_protocol ws_protocol = {
    .name = "websocket",
    .open = on_tunnel,
    .feed = feed,
    .may_feed = may_feed,
    .eof = on_eof,
    .produce = produce,
    .deadline = deadline,
    .expired = on_expired,
    .drain = on_drain,
    .free = on_free,
};
