/*
 * handshake.h - the opening handshake (RFC 6455 section 4.2).
 */
#ifndef SLV_WEBSOCKET_HANDSHAKE_H
#define SLV_WEBSOCKET_HANDSHAKE_H

#include <selvage/conf.h>
#include <selvage/request.h>

#include "deflate.h"

enum origin_kind { ORIGIN_ANY, ORIGIN_SAME, ORIGIN_EXACT, ORIGIN_SUFFIX, ORIGIN_REGEX };

/* websocket_origin: one of its words. */
struct origin_rule {
    struct origin_rule *next;
    enum origin_kind kind;
    struct str text;               /* EXACT: a name or a whole origin; SUFFIX: ".example.com" */
    struct slv_regex *regex;
};

/* websocket_protocols: one of its words. */
struct protocol_name {
    struct protocol_name *next;
    struct str name;
};

/* What the location says about it. */
struct handshake_rules {
    const struct origin_rule *origins; /* NULL: any */
    const struct protocol_name *protocols;
    const struct deflate_settings *deflate;
};

/* Makes a rule of one word. 0, or -1 after slv_conf_error(). */
int origin_rule_parse(struct slv_conf *cf, size_t arg, struct origin_rule *rule);

/*
 * Judges the request. 0: it may be upgraded, the fields for the 101 have been added, terms say what
 * was agreed, and *protocol which subprotocol (.p NULL: none). Else the status to refuse it with,
 * and the log says why.
 */
int handshake(struct slv_request *r, const struct handshake_rules *rules,
              struct deflate_terms *terms, struct str *protocol);

#endif
