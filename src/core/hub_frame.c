/*
 * hub_frame.c - a message as it goes over the wire: the bytes of a record.
 *
 *   chunk's head | event | CRLF | frame's head | data | media type
 *
 * The first three are one chunk (RFC 9112 section 7.1), the last two one frame (RFC 6455 section
 * 5.2).
 */
#include "core/hub_shared.h"

#include "base/check.h"

#include <stdio.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool hub_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end;

    /* Nothing may be nowhere. */
    if (s.n == 0)
        return true;
    end = p + s.n;
    while (p < end) {
        unsigned lead = *p++, low = 0x80, high = 0xbf, more;

        if (lead < 0x80)
            continue;
        if (lead < 0xc2 || lead > 0xf4)
            return false;
        more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        /* Neither longer than need be, nor surrogates, nor beyond U+10FFFF. */
        if (lead == 0xe0)
            low = 0xa0;
        else if (lead == 0xed)
            high = 0x9f;
        else if (lead == 0xf0)
            low = 0x90;
        else if (lead == 0xf4)
            high = 0x8f;
        for (; more; more--, low = 0x80, high = 0xbf)
            if (p == end || *p < low || *p++ > high)
                return false;
    }
    return true;
}

/* The next line of text, which loses it and its end: LF, CR or CRLF. False: there was none left. */
static bool next_line(struct str *text, struct str *line)
{
    size_t n = 0;

    if (!text->p)
        return false;
    while (n < text->n && text->p[n] != '\n' && text->p[n] != '\r')
        n++;
    *line = (struct str){ text->p, n };
    if (n == text->n) {
        text->p = NULL;
        return true;
    }
    n += n + 1 < text->n && text->p[n] == '\r' && text->p[n + 1] == '\n';
    *text = str_from(*text, n + 1);
    return true;
}

/* Bytes of the event's data, which may be a line or many. */
static uint64_t data_size(const struct slv_hub_post *post)
{
    struct str text = post->data, line;
    uint64_t n = 0;

    if (post->kind == SLV_HUB_BINARY)
        return 6 + (post->data.n + 2) / 3 * 4 + 1;
    text.p = text.p ? text.p : "";
    while (next_line(&text, &line))
        n += 6 + line.n + 1;
    return n;
}

int hub_frame_measure(const struct slv_hub_post *post, uint64_t id, struct hub_record *r)
{
    char line[40];
    uint64_t n = post->data.n, sse, all;
    int digits = snprintf(line, sizeof line, "id: %llu\n", (unsigned long long)id);

    AN(digits > 0);
    sse = (uint64_t)digits + (post->event.n ? 7 + post->event.n + 1 : 0) + data_size(post) + 1;
    r->id = id;
    r->kind = post->kind;
    r->data = (uint32_t)n;
    r->head = n < 126 ? 2 : n < 65536 ? 4 : 10;
    r->event = (uint32_t)post->event.n;
    r->event_at = post->event.n ? (uint32_t)digits + 7 : 0;
    r->sse = (uint32_t)sse;
    r->chunk = (uint32_t)snprintf(line, sizeof line, "%llx\r\n", (unsigned long long)sse);
    r->type = (uint32_t)post->type.n;
    all = sizeof *r + r->chunk + sse + 2 + r->head + n + r->type;
    all = (all + HUB_ALIGN - 1) / HUB_ALIGN * HUB_ALIGN;
    r->size = (uint32_t)all;
    return all <= INT32_MAX ? 0 : -1;
}

/* Writes bytes; returns where the next ones go. */
static char *put(char *at, struct str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

/* Writes base64. */
static char *put_base64(char *at, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0)
            | (left > 2 ? p[i + 2] : 0);

        *at++ = base64_digits[v >> 18];
        *at++ = base64_digits[v >> 12 & 63];
        *at++ = left > 1 ? base64_digits[v >> 6 & 63] : '=';
        *at++ = left > 2 ? base64_digits[v & 63] : '=';
    }
    return at;
}

/* Writes the event. */
static char *put_event(char *at, const struct slv_hub_post *post, uint64_t id)
{
    struct str text = post->data, line;
    char number[40];

    at = put(at, (struct str){ number, (size_t)snprintf(number, sizeof number, "id: %llu\n",
                                                        (unsigned long long)id) });
    if (post->event.n) {
        at = put(at, STR("event: "));
        at = put(at, post->event);
        at = put(at, STR("\n"));
    }
    if (post->kind == SLV_HUB_BINARY) {
        at = put(at, STR("data: "));
        at = put_base64(at, text);
        return put(at, STR("\n\n"));
    }
    text.p = text.p ? text.p : "";
    while (next_line(&text, &line)) {
        at = put(at, STR("data: "));
        at = put(at, line);
        at = put(at, STR("\n"));
    }
    return put(at, STR("\n"));
}

/* Writes the head of a frame: whole, text or binary, no mask. */
static char *put_frame_head(char *at, const struct hub_record *r)
{
    uint64_t n = r->data;

    *at++ = (char)(0x80 | (r->kind == SLV_HUB_TEXT ? 1 : 2));
    *at++ = (char)(n < 126 ? n : n < 65536 ? 126 : 127);
    for (int i = (int)r->head - 3; i >= 0; i--)
        *at++ = (char)(n >> 8 * i);
    return at;
}

void hub_frame_write(const struct slv_hub_post *post, struct hub_record *r)
{
    char head[24], *at = r->bytes;

    snprintf(head, sizeof head, "%x\r\n", r->sse);
    at = put(at, (struct str){ head, r->chunk });
    at = put_event(at, post, r->id);
    AN(at == r->bytes + r->chunk + r->sse);
    at = put(at, STR("\r\n"));
    at = put_frame_head(at, r);
    at = put(at, post->data);
    at = put(at, post->type);
    AN((uint64_t)(at - (char *)r) <= r->size);
}

void hub_frame_view(const struct hub_record *r, struct slv_hub_message *m)
{
    const char *event = r->bytes + r->chunk, *frame = event + r->sse + 2;

    *m = (struct slv_hub_message){
        .id = r->id,
        .time = r->time,
        .kind = (enum slv_hub_kind)r->kind,
        .data = { frame + r->head, r->data },
        .event = { event + r->event_at, r->event },
        .frame = { frame, r->head + r->data },
        .sse = { event, r->sse },
        .chunk = { r->bytes, r->chunk + r->sse + 2 },
        .type = { frame + r->head + r->data, r->type },
    };
}
