/*
 * build.c - from document roots to answers.
 *
 * Every directory that a location with "prebuilt on" serves files from is walked in the order of
 * names, so that the same files make the same image. Each file is looked up as a request for its
 * path would be: only if the location which answers that path is one with "prebuilt on" and would
 * open this very file does it become an answer. Whatever is left out is served from disk by
 * "static".
 */
#include "prebuilt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define INDEX_MAX 16
#define MESSAGES_MAX 20            /* files named one by one as left out; the rest is counted */
#define CACHE_CONTROL "max-age=60, must-revalidate"

/* Why something is left out. */
enum reason {
    UNREADABLE, CHANGED, TOO_LARGE, NO_FILE, OUTSIDE, LOOP, TOO_LONG, UNBUILDABLE, REASONS
};

/* How the summary says it. */
static const char *const reason_words[REASONS] = {
    [UNREADABLE] = "unreadable", [CHANGED] = "changed while being read",
    [TOO_LARGE] = "larger than prebuilt_max_file", [NO_FILE] = "neither file nor directory",
    [OUTSIDE] = "links out of the root", [LOOP] = "links to a directory around them",
    [TOO_LONG] = "names too long or too deep",
    [UNBUILDABLE] = "in locations that depend on the request"
};

/* A directory that is being walked. */
struct place {
    dev_t dev;
    ino_t ino;
};

struct walk {
    struct slv_build *b;
    struct renderer *rd;
    struct slv_tree tree;          /* the one being walked */
    char root[PATH_MAX];           /* its directory without symbolic links, '/' at the end */
    size_t root_size;
    char file[PATH_MAX];           /* the file or directory at hand; directories end with '/' */
    size_t file_size;
    char path[2 * PATH_MAX];       /* the path that it answers */
    struct place places[DEPTH_MAX];
    char *data;                    /* the bytes of the file at hand */
    size_t room;

    int64_t began, said;           /* milliseconds */
    unsigned long files, directories, zipped, left_out[REASONS], messages;
    unsigned long long bytes, zipped_bytes;
};

/* Milliseconds that only go forward. */
static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Notes that the file at hand is left out; the first ones are named. */
static void leave_out(struct walk *w, enum reason reason, int error, const char *words)
{
    w->left_out[reason]++;
    if (w->messages++ < MESSAGES_MAX)
        slv_log(NULL, SLV_LOG_WARN, error, "prebuilt image for \"%s\": \"%s\" left out: %s",
                slv_build_name(w->b), w->file, words ? words : reason_words[reason]);
}

/* Says how far the build is, once a second. */
static void say_progress(struct walk *w)
{
    int64_t now = now_ms();

    if (now - w->said < 1000)
        return;
    w->said = now;
    slv_build_say(w->b, "building image for \"%s\": %lu files, %llu MiB", slv_build_name(w->b),
                  w->files, w->bytes >> 20);
}

/* The path that the file at hand answers, in w->path; .p NULL where it is too long. */
static struct str path_of(struct walk *w)
{
    size_t n = w->file_size - w->tree.dir.n;

    if (w->tree.path.n + n >= sizeof w->path)
        return (struct str){ NULL, 0 };
    memcpy(w->path, w->tree.path.p, w->tree.path.n);
    memcpy(w->path + w->tree.path.n, w->file + w->tree.dir.n, n);
    return (struct str){ w->path, w->tree.path.n + n };
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Nothing happened to a file between two looks at it. */
static bool unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec
        && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec
        && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads up to size bytes and one more, which must not be there. 0, or -1 with errno. */
static int read_bytes(struct walk *w, int fd, size_t size)
{
    size_t got = 0;

    if (size + 1 > w->room) {
        char *more = realloc(w->data, size + 1);

        if (!more)
            return -1;
        w->data = more;
        w->room = size + 1;
    }
    while (got <= size) {
        ssize_t n = read(fd, w->data + got, size + 1 - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    errno = 0;
    return got == size ? 0 : -1;
}

/*
 * Reads the file at hand. It counts only if it was the same before and after, so that half of a
 * deployment does not become an answer. False: left out.
 */
static bool read_file(struct walk *w, int64_t max, struct stat *st)
{
    int fd = open(w->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat after;
    bool good = false;

    if (fd < 0) {
        leave_out(w, UNREADABLE, errno, NULL);
        return false;
    }
    if (fstat(fd, st) != 0)
        leave_out(w, UNREADABLE, errno, NULL);
    else if (!S_ISREG(st->st_mode))
        leave_out(w, NO_FILE, 0, NULL);
    else if (st->st_size > max)
        leave_out(w, TOO_LARGE, 0, NULL);
    else if (read_bytes(w, fd, (size_t)st->st_size) != 0)
        leave_out(w, errno ? UNREADABLE : CHANGED, errno, NULL);
    else if (fstat(fd, &after) != 0 || !unchanged(st, &after))
        leave_out(w, CHANGED, 0, NULL);
    else
        good = true;
    close(fd);
    return good;
}

/* Adds the file that was read. 0 or -1. */
static int add_answer(struct walk *w, struct str path, const struct stat *st, struct str type)
{
    struct slv_variant variants[2] = {
        { SLV_CODING_IDENTITY, w->data, (size_t)st->st_size }
    };
    struct slv_prebuilt p = {
        .path = path, .modified = st->st_mtim, .content_type = type,
        .cache_control = STR(CACHE_CONTROL), .negotiated = render_negotiable(type),
        .variants = variants, .count = 1
    };
    struct str gzip;

    if (p.negotiated && render_gzip(w->rd, w->data, variants[0].size, &gzip)) {
        variants[p.count++] = (struct slv_variant){ SLV_CODING_GZIP, gzip.p, gzip.n };
        w->zipped++;
        w->zipped_bytes += gzip.n;
    }
    if (slv_build_add(w->b, &p) != 0)
        return -1;
    w->files++;
    w->bytes += variants[0].size;
    return 0;
}

/* Makes an answer of the file at hand, if it is what its path would be answered with. 0 or -1. */
static int add_file(struct walk *w)
{
    struct str path = path_of(w), file = { w->file, w->file_size };
    const struct prebuilt_conf *conf;
    struct slv_request *r;
    const char *obstacle;
    struct stat st;
    int rc = 0;

    if (!path.p || path.n > 65535) {
        leave_out(w, TOO_LONG, 0, NULL);
        return 0;
    }
    if (slv_build_has(w->b, path))
        return 0;
    r = slv_build_request(w->b, path);
    conf = slv_request_conf(r, &selvage_module);
    if (conf->on && str_eq(slv_request_file(r, path), file)) {
        obstacle = slv_build_obstacle(w->b, r);
        if (obstacle)
            leave_out(w, UNBUILDABLE, 0, obstacle);
        else if (read_file(w, conf->max_file, &st))
            rc = add_answer(w, path, &st, slv_request_type(r, file));
    }
    slv_build_drop(w->b, &r);
    say_progress(w);
    return rc;
}

/* ---- Directories ----------------------------------------------------------------------------- */

/*
 * Answers the directory at hand as its index file, which has been walked by now. An index file that
 * is there but not in the image ends the search: "static" finds it. 0 or -1.
 */
static int add_index(struct walk *w)
{
    struct str path = path_of(w), dir = { w->file, w->file_size }, names[INDEX_MAX];
    const struct prebuilt_conf *conf;
    struct slv_request *r;
    struct stat st;
    size_t count;
    int rc = 0;

    if (!path.p || slv_build_has(w->b, path))
        return 0;
    r = slv_build_request(w->b, path);
    conf = slv_request_conf(r, &selvage_module);
    count = conf->on && str_eq(slv_request_file(r, path), dir)
        ? slv_request_index(r, names, INDEX_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        struct str target = slv_printf(r, "%.*s%.*s",
                                       names[i].n && names[i].p[0] == '/' ? 0 : (int)path.n, path.p,
                                       STR_ARG(names[i]));
        struct str file = slv_request_file(r, target);

        if (!file.p || stat(file.p, &st) != 0)
            continue;
        if (slv_build_has(w->b, target)) {
            rc = slv_build_alias(w->b, path, target);
            w->directories++;
        }
        break;
    }
    slv_build_drop(w->b, &r);
    return rc;
}

/* The symbolic link at hand leads to something inside the root. */
static bool leads_inside(struct walk *w)
{
    char target[PATH_MAX];

    if (!realpath(w->file, target)) {
        leave_out(w, UNREADABLE, errno, NULL);
        return false;
    }
    if (strncmp(target, w->root, w->root_size) == 0
        || (strlen(target) + 1 == w->root_size && strncmp(target, w->root, w->root_size - 1) == 0))
        return true;
    leave_out(w, OUTSIDE, 0, NULL);
    return false;
}

/* The directory at hand may be entered at this depth: it is none of those around it. */
static bool may_enter(struct walk *w, const struct stat *st, unsigned depth)
{
    if (depth >= DEPTH_MAX) {
        leave_out(w, TOO_LONG, 0, NULL);
        return false;
    }
    for (unsigned i = 0; i < depth; i++)
        if (w->places[i].dev == st->st_dev && w->places[i].ino == st->st_ino) {
            leave_out(w, LOOP, 0, NULL);
            return false;
        }
    w->places[depth] = (struct place){ st->st_dev, st->st_ino };
    return true;
}

static int walk_directory(struct walk *w, unsigned depth);

/* Handles what stands in w->file, a name in a directory of the given depth. 0 or -1. */
static int visit(struct walk *w, unsigned depth)
{
    struct stat st;

    if (lstat(w->file, &st) != 0) {
        leave_out(w, UNREADABLE, errno, NULL);
        return 0;
    }
    if (S_ISLNK(st.st_mode)) {
        if (!leads_inside(w))
            return 0;
        if (stat(w->file, &st) != 0) {
            leave_out(w, UNREADABLE, errno, NULL);
            return 0;
        }
    }
    if (S_ISREG(st.st_mode))
        return add_file(w);
    if (!S_ISDIR(st.st_mode)) {
        leave_out(w, NO_FILE, 0, NULL);
        return 0;
    }
    if (w->file_size + 2 > sizeof w->file) {
        leave_out(w, TOO_LONG, 0, NULL);
        return 0;
    }
    w->file[w->file_size++] = '/';
    w->file[w->file_size] = '\0';
    return may_enter(w, &st, depth + 1) ? walk_directory(w, depth + 1) : 0;
}

/* Names in the order of their bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Not the directory itself, nor the one around it. */
static int is_entry(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* Walks the directory in w->file. 0 or -1. */
static int walk_directory(struct walk *w, unsigned depth)
{
    size_t size = w->file_size;
    struct dirent **names;
    int n = scandir(w->file, &names, is_entry, by_name), rc = 0;

    if (n < 0) {
        leave_out(w, UNREADABLE, errno, NULL);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        size_t length = strlen(names[i]->d_name);

        if (rc == 0 && size + length < sizeof w->file) {
            memcpy(w->file + size, names[i]->d_name, length + 1);
            w->file_size = size + length;
            rc = visit(w, depth);
        } else if (rc == 0) {
            leave_out(w, TOO_LONG, 0, NULL);
        }
        free(names[i]);
        /* After a failure the name stays, for the message. */
        if (rc == 0) {
            w->file_size = size;
            w->file[size] = '\0';
        }
    }
    free(names);
    return rc == 0 ? add_index(w) : -1;
}

/* ---- Roots ----------------------------------------------------------------------------------- */

/* An earlier tree that was walked contains this one, for the same paths. */
static bool is_covered(const struct walk *w, size_t at)
{
    struct slv_tree other;

    for (size_t i = 0; i < at && slv_build_tree(w->b, i, &other); i++) {
        const struct prebuilt_conf *conf = other.conf;
        struct str rest;

        if (!conf->on || other.obstacle || other.single || !str_starts(w->tree.path, other.path))
            continue;
        rest = str_from(w->tree.path, other.path.n);
        if (w->tree.dir.n == other.dir.n + rest.n && str_starts(w->tree.dir, other.dir)
            && str_ends(w->tree.dir, rest))
            return true;
    }
    return false;
}

/*
 * Finds where the tree really lies; for a single file, the directory around it. 0, or -1 with
 * errno.
 */
static int find_root(struct walk *w)
{
    char *slash = w->tree.single ? strrchr(w->file, '/') : NULL, *found;
    size_t n;

    if (slash)
        *slash = '\0';
    found = realpath(slash == w->file ? "/" : w->file, w->root);
    if (slash)
        *slash = '/';
    if (!found)
        return -1;
    n = strlen(w->root);
    if (n > 1 && n + 1 < sizeof w->root) {
        w->root[n++] = '/';
        w->root[n] = '\0';
    }
    w->root_size = n;
    return 0;
}

/* Walks the tree at hand from its top. 0 or -1. */
static int walk_tree(struct walk *w)
{
    struct stat st;

    w->file_size = 0;
    if (w->tree.obstacle) {
        /* There is no directory to name, but a path. */
        snprintf(w->file, sizeof w->file, "%.*s", STR_ARG(w->tree.path));
        leave_out(w, UNBUILDABLE, 0, w->tree.obstacle);
        return 0;
    }
    if (w->tree.dir.n + 1 >= sizeof w->file)
        return 0;
    memcpy(w->file, w->tree.dir.p, w->tree.dir.n + 1);
    w->file_size = w->tree.dir.n;
    if (find_root(w) != 0 || stat(w->file, &st) != 0) {
        leave_out(w, UNREADABLE, errno, NULL);
        return 0;
    }
    if (w->tree.single)
        return S_ISREG(st.st_mode) ? visit(w, 0) : 0;
    return may_enter(w, &st, 0) ? walk_directory(w, 0) : 0;
}

/* Says what came of it. */
static void summarize(const struct walk *w)
{
    char left[512] = "";
    size_t n = 0;

    for (int i = 0; i < REASONS; i++)
        if (w->left_out[i] && n < sizeof left)
            n += (size_t)snprintf(left + n, sizeof left - n, "%s %lu %s", n ? "," : "; left out:",
                                  w->left_out[i], reason_words[i]);
    slv_build_say(w->b, "image for \"%s\": %lu files and %lu directories, %llu bytes, "
                  "%lu as gzip too with %llu bytes, image of %lld bytes, in %lld ms%s",
                  slv_build_name(w->b), w->files, w->directories, w->bytes, w->zipped,
                  w->zipped_bytes, (long long)slv_build_size(w->b),
                  (long long)(now_ms() - w->began), left);
}

/* The build hook. */
int prebuilt_build(struct slv_build *b, void *conf)
{
    const struct prebuilt_conf *host = conf, *c;
    struct walk *w = calloc(1, sizeof *w);
    int rc = 0;

    if (!w || !(w->rd = renderer_new())) {
        slv_log(NULL, SLV_LOG_EMERG, ENOMEM, "building the image for \"%s\" failed",
                slv_build_name(b));
        free(w);
        return -1;
    }
    w->b = b;
    w->began = w->said = now_ms();
    slv_build_limit(b, host->max_size);
    for (size_t i = 0; rc == 0 && slv_build_tree(b, i, &w->tree); i++) {
        c = w->tree.conf;
        if (c->on && !is_covered(w, i))
            rc = walk_tree(w);
    }
    if (rc == 0)
        summarize(w);
    else
        slv_log(NULL, SLV_LOG_ERROR, 0, "building the image for \"%s\" ended at \"%s\", after %lu "
                "files with %llu bytes; prebuilt_max_size is %lld bytes", slv_build_name(b),
                w->file, w->files, w->bytes, (long long)host->max_size);
    renderer_free(&w->rd);
    free(w->data);
    free(w);
    return rc;
}
