/*
 * memapp.h - a small application behind an HTTP/1 adapter, for tests.
 *
 * The path says what it does; N is a decimal number.
 *   /              "ok"
 *   /echo          the request's body
 *   /report        the request as the application sees it, one line for each of its parts
 *   /sink          "ok", having let the request's body go by
 *   /big/N         N bytes of memory                     /file/N    N bytes of a file
 *   /wire          a prebuilt answer, in one span        /wire/split    in two
 *   /status/N      that status, with its number as body
 *   /chunks/N      a source of unknown length, N pieces  /length/N  of N bytes, ten at a time
 *   /short/N       a source that ends a byte early       /over/N    one that gives a byte too many
 *   /stream        a source that gives what memapp_push() has, until memapp_push_end()
 *   /later         promises an answer, which memapp_answer() gives
 *   /promise       the same, promised before the body is read
 *   /early/N       status N before the body is read      /early/444, /444   no answer at all
 *   /upgrade       what the test's function makes of it
 *   /never         no answer and no promise
 *   /close         "bye", with a Connection: close of its own
 * Anything else is 404. The connection's listen must point at the struct memapp.
 */
#ifndef SLV_MEMAPP_H
#define SLV_MEMAPP_H

#include "http/exchange.h"
#include "memtext.h"

struct memapp_request;

/* What the refuse hook does. */
enum memapp_refuse { REFUSE_TEXT, REFUSE_LATER, REFUSE_STREAM, REFUSE_NOT };

struct memapp {
    unsigned begun, heads, asked, refused, moved, packed, done;
    unsigned sources, stopped, stopped_with_error, pulls;
    unsigned owners, released;
    unsigned payloads;             /* calls of the body hook */
    size_t payload_bytes;
    uintptr_t head_at;             /* where the last head lay when it was complete */
    size_t head_held;              /* bytes of its exchange's arena at the last payload */
    enum memapp_refuse refuse;
    void (*upgrade)(struct exchange *x, void *arg);
    void *upgrade_arg;
    struct memapp_request *pending; /* has promised an answer, or streams what is pushed */
    /*
     * The hooks as letters, payload in a row as one: b begin, h headers, p payload, r request,
     * x refuse, d done.
     */
    struct memtext trace;
    struct memtext states;         /* "h=ReceivingBody " … at the hooks of the same letters */
    struct memtext answered;       /* for each answer given: 'H' to HEAD, '-' to the rest */
    struct memtext log;            /* per finished request: line, status, reason, bytes sent */
};

extern const struct http_hooks memapp_hooks;

/* Gives the promised answer: this status, with text as its body. */
void memapp_answer(struct memapp *app, int status, const char *text);

/* More for /stream, and its end. */
void memapp_push(struct memapp *app, const char *text);
void memapp_push_end(struct memapp *app);

/* The exchange that has promised an answer, or streams what is pushed. */
const struct exchange *memapp_waiting(const struct memapp *app);

void memapp_free(struct memapp *app);

/* The byte at a place of what /big, /file and /length give. */
char memapp_pattern(size_t at);

#endif
