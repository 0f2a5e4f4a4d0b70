/*
 * conditional.h - preconditions (RFC 9110 §13): is the answer 200, 304 or 412?
 *
 * To be asked once it is known that the answer would otherwise be a 2xx, and before the Range
 * field. Pure: everything that plays a part is in the arguments.
 */
#ifndef SLV_CONDITIONAL_H
#define SLV_CONDITIONAL_H

#include <selvage/str.h>

#include <stdbool.h>
#include <time.h>

#define COND_NO_DATE ((time_t)-1) /* a representation without Last-Modified */

enum cond_result {
    COND_PASS,         /* go on as if there were no preconditions */
    COND_NOT_MODIFIED, /* 304 */
    COND_FAILED        /* 412 */
};

/* When If-Modified-Since calls a representation unmodified. */
enum ims_mode {
    IMS_OFF,   /* never: the field is ignored */
    IMS_EXACT, /* when the dates are equal: a file may go back in time */
    IMS_BEFORE /* when the representation is not younger, as RFC 9110 §13.1.3 has it */
};

/* A field is present when its p is not NULL; several lines of a list are joined by commas. */
struct conditions {
    struct str if_match;
    struct str if_unmodified_since;
    struct str if_none_match;
    struct str if_modified_since;
    bool get_or_head;     /* the method is GET or HEAD */
    bool absent;          /* nothing exists at the target yet, as for a PUT that would create it */
    struct str etag;      /* of the selected representation; empty when it has none */
    time_t last_modified; /* of the selected representation, or COND_NO_DATE */
    enum ims_mode ims_mode;
    time_t now;           /* for dates with two-digit years; date_parse() says how */
};

/*
 * Evaluates the fields in the order of §13.2.2: If-Match (strong comparison) or, without it,
 * If-Unmodified-Since; then If-None-Match (weak comparison) or, without it and for GET and HEAD
 * only, If-Modified-Since. A match of If-None-Match fails methods other than GET and HEAD.
 * "*" matches whatever exists, with or without an entity-tag. Fields with a date are ignored when
 * it is none or the representation has none. A malformed list of entity-tags matches nothing: it
 * fails If-Match and passes If-None-Match.
 */
enum cond_result cond_evaluate(const struct conditions *c);

/*
 * The value of If-Range says that the ranges asked for are of this very representation (§13.1.5):
 * a strong entity-tag equal to etag, or a date exactly equal to last_modified. Everything else is
 * false, and the whole representation is sent.
 */
bool cond_if_range(struct str value, struct str etag, time_t last_modified);

#endif
