/*
 * mem.c - heap memory that is there or the process is not.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long calls;

/* Says what was wanted and ends the process. */
static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "selvage: [emerg] out of memory allocating %zu bytes\n", size);
    exit(1);
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    calls++;
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    calls++;
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t total;
    void *p;

    calls++;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    p = realloc(old, total ? total : 1);
    if (!p)
        out_of_memory(total);
    return p;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(mem_alloc(n), s, n);
}

unsigned long mem_calls(void)
{
    return calls;
}
