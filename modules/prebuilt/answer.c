/*
 * answer.c - from a file to its answer.
 *
 * Each file is looked up as a request for its path would be: only if the location which answers
 * that path is one with "prebuilt on" and would open this very file does it become an answer.
 * Answers wait in a queue while threads make their variants, and go into the image in the order of
 * the walk, so that it does not depend on how fast the threads are.
 *
 * What an earlier image has of the same file is used again: without reading the file where it
 * looks as it did, and otherwise where its bytes turn out to be the same; and so is what it has of
 * another file with the same bytes, which was moved or copied. Of equal files that are new one is
 * compressed, if they are not too far apart.
 */
#include "prebuilt.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define INDEX_MAX 16
/* On their way at a time. A body that is larger than all of them waits for them and goes alone. */
#define ITEMS_MAX 4096u
#define BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Bytes of bodies that are kept because an equal one may come. */
#define RECENT_MAX ((size_t)32 * 1024 * 1024)

#define QUICK (1u << SLV_CODING_GZIP)
#define SLOW (1u << SLV_CODING_BR | 1u << SLV_CODING_ZSTD)

struct item {
    struct item *next;
    unsigned refs;                 /* from the queue, from builder.recent, from later twins */
    struct item *twin;             /* with the same body, before it in the queue, and compressed in
                                      its stead; NULL: none */
    enum { ITEM_FILE, ITEM_DIRECTORY, ITEM_AGAIN } kind;
    struct str path, file, type;   /* views of text */
    struct slv_again again;        /* ITEM_AGAIN */
    struct str cache_control, links; /* of the configuration */
    struct slv_origin origin;
    bool negotiated;
    bool incomplete;               /* br and zstd were put off */
    bool keep;                     /* all is as the earlier image has it, but perhaps its head */
    char *data;                    /* the file's bytes; NULL: the earlier image has them */
    size_t cost;                   /* bytes in memory while it waits */
    struct slv_variant old[SLV_CODING_COUNT]; /* of the earlier image; size 0: none */
    struct render_work work;
    char text[];
};

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

/* ---- The queue ------------------------------------------------------------------------------- */

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

/* Makes an item of what is at hand. */
static struct item *new_item(const struct builder *w, struct str path, struct str type)
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

/*
 * Finds an item with the same body that is being compressed, or was recently. False: there is none,
 * and this one is noted for those to come. Each body has one place, and when bodies become too many
 * bytes all are forgotten: whoever is not found is compressed once more, and that is all.
 */
static bool find_twin(struct builder *w, struct item *it)
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

/* Takes an item, and lets others go first where there are too many. 0 or -1. */
static int enqueue(struct builder *w, struct item *it)
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

/* Waits for all that is on its way. */
int answer_settle(struct builder *w)
{
    while (w->items)
        if (finish_first(w) != 0)
            return -1;
    return 0;
}

/* Forgets what is on its way and what was; the pool is gone. */
void answer_forget(struct builder *w)
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

/* ---- What is at hand ------------------------------------------------------------------------- */

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
    if (it->work.wanted && find_twin(w, it)) {
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
    it = new_item(w, path, type);
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
    return it ? enqueue(w, it) : 0;
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
    it = new_item(w, path, STR(""));
    it->kind = ITEM_DIRECTORY;
    return enqueue(w, it);
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
    it = new_item(w, again->path, earlier.content_type);
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
            it = new_item(w, again.path, STR(""));
            it->kind = ITEM_AGAIN;
            it->again = again;
        }
        if (enqueue(w, it) != 0)
            return -1;
    }
    return answer_settle(w);
}
