/*
 * memtext.h - text that grows, for tests.
 */
#ifndef SLV_MEMTEXT_H
#define SLV_MEMTEXT_H

#include <stddef.h>

/* A zeroed one is empty. p is NUL-terminated, or NULL while nothing was added. */
struct memtext {
    char *p;
    size_t n, room;
};

void memtext_add(struct memtext *t, const char *data, size_t n);
void memtext_printf(struct memtext *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Empty again, keeping its memory; and without it. */
void memtext_clear(struct memtext *t);
void memtext_free(struct memtext *t);

/* The text; "" where nothing was added. */
const char *memtext_get(const struct memtext *t);

#endif
