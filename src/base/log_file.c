/*
 * log_file.c - the files that logs are written to: shared by path, opened, opened anew.
 */
#include "base/log.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct link files = { &files, &files };

/* Two files are the same: the same path, or both standard error. */
static bool same_path(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Finds or makes the file of a path. */
struct log_file *log_file_get(const char *path)
{
    struct log_file *f;

    AN(!path || path[0] == '/');
    LIST_EACH(at, after, &files) {
        f = LIST_ITEM(at, struct log_file, link);
        if (same_path(f->path, path)) {
            f->users++;
            return f;
        }
    }
    f = mem_zalloc(sizeof *f);
    f->path = path ? mem_strdup(path) : NULL;
    f->fd = path ? -1 : STDERR_FILENO;
    f->users = 1;
    list_add(&files, &f->link);
    return f;
}

/* Takes one user off a file. */
void log_file_drop(struct log_file *f)
{
    AN(f != NULL && f->users > 0);
    if (--f->users > 0)
        return;
    if (f->path && f->fd >= 0)
        close(f->fd);
    list_remove(&f->link);
    free(f->path);
    free(f);
}

/*
 * Opens a path for appending and tells whether the file was made by this call. Made with O_EXCL,
 * so that "made" is certain and no link can point a change of owner at somebody else's file.
 */
static int open_path(const char *path, bool *made)
{
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
    int fd = -1;

    *made = false;
    /* Twice: the file may appear between the two calls. */
    for (int i = 0; i < 2 && fd < 0; i++) {
        fd = open(path, flags);
        if (fd >= 0 || errno != ENOENT)
            break;
        fd = open(path, flags | O_CREAT | O_EXCL, 0640);
        *made = fd >= 0;
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* Opens what is not open. */
int log_files_open(struct log_file **failed)
{
    bool made;

    LIST_EACH(at, after, &files) {
        struct log_file *f = LIST_ITEM(at, struct log_file, link);

        if (f->fd >= 0)
            continue;
        f->fd = open_path(f->path, &made);
        if (f->fd < 0) {
            *failed = f;
            return -1;
        }
    }
    return 0;
}

/* Opens one file anew under the descriptor that it has. 0, or -1 with errno. */
static int reopen(struct log_file *f, int uid, int gid)
{
    bool made;
    int fd = open_path(f->path, &made), error;

    if (fd < 0)
        return -1;
    if (made && uid != -1 && fchown(fd, (uid_t)uid, (gid_t)gid) != 0)
        log_alert(errno, "fchown(\"%s\", %d) failed", f->path, uid);
    if (f->fd < 0) {
        f->fd = fd;
        return 0;
    }
    if (dup3(fd, f->fd, O_CLOEXEC) < 0) {
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    close(fd);
    return 0;
}

/* Opens all anew, each under the descriptor that it has. */
void log_files_reopen(int uid, int gid, void (*reopened)(int fd))
{
    LIST_EACH(at, after, &files) {
        struct log_file *f = LIST_ITEM(at, struct log_file, link);

        if (!f->path)
            continue;
        if (reopen(f, uid, gid) != 0)
            log_emerg(errno, "open() \"%s\" failed", f->path);
        else if (reopened)
            reopened(f->fd);
    }
}

/* Calls back for every open file but standard error. */
void log_files_each(void (*each)(int fd))
{
    LIST_EACH(at, after, &files) {
        struct log_file *f = LIST_ITEM(at, struct log_file, link);

        /* Standard error is nobody's to pass on or to close. */
        if (f->path && f->fd >= 0)
            each(f->fd);
    }
}
