/*
 * watch.c - noticing changes in directory trees.
 */
#include "proc/watch.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 4096u
#define LINKS_MAX 40               /* symbolic links on the way to a path, as the kernel has it */

/*
 * On the way to a path names matter, and who may go there; at its end, which may be a file, what
 * was written; in a tree everything does.
 */
#define WAY_MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR \
                  | IN_MASK_ADD)
#define END_MASK (WAY_MASK | IN_CLOSE_WRITE)
#define TREE_MASK (END_MASK | IN_MODIFY)

/* What a directory is watched for. */
struct use {
    struct use *next;
    unsigned key;
    bool stale;                    /* it was one before what is being added anew */
    char *name;                    /* this name in it; NULL: all of it, and what is below */
};

/* A directory that is watched. */
struct node {
    struct node *next;             /* in its bucket */
    int wd;
    char *path;                    /* ends with '/' */
    struct use *uses;
};

/* A path that was asked for. */
struct root {
    struct root *next;
    unsigned key;
    bool stale;                    /* what leads to it has changed: it is to be added anew */
    char *path;
};

struct watch {
    unsigned magic;
#define WATCH_MAGIC 0x3a7c4e12u
    int fd;
    bool incomplete;
    unsigned long count, blind;
    struct node *buckets[BUCKETS];
    struct root *roots;
};

struct watch *watch_new(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct watch *w;

    if (fd < 0)
        return NULL;
    w = mem_zalloc(sizeof *w);
    w->magic = WATCH_MAGIC;
    w->fd = fd;
    return w;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

/* The place where the node of a number stands, or would stand. */
static struct node **node_place(struct watch *w, int wd)
{
    struct node **at = &w->buckets[(unsigned)wd % BUCKETS];

    while (*at && (*at)->wd != wd)
        at = &(*at)->next;
    return at;
}

/* Frees a use. */
static void use_free(struct use *u)
{
    free(u->name);
    free(u);
}

/* Forgets a node; the kernel has forgotten it already, or is told. */
static void node_free(struct watch *w, struct node **place, bool tell)
{
    struct node *n = *place;

    *place = n->next;
    while (n->uses) {
        struct use *u = n->uses;

        n->uses = u->next;
        use_free(u);
    }
    if (tell)
        inotify_rm_watch(w->fd, n->wd);
    free(n->path);
    free(n);
    AN(w->count > 0);
    w->count--;
}

/* The node has that use already, which is none that has become stale. */
static bool has_use(struct node *n, unsigned key, const char *name)
{
    for (struct use *u = n->uses; u; u = u->next)
        if (u->key == key && (name ? u->name && strcmp(u->name, name) == 0 : !u->name)) {
            u->stale = false;
            return true;
        }
    return false;
}

/* Watches one directory (its path ends with '/') for a use. False: it cannot be watched. */
static bool use_directory(struct watch *w, const char *path, uint32_t mask, unsigned key,
                          const char *name)
{
    int wd = inotify_add_watch(w->fd, path, mask);
    struct node **place, *n;
    struct use *u;

    if (wd < 0) {
        w->incomplete = w->incomplete || errno == ENOSPC;
        return false;
    }
    place = node_place(w, wd);
    if (!*place) {
        *place = mem_zalloc(sizeof **place);
        (*place)->wd = wd;
        w->count++;
    }
    n = *place;
    /* A directory that was moved has its old number and another path. */
    free(n->path);
    n->path = mem_strdup(path);
    if (has_use(n, key, name))
        return true;
    u = mem_zalloc(sizeof *u);
    u->key = key;
    u->name = name ? mem_strdup(name) : NULL;
    u->next = n->uses;
    n->uses = u;
    return true;
}

/* ---- Trees and the way to them --------------------------------------------------------------- */

/* Is this entry a directory itself? Symbolic links are not: what they lead to has its own place. */
static bool is_directory(const struct dirent *d, const char *path)
{
    struct stat st;

    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
        return false;
    if (d->d_type != DT_UNKNOWN)
        return d->d_type == DT_DIR;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Watches a directory and those below it. path has PATH_MAX bytes and ends with '/'. */
static void use_tree(struct watch *w, char *path, unsigned key)
{
    size_t n = strlen(path);
    struct dirent *d;
    DIR *dir;

    if (!use_directory(w, path, TREE_MASK, key, NULL) || !(dir = opendir(path)))
        return;
    while ((d = readdir(dir))) {
        if (n + strlen(d->d_name) + 2 > PATH_MAX)
            continue;
        strcpy(path + n, d->d_name);
        if (is_directory(d, path)) {
            strcat(path, "/");
            use_tree(w, path, key);
        }
        path[n] = '\0';
    }
    closedir(dir);
}

/*
 * Goes one name further from a directory (ends with '/'). rest is what of the way is still to go; a
 * symbolic link puts its target in front of it. False: the way ends here.
 */
static bool step(struct watch *w, unsigned key, char at[PATH_MAX], const char *name,
                 char rest[PATH_MAX])
{
    char target[PATH_MAX], joined[PATH_MAX];
    size_t n = strlen(at);
    struct stat st;
    ssize_t size;

    if (!use_directory(w, at, rest[strspn(rest, "/")] ? WAY_MASK : END_MASK, key, name)
        && errno == EACCES)
        w->blind++;
    if (n + strlen(name) + 2 > PATH_MAX)
        return false;
    strcpy(at + n, name);
    if (lstat(at, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode)) {
        strcat(at, "/");
        return true;
    }
    if (!S_ISLNK(st.st_mode))
        return false;
    size = readlink(at, target, sizeof target - 1);
    if (size <= 0)
        return false;
    target[size] = '\0';
    at[n] = '\0';
    if (target[0] == '/')
        strcpy(at, "/");
    if (snprintf(joined, sizeof joined, "%s/%s", target, rest) >= (int)sizeof joined)
        return false;
    strcpy(rest, joined);
    return true;
}

/* Leaves the last name of a directory out: "..". */
static void up(char at[PATH_MAX])
{
    size_t n = strlen(at);

    while (n > 1 && at[n - 2] != '/')
        n--;
    at[n > 1 ? n - 1 : 1] = '\0';
}

/* Watches a path: everything on the way, and a tree where it leads to one. */
static void use_path(struct watch *w, const struct root *root)
{
    char at[PATH_MAX] = "/", rest[PATH_MAX], name[NAME_MAX + 1];
    int names = 0;

    if (strlen(root->path) >= sizeof rest)
        return;
    strcpy(rest, root->path);
    for (;;) {
        size_t skip = strspn(rest, "/"), n = strcspn(rest + skip, "/");

        if (n == 0)
            break;
        if (n > NAME_MAX || ++names > PATH_MAX / 2 + LINKS_MAX)
            return;
        memcpy(name, rest + skip, n);
        name[n] = '\0';
        memmove(rest, rest + skip + n, strlen(rest + skip + n) + 1);
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0)
            up(at);
        else if (!step(w, root->key, at, name, rest))
            return;
    }
    use_tree(w, at, root->key);
}

void watch_add(struct watch *w, unsigned key, const char *path)
{
    struct root *root = mem_zalloc(sizeof *root);

    CHECK_OBJ(w, WATCH_MAGIC);
    AN(path[0] == '/');
    root->key = key;
    root->path = mem_strdup(path);
    root->next = w->roots;
    w->roots = root;
    use_path(w, root);
}

/* All that there is for a key is to be found again, or goes. */
static void age_key(struct watch *w, unsigned key)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node *n = w->buckets[i]; n; n = n->next)
            for (struct use *u = n->uses; u; u = u->next)
                u->stale = u->stale || u->key == key;
}

/* Takes stale uses of a node away. */
static void drop_stale_uses(struct node *n)
{
    for (struct use **u = &n->uses; *u;) {
        struct use *use = *u;

        if (!use->stale) {
            u = &use->next;
            continue;
        }
        *u = use->next;
        use_free(use);
    }
}

/* Takes what was not found again away, and nodes that then have no use. */
static void drop_stale(struct watch *w)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node **at = &w->buckets[i]; *at;) {
            drop_stale_uses(*at);
            if ((*at)->uses)
                at = &(*at)->next;
            else
                node_free(w, at, true);
        }
}

/*
 * Adds anew what belongs to keys of which the way or the tree is another now. What is found again
 * goes on being watched: the kernel tells of each directory that is not watched any more, and where
 * those are too many for its queue, that would be the next reason to add all of them anew.
 */
static void renew(struct watch *w)
{
    bool any = false;

    for (struct root *r = w->roots; r; r = r->next) {
        if (!r->stale)
            continue;
        any = true;
        age_key(w, r->key);
        for (struct root *same = r; same; same = same->next)
            if (same->key == r->key) {
                same->stale = false;
                use_path(w, same);
            }
    }
    if (any)
        drop_stale(w);
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* Everything of a key is to be added anew; of all keys where all is set. */
static void make_stale(struct watch *w, unsigned key, bool all)
{
    for (struct root *r = w->roots; r; r = r->next)
        r->stale = r->stale || all || r->key == key;
}

/* Watches a directory that has come into a tree, or that may be readable now. */
static void use_newcomer(struct watch *w, const struct node *n, const char *name, unsigned key)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s%s/", n->path, name) < (int)sizeof path)
        use_tree(w, path, key);
}

/* Takes one event in a directory. */
static void take_event(struct watch *w, const struct node *n, const struct inotify_event *e,
                       void (*changed)(void *arg, unsigned key), void *arg)
{
    const char *name = e->len ? e->name : "";

    for (const struct use *u = n->uses; u; u = u->next) {
        if (u->name && strcmp(u->name, name) != 0)
            continue;
        changed(arg, u->key);
        if (u->name || ((e->mask & IN_ISDIR) && (e->mask & IN_MOVED_FROM)))
            make_stale(w, u->key, false);
        else if ((e->mask & IN_ISDIR) && name[0]
                 && (e->mask & (IN_CREATE | IN_MOVED_TO | IN_ATTRIB)))
            use_newcomer(w, n, name, u->key);
    }
}

/* All keys have changed, as far as anybody can know. */
static void all_changed(struct watch *w, void (*changed)(void *arg, unsigned key), void *arg)
{
    make_stale(w, 0, true);
    for (const struct root *r = w->roots; r; r = r->next)
        changed(arg, r->key);
}

void watch_read(struct watch *w, void (*changed)(void *arg, unsigned key), void *arg)
{
    char buf[64 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    CHECK_OBJ(w, WATCH_MAGIC);
    while ((n = read(w->fd, buf, sizeof buf)) > 0) {
        for (const char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const void *)p;
            struct node **place = node_place(w, e->wd);

            p += sizeof *e + e->len;
            if (e->mask & IN_Q_OVERFLOW)
                all_changed(w, changed, arg);
            else if (*place && (e->mask & IN_IGNORED))
                node_free(w, place, false);
            else if (*place)
                take_event(w, *place, e, changed, arg);
        }
    }
    renew(w);
}

/* ---- The rest -------------------------------------------------------------------------------- */

int watch_fd(const struct watch *w)
{
    CHECK_OBJ(w, WATCH_MAGIC);
    return w->fd;
}

bool watch_incomplete(const struct watch *w)
{
    CHECK_OBJ(w, WATCH_MAGIC);
    return w->incomplete;
}

unsigned long watch_blind(const struct watch *w)
{
    CHECK_OBJ(w, WATCH_MAGIC);
    return w->blind;
}

unsigned long watch_count(const struct watch *w)
{
    CHECK_OBJ(w, WATCH_MAGIC);
    return w->count;
}

void watch_free(struct watch **pw)
{
    struct watch *w;

    TAKE_OBJ(w, pw, WATCH_MAGIC);
    close(w->fd);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (w->buckets[i])
            node_free(w, &w->buckets[i], false);
    while (w->roots) {
        struct root *r = w->roots;

        w->roots = r->next;
        free(r->path);
        free(r);
    }
    w->magic = 0;
    free(w);
}
