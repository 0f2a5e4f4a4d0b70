/*
 * pack_inspect.c - selvage-pack: reads images of files, verifies them, compares them.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Reading --------------------------------------------------------------------------------- */

/* Reads size bytes, which must be all that there are. NULL, or why that failed. */
static const char *read_all(int fd, char *to, size_t size)
{
    size_t got = 0;
    char more;
    ssize_t n;

    while (got < size) {
        n = read(fd, to + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerror(errno);
        if (n == 0)
            return "it became shorter while it was being read";
        got += (size_t)n;
    }
    do
        n = read(fd, &more, 1);
    while (n < 0 && errno == EINTR);
    return n == 0 ? NULL : n < 0 ? strerror(errno) : "it became longer while it was being read";
}

/* Reads an image. */
int pack_image_read(const char *path, struct pack_image *out)
{
    const char *reason = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    out->base = NULL;
    if (fd < 0 || fstat(fd, &st) != 0) {
        pack_say("%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        reason = "it is no regular file";
    } else {
        out->base = mem_alloc((size_t)st.st_size);
        reason = read_all(fd, out->base, (size_t)st.st_size);
    }
    close(fd);
    if (!reason
        && snapshot_check(out->base, (size_t)st.st_size, true, &out->snapshot, &reason) == 0)
        return 0;
    AN(reason != NULL);
    pack_say("%s is no image: %s", path, reason);
    pack_image_free(out);
    return -1;
}

/* Frees an image. */
void pack_image_free(struct pack_image *image)
{
    free(image->base);
    image->base = NULL;
}

/* ---- Verifying ------------------------------------------------------------------------------- */

/* What is wrong with a variant, beyond what every reader looks at; NULL: nothing. */
static const char *misfit(const struct snapshot *s, const struct snapshot_variant *v)
{
    uint64_t hash[2];

    if (!str_ends(snapshot_text(s, v->head, v->head_size), STR("\r\n"))
        || !str_ends(snapshot_text(s, v->brief, v->brief_size), STR("\r\n")))
        return "its head does not end";
    snapshot_body_hash(snapshot_text(s, v->body, v->body_size), hash);
    return hash[0] == v->hash[0] && hash[1] == v->hash[1] ? NULL
        : "its body is not the one that its hash promises";
}

/* Looks at each answer of an image that has been checked. 0; -1 after saying what is wrong. */
static int check_answers(const char *path, const struct snapshot *s)
{
    const struct snapshot_entry *e = NULL;

    while ((e = snapshot_next(s, e)) != NULL) {
        struct str name = snapshot_path(e);
        const char *wrong = snapshot_find(s, name) == e ? NULL : "the index does not lead to it";

        AN(e->variants > 0);
        for (unsigned i = 0; !wrong && i < e->variants; i++)
            wrong = misfit(s, &snapshot_variants(e)[i]);
        if (wrong) {
            pack_say("%s is no image: \"%.*s\": %s", path, STR_ARG(name), wrong);
            return -1;
        }
    }
    return 0;
}

/* Verifies images. */
int pack_check(const struct pack_options *o)
{
    int status = PACK_GOOD;

    AN(o->image_count > 0);
    for (size_t i = 0; i < o->image_count; i++) {
        struct pack_image image;

        if (pack_image_read(o->images[i], &image) != 0) {
            status = PACK_FAILED;
            continue;
        }
        if (check_answers(o->images[i], &image.snapshot) != 0)
            status = PACK_FAILED;
        else if (!o->quiet)
            printf("%s: ok, %llu paths\n", o->images[i],
                   (unsigned long long)image.snapshot.header->entries);
        pack_image_free(&image);
    }
    return status;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

/* Two answers to one path are the same for whoever asks without conditions or codings. */
static bool same_answer(const struct snapshot *a, const struct snapshot_entry *x,
                        const struct snapshot *b, const struct snapshot_entry *y)
{
    const struct snapshot_variant *v = snapshot_variants(x), *w = snapshot_variants(y);

    AN(x->variants > 0 && y->variants > 0);
    if (x->status != y->status || x->kind != y->kind || v->body_size != w->body_size
        || v->hash[0] != w->hash[0] || v->hash[1] != w->hash[1]
        || !str_eq(snapshot_text(a, x->type, x->type_size),
                   snapshot_text(b, y->type, y->type_size)))
        return false;
    return x->kind != SNAPSHOT_REDIRECT
        || str_eq(snapshot_text(a, x->extra, x->extra_size),
                  snapshot_text(b, y->extra, y->extra_size));
}

/* Writes a line about a path. */
static void put_change(const struct pack_options *o, char mark, const struct snapshot_entry *e)
{
    if (o->quiet)
        return;
    printf("%c ", mark);
    pack_put_escaped(snapshot_path(e));
    putchar('\n');
}

/* Compares what two images hold. */
static int compare(const struct pack_options *o, const struct snapshot *old,
                   const struct snapshot *new)
{
    unsigned long long added = 0, removed = 0, changed = 0;
    const struct snapshot_entry *e = NULL, *other;

    while ((e = snapshot_next(old, e)) != NULL) {
        other = snapshot_find(new, snapshot_path(e));
        if (other && same_answer(old, e, new, other))
            continue;
        removed += !other;
        changed += other != NULL;
        put_change(o, other ? '~' : '-', e);
    }
    while ((e = snapshot_next(new, e)) != NULL)
        if (!snapshot_find(old, snapshot_path(e))) {
            added++;
            put_change(o, '+', e);
        }
    if (added + removed + changed == 0)
        return PACK_SAME;
    if (!o->quiet)
        printf("%llu added, %llu removed, %llu changed\n", added, removed, changed);
    return PACK_DIFFERENT;
}

/* Compares two images. */
int pack_diff(const struct pack_options *o)
{
    struct pack_image old = { NULL }, new = { NULL };
    int status = PACK_TROUBLE;

    AN(o->image_count == 2);
    if (pack_image_read(o->images[0], &old) == 0 && pack_image_read(o->images[1], &new) == 0)
        status = compare(o, &old.snapshot, &new.snapshot);
    pack_image_free(&old);
    pack_image_free(&new);
    return status;
}
