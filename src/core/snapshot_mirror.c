/*
 * snapshot_mirror.c - as long as an image in the making is the earlier one, nothing is made at all.
 *
 * The same entries in the same order make the same bytes. So while what is added is what the next
 * record of the earlier image says, that record stands for it: there is no copy of it, no index, no
 * table of bodies, only the place up to which both are the same. Records are believed only where
 * their bytes lie as this writer would have put them.
 */
#include "core/snapshot_write.h"

#include "base/check.h"

/* The record that comes next in the earlier image; NULL: none, or both differ already. */
static const struct snapshot_entry *next_record(const struct snapshot_writer *w)
{
    const void *next;

    if (!w->mirrors || w->entries_size >= w->mirror_size)
        return NULL;
    next = w->stream.previous->entries + w->entries_size;
    return next;
}

/* The record of a path that has been added. */
const struct snapshot_entry *mirror_find(const struct snapshot_writer *w, struct str path)
{
    const struct snapshot_entry *next = next_record(w), *e;

    AN(w->mirrors);
    /* Mostly the question is whether what comes next is new, and no path is there twice. */
    if (w->entries_size == 0 || (next && str_eq(snapshot_path(next), path)))
        return NULL;
    e = snapshot_find(w->stream.previous, path);
    return e && (const char *)e < w->stream.previous->entries + w->entries_size ? e : NULL;
}

/* ---- Is it as it would have been written? ---------------------------------------------------- */

/* A text of the earlier image is this one. */
static bool same_text(const struct snapshot *s, uint64_t offset, uint64_t size, struct str text)
{
    return size == text.n
        && (size == 0 || text.p == s->base + offset || memcmp(text.p, s->base + offset, size) == 0);
}

/* A type or an extra lies where that of the last entry lies, if it is the same, or else at *at. */
static bool text_fits(const struct snapshot *s, uint64_t offset, uint64_t size,
                      const uint64_t *last, uint64_t last_size, uint64_t *at)
{
    if (last && same_text(s, *last, last_size, snapshot_text(s, offset, size)))
        return offset == *last;
    if (offset != *at)
        return false;
    *at += size;
    return true;
}

/* The bytes of a record lie where they would have been put. *end is where they end. */
static bool lies_right(const struct snapshot_writer *w, const struct snapshot_entry *n,
                       uint64_t *end, unsigned *shared)
{
    const struct snapshot_entry *last = w->mirror_last;
    const struct snapshot_variant *v = snapshot_variants(n);
    const struct snapshot *s = w->stream.previous;
    uint64_t at = w->stream.end;

    if (!text_fits(s, n->type, n->type_size, last ? &last->type : NULL,
                   last ? last->type_size : 0, &at)
        || !text_fits(s, n->extra, n->extra_size, last ? &last->extra : NULL,
                      last ? last->extra_size : 0, &at))
        return false;
    for (unsigned i = 0; i < n->variants; i++) {
        if (v[i].brief != at || v[i].head != at + v[i].brief_size)
            return false;
        at += (uint64_t)v[i].brief_size + v[i].head_size;
        if (v[i].body == at) {
            at += v[i].body_size;
            continue;
        }
        if (v[i].body_size == 0 || v[i].body > at || v[i].body_size > at - v[i].body)
            return false;
        ++*shared;
    }
    *end = at;
    return true;
}

/* ---- Is it the same? ------------------------------------------------------------------------- */

/* A variant of the earlier image is the one that is added. */
static bool same_variant(const struct snapshot *s, const struct snapshot_variant *v,
                         const struct snapshot_new_variant *from)
{
    if (v->coding != from->coding || v->etag_size != from->etag.n
        || (from->etag.n > 0 && v->etag_at != from->etag.p - from->brief.p))
        return false;
    if (from->hash && memcmp(from->hash, v->hash, sizeof v->hash) != 0)
        return false;
    return same_text(s, v->brief, v->brief_size, from->brief)
        && same_text(s, v->head, v->head_size, from->head)
        && same_text(s, v->body, v->body_size, from->body);
}

/* The record is the entry that is added; its source is one that both have or lack. */
static bool same_entry(const struct snapshot *s, const struct snapshot_entry *n,
                       const struct snapshot_new_entry *e)
{
    if (n->kind != e->kind || n->status != e->status || n->flags != e->flags
        || n->modified != e->modified || n->variants != e->count
        || !str_eq(snapshot_path(n), e->path)
        || !same_text(s, n->type, n->type_size, e->type)
        || !same_text(s, n->extra, n->extra_size, e->extra))
        return false;
    for (size_t i = 0; i < e->count; i++)
        if (!same_variant(s, &snapshot_variants(n)[i], &e->variants[i]))
            return false;
    return true;
}

/* ---- Adding ---------------------------------------------------------------------------------- */

/* The number that the source of the next entry gets. */
static uint32_t next_source(const struct snapshot_writer *w, const struct snapshot_source *source)
{
    return source ? w->source_count + 1 : 0;
}

/* Goes on behind a record whose bytes end there. */
static void pass(struct snapshot_writer *w, const struct snapshot_entry *n, uint64_t end)
{
    stream_follow(&w->stream, end);
    if (w->count >= w->slot_count / 2)
        w->slot_count *= 2;
    w->count++;
    w->entries_size += n->size;
}

/* An entry of the earlier image is taken as it is. */
bool mirror_take(struct snapshot_writer *w, const struct snapshot_entry *e,
                 const struct snapshot_source *source)
{
    unsigned shared = 0;
    uint64_t end;

    if (e != next_record(w) || e->source != next_source(w, source)
        || !lies_right(w, e, &end, &shared))
        return false;
    pass(w, e, end);
    w->shared += shared;
    w->mirror_last = e;
    return true;
}

/* An entry is added. */
bool mirror_add(struct snapshot_writer *w, const struct snapshot_new_entry *e)
{
    const struct snapshot_entry *n = next_record(w);

    return n && same_entry(w->stream.previous, n, e) && mirror_take(w, n, e->source);
}

/* A record is added whose texts and bodies have been added before. */
bool mirror_add_record(struct snapshot_writer *w, const struct snapshot_entry *e, struct str path,
                       const struct snapshot_variant *variants)
{
    const struct snapshot_entry *n = next_record(w);

    if (!n || memcmp(n, e, sizeof *e) != 0 || !str_eq(snapshot_path(n), path)
        || memcmp(snapshot_variants(n), variants, e->variants * sizeof *variants) != 0)
        return false;
    pass(w, n, w->stream.end);
    return true;
}

/* The heads of a page are added. */
bool mirror_add_heads(struct snapshot_writer *w, struct str key,
                      const struct snapshot_new_variant *heads, struct snapshot_variant *variants,
                      size_t count)
{
    const struct snapshot_entry *n = next_record(w);
    const struct snapshot *s = w->stream.previous;
    const struct snapshot_variant *v;
    uint64_t at = w->stream.end;

    if (!n || n->variants != count || !str_eq(snapshot_path(n), key))
        return false;
    v = snapshot_variants(n);
    for (size_t i = 0; i < count; i++) {
        if (v[i].brief != at || v[i].head != at + v[i].brief_size
            || !same_text(s, v[i].brief, v[i].brief_size, heads[i].brief)
            || !same_text(s, v[i].head, v[i].head_size, heads[i].head))
            return false;
        variants[i].brief = v[i].brief;
        variants[i].head = v[i].head;
        at += (uint64_t)v[i].brief_size + v[i].head_size;
    }
    stream_follow(&w->stream, at);
    return true;
}

/* All that was added is the earlier image, from its beginning to its end. */
bool mirror_whole(const struct snapshot_writer *w)
{
    const struct snapshot_header *h;

    if (!w->mirrors || w->entries_size != w->mirror_size)
        return false;
    h = w->stream.previous->header;
    for (unsigned i = 0; i < h->sections; i++)
        if (h->section[i].kind == SNAPSHOT_BYTES)
            return h->slots == w->slot_count && h->section[i].offset == sizeof *h
                && h->section[i].size == w->stream.end - sizeof *h;
    return false;
}
