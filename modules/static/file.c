/*
 * file.c - opening a file below a document root.
 *
 * One openat2() resolves the name and keeps the policy at the same time, so that nobody can
 * exchange a directory for a link between a check and an open. Where the kernel or a sandbox has no
 * openat2(), and for if_not_owner, which no flag expresses, the name is walked one component at a
 * time from descriptor to descriptor, which is as tight and costs a few calls more.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

/* O_NONBLOCK: the open of a FIFO must not wait for a writer. */
#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define LOOK_FLAGS (O_PATH | O_CLOEXEC)
#define STEP_FLAGS (O_PATH | O_CLOEXEC | O_DIRECTORY)

/* EAGAIN from openat2(): a rename came in between, and the kernel could not be sure. */
#define RETRIES_MAX 8

#ifdef SYS_openat2

#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define ANYWHERE (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define FOLLOWING RESOLVE_NO_MAGICLINKS

/* Opens through openat2(). ENOSYS where it cannot be had. */
static int open_resolved(int at, const char *name, int flags, uint64_t resolve, int *fd)
{
    static bool missing;
    struct open_how how = { .flags = (uint64_t)flags, .resolve = resolve };
    long rc = -1;

    for (int i = 0; !missing && i < RETRIES_MAX; i++) {
        rc = syscall(SYS_openat2, at, name, &how, sizeof how);
        if (rc >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    /* A sandbox that does not know the call refuses it with EPERM, which no open here would. */
    if (!missing && rc < 0 && (errno == ENOSYS || errno == EPERM))
        missing = true;
    if (missing) {
        errno = ENOSYS;
        return -1;
    }
    *fd = (int)rc;
    return rc < 0 ? -1 : 0;
}

#else

#define BELOW 0
#define ANYWHERE 0
#define FOLLOWING 0

/* There is no openat2(). */
static int open_resolved(int at, const char *name, int flags, uint64_t resolve, int *fd)
{
    (void)at, (void)name, (void)flags, (void)resolve, (void)fd;
    errno = ENOSYS;
    return -1;
}

#endif

/* openat() that is not interrupted. */
static int open_at(int at, const char *name, int flags, int *fd)
{
    do
        *fd = openat(at, name, flags);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? -1 : 0;
}

/* Closes without touching errno. */
static void close_quietly(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

/* Does what stands in the directory under that name belong to whom the opened file belongs? */
static bool same_owner(int at, const char *name, int fd)
{
    struct stat there, opened;

    return fstatat(at, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0
        && there.st_uid == opened.st_uid;
}

/* Opens one component of a name as the policy has it. */
static int open_component(int at, const char *name, int flags, enum symlinks policy, int *fd)
{
    struct stat st;

    if (policy == SYMLINKS_REFUSE) {
        if (open_at(at, name, flags | O_NOFOLLOW, fd) == 0) {
            /* O_PATH opens the link itself. */
            if (!(flags & O_PATH) || flags & O_DIRECTORY || fstat(*fd, &st) != 0
                || !S_ISLNK(st.st_mode))
                return 0;
            close(*fd);
            errno = ELOOP;
        } else if (errno == ENOTDIR && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0
                   && S_ISLNK(st.st_mode)) {
            errno = ELOOP;
        }
        return -1;
    }
    if (open_at(at, name, flags, fd) != 0)
        return -1;
    if (policy == SYMLINKS_IF_OWNER && !same_owner(at, name, *fd)) {
        close(*fd);
        errno = ELOOP;
        return -1;
    }
    return 0;
}

/* Takes the next component off the name into buf. False at its end (errno 0) or ENAMETOOLONG. */
static bool next_component(struct str *name, char buf[NAME_MAX + 1])
{
    size_t n = 0;

    while (name->n && name->p[0] == '/')
        *name = str_from(*name, 1);
    while (n < name->n && name->p[n] != '/')
        n++;
    errno = 0;
    if (n == 0)
        return false;
    if (n > NAME_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(buf, name->p, n);
    buf[n] = '\0';
    *name = str_from(*name, n);
    return true;
}

/* Walks the name from the directory at, which it closes. */
static int walk(int at, struct str name, int flags, enum symlinks policy, int *fd)
{
    bool directory = name.n && name.p[name.n - 1] == '/';
    char component[NAME_MAX + 1];

    while (next_component(&name, component)) {
        struct str rest = name;
        int next, rc;

        while (rest.n && rest.p[0] == '/')
            rest = str_from(rest, 1);
        rc = open_component(at, component,
                            rest.n ? STEP_FLAGS : flags | (directory ? O_DIRECTORY : 0), policy,
                            &next);
        close_quietly(at);
        if (rc != 0)
            return -1;
        at = next;
        if (rest.n == 0) {
            *fd = at;
            return 0;
        }
    }
    /* Nothing but slashes: the directory itself. */
    if (errno == 0 && open_at(at, ".", flags, fd) == 0) {
        close(at);
        return 0;
    }
    close_quietly(at);
    return -1;
}

/* How much of a name its rule trusts. */
size_t static_file_trusted(struct str name, const struct symlink_rule *rule)
{
    struct str from = rule->from;

    while (from.n && from.p[from.n - 1] == '/')
        from.n--;
    if (from.n == 0 || !str_starts(name, from) || (name.n > from.n && name.p[from.n] != '/'))
        return 0;
    return from.n;
}

/* Opens a name in which links are looked at. */
static int open_guarded(struct str name, int flags, const struct symlink_rule *rule, int *fd)
{
    size_t trusted = static_file_trusted(name, rule);
    struct str rest = str_from(name, trusted);
    char base[PATH_MAX] = "/";
    int at, rc;

    if (trusted >= sizeof base) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (trusted) {
        memcpy(base, name.p, trusted);
        base[trusted] = '\0';
    }
    if (open_at(AT_FDCWD, base, STEP_FLAGS, &at) != 0)
        return -1;
    if (rule->policy == SYMLINKS_REFUSE) {
        while (rest.n && rest.p[0] == '/')
            rest = str_from(rest, 1);
        rc = open_resolved(at, rest.n ? rest.p : ".", flags, trusted ? BELOW : ANYWHERE, fd);
        if (rc == 0 || errno != ENOSYS) {
            close_quietly(at);
            return rc;
        }
    }
    return walk(at, rest, flags, rule->policy, fd);
}

/* Opens a name by its rule. */
static int open_name(struct str name, int flags, const struct symlink_rule *rule, int *fd)
{
    if (rule->policy != SYMLINKS_FOLLOW)
        return open_guarded(name, flags, rule, fd);
    if (open_resolved(AT_FDCWD, name.p, flags, FOLLOWING, fd) == 0)
        return 0;
    return errno == ENOSYS ? open_at(AT_FDCWD, name.p, flags, fd) : -1;
}

/* Takes over what stat() says. */
static void describe(const struct stat *st, struct static_file *out)
{
    out->kind = S_ISREG(st->st_mode) ? FILE_REGULAR
        : S_ISDIR(st->st_mode) ? FILE_DIRECTORY : FILE_OTHER;
    out->size = st->st_size;
    out->mtime = st->st_mtime;
}

/* Opens the file and looks at it. */
int static_file_open(struct str name, const struct symlink_rule *rule, struct static_file *out)
{
    struct stat st;

    *out = (struct static_file){ .fd = -1 };
    if (open_name(name, READ_FLAGS, rule, &out->fd) != 0) {
        out->fd = -1;
        return -1;
    }
    if (fstat(out->fd, &st) != 0) {
        close_quietly(out->fd);
        out->fd = -1;
        return -1;
    }
    describe(&st, out);
    if (out->kind != FILE_REGULAR)
        static_file_close(out);
    return 0;
}

/* Looks at a file. */
int static_file_stat(struct str name, const struct symlink_rule *rule, struct static_file *out)
{
    struct stat st;
    int fd, rc;

    *out = (struct static_file){ .fd = -1 };
    if (rule->policy == SYMLINKS_FOLLOW) {
        rc = stat(name.p, &st);
    } else {
        if (open_name(name, LOOK_FLAGS, rule, &fd) != 0)
            return -1;
        rc = fstat(fd, &st);
        close_quietly(fd);
    }
    if (rc == 0)
        describe(&st, out);
    return rc;
}

/* Looks again at an open file. */
int static_file_refresh(struct static_file *f)
{
    struct stat st;

    if (fstat(f->fd, &st) != 0)
        return -1;
    describe(&st, f);
    return 0;
}

/* Closes a file's descriptor, if it has one. */
void static_file_close(struct static_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
