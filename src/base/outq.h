/*
 * outq.h - what waits to be written: a queue of spans of memory and ranges of files.
 *
 * Nothing is copied when it is queued. Each span says who keeps its bytes alive:
 *   OUTQ_HELD       somebody who outlives the span's stay here (the exchange, an image)
 *   OUTQ_TRANSIENT  only until the end of this turn of the loop: outq_settle() copies what is left
 *   OUTQ_OWNED      the queue: release(owner) is called once when the span leaves or is dropped
 * A file range always has OUTQ_HELD or OUTQ_OWNED.
 *
 * Positions count bytes since the connection began; whoever wants to know when its bytes are out
 * compares outq_end() after queueing with outq_sent() later.
 */
#ifndef SLV_OUTQ_H
#define SLV_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum outq_keep { OUTQ_HELD, OUTQ_TRANSIENT, OUTQ_OWNED };

struct outq_span {
    const char *data;              /* NULL: a range of file fd from offset on */
    uint64_t size;                 /* what is left of it */
    off_t offset;
    int fd;
    uint8_t keep;                  /* enum outq_keep */
    void (*release)(void *owner);
    void *owner;
};

struct outq {
    struct outq_span *spans;       /* a ring; NULL while empty */
    uint32_t first, count, size;   /* size is a power of two */
    /* positions: behind the last byte queued; of the next to leave */
    uint64_t end, sent;
};

/* A zeroed struct outq is empty. Drops what is queued, with its releases. */
void outq_free(struct outq *q);

/* Queues size bytes; keep says who keeps them alive, OUTQ_HELD or OUTQ_TRANSIENT. */
void outq_add(struct outq *q, const void *data, size_t size, enum outq_keep keep);

/* release may be NULL for memory that lives for ever. */
void outq_add_owned(struct outq *q, const void *data, size_t size, void (*release)(void *),
                    void *owner);

/* Copies the bytes. */
void outq_add_copy(struct outq *q, const void *data, size_t size);

/* release(owner) when the range has left or is dropped; NULL: somebody else closes fd. */
void outq_add_file(struct outq *q, int fd, off_t offset, uint64_t size, void (*release)(void *),
                   void *owner);

/* Nothing waits. */
static inline bool outq_empty(const struct outq *q)
{
    return q->count == 0;
}

/* The position behind the last byte that was queued. */
static inline uint64_t outq_end(const struct outq *q)
{
    return q->end;
}

/* The position of the next byte to leave. */
static inline uint64_t outq_sent(const struct outq *q)
{
    return q->sent;
}

/* Bytes that wait. */
static inline uint64_t outq_waiting(const struct outq *q)
{
    return q->end - q->sent;
}

/* Fills iov with memory spans from the front, at most max and up to the first file range. */
size_t outq_iov(const struct outq *q, struct iovec *iov, size_t max);

/* The file range at the front, or NULL where memory is. */
static inline const struct outq_span *outq_file(const struct outq *q)
{
    return q->count && !q->spans[q->first].data ? &q->spans[q->first] : NULL;
}

/* n bytes from the front have been written. n <= outq_waiting(). */
void outq_advance(struct outq *q, uint64_t n);

/*
 * The end of the turn: copies transient spans that are still here, and gives the ring back if
 * empty.
 */
void outq_settle(struct outq *q);

/* Drops everything that waits; positions then say that it was sent. */
void outq_drop(struct outq *q);

#endif
