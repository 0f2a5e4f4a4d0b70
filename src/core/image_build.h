/*
 * image_build.h - a build at work, as the files see it that make up slv_build_*().
 */
#ifndef SLV_IMAGE_BUILD_H
#define SLV_IMAGE_BUILD_H

#include "base/arena.h"
#include "core/images.h"

/* One image in the making. Lives on the stack of image_build(). */
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
    const struct snapshot_entry *found; /* the last one that was looked up in the earlier image */
    const struct snapshot_entry **bodies; /* files of the earlier image by the hash of their body,
                                             open addressing; NULL: nobody has asked */
    uint64_t bodies_mask;
    const struct snapshot_entry **originals; /* files of the earlier image by their source, as far
                                                as slv_build_each() has come; NULL: not begun */
    struct slv_tree *trees;
    size_t tree_count, tree_room;
    bool adopted;                  /* the image is one that was made elsewhere */
    uint64_t spent;                /* of the budget for what takes long, bytes */
};

/* Error pages of files that are in the image by now. 0, or -1 after image_add_failed(). */
int image_add_pages(struct slv_build *b);

/* Says why the image cannot grow. Always -1. */
int image_add_failed(struct slv_build *b);

#endif
