/*
 * image_head.h - the heads of a prebuilt answer, made of the fields that its location gives.
 *
 * A pure function on text, so that it can be tested without a configuration.
 */
#ifndef SLV_IMAGE_HEAD_H
#define SLV_IMAGE_HEAD_H

#include "base/arena.h"
#include "http/negotiate.h"

/* What goes in. */
struct image_head_input {
    struct str fields;             /* of the full answer, each with CRLF, and the blank line */
    struct str cache_control;      /* said where fields has none; may be empty */
    struct str more;               /* more fields of the full answer, each with CRLF, or empty */
    enum coding coding;
    bool negotiated;               /* say Vary */
    bool drop_expires;             /* where there is a Cache-Control: Expires tells the same, in a
                                      date that would be wrong tomorrow */
};

/* What comes out: views of the arena. */
struct image_head {
    struct str full;               /* the head of 200 */
    struct str brief;              /* the head of 304 (RFC 9110 section 15.4.5) */
    struct str etag;               /* a part of brief, or empty */
    struct str extra;              /* fields added here, but for Content-Encoding; with CRLF */
};

void image_head_make(struct arena *a, const struct image_head_input *in, struct image_head *out);

/* "gzip", "br", "zstd"; empty for identity. */
struct str image_coding_name(enum coding coding);

/*
 * Takes the first line off a head. name: without the colon; value: trimmed; line: with its CRLF.
 * False at the blank line and at the end.
 */
bool image_head_line(struct str *head, struct str *line, struct str *name, struct str *value);

#endif
