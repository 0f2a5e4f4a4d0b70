/*
 * images.c - the life of prebuilt images in a configuration.
 */
#include "core/images.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kernels from 6.3 on want to be told that nothing in there will be executed. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* ---- Wishes ---------------------------------------------------------------------------------- */

/* Notes that blocks with a conf struct are to be served from an image. */
int slv_image_want(struct slv_conf *cf, const struct slv_module *m, const void *conf)
{
    struct config *config;
    struct slv_image *wish;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    CAST_OBJ(config, cf->conf->owner, CONFIG_MAGIC);
    AN(m->build != NULL && m->conf_size > 0 && conf != NULL);
    for (wish = config->images; wish; wish = wish->next)
        if (wish->module != m)
            return slv_conf_error(cf, 0, "module \"%s\" makes the prebuilt images already, "
                                  "\"%s\" cannot make others", wish->module->name, m->name);
    wish = slv_conf_alloc(cf, sizeof *wish);
    wish->magic = SLV_IMAGE_MAGIC;
    wish->module = m;
    wish->conf = conf;
    wish->next = config->images;
    config->images = wish;
    return 0;
}

/* The module's conf struct of a block. */
const void *image_conf(const struct config *config, const struct slv_image *image,
                       const struct conf_block *block)
{
    size_t i = 0;

    while (i < config->modules.count && config->modules.list[i] != image->module)
        i++;
    AN(i < config->modules.count);
    return block->confs[i];
}

/* The block, or one inside it, has the struct that is meant by the wish. */
static bool block_has(const struct config *config, const struct slv_image *wish,
                      const struct conf_block *block)
{
    if (image_conf(config, wish, block) == wish->conf)
        return true;
    for (const struct conf_block *b = block->children; b; b = b->next)
        if (block_has(config, wish, b))
            return true;
    return false;
}

/* The module that is to build an image for a host, or NULL. */
const struct slv_module *images_module(const struct config *config, const struct server *s)
{
    for (const struct slv_image *wish = config->images; wish; wish = wish->next)
        if (!wish->server && block_has(config, wish, s->block))
            return wish->module;
    return NULL;
}

/* The conf struct is one that a wish names. */
bool image_wished(const struct config *config, const void *conf)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (const struct slv_image *wish = config->images; wish; wish = wish->next)
        if (!wish->server && wish->conf == conf)
            return true;
    return false;
}

/* Walks the images of hosts. */
struct slv_image *images_next(const struct config *config, const struct slv_image *image)
{
    struct slv_image *next;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (next = image ? image->next : config->images; next && !next->server; next = next->next)
        ;
    return next;
}

/* What people call the host of a server; those before it in the list have their names. */
static struct str name_image(struct config *config, const struct server *s)
{
    struct str name = server_name(s).n ? server_name(s) : STR("_"), base;
    unsigned same = 1;

    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        base = server_name(i->server).n ? server_name(i->server) : STR("_");
        same += str_eq(base, name);
    }
    return same == 1 ? name : arena_printf(&config->arena, "%.*s#%u", STR_ARG(name), same);
}

/* Makes a struct slv_image for each host that wants one. */
void images_prepare(struct config *config)
{
    struct slv_image **end = &config->images;
    unsigned count = 0;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (; *end; end = &(*end)->next)
        count += (*end)->server != NULL;
    for (struct server *s = config->servers; s; s = s->next) {
        const struct slv_module *m = images_module(config, s);
        struct slv_image *image;

        if (!m || s->image)
            continue;
        image = arena_zalloc(&config->arena, sizeof *image);
        image->magic = SLV_IMAGE_MAGIC;
        image->module = m;
        image->name = name_image(config, s);
        image->server = s;
        image->index = count++;
        image->options.keep = 2;
        image->options.max_size = INT64_MAX;
        if (m->image)
            m->image(image_conf(config, image, s->block), &image->options);
        *end = image;
        end = &image->next;
        s->image = image;
    }
}

/* Drops the reference in a place that holds one or none. */
static void drop(struct image_version **place)
{
    if (*place)
        image_version_unref(place);
}

/* ---- In the master --------------------------------------------------------------------------- */

/* An empty memfd that can be sealed, or -1. */
static int new_memfd(void)
{
    int fd = memfd_create("selvage-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("selvage-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

/* Begins a version. */
int image_begin(const struct config *config, struct slv_image *image, uint64_t number)
{
    int fd = new_memfd();

    CHECK_OBJ(image, SLV_IMAGE_MAGIC);
    AN(image->server != NULL && image->target == NULL);
    if (fd < 0) {
        log_alert(errno, "memfd_create() for the image of \"%.*s\" failed", STR_ARG(image->name));
        return -1;
    }
    image->target = image_version_new(fd, number);
    image->target->config = config->generation;
    return 0;
}

/* Judges what the builder left; NULL: all is well. */
static const char *judge(struct image_version *v, off_t size)
{
    struct snapshot_header header;
    const char *reason = NULL;

    if (size < (off_t)sizeof header
        || pread(v->fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return "its header cannot be read";
    if (snapshot_check_header(&header, (uint64_t)size, &reason) != 0)
        return reason;
    if (header.generation != v->number)
        return "it is not the one that was asked for";
    v->size = (size_t)size;
    v->entries = header.entries;
    v->built = header.built;
    v->put_off = header.put_off;
    return NULL;
}

/* Looks at what the builder has left. */
enum image_outcome image_take(struct slv_image *image, struct image_version **made)
{
    struct image_version *v = image->target;
    const char *reason = NULL;
    struct stat st;

    CHECK_OBJ(image, SLV_IMAGE_MAGIC);
    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    image->target = NULL;
    *made = NULL;
    if (!image_version_sealed(v->fd) || fstat(v->fd, &st) != 0) {
        reason = "it was not finished";
    } else if (st.st_size == 0 && image->current) {
        /* So it is what this configuration makes, whichever made it. */
        image->current->config = v->config;
        image_version_unref(&v);
        return IMAGE_UNCHANGED;
    } else {
        reason = judge(v, st.st_size);
    }
    if (!reason) {
        *made = v;
        return IMAGE_MADE;
    }
    log_error(0, "no new prebuilt image for \"%.*s\": %s", STR_ARG(image->name), reason);
    image_version_unref(&v);
    return IMAGE_FAILED;
}

/* Another version answers, or none. */
void image_use(struct slv_image *image, struct image_version *v)
{
    CHECK_OBJ(image, SLV_IMAGE_MAGIC);
    AN(image->server != NULL);
    if (v)
        image_version_ref(v);
    drop(&image->current);
    image->current = v;
}

/* ---- In the builder -------------------------------------------------------------------------- */

/* Takes an image out of a file that somebody wants published. 0, or -1 after logging. */
static int import(struct image_job *job)
{
    const struct slv_image *image = job->image;
    const char *reason;
    int error;

    if (image_adopt(job, image->import, (uint64_t)image->options.max_size, &reason, &error) == 0)
        return 0;
    log_error(error, "the image \"%s\" for \"%.*s\" is refused: %s", image->import,
              STR_ARG(image->name), reason);
    return -1;
}

/* Makes one image. 0, or -1 after logging. */
static int build_one(struct config *config, struct slv_image *image,
                     enum image_effort effort,
                     void (*progress)(void *arg, const char *line), void *arg)
{
    struct image_version *target = image->target, *current = image->current;
    /* The builder that made it has looked at it whole. */
    const char *reason = current && !current->map ? image_version_map(current, false, false) : NULL;
    struct image_job job = {
        .config = config, .image = image, .fd = target->fd, .number = target->number,
        .previous = current && !reason ? &current->snapshot : NULL,
        .previous_fd = current ? current->fd : -1,
        .same_config = current && current->config == config->generation,
        .effort = effort, .progress = progress, .arg = arg
    };

    if (reason)
        log_error(0, "the prebuilt image of \"%.*s\" that is in use cannot be read: %s",
                  STR_ARG(image->name), reason);
    if ((image->import ? import(&job) : image_build(&job)) != 0)
        return -1;
    if (fcntl(target->fd, F_ADD_SEALS, IMAGE_SEALS) != 0) {
        log_alert(errno, "sealing the image of \"%.*s\" failed", STR_ARG(image->name));
        return -1;
    }
    /* What workers can rely on without looking: it is looked at here, where nobody waits. */
    reason = job.unchanged ? NULL : image_version_verify(target, image->options.huge_pages);
    if (reason)
        log_alert(0, "the image of \"%.*s\" was made wrong: %s", STR_ARG(image->name), reason);
    return reason ? -1 : 0;
}

/* Makes and seals. */
int images_build(struct config *config, enum image_effort effort,
                 void (*progress)(void *arg, const char *line), void *arg)
{
    int rc = 0;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (i->target && build_one(config, i, effort, progress, arg) != 0)
            rc = -1;
    return rc;
}

/* ---- In a worker ----------------------------------------------------------------------------- */

/* Maps a version that came from the master, and gives its descriptor back. NULL, or the reason. */
static const char *take_version(const struct slv_image *image, struct image_version *v)
{
    const char *reason = image_version_map(v, false, image->options.huge_pages);

    close(v->fd);
    v->fd = -1;
    return reason;
}

/* Maps the images. */
int images_map(struct config *config)
{
    int rc = 0;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        const char *reason = i->current ? take_version(i, i->current) : NULL;

        /* Of a build that was under way when this process was forked. */
        drop(&i->target);
        if (!reason)
            continue;
        log_error(0, "the prebuilt image of \"%.*s\" is refused: %s", STR_ARG(i->name), reason);
        image_use(i, NULL);
        rc = -1;
    }
    return rc;
}

/* Puts another version in place. */
int image_swap(struct config *config, unsigned index, uint64_t number, int fd)
{
    struct slv_image *image = images_next(config, NULL);
    struct image_version *v;
    const char *reason;

    AN(fd >= 0);
    while (image && image->index != index)
        image = images_next(config, image);
    if (!image) {
        log_alert(0, "a prebuilt image has come for a host that there is not");
        close(fd);
        return -1;
    }
    v = image_version_new(fd, number);
    reason = take_version(image, v);
    if (reason)
        log_error(0, "the prebuilt image %llu of \"%.*s\" is refused: %s",
                  (unsigned long long)number, STR_ARG(image->name), reason);
    else {
        image_version_superseded(image->current);
        metrics_add(COUNTER_IMAGE_SWAPS, 1);
        image_use(image, v);
    }
    image_version_unref(&v);
    return reason ? -1 : 0;
}

/* Enters current versions into the page table. */
bool images_warm(const struct config *config, size_t bytes)
{
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        size_t done = i->current && i->current->map ? image_version_warm(i->current, bytes) : 0;

        if (done > 0)
            return true;
    }
    return false;
}

/* Gives everything back. */
void images_free(struct config *config)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        drop(&i->target);
        drop(&i->current);
        free(i->import);
        i->server->image = NULL;
    }
    config->images = NULL;
    while (images_reclaim(SIZE_MAX / 2))
        ;
}
