/*
 * frame.c - frames of RFC 6455 section 5.
 */
#include "frame.h"

#include <string.h>

/* The widest unit that compilers make vector instructions of; data may begin anywhere. */
typedef uint64_t wide __attribute__((vector_size(32), aligned(1), may_alias));

void frame_mask(char *data, size_t n, const uint8_t key[4])
{
    uint32_t key32;
    uint64_t key64;
    size_t i = 0;

    memcpy(&key32, key, sizeof key32);
    key64 = (uint64_t)key32 << 32 | key32;
    for (; n - i >= sizeof(wide); i += sizeof(wide))
        *(wide *)(data + i) ^= key64;
    for (; n - i >= sizeof key64; i += sizeof key64) {
        uint64_t w;

        memcpy(&w, data + i, sizeof w);
        w ^= key64;
        memcpy(data + i, &w, sizeof w);
    }
    for (; i < n; i++)
        data[i] = (char)(data[i] ^ key[i & 3]);
}

/* Turns the key so that it begins at the byte n further on. */
static void turn_key(uint8_t key[4], size_t n)
{
    uint8_t old[4];

    memcpy(old, key, sizeof old);
    for (size_t i = 0; i < 4; i++)
        key[i] = old[(i + n) & 3];
}

size_t frame_head_size(uint64_t size)
{
    return size < 126 ? 2 : size <= 0xffff ? 4 : 10;
}

size_t frame_head(char head[FRAME_HEAD_OUT_MAX], uint8_t first, uint64_t size)
{
    size_t n = frame_head_size(size);

    head[0] = (char)first;
    head[1] = (char)(n == 2 ? size : n == 4 ? 126 : 127);
    for (size_t i = n - 1; i > 1; i--, size >>= 8)
        head[i] = (char)(size & 0xff);
    return n;
}

bool frame_code_valid(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/* Notes what the peer did wrong. */
static enum frame_event fault(struct frame_piece *piece, unsigned code, const char *what)
{
    piece->code = code;
    piece->fault = what;
    return FRAME_FAULT;
}

/* Judges the first two bytes of a frame. */
static enum frame_event judge_start(const struct frame_reader *r, const uint8_t *head,
                                    struct frame_piece *piece)
{
    unsigned opcode = head[0] & 0x0f, length = head[1] & 0x7f;
    bool fin = head[0] & 0x80, control = opcode & 0x08;
    unsigned allowed = r->may_compress && (opcode == FRAME_TEXT || opcode == FRAME_BINARY)
        ? FRAME_COMPRESSED : 0;

    if (head[0] & 0x70 & ~allowed)
        return fault(piece, CODE_PROTOCOL, "a reserved bit is set");
    if (control ? opcode > FRAME_PONG : opcode > FRAME_BINARY)
        return fault(piece, CODE_PROTOCOL, "the opcode is reserved");
    if (control && !fin)
        return fault(piece, CODE_PROTOCOL, "a control frame is fragmented");
    if (control && length > FRAME_CONTROL_MAX)
        return fault(piece, CODE_PROTOCOL, "a control frame is longer than 125 bytes");
    if (!control && opcode == FRAME_CONTINUATION && !r->in_message)
        return fault(piece, CODE_PROTOCOL, "a continuation of nothing");
    if (!control && opcode != FRAME_CONTINUATION && r->in_message)
        return fault(piece, CODE_PROTOCOL, "a new message inside of another one");
    if (!(head[1] & 0x80))
        return fault(piece, CODE_PROTOCOL, "a frame is not masked");
    return FRAME_PIECE;
}

/* The size of a head whose first two bytes are there. */
static size_t head_size(const uint8_t *head)
{
    unsigned length = head[1] & 0x7f;

    return length < 126 ? 6 : length == 126 ? 8 : 14;
}

/* Reads a whole head, whose first bytes have been judged. */
static enum frame_event take_head(struct frame_reader *r, const uint8_t *head,
                                  struct frame_piece *piece)
{
    uint64_t size = head[1] & 0x7f;
    size_t words = size == 126 ? 2 : size == 127 ? 8 : 0;

    if (words) {
        size = 0;
        for (size_t i = 0; i < words; i++)
            size = size << 8 | head[2 + i];
        if (size >> 63)
            return fault(piece, CODE_PROTOCOL, "the highest bit of a length is set");
        if (size < 126 || (words == 8 && size <= 0xffff))
            return fault(piece, CODE_PROTOCOL, "a length is longer than it need be");
    }
    if (r->max && size > r->max)
        return fault(piece, CODE_TOO_LARGE, "a frame is beyond websocket_max_frame");
    memcpy(r->key, head + 2 + words, sizeof r->key);
    r->first = head[0];
    r->left = size;
    r->in_frame = true;
    r->have = 0;
    if (!(head[0] & 0x08))
        r->in_message = !(head[0] & 0x80);
    return FRAME_PIECE;
}

/* Reads a head, whole or in pieces. */
static enum frame_event read_head(struct frame_reader *r, const char *data, size_t n, size_t *used,
                                  struct frame_piece *piece)
{
    const uint8_t *head = (const uint8_t *)data;
    size_t got = 0, size;

    if (r->have || n < FRAME_HEAD_MAX) {
        /* It may not be all there: what has come is put together. */
        size_t want = r->have < 2 ? 2 : head_size(r->head);

        while (got < n && r->have < want) {
            r->head[r->have++] = (uint8_t)data[got++];
            if (r->have != 2)
                continue;
            if (judge_start(r, r->head, piece) == FRAME_FAULT)
                return FRAME_FAULT;
            want = head_size(r->head);
        }
        *used = got;
        if (r->have < want)
            return FRAME_MORE;
        return take_head(r, r->head, piece);
    }
    if (judge_start(r, head, piece) == FRAME_FAULT)
        return FRAME_FAULT;
    size = head_size(head);
    *used = size;
    return take_head(r, head, piece);
}

enum frame_event frame_read(struct frame_reader *r, char *data, size_t n, size_t *used,
                            struct frame_piece *piece)
{
    size_t at = 0, size;

    *used = 0;
    piece->begins = !r->in_frame;
    if (piece->begins) {
        enum frame_event event = read_head(r, data, n, used, piece);

        if (event != FRAME_PIECE)
            return event;
        at = *used;
    }
    size = r->left < n - at ? (size_t)r->left : n - at;
    frame_mask(data + at, size, r->key);
    turn_key(r->key, size);
    r->left -= size;
    r->in_frame = r->left > 0;
    *used = at + size;
    piece->opcode = (enum frame_opcode)(r->first & 0x0f);
    piece->fin = r->first & 0x80;
    piece->compressed = r->first & FRAME_COMPRESSED;
    piece->ends = !r->in_frame;
    piece->data = data + at;
    piece->n = size;
    piece->room = at;
    piece->left = r->left;
    return FRAME_PIECE;
}
