/*
 * snapshot_stream.c - the bytes of an image in the making, as they go into its file.
 *
 * Everything goes through write(), which fills a memfd twice as fast as a mapping does and leaves
 * no writable mapping that would forbid the seal.
 *
 * Most builds change little. So what is given is compared with what comes next in the earlier
 * image, and as long as it is the same nothing is done but counting: it is the "run", and when it
 * ends it is copied in one piece from file to file. It goes through a buffer that stays in the
 * processor's caches, where the sum is taken as well: reading a large mapping page by page would
 * take longer than all the rest.
 */
#define XXH_INLINE_ALL
#include "core/snapshot_write.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#define BUFFER_SIZE ((size_t)512 * 1024)
#define RUN_DIRECT ((size_t)64 * 1024) /* from here on, copying costs more than a call */

/* Begins a file. */
void stream_init(struct snapshot_stream *s, int fd)
{
    static const struct snapshot_header nothing;

    AN(fd >= 0);
    *s = (struct snapshot_stream){ .fd = fd, .previous_fd = -1 };
    s->buffer = mem_alloc(BUFFER_SIZE);
    s->sum = XXH3_createState();
    AN(s->sum != NULL);
    XXH3_128bits_reset(s->sum);
    /* The place of the header, which is written last. */
    memcpy(s->buffer, &nothing, sizeof nothing);
    s->buffered = s->end = sizeof nothing;
}

/* Frees what it has. */
void stream_free(struct snapshot_stream *s)
{
    XXH3_freeState(s->sum);
    free(s->buffer);
    free(s->pieces);
    s->sum = NULL;
    s->buffer = NULL;
    s->pieces = NULL;
}

/* Notes the earlier image. The bytes of both begin behind their headers. */
void stream_previous(struct snapshot_stream *s, const struct snapshot *previous, int fd)
{
    AN(!s->previous && s->end == sizeof *previous->header);
    s->previous = previous;
    s->previous_fd = fd;
    s->run = previous->base + sizeof *previous->header;
}

/* Notes why the image cannot be written. */
int stream_fail(struct snapshot_stream *s, const char *reason, int error)
{
    if (!s->reason) {
        s->reason = reason;
        s->error = error;
    }
    return -1;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Writes size bytes at an offset, however often the kernel stops short. */
static int write_all(struct snapshot_stream *s, const char *p, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(s->fd, p, size, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return stream_fail(s, "writing it failed", n < 0 ? errno : EIO);
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes out the buffer, behind which there is no run. */
static int flush_buffer(struct snapshot_stream *s)
{
    size_t n = s->buffered;

    AN(s->run_size == 0);
    s->buffered = 0;
    return write_all(s, s->buffer, n, s->end - n);
}

/* Appends bytes to buffer or file; more than so many go to the file at once. */
static int append(struct snapshot_stream *s, const char *data, size_t size, size_t direct)
{
    AN(s->run_size == 0);
    XXH3_128bits_update(s->sum, data, size);
    if (size > BUFFER_SIZE - s->buffered && flush_buffer(s) != 0)
        return -1;
    if (size > direct) {
        if (flush_buffer(s) != 0 || write_all(s, data, size, s->end) != 0)
            return -1;
    } else {
        memcpy(s->buffer + s->buffered, data, size);
        s->buffered += size;
    }
    s->end += size;
    return 0;
}

/* Appends bytes of the earlier image's file, through the buffer. */
static int append_previous(struct snapshot_stream *s, uint64_t from, uint64_t size)
{
    AN(s->run_size == 0 && s->previous_fd >= 0);
    while (size > 0) {
        size_t room = BUFFER_SIZE - s->buffered;
        ssize_t n = pread(s->previous_fd, s->buffer + s->buffered, size < room ? size : room,
                          (off_t)from);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return stream_fail(s, "reading the earlier one failed", n < 0 ? errno : EIO);
        XXH3_128bits_update(s->sum, s->buffer + s->buffered, (size_t)n);
        s->buffered += (size_t)n;
        s->end += (uint64_t)n;
        from += (uint64_t)n;
        size -= (uint64_t)n;
        if (s->buffered == BUFFER_SIZE && flush_buffer(s) != 0)
            return -1;
    }
    return 0;
}

/* Ends the run: from here on the new image goes another way. */
static int end_run(struct snapshot_stream *s)
{
    const char *run = s->run;
    size_t size = s->run_size;

    s->run = NULL;
    s->run_size = 0;
    if (size == 0)
        return 0;
    s->end -= size;
    if (size <= RUN_DIRECT || s->previous_fd < 0)
        return append(s, run, size, RUN_DIRECT);
    return append_previous(s, stream_previous_offset(s, run), size);
}

/* Brings everything into the file. */
int stream_flush(struct snapshot_stream *s)
{
    return end_run(s) == 0 ? flush_buffer(s) : -1;
}

/* Writes the header. */
int stream_put_header(struct snapshot_stream *s, const struct snapshot_header *h)
{
    return write_all(s, (const char *)h, sizeof *h, 0);
}

/* Makes the file empty. */
int stream_empty(struct snapshot_stream *s)
{
    return ftruncate(s->fd, 0) == 0 ? 0 : stream_fail(s, "emptying its file failed", errno);
}

/* The sum so far. */
void stream_sum(const struct snapshot_stream *s, uint64_t out[2])
{
    XXH128_hash_t sum = XXH3_128bits_digest(s->sum);

    out[0] = sum.low64;
    out[1] = sum.high64;
}

/* Compares bytes with those at an offset. */
bool stream_has(struct snapshot_stream *s, struct str bytes, uint64_t at)
{
    char buf[16384];

    if (stream_flush(s) != 0)
        return false;
    while (bytes.n > 0) {
        size_t want = bytes.n < sizeof buf ? bytes.n : sizeof buf;
        ssize_t n = pread(s->fd, buf, want, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || memcmp(buf, bytes.p, (size_t)n) != 0)
            return false;
        bytes = str_from(bytes, (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

/* ---- What comes from the earlier image ------------------------------------------------------- */

/* The offset in the earlier image of bytes that lie there. */
uint64_t stream_previous_offset(const struct snapshot_stream *s, const char *p)
{
    const struct snapshot *previous = s->previous;

    return previous && p >= previous->base && p < previous->base + previous->header->size
        ? (uint64_t)(p - previous->base) : 0;
}

/* Notes that bytes of the earlier image were put at an offset. */
static void note_piece(struct snapshot_stream *s, uint64_t from, uint64_t at, size_t size)
{
    struct snapshot_piece *last = s->piece_count ? &s->pieces[s->piece_count - 1] : NULL;

    if (from + size > s->taken)
        s->taken = from + size;
    if (last && last->from + last->size == from && last->at + last->size == at) {
        last->size += size;
        return;
    }
    if (s->piece_count == s->piece_room) {
        s->piece_room = s->piece_room * 2 + 64;
        s->pieces = mem_resize(s->pieces, s->piece_room, sizeof *s->pieces);
    }
    s->pieces[s->piece_count++] = (struct snapshot_piece){ from, at, size };
}

/* Where the earlier image has what lies at an offset. */
uint64_t stream_origin(const struct snapshot_stream *s, uint64_t at)
{
    size_t low = 0, high = s->piece_count;

    /* The last one that does not begin behind it. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->pieces[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || at - s->pieces[low - 1].at >= s->pieces[low - 1].size)
        return 0;
    return s->pieces[low - 1].from + (at - s->pieces[low - 1].at);
}

/* Goes on with the earlier image. */
void stream_follow(struct snapshot_stream *s, uint64_t end)
{
    uint64_t size = end - s->end;

    AN(s->run && s->run + s->run_size == s->previous->base + s->end && end >= s->end);
    if (size == 0)
        return;
    note_piece(s, s->end, s->end, size);
    s->run_size += size;
    s->end = end;
}

/* Appends bytes. */
int stream_put(struct snapshot_stream *s, const void *data, size_t size, uint64_t *at)
{
    const char *next = s->run ? s->run + s->run_size : NULL;
    uint64_t from = stream_previous_offset(s, data), expected;

    *at = s->end;
    if (size == 0)
        return 0;
    expected = next ? stream_previous_offset(s, next) : 0;
    if (expected && size <= s->previous->header->size - expected
        && (data == next || memcmp(data, next, size) == 0)) {
        note_piece(s, expected, s->end, size);
        /* What lies there twice is here, too. */
        if (from && from + size > s->taken)
            s->taken = from + size;
        s->run_size += size;
        s->end += size;
        return 0;
    }
    if (end_run(s) != 0)
        return -1;
    if (!from)
        return append(s, data, size, BUFFER_SIZE);
    note_piece(s, from, s->end, size);
    s->run = data;
    s->run_size = size;
    s->end += size;
    return 0;
}
