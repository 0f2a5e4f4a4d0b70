/*
 * range.h - the Range field (RFC 9110 §14.1.2, §14.2), for the unit "bytes".
 *
 * Turns the field's value and the size of a representation into spans of it. Whether the field
 * applies at all (method, status, If-Range) is the caller's question. Nothing is allocated.
 */
#ifndef SLV_RANGE_H
#define SLV_RANGE_H

#include <selvage/str.h>

#include <stddef.h>
#include <stdint.h>

/* The bytes first..last, both included; first <= last < size of the representation. */
struct range {
    uint64_t first, last;
};

enum range_result {
    RANGE_NONE,         /* ignore the field: 200 with everything */
    RANGE_OK,           /* 206 with these ranges */
    RANGE_UNSATISFIABLE /* 416 with "Content-Range: bytes * /size" (without the blank) */
};

/*
 * value: the field's value; the unit's name may have any case.
 * size: bytes in the representation. Of an empty one no range can be satisfied.
 * out, max: room for the ranges, and the most that are served; 0 serves none.
 * count: how many there are; 0 unless the answer is RANGE_OK.
 *
 * RANGE_OK: *count ranges in the order of the request, not merged; ends beyond the representation
 * are clamped, members that lie wholly beyond it left out.
 * RANGE_UNSATISFIABLE: well formed, but no member touches the representation.
 * RANGE_NONE: another unit; anything against the grammar, a range that ends before it starts among
 * it; more than max ranges; or ranges that overlap so much that they add up to more bytes than the
 * representation has, which nobody needs and which would multiply work and traffic (§14.2).
 */
enum range_result range_parse(struct str value, uint64_t size, struct range *out, size_t max,
    size_t *count);

#endif
