/*
 * drive.h - how the bytes of a fuzzed connection come and go.
 */
#ifndef SLV_FUZZ_DRIVE_H
#define SLV_FUZZ_DRIVE_H

#include "fuzz.h"
#include "memconn.h"

/* Bytes at the front of an input that say how. */
#define DRIVE_SIZE 4

struct drive {
    uint8_t pieces;                /* the longest piece that is read at a time; 0: all at once */
    uint8_t write_max, writes_max; /* as in struct memconn */
    uint8_t bits;                  /* the target's own */
    bool waits;                    /* time passes between the reads */
    bool drains;                   /* a drain in the middle */
};

/* Reads the front of an input. wait and drain: which of the bits mean that. */
struct drive drive_read(const uint8_t *data, uint8_t wait, uint8_t drain);

/* Feeds n bytes in that way, as far as the connection wants them. */
void drive_feed(struct memconn *m, const struct drive *d, const char *data, size_t n);

#endif
