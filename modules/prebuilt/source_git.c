/*
 * source_git.c - the files of a branch of a repository, without a checkout.
 *
 * The tree of the branch's newest commit is walked as a directory would be: its blobs are bodies,
 * the time of the commit is the time of all files. One commit is one state, so what others push
 * meanwhile belongs to the next image.
 */
#include "source.h"
#include "libgit.h"

#ifdef HAVE_LIBGIT2

#include <stdio.h>
#include <stdlib.h>

#define TREES_MAX 100000u          /* directories: one may stand for any number of them */
#define LINKS_MAX 40               /* symbolic links on the way to one file, as the kernel has it */

/* A branch being walked. */
struct git_walk {
    struct builder *w;
    const struct prebuilt_source *s;
    git_repository *repository;
    git_odb *objects;
    git_tree *top;
    struct timespec time;          /* of the commit */
    char real[PATH_MAX];           /* the directory at hand without symbolic links; "": the top */
    git_oid around[DEPTH_MAX];     /* it and those around it */
    bool failed;                   /* an object could not be read */
};

/* What a name leads to. */
struct target {
    git_oid id;
    git_filemode_t mode;
};

/* This build can do that. */
bool source_has_git(void)
{
    return true;
}

/* Logs what failed, and why the library says it did. Always -1. */
static int git_failed(const struct git_walk *g, const char *what, const char *which)
{
    const git_error *error = lib.git_error_last();

    slv_log(NULL, SLV_LOG_ERROR, 0, "prebuilt image for \"%s\": repository \"%s\", branch \"%s\": "
            "%s%s%s failed (%s)", slv_build_name(g->w->b), g->s->path.p, g->s->branch.p, what,
            which ? " " : "", which ? which : "", error ? error->message : "no reason is known");
    return -1;
}

/* ---- Symbolic links -------------------------------------------------------------------------- */

/* A path on which links are being followed. */
struct trail {
    char at[PATH_MAX];             /* where one is, without links; "": the top */
    char ahead[PATH_MAX];          /* what is still to be gone */
    unsigned links;
};

/* Takes the last name off a path. */
static void go_up(char *path)
{
    char *slash = strrchr(path, '/');

    *(slash ? slash : path) = '\0';
}

/* What stands at a path, not following a link there. False: nothing. */
static bool look_up(const struct git_walk *g, const char *path, struct target *out)
{
    git_tree_entry *entry;

    *out = (struct target){ *lib.git_tree_id(g->top), GIT_FILEMODE_TREE };
    if (!path[0])
        return true;
    if (lib.git_tree_entry_bypath(&entry, g->top, path) != 0)
        return false;
    *out = (struct target){ *lib.git_tree_entry_id(entry), lib.git_tree_entry_filemode(entry) };
    lib.git_tree_entry_free(entry);
    return true;
}

/* Puts the text of a link before what is ahead. False: that cannot be followed. */
static bool follow(const struct git_walk *g, struct trail *t, const git_oid *id, enum reason *why)
{
    char text[PATH_MAX], rest[PATH_MAX];
    git_blob *blob;
    size_t size;

    *why = UNREADABLE;
    if (++t->links > LINKS_MAX || lib.git_blob_lookup(&blob, g->repository, id) != 0)
        return false;
    size = (size_t)lib.git_blob_rawsize(blob);
    if (size < sizeof text) {
        memcpy(text, lib.git_blob_rawcontent(blob), size);
        text[size] = '\0';
    }
    lib.git_blob_free(blob);
    if (size == 0 || size >= sizeof text || strlen(text) != size)
        return false;
    *why = OUTSIDE;
    if (text[0] == '/')
        return false;
    *why = TOO_LONG;
    memcpy(rest, t->ahead, strlen(t->ahead) + 1);
    return (size_t)snprintf(t->ahead, sizeof t->ahead, "%s/%s", text, rest) < sizeof t->ahead;
}

/* Goes one name further. False: it leads nowhere. */
static bool step(const struct git_walk *g, struct trail *t, const char *name, enum reason *why)
{
    size_t size = strlen(t->at), more = strlen(name);
    struct target target;

    if (strcmp(name, "..") == 0) {
        *why = OUTSIDE;
        if (!t->at[0])
            return false;
        go_up(t->at);
        return true;
    }
    if (more == 0 || strcmp(name, ".") == 0)
        return true;
    *why = TOO_LONG;
    if (size + more + 2 > sizeof t->at)
        return false;
    if (size > 0)
        t->at[size++] = '/';
    memcpy(t->at + size, name, more + 1);
    *why = UNREADABLE;
    if (!look_up(g, t->at, &target))
        return false;
    if (target.mode != GIT_FILEMODE_LINK)
        return true;
    go_up(t->at);
    return follow(g, t, &target.id, why);
}

/*
 * Finds what a link in the directory at hand leads to, in real: a path without links that does not
 * leave the tree. False: nothing, and *why says how.
 */
static bool resolve(const struct git_walk *g, const git_oid *id, char real[PATH_MAX],
                    struct target *target, enum reason *why)
{
    struct trail t = { .links = 0 };
    char name[PATH_MAX];

    memcpy(t.at, g->real, strlen(g->real) + 1);
    if (!follow(g, &t, id, why))
        return false;
    while (t.ahead[0]) {
        size_t n = strcspn(t.ahead, "/");
        const char *rest = t.ahead + n + (t.ahead[n] == '/');

        memcpy(name, t.ahead, n);
        name[n] = '\0';
        memmove(t.ahead, rest, strlen(rest) + 1);
        if (!step(g, &t, name, why))
            return false;
    }
    memcpy(real, t.at, strlen(t.at) + 1);
    *why = UNREADABLE;
    return look_up(g, real, target);
}

/* ---- The walk -------------------------------------------------------------------------------- */

static int walk(struct git_walk *g, const git_oid *id, unsigned depth);

/* The bytes of a blob, on the heap. NULL: it cannot be read, which is said. */
static char *read_blob(struct builder *w, const struct supply *s)
{
    struct git_walk *g = s->owner;
    git_blob *blob;
    char *data;

    if (lib.git_blob_lookup(&blob, g->repository, s->id) != 0) {
        g->failed = true;
        git_failed(g, "reading", w->file);
        return NULL;
    }
    data = prebuilt_need(malloc((size_t)s->origin.size + 1));
    if (s->origin.size > 0)
        memcpy(data, lib.git_blob_rawcontent(blob), (size_t)s->origin.size);
    lib.git_blob_free(blob);
    return data;
}

/* Makes an answer of the blob at hand. 0 or -1. */
static int add_blob(struct git_walk *g, const git_oid *id)
{
    struct supply s = {
        .origin.modified = g->time, .hashed = true, .read = read_blob, .owner = g, .id = id
    };
    git_object_t type;
    size_t size;

    /*
     * The name of a blob is a hash of it: as much of it as there is room for. So a blob is known
     * over commits, although each of them gives its file another time.
     */
    memcpy(&s.origin.device, id->id, sizeof s.origin.device);
    memcpy(&s.origin.inode, id->id + sizeof s.origin.device, sizeof s.origin.inode);
    if (lib.git_odb_read_header(&size, &type, g->objects, id) != 0)
        return git_failed(g, "reading", g->w->file);
    s.origin.size = (int64_t)size;
    /* A file may be left out, but a commit that cannot be read is no state of a site. */
    return answer_supply(g->w, &s) == 0 && !g->failed ? 0 : -1;
}

/* Enters the directory at hand, which lies at real. 0 or -1. */
static int enter(struct git_walk *g, const git_oid *id, const char *real, unsigned depth)
{
    struct builder *w = g->w;
    char before[PATH_MAX];
    int rc;

    if (depth >= DEPTH_MAX || w->file_size + 2 > sizeof w->file) {
        builder_leave_out(w, TOO_LONG, 0, NULL);
        return 0;
    }
    if (w->shared++ >= TREES_MAX) {
        builder_leave_out(w, TOO_MANY, 0, "too many directories");
        return 0;
    }
    for (unsigned i = 0; i < depth; i++)
        if (lib.git_oid_equal(&g->around[i], id)) {
            builder_leave_out(w, LOOP, 0, NULL);
            return 0;
        }
    w->file[w->file_size++] = '/';
    w->file[w->file_size] = '\0';
    memcpy(before, g->real, strlen(g->real) + 1);
    memcpy(g->real, real, strlen(real) + 1);
    rc = walk(g, id, depth);
    memcpy(g->real, before, strlen(before) + 1);
    return rc;
}

/* Handles what stands in w->file. real: where it really lies, if it is a directory. 0 or -1. */
static int visit(struct git_walk *g, const struct target *target, const char *real, unsigned depth)
{
    switch (target->mode) {
    case GIT_FILEMODE_TREE:
        return enter(g, &target->id, real, depth + 1);
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
        return add_blob(g, &target->id);
    case GIT_FILEMODE_COMMIT:
        builder_leave_out(g->w, SUBMODULE, 0, NULL);
        return 0;
    default:
        builder_leave_out(g->w, NO_FILE, 0, NULL);
        return 0;
    }
}

/* A name that a checkout could have: nobody checks what is pushed. */
static bool is_name(const char *name)
{
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

/* Handles a name of the directory at hand, which stands in w->file. 0 or -1. */
static int visit_name(struct git_walk *g, const char *name, const git_tree_entry *entry,
                      unsigned depth)
{
    struct target target = { *lib.git_tree_entry_id(entry), lib.git_tree_entry_filemode(entry) };
    enum reason why = TOO_LONG;
    char real[PATH_MAX];
    size_t n;

    if (!is_name(name)) {
        builder_leave_out(g->w, NO_FILE, 0, "its name is impossible");
        return 0;
    }
    if (target.mode == GIT_FILEMODE_LINK) {
        git_oid link = target.id;

        if (resolve(g, &link, real, &target, &why))
            return visit(g, &target, real, depth);
    } else {
        n = (size_t)snprintf(real, sizeof real, "%s%s%s", g->real, g->real[0] ? "/" : "", name);
        if (n < sizeof real)
            return visit(g, &target, real, depth);
    }
    builder_leave_out(g->w, why, 0, why == UNREADABLE ? "a link that leads nowhere" : NULL);
    return 0;
}

/* Walks a tree, the directory in w->file. 0 or -1. */
static int walk(struct git_walk *g, const git_oid *id, unsigned depth)
{
    struct builder *w = g->w;
    size_t size = w->file_size;
    git_tree *tree;
    int rc = 0;

    g->around[depth] = *id;
    if (lib.git_tree_lookup(&tree, g->repository, id) != 0)
        return git_failed(g, "reading", w->file);
    for (size_t i = 0; rc == 0 && i < lib.git_tree_entrycount(tree); i++) {
        const git_tree_entry *entry = lib.git_tree_entry_byindex(tree, i);
        const char *name = lib.git_tree_entry_name(entry);
        size_t n = strlen(name);

        if (size + n < sizeof w->file) {
            memcpy(w->file + size, name, n + 1);
            w->file_size = size + n;
            rc = visit_name(g, name, entry, depth);
            /* After a failure the name stays, for the message. */
            if (rc != 0)
                break;
        } else {
            builder_leave_out(w, TOO_LONG, 0, NULL);
        }
        w->file_size = size;
        w->file[size] = '\0';
    }
    lib.git_tree_free(tree);
    return rc == 0 ? answer_directory(w) : -1;
}

/* ---- The branch ------------------------------------------------------------------------------ */

/* Finds the commit at the tip of the branch. 0 or -1. */
static int open_branch(struct git_walk *g, git_object **commit)
{
    git_reference *branch;
    int rc;

    if (lib.git_repository_open_ext(&g->repository, g->s->path.p, GIT_REPOSITORY_OPEN_NO_SEARCH,
                                    NULL) != 0)
        return git_failed(g, "opening it", NULL);
    if (lib.git_repository_odb(&g->objects, g->repository) != 0)
        return git_failed(g, "opening its objects", NULL);
    if (lib.git_reference_dwim(&branch, g->repository, g->s->branch.p) != 0)
        return git_failed(g, "finding the branch", NULL);
    rc = lib.git_reference_peel(commit, branch, GIT_OBJECT_COMMIT);
    lib.git_reference_free(branch);
    return rc == 0 ? 0 : git_failed(g, "finding the newest commit", NULL);
}

/* Walks the tree of a commit. 0 or -1. */
static int walk_commit(struct git_walk *g, git_object *commit)
{
    struct builder *w = g->w;
    char hash[GIT_OID_HEXSZ + 1];
    int rc;

    g->time.tv_sec = (time_t)lib.git_commit_time((git_commit *)commit);
    if (lib.git_commit_tree(&g->top, (git_commit *)commit) != 0)
        return git_failed(g, "reading the newest commit", NULL);
    slv_build_say(w->b, "building image for \"%s\" of commit %s of \"%s\"", slv_build_name(w->b),
                  lib.git_oid_tostr(hash, sizeof hash, lib.git_object_id(commit)), g->s->path.p);
    rc = walk(g, lib.git_tree_id(g->top), 0);
    if (rc == 0)
        rc = items_settle(w);
    lib.git_tree_free(g->top);
    return rc;
}

/* Adds the answers for all files of a branch. */
int source_git_walk(struct builder *w, const struct prebuilt_source *s)
{
    struct git_walk *g;
    git_object *commit = NULL;
    int n = snprintf(w->file, sizeof w->file, "git:%s#%s/", s->path.p, s->branch.p), rc;

    if ((size_t)n >= sizeof w->file || libgit_load(slv_build_name(w->b)) != 0)
        return -1;
    g = prebuilt_need(calloc(1, sizeof *g));
    g->w = w;
    g->s = s;
    w->file_size = (size_t)n;
    w->tree = (struct slv_tree){ .dir = { w->file, (size_t)n }, .path = STR("/") };
    rc = open_branch(g, &commit);
    if (rc == 0)
        rc = walk_commit(g, commit);
    /* Each of these takes NULL. */
    lib.git_object_free(commit);
    lib.git_odb_free(g->objects);
    lib.git_repository_free(g->repository);
    libgit_unload();
    free(g);
    return rc;
}

#else

/* This build cannot. */
bool source_has_git(void)
{
    return false;
}

/* Is never called, because the directive was refused. */
int source_git_walk(struct builder *w, const struct prebuilt_source *s)
{
    (void)w;
    (void)s;
    return -1;
}

#endif
