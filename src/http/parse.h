/*
 * parse.h - bytes into a request: llhttp, and what RFC 9112 wants beyond it.
 *
 * llhttp 8.1 in its strict mode accepts things that a server behind or before proxies must refuse.
 * After it has seen a whole head, parse.c walks the head once more, line by line, and accepts only
 *   method SP target SP HTTP/d.d CRLF *( name ":" OWS value OWS CRLF ) CRLF
 * with nothing between the lines: so no obs-fold, no bare LF, no second space, no empty field name.
 * A plain head is found by scan.c instead. What either has found is judged by judge.c.
 */
#ifndef SLV_PARSE_H
#define SLV_PARSE_H

#include "http/exchange.h"

struct parse;

enum parse_event {
    PARSE_MORE,                    /* all bytes taken, the message goes on */
    PARSE_HEAD,                    /* the head is complete, a body follows */
    PARSE_DONE,                    /* the message is complete */
    PARSE_REFUSED                  /* x->refusal says with which status, x->reason why */
};

/* Makes the parser of an exchange, in its arena. */
void parse_begin(struct exchange *x);

/*
 * Parses the head. x->head[0 … size) are all the bytes of the message so far, contiguous; they
 * may have moved since the last call (after exchange_move()). Bytes behind the head are not
 * looked at; on PARSE_HEAD and PARSE_DONE x->head_size says where it ends. Names are put into
 * lower case in place.
 */
enum parse_event parse_head(struct exchange *x, size_t size);

/*
 * Parses the body. Payload goes to x->h1's application as it is found. *used: bytes taken; fewer
 * than n only on PARSE_DONE and PARSE_REFUSED.
 */
enum parse_event parse_body(struct exchange *x, const char *data, size_t n, size_t *used);

/* All views into the head follow it to another place. */
void exchange_move(struct exchange *x, const char *to);

#endif
