/*
 * utf8.h - UTF-8 that arrives in pieces (RFC 3629).
 */
#ifndef SLV_WEBSOCKET_UTF8_H
#define SLV_WEBSOCKET_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two pieces; zeroed: at the beginning. */
struct utf8 {
    uint8_t need;                  /* bytes that the character at hand still lacks */
    uint8_t low, high;             /* bounds of the next of them */
};

/* Looks at the next piece. False: no text that begins like this is UTF-8. */
bool utf8_feed(struct utf8 *u, const char *data, size_t n);

/* The text may end here. */
static inline bool utf8_complete(const struct utf8 *u)
{
    return u->need == 0;
}

#endif
