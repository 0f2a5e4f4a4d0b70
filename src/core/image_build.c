/*
 * image_build.c - what a module's build hook is given: the host's directories, requests that nobody
 * sent, and a place to put answers (image_add.c).
 */
#include "core/image_build.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/location.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRATCH_SIZE ((size_t)8 * 1024)

_Static_assert((int)SLV_CODING_IDENTITY == CODING_IDENTITY && (int)SLV_CODING_GZIP == CODING_GZIP
               && (int)SLV_CODING_BR == CODING_BR && (int)SLV_CODING_ZSTD == CODING_ZSTD
               && (int)SLV_CODING_COUNT == CODING_MAX, "modules and core count codings alike");

/* ---- Directories ----------------------------------------------------------------------------- */

/* The part of a path up to its last slash. */
static struct str directory_of(struct str path)
{
    while (path.n && path.p[path.n - 1] != '/')
        path.n--;
    return path;
}

/* Adds a tree; dir and path are copied. */
static void add_tree(struct slv_build *b, struct slv_tree tree)
{
    if (b->tree_count == b->tree_room) {
        b->tree_room = b->tree_room * 2 + 8;
        b->trees = mem_resize(b->trees, b->tree_room, sizeof *b->trees);
    }
    tree.dir = arena_str(&b->arena, tree.dir);
    tree.path = arena_str(&b->arena, tree.path);
    b->trees[b->tree_count++] = tree;
}

/*
 * Fills in what an alias says. It may be inherited: then it stands for the path of a location
 * around this one. Location and alias end with a slash both or neither; anything else glues names
 * together, and what it means cannot be walked.
 */
static void alias_tree(struct slv_build *b, const struct document_root *root,
                       const struct location *l, struct slv_tree *tree)
{
    struct str dir = slv_template_literal(root->text);
    bool slash = str_ends(dir, STR("/"));

    while (l && l->text.n != root->replaced)
        l = l->parent;
    if (root->regex || !l || l->kind == LOCATION_REGEX) {
        tree->obstacle = "its alias depends on the request";
        return;
    }
    tree->single = l->kind == LOCATION_EXACT;
    tree->dir = dir;
    tree->path = l->text;
    if (tree->single)
        return;
    if (slash != str_ends(l->text, STR("/"))) {
        tree->obstacle = "of location and alias only one ends with a slash";
    } else if (!slash) {
        tree->dir = arena_printf(&b->scratch, "%.*s/", STR_ARG(dir));
        tree->path = arena_printf(&b->scratch, "%.*s/", STR_ARG(l->text));
    }
}

/* Fills in what a root says: the directory below it in which files of the location can lie. */
static void root_tree(struct slv_build *b, const struct document_root *root,
                      const struct location *l, struct slv_tree *tree)
{
    if (l && l->kind == LOCATION_EXACT) {
        tree->single = true;
    } else if (l && l->kind != LOCATION_REGEX && l->text.n && l->text.p[0] == '/') {
        tree->path = directory_of(l->text);
    } else {
        tree->path = STR("/");
    }
    tree->dir = arena_printf(&b->scratch, "%.*s%.*s", STR_ARG(slv_template_literal(root->text)),
                             STR_ARG(tree->path));
}

/* Notes the directory that a block serves files from. */
static void block_tree(struct slv_build *b, const struct conf_block *block)
{
    const struct location *l = block->where == SLV_IN_LOCATION ? block->data : NULL;
    const struct document_root *root = core_conf_of(block)->root;
    struct slv_tree tree = {
        .conf = image_conf(b->config, b->image, block), .path = STR("/"), .dir = STR("")
    };

    if (l && l->kind == LOCATION_NAMED)
        return;
    if (l)
        tree.path = l->text;
    if (!root || !slv_template_literal(root->text).p)
        tree.obstacle = "its root depends on the request";
    else if (root->alias)
        alias_tree(b, root, l, &tree);
    else
        root_tree(b, root, l, &tree);
    add_tree(b, tree);
}

/* Notes the directories of a block and of those inside. */
static void find_trees(struct slv_build *b, const struct conf_block *block)
{
    if (block->where & (SLV_IN_SERVER | SLV_IN_LOCATION))
        block_tree(b, block);
    for (const struct conf_block *child = block->children; child; child = child->next)
        find_trees(b, child);
}

/* The directories of the host. */
bool slv_build_tree(const struct slv_build *b, size_t i, struct slv_tree *out)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    if (i >= b->tree_count)
        return false;
    *out = b->trees[i];
    return true;
}

/* The name of the host. */
const char *slv_build_name(const struct slv_build *b)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return b->name;
}

/* ---- Requests that nobody sent --------------------------------------------------------------- */

/* Makes a request. */
struct slv_request *slv_build_request(struct slv_build *b, struct str path)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return request_make(b->config, b->image->server, path);
}

/* Gives it back. */
void slv_build_drop(struct slv_build *b, struct slv_request **r)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    request_unmake(r);
    AN(*r == NULL);
}

/* Why answers of the request's location cannot be made ahead of time. */
const char *slv_build_obstacle(struct slv_build *b, struct slv_request *r)
{
    const struct core_conf *core = context_of(r)->core;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    if (core->return_rule || core_conf_of(b->image->server->block)->return_rule)
        return "its location answers with \"return\"";
    if (!core->root || !slv_template_literal(core->root->text).p)
        return "the root of its location depends on the request";
    if (core->expires && (core->expires->kind == EXPIRES_DAILY
                          || core->expires->kind == EXPIRES_MODIFIED))
        return "\"expires\" of its location changes with the time";
    for (const struct added_header *h = core->add_headers; h; h = h->next)
        if (!slv_template_literal(h->value).p)
            return "an \"add_header\" of its location depends on the request";
    return NULL;
}

/* Takes an image that was made elsewhere. */
int slv_build_adopt(struct slv_build *b, const char *path, int64_t max)
{
    const char *reason;
    int error;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(path != NULL && max >= 0 && !b->adopted);
    if (image_adopt(b->job, path, (uint64_t)max, &reason, &error) != 0) {
        log_error(error, "the image \"%s\" for \"%s\" is refused: %s", path, b->name, reason);
        return -1;
    }
    b->adopted = true;
    return 0;
}

/* Every module would serve the file. */
bool slv_build_admits(const struct slv_build *b, struct slv_request *r, struct str file)
{
    const struct conf_modules *m = &b->config->modules;
    const struct context *ctx = context_of(r);

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i]->admits && !m->list[i]->admits(r, ctx->block->confs[i], file))
            return false;
    return true;
}

/* ---- Size and progress ----------------------------------------------------------------------- */

/* The most bytes that the image may have. */
void slv_build_limit(struct slv_build *b, int64_t bytes)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(bytes >= 0);
    snapshot_writer_limit(b->writer, (uint64_t)bytes);
}

/* Bytes so far. */
int64_t slv_build_size(const struct slv_build *b)
{
    struct snapshot_stats stats;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    snapshot_writer_stats(b->writer, &stats);
    return (int64_t)stats.size;
}

/* A line of progress. */
void slv_build_say(struct slv_build *b, const char *format, ...)
{
    char line[512];
    va_list args;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* Whoever listens writes the log too. */
    if (b->job->progress)
        b->job->progress(b->job->arg, line);
    else
        log_notice(0, "%s", line);
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The present in milliseconds since the epoch. */
static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Writes out what was added. 0 or -1. */
static int finish(struct slv_build *b, int64_t began)
{
    struct snapshot_stamp stamp = {
        .generation = b->job->number,
        .began = slv_build_refines(b) ? b->job->previous->header->began
            : b->job->built ? b->job->built : began,
        .built = b->job->built ? b->job->built : wall_ms(),
        .put_off = b->job->put_off
    };

    if (image_add_pages(b) != 0)
        return -1;
    if (snapshot_finish(b->writer, &stamp, &b->job->unchanged) == 0)
        return 0;
    return image_add_failed(b);
}

/* Runs the hook and completes the image. */
int image_build(struct image_job *job)
{
    const struct slv_image *image = job->image;
    struct slv_build b = {
        .magic = SLV_BUILD_MAGIC, .job = job, .config = job->config, .image = image
    };
    int64_t began = wall_ms();
    int rc;

    AN(job->fd >= 0 && image->server != NULL);
    job->unchanged = false;
    job->put_off = 0;
    arena_init(&b.arena, 4096);
    arena_init(&b.scratch, SCRATCH_SIZE);
    b.name = arena_cstr(&b.arena, image->name);
    b.writer = snapshot_writer_new(job->fd, INT64_MAX);
    if (job->previous)
        snapshot_writer_previous(b.writer, job->previous, job->previous_fd);
    find_trees(&b, image->server->block);
    arena_reset(&b.scratch);
    rc = image->module->build(&b, (void *)image_conf(b.config, image, image->server->block));
    if (rc != 0)
        log_error(0, "module \"%s\" gave up the prebuilt image of \"%s\"", image->module->name,
                  b.name);
    else if (!b.adopted)
        rc = finish(&b, began);
    snapshot_writer_free(&b.writer);
    free(b.trees);
    free(b.bodies);
    free(b.originals);
    arena_free(&b.scratch);
    arena_free(&b.arena);
    b.magic = 0;
    return rc == 0 ? 0 : -1;
}

/* Names what is to be watched. */
void image_sources(const struct config *config, const struct slv_image *image,
                   void (*add)(void *arg, const struct slv_image *image, const char *path),
                   void *arg)
{
    struct slv_build b = { .magic = SLV_BUILD_MAGIC, .config = config, .image = image };

    CHECK_OBJ(image, SLV_IMAGE_MAGIC);
    for (size_t i = 0; i < image->options.source_count; i++)
        add(arg, image, image->options.sources[i].p);
    arena_init(&b.arena, 4096);
    arena_init(&b.scratch, SCRATCH_SIZE);
    find_trees(&b, image->server->block);
    for (size_t i = 0; i < b.tree_count; i++)
        if (!b.trees[i].obstacle && image_wished(config, b.trees[i].conf))
            add(arg, image, b.trees[i].dir.p);
    free(b.trees);
    arena_free(&b.scratch);
    arena_free(&b.arena);
    b.magic = 0;
}
