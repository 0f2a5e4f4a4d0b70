/*
 * memtext.c - text that grows, for tests.
 */
#include "memtext.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for n more bytes and a NUL. */
static void reserve(struct memtext *t, size_t n)
{
    if (t->n + n + 1 <= t->room)
        return;
    t->room = (t->n + n + 1) * 2;
    t->p = realloc(t->p, t->room);
    AN(t->p != NULL);
}

/* Appends bytes. */
void memtext_add(struct memtext *t, const char *data, size_t n)
{
    reserve(t, n);
    if (n)
        memcpy(t->p + t->n, data, n);
    t->n += n;
    t->p[t->n] = '\0';
}

/* Appends formatted text. */
void memtext_printf(struct memtext *t, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    AN(n >= 0);
    reserve(t, (size_t)n);
    vsnprintf(t->p + t->n, (size_t)n + 1, format, args);
    va_end(args);
    t->n += (size_t)n;
}

/* Empties it. */
void memtext_clear(struct memtext *t)
{
    t->n = 0;
    if (t->p)
        t->p[0] = '\0';
}

/* Gives its memory back. */
void memtext_free(struct memtext *t)
{
    free(t->p);
    *t = (struct memtext){ 0 };
}

/* The text. */
const char *memtext_get(const struct memtext *t)
{
    return t->p ? t->p : "";
}
