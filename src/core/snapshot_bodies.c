/*
 * snapshot_bodies.c - bodies of an image in the making, each of which lies there once.
 *
 * Which bodies of the earlier image are equal is known from there. So one that lies behind all that
 * has been taken from there so far can be equal to new ones only, and most builds have few of
 * those: the table of all bodies, in which every look is a miss of the processor's caches, is made
 * when it is really asked for. Even then the first few look-ups go through the entries one by one,
 * because filling the table takes as long as a dozen of those.
 */
#define XXH_INLINE_ALL
#include "core/snapshot_write.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <xxhash.h>

#define FIRST_ROOM 64u
#define ROOM_MAX ((uint64_t)1 << 24) /* of a table that is made without need */
#define SCANS_MAX 16u

/* What the entity-tag of a body is made of. */
void snapshot_body_hash(struct str body, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits(body.p, body.n);

    out[0] = hash.low64;
    out[1] = hash.high64;
}

/* The place of a body in the table: the one that holds it, or a free one. */
static struct snapshot_stored *find_stored(const struct snapshot_bodies *b,
                                           const uint64_t hash[2], uint64_t size)
{
    for (uint64_t i = hash[0];; i++) {
        struct snapshot_stored *at = &b->table[i & (b->room - 1)];

        if (at->size == 0
            || (at->hash[0] == hash[0] && at->hash[1] == hash[1] && at->size == size))
            return at;
    }
}

/* Makes the table larger. */
static void grow(struct snapshot_bodies *b, uint64_t room)
{
    struct snapshot_stored *old = b->table;
    uint64_t old_room = b->room;

    b->room = room;
    b->table = mem_zalloc(room * sizeof *b->table);
    for (uint64_t i = 0; i < old_room; i++)
        if (old[i].size > 0)
            *find_stored(b, old[i].hash, old[i].size) = old[i];
    free(old);
}

/* Enters a body into the table, unless an equal one is there. */
static void enter(struct snapshot_bodies *b, const struct snapshot_variant *v)
{
    struct snapshot_stored *place;

    if (v->body_size == 0)
        return;
    if (b->count >= b->room / 2)
        grow(b, b->room ? b->room * 2 : FIRST_ROOM);
    place = find_stored(b, v->hash, v->body_size);
    if (place->size > 0)
        return;
    *place = (struct snapshot_stored){ { v->hash[0], v->hash[1] }, v->body, v->body_size };
    b->count++;
}

/* Enters all bodies of entries that have not been entered. */
static void enter_all(struct snapshot_writer *w)
{
    struct snapshot_bodies *b = &w->bodies;
    const struct snapshot *previous = w->stream.previous;
    uint64_t room = b->room ? b->room : FIRST_ROOM;

    /* Most bodies will come again, two or three for each entry: growing would take longer. */
    while (previous && b->entered == 0 && room < 4 * previous->header->entries && room < ROOM_MAX)
        room *= 2;
    if (room > b->room)
        grow(b, room);
    while (b->entered < w->entries_size) {
        const struct snapshot_entry *e = writer_entry(w, b->entered);

        for (unsigned i = 0; i < e->variants; i++)
            enter(b, &snapshot_variants(e)[i]);
        b->entered += e->size;
    }
}

/* The variant has that body, as far as the hash tells. */
static bool looks_equal(const struct snapshot_variant *a, const struct snapshot_variant *b)
{
    return a->body_size == b->body_size && a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1];
}

/* Goes through variants. True: *at is where the body lies. */
static bool scan_variants(const struct snapshot_variant *list, size_t count,
                          const struct snapshot_variant *v, uint64_t *at)
{
    for (size_t i = 0; i < count; i++)
        if (looks_equal(&list[i], v)) {
            *at = list[i].body;
            return true;
        }
    return false;
}

/* Goes through the entries that are not in the table. True: *at is where the body lies. */
static bool scan_entries(struct snapshot_writer *w, const struct snapshot_variant *v,
                         uint64_t *at)
{
    const struct snapshot_entry *e;

    for (uint64_t i = w->bodies.entered; i < w->entries_size; i += e->size) {
        e = writer_entry(w, i);
        if (scan_variants(snapshot_variants(e), e->variants, v, at))
            return true;
    }
    return false;
}

/* Finds a body in the table. */
static bool look_up(const struct snapshot_bodies *b, const struct snapshot_variant *v, uint64_t *at)
{
    const struct snapshot_stored *place = b->room ? find_stored(b, v->hash, v->body_size) : NULL;

    if (!place || place->size == 0)
        return false;
    *at = place->offset;
    return true;
}

/* Finds a body by its hash; behind: nothing that came from the earlier image can be equal. */
static bool find_hash(struct snapshot_writer *w, const struct snapshot_variant *v, bool behind,
                      uint64_t *at)
{
    struct snapshot_bodies *b = &w->bodies;

    if (look_up(b, v, at))
        return true;
    if (behind || b->entered == w->entries_size)
        return false;
    /* From nothing, all bodies are in the table from the beginning. */
    if (!w->stream.previous) {
        b->entered = w->entries_size;
        return false;
    }
    if (b->scans < SCANS_MAX) {
        b->scans++;
        return scan_entries(w, v, at);
    }
    enter_all(w);
    return look_up(b, v, at);
}

/*
 * Finds a body that was written before: in an entry, or among the first variants of the one that is
 * being added.
 */
static bool find_body(struct snapshot_writer *w, struct str body,
                      const struct snapshot_variant *v, const struct snapshot_variant *before,
                      size_t count, uint64_t *at)
{
    uint64_t from = stream_previous_offset(&w->stream, body.p);

    AN(body.n == v->body_size);
    if (body.n == 0)
        return false;
    if (!scan_variants(before, count, v, at)
        && !find_hash(w, v, from && from >= w->stream.taken, at))
        return false;
    return (from && from == stream_origin(&w->stream, *at)) || stream_has(&w->stream, body, *at);
}

/* Writes head and body of a variant. */
int bodies_put(struct snapshot_writer *w, const struct snapshot_new_variant *from,
               struct snapshot_variant *variants, size_t before)
{
    struct snapshot_variant *v = &variants[before];
    bool shared;

    AN(from->head.n >= 2 && from->brief.n >= 2);
    if (from->head.n > UINT32_MAX || from->brief.n > UINT16_MAX)
        return stream_fail(&w->stream, "the head of an answer is too long", 0);
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
    shared = find_body(w, from->body, v, variants, before, &v->body);
    if (stream_put(&w->stream, from->brief.p, from->brief.n, &v->brief) != 0
        || stream_put(&w->stream, from->head.p, from->head.n, &v->head) != 0)
        return -1;
    if (shared) {
        w->shared++;
        return 0;
    }
    if (stream_put(&w->stream, from->body.p, from->body.n, &v->body) != 0)
        return -1;
    if (!stream_previous_offset(&w->stream, from->body.p))
        enter(&w->bodies, v);
    return 0;
}
