/*
 * item.c - answers on their way into the image.
 *
 * They wait in a queue while threads make their variants, and go into the image in the order of the
 * walk, so that it does not depend on how fast the threads are. Of equal bodies one is compressed,
 * if they are not too far apart.
 */
#include "item.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INDEX_MAX 16
/* On their way at a time. A body that is larger than all of them waits for them and goes alone. */
#define ITEMS_MAX 4096u
#define BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Bytes of bodies that are kept because an equal one may come. */
#define RECENT_MAX ((size_t)32 * 1024 * 1024)

/* Copies a text to *end, which moves behind it. */
static struct str keep(char **end, struct str s)
{
    struct str copy = { *end, s.n };

    if (s.n > 0)
        memcpy(*end, s.p, s.n);
    (*end)[s.n] = '\0';
    *end += s.n + 1;
    return copy;
}

struct item *item_new(const struct builder *w, struct str path, struct str type)
{
    struct item *it = prebuilt_need(calloc(1, sizeof *it + path.n + w->file_size + type.n + 3));
    char *end = it->text;

    it->refs = 1;
    it->path = keep(&end, path);
    it->file = keep(&end, (struct str){ w->file, w->file_size });
    it->type = keep(&end, type);
    return it;
}

/* Gives an item back; the last one frees it. */
static void drop_item(struct item *it)
{
    if (--it->refs > 0)
        return;
    if (it->twin)
        drop_item(it->twin);
    render_drop(&it->work);
    free(it->data);
    free(it);
}

/* ---- Equal bodies ---------------------------------------------------------------------------- */

/* Forgets the items that were compressed recently. */
static void forget_recent(struct builder *w)
{
    for (size_t i = 0; i < RECENT_SLOTS; i++) {
        if (w->recent[i])
            drop_item(w->recent[i]);
        w->recent[i] = NULL;
    }
    w->recent_size = 0;
}

/* Each body has one place, and when bodies become too many bytes all are forgotten. */
bool item_find_twin(struct builder *w, struct item *it)
{
    size_t size = it->work.size;
    uint32_t sum = libdeflate_crc32(it->work.text, it->work.data, size);
    struct item **at = &w->recent[sum % RECENT_SLOTS], *other = *at;

    if (other && other->work.size == size && other->work.text == it->work.text
        && memcmp(other->work.data, it->work.data, size) == 0) {
        other->refs++;
        it->twin = other;
        return true;
    }
    if (size > RECENT_MAX / 4)
        return false;
    if (w->recent_size + size > RECENT_MAX)
        forget_recent(w);
    if (*at) {
        w->recent_size -= (*at)->work.size;
        drop_item(*at);
    }
    it->refs++;
    *at = it;
    w->recent_size += size;
    return false;
}

/* ---- Into the image -------------------------------------------------------------------------- */

/* The variant of an item in a coding; size 0: it has none. */
static struct slv_variant variant_of(const struct item *it, enum slv_coding c)
{
    const struct item *from = it->twin ? it->twin : it;

    if (from->work.made[c].n > 0)
        return (struct slv_variant){ c, from->work.made[c].p, from->work.made[c].n };
    return from->old[c];
}

/* Adds the answer of a file. 0 or -1. */
static int make_answer(struct builder *w, struct item *it)
{
    struct slv_variant variants[SLV_CODING_COUNT] = {
        { SLV_CODING_IDENTITY, it->work.data, it->work.size }
    };
    struct slv_prebuilt p = {
        .path = it->path, .modified = it->origin.modified, .content_type = it->type,
        .cache_control = it->cache_control, .negotiated = it->negotiated,
        .fields = it->links,
        .variants = variants, .count = 1, .origin = &it->origin, .incomplete = it->incomplete
    };

    for (int c = SLV_CODING_IDENTITY + 1; c < SLV_CODING_COUNT; c++) {
        variants[p.count] = variant_of(it, (enum slv_coding)c);
        p.count += variants[p.count].size > 0;
    }
    return slv_build_add(w->b, &p);
}

/* Adds the answer of a file, or takes it over. 0 or -1. */
static int add_file(struct builder *w, struct item *it)
{
    bool kept = false;

    if (it->keep && slv_build_keep(w->b, it->path, it->type, &it->origin, &kept) != 0)
        return -1;
    if (!kept && make_answer(w, it) != 0)
        return -1;
    for (int c = SLV_CODING_IDENTITY + 1; c < SLV_CODING_COUNT; c++) {
        size_t size = variant_of(it, (enum slv_coding)c).size;

        w->made[c] += size > 0;
        w->made_bytes[c] += size;
    }
    w->files++;
    w->put_off += it->incomplete;
    w->bytes += it->work.size;
    return 0;
}

/*
 * The directory without its slash leads to it, if that is what its path would be answered with. 0
 * or -1.
 */
static int add_redirect(struct builder *w, const struct item *it)
{
    struct str path = { it->path.p, it->path.n - 1 }, dir = { it->file.p, it->file.n - 1 };
    const struct prebuilt_conf *conf;
    struct slv_request *r;
    int rc = 0;

    if (path.n == 0 || slv_build_has(w->b, path))
        return 0;
    r = slv_build_request(w->b, path);
    conf = slv_request_conf(r, &selvage_module);
    if (conf->on && str_eq(slv_request_file(r, path), dir)
        && slv_build_admits(w->b, r, slv_request_file(r, path)))
        rc = slv_build_redirect(w->b, path);
    slv_build_drop(w->b, &r);
    return rc;
}

/*
 * Answers a directory as its index file. One that is there but not in the image ends the search:
 * "static" finds it. 0 or -1.
 */
static int add_index(struct builder *w, const struct item *it)
{
    struct str path = it->path, names[INDEX_MAX];
    const struct prebuilt_conf *conf;
    struct slv_request *r;
    struct stat st;
    size_t count;
    int rc = 0;

    if (slv_build_has(w->b, path))
        return 0;
    r = slv_build_request(w->b, path);
    conf = slv_request_conf(r, &selvage_module);
    count = conf->on && source_fits(w, r, path, it->file)
        ? slv_request_index(r, names, INDEX_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        struct str target = slv_printf(r, "%.*s%.*s",
                                       names[i].n && names[i].p[0] == '/' ? 0 : (int)path.n, path.p,
                                       STR_ARG(names[i]));
        struct str file = slv_request_file(r, target);

        if (slv_build_has(w->b, target)) {
            rc = slv_build_alias(w->b, path, target);
            w->directories++;
            break;
        }
        if (file.p && stat(file.p, &st) == 0)
            break;
    }
    slv_build_drop(w->b, &r);
    return rc;
}

/* Adds what a directory is answered with, with its slash and without. 0 or -1. */
static int add_directory(struct builder *w, const struct item *it)
{
    return add_index(w, it) == 0 ? add_redirect(w, it) : -1;
}

/* Puts the item that is next into the image. 0 or -1. */
static int finish_first(struct builder *w)
{
    struct item *it = w->items;
    int rc;

    if (it->work.wanted)
        pool_wait(w->pool, &it->work);
    w->items = it->next;
    if (!w->items)
        w->items_end = &w->items;
    w->item_count--;
    w->bytes_in_flight -= it->cost;
    if (it->work.failed)
        prebuilt_need(NULL);
    rc = it->kind == ITEM_FILE ? add_file(w, it)
        : it->kind == ITEM_DIRECTORY ? add_directory(w, it) : slv_build_again(w->b, &it->again);
    /* The message that follows is to name this one, not where the walk is by now. */
    if (rc != 0)
        memcpy(w->file, it->file.p, it->file.n + 1);
    drop_item(it);
    builder_say_progress(w);
    return rc;
}

int item_enqueue(struct builder *w, struct item *it)
{
    int rc = 0;

    while (rc == 0 && w->items
           && (w->item_count >= ITEMS_MAX || w->bytes_in_flight + it->cost > BYTES_MAX))
        rc = finish_first(w);
    *w->items_end = it;
    w->items_end = &it->next;
    w->item_count++;
    w->bytes_in_flight += it->cost;
    if (it->work.wanted)
        pool_submit(w->pool, &it->work);
    else if (w->items == it && rc == 0)
        rc = finish_first(w);
    return rc;
}

int items_settle(struct builder *w)
{
    while (w->items)
        if (finish_first(w) != 0)
            return -1;
    return 0;
}

void items_forget(struct builder *w)
{
    forget_recent(w);
    while (w->items) {
        struct item *it = w->items;

        w->items = it->next;
        drop_item(it);
    }
    w->items_end = &w->items;
    w->item_count = w->bytes_in_flight = 0;
}
