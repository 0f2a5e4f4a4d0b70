/*
 * arena.c - memory with one lifetime.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_EACH 1
#endif
#endif
#ifndef ONE_BLOCK_EACH
#define ONE_BLOCK_EACH 0
#endif

struct arena_block {
    struct arena_block *next;
    size_t size;                   /* of data */
    alignas(max_align_t) char data[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*release)(void *);
    void *object;
};

void arena_init(struct arena *a, unsigned block_size)
{
    AN(block_size >= 64);
    *a = (struct arena){ .magic = ARENA_MAGIC, .block_size = block_size };
}

/* Runs what was registered, newest first; a cleanup may not register another. */
static void run_cleanups(struct arena *a)
{
    struct arena_cleanup *c = a->cleanups;

    a->cleanups = NULL;
    for (; c; c = c->next)
        c->release(c->object);
    AN(a->cleanups == NULL);
}

void arena_trim(struct arena *a)
{
    struct arena_block *b;

    CHECK_OBJ(a, ARENA_MAGIC);
    while ((b = a->spare)) {
        a->spare = b->next;
        free(b);
    }
}

void arena_reset(struct arena *a)
{
    struct arena_block *b, *next;
    size_t kept = 0;

    CHECK_OBJ(a, ARENA_MAGIC);
    run_cleanups(a);
    for (b = a->spare; b; b = b->next)
        kept += b->size;
    for (b = a->blocks; b && (b->next || ONE_BLOCK_EACH); b = next) {
        next = b->next;
        if (ONE_BLOCK_EACH || kept + b->size > ARENA_SPARE) {
            free(b);
            continue;
        }
        kept += b->size;
        b->next = a->spare;
        a->spare = b;
    }
    a->blocks = b;
    a->next = b ? b->data : NULL;
    a->end = b ? b->data + b->size : NULL;
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    arena_trim(a);
    free(a->blocks);
    a->blocks = NULL;
    a->next = a->end = NULL;
}

/* Takes the first spare block with room for size bytes; NULL: there is none. */
static struct arena_block *take_spare(struct arena *a, size_t size)
{
    for (struct arena_block **at = &a->spare; *at; at = &(*at)->next) {
        struct arena_block *b = *at;

        if (b->size < size)
            continue;
        *at = b->next;
        return b;
    }
    return NULL;
}

/* Adds a block with at least size bytes and makes it the newest. */
static void add_block(struct arena *a, size_t size)
{
    struct arena_block *b = take_spare(a, size);

    if (!b) {
        if (!ONE_BLOCK_EACH) {
            if (size < a->block_size)
                size = a->block_size;
            size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
        }
        AN(size <= SIZE_MAX - sizeof *b);
        b = mem_alloc(sizeof *b + size);
        b->size = size;
    }
    b->next = a->blocks;
    a->blocks = b;
    a->next = b->data;
    a->end = b->data + b->size;
}

void *arena_alloc_block(struct arena *a, size_t size)
{
    AN(size <= SIZE_MAX / 2);
    /* No bytes have an address of their own too. */
    if (size == 0)
        size = 1;
    if (ONE_BLOCK_EACH) {
        add_block(a, size);
        a->next = a->end;
        return a->blocks->data;
    }
    if ((size_t)(a->end - a->next) < size)
        add_block(a, size);
    return arena_alloc(a, size);
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    return (struct str){ arena_cstr(a, s), s.n };
}

struct str arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    char *p;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    AN(n >= 0);
    p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, args);
    return (struct str){ p, (size_t)n };
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    struct str s;

    va_start(args, format);
    s = arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

void arena_on_free(struct arena *a, void (*release)(void *), void *object)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof *c);

    c->release = release;
    c->object = object;
    c->next = a->cleanups;
    a->cleanups = c;
}

size_t arena_held(const struct arena *a)
{
    size_t held = 0;

    CHECK_OBJ(a, ARENA_MAGIC);
    for (const struct arena_block *b = a->blocks; b; b = b->next)
        held += sizeof *b + b->size;
    for (const struct arena_block *b = a->spare; b; b = b->next)
        held += sizeof *b + b->size;
    return held;
}
