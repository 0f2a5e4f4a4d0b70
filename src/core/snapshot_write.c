/*
 * snapshot_write.c - making a prebuilt image.
 *
 * Bodies and heads go to the file as they come; entries and index are kept in memory and follow at
 * the end. Everything goes through write(), which fills a memfd twice as fast as a mapping does and
 * leaves no writable mapping that would forbid the seal.
 *
 * Most builds change little. So what is given is compared with what comes next in the earlier
 * image, and as long as it is the same nothing is done but counting: it is the "run", and when it
 * ends it is written in one piece from where it lies. A build that ends as it began, within one
 * run that is the whole earlier image, has written nothing, and the image is unchanged.
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
#define RUN_DIRECT ((size_t)64 * 1024) /* from here on, copying costs more than a call */
#define FIRST_SLOTS 64u
#define STORED_ROOM_MAX ((uint64_t)1 << 24) /* of a table that is made without need */
#define ENTRIES_MAX ((uint64_t)UINT32_MAX * 8 - 8)

/* A body that has been written. */
struct stored {
    uint64_t hash[2];
    uint64_t offset, size;         /* size 0: a free place in the table */
    uint64_t from;                 /* where the earlier image has it; 0: it came from elsewhere */
};

struct snapshot_writer {
    unsigned magic;
#define SNAPSHOT_WRITER_MAGIC 0x3717e5a9u
    int fd;
    uint64_t max_size;
    uint64_t end;                  /* of what has been written, the buffer included */
    char *buffer;                  /* what is not in the file yet: the last bytes before end */
    size_t buffered;
    const struct snapshot *previous; /* the earlier image, or NULL */
    const char *run;               /* where it goes on as the new one does; NULL: nowhere */
    size_t run_size;               /* bytes behind the buffer that are not in the file either */
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
    struct snapshot_source *sources;
    uint32_t source_count, source_room;

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

/* Notes the earlier image. The bytes of both begin behind their headers. */
void snapshot_writer_previous(struct snapshot_writer *w, const struct snapshot *previous)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    CHECK_OBJ(previous, SNAPSHOT_MAGIC);
    AN(w->count == 0 && w->end == sizeof *previous->header);
    w->previous = previous;
    /* Most bodies will come again, two or three for each entry: growing would take longer. */
    while (w->stored_room < 4 * previous->header->entries && w->stored_room < STORED_ROOM_MAX)
        w->stored_room *= 2;
    free(w->stored);
    w->stored = mem_zalloc(w->stored_room * sizeof *w->stored);
    w->run = previous->base + sizeof *previous->header;
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
    free(w->sources);
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

/* Writes out the buffer, behind which there is no run. */
static int flush_buffer(struct snapshot_writer *w)
{
    size_t n = w->buffered;

    AN(w->run_size == 0);
    w->buffered = 0;
    return write_all(w, w->buffer, n, w->end - n);
}

/* Bytes of the image if it were finished now. */
static uint64_t size_now(const struct snapshot_writer *w)
{
    return w->end + w->entries_size + w->slot_count * sizeof *w->slots
        + w->source_count * sizeof *w->sources;
}

/* Says whether the image would still be small enough with more bytes in it. */
static int check_room(struct snapshot_writer *w, uint64_t more)
{
    uint64_t room = w->max_size, need = size_now(w);

    if (w->reason)
        return -1;
    if (need > room || more > room - need)
        return fail(w, "it would be larger than it may be", 0);
    return 0;
}

/* Appends bytes to buffer or file. */
static int append(struct snapshot_writer *w, const char *data, size_t size, size_t direct)
{
    AN(w->run_size == 0);
    XXH3_128bits_update(w->sum, data, size);
    if (size > BUFFER_SIZE - w->buffered && flush_buffer(w) != 0)
        return -1;
    if (size > direct) {
        if (flush_buffer(w) != 0 || write_all(w, data, size, w->end) != 0)
            return -1;
    } else {
        memcpy(w->buffer + w->buffered, data, size);
        w->buffered += size;
    }
    w->end += size;
    return 0;
}

/* Ends the run: from here on the new image goes another way. */
static int end_run(struct snapshot_writer *w)
{
    const char *run = w->run;
    size_t size = w->run_size;

    w->run = NULL;
    w->run_size = 0;
    if (size == 0)
        return 0;
    w->end -= size;
    return append(w, run, size, RUN_DIRECT);
}

/* Brings everything into the file. */
static int flush(struct snapshot_writer *w)
{
    return end_run(w) == 0 ? flush_buffer(w) : -1;
}

/* How many bytes of the earlier image there are from p on; 0 where p does not point into it. */
static size_t previous_from(const struct snapshot_writer *w, const char *p)
{
    const struct snapshot *s = w->previous;

    return s && p >= s->base && p < s->base + s->header->size
        ? (size_t)(s->base + s->header->size - p) : 0;
}

/* Appends bytes; *at is where they came to lie. */
static int put(struct snapshot_writer *w, const void *data, size_t size, uint64_t *at)
{
    const char *next = w->run ? w->run + w->run_size : NULL;

    *at = w->end;
    if (size == 0)
        return 0;
    if (next && size <= previous_from(w, next)
        && (data == next || memcmp(data, next, size) == 0)) {
        w->run_size += size;
        w->end += size;
        return 0;
    }
    if (end_run(w) != 0)
        return -1;
    if (previous_from(w, data) == 0)
        return append(w, data, size, BUFFER_SIZE);
    w->run = data;
    w->run_size = size;
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

/*
 * Finds a body that was written before. *stored: its place in the table, or the one that it is to
 * have; NULL where the body is empty. True: it is there.
 */
static bool find_body(struct snapshot_writer *w, struct str body, const uint64_t hash[2],
                      struct stored **stored)
{
    uint64_t from;

    *stored = NULL;
    if (body.n == 0)
        return false;
    grow_stored(w);
    *stored = find_stored(w, hash, body.n);
    if ((*stored)->size == 0)
        return false;
    from = previous_from(w, body.p) ? (uint64_t)(body.p - w->previous->base) : 0;
    if (from && from == (*stored)->from)
        return true;
    return flush(w) == 0 && same_bytes(w, body, (*stored)->offset);
}

/* Writes head and body of a variant, one behind the other if the body is new. */
static int put_variant(struct snapshot_writer *w, const struct snapshot_new_variant *from,
                       struct snapshot_variant *v)
{
    struct stored *stored;
    bool shared;

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
    if (from->hash)
        memcpy(v->hash, from->hash, sizeof v->hash);
    else
        snapshot_body_hash(from->body, v->hash);
    shared = find_body(w, from->body, v->hash, &stored);
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
        *stored = (struct stored){ { v->hash[0], v->hash[1] }, v->body, v->body_size,
            previous_from(w, from->body.p) ? (uint64_t)(from->body.p - w->previous->base) : 0 };
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

/* Notes what a file looked like; returns its number, from 1 on, or 0 where there is none. */
static uint32_t add_source(struct snapshot_writer *w, const struct snapshot_source *source)
{
    if (!source)
        return 0;
    if (w->source_count == w->source_room) {
        w->source_room = w->source_room * 2 + 256;
        w->sources = mem_resize(w->sources, w->source_room, sizeof *w->sources);
    }
    w->sources[w->source_count++] = *source;
    return w->source_count;
}

/* Adds an entry. */
int snapshot_add(struct snapshot_writer *w, const struct snapshot_new_entry *e)
{
    struct snapshot_variant variants[SNAPSHOT_VARIANTS_MAX];
    struct snapshot_entry record = {
        .path_size = (uint32_t)e->path.n, .status = (uint16_t)e->status, .kind = (uint8_t)e->kind,
        .variants = (uint8_t)e->count, .modified = e->modified, .flags = (uint16_t)e->flags,
        .type_size = (uint16_t)e->type.n,
        .extra_size = (uint32_t)e->extra.n
    };
    uint64_t size = snapshot_variants_at(record.path_size) + e->count * sizeof variants[0];
    uint64_t bytes = e->type.n + e->extra.n;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    AN(e->count >= 1 && e->count <= SNAPSHOT_VARIANTS_MAX);
    AN(e->variants[0].coding == CODING_IDENTITY && !snapshot_has(w, e->path));
    AN(e->type.n <= UINT16_MAX && e->extra.n <= UINT32_MAX);
    bytes += e->source ? sizeof *e->source : 0;
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
    record.source = add_source(w, e->source);
    memcpy((char *)new_entry(w, &record, e->path) + snapshot_variants_at(record.path_size),
           variants, e->count * sizeof variants[0]);
    return 0;
}

/* The entry of a path that has been added. */
const struct snapshot_entry *snapshot_added(const struct snapshot_writer *w, struct str path)
{
    const struct snapshot_slot *slot;
    uint32_t probes;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    slot = find_slot(w, path, snapshot_hash(path), &probes);
    return slot->entry ? entry_at(w, ((uint64_t)slot->entry - 1) * 8) : NULL;
}

/* Adds a record with these variants under a new path. */
static int add_record(struct snapshot_writer *w, struct snapshot_entry record, struct str path,
                      const struct snapshot_variant *variants)
{
    size_t size = record.variants * sizeof *variants;

    AN(!snapshot_has(w, path));
    record.path_size = (uint32_t)path.n;
    record.size = (uint32_t)(snapshot_variants_at(record.path_size) + size);
    if (check_new(w, path, record.size) != 0)
        return -1;
    memcpy((char *)new_entry(w, &record, path) + snapshot_variants_at(record.path_size), variants,
           size);
    return 0;
}

/* Adds another path for an entry. */
int snapshot_add_alias(struct snapshot_writer *w, struct str path, struct str of)
{
    struct snapshot_variant variants[SNAPSHOT_VARIANTS_MAX];
    const struct snapshot_entry *e = snapshot_added(w, of);

    AN(e != NULL);
    memcpy(variants, snapshot_variants(e), e->variants * sizeof variants[0]);
    return add_record(w, *e, path, variants);
}

/* Adds a page with the bodies of another entry. */
int snapshot_add_page(struct snapshot_writer *w, struct str key, struct str of, unsigned status,
                      const struct snapshot_new_variant *heads)
{
    struct snapshot_variant variants[SNAPSHOT_VARIANTS_MAX];
    const struct snapshot_entry *e = snapshot_added(w, of);
    struct snapshot_entry record;

    AN(e != NULL && e->kind == SNAPSHOT_FILE);
    record = *e;
    record.status = (uint16_t)status;
    record.kind = SNAPSHOT_ERROR_PAGE;
    record.modified = SNAPSHOT_NO_DATE;
    record.flags &= SNAPSHOT_VARY;
    memcpy(variants, snapshot_variants(e), e->variants * sizeof variants[0]);
    for (unsigned i = 0; i < record.variants; i++) {
        struct snapshot_variant *v = &variants[i];

        AN(heads[i].head.n >= 2 && heads[i].brief.n >= 2 && heads[i].etag.n == 0);
        AN(heads[i].head.n <= UINT32_MAX && heads[i].brief.n <= UINT16_MAX);
        v->head_size = (uint32_t)heads[i].head.n;
        v->brief_size = (uint32_t)heads[i].brief.n;
        v->etag_at = v->etag_size = 0;
        if (check_room(w, heads[i].head.n + heads[i].brief.n) != 0
            || put(w, heads[i].brief.p, heads[i].brief.n, &v->brief) != 0
            || put(w, heads[i].head.p, heads[i].head.n, &v->head) != 0)
            return -1;
    }
    return add_record(w, record, key, variants);
}

/* Adds an entry of the earlier image. */
int snapshot_take(struct snapshot_writer *w, const struct snapshot_entry *e,
                  const struct snapshot_source *source)
{
    const struct snapshot_variant *v = snapshot_variants(e);
    struct snapshot_new_variant variants[SNAPSHOT_VARIANTS_MAX];
    const struct snapshot *s;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    s = w->previous;
    CHECK_OBJ(s, SNAPSHOT_MAGIC);
    for (unsigned i = 0; i < e->variants; i++)
        variants[i] = (struct snapshot_new_variant){
            .coding = (enum coding)v[i].coding,
            .head = snapshot_text(s, v[i].head, v[i].head_size),
            .brief = snapshot_text(s, v[i].brief, v[i].brief_size),
            .etag = snapshot_text(s, v[i].brief + v[i].etag_at, v[i].etag_size),
            .body = snapshot_text(s, v[i].body, v[i].body_size), .hash = v[i].hash
        };
    return snapshot_add(w, &(struct snapshot_new_entry){
        .path = snapshot_path(e), .kind = (enum snapshot_kind)e->kind, .status = e->status,
        .flags = e->flags, .modified = e->modified,
        .type = snapshot_text(s, e->type, e->type_size),
        .extra = snapshot_text(s, e->extra, e->extra_size), .source = source,
        .variants = variants, .count = e->variants });
}

/* ---- The end --------------------------------------------------------------------------------- */

/* The current sum, low half first. */
static void take_sum(const struct snapshot_writer *w, uint64_t out[2])
{
    XXH128_hash_t sum = XXH3_128bits_digest(w->sum);

    out[0] = sum.low64;
    out[1] = sum.high64;
}

/* The section of the earlier image has exactly these bytes. */
static bool same_section(const struct snapshot *s, unsigned kind, const void *data, uint64_t size)
{
    for (unsigned i = 0; i < s->header->sections; i++)
        if (s->header->section[i].kind == kind)
            return s->header->section[i].size == size
                && (size == 0 || data == s->base + s->header->section[i].offset
                    || memcmp(data, s->base + s->header->section[i].offset, size) == 0);
    return false;
}

/* All that was given is the earlier image, from its beginning to its end. */
static bool same_as_previous(const struct snapshot_writer *w)
{
    const struct snapshot *s = w->previous;

    return s && w->run == s->base + sizeof *s->header
        && w->end == sizeof *s->header + w->run_size
        && same_section(s, SNAPSHOT_BYTES, w->run, w->run_size)
        && same_section(s, SNAPSHOT_ENTRIES, w->entries, w->entries_size)
        && same_section(s, SNAPSHOT_INDEX, w->slots, w->slot_count * sizeof *w->slots);
}

/* Appends a section. */
static int put_section(struct snapshot_writer *w, struct snapshot_header *h, unsigned kind,
                       const void *data, uint64_t size)
{
    struct snapshot_section *section = &h->section[h->sections++];

    AN(h->sections <= SNAPSHOT_SECTIONS_MAX && size % 8 == 0);
    *section = (struct snapshot_section){ .kind = kind, .size = size };
    return put(w, data, size, &section->offset);
}

/* Leaves the file empty, because the earlier image holds the same. */
static int leave_empty(struct snapshot_writer *w, bool *unchanged)
{
    *unchanged = true;
    return ftruncate(w->fd, 0) == 0 ? 0 : fail(w, "emptying its file failed", errno);
}

/* Completes the image. */
int snapshot_finish(struct snapshot_writer *w, const struct snapshot_stamp *stamp, bool *unchanged)
{
    struct snapshot_header h = {
        .mark = SNAPSHOT_MARK, .version = SNAPSHOT_VERSION, .header_size = sizeof h,
        .generation = stamp->generation, .began = stamp->began, .built = stamp->built,
        .entries = w->count, .slots = w->slot_count, .probes = w->probes, .sections = 1,
        .put_off = stamp->put_off
    };
    const struct snapshot_header *old = w->previous ? w->previous->header : NULL;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    *unchanged = false;
    if (check_room(w, 16) != 0)
        return -1;
    if (old && old->put_off == h.put_off && same_as_previous(w))
        return leave_empty(w, unchanged);
    h.section[0] = (struct snapshot_section){ SNAPSHOT_BYTES, 0, sizeof h, w->end - sizeof h };
    if (put_padding(w) != 0
        || put_section(w, &h, SNAPSHOT_ENTRIES, w->entries, w->entries_size) != 0
        || put_section(w, &h, SNAPSHOT_INDEX, w->slots, w->slot_count * sizeof *w->slots) != 0
        || flush(w) != 0)
        return -1;
    take_sum(w, h.content);
    if (old && old->put_off == h.put_off && memcmp(old->content, h.content, sizeof h.content) == 0)
        return leave_empty(w, unchanged);
    if (put_section(w, &h, SNAPSHOT_SOURCES, w->sources, w->source_count * sizeof *w->sources) != 0
        || flush(w) != 0)
        return -1;
    h.size = w->end;
    take_sum(w, h.sum);
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
        .size = size_now(w)
    };
}
