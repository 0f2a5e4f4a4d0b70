/*
 * image_build.c - what a module's build hook is given: the host's directories, requests that nobody
 * sent, and a writer that knows what heads look like.
 */
#include "core/images.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/image_head.h"
#include "core/location.h"

#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_SIZE ((size_t)8 * 1024)
#define ETAG_ROOM 35               /* two quotes, 32 digits, NUL */

struct slv_build {
    unsigned magic;
#define SLV_BUILD_MAGIC 0xb1d9c0deu
    struct image_job *job;
    const struct config *config;
    const struct slv_image *image;
    const char *name;              /* of the host */
    struct arena arena;            /* as long as the build */
    struct arena scratch;          /* as long as one answer */
    struct snapshot_writer *writer;
    struct slv_tree *trees;
    size_t tree_count, tree_room;
    bool adopted;                  /* the image is one that was made elsewhere */
};

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

/* ---- Answers --------------------------------------------------------------------------------- */

/* The entity-tag of a body: the hash of its bytes, which is the same on every machine. */
static struct str make_etag(const struct slv_variant *v, char out[ETAG_ROOM])
{
    uint64_t hash[2];
    int n;

    snapshot_body_hash((struct str){ v->data, v->size }, hash);
    n = snprintf(out, ETAG_ROOM, "\"%016llx%016llx\"", (unsigned long long)hash[1],
                 (unsigned long long)hash[0]);
    AN(n == ETAG_ROOM - 1);
    return (struct str){ out, (size_t)n };
}

/*
 * Asks the core for the head of one variant. A request of its own, because asking leaves traces in
 * it.
 */
static void make_head(struct slv_build *b, const struct slv_prebuilt *p,
                      const struct slv_variant *v, struct image_head *out)
{
    struct slv_request *r = request_make(b->config, b->image->server, p->path);
    const struct expires *expires = context_of(r)->core->expires;
    char etag[ETAG_ROOM];
    struct slv_response response = {
        .status = 200, .content_type = p->content_type, .etag = make_etag(v, etag),
        .last_modified = p->modified.tv_sec > 0 ? p->modified.tv_sec : 0,
        .body = { .kind = SLV_BODY_MEM, .data = v->data, .size = (int64_t)v->size }
    };
    struct image_head_input in = {
        .cache_control = p->cache_control, .coding = (enum coding)v->coding,
        .negotiated = p->negotiated, .drop_expires = expires && expires->kind != EXPIRES_OFF
    };

    exchange_of(r)->accept_ranges_out = context_of(r)->core->max_ranges != 0;
    in.fields = request_head_fields(r, &response);
    image_head_make(&b->scratch, &in, out);
    request_unmake(&r);
}

/* Says why the image cannot grow. Always -1. */
static int report_failure(struct slv_build *b)
{
    int error;
    const char *reason = snapshot_writer_reason(b->writer, &error);

    log_error(error, "the prebuilt image of \"%s\" cannot be made: %s", b->name, reason);
    return -1;
}

/* Adds an answer. */
int slv_build_add(struct slv_build *b, const struct slv_prebuilt *p)
{
    struct snapshot_new_variant variants[CODING_MAX];
    struct image_head heads[CODING_MAX];
    struct snapshot_new_entry e = {
        .path = p->path, .kind = SNAPSHOT_FILE, .status = 200,
        .flags = p->negotiated ? SNAPSHOT_VARY : 0,
        .modified = p->modified.tv_sec > 0 ? p->modified.tv_sec : SNAPSHOT_NO_DATE,
        .modified_ns = (uint32_t)p->modified.tv_nsec, .type = p->content_type,
        .variants = variants, .count = p->count
    };
    int rc;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(p->count >= 1 && p->count <= CODING_MAX);
    AN(p->path.n > 0 && p->path.p[0] == '/');
    for (size_t i = 0; i < p->count; i++) {
        const struct slv_variant *v = &p->variants[i];

        make_head(b, p, v, &heads[i]);
        variants[i] = (struct snapshot_new_variant){
            .coding = (enum coding)v->coding, .head = heads[i].full, .brief = heads[i].brief,
            .etag = heads[i].etag, .body = { v->data, v->size }
        };
    }
    e.extra = heads[0].extra;
    rc = snapshot_add(b->writer, &e);
    arena_reset(&b->scratch);
    if (rc == 0 && b->job->added)
        b->job->added(b->job->arg, p->variants[0].size);
    return rc == 0 ? 0 : report_failure(b);
}

/* All names of "index" in a path's location are plain. */
static bool plain_index(const struct server *s, struct str path)
{
    const struct text_list *index = core_conf_of(server_route(s, path, NULL))->index;

    for (size_t i = 0; index && i < index->count; i++)
        if (!slv_template_literal(index->texts[i]).p)
            return false;
    return true;
}

/* Adds another path for an answer. */
int slv_build_alias(struct slv_build *b, struct str path, struct str of)
{
    const struct server *s = b->image->server;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    /*
     * Otherwise the request is to be redirected inside, as "index" does: the other location may ask
     * for a password.
     */
    if (server_route(s, path, NULL) != server_route(s, of, NULL) || !plain_index(s, path))
        return 0;
    return snapshot_add_alias(b->writer, path, of) == 0 ? 0 : report_failure(b);
}

/* The path has been added. */
bool slv_build_has(const struct slv_build *b, struct str path)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return snapshot_has(b->writer, path);
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

/* Runs the hook and completes the image. */
int image_build(struct image_job *job)
{
    const struct slv_image *image = job->image;
    struct slv_build b = {
        .magic = SLV_BUILD_MAGIC, .job = job, .config = job->config, .image = image
    };
    int rc;

    AN(job->fd >= 0 && image->server != NULL);
    arena_init(&b.arena, 4096);
    arena_init(&b.scratch, SCRATCH_SIZE);
    b.name = arena_cstr(&b.arena, image_name(image));
    b.writer = snapshot_writer_new(job->fd, INT64_MAX);
    find_trees(&b, image->server->block);
    arena_reset(&b.scratch);
    rc = image->module->build(&b, (void *)image_conf(b.config, image, image->server->block));
    if (rc != 0)
        log_error(0, "module \"%s\" gave up the prebuilt image of \"%s\"", image->module->name,
                  b.name);
    else if (!b.adopted
             && snapshot_finish(b.writer, job->number, job->built ? job->built : wall_ms()) != 0)
        rc = report_failure(&b);
    snapshot_writer_free(&b.writer);
    free(b.trees);
    arena_free(&b.scratch);
    arena_free(&b.arena);
    b.magic = 0;
    return rc == 0 ? 0 : -1;
}
