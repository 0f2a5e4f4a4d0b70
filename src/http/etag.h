/*
 * etag.h - entity-tags (RFC 9110 §8.8.3).
 *
 * An entity-tag is named here by its text as it stands in a header: "abc" with its quotes, or
 * W/"abc" when it is weak. Views are into the arguments. Nothing is allocated.
 */
#ifndef SLV_ETAG_H
#define SLV_ETAG_H

#include <selvage/str.h>

#include <stdbool.h>
#include <stdint.h>

#define ETAG_SIZE 36 /* what etag_format() needs: quotes, dash, 2 * 16 digits, NUL */

struct etag {
    struct str opaque; /* with its quotes */
    bool weak;
};

/*
 * Reads one entity-tag and nothing else. out: views into s; untouched on failure.
 * Returns 0, or -1 when s is none.
 */
int etag_parse(struct str s, struct etag *out);

/*
 * Compares (§8.8.3.2): with weak_compare, by the opaque part alone; otherwise neither may be weak.
 */
bool etag_equal(const struct etag *a, const struct etag *b, bool weak_compare);

/*
 * The value of If-Match or If-None-Match names etag.
 * list: either "*" alone, which matches whenever etag is not empty, or a comma-separated list of
 * entity-tags, in which empty members are skipped. A list that is malformed anywhere, an unquoted
 * tag or a "*" among tags included, matches nothing.
 * etag: the representation's own; empty when it has none, and then nothing matches.
 */
bool etag_list_match(struct str list, struct str etag, bool weak_compare);

/*
 * Makes the strong tag "mtime-size", both in lower-case hexadecimal, in quotes, and a NUL.
 * mtime: seconds since the epoch; size: bytes.
 * Returns the length without the NUL, at most ETAG_SIZE - 1. It names a file as well as those two
 * numbers do: a tag made of the content is better where the content is at hand.
 */
size_t etag_format(char out[ETAG_SIZE], uint64_t mtime, uint64_t size);

#endif
