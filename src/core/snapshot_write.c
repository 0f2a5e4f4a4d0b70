/*
 * snapshot_write.c - making a prebuilt image: its entries, its index and its end.
 *
 * Bodies and heads go to the file as they come (snapshot_stream.c); entries and index are kept in
 * memory and follow at the end. As long as they are those of the earlier image they are not even
 * kept (snapshot_mirror.c), and if that is so to the end, the image is unchanged.
 */
#define XXH_INLINE_ALL
#include "core/snapshot_write.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <xxhash.h>

#define FIRST_SLOTS 64u
#define ENTRIES_MAX ((uint64_t)UINT32_MAX * 8 - 8)

/* Makes a writer. */
struct snapshot_writer *snapshot_writer_new(int fd, uint64_t max_size)
{
    struct snapshot_writer *w = mem_zalloc(sizeof *w);

    w->magic = SNAPSHOT_WRITER_MAGIC;
    w->max_size = max_size;
    w->slot_count = FIRST_SLOTS;
    w->slots = mem_zalloc(FIRST_SLOTS * sizeof *w->slots);
    stream_init(&w->stream, fd);
    return w;
}

/* Changes the most bytes that the image may have. */
void snapshot_writer_limit(struct snapshot_writer *w, uint64_t max_size)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    w->max_size = max_size;
}

/* Notes the earlier image. */
void snapshot_writer_previous(struct snapshot_writer *w, const struct snapshot *previous, int fd)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    CHECK_OBJ(previous, SNAPSHOT_MAGIC);
    AN(w->count == 0);
    stream_previous(&w->stream, previous, fd);
    for (unsigned i = 0; i < previous->header->sections; i++)
        if (previous->header->section[i].kind == SNAPSHOT_ENTRIES)
            w->mirror_size = previous->header->section[i].size;
    w->mirrors = true;
}

/* Frees a writer. */
void snapshot_writer_free(struct snapshot_writer **pw)
{
    struct snapshot_writer *w;

    if (!*pw)
        return;
    TAKE_OBJ(w, pw, SNAPSHOT_WRITER_MAGIC);
    stream_free(&w->stream);
    free((char *)w->type.p);
    free((char *)w->extra.p);
    free(w->bodies.table);
    free(w->sources);
    free(w->slots);
    free(w->entries);
    w->magic = 0;
    free(w);
}

/* Bytes of the image if it were finished now. */
static uint64_t size_now(const struct snapshot_writer *w)
{
    return w->stream.end + w->entries_size + w->slot_count * sizeof *w->slots
        + w->source_count * sizeof *w->sources;
}

/* Says whether the image would still be small enough with more bytes in it. */
static int check_room(struct snapshot_writer *w, uint64_t more)
{
    uint64_t room = w->max_size, need = size_now(w);

    if (w->stream.reason)
        return -1;
    if (need > room || more > room - need)
        return stream_fail(&w->stream, "it would be larger than it may be", 0);
    return 0;
}

/* Notes the text that was put last. */
static void keep_text(struct str s, struct str *last)
{
    char *copy = mem_alloc(s.n);

    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    free((char *)last->p);
    *last = (struct str){ copy, s.n };
}

/* Appends a short text, unless it is the one that was put there last time. */
static int put_text(struct snapshot_writer *w, struct str s, struct str *last, uint64_t *at)
{
    if (last->p && str_eq(s, *last))
        return 0;
    if (stream_put(&w->stream, s.p, s.n, at) != 0)
        return -1;
    keep_text(s, last);
    return 0;
}

/* ---- Entries and index ----------------------------------------------------------------------- */

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
            && str_eq(snapshot_path(writer_entry(w, ((uint64_t)slot->entry - 1) * 8)), path))
            return slot;
    }
}

/* Enters the record at an offset into the index. */
static void add_slot(struct snapshot_writer *w, uint64_t at)
{
    struct str path = snapshot_path(writer_entry(w, at));
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
    for (uint64_t at = 0; at < w->entries_size; at += writer_entry(w, at)->size)
        add_slot(w, at);
}

/* The entry of a path that has been added. */
const struct snapshot_entry *snapshot_added(const struct snapshot_writer *w, struct str path)
{
    const struct snapshot_slot *slot;
    uint32_t probes;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    if (w->mirrors)
        return mirror_find(w, path);
    slot = find_slot(w, path, snapshot_hash(path), &probes);
    return slot->entry ? writer_entry(w, ((uint64_t)slot->entry - 1) * 8) : NULL;
}

/* The path has been added. */
bool snapshot_has(const struct snapshot_writer *w, struct str path)
{
    return snapshot_added(w, path) != NULL;
}

/* From here on the entries are this image's own. */
static void stop_mirroring(struct snapshot_writer *w)
{
    const struct snapshot *s = w->stream.previous;
    const struct snapshot_entry *last = w->mirror_last;

    if (!w->mirrors)
        return;
    w->mirrors = false;
    w->entries_room = w->mirror_size + 65536;
    w->entries = mem_alloc(w->entries_room);
    memcpy(w->entries, s->entries, w->entries_size);
    free(w->slots);
    w->slots = mem_zalloc(w->slot_count * sizeof *w->slots);
    for (uint64_t at = 0; at < w->entries_size; at += writer_entry(w, at)->size)
        add_slot(w, at);
    if (!last)
        return;
    w->type_at = last->type;
    w->extra_at = last->extra;
    keep_text(snapshot_text(s, last->type, last->type_size), &w->type);
    keep_text(snapshot_text(s, last->extra, last->extra_size), &w->extra);
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
    /* The padding behind the path. */
    memset((char *)p + snapshot_variants_at(e->path_size) - 8, 0, 8);
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
        return stream_fail(&w->stream, "a path is too long", 0);
    if (w->entries_size + size > ENTRIES_MAX)
        return stream_fail(&w->stream, "it has too many entries", 0);
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
    AN(e->variants[0].coding == CODING_IDENTITY);
    AN(e->type.n <= UINT16_MAX && e->extra.n <= UINT32_MAX);
    bytes += e->source ? sizeof *e->source : 0;
    for (size_t i = 0; i < e->count; i++)
        bytes += e->variants[i].head.n + e->variants[i].brief.n + e->variants[i].body.n;
    if (check_new(w, e->path, size + bytes) != 0)
        return -1;
    if (mirror_add(w, e)) {
        add_source(w, e->source);
        return 0;
    }
    stop_mirroring(w);
    if (put_text(w, e->type, &w->type, &w->type_at) != 0
        || put_text(w, e->extra, &w->extra, &w->extra_at) != 0)
        return -1;
    for (size_t i = 0; i < e->count; i++)
        if (bodies_put(w, &e->variants[i], variants, i) != 0)
            return -1;
    record.size = (uint32_t)size;
    record.type = w->type_at;
    record.extra = w->extra_at;
    record.source = add_source(w, e->source);
    memcpy((char *)new_entry(w, &record, e->path) + snapshot_variants_at(record.path_size),
           variants, e->count * sizeof variants[0]);
    return 0;
}

/* Adds a record with these variants under a new path. */
static int add_record(struct snapshot_writer *w, struct snapshot_entry record, struct str path,
                      const struct snapshot_variant *variants)
{
    size_t size = record.variants * sizeof *variants;

    record.path_size = (uint32_t)path.n;
    record.size = (uint32_t)(snapshot_variants_at(record.path_size) + size);
    if (check_new(w, path, record.size) != 0)
        return -1;
    if (mirror_add_record(w, &record, path, variants))
        return 0;
    stop_mirroring(w);
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

/* Puts the heads of a page into its variants. */
static int put_heads(struct snapshot_writer *w, struct str key,
                     const struct snapshot_new_variant *heads, struct snapshot_variant *variants,
                     size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        AN(heads[i].head.n >= 2 && heads[i].brief.n >= 2 && heads[i].etag.n == 0);
        AN(heads[i].head.n <= UINT32_MAX && heads[i].brief.n <= UINT16_MAX);
        variants[i].head_size = (uint32_t)heads[i].head.n;
        variants[i].brief_size = (uint32_t)heads[i].brief.n;
        variants[i].etag_at = variants[i].etag_size = 0;
        bytes += heads[i].head.n + heads[i].brief.n;
    }
    if (check_room(w, bytes) != 0)
        return -1;
    if (mirror_add_heads(w, key, heads, variants, count))
        return 0;
    stop_mirroring(w);
    for (size_t i = 0; i < count; i++)
        if (stream_put(&w->stream, heads[i].brief.p, heads[i].brief.n, &variants[i].brief) != 0
            || stream_put(&w->stream, heads[i].head.p, heads[i].head.n, &variants[i].head) != 0)
            return -1;
    return 0;
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
    if (put_heads(w, key, heads, variants, record.variants) != 0)
        return -1;
    return add_record(w, record, key, variants);
}

/* The room that an entry of the earlier image may need. */
static uint64_t taken_size(const struct snapshot_entry *e, const struct snapshot_source *source)
{
    const struct snapshot_variant *v = snapshot_variants(e);
    uint64_t size = (uint64_t)e->size + e->type_size + e->extra_size
        + (source ? sizeof *source : 0);

    for (unsigned i = 0; i < e->variants; i++)
        size += v[i].head_size + v[i].brief_size + v[i].body_size;
    return size;
}

/* Adds an entry of the earlier image. */
int snapshot_take(struct snapshot_writer *w, const struct snapshot_entry *e,
                  const struct snapshot_source *source)
{
    const struct snapshot_variant *v = snapshot_variants(e);
    struct snapshot_new_variant variants[SNAPSHOT_VARIANTS_MAX];
    const struct snapshot *s;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    s = w->stream.previous;
    CHECK_OBJ(s, SNAPSHOT_MAGIC);
    if (w->mirrors && check_new(w, snapshot_path(e), taken_size(e, source)) != 0)
        return -1;
    if (mirror_take(w, e, source)) {
        add_source(w, source);
        return 0;
    }
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

/* Appends a section. */
static int put_section(struct snapshot_writer *w, struct snapshot_header *h, unsigned kind,
                       const void *data, uint64_t size)
{
    struct snapshot_section *section = &h->section[h->sections++];

    AN(h->sections <= SNAPSHOT_SECTIONS_MAX && size % 8 == 0);
    *section = (struct snapshot_section){ .kind = kind, .size = size };
    return stream_put(&w->stream, data, size, &section->offset);
}

/* Appends zero bytes up to a multiple of 8, because sections begin there. */
static int put_padding(struct snapshot_writer *w)
{
    uint64_t at;

    return stream_put(&w->stream, "\0\0\0\0\0\0\0", (size_t)(-w->stream.end & 7), &at);
}

/* Leaves the file empty, because the earlier image holds the same. */
static int leave_empty(struct snapshot_writer *w, bool *unchanged)
{
    *unchanged = true;
    return stream_empty(&w->stream);
}

/* Completes the image. */
int snapshot_finish(struct snapshot_writer *w, const struct snapshot_stamp *stamp, bool *unchanged)
{
    struct snapshot_header h = {
        .mark = SNAPSHOT_MARK, .version = SNAPSHOT_VERSION, .header_size = sizeof h,
        .generation = stamp->generation, .began = stamp->began, .built = stamp->built,
        .entries = w->count, .slots = w->slot_count, .sections = 1, .put_off = stamp->put_off
    };
    const struct snapshot_header *old = w->stream.previous ? w->stream.previous->header : NULL;

    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    *unchanged = false;
    if (check_room(w, 16) != 0)
        return -1;
    if (old && old->put_off == h.put_off && mirror_whole(w))
        return leave_empty(w, unchanged);
    stop_mirroring(w);
    h.probes = w->probes;
    h.section[0] = (struct snapshot_section){
        SNAPSHOT_BYTES, 0, sizeof h, w->stream.end - sizeof h
    };
    if (put_padding(w) != 0
        || put_section(w, &h, SNAPSHOT_ENTRIES, w->entries, w->entries_size) != 0
        || put_section(w, &h, SNAPSHOT_INDEX, w->slots, w->slot_count * sizeof *w->slots) != 0
        || stream_flush(&w->stream) != 0)
        return -1;
    stream_sum(&w->stream, h.content);
    if (old && old->put_off == h.put_off && memcmp(old->content, h.content, sizeof h.content) == 0)
        return leave_empty(w, unchanged);
    if (put_section(w, &h, SNAPSHOT_SOURCES, w->sources, w->source_count * sizeof *w->sources) != 0
        || stream_flush(&w->stream) != 0)
        return -1;
    h.size = w->stream.end;
    stream_sum(&w->stream, h.sum);
    h.header_sum = snapshot_header_sum(&h);
    return stream_put_header(&w->stream, &h);
}

/* Why a call failed. */
const char *snapshot_writer_reason(const struct snapshot_writer *w, int *error)
{
    CHECK_OBJ(w, SNAPSHOT_WRITER_MAGIC);
    *error = w->stream.error;
    return w->stream.reason ? w->stream.reason : "nothing went wrong";
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
