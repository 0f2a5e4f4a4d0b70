/*
 * fuzz_snapshot.c - prebuilt images that somebody hostile wrote.
 *
 * The input is an image. It is checked as it is, and again with the checksum of its header mended,
 * so that the checks behind it are reached. Of an image that passes, every byte that a reader may
 * touch is touched, and the paths of its own entries are looked up.
 */
#include "core/snapshot.h"
#include "fuzz.h"

/* Where touched bytes are summed up, so that no compiler leaves the reads out. */
static volatile unsigned sink;

/* Reads every byte of a text of the image. */
static void touch(const struct snapshot *s, uint64_t offset, uint64_t size)
{
    struct str text = snapshot_text(s, offset, size);
    unsigned sum = 0;

    for (size_t i = 0; i < text.n; i++)
        sum += (unsigned char)text.p[i];
    sink += sum;
}

/* Reads all that an entry leads to. */
static void touch_entry(const struct snapshot *s, const struct snapshot_entry *e)
{
    const struct snapshot_variant *v = snapshot_variants(e);

    promise(e->variants >= 1 && e->variants <= SNAPSHOT_VARIANTS_MAX);
    promise(v[0].coding == CODING_IDENTITY);
    if (snapshot_source(s, e))
        touch(s, (uint64_t)((const char *)snapshot_source(s, e) - s->base),
              sizeof(struct snapshot_source));
    if (e->kind == SNAPSHOT_REDIRECT)
        promise(snapshot_text(s, e->extra, 1).p[0] == '/');
    touch(s, e->type, e->type_size);
    touch(s, e->extra, e->extra_size);
    for (unsigned i = 0; i < e->variants; i++) {
        touch(s, v[i].head, v[i].head_size);
        touch(s, v[i].brief, v[i].brief_size);
        touch(s, v[i].brief + v[i].etag_at, v[i].etag_size);
        touch(s, v[i].body, v[i].body_size);
    }
}

/* Checks an image and, if it passes, goes through it. */
static void try_image(const char *base, size_t size)
{
    const struct snapshot_entry *e = NULL, *found;
    const char *reason = NULL;
    uint64_t count = 0;
    struct snapshot s;

    if (snapshot_check(base, size, false, &s, &reason) != 0) {
        promise(reason != NULL);
        return;
    }
    while ((e = snapshot_next(&s, e)) != NULL) {
        count++;
        /* A million overlapping megabytes would be a slow input, not a wrong one. */
        if (count <= 64)
            touch_entry(&s, e);
        found = snapshot_find(&s, snapshot_path(e));
        if (found) {
            promise(str_eq(snapshot_path(found), snapshot_path(e)));
            if (count <= 64)
                touch_entry(&s, found);
        }
    }
    promise(count == s.header->entries);
    promise(snapshot_find(&s, STR("no such path")) == NULL
            || str_eq(snapshot_path(snapshot_find(&s, STR("no such path"))),
                      STR("no such path")));
}

/* One input, in a block of exactly its size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *base = malloc(size ? size : 1);

    promise(base != NULL);
    memcpy(base, data, size);
    try_image(base, size);
    if (size >= sizeof(struct snapshot_header)) {
        struct snapshot_header *h = (void *)base;

        h->header_sum = snapshot_header_sum(h);
        try_image(base, size);
        h->size = size;
        h->header_sum = snapshot_header_sum(h);
        try_image(base, size);
    }
    free(base);
    return 0;
}
