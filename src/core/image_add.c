/*
 * image_add.c - putting answers into an image: heads are made here, as their locations want them,
 * and what an earlier image has is found again.
 */
#include "core/image_build.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/image_head.h"

#include <stdio.h>

#define ETAG_ROOM 35               /* two quotes, 32 digits, NUL */

/*
 * A file that was changed shortly before it was read may have been changed again within the same
 * tick of the clock that its time is taken from, so that it looks the same and is not.
 */
#define SETTLED_SECONDS 2

/* ---- Answers --------------------------------------------------------------------------------- */

/* The entity-tag of a body: the hash of its bytes, which is the same on every machine. */
static struct str make_etag(const uint64_t hash[2], char out[ETAG_ROOM])
{
    int n = snprintf(out, ETAG_ROOM, "\"%016llx%016llx\"", (unsigned long long)hash[1],
                 (unsigned long long)hash[0]);

    AN(n == ETAG_ROOM - 1);
    return (struct str){ out, (size_t)n };
}

/*
 * Asks the core for the head of one variant. A request of its own, because asking leaves traces in
 * it.
 */
static void make_head(struct slv_build *b, const struct slv_prebuilt *p,
                      const struct slv_variant *v, const uint64_t hash[2], struct image_head *out)
{
    struct slv_request *r = request_make(b->config, b->image->server, p->path);
    const struct expires *expires = context_of(r)->core->expires;
    char etag[ETAG_ROOM];
    struct slv_response response = {
        .status = 200, .content_type = p->content_type, .etag = make_etag(hash, etag),
        .last_modified = p->modified.tv_sec > 0 ? p->modified.tv_sec : 0,
        .body = { .kind = SLV_BODY_MEM, .data = v->data, .size = (int64_t)v->size }
    };
    struct image_head_input in = {
        .cache_control = p->cache_control, .more = p->fields, .coding = (enum coding)v->coding,
        .negotiated = p->negotiated, .drop_expires = expires && expires->kind != EXPIRES_OFF
    };

    exchange_of(r)->accept_ranges_out = context_of(r)->core->max_ranges != 0;
    in.fields = request_head_fields(r, &response);
    image_head_make(&b->scratch, &in, out);
    request_unmake(&r);
}

/* Says why the image cannot grow. */
int image_add_failed(struct slv_build *b)
{
    int error;
    const char *reason = snapshot_writer_reason(b->writer, &error);

    log_error(error, "the prebuilt image of \"%s\" cannot be made: %s", b->name, reason);
    return -1;
}

/* What the image keeps of a file. */
static struct snapshot_source source_of(const struct slv_origin *o)
{
    return (struct snapshot_source){
        .device = o->device, .inode = o->inode, .size = (uint64_t)o->size,
        .modified = o->modified.tv_sec, .modified_ns = (uint32_t)o->modified.tv_nsec,
        .changed = o->changed.tv_sec, .changed_ns = (uint32_t)o->changed.tv_nsec
    };
}

/* The hash of a body: e, which may be NULL, knows it if the body is one of its own. */
static void hash_body(const struct slv_build *b, const struct snapshot_entry *e,
                      const struct slv_variant *v, uint64_t out[2])
{
    for (unsigned i = 0; e && i < e->variants; i++) {
        const struct snapshot_variant *had = &snapshot_variants(e)[i];

        if (v->data == b->job->previous->base + had->body && v->size == had->body_size) {
            memcpy(out, had->hash, sizeof had->hash);
            return;
        }
    }
    snapshot_body_hash((struct str){ v->data, v->size }, out);
}

/* The entry that the earlier image has of a file for this path, or NULL. */
static const struct snapshot_entry *earlier_entry(struct slv_build *b, struct str path)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_entry *e = b->found;

    if (!s)
        return NULL;
    /* Builds go through the files in the same order, and ask more than once. */
    if (e && !str_eq(snapshot_path(e), path))
        e = snapshot_next(s, e);
    if (!e || !str_eq(snapshot_path(e), path))
        e = snapshot_find(s, path);
    if (e)
        b->found = e;
    return e && e->kind == SNAPSHOT_FILE && e->source ? e : NULL;
}

/* Adds an answer. */
int slv_build_add(struct slv_build *b, const struct slv_prebuilt *p)
{
    const struct snapshot_entry *earlier = earlier_entry(b, p->path);
    struct snapshot_new_variant variants[CODING_MAX];
    struct image_head heads[CODING_MAX];
    uint64_t hashes[CODING_MAX][2];
    struct snapshot_new_entry e = {
        .path = p->path, .kind = SNAPSHOT_FILE, .status = 200,
        .flags = (p->negotiated ? SNAPSHOT_VARY : 0) | (p->incomplete ? SNAPSHOT_PUT_OFF : 0),
        .modified = p->modified.tv_sec > 0 ? p->modified.tv_sec : SNAPSHOT_NO_DATE,
        .type = p->content_type, .variants = variants, .count = p->count
    };
    struct snapshot_source source;
    int rc;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(p->count >= 1 && p->count <= CODING_MAX);
    AN(p->path.n > 0 && p->path.p[0] == '/');
    for (size_t i = 0; i < p->count; i++) {
        const struct slv_variant *v = &p->variants[i];

        hash_body(b, earlier, v, hashes[i]);
        make_head(b, p, v, hashes[i], &heads[i]);
        variants[i] = (struct snapshot_new_variant){
            .coding = (enum coding)v->coding, .head = heads[i].full, .brief = heads[i].brief,
            .etag = heads[i].etag, .body = { v->data, v->size }, .hash = hashes[i]
        };
    }
    e.extra = heads[0].extra;
    if (p->origin && !b->job->portable) {
        source = source_of(p->origin);
        e.source = &source;
    }
    b->job->put_off += p->incomplete;
    rc = snapshot_add(b->writer, &e);
    arena_reset(&b->scratch);
    if (rc == 0 && b->job->added)
        b->job->added(b->job->arg, p->variants[0].size);
    return rc == 0 ? 0 : image_add_failed(b);
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
    return snapshot_add_alias(b->writer, path, of) == 0 ? 0 : image_add_failed(b);
}

/* The path has been added. */
bool slv_build_has(const struct slv_build *b, struct str path)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return snapshot_has(b->writer, path);
}

/* A path as it stands in a URI. Bytes that could end a header line are escaped with the others. */
static struct str escape(struct arena *a, struct str path)
{
    static const char plain[] = "/-._~!$&'()*+,;=:@";
    char *text = arena_alloc(a, path.n * 3 + 1), *end = text;

    for (size_t i = 0; i < path.n; i++) {
        unsigned char ch = (unsigned char)path.p[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9')
            || (ch && strchr(plain, ch))) {
            *end++ = (char)ch;
            continue;
        }
        *end++ = '%';
        *end++ = "0123456789ABCDEF"[ch >> 4];
        *end++ = "0123456789ABCDEF"[ch & 15];
    }
    return (struct str){ text, (size_t)(end - text) };
}

/* Adds a directory without its slash. */
int slv_build_redirect(struct slv_build *b, struct str path)
{
    const struct core_conf *core = core_conf_of(server_route(b->image->server, path, NULL));
    struct snapshot_new_variant v = {
        .coding = CODING_IDENTITY, .head = STR("\r\n"), .brief = STR("\r\n"), .body = STR("")
    };
    struct snapshot_new_entry e = {
        .path = path, .kind = SNAPSHOT_REDIRECT, .status = 301, .modified = SNAPSHOT_NO_DATE,
        .type = STR(""), .variants = &v, .count = 1
    };
    int rc;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN(path.n > 0 && path.p[0] == '/' && path.p[path.n - 1] != '/');
    /* Two slashes at the front would name a host. */
    if (!core->root || !slv_template_literal(core->root->text).p || str_starts(path, STR("//")))
        return 0;
    e.extra = arena_printf(&b->scratch, "%.*s/", STR_ARG(escape(&b->scratch, path)));
    rc = snapshot_add(b->writer, &e);
    arena_reset(&b->scratch);
    return rc == 0 ? 0 : image_add_failed(b);
}

/* ---- What there is already ------------------------------------------------------------------- */

/*
 * Keeps the account of what takes long. A share of what was put off is overdrawn by its last file,
 * so that a large file gets its turn, too.
 */
bool slv_build_afford(struct slv_build *b, size_t bytes, bool again)
{
    static const uint64_t budgets[] = {
        [IMAGE_QUICK] = (uint64_t)256 << 10, [IMAGE_SHARE] = (uint64_t)16 << 20,
        [IMAGE_THOROUGH] = UINT64_MAX
    };
    uint64_t left;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    AN((size_t)b->job->effort < sizeof budgets / sizeof budgets[0]);
    left = budgets[b->job->effort] - b->spent;
    if (b->job->effort == IMAGE_QUICK ? again || bytes > left : left == 0 && bytes > 0)
        return false;
    b->spent += bytes < left ? bytes : left;
    return true;
}

/* The earlier image has answers below a path. */
bool slv_build_had(const struct slv_build *b, struct str path)
{
    const struct snapshot *s = b->job->previous;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    for (const struct snapshot_entry *e = s ? snapshot_next(s, NULL) : NULL; e;
         e = snapshot_next(s, e))
        if (e->source && str_starts(snapshot_path(e), path))
            return true;
    return false;
}

/* Describes an answer of the earlier image. False: it is not one of a whole file. */
static bool describe(const struct slv_build *b, const struct snapshot_entry *e,
                     struct slv_earlier *out)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_source *source = snapshot_source(s, e);
    const struct snapshot_variant *v = snapshot_variants(e);

    if (source->size != v[0].body_size)
        return false;
    *out = (struct slv_earlier){
        .origin = {
            .device = source->device, .inode = source->inode, .size = (int64_t)source->size,
            .modified = { source->modified, source->modified_ns },
            .changed = { source->changed, source->changed_ns }
        },
        .settled = source->changed <= s->header->began / 1000 - SETTLED_SECONDS,
        .same_config = b->job->same_config,
        .negotiated = e->flags & SNAPSHOT_VARY,
        .incomplete = e->flags & SNAPSHOT_PUT_OFF,
        .content_type = snapshot_text(s, e->type, e->type_size),
        .count = e->variants
    };
    for (unsigned i = 0; i < e->variants; i++)
        out->variants[i] = (struct slv_variant){
            (enum slv_coding)v[i].coding, s->base + v[i].body, v[i].body_size
        };
    return true;
}

/* What the earlier image has for a path. */
bool slv_build_earlier(struct slv_build *b, struct str path, struct slv_earlier *out)
{
    const struct snapshot_entry *e = earlier_entry(b, path);

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return e && describe(b, e, out);
}

/* The place in b->bodies of the file with a body of that hash, or the empty one where it goes. */
static const struct snapshot_entry **body_place(struct slv_build *b, const uint64_t hash[2])
{
    uint64_t i = hash[0] & b->bodies_mask;

    while (b->bodies[i] && memcmp(snapshot_variants(b->bodies[i])->hash, hash, 16) != 0)
        i = (i + 1) & b->bodies_mask;
    return &b->bodies[i];
}

/* Enters the files of the earlier image by their bodies: of equal ones the first. */
static void index_bodies(struct slv_build *b)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_entry **place;
    uint64_t room = 64;

    while (room < 2 * s->header->entries)
        room *= 2;
    b->bodies = mem_zalloc(room * sizeof *b->bodies);
    b->bodies_mask = room - 1;
    for (const struct snapshot_entry *e = snapshot_next(s, NULL); e; e = snapshot_next(s, e)) {
        if (e->kind != SNAPSHOT_FILE || !e->source)
            continue;
        place = body_place(b, snapshot_variants(e)->hash);
        if (!*place)
            *place = e;
    }
}

/* An answer of the earlier image with this body. */
bool slv_build_earlier_body(struct slv_build *b, struct str body, struct slv_earlier *out)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_variant *v;
    const struct snapshot_entry *e;
    uint64_t hash[2];

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    if (!s)
        return false;
    if (!b->bodies)
        index_bodies(b);
    snapshot_body_hash(body, hash);
    e = *body_place(b, hash);
    if (!e)
        return false;
    v = snapshot_variants(e);
    return str_eq(snapshot_text(s, v->body, v->body_size), body) && describe(b, e, out);
}

/* Takes an answer over. */
int slv_build_keep(struct slv_build *b, struct str path, struct str content_type,
                   const struct slv_origin *origin, bool *kept)
{
    const struct snapshot *s = b->job->previous;
    const struct snapshot_entry *e = earlier_entry(b, path);
    struct snapshot_source now = source_of(origin);
    const struct snapshot_source *then;

    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    *kept = false;
    if (!e || !b->job->same_config
        || !str_eq(snapshot_text(s, e->type, e->type_size), content_type))
        return 0;
    then = snapshot_source(s, e);
    if (then->modified != now.modified || then->modified_ns != now.modified_ns)
        return 0;
    if (snapshot_take(b->writer, e, &now) != 0)
        return image_add_failed(b);
    b->job->put_off += e->flags & SNAPSHOT_PUT_OFF ? 1 : 0;
    *kept = true;
    return 0;
}

/* ---- Error pages ----------------------------------------------------------------------------- */

/* Makes the head of one variant of a page, for a status. */
static struct str page_head(struct slv_build *b, struct str path, int status, bool negotiated,
                            const struct snapshot_variant *v)
{
    struct slv_request *r = request_make(b->config, b->image->server, path);
    struct slv_response response = {
        .status = status, .content_type = slv_request_type(r, slv_request_file(r, path)),
        .body = { .kind = SLV_BODY_MEM, .size = (int64_t)v->body_size }
    };
    struct image_head_input in = {
        .coding = (enum coding)v->coding, .negotiated = negotiated,
        .fields = request_head_fields(r, &response)
    };
    struct image_head head;

    image_head_make(&b->scratch, &in, &head);
    request_unmake(&r);
    return head.full;
}

/* Adds the page that answers with a status, if its file is in the image. 0 or -1. */
static int add_page(struct slv_build *b, struct str path, int status)
{
    struct str key = arena_printf(&b->scratch, "%d %.*s", status, STR_ARG(path));
    const struct snapshot_entry *e = snapshot_added(b->writer, path);
    struct snapshot_new_variant heads[CODING_MAX];
    int rc;

    if (!e || e->kind != SNAPSHOT_FILE || snapshot_has(b->writer, key))
        return 0;
    for (unsigned i = 0; i < e->variants; i++)
        heads[i] = (struct snapshot_new_variant){
            .brief = STR("\r\n"), .head = page_head(b, path, status, e->flags & SNAPSHOT_VARY,
                                                    &snapshot_variants(e)[i])
        };
    rc = snapshot_add_page(b->writer, key, path, (unsigned)status, heads);
    arena_reset(&b->scratch);
    return rc == 0 ? 0 : image_add_failed(b);
}

/*
 * Adds the pages that one error_page names. Those that go out with another status than an error's
 * are answered as ever: only their bodies come from the image.
 */
static int add_pages_of(struct slv_build *b, const struct error_page *page)
{
    struct str path = slv_template_literal(page->target);

    if (!path.p || !str_starts(path, STR("/")) || memchr(path.p, '?', path.n))
        return 0;
    if (page->answer_status >= 0)
        return page->answer_status >= 400 ? add_page(b, path, page->answer_status) : 0;
    for (size_t i = 0; i < page->count; i++)
        if (page->statuses[i] >= 400 && add_page(b, path, page->statuses[i]) != 0)
            return -1;
    return 0;
}

/* Adds the error pages of a block and of those inside. 0 or -1. */
static int add_block_pages(struct slv_build *b, const struct conf_block *block)
{
    if (block->where & (SLV_IN_SERVER | SLV_IN_LOCATION))
        for (const struct error_page *p = core_conf_of(block)->error_pages; p; p = p->next)
            if (add_pages_of(b, p) != 0)
                return -1;
    for (const struct conf_block *child = block->children; child; child = child->next)
        if (add_block_pages(b, child) != 0)
            return -1;
    return 0;
}

/* Adds the error pages. */
int image_add_pages(struct slv_build *b)
{
    CHECK_OBJ(b, SLV_BUILD_MAGIC);
    return add_block_pages(b, b->image->server->block);
}
