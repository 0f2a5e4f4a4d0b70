/*
 * snapshot_write.c - making a prebuilt image.
 *
 * Bodies and heads go to the file as they come; entries and index are kept in memory and follow at
 * the end. Everything goes through write(), which fills a memfd twice as fast as a mapping does and
 * leaves no writable mapping that would forbid the seal.
 */
#define XXH_INLINE_ALL
#include "core/snapshot.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#define BUFFER_SIZE ((size_t)256 * 1024)
#define FIRST_SLOTS 64u
#define ENTRIES_MAX ((uint64_t)UINT32_MAX * 8 - 8)

/* A body that has been written. */
struct stored {
    uint64_t hash[2];
    uint64_t offset, size;         /* size 0: a free place in the table */
};

struct snapshot_writer {
    unsigned magic;
#define SNAPSHOT_WRITER_MAGIC 0x3717e5a9u
    int fd;
    uint64_t max_size;
    uint64_t end;                  /* of what has been written, the buffer included */
    char *buffer;                  /* what is not in the file yet: the last bytes before end */
    size_t buffered;
    XXH3_state_t *sum;             /* over all behind the header */

    char *entries;                 /* the records */
    size_t entries_size, entries_room;
    uint64_t count;
    struct snapshot_slot *slots;
    uint64_t slot_count;
    uint32_t probes;
    uint64_t type_at, type_size;   /* the last two texts, which mostly come again */
    uint64_t extra_at, extra_size;
    struct str type, extra;        /* their bytes; owned */

    struct stored *stored;         /* open addressing, at most half full */
    uint64_t stored_count, stored_room;
    uint64_t shared;

    const char *reason;            /* of the first failure, or NULL */
    int error;
};

/* Notes why the image cannot be written; the first reason stays. Always -1. */
static int fail(struct snapshot_writer *w, const char *reason, int error)
{
    if (!w->reason) {
        w->reason = reason;
        w->error = error;
    }
    return -1;
}

/* Makes a writer. */
struct snapshot_writer *snapshot_writer_new(int fd, uint64_t max_size)
{
    static const struct snapshot_header nothing;
    struct snapshot_writer *w = mem_zalloc(sizeof *w);

    AN(fd >= 0);
    w->magic = SNAPSHOT_WRITER_MAGIC;
    w->fd = fd;
    w->max_size = max_size;
    w->buffer = mem_alloc(BUFFER_SIZE);
    w->slot_count = FIRST_SLOTS;
    w->slots = mem_zalloc(FIRST_SLOTS * sizeof *w->slots);
    w->stored_room = FIRST_SLOTS;
    w->stored = mem_zalloc(FIRST_SLOTS * sizeof *w->stored);
    w->sum = XXH3_createState();
    AN(w->sum != NULL);
    XXH3_128bits_reset(w->sum);
    /* The place of the header, which is written last. */
    memcpy(w->buffer, &nothing, sizeof nothing);
    w->buffered = w->end = sizeof nothing;
    return w;
}

/* Changes the most bytes that the image may have. */
void snapshot_writer_limit(struct snapshot_writer *w, uint64_t max_size)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    w->max_size = max_size;
}

/* Frees a writer. */
void snapshot_writer_free(struct snapshot_writer **pw)
{
    struct snapshot_writer *w;

    if (!*pw)
        return;
    TAKE_OBJ(w, pw, SNAPSHOT_WRITER_MAGIC);
    XXH3_freeState(w->sum);
    free((char *)w->type.p);
    free((char *)w->extra.p);
    free(w->stored);
    free(w->slots);
    free(w->entries);
    free(w->buffer);
    w->magic = 0;
    free(w);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* Writes size bytes at an offset, however often the kernel stops short. */
static int write_all(struct snapshot_writer *w, const char *p, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(w->fd, p, size, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(w, "writing it failed", n < 0 ? errno : EIO);
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes out the buffer. */
static int flush(struct snapshot_writer *w)
{
    size_t n = w->buffered;

    w->buffered = 0;
    return write_all(w, w->buffer, n, w->end - n);
}

/* Says whether the image would still be small enough with more bytes in it. */
static int check_room(struct snapshot_writer *w, uint64_t more)
{
    uint64_t room = w->max_size;
    uint64_t need = w->end + w->entries_size + w->slot_count * sizeof *w->slots;

    if (w->reason)
        return -1;
    if (need > room || more > room - need)
        return fail(w, "it would be larger than it may be", 0);
    return 0;
}

/* Appends bytes; *at is where they came to lie. */
static int put(struct snapshot_writer *w, const void *data, size_t size, uint64_t *at)
{
    *at = w->end;
    if (size == 0)
        return 0;
    XXH3_128bits_update(w->sum, data, size);
    if (size > BUFFER_SIZE - w->buffered && flush(w) != 0)
        return -1;
    if (size > BUFFER_SIZE) {
        if (write_all(w, data, size, w->end) != 0)
            return -1;
    } else {
        memcpy(w->buffer + w->buffered, data, size);
        w->buffered += size;
    }
    w->end += size;
    return 0;
}

/* Appends zero bytes up to a multiple of 8, because sections begin there. */
static int put_padding(struct snapshot_writer *w)
{
    uint64_t at;

    return put(w, "\0\0\0\0\0\0\0", (size_t)(-w->end & 7), &at);
}

/* Appends a short text, unless it is the one that was put there last time. */
static int put_text(struct snapshot_writer *w, struct str s, struct str *last, uint64_t *at)
{
    char *copy;

    if (last->p && str_eq(s, *last))
        return 0;
    if (put(w, s.p, s.n, at) != 0)
        return -1;
    copy = mem_alloc(s.n);
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    free((char *)last->p);
    *last = (struct str){ copy, s.n };
    return 0;
}

/* ---- Bodies, each once ----------------------------------------------------------------------- */

/* What the entity-tag of a body is made of. */
void snapshot_body_hash(struct str body, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits(body.p, body.n);

    out[0] = hash.low64;
    out[1] = hash.high64;
}

/*
 * Compares a body with one in the file. The hash is not made to resist somebody who wants two files
 * to have the same one, and whoever may put files into a document root must not be able to replace
 * other files of it.
 */
static bool same_bytes(struct snapshot_writer *w, struct str body, uint64_t at)
{
    char buf[16384];

    while (body.n > 0) {
        size_t want = body.n < sizeof buf ? body.n : sizeof buf;
        ssize_t n = pread(w->fd, buf, want, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || memcmp(buf, body.p, (size_t)n) != 0)
            return false;
        body = str_from(body, (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

/* The place of a body in the table: the one that holds it, or a free one. */
static struct stored *find_stored(struct snapshot_writer *w, const uint64_t hash[2], uint64_t size)
{
    for (uint64_t i = hash[0];; i++) {
        struct stored *at = &w->stored[i & (w->stored_room - 1)];

        if (at->size == 0
            || (at->hash[0] == hash[0] && at->hash[1] == hash[1] && at->size == size))
            return at;
    }
}

/* Doubles the table when it is half full. */
static void grow_stored(struct snapshot_writer *w)
{
    struct stored *old = w->stored;
    uint64_t room = w->stored_room;

    if (w->stored_count < room / 2)
        return;
    w->stored_room = room * 2;
    w->stored = mem_zalloc(w->stored_room * sizeof *w->stored);
    for (uint64_t i = 0; i < room; i++)
        if (old[i].size > 0)
            *find_stored(w, old[i].hash, old[i].size) = old[i];
    free(old);
}

/* Writes head and body of a variant, one behind the other if the body is new. */
static int put_variant(struct snapshot_writer *w, const struct snapshot_new_variant *from,
                       struct snapshot_variant *v)
{
    struct stored *stored = NULL;
    bool shared = false;

    AN(from->head.n >= 2 && from->brief.n >= 2);
    if (from->head.n > UINT32_MAX || from->brief.n > UINT16_MAX)
        return fail(w, "the head of an answer is too long", 0);
    *v = (struct snapshot_variant){
        .body_size = from->body.n, .head_size = (uint32_t)from->head.n,
        .brief_size = (uint32_t)from->brief.n, .coding = (uint8_t)from->coding
    };
    if (from->etag.n > 0) {
        AN(from->etag.p >= from->brief.p && from->etag.n <= UINT8_MAX);
        AN(from->etag.p + from->etag.n <= from->brief.p + from->brief.n);
        v->etag_at = (uint16_t)(from->etag.p - from->brief.p);
        v->etag_size = (uint8_t)from->etag.n;
    }
    snapshot_body_hash(from->body, v->hash);
    if (from->body.n > 0) {
        grow_stored(w);
        stored = find_stored(w, v->hash, from->body.n);
        if (stored->size > 0) {
            if (flush(w) != 0)
                return -1;
            shared = same_bytes(w, from->body, stored->offset);
        }
    }
    if (put(w, from->brief.p, from->brief.n, &v->brief) != 0
        || put(w, from->head.p, from->head.n, &v->head) != 0)
        return -1;
    if (shared) {
        v->body = stored->offset;
        w->shared++;
        return 0;
    }
    if (put(w, from->body.p, from->body.n, &v->body) != 0)
        return -1;
    if (stored && stored->size == 0) {
        *stored = (struct stored){ { v->hash[0], v->hash[1] }, v->body, v->body_size };
        w->stored_count++;
    }
    return 0;
}

/* ---- Entries and index ----------------------------------------------------------------------- */

/* A record that was added. */
static struct snapshot_entry *entry_at(const struct snapshot_writer *w, uint64_t at)
{
    void *p = w->entries + at;

    AN(at < w->entries_size && at % 8 == 0);
    return p;
}

/*
 * The slot of a path: the one that leads to it, or a free one; *probes is how many were looked at.
 */
static struct snapshot_slot *find_slot(const struct snapshot_writer *w, struct str path,
                                       uint64_t hash, uint32_t *probes)
{
    for (uint32_t i = 0;; i++) {
        struct snapshot_slot *slot = &w->slots[(hash + i) & (w->slot_count - 1)];

        *probes = i + 1;
        if (slot->entry == 0)
            return slot;
        if (slot->tag == (uint32_t)(hash >> 32)
            && str_eq(snapshot_path(entry_at(w, ((uint64_t)slot->entry - 1) * 8)), path))
            return slot;
    }
}

/* Enters the record at an offset into the index. */
static void add_slot(struct snapshot_writer *w, uint64_t at)
{
    struct str path = snapshot_path(entry_at(w, at));
    uint64_t hash = snapshot_hash(path);
    uint32_t probes;
    struct snapshot_slot *slot = find_slot(w, path, hash, &probes);

    AN(slot->entry == 0);
    *slot = (struct snapshot_slot){ (uint32_t)(hash >> 32), (uint32_t)(at / 8 + 1) };
    if (probes > w->probes)
        w->probes = probes;
}

/*
 * Doubles the index when it is half full. Records are entered again in their order, so that the
 * index does not tell how it grew.
 */
static void grow_slots(struct snapshot_writer *w)
{
    if (w->count < w->slot_count / 2)
        return;
    free(w->slots);
    w->slot_count *= 2;
    w->slots = mem_zalloc(w->slot_count * sizeof *w->slots);
    w->probes = 0;
    for (uint64_t at = 0; at < w->entries_size; at += entry_at(w, at)->size)
        add_slot(w, at);
}

/* The path has been added. */
bool snapshot_has(const struct snapshot_writer *w, struct str path)
{
    uint32_t probes;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    return find_slot(w, path, snapshot_hash(path), &probes)->entry != 0;
}

/* Appends a record with room for path and variants; those are the caller's to fill in. */
static struct snapshot_entry *new_entry(struct snapshot_writer *w, const struct snapshot_entry *e,
                                        struct str path)
{
    struct snapshot_entry *record;
    uint64_t at = w->entries_size;
    void *p;

    if (w->entries_size + e->size > w->entries_room) {
        w->entries_room = w->entries_room * 2 + e->size + 4096;
        w->entries = mem_resize(w->entries, w->entries_room, 1);
    }
    grow_slots(w);
    p = w->entries + at;
    memset(p, 0, e->size);
    record = p;
    *record = *e;
    memcpy(record + 1, path.p, path.n);
    w->entries_size += e->size;
    w->count++;
    add_slot(w, at);
    return record;
}

/* Refuses what an image cannot hold. */
static int check_new(struct snapshot_writer *w, struct str path, uint64_t size)
{
    if (path.n > SNAPSHOT_PATH_MAX)
        return fail(w, "a path is too long", 0);
    if (w->entries_size + size > ENTRIES_MAX)
        return fail(w, "it has too many entries", 0);
    /* The index may be about to double. */
    return check_room(w, size + w->slot_count * sizeof *w->slots * (w->count >= w->slot_count / 2));
}

/* Adds an entry. */
int snapshot_add(struct snapshot_writer *w, const struct snapshot_new_entry *e)
{
    struct snapshot_variant variants[SNAPSHOT_VARIANTS_MAX];
    struct snapshot_entry record = {
        .path_size = (uint32_t)e->path.n, .status = (uint16_t)e->status, .kind = (uint8_t)e->kind,
        .variants = (uint8_t)e->count, .modified = e->modified, .modified_ns = e->modified_ns,
        .flags = (uint16_t)e->flags, .type_size = (uint16_t)e->type.n,
        .extra_size = (uint32_t)e->extra.n
    };
    uint64_t size = snapshot_variants_at(record.path_size) + e->count * sizeof variants[0];
    uint64_t bytes = e->type.n + e->extra.n;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    AN(e->count >= 1 && e->count <= SNAPSHOT_VARIANTS_MAX);
    AN(e->variants[0].coding == CODING_IDENTITY && !snapshot_has(w, e->path));
    AN(e->type.n <= UINT16_MAX && e->extra.n <= UINT32_MAX);
    for (size_t i = 0; i < e->count; i++)
        bytes += e->variants[i].head.n + e->variants[i].brief.n + e->variants[i].body.n;
    if (check_new(w, e->path, size + bytes) != 0
        || put_text(w, e->type, &w->type, &w->type_at) != 0
        || put_text(w, e->extra, &w->extra, &w->extra_at) != 0)
        return -1;
    for (size_t i = 0; i < e->count; i++)
        if (put_variant(w, &e->variants[i], &variants[i]) != 0)
            return -1;
    record.size = (uint32_t)size;
    record.type = w->type_at;
    record.extra = w->extra_at;
    memcpy((char *)new_entry(w, &record, e->path) + snapshot_variants_at(record.path_size),
           variants, e->count * sizeof variants[0]);
    return 0;
}

/* Adds another path for an entry. */
int snapshot_add_alias(struct snapshot_writer *w, struct str path, struct str of)
{
    struct snapshot_variant variants[SNAPSHOT_VARIANTS_MAX];
    struct snapshot_entry record;
    const struct snapshot_entry *e;
    struct snapshot_slot *slot;
    uint32_t probes;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    slot = find_slot(w, of, snapshot_hash(of), &probes);
    AN(slot->entry != 0 && !snapshot_has(w, path));
    e = entry_at(w, ((uint64_t)slot->entry - 1) * 8);
    memcpy(variants, snapshot_variants(e), e->variants * sizeof variants[0]);
    record = *e;
    record.path_size = (uint32_t)path.n;
    record.size = (uint32_t)(snapshot_variants_at(record.path_size)
                             + record.variants * sizeof variants[0]);
    if (check_new(w, path, record.size) != 0)
        return -1;
    memcpy((char *)new_entry(w, &record, path) + snapshot_variants_at(record.path_size),
           variants, record.variants * sizeof variants[0]);
    return 0;
}

/* Completes the image. */
int snapshot_finish(struct snapshot_writer *w, uint64_t generation, int64_t built)
{
    struct snapshot_header h = {
        .mark = SNAPSHOT_MARK, .version = SNAPSHOT_VERSION, .header_size = sizeof h,
        .generation = generation, .built = built, .entries = w->count, .slots = w->slot_count,
        .probes = w->probes, .sections = 3
    };
    XXH128_hash_t sum;
    uint64_t at;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    if (check_room(w, 16) != 0)
        return -1;
    h.section[0] = (struct snapshot_section){ SNAPSHOT_BYTES, 0, sizeof h, w->end - sizeof h };
    if (put_padding(w) != 0 || put(w, w->entries, w->entries_size, &at) != 0)
        return -1;
    h.section[1] = (struct snapshot_section){ SNAPSHOT_ENTRIES, 0, at, w->entries_size };
    AN(at % 8 == 0 && w->entries_size % 8 == 0);
    if (put(w, w->slots, w->slot_count * sizeof *w->slots, &at) != 0 || flush(w) != 0)
        return -1;
    h.section[2] = (struct snapshot_section){
        SNAPSHOT_INDEX, 0, at, w->slot_count * sizeof *w->slots
    };
    h.size = w->end;
    sum = XXH3_128bits_digest(w->sum);
    h.sum[0] = sum.low64;
    h.sum[1] = sum.high64;
    h.header_sum = snapshot_header_sum(&h);
    return write_all(w, (const char *)&h, sizeof h, 0);
}

/* Why a call failed. */
const char *snapshot_writer_reason(const struct snapshot_writer *w, int *error)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    *error = w->error;
    return w->reason ? w->reason : "nothing went wrong";
}

/* What has been written so far. */
void snapshot_writer_stats(const struct snapshot_writer *w, struct snapshot_stats *out)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    *out = (struct snapshot_stats){
        .entries = w->count, .shared = w->shared,
        .size = w->end + w->entries_size + w->slot_count * sizeof *w->slots
    };
}
