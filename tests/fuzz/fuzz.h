/*
 * fuzz.h - what all fuzz targets have in common.
 */
#ifndef SLV_FUZZ_H
#define SLV_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* One input; libFuzzer and replay.c call it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run unless a promise holds. */
static inline void promise(bool kept)
{
    if (!kept)
        abort();
}

#endif
