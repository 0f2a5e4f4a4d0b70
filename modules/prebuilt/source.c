/*
 * source.c - the directive prebuilt_source: files from elsewhere.
 *
 * What a source holds stands for the files below the root of the server block: each of its files
 * becomes an answer if the location of its path would look for it below that root. So locations go
 * on to say what is prebuilt, and those with a root or an alias of their own keep it.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIT_PREFIX "git:"

/* ---- Configuration --------------------------------------------------------------------------- */

/* The path of something in a repository, which is bare or has a checkout around it. */
static struct str inside(struct slv_conf *cf, const struct prebuilt_source *s, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    bool bare;
    int n;

    n = snprintf(path, sizeof path, "%s/.git", s->path.p);
    bare = (size_t)n >= sizeof path || stat(path, &st) != 0 || !S_ISDIR(st.st_mode);
    n = snprintf(path, sizeof path, "%s%s/%s", s->path.p, bare ? "" : "/.git", name);
    return slv_conf_str(cf, (struct str){ path, (size_t)n < sizeof path ? (size_t)n : 0 });
}

/* Takes "git:REPO#BRANCH" apart. 0 or -1. */
static int set_git(struct slv_conf *cf, struct str text, struct prebuilt_source *s)
{
    struct str repository = str_from(text, sizeof GIT_PREFIX - 1);
    const char *mark = repository.n ? memrchr(repository.p, '#', repository.n) : NULL;
    struct stat st;

    if (!source_has_git())
        return slv_conf_error(cf, 1, "\"%.*s\" cannot be used: this module was built without "
                              "libgit2", STR_ARG(text));
    if (!mark || mark == repository.p || mark + 1 == repository.p + repository.n)
        return slv_conf_error(cf, 1, "invalid source \"%.*s\", it must be git:REPOSITORY#BRANCH",
                              STR_ARG(text));
    s->branch = slv_conf_str(cf, str_from(repository, (size_t)(mark + 1 - repository.p)));
    repository.n = (size_t)(mark - repository.p);
    s->path = slv_conf_path(cf, repository, false);
    if (stat(s->path.p, &st) != 0)
        return slv_conf_error(cf, 1, "the repository \"%s\" cannot be found (%d: %s)", s->path.p,
                              errno, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return slv_conf_error(cf, 1, "\"%s\" is no repository, it must be a directory", s->path.p);
    s->heads = inside(cf, s, "refs/heads");
    s->packed = inside(cf, s, "packed-refs");
    return 0;
}

/* prebuilt_source directory | image | git:repository#branch */
int prebuilt_set_source(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct prebuilt_source *s = slv_conf_alloc(cf, sizeof *s);
    struct prebuilt_conf *c = conf;
    struct str text = slv_conf_arg(cf, 1);
    struct stat st;

    (void)d;
    if (str_starts(text, STR(GIT_PREFIX))) {
        if (set_git(cf, text, s) != 0)
            return -1;
    } else {
        s->path = slv_conf_path(cf, text, false);
        if (stat(s->path.p, &st) != 0)
            return slv_conf_error(cf, 1, "\"%s\" cannot be found (%d: %s), it must be a directory, "
                                  "an image or git:REPOSITORY#BRANCH", s->path.p, errno,
                                  strerror(errno));
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
            return slv_conf_error(cf, 1, "\"%s\" is neither a directory nor an image", s->path.p);
    }
    c->source = s;
    return 0;
}

/*
 * Names what is to be watched. Of a repository that is where its branches are told: what else
 * happens in it is of no interest.
 */
void source_watch(const struct prebuilt_source *s, struct slv_image_options *options)
{
    if (!s->branch.p) {
        options->sources[options->source_count++] = s->path;
        return;
    }
    options->sources[options->source_count++] = s->heads;
    options->sources[options->source_count++] = s->packed;
}

/* ---- Building -------------------------------------------------------------------------------- */

/* Finds the root of the server block, for which the source stands. */
static void find_root(struct builder *w)
{
    struct slv_tree first;

    /* The block is the first of all; where its root depends on the request, dir is empty. */
    if (slv_build_tree(w->b, 0, &first) && !first.obstacle)
        w->replaced = first.dir;
    else
        w->replaced = STR("");
}

/* The tree at hand lies where the source stands for it. */
bool source_covers(const struct builder *w, const struct slv_tree *tree)
{
    struct str rest;

    if (!w->replaced.p || tree->obstacle || !str_starts(tree->dir, w->replaced))
        return false;
    rest = str_from(tree->dir, w->replaced.n);
    return tree->path.n == rest.n + 1 && str_ends(tree->path, rest);
}

/* The file at hand is what a request for its path would be answered with. */
bool source_fits(const struct builder *w, struct slv_request *r, struct str path, struct str file)
{
    struct str wanted = slv_request_file(r, path);

    if (!w->from_source)
        return str_eq(wanted, file);
    /* A root that depends on the request is one that nobody can compare with. */
    return w->replaced.n == 0
        || (wanted.n == w->replaced.n + path.n - 1 && str_starts(wanted, w->replaced)
            && str_ends(wanted, str_from(path, 1)));
}

/* Says that a source cannot be read. Always -1. */
static int unreadable(const struct builder *w, const struct prebuilt_source *s)
{
    slv_log(NULL, SLV_LOG_ERROR, errno, "prebuilt image for \"%s\": \"%s\" cannot be read",
            slv_build_name(w->b), s->path.p);
    return -1;
}

/* Walks a directory. 0 or -1. */
static int walk_directory(struct builder *w, const struct prebuilt_source *s)
{
    char dir[PATH_MAX];
    int n = snprintf(dir, sizeof dir, "%s%s", s->path.p, str_ends(s->path, STR("/")) ? "" : "/");

    if ((size_t)n >= sizeof dir) {
        errno = ENAMETOOLONG;
        return unreadable(w, s);
    }
    /* What lies in it may be left out, but without it there is no site. */
    if (access(dir, R_OK | X_OK) != 0)
        return unreadable(w, s);
    w->tree = (struct slv_tree){ .dir = { dir, (size_t)n }, .path = STR("/") };
    return walk_tree(w);
}

/* The source is an image. It may have become one, or a directory, since it was named. */
bool source_is_image(const struct prebuilt_source *s)
{
    struct stat st;

    return s && !s->branch.p && stat(s->path.p, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Takes an image as it is. */
int source_adopt(struct builder *w, const struct prebuilt_conf *host)
{
    if (slv_build_adopt(w->b, host->source->path.p, host->max_size) != 0)
        return -1;
    slv_build_say(w->b, "image for \"%s\": \"%s\", in %lld ms", slv_build_name(w->b),
                  host->source->path.p, (long long)builder_elapsed(w));
    return 0;
}

/* Adds what a source holds. */
int source_walk(struct builder *w, const struct prebuilt_source *s)
{
    int rc;

    find_root(w);
    w->from_source = true;
    rc = s->branch.p ? source_git_walk(w, s) : walk_directory(w, s);
    if (rc == 0)
        rc = items_settle(w);
    w->from_source = false;
    return rc;
}
