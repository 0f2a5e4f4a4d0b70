/*
 * walk.c - directories: which files there are below a document root.
 *
 * A directory is read in the order of names, so that the same files make the same image, and from
 * descriptor to descriptor, so that one look at each file is all that the kernel is asked for.
 */
#include "prebuilt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* A name in a directory. */
struct name {
    size_t at;                     /* where it stands in the texts of its list */
    unsigned char type;            /* DT_*, which may be DT_UNKNOWN */
};

/* All names of a directory but its own and that of the one around it. */
struct names {
    struct name *list;
    size_t count, room;
    char *texts;                   /* each with its NUL */
    size_t texts_size, texts_room;
};

/* Adds a name. */
static void add_name(struct names *n, const char *text, unsigned char type)
{
    size_t size = strlen(text) + 1;

    if (n->count == n->room) {
        n->room = n->room * 2 + 64;
        n->list = prebuilt_need(realloc(n->list, n->room * sizeof *n->list));
    }
    if (size > n->texts_room - n->texts_size) {
        n->texts_room = n->texts_room * 2 + size + 1024;
        n->texts = prebuilt_need(realloc(n->texts, n->texts_room));
    }
    memcpy(n->texts + n->texts_size, text, size);
    n->list[n->count++] = (struct name){ n->texts_size, type };
    n->texts_size += size;
}

/* Names in the order of their bytes, whatever the locale. */
static int by_name(const void *a, const void *b, void *texts)
{
    const struct name *x = a, *y = b;

    return strcmp((char *)texts + x->at, (char *)texts + y->at);
}

/* Reads a directory. 0, or -1 with errno. */
static int read_names(DIR *d, struct names *n)
{
    const struct dirent *entry;

    for (;;) {
        errno = 0;
        entry = readdir(d);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_name(n, entry->d_name, entry->d_type);
    }
    if (errno != 0)
        return -1;
    if (n->count > 0)
        qsort_r(n->list, n->count, sizeof *n->list, by_name, n->texts);
    return 0;
}

/* The symbolic link at hand leads to something inside the root. */
static bool leads_inside(struct builder *w)
{
    char target[PATH_MAX];

    if (!realpath(w->file, target)) {
        builder_leave_out(w, UNREADABLE, errno, NULL);
        return false;
    }
    if (strncmp(target, w->root, w->root_size) == 0
        || (strlen(target) + 1 == w->root_size && strncmp(target, w->root, w->root_size - 1) == 0))
        return true;
    builder_leave_out(w, OUTSIDE, 0, NULL);
    return false;
}

/* The directory at hand may be entered at this depth: it is none of those around it. */
static bool may_enter(struct builder *w, const struct stat *st, unsigned depth)
{
    if (depth >= DEPTH_MAX) {
        builder_leave_out(w, TOO_LONG, 0, NULL);
        return false;
    }
    for (unsigned i = 0; i < depth; i++)
        if (w->places[i].dev == st->st_dev && w->places[i].ino == st->st_ino) {
            builder_leave_out(w, LOOP, 0, NULL);
            return false;
        }
    w->places[depth] = (struct place){ st->st_dev, st->st_ino };
    return true;
}

static int walk_directory(struct builder *w, int fd, unsigned depth);

/* Walks the directory at hand, which is open under fd, if it may. 0 or -1. */
static int enter_open(struct builder *w, int fd, const struct stat *st, bool linked, unsigned depth)
{
    int rc;

    w->links += linked;
    if (w->links > 0 && w->shared++ >= SHARED_MAX) {
        builder_leave_out(w, TOO_MANY, 0, NULL);
        close(fd);
        rc = 0;
    } else if (!may_enter(w, st, depth)) {
        close(fd);
        rc = 0;
    } else {
        rc = walk_directory(w, fd, depth);
    }
    w->links -= linked;
    return rc;
}

/* Enters the directory at hand, which stands under name in directory dir. 0 or -1. */
static int enter(struct builder *w, int dir, const char *name, bool linked, unsigned depth)
{
    struct stat st;
    int fd;

    if (w->file_size + 2 > sizeof w->file) {
        builder_leave_out(w, TOO_LONG, 0, NULL);
        return 0;
    }
    w->file[w->file_size++] = '/';
    w->file[w->file_size] = '\0';
    fd = openat(dir, name, ENTER_FLAGS | (linked ? 0 : O_NOFOLLOW));
    if (fd < 0 || fstat(fd, &st) != 0) {
        builder_leave_out(w, UNREADABLE, errno, NULL);
        if (fd >= 0)
            close(fd);
        return 0;
    }
    return enter_open(w, fd, &st, linked, depth);
}

/* Handles what stands in w->file, a name in a directory of the given depth. 0 or -1. */
static int visit(struct builder *w, int dir, const char *name, unsigned char type, unsigned depth)
{
    bool linked = type == DT_LNK;
    struct stat st;

    if (type == DT_DIR)
        return enter(w, dir, name, false, depth + 1);
    if (linked && !leads_inside(w))
        return 0;
    if (fstatat(dir, name, &st, linked ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        builder_leave_out(w, UNREADABLE, errno, NULL);
        return 0;
    }
    if (S_ISLNK(st.st_mode) && !linked)
        return visit(w, dir, name, DT_LNK, depth);
    if (S_ISDIR(st.st_mode))
        return enter(w, dir, name, linked, depth + 1);
    if (S_ISREG(st.st_mode))
        return answer_file(w, dir, name, &st, linked);
    builder_leave_out(w, NO_FILE, 0, NULL);
    return 0;
}

/* Visits the names of the directory in w->file, one after the other. 0 or -1. */
static int visit_all(struct builder *w, int dir, const struct names *n, unsigned depth)
{
    size_t size = w->file_size;

    for (size_t i = 0; i < n->count; i++) {
        const char *name = n->texts + n->list[i].at;
        size_t length = strlen(name);

        if (size + length < sizeof w->file) {
            memcpy(w->file + size, name, length + 1);
            w->file_size = size + length;
            /* After a failure the name stays, for the message. */
            if (visit(w, dir, name, n->list[i].type, depth) != 0)
                return -1;
        } else {
            builder_leave_out(w, TOO_LONG, 0, NULL);
        }
        w->file_size = size;
        w->file[size] = '\0';
    }
    return 0;
}

/* Walks the directory in w->file, which is open under fd; fd is closed. 0 or -1. */
static int walk_directory(struct builder *w, int fd, unsigned depth)
{
    struct names names = { 0 };
    DIR *d = fdopendir(fd);
    int rc = 0;

    if (!d || read_names(d, &names) != 0)
        builder_leave_out(w, UNREADABLE, errno, NULL);
    else
        rc = visit_all(w, fd, &names, depth) == 0 ? answer_directory(w) : -1;
    if (d)
        closedir(d);
    else
        close(fd);
    free(names.list);
    free(names.texts);
    return rc;
}

/*
 * Finds where the tree really lies; for a single file, the directory around it. 0, or -1 with
 * errno.
 */
static int find_root(struct builder *w)
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

/*
 * The top of the tree at hand cannot be read. Where it had files, it is gone for a moment, or
 * somebody has made a mistake: better to go on with the earlier image than to publish an empty one.
 * 0 or -1.
 */
static int top_unreadable(struct builder *w)
{
    int error = errno;

    if (!slv_build_had(w->b, w->tree.path)) {
        builder_leave_out(w, UNREADABLE, error, NULL);
        return 0;
    }
    slv_log(NULL, SLV_LOG_ERROR, error, "prebuilt image for \"%s\": \"%s\" cannot be read, the "
            "image that there is stays", slv_build_name(w->b), w->file);
    return -1;
}

/* Walks the tree at hand from its top. 0 or -1. */
int walk_tree(struct builder *w)
{
    struct stat st;
    int fd;

    w->file_size = 0;
    if (w->tree.obstacle) {
        /* There is no directory to name, but a path. */
        snprintf(w->file, sizeof w->file, "%.*s", STR_ARG(w->tree.path));
        builder_leave_out(w, UNBUILDABLE, 0, w->tree.obstacle);
        return 0;
    }
    if (w->tree.dir.n + 1 >= sizeof w->file)
        return 0;
    memcpy(w->file, w->tree.dir.p, w->tree.dir.n + 1);
    w->file_size = w->tree.dir.n;
    if (find_root(w) != 0 || stat(w->file, &st) != 0)
        return top_unreadable(w);
    if (w->tree.single)
        return S_ISREG(st.st_mode) ? visit(w, AT_FDCWD, w->file, DT_UNKNOWN, 0) : 0;
    fd = open(w->file, ENTER_FLAGS);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        return top_unreadable(w);
    }
    may_enter(w, &st, 0);
    return walk_directory(w, fd, 0);
}
