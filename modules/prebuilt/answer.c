/*
 * answer.c - from a file to its answer.
 *
 * Each file is looked up as a request for its path would be: only if the location which answers
 * that path is one with "prebuilt on" and would open this very file does it become an answer.
 * From there on item.c has it.
 *
 * What an earlier image has of the same file is used again: without reading the file where it
 * looks as it did, and otherwise where its bytes turn out to be the same; and so is what it has of
 * another file with the same bytes, which was moved or copied.
 */
#include "item.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define QUICK (1u << SLV_CODING_GZIP)
#define SLOW (1u << SLV_CODING_BR | 1u << SLV_CODING_ZSTD)

/* ---- Reading --------------------------------------------------------------------------------- */

/* Nothing happened to a file between two looks at it. */
static bool same_look(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
        && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
        && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads size bytes; one more must not be there. False: errno, or 0 where there are more or less. */
static bool read_bytes(int fd, char *data, size_t size)
{
    size_t got = 0;

    while (got <= size) {
        ssize_t n = read(fd, data + got, size + 1 - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        got += (size_t)n;
        /* A regular file gives less than was asked for at its end only. */
        if (n == 0 || got == size)
            break;
    }
    errno = 0;
    return got == size;
}

/*
 * Reads the file at hand. It counts only if it was the same when the walk came by and afterwards,
 * so that half of a deployment does not become an answer. NULL: left out.
 */
static char *read_file(struct builder *w, const struct supply *s)
{
    int fd = openat(s->dir, s->name, READ_FLAGS | (s->linked ? 0 : O_NOFOLLOW));
    size_t size = (size_t)s->origin.size;
    struct stat after;
    char *data;

    if (fd < 0) {
        builder_leave_out(w, UNREADABLE, errno, NULL);
        return NULL;
    }
    data = prebuilt_need(malloc(size + 1));
    if (!read_bytes(fd, data, size))
        builder_leave_out(w, errno ? UNREADABLE : CHANGED, errno, NULL);
    else if (fstat(fd, &after) != 0 || !same_look(s->st, &after))
        builder_leave_out(w, CHANGED, 0, NULL);
    else
        size++;
    close(fd);
    if (size > (size_t)s->origin.size)
        return data;
    free(data);
    return NULL;
}

/* ---- What is at hand ------------------------------------------------------------------------- */

/* The path that the file at hand answers, in w->path; .p NULL where it is too long. */
static struct str path_of(struct builder *w)
{
    size_t n = w->file_size - w->tree.dir.n;

    if (w->tree.path.n + n >= sizeof w->path)
        return (struct str){ NULL, 0 };
    memcpy(w->path, w->tree.path.p, w->tree.path.n);
    memcpy(w->path + w->tree.path.n, w->file + w->tree.dir.n, n);
    return (struct str){ w->path, w->tree.path.n + n };
}

/* Two times are the same. */
static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The file is the one that the earlier image was made of, so that it need not be read. */
static bool same_file(const struct slv_earlier *e, const struct supply *s)
{
    const struct slv_origin *o = &s->origin;

    return e->settled && e->origin.device == o->device && e->origin.inode == o->inode
        && e->origin.size == o->size && same_time(&e->origin.changed, &o->changed)
        && (s->hashed || same_time(&e->origin.modified, &o->modified));
}

/*
 * Decides which variants are taken over, made, or put off. e: an answer of the earlier image with
 * this body; NULL: there is nothing to be had. mine: it is that of the same path.
 */
static void plan(struct builder *w, struct item *it, const struct slv_earlier *e, bool mine)
{
    size_t size = it->work.size;

    if (!it->negotiated || !render_may_pay(size)) {
        it->keep = mine && e->count == 1 && !e->incomplete;
        return;
    }
    it->work.wanted = QUICK | SLOW;
    if (e && e->negotiated) {
        for (size_t i = 1; i < e->count; i++)
            it->old[e->variants[i].coding] = e->variants[i];
        it->work.gzip_size = it->old[SLV_CODING_GZIP].size;
        it->work.wanted = e->incomplete ? SLOW : 0;
    }
    if (it->work.wanted && item_find_twin(w, it)) {
        it->incomplete = it->twin->incomplete;
        it->work.wanted = 0;
    }
    it->incomplete |= it->work.wanted & SLOW && !slv_build_afford(w->b, size, e && e->incomplete);
    if (it->incomplete)
        it->work.wanted &= ~SLOW;
    it->keep = mine && e->negotiated && it->work.wanted == 0 && it->incomplete == e->incomplete;
}

/*
 * Gets the bytes of the file at hand: *data is NULL where they are those of the earlier image.
 * False: left out.
 */
static bool get_bytes(struct builder *w, const struct supply *s, const struct slv_earlier *e,
                      char **data)
{
    *data = NULL;
    if (e && same_file(e, s)) {
        /* Under another configuration the process may be another user's. */
        if (e->same_config || !s->name || faccessat(s->dir, s->name, R_OK, AT_EACCESS) == 0)
            return true;
        builder_leave_out(w, UNREADABLE, errno, NULL);
        return false;
    }
    *data = s->read(w, s);
    if (!*data)
        return false;
    w->read++;
    if (e && e->origin.size == s->origin.size
        && memcmp(*data, e->variants[0].data, (size_t)s->origin.size) == 0) {
        free(*data);
        *data = NULL;
    }
    return true;
}

/* The earlier image has these bytes under another path, compressed as this type would be. */
static bool had_elsewhere(struct builder *w, struct str body, struct str type,
                          struct slv_earlier *e)
{
    return render_negotiable(type) && slv_build_earlier_body(w->b, body, e) && e->negotiated
        && render_text(e->content_type) == render_text(type);
}

/* The item for a file that is wanted; NULL: left out. */
static struct item *make_item(struct builder *w, const struct supply *s, struct str path,
                              struct str type)
{
    struct slv_earlier earlier;
    bool known = slv_build_earlier(w->b, path, &earlier), mine;
    struct item *it;
    char *data;

    if (!get_bytes(w, s, known ? &earlier : NULL, &data))
        return NULL;
    mine = !data;
    known = mine || had_elsewhere(w, (struct str){ data, (size_t)s->origin.size }, type, &earlier);
    if (known) {
        free(data);
        data = NULL;
    }
    it = item_new(w, path, type);
    it->kind = ITEM_FILE;
    it->origin = s->origin;
    it->negotiated = render_negotiable(type);
    it->data = data;
    it->work.data = data ? data : earlier.variants[0].data;
    it->work.size = (size_t)s->origin.size;
    it->work.text = render_text(type);
    plan(w, it, known ? &earlier : NULL, mine);
    it->cost = data || it->work.wanted ? it->work.size : 0;
    return it;
}

/* Makes an answer of the file at hand, whoever has it. */
int answer_supply(struct builder *w, const struct supply *s)
{
    struct str path = path_of(w), file = { w->file, w->file_size };
    const struct prebuilt_conf *conf;
    struct item *it = NULL;
    struct slv_request *r;
    const char *obstacle;

    if (!path.p || path.n > 65535) {
        builder_leave_out(w, TOO_LONG, 0, NULL);
        return 0;
    }
    if (slv_build_has(w->b, path))
        return 0;
    r = slv_build_request(w->b, path);
    conf = slv_request_conf(r, &selvage_module);
    if (conf->on && source_fits(w, r, path, file)) {
        obstacle = slv_build_obstacle(w->b, r);
        if (obstacle)
            builder_leave_out(w, UNBUILDABLE, 0, obstacle);
        else if (s->origin.size > conf->max_file)
            builder_leave_out(w, TOO_LARGE, 0, NULL);
        else if (!slv_build_admits(w->b, r, file))
            builder_leave_out(w, GUARDED, 0, NULL);
        else
            it = make_item(w, s, path, slv_request_type(r, file));
    }
    if (it) {
        it->cache_control = rules_cache_control(conf, path);
        it->links = render_html(it->type) ? conf->links : STR("");
    }
    slv_build_drop(w->b, &r);
    return it ? item_enqueue(w, it) : 0;
}

/* What a file looks like. */
static struct slv_origin origin_of(const struct stat *st)
{
    return (struct slv_origin){
        .device = st->st_dev, .inode = st->st_ino, .size = st->st_size,
        .modified = st->st_mtim, .changed = st->st_ctim
    };
}

/* Makes an answer of the file at hand. */
int answer_file(struct builder *w, int dir, const char *name, const struct stat *st, bool linked)
{
    struct supply s = {
        .origin = origin_of(st), .read = read_file, .dir = dir, .name = name, .st = st,
        .linked = linked
    };

    return answer_supply(w, &s);
}

/* Answers the directory at hand as its index file. */
int answer_directory(struct builder *w)
{
    struct str path = path_of(w);
    struct item *it;

    if (!path.p)
        return 0;
    it = item_new(w, path, STR(""));
    it->kind = ITEM_DIRECTORY;
    return item_enqueue(w, it);
}

/* ---- Refining -------------------------------------------------------------------------------- */

/* The item for an answer of the earlier image that lacks variants. */
static struct item *refined_item(struct builder *w, const struct slv_again *again)
{
    struct slv_earlier earlier;
    const struct prebuilt_conf *conf;
    struct slv_request *r;
    struct item *it;

    if (!slv_build_earlier(w->b, again->path, &earlier))
        abort();
    r = slv_build_request(w->b, again->path);
    conf = slv_request_conf(r, &selvage_module);
    it = item_new(w, again->path, earlier.content_type);
    it->kind = ITEM_FILE;
    it->origin = earlier.origin;
    it->negotiated = earlier.negotiated;
    it->work.data = earlier.variants[0].data;
    it->work.size = earlier.variants[0].size;
    it->work.text = render_text(it->type);
    it->cache_control = rules_cache_control(conf, it->path);
    it->links = render_html(it->type) ? conf->links : STR("");
    plan(w, it, &earlier, true);
    it->cost = it->work.wanted ? it->work.size : 0;
    slv_build_drop(w->b, &r);
    return it;
}

/* Makes all answers of the earlier image again, with what they lack as far as is affordable. */
int answer_refine(struct builder *w)
{
    struct slv_again again = { .entry = NULL };

    while (slv_build_each(w->b, &again)) {
        struct item *it;

        if (again.incomplete) {
            it = refined_item(w, &again);
        } else {
            it = item_new(w, again.path, STR(""));
            it->kind = ITEM_AGAIN;
            it->again = again;
        }
        if (item_enqueue(w, it) != 0)
            return -1;
    }
    return items_settle(w);
}
