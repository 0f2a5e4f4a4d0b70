/*
 * reply.h - reads answers off a connection's output, as a strict client would.
 */
#ifndef SLV_REPLY_H
#define SLV_REPLY_H

#include <selvage/str.h>

enum reply_result { REPLY_OK, REPLY_CUT, REPLY_MALFORMED };

struct reply {
    int status;
    bool close;                    /* it said Connection: close */
    bool chunked;
    bool to_the_end;               /* its body ends with the connection */
    struct str head;               /* with the blank line */
    struct str body;               /* as on the wire: with chunk sizes where it is chunked */
    size_t payload;                /* bytes of body without framing */
};

/*
 * Takes the next answer off out. head_only: it answers a HEAD request. Wanted: a status line,
 * fields without folds or stray line ends, one Date and one Connection (none in 1xx), at most one
 * framing, chunks as RFC 9112 section 7.1 with no extension and no trailer, no body where there
 * is none. REPLY_CUT: the bytes end within it.
 */
enum reply_result reply_next(struct str *out, bool head_only, struct reply *r);

/* The value of a field in an answer's head, any case; .p NULL: none. */
struct str reply_field(const struct reply *r, struct str name);

#endif
