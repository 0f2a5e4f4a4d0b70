/*
 * lanes.h - eight bytes side by side in one word.
 *
 * The predicates answer with 0x80 in the lane of each byte they hold for and zero in the others,
 * without a carry from lane to lane, so that answers can be combined bit by bit.
 */
#ifndef SLV_LANES_H
#define SLV_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES(b) (UINT64_C(0x0101010101010101) * (b))
#define LANE_LOW LANES(0x7f)
#define LANE_HIGH LANES(0x80)
#define LANE_COUNT sizeof(uint64_t)

/* Loads eight bytes from any address. */
static inline uint64_t lanes_load(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

/* The lanes that hold byte b. */
static inline uint64_t lanes_equal(uint64_t w, unsigned char b)
{
    uint64_t x = w ^ LANES(b);

    return ~(((x & LANE_LOW) + LANE_LOW) | x) & LANE_HIGH;
}

/* Some lane holds byte b; cheaper than asking which. */
static inline bool lanes_have(uint64_t w, unsigned char b)
{
    uint64_t x = w ^ LANES(b);

    return ((x - LANES(1)) & ~x & LANE_HIGH) != 0;
}

/* The lanes that hold a byte below b; b is at most 0x80. */
static inline uint64_t lanes_below(uint64_t w, unsigned char b)
{
    return ~(((w & LANE_LOW) + LANES(0x80 - b)) | w) & LANE_HIGH;
}

/* How many lanes lie before the first one in an answer that is not zero, as the bytes lay. */
static inline size_t lanes_before(uint64_t answer)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(answer) / 8;
#else
    return (size_t)__builtin_clzll(answer) / 8;
#endif
}

#endif
