/*
 * respond.c - an answer into bytes.
 */
#include "http/respond.h"

#include "base/check.h"
#include "base/outq.h"
#include "conn/conn.h"
#include "http/head.h"
#include "http/token.h"

#include <stdio.h>

void respond_header(struct exchange *x, struct str name, struct str value)
{
    struct header_out *h;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    if (str_ieq(name, STR("connection"))) {
        /* There is one on the wire, and it is ours; a wish to close is heard (H-21). */
        x->close_after = x->close_after || token_list_has(value, STR("close"));
        return;
    }
    h = arena_alloc(&x->message, sizeof *h);
    h->next = NULL;
    h->name = name;
    h->value = value;
    *x->headers_out_end = h;
    x->headers_out_end = &h->next;
}

struct str respond_header_find(const struct exchange *x, struct str name)
{
    for (const struct header_out *h = x->headers_out; h; h = h->next)
        if (str_ieq(h->name, name))
            return h->value;
    return (struct str){ NULL, 0 };
}

void respond_header_drop(struct exchange *x, struct str name)
{
    struct header_out **at = &x->headers_out;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    while (*at) {
        if (str_ieq((*at)->name, name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    x->headers_out_end = at;
}

bool respond_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* May this connection serve another request after this answer? (W-25..29, H-21) */
static bool decide_keep_alive(const struct exchange *x)
{
    const struct conn *c = x->conn;

    if (x->wants_close || x->close_after || x->limits->keepalive_timeout <= 0)
        return false;
    if (c->drain != CONN_STAY || c->requests >= x->limits->keepalive_requests)
        return false;
    if (c->eof && !conn_kept(c))
        return false;
    if (x->body_done || !x->body_expected)
        return true;
    /* Answered before the body came: it must be short, known, and not held back by the client. */
    return !x->expect_continue && x->req.content_length >= 0
        && x->req.content_length - x->body_received <= EXCHANGE_UNREAD_MAX;
}

/* Where a head is being written. */
struct pen {
    char *at, *end;
};

/* Writes bytes; the room was measured before. */
static void put(struct pen *pen, struct str s)
{
    AN((size_t)(pen->end - pen->at) >= s.n);
    if (s.n)
        memcpy(pen->at, s.p, s.n);
    pen->at += s.n;
}

/*
 * Writes a value and the end of its line. A value may be made of what a peer sent, decoded: a byte
 * that would end the line, and so begin another field, becomes a space (RFC 9110 section 5.5).
 */
static void put_value(struct pen *pen, struct str value)
{
    char *begin = pen->at;

    put(pen, value);
    for (char *p = begin; p < pen->at; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            *p = ' ';
    put(pen, STR("\r\n"));
}

/* Writes a field, unless its value is empty. */
static void put_field(struct pen *pen, struct str name, struct str value)
{
    if (!value.n)
        return;
    put(pen, name);
    put_value(pen, value);
}

struct str respond_fields(struct exchange *x, enum framing framing)
{
    size_t room = 256 + x->server_out.n + x->content_type_out.n + x->last_modified_out.n
        + x->etag_out.n + x->location_out.n;
    struct pen pen;
    char *text, length[32];

    for (const struct header_out *h = x->headers_out; h; h = h->next)
        room += h->name.n + h->value.n + 4;
    text = arena_alloc(&x->message, room);
    pen = (struct pen){ text, text + room };
    put_field(&pen, STR("Server: "), x->server_out);
    put_field(&pen, STR("Content-Type: "), x->content_type_out);
    if (x->content_length_out >= 0) {
        int n = snprintf(length, sizeof length, "%lld", (long long)x->content_length_out);

        put_field(&pen, STR("Content-Length: "), (struct str){ length, (size_t)n });
    } else if (framing == FRAMING_CHUNKED) {
        put(&pen, STR("Transfer-Encoding: chunked\r\n"));
    }
    put_field(&pen, STR("Last-Modified: "), x->last_modified_out);
    put_field(&pen, STR("Location: "), x->location_out);
    put_field(&pen, STR("ETag: "), x->etag_out);
    if (x->accept_ranges_out)
        put(&pen, STR("Accept-Ranges: bytes\r\n"));
    for (const struct header_out *h = x->headers_out; h; h = h->next) {
        put(&pen, h->name);
        put(&pen, STR(": "));
        put_value(&pen, h->value);
    }
    put(&pen, STR("\r\n"));
    return (struct str){ text, (size_t)(pen.at - text) };
}

/* Chooses how the end of the body will be told. size -1: not known. */
static enum framing choose_framing(struct exchange *x, int64_t size)
{
    if (respond_bodiless(x->status)) {
        x->content_length_out = -1;
        return FRAMING_NONE;
    }
    x->content_length_out = size;
    if (size >= 0)
        return FRAMING_LENGTH;
    if (x->req.version >= 11)
        return FRAMING_CHUNKED;
    x->close_after = true;
    return FRAMING_CLOSE;
}

/* Queues one piece of a body. */
static void queue_piece(struct exchange *x, const struct slv_body *b)
{
    AN(b->size >= 0);
    if (b->kind == SLV_BODY_MEM)
        outq_add(&x->conn->out, b->data, (size_t)b->size, OUTQ_HELD);
    else if (b->kind == SLV_BODY_FILE)
        outq_add_file(&x->conn->out, b->fd, b->offset, (uint64_t)b->size, NULL, NULL);
}

/* Notes the body's owner; one of the pieces at most has one. */
static void take_owner(struct exchange *x, const struct slv_body *b)
{
    if (!b->release)
        return;
    AN(!x->release);
    x->release = b->release;
    x->owner = b->owner;
}

/* Queues status line, Date and Connection; returns their length. */
static size_t queue_start(struct exchange *x)
{
    bool shared;
    struct str start = head_start(x->status, x->keep_alive, &shared);

    if (shared)
        outq_add_copy(&x->conn->out, start.p, start.n);
    else
        outq_add(&x->conn->out, start.p, start.n, OUTQ_TRANSIENT);
    return start.n;
}

/* Status line, Date, Connection and what was composed. */
static void queue_head(struct exchange *x, struct str fields)
{
    struct outq *q = &x->conn->out;

    x->keep_alive = decide_keep_alive(x);
    x->out_begin = outq_end(q);
    x->head_out = queue_start(x) + fields.n;
    outq_add(q, fields.p, fields.n, OUTQ_TRANSIENT);
}

void respond_pieces(struct exchange *x, int status, const struct slv_body *pieces, size_t count)
{
    int64_t size = 0;
    bool no_body;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->conn != NULL && (x->answer == ANSWER_NONE || x->answer == ANSWER_LATER));
    for (size_t i = 0; i < count; i++) {
        take_owner(x, &pieces[i]);
        size = pieces[i].kind == SLV_BODY_NONE ? size
            : pieces[i].size < 0 ? -1 : size + pieces[i].size;
    }
    x->status = status;
    x->framing = choose_framing(x, size);
    no_body = x->framing == FRAMING_NONE || x->req.method == SLV_HEAD;
    queue_head(x, respond_fields(x, x->framing));
    x->answer = ANSWER_COMPLETE;
    if (count == 1 && pieces[0].kind == SLV_BODY_SOURCE) {
        AN(pieces[0].source != NULL);
        x->source = pieces[0].source;
        x->source_left = pieces[0].size;
        if (!no_body)
            x->answer = ANSWER_STREAMING;
        return;
    }
    if (no_body)
        return;
    for (size_t i = 0; i < count; i++)
        queue_piece(x, &pieces[i]);
}

void respond(struct exchange *x, int status, const struct slv_body *body)
{
    respond_pieces(x, status, body, 1);
}

void respond_wire(struct exchange *x, const struct slv_wire *wire)
{
    struct outq *q;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->conn != NULL && (x->answer == ANSWER_NONE || x->answer == ANSWER_LATER));
    q = &x->conn->out;
    x->status = wire->status;
    x->release = wire->release;
    x->owner = wire->owner;
    x->keep_alive = decide_keep_alive(x);
    x->out_begin = outq_end(q);
    x->head_out = queue_start(x) + wire->head_size;
    x->answer = ANSWER_COMPLETE;
    if (x->req.method == SLV_HEAD || respond_bodiless(wire->status)) {
        outq_add(q, wire->head, wire->head_size, OUTQ_HELD);
    } else if (wire->head + wire->head_size == wire->body) {
        outq_add(q, wire->head, wire->head_size + wire->body_size, OUTQ_HELD);
    } else {
        outq_add(q, wire->head, wire->head_size, OUTQ_HELD);
        outq_add(q, wire->body, wire->body_size, OUTQ_HELD);
    }
}

void respond_write(struct exchange *x, const void *data, size_t size)
{
    char line[24];
    struct outq *q;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->answer == ANSWER_STREAMING);
    if (!size || x->conn->closing)
        return;
    q = &x->conn->out;
    if (x->framing == FRAMING_LENGTH) {
        /* More than was announced would be read as the next answer. */
        if (x->source_left < (int64_t)size) {
            conn_close(x->conn, CLOSE_HANDLER, false);
            return;
        }
        x->source_left -= (int64_t)size;
    }
    if (x->framing == FRAMING_CHUNKED)
        outq_add_copy(q, line, (size_t)snprintf(line, sizeof line, "%zx\r\n", size));
    outq_add_copy(q, data, size);
    if (x->framing == FRAMING_CHUNKED)
        outq_add(q, "\r\n", 2, OUTQ_HELD);
}

void respond_write_chunk(struct exchange *x, struct str chunk, struct str data)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->answer == ANSWER_STREAMING && data.p >= chunk.p && data.p + data.n <= chunk.p + chunk.n);
    if (x->framing == FRAMING_LENGTH)
        respond_write(x, data.p, data.n);
    else if (!data.n || x->conn->closing)
        return;
    else if (x->framing == FRAMING_CHUNKED)
        outq_add(&x->conn->out, chunk.p, chunk.n, OUTQ_TRANSIENT);
    else
        outq_add(&x->conn->out, data.p, data.n, OUTQ_TRANSIENT);
}

void respond_end(struct exchange *x)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->answer == ANSWER_STREAMING);
    if (x->conn->closing)
        return;
    if (x->framing == FRAMING_LENGTH && x->source_left > 0) {
        /* Broken off: what was given leaves, and only the end of the connection says the rest. */
        conn_close(x->conn, CLOSE_HANDLER, false);
        return;
    }
    if (x->framing == FRAMING_CHUNKED)
        outq_add(&x->conn->out, "0\r\n\r\n", 5, OUTQ_HELD);
    x->answer = ANSWER_COMPLETE;
}

void respond_upgrade(struct exchange *x, const struct slv_protocol *protocol, void *state)
{
    struct str start, fields;
    struct outq *q;

    CHECK_OBJ(x, EXCHANGE_MAGIC);
    AN(x->conn != NULL && x->upgrade && !x->protocol);
    AN(x->answer == ANSWER_NONE || x->answer == ANSWER_LATER);
    q = &x->conn->out;
    x->status = 101;
    x->content_length_out = -1;
    start = arena_printf(&x->message, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\n"
                         "Connection: Upgrade\r\n", protocol->name);
    fields = respond_fields(x, FRAMING_NONE);
    x->out_begin = outq_end(q);
    x->head_out = start.n + fields.n;
    outq_add(q, start.p, start.n, OUTQ_TRANSIENT);
    outq_add(q, fields.p, fields.n, OUTQ_TRANSIENT);
    x->protocol = protocol;
    x->protocol_state = state;
    x->answer = ANSWER_UPGRADED;
}

void respond_abandon(struct exchange *x)
{
    CHECK_OBJ(x, EXCHANGE_MAGIC);
    x->answer = ANSWER_ABANDONED;
    /* Answers to earlier requests still leave. */
    conn_close(x->conn, CLOSE_REFUSED, false);
}
