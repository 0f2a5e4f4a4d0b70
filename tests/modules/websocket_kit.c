/*
 * websocket_kit.c - a WebSocket connection driven from strings.
 */
#include "websocket_kit.h"

#include "base/check.h"
#include "http/respond.h"

#include <selvage/module.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const struct ws_settings wskit_settings = {
    .max_message = 1 << 20,
    .buffer = 1 << 20,
    .overflow_code = 1013,
    .ping_timeout = 1,
    .deflate = { .enabled = true, .takeover = true, .window = 15, .memory = 1 << 30 },
};

/* ---- Words ---------------------------------------------------------------------------------- */

/* The value of a hexadecimal digit, or -1. */
static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads pairs of digits up to a byte. */
static const char *read_hex(struct memtext *to, const char *at, char end)
{
    while (*at != end) {
        if (*at == ' ') {
            at++;
            continue;
        }
        AN(digit(at[0]) >= 0 && digit(at[1]) >= 0);
        char byte = (char)(digit(at[0]) << 4 | digit(at[1]));

        memtext_add(to, &byte, 1);
        at += 2;
    }
    return at + 1;
}

/* Reads a text in quotes. */
static const char *read_text(struct memtext *to, const char *at, const char *end)
{
    const char *quote;

    AN(*at == '\'');
    quote = memchr(at + 1, '\'', (size_t)(end - at - 1));
    AN(quote != NULL);
    memtext_add(to, at + 1, (size_t)(quote - at - 1));
    return quote + 1;
}

/* Compresses a payload, without the end of the flush. */
static void compress_payload(struct memtext *payload)
{
    z_stream z = { 0 };
    char out[4096];

    AN(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)payload->p;
    z.avail_in = (uInt)payload->n;
    z.next_out = (Bytef *)out;
    z.avail_out = sizeof out;
    AN(deflate(&z, Z_SYNC_FLUSH) == Z_OK && z.avail_out > 0 && z.total_out >= 4);
    memtext_clear(payload);
    memtext_add(payload, out, z.total_out - 4);
    deflateEnd(&z);
}

/* Adds a client's frame. */
static void add_frame(struct memtext *to, uint8_t first, const struct memtext *payload, bool mask)
{
    static uint32_t key = 0x12345678;
    char head[FRAME_HEAD_OUT_MAX];
    size_t n = frame_head(head, first, payload->n);
    uint8_t bytes[4];
    char *masked;

    key = key * 1664525 + 1013904223;
    memcpy(bytes, &key, sizeof bytes);
    if (mask)
        head[1] = (char)(head[1] | 0x80);
    memtext_add(to, head, n);
    if (!mask) {
        memtext_add(to, memtext_get(payload), payload->n);
        return;
    }
    memtext_add(to, (const char *)bytes, 4);
    masked = malloc(payload->n + 1);
    AN(masked != NULL);
    for (size_t i = 0; i < payload->n; i++)
        masked[i] = (char)(payload->p[i] ^ bytes[i & 3]);
    memtext_add(to, masked, payload->n);
    free(masked);
}

/* Reads a word that is a frame. */
static const char *read_frame(struct memtext *to, const char *at, const char *end)
{
    struct memtext payload = { NULL, 0, 0 };
    uint8_t first = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
    bool mask = true, compress = false;

    AN(digit(at[0]) >= 0 && digit(at[1]) >= 0);
    at += 2;
    if (*at == '#') {
        char *behind;
        unsigned long code = strtoul(at + 1, &behind, 10);
        char bytes[2] = { (char)(code >> 8), (char)code };

        memtext_add(&payload, bytes, 2);
        at = behind;
    }
    mask = *at != '!';
    compress = *at == '%';
    at += !mask || compress;
    if (at < end && *at == '*') {
        char *behind;
        unsigned long n = strtoul(at + 1, &behind, 10);

        for (unsigned long i = 0; i < n; i++) {
            char byte = memapp_pattern(i);

            memtext_add(&payload, &byte, 1);
        }
        at = behind;
    } else if (at < end && *at == '{') {
        at = read_hex(&payload, at + 1, '}');
    } else if (at < end && *at == '\'') {
        at = read_text(&payload, at, end);
    }
    if (compress)
        compress_payload(&payload);
    add_frame(to, first, &payload, mask);
    memtext_free(&payload);
    return at;
}

/* Words into bytes. */
void wskit_write(struct memtext *to, const char *words, size_t n)
{
    const char *at = words, *end = words + n;

    while (at < end) {
        if (*at == ' ')
            at++;
        else if (*at == '[')
            at = read_hex(to, at + 1, ']');
        else
            at = read_frame(to, at, end);
    }
}

/* A payload in words. */
static void print_payload(struct memtext *to, const char *data, size_t n)
{
    bool same = true;

    for (size_t i = 0; i < n && same; i++)
        same = data[i] == memapp_pattern(i);
    if (n > 60) {
        memtext_printf(to, "%c%zu ", same ? '*' : '?', n);
        return;
    }
    memtext_add(to, "'", 1);
    for (size_t i = 0; i < n; i++)
        if (data[i] >= ' ' && data[i] <= '~')
            memtext_add(to, data + i, 1);
        else
            memtext_printf(to, "\\x%02x", (unsigned char)data[i]);
    memtext_add(to, "' ", 2);
}

/* A compressed payload in words; messages of the server are not fragmented. */
static void print_inflated(struct memtext *to, const struct wskit *k, const char *data, size_t n)
{
    static const char tail[] = { 0, 0, (char)0xff, (char)0xff };
    static char out[2 << 20];
    static z_stream z;
    static const struct wskit *whose;

    if (whose != k || !k->terms.server_takeover) {
        if (whose)
            inflateEnd(&z);
        z = (z_stream){ 0 };
        AN(inflateInit2(&z, -(k->terms.server_window < 9 ? 9 : k->terms.server_window)) == Z_OK);
        whose = k;
    }
    z.next_out = (Bytef *)out;
    z.avail_out = sizeof out;
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)n;
    AN(inflate(&z, Z_SYNC_FLUSH) >= 0 || z.avail_in == 0);
    z.next_in = (Bytef *)(uintptr_t)tail;
    z.avail_in = sizeof tail;
    if (inflate(&z, Z_SYNC_FLUSH) < 0 || z.avail_in)
        memtext_printf(to, "bad ");
    print_payload(to, out, sizeof out - z.avail_out);
    if (!k->terms.server_takeover) {
        inflateEnd(&z);
        whose = NULL;
    }
}

/* A frame of the server in words. Returns its size, or 0 where it is not all there. */
static size_t print_frame(struct memtext *to, const struct wskit *k, const uint8_t *data, size_t n)
{
    uint64_t size;
    size_t head = 2;

    if (n < 2)
        return 0;
    size = data[1];
    if (size == 126 || size == 127) {
        size_t more = size == 126 ? 2 : 8;

        if (n < 2 + more)
            return 0;
        size = 0;
        for (size_t i = 0; i < more; i++)
            size = size << 8 | data[head++];
    }
    if (n < head + size)
        return 0;
    memtext_printf(to, "%02x", data[0]);
    if (data[0] == 0x88 && size >= 2)
        memtext_printf(to, "#%u ", (unsigned)data[head] << 8 | data[head + 1]);
    else if (data[0] & 0x40)
        print_inflated(to, k, (const char *)data + head, (size_t)size);
    else
        print_payload(to, (const char *)data + head, (size_t)size);
    return head + (size_t)size;
}

/* What came. */
const char *wskit_heard(struct wskit *k)
{
    static struct memtext words;
    size_t used = 1;

    memtext_clear(&words);
    memconn_flush(&k->m);
    while (k->read < k->m.out.n && used) {
        used = print_frame(&words, k, (const uint8_t *)k->m.out.p + k->read,
                           k->m.out.n - k->read);
        k->read += used;
    }
    memtext_printf(&words, "%s| %s", used ? "" : "cut ", memconn_state(&k->m));
    if (k->m.c ? k->m.c->reason : k->m.reason)
        memtext_printf(&words, " %s",
                       close_token((enum close_reason)(k->m.c ? k->m.c->reason : k->m.reason)));
    return words.p;
}

/* ---- The echo ------------------------------------------------------------------------------- */

/* struct slv_ws_handler: on_open */
static void on_open(struct slv_ws *ws, void *arg)
{
    struct wskit *k = arg;

    AN(k->ws == NULL);
    k->ws = ws;
    memtext_printf(&k->events, "open ");
    AN(slv_ws_request(ws)->method == SLV_GET);
}

/* struct slv_ws_handler: on_message */
static void on_message(struct slv_ws *ws, void *arg, enum slv_ws_kind kind, char *data, size_t n)
{
    struct wskit *k = arg;

    AN(k->ws == ws);
    memtext_printf(&k->events, kind == SLV_WS_TEXT ? "text" : "binary");
    print_payload(&k->events, data, n);
    if (k->mute)
        return;
    if (k->copies)
        slv_ws_send(ws, kind, data, n);
    else
        slv_ws_send_back(ws, kind, data, n);
}

/* struct slv_ws_handler: on_close */
static void on_close(struct slv_ws *ws, void *arg, unsigned code, struct str reason)
{
    struct wskit *k = arg;

    AN(ws == k->ws);
    k->ws = NULL;
    memtext_printf(&k->events, "close#%u", code);
    print_payload(&k->events, reason.p, reason.n);
    AN(!ws || slv_ws_send(ws, SLV_WS_TEXT, "", 0) == -1);
}

static const struct slv_ws_handler handler = {
    .on_open = on_open, .on_message = on_message, .on_close = on_close
};

/* struct memapp: upgrade */
static void upgrade(struct exchange *x, void *arg)
{
    struct wskit *k = arg;

    respond_header(x, STR("Sec-WebSocket-Accept"), STR("ok"));
    wshost_upgrade(x, &k->settings, &k->terms, &handler, k);
}

/* A connection. */
void wskit_init(struct wskit *k)
{
    *k = (struct wskit){ .settings = wskit_settings };
    memconn_init(&k->m);
    k->m.app.upgrade = upgrade;
    k->m.app.upgrade_arg = k;
    wshost_log[0] = '\0';
}

/* The head of the 101 is over. */
static void skip_head(struct wskit *k)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: ok\r\n\r\n";

    memconn_flush(&k->m);
    AN(k->m.out.n >= sizeof head - 1 && memcmp(k->m.out.p, head, sizeof head - 1) == 0);
    k->read = sizeof head - 1;
}

/* The same with the request sent. */
void wskit_open(struct wskit *k)
{
    memconn_feed_str(&k->m, WSKIT_REQUEST);
    skip_head(k);
}

/* Both at once. */
void wskit_start(struct wskit *k)
{
    wskit_init(k);
    wskit_open(k);
}

/* Frees it, and sees that all sums are right. */
void wskit_free(struct wskit *k)
{
    memconn_reset(&k->m);
    memconn_free(&k->m);
    CU_ASSERT_PTR_NULL(memconn_unbalanced(&k->m));
    CU_ASSERT_PTR_NULL(k->ws);
    CU_ASSERT_EQUAL(deflate_held(), 0);
    memtext_free(&k->events);
}

/* A turn with frames. */
void wskit_feed(struct wskit *k, const char *words)
{
    struct memtext in = { NULL, 0, 0 };

    wskit_write(&in, words, strlen(words));
    memconn_feed_pieces(&k->m, in.p, in.n, in.n);
    memtext_free(&in);
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* How a row is run. */
struct way {
    size_t cut;                    /* bytes of the first piece; 0: none apart */
    size_t piece;                  /* bytes of the others */
    size_t write_max;
    bool copies;
};

/* Runs a row once. */
static void run_row(const struct wsrow *row, const struct memtext *in, struct way way,
                    void (*setup)(struct wskit *k))
{
    struct wskit k;
    const char *heard;

    wskit_init(&k);
    k.copies = way.copies;
    k.m.write_max = way.write_max;
    k.m.writes_max = way.write_max ? 2 : 0;
    if (setup)
        setup(&k);
    if (way.cut)
        memconn_feed_pieces(&k.m, in->p, way.cut, way.cut);
    memconn_feed_pieces(&k.m, in->p + way.cut, in->n - way.cut, way.piece);
    skip_head(&k);
    heard = wskit_heard(&k);
    SUITE_CHECK(strcmp(heard, row->out) == 0,
                "%s (cut %zu, pieces of %zu, writes of %zu): got %s, wanted %s", row->name,
                way.cut, way.piece, way.write_max, heard, row->out);
    /* Who is cut off is told in the log. */
    SUITE_CHECK(!strstr(row->out, "error") || wshost_log[0], "%s: nothing was logged", row->name);
    wskit_free(&k);
}

/* Runs rows in all ways. */
void wskit_rows(const struct wsrow *rows, size_t count, void (*setup)(struct wskit *k))
{
    for (size_t i = 0; i < count; i++) {
        struct memtext in = { NULL, 0, 0 };

        memtext_add(&in, WSKIT_REQUEST, sizeof WSKIT_REQUEST - 1);
        wskit_write(&in, rows[i].in, rows[i].in_size);
        run_row(&rows[i], &in, (struct way){ 0, in.n, 0, false }, setup);
        run_row(&rows[i], &in, (struct way){ 0, in.n, 0, true }, setup);
        run_row(&rows[i], &in, (struct way){ 0, in.n, 7, false }, setup);
        run_row(&rows[i], &in, (struct way){ 0, 997, 0, false }, setup);
        if (in.n < 5000) {
            run_row(&rows[i], &in, (struct way){ 0, 1, 0, false }, setup);
            run_row(&rows[i], &in, (struct way){ 0, 1, 1, false }, setup);
        }
        for (size_t cut = 1; cut < in.n && in.n < 1000; cut++)
            run_row(&rows[i], &in, (struct way){ cut, in.n, 0, cut % 2 }, setup);
        memtext_free(&in);
    }
}
