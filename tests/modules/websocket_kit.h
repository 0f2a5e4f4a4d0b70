/*
 * websocket_kit.h - a WebSocket connection driven from strings.
 *
 * It begins as an HTTP/1 connection of memconn.h whose request is answered with a 101, so that what
 * is tested lies behind the real upgrade. Behind it sits an echo that notes what it is told.
 *
 * Frames are written as words:
 *   81'text'       a frame with that first byte and payload, masked
 *   81{c3 a9}      the same in hexadecimal digits
 *   81*70000       the same with so many bytes of a pattern
 *   81%'text'      the same compressed, with nothing remembered from one to the next
 *   81!'text'      not masked
 *   88#1000'bye'   with a close code before the payload
 *   [81 fe]        bytes as they are
 * What the server sends is written alike, compressed frames after they were inflated, and a payload
 * that is neither short nor the pattern as ?size; then comes the state, and the reason of the end.
 */
#ifndef SLV_WEBSOCKET_KIT_H
#define SLV_WEBSOCKET_KIT_H

#include "../../modules/websocket/connection.h"
#include "../../modules/websocket/frame.h"
#include "memconn.h"
#include "suite.h"
#include "wshost.h"

struct wskit {
    struct memconn m;
    struct ws_settings settings;
    struct deflate_terms terms;
    bool copies;                   /* the echo sends copies */
    bool mute;                     /* it sends nothing */
    struct slv_ws *ws;             /* between open and close */
    struct memtext events;         /* "open text'…' binary*N close#1000'…' " */
    size_t read;                   /* bytes of m.out that were written as words */
};

#define WSKIT_REQUEST \
    "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n" \
    "Upgrade: websocket\r\n\r\n"

extern const struct ws_settings wskit_settings;

/* A connection that has seen nothing yet; settings and terms may still be changed. */
void wskit_init(struct wskit *k);

/* Then: the request is sent, and its answer read. */
void wskit_open(struct wskit *k);

/* Both at once. */
void wskit_start(struct wskit *k);
void wskit_free(struct wskit *k);

/* Words into bytes, behind those of to. */
void wskit_write(struct memtext *to, const char *words, size_t n);

/* A turn with frames. */
void wskit_feed(struct wskit *k, const char *words);

/* What came since the last call, in words, and the state. Valid until the next call. */
const char *wskit_heard(struct wskit *k);

/* A row: frames and what must come. More than one expectation: none. */
struct wsrow {
    const char *name;
    const char *in;
    size_t in_size;
    const char *out;
};

/* What often comes. */
#define UP "| Upgraded"
#define DONE "88#1000 | Closing upgrade_done"
#define WRONG "88#1002 | Closing protocol_error"
#define NO_DATA "88#1007 | Closing bad_data"

#define R(name, in, out) { name, in, sizeof(in) - 1, out }

/*
 * Runs rows whole, byte by byte, cut in two at every place (the request in front included), with
 * peers that take a few bytes at a time, and with an echo that copies. setup may be NULL.
 */
void wskit_rows(const struct wsrow *rows, size_t count, void (*setup)(struct wskit *k));

extern CU_TestInfo framing_tests[], text_tests[], close_tests[], deflate_tests[], life_tests[];

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

#endif
