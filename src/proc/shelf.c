/*
 * shelf.c - the images of each host, over the generations of the configuration.
 *
 * A shelf belongs to a name, not to a configuration: so a reload finds what answers now, and an
 * earlier version can be had back although another configuration has made it. Versions stand in the
 * order of their numbers, the newest first.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

struct shelf *shelf_find(struct master *m, struct str host)
{
    LIST_EACH(at, after, &m->shelves) {
        struct shelf *s = LIST_ITEM(at, struct shelf, link);

        CHECK_OBJ(s, SHELF_MAGIC);
        if (str_eq(str_of(s->host), host))
            return s;
    }
    return NULL;
}

/* The shelf of a host, which gets one if it has none. */
static struct shelf *shelf_have(struct master *m, struct str host)
{
    struct shelf *s = shelf_find(m, host);

    if (s)
        return s;
    s = mem_zalloc(sizeof *s);
    s->magic = SHELF_MAGIC;
    s->host = mem_alloc(host.n + 1);
    memcpy(s->host, host.p, host.n);
    s->host[host.n] = '\0';
    list_add(&m->shelves, &s->link);
    return s;
}

/* Takes a version out. */
static void take_out(struct shelf *s, size_t i)
{
    AN(i < s->count);
    image_version_unref(&s->versions[i]);
    s->count--;
    memmove(&s->versions[i], &s->versions[i + 1], (s->count - i) * sizeof s->versions[0]);
    if (s->current > i)
        s->current--;
}

/* Frees a shelf. */
static void shelf_free(struct shelf *s)
{
    while (s->count)
        take_out(s, s->count - 1);
    list_remove(&s->link);
    free(s->host);
    s->magic = 0;
    free(s);
}

struct image_version *shelf_current(const struct shelf *s)
{
    return s && s->count ? s->versions[s->current] : NULL;
}

void shelf_put(struct master *m, const struct slv_image *image, struct image_version *v)
{
    struct shelf *s = shelf_have(m, image->name);
    size_t keep = image->options.keep < SHELF_MAX ? image->options.keep : SHELF_MAX - 1;

    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    AN(s->count == 0 || v->number > s->versions[0]->number);
    while (s->count > keep)
        take_out(s, s->count - 1);
    memmove(&s->versions[1], &s->versions[0], s->count * sizeof s->versions[0]);
    s->versions[0] = image_version_ref(v);
    s->count++;
    s->current = 0;
    s->held = false;
}

/* Where the version of that number stands, or the one before the current; count: nowhere. */
static size_t find_earlier(const struct shelf *s, uint64_t number)
{
    size_t i = 0;

    CHECK_OBJ(s, SHELF_MAGIC);
    while (i < s->count && (number ? s->versions[i]->number != number : i != s->current + 1))
        i++;
    return i;
}

struct image_version *shelf_earlier(const struct shelf *s, uint64_t number)
{
    size_t i = s ? find_earlier(s, number) : 0;

    return s && i < s->count ? s->versions[i] : NULL;
}

struct image_version *shelf_roll_back(struct shelf *s, uint64_t number)
{
    size_t i = find_earlier(s, number);

    AN(i < s->count);
    s->current = i;
    s->held = true;
    return s->versions[i];
}

void shelves_lend(struct master *m, const struct config *config)
{
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        image_use(i, shelf_current(shelf_find(m, i->name)));
}

/* Some image of the configuration has that name. */
static bool is_wanted(const struct config *config, const char *host)
{
    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (str_eq(i->name, str_of(host)))
            return true;
    return false;
}

void shelves_take(struct master *m, const struct config *config)
{
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (i->current && i->current != shelf_current(shelf_find(m, i->name)))
            shelf_put(m, i, i->current);
    LIST_EACH(at, after, &m->shelves)
        if (!is_wanted(config, LIST_ITEM(at, struct shelf, link)->host))
            shelf_free(LIST_ITEM(at, struct shelf, link));
}

void shelves_free(struct master *m)
{
    LIST_EACH(at, after, &m->shelves)
        shelf_free(LIST_ITEM(at, struct shelf, link));
    AN(list_empty(&m->shelves));
}
