/*
 * mem.h - heap memory that is there or the process is not.
 *
 * Running out of memory is fatal: the message goes out, the process exits with status 1 and the
 * master replaces it. So nothing here returns NULL, and sizes that a peer chooses are bounded
 * before they arrive here. What was taken here is given back with free().
 */
#ifndef SLV_MEM_H
#define SLV_MEM_H

#include <stddef.h>

/* size may be 0; the result is never NULL. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* Zero-filled. */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(); count * size is checked for overflow. */
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of a NUL-terminated string. */
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));

/* Calls of the allocating functions since the start: tests and benchmarks count with it. */
unsigned long mem_calls(void);

#endif
