/*
 * proxy_protocol.h - the header of the PROXY protocol, versions 1 and 2, as its receiver reads it.
 *
 * A proxy puts it in front of a connection to say whose it is. Bytes go in as they come and none
 * beyond the header is taken, because what follows belongs to somebody else. Strict: what the
 * specification does not allow is refused with the first byte that shows it.
 */
#ifndef SLV_PROXY_PROTOCOL_H
#define SLV_PROXY_PROTOCOL_H

#include "base/addr.h"

/* A whole header of version 1, its line end included (section 2.1). */
#define PROXY_LINE_MAX 107

/* A header of version 2 with all its type-length-values; the specification allows 64 KiB. */
#define PROXY_HEADER_MAX 4096

/* Whom a connection is for: addresses as the proxy has seen them. */
struct proxied {
    struct addr source;            /* the client */
    struct addr target;            /* what the client has connected to */
};

enum proxy_event {
    PROXY_MORE,                    /* the header goes on */
    PROXY_DONE,                    /* it is complete */
    PROXY_BAD                      /* it is none: why says what is wrong */
};

/* All zero: nothing has been fed. */
struct proxy_parser {
    uint16_t seen;                 /* bytes of the header so far */
    uint16_t size;                 /* of a header of version 2, once it is known; else 0 */
    unsigned char head[PROXY_LINE_MAX]; /* as many of them as are looked at */
    const char *why;               /* of PROXY_BAD */
    /*
     * Of PROXY_DONE. The family is ADDR_NONE where the header names no addresses that would mean
     * something here: UNKNOWN, LOCAL, other protocols than TCP over IP. Then the connection's own
     * count.
     */
    struct proxied said;
};

/*
 * Feeds n bytes; *used is how many of them are the header's. Not to be fed again after PROXY_DONE
 * and PROXY_BAD.
 */
enum proxy_event proxy_feed(struct proxy_parser *p, const char *data, size_t n, size_t *used);

#endif
