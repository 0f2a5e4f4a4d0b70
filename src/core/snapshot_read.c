/*
 * snapshot_read.c - checking a prebuilt image once, and finding paths in it ever after.
 */
#define XXH_INLINE_ALL
#include "core/snapshot.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <xxhash.h>

/* The image has size bytes from offset on. */
struct region {
    uint64_t offset, size;
};

/* A span lies wholly within a region; written so that no sum can overflow. */
static bool within(const struct region *r, uint64_t offset, uint64_t size)
{
    return offset >= r->offset && offset - r->offset <= r->size
        && size <= r->size - (offset - r->offset);
}

/* Sets the reason of a refusal; always -1, so that a check can end with it. */
static int refuse(const char **reason, const char *why)
{
    *reason = why;
    return -1;
}

/* The hash that places a path in the index. */
uint64_t snapshot_hash(struct str path)
{
    return XXH3_64bits(path.p, path.n);
}

/* The checksum of a header, its last field left out. */
uint64_t snapshot_header_sum(const struct snapshot_header *h)
{
    return XXH3_64bits(h, offsetof(struct snapshot_header, header_sum));
}

/* The section of a kind; false where there is none, or more than one. */
static bool find_section(const struct snapshot_header *h, unsigned kind, struct region *out)
{
    unsigned found = 0;

    AN(h->sections <= SNAPSHOT_SECTIONS_MAX);
    for (unsigned i = 0; i < h->sections; i++)
        if (h->section[i].kind == kind) {
            *out = (struct region){ h->section[i].offset, h->section[i].size };
            found++;
        }
    return found == 1;
}

/* Checks the header against the size that the image really has. */
int snapshot_check_header(const struct snapshot_header *h, uint64_t size, const char **reason)
{
    struct region all = { sizeof *h, 0 }, index;

    if (size < sizeof *h)
        return refuse(reason, "it is shorter than a header");
    if (memcmp(h->mark, SNAPSHOT_MARK, sizeof h->mark) != 0)
        return refuse(reason, "it is not an image, or was not finished");
    if (h->version != SNAPSHOT_VERSION || h->header_size != sizeof *h)
        return refuse(reason, "its format has another version");
    if (h->header_sum != snapshot_header_sum(h))
        return refuse(reason, "the checksum of its header is wrong");
    if (h->size != size)
        return refuse(reason, "its size is not the one that its header states");
    if (h->sections > SNAPSHOT_SECTIONS_MAX)
        return refuse(reason, "it has too many sections");
    all.size = size - sizeof *h;
    for (unsigned i = 0; i < h->sections; i++)
        if (h->section[i].offset % 8 != 0
            || !within(&all, h->section[i].offset, h->section[i].size))
            return refuse(reason, "a section lies outside");
    if (h->slots == 0 || (h->slots & (h->slots - 1)) != 0
        || h->slots > UINT64_MAX / sizeof(struct snapshot_slot))
        return refuse(reason, "the size of its index is no power of two");
    if (!find_section(h, SNAPSHOT_INDEX, &index)
        || index.size != h->slots * sizeof(struct snapshot_slot))
        return refuse(reason, "its index is missing or has another size");
    if (h->entries > h->slots / 2 || h->probes > h->slots)
        return refuse(reason, "its index is too full");
    return 0;
}

/* Checks one variant of a record. */
static int check_variant(const struct snapshot_variant *v, const struct region *bytes,
                         const char **reason)
{
    if (!within(bytes, v->head, v->head_size) || !within(bytes, v->brief, v->brief_size)
        || !within(bytes, v->body, v->body_size))
        return refuse(reason, "a variant lies outside");
    if ((uint32_t)v->etag_at + v->etag_size > v->brief_size)
        return refuse(reason, "an entity-tag lies outside its head");
    if (v->head_size < 2 || v->brief_size < 2)
        return refuse(reason, "a head is empty");
    return 0;
}

/* Checks the record at an offset of ENTRIES; returns its size, or 0 after refuse(). */
static uint32_t check_entry(const struct snapshot *s, const struct region *entries,
                            const struct region *bytes, uint64_t at, const char **reason)
{
    uint64_t room = entries->size - at;
    const struct snapshot_variant *v;
    const struct snapshot_entry *e;
    unsigned codings = 0;
    const void *record;

    AN(at <= entries->size && at % 8 == 0);
    if (room < sizeof *e)
        return refuse(reason, "an entry lies outside"), 0;
    record = s->base + entries->offset + at;
    e = record;
    if (e->path_size > SNAPSHOT_PATH_MAX || e->size > room || e->size % 8 != 0
        || e->size != snapshot_variants_at(e->path_size) + e->variants * sizeof *v)
        return refuse(reason, "an entry has an impossible size"), 0;
    if (e->variants == 0 || e->variants > SNAPSHOT_VARIANTS_MAX)
        return refuse(reason, "an entry has an impossible number of variants"), 0;
    if (e->status < 200 || e->status > 599)
        return refuse(reason, "an entry has an impossible status"), 0;
    if (!within(bytes, e->type, e->type_size) || !within(bytes, e->extra, e->extra_size))
        return refuse(reason, "a text lies outside"), 0;
    if (e->source > s->source_count)
        return refuse(reason, "what an entry was made of lies outside"), 0;
    if (e->kind == SNAPSHOT_REDIRECT && (e->extra_size == 0 || s->base[e->extra] != '/'))
        return refuse(reason, "a redirect leads nowhere"), 0;
    v = snapshot_variants(e);
    for (unsigned i = 0; i < e->variants; i++) {
        if (v[i].coding >= CODING_MAX || (codings >> v[i].coding & 1)
            || (v[i].coding == CODING_IDENTITY) != (i == 0))
            return refuse(reason, "the codings of an entry are out of order"), 0;
        codings |= 1u << v[i].coding;
        if (check_variant(&v[i], bytes, reason) != 0)
            return 0;
    }
    return e->size;
}

/*
 * Walks the records as snapshot_next() does: they must fill the section and be as many as stated.
 * Sets the bit of each offset / 8 at which one begins.
 */
static int check_records(const struct snapshot *s, const struct region *entries,
                         const struct region *bytes, uint64_t *begins, const char **reason)
{
    uint64_t at = 0, count = 0;
    uint32_t size;

    for (; at < entries->size; at += size, count++) {
        size = check_entry(s, entries, bytes, at, reason);
        if (size == 0)
            return -1;
        begins[at / 512] |= UINT64_C(1) << (at / 8 % 64);
    }
    AN(at == entries->size);
    if (count != s->header->entries)
        return refuse(reason, "it does not hold as many entries as its header states");
    return 0;
}

/* Every slot in use must lead to the beginning of a record. */
static int check_slots(const struct snapshot *s, const struct region *entries,
                       const uint64_t *begins, const char **reason)
{
    uint64_t used = 0;

    for (uint64_t i = 0; i <= s->mask; i++) {
        uint64_t at = s->slots[i].entry;

        if (at-- == 0)
            continue;
        used++;
        if (at >= entries->size / 8 || !(begins[at / 64] >> (at % 64) & 1))
            return refuse(reason, "its index leads astray");
    }
    if (used != s->header->entries)
        return refuse(reason, "its index does not hold as many entries as its header states");
    return 0;
}

/*
 * Checks records in the order in which they lie and then the slots against a map of them, because
 * going from slot to record would miss the processor's caches a million times.
 */
static int check_contents(const struct snapshot *s, const struct region *entries,
                          const struct region *bytes, const char **reason)
{
    uint64_t *begins;
    int rc;

    if (entries->size % 8 != 0)
        return refuse(reason, "its entries have an impossible size");
    begins = mem_zalloc(entries->size / 64 + sizeof *begins);
    rc = check_records(s, entries, bytes, begins, reason);
    if (rc == 0)
        rc = check_slots(s, entries, begins, reason);
    free(begins);
    return rc;
}

/* Compares the checksum of the contents. */
static int check_sum(const struct snapshot_header *h, const char *base, const char **reason)
{
    XXH128_hash_t sum = XXH3_128bits(base + sizeof *h, h->size - sizeof *h);

    if (sum.low64 != h->sum[0] || sum.high64 != h->sum[1])
        return refuse(reason, "its checksum is wrong");
    return 0;
}

/* Finds out what the entries were made of: the section may be missing. */
static int find_sources(struct snapshot *s, const char **reason)
{
    const struct snapshot_header *h = s->header;
    struct region sources;
    const void *first;

    for (unsigned i = 0; i < h->sections; i++) {
        if (h->section[i].kind != SNAPSHOT_SOURCES)
            continue;
        if (!find_section(h, SNAPSHOT_SOURCES, &sources)
            || sources.size % sizeof *s->sources != 0)
            return refuse(reason, "the section of its sources has an impossible size");
        first = s->base + sources.offset;
        s->sources = first;
        s->source_count = sources.size / sizeof *s->sources;
        return 0;
    }
    return 0;
}

/* Makes an image ready to be read whose entries need no look. */
int snapshot_open(const void *base, size_t size, bool whole, struct snapshot *out,
                  const char **reason)
{
    const struct snapshot_header *h = base;
    struct region entries, bytes, index;
    struct snapshot s = { .magic = SNAPSHOT_MAGIC, .base = base, .header = h };
    const void *slots;

    AN(base != NULL && out != NULL && reason != NULL);
    AN((uintptr_t)base % 8 == 0);
    if (snapshot_check_header(h, size, reason) != 0)
        return -1;
    if (!find_section(h, SNAPSHOT_BYTES, &bytes) || !find_section(h, SNAPSHOT_ENTRIES, &entries)
        || !find_section(h, SNAPSHOT_INDEX, &index))
        return refuse(reason, "a section is missing");
    slots = s.base + index.offset;
    s.slots = slots;
    s.entries = s.base + entries.offset;
    s.mask = h->slots - 1;
    s.probes = h->probes;
    if (find_sources(&s, reason) != 0)
        return -1;
    if (whole && check_sum(h, base, reason) != 0)
        return -1;
    *out = s;
    return 0;
}

/* Checks an image and makes it ready to be read. */
int snapshot_check(const void *base, size_t size, bool whole, struct snapshot *out,
                   const char **reason)
{
    struct region entries, bytes;
    struct snapshot s;

    if (snapshot_open(base, size, whole, &s, reason) != 0)
        return -1;
    if (!find_section(s.header, SNAPSHOT_BYTES, &bytes)
        || !find_section(s.header, SNAPSHOT_ENTRIES, &entries))
        NEVER("sections were there a moment ago");
    if (check_contents(&s, &entries, &bytes, reason) != 0)
        return -1;
    *out = s;
    return 0;
}

/* Finds the entry of a path. */
const struct snapshot_entry *snapshot_find(const struct snapshot *s, struct str path)
{
    uint64_t hash = XXH3_64bits(path.p, path.n);
    uint32_t tag = (uint32_t)(hash >> 32);

    CHECK_OBJ(s, SNAPSHOT_MAGIC);
    for (uint32_t i = 0; i < s->probes; i++) {
        const struct snapshot_slot *slot = &s->slots[(hash + i) & s->mask];
        const struct snapshot_entry *e;
        const void *record;

        if (slot->entry == 0)
            return NULL;
        if (slot->tag != tag)
            continue;
        record = s->entries + ((uint64_t)slot->entry - 1) * 8;
        e = record;
        if (e->path_size == path.n && memcmp(e + 1, path.p, path.n) == 0)
            return e;
    }
    return NULL;
}

/* Walks the entries. */
const struct snapshot_entry *snapshot_next(const struct snapshot *s,
                                           const struct snapshot_entry *e)
{
    struct region entries;
    const void *next;
    bool found;

    CHECK_OBJ(s, SNAPSHOT_MAGIC);
    found = find_section(s->header, SNAPSHOT_ENTRIES, &entries);
    AN(found);
    next = e ? (const char *)e + e->size : s->entries;
    return (const char *)next < s->entries + entries.size ? next : NULL;
}
