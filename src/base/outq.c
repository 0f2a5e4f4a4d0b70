/*
 * outq.c - what waits to be written.
 */
#include "base/outq.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/*
 * Rings of the usual two sizes are kept for the next connection, so that a warm worker allocates
 * nothing; an idle connection has none. The small one has room for an answer, and so little of it
 * that a hundred connections which are written to one after the other find theirs in the
 * processor's cache. The large one is for pipelined answers.
 */
#define SMALL 4
#define LARGE 64
#define RINGS_KEPT 128

static struct shelf {
    uint32_t size;                 /* of its rings, in spans */
    uint32_t count;
    struct outq_span *kept[RINGS_KEPT];
} small = { .size = SMALL }, large = { .size = LARGE };

/* A ring off a shelf, or from the heap. */
static struct outq_span *ring_new(struct shelf *s)
{
    return s->count ? s->kept[--s->count] : mem_resize(NULL, s->size, sizeof(struct outq_span));
}

/* Gives a ring back, to its shelf or to the heap. */
static void ring_free(struct outq_span *ring, uint32_t size)
{
    struct shelf *s = size == SMALL ? &small : &large;

    if (size == s->size && s->count < RINGS_KEPT)
        s->kept[s->count++] = ring;
    else
        free(ring);
}

/* Gives the ring of an empty queue back. */
static void end(struct outq *q)
{
    if (q->spans)
        ring_free(q->spans, q->size);
    q->spans = NULL;
    q->size = q->first = 0;
}

/* Takes a larger ring. Apart from its caller, which is left with a few stores. */
static __attribute__((noinline)) void grow(struct outq *q)
{
    uint32_t size = q->size < LARGE ? LARGE : q->size * 2;
    struct outq_span *ring;

    AN(size > q->size);
    ring = size == LARGE ? ring_new(&large) : mem_resize(NULL, size, sizeof *ring);
    for (uint32_t i = 0; i < q->count; i++)
        ring[i] = q->spans[(q->first + i) & (q->size - 1)];
    ring_free(q->spans, q->size);
    q->spans = ring;
    q->size = size;
    q->first = 0;
}

/* Takes the first ring. */
static void begin(struct outq *q)
{
    q->spans = ring_new(&small);
    q->size = SMALL;
}

/* Room for one more span at the end. */
static struct outq_span *append(struct outq *q, uint64_t size)
{
    if (!q->size)
        begin(q);
    else if (q->count == q->size)
        grow(q);
    q->end += size;
    return &q->spans[(q->first + q->count++) & (q->size - 1)];
}

/* The span at a distance from the front. */
static struct outq_span *span_at(const struct outq *q, uint32_t i)
{
    AN(i < q->count);
    return &q->spans[(q->first + i) & (q->size - 1)];
}

/* Takes the first span out and gives its owner notice. */
static void shift(struct outq *q)
{
    const struct outq_span *s = span_at(q, 0);
    void (*release)(void *owner) = s->release;
    void *owner = s->owner;

    /* Only then, because what the owner does may queue more into this place. */
    q->first = (q->first + 1) & (q->size - 1);
    q->count--;
    if (release)
        release(owner);
}

void outq_drop(struct outq *q)
{
    while (q->count)
        shift(q);
    q->sent = q->end;
}

void outq_free(struct outq *q)
{
    outq_drop(q);
    end(q);
}

void outq_add(struct outq *q, const void *data, size_t size, enum outq_keep keep)
{
    AN(keep != OUTQ_OWNED);
    if (size)
        *append(q, size) = (struct outq_span){ .data = data, .size = size, .fd = -1, .keep = keep };
}

void outq_add_owned(struct outq *q, const void *data, size_t size, void (*release)(void *),
                    void *owner)
{
    if (size)
        *append(q, size) = (struct outq_span){ .data = data, .size = size, .fd = -1,
                                               .keep = OUTQ_OWNED, .release = release,
                                               .owner = owner };
    else if (release)
        release(owner);
}

void outq_add_copy(struct outq *q, const void *data, size_t size)
{
    void *copy;

    if (!size)
        return;
    copy = memcpy(mem_alloc(size), data, size);
    outq_add_owned(q, copy, size, free, copy);
}

void outq_add_file(struct outq *q, int fd, off_t offset, uint64_t size, void (*release)(void *),
                   void *owner)
{
    AN(fd >= 0 && offset >= 0);
    if (size)
        *append(q, size) = (struct outq_span){ .size = size, .fd = fd, .offset = offset,
                                               .keep = OUTQ_OWNED, .release = release,
                                               .owner = owner };
    else if (release)
        release(owner);
}

size_t outq_iov(const struct outq *q, struct iovec *iov, size_t max)
{
    size_t n = 0;

    for (uint32_t i = 0; i < q->count && n < max; i++) {
        const struct outq_span *s = span_at(q, i);

        if (!s->data)
            break;
        iov[n++] = (struct iovec){ (void *)(uintptr_t)s->data, s->size };
    }
    return n;
}

void outq_advance(struct outq *q, uint64_t n)
{
    AN(n <= outq_waiting(q));
    q->sent += n;
    while (n) {
        struct outq_span *s = span_at(q, 0);

        if (n < s->size) {
            if (s->data)
                s->data += n;
            else
                s->offset += (off_t)n;
            s->size -= n;
            return;
        }
        n -= s->size;
        shift(q);
    }
}

void outq_settle(struct outq *q)
{
    if (!q->count) {
        end(q);
        return;
    }
    for (uint32_t i = 0; i < q->count; i++) {
        struct outq_span *s = span_at(q, i);

        if (s->keep != OUTQ_TRANSIENT)
            continue;
        s->owner = memcpy(mem_alloc(s->size), s->data, s->size);
        s->data = s->owner;
        s->release = free;
        s->keep = OUTQ_OWNED;
    }
}
