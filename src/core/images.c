/*
 * images.c - the life of prebuilt images in a configuration.
 */
#include "core/images.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kernels from 6.3 on want to be told that nothing in there will be executed. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

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
    wish->fd = -1;
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
static const struct slv_module *wanted_by(const struct config *config, const struct server *s)
{
    for (const struct slv_image *wish = config->images; wish; wish = wish->next)
        if (!wish->server && block_has(config, wish, s->block))
            return wish->module;
    return NULL;
}

/* Some host wants an image. */
bool images_wanted(const struct config *config)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (const struct server *s = config->servers; s; s = s->next)
        if (wanted_by(config, s))
            return true;
    return false;
}

/* ---- In the master --------------------------------------------------------------------------- */

/* What messages call an image's host. */
struct str image_name(const struct slv_image *image)
{
    struct str name = server_name(image->server);

    return name.n ? name : STR("_");
}

/* Gives an image up: its host is served from disk. */
static void give_up(struct slv_image *image)
{
    if (image->map)
        munmap(image->map, image->size);
    image->map = NULL;
    if (image->fd >= 0)
        close(image->fd);
    image->fd = -1;
    if (image->server && image->server->image == image)
        image->server->image = NULL;
}

/* An empty memfd that can be sealed, or -1. */
static int new_memfd(void)
{
    int fd = memfd_create("selvage-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("selvage-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

/* Makes the memfds. */
int images_prepare(struct config *config, const struct config *old)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    AN(old != config);
    for (struct server *s = config->servers; s; s = s->next) {
        const struct slv_module *m = wanted_by(config, s);
        struct slv_image *image;

        if (!m || s->image)
            continue;
        image = arena_zalloc(&config->arena, sizeof *image);
        image->magic = SLV_IMAGE_MAGIC;
        image->module = m;
        image->server = s;
        image->fd = new_memfd();
        if (image->fd < 0) {
            log_alert(errno, "memfd_create() for the image of \"%.*s\" failed",
                      STR_ARG(image_name(image)));
            return -1;
        }
        image->next = config->images;
        config->images = image;
        s->image = image;
    }
    return 0;
}

/* Judges what the builder left; NULL: all is well. */
static const char *judge(const struct config *config, const struct slv_image *image)
{
    int seals = fcntl(image->fd, F_GET_SEALS);
    struct snapshot_header header;
    const char *reason = NULL;
    struct stat st;

    if (seals < 0 || (seals & SEALS) != SEALS)
        return "it was not finished";
    if (fstat(image->fd, &st) != 0 || st.st_size < (off_t)sizeof header
        || pread(image->fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return "its header cannot be read";
    if (snapshot_check_header(&header, (uint64_t)st.st_size, &reason) != 0)
        return reason;
    if (header.generation != config->generation)
        return "it belongs to another generation";
    return NULL;
}

/* Looks at the headers. */
int images_check(struct config *config)
{
    int rc = 0;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct slv_image *image = config->images; image; image = image->next) {
        const char *reason;

        CHECK_OBJ(image, SLV_IMAGE_MAGIC);
        if (!image->server || image->fd < 0)
            continue;
        reason = judge(config, image);
        if (!reason)
            continue;
        log_error(0, "no prebuilt image for \"%.*s\": %s", STR_ARG(image_name(image)), reason);
        give_up(image);
        rc = -1;
    }
    return rc;
}

/* ---- In the builder -------------------------------------------------------------------------- */

/* Builds and seals. */
int images_build(struct config *config, void (*progress)(void *arg, const char *line), void *arg)
{
    int rc = 0;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct slv_image *image = config->images; image; image = image->next) {
        CHECK_OBJ(image, SLV_IMAGE_MAGIC);
        if (!image->server || image->fd < 0)
            continue;
        if (image_build(&(struct image_job){
                .config = config, .image = image, .fd = image->fd, .number = config->generation,
                .progress = progress, .arg = arg }) != 0) {
            rc = -1;
        } else if (fcntl(image->fd, F_ADD_SEALS, SEALS) != 0) {
            log_alert(errno, "sealing the image of \"%.*s\" failed", STR_ARG(image_name(image)));
            rc = -1;
        }
    }
    return rc;
}

/* ---- In a worker ----------------------------------------------------------------------------- */

/* Maps one image; NULL, or why it is refused. */
static const char *map_image(struct slv_image *image)
{
    int seals = fcntl(image->fd, F_GET_SEALS);
    const char *reason = NULL;
    struct stat st;
    void *map;

    /* What is checked once must not change afterwards, and must not shrink under the mapping. */
    if (seals < 0 || (seals & SEALS) != SEALS)
        return "it is not sealed";
    if (fstat(image->fd, &st) != 0 || st.st_size < (off_t)sizeof(struct snapshot_header))
        return "it is shorter than a header";
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, image->fd, 0);
    if (map == MAP_FAILED)
        return "it cannot be mapped";
    image->map = map;
    image->size = (size_t)st.st_size;
    if (snapshot_check(map, image->size, false, &image->snapshot, &reason) != 0)
        return reason;
    close(image->fd);
    image->fd = -1;
    return NULL;
}

/* Maps the images. */
int images_map(struct config *config)
{
    int rc = 0;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct slv_image *image = config->images; image; image = image->next) {
        const char *reason;

        CHECK_OBJ(image, SLV_IMAGE_MAGIC);
        if (!image->server || image->fd < 0 || image->map)
            continue;
        reason = map_image(image);
        if (!reason)
            continue;
        log_error(0, "the prebuilt image of \"%.*s\" is refused: %s", STR_ARG(image_name(image)),
                  reason);
        give_up(image);
        rc = -1;
    }
    return rc;
}

/* Gives everything back. */
void images_free(struct config *config)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct slv_image *image = config->images; image; image = image->next)
        give_up(image);
    config->images = NULL;
}
