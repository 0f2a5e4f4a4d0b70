/*
 * image_refine.c - an image that is made of an earlier one alone, to be smaller to send.
 *
 * Refining happens while nobody has asked for it. So it must not look at the files: what lies there
 * may be half of the next version of the site, which is not to be seen before somebody says so.
 */
#include "core/image_build.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/snapshot.h"

/* The image is to be refined. */
bool slv_build_refines(const struct slv_build *b)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return b->job->effort == IMAGE_SHARE && b->job->previous && b->job->same_config;
}

/* The next answer of the earlier image. */
bool slv_build_each(struct slv_build *b, struct slv_again *at)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_entry *e = snapshot_next(s, at->entry);

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(slv_build_refines(b));
    /* Error pages are made anew of the files that they show. */
    while (e && e->kind == SNAPSHOT_ERROR_PAGE)
        e = snapshot_next(s, e);
    if (!e)
        return false;
    if (!b->originals)
        b->originals = mem_zalloc((s->source_count + 1) * sizeof *b->originals);
    at->entry = e;
    at->path = snapshot_path(e);
    /* Another path of a file has its source, and stands behind it. */
    at->alias = e->source && b->originals[e->source];
    if (e->source && !at->alias)
        b->originals[e->source] = e;
    at->incomplete = !at->alias && e->kind == SNAPSHOT_FILE && e->source
        && e->flags & SNAPSHOT_PUT_OFF;
    return true;
}

/* Adds an answer of the earlier image as it is. */
int slv_build_again(struct slv_build *b, const struct slv_again *at)
{
    const struct snapshot_entry *e = at->entry;
    int rc;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(slv_build_refines(b));
    if (at->alias)
        rc = snapshot_add_alias(b->writer, at->path, snapshot_path(b->originals[e->source]));
    else
        rc = snapshot_take(b->writer, e,
                           e->source ? snapshot_source(b->job->previous, e) : NULL);
    b->job->put_off += rc == 0 && !at->alias && e->flags & SNAPSHOT_PUT_OFF;
    return rc == 0 ? 0 : image_add_failed(b);
}
