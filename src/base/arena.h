/*
 * arena.h - memory with one lifetime: a config generation, an exchange, a build.
 *
 * Objects are carved from blocks and go all at once in arena_reset() or arena_free(). There is no
 * way to free one object. Cleanups run first, last registered first, so that they may still look
 * at the memory. In builds with AddressSanitizer every object is a heap block of its own, so that
 * an overrun is found at once.
 *
 * Owner: whoever embeds or allocates the struct arena.
 */
#ifndef SLV_ARENA_H
#define SLV_ARENA_H

#include <selvage/str.h>

#include "base/check.h"

#include <stdalign.h>
#include <stdarg.h>

struct arena_block;
struct arena_cleanup;

struct arena {
    unsigned magic;
#define ARENA_MAGIC 0x6a3e4a11u
    unsigned block_size;
    char *next, *end;              /* the free part of the newest block */
    struct arena_block *blocks;    /* newest first */
    struct arena_block *spare;     /* kept by arena_reset() for the next use */
    struct arena_cleanup *cleanups;
};

/* block_size: what is asked of the heap at a time, bytes; the first block is made on first use. */
void arena_init(struct arena *a, unsigned block_size);

/*
 * Runs the cleanups, and keeps what the next use is likely to need: the first block and up to
 * ARENA_SPARE bytes in others. The rest is freed.
 */
void arena_reset(struct arena *a);
#define ARENA_SPARE 4096

/* Frees the blocks that an earlier use has left and that this one has not needed. */
void arena_trim(struct arena *a);

/* Runs the cleanups and frees everything; the arena may be used again after arena_init(). */
void arena_free(struct arena *a);

/* The long way of arena_alloc(): the newest block has no room, so there will be another. */
void *arena_alloc_block(struct arena *a, size_t size)
    __attribute__((cold, malloc, noinline, returns_nonnull));

/* Objects begin, and blocks end, at multiples of this. */
#define ARENA_ALIGN alignof(max_align_t)

/* Aligned for any type; contents undefined. Never NULL. */
__attribute__((malloc, returns_nonnull))
static inline void *arena_alloc(struct arena *a, size_t size)
{
    char *p = a->next;

    CHECK_OBJ(a, ARENA_MAGIC);
    /* No bytes wrap around here and take the long way, as too many do. */
    if (size - 1 >= (size_t)(a->end - p))
        return arena_alloc_block(a, size);
    a->next = p + ((size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1));
    return p;
}

/* Zero-filled. */
void *arena_zalloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));

/* A copy of the bytes, with a NUL behind them that is not counted. */
struct str arena_str(struct arena *a, struct str s);

/* The same as a C string. */
char *arena_cstr(struct arena *a, struct str s);

/* Formatted text, with a NUL behind it that is not counted. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *a, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* release(object) will run when the arena is reset or freed. */
void arena_on_free(struct arena *a, void (*release)(void *), void *object);

/* Bytes held from the heap. */
size_t arena_held(const struct arena *a);

#endif
