/*
 * images.h - the life of prebuilt images in a configuration.
 *
 *   process   call                     what happens
 *   master    config_load()            finish hooks say with slv_image_want() what they want
 *   master    images_wanted()          is there anything to build?
 *   master    images_prepare()         an empty memfd for each host that wants an image
 *   builder   images_build()           fills them, through descriptors inherited from the master
 *   master    images_check()           after the builder has ended: which images are whole?
 *   worker    images_map()             after the fork, before it accepts: maps, checks, serves
 *   all       images_free()            from config_free()
 *
 * Where an image could not be made, its host has none (server->image is NULL) and its files are
 * served from disk. Whether that is good enough is for the master to decide: on a reload it keeps
 * the running generation instead.
 */
#ifndef SLV_IMAGES_H
#define SLV_IMAGES_H

#include "core/config.h"
#include "core/server.h"
#include "core/snapshot.h"

/*
 * The image of one host; or, while server is NULL, the wish of a module that blocks with a certain
 * conf struct be served from one. In config memory, in config->images.
 */
struct slv_image {
    unsigned magic;
#define SLV_IMAGE_MAGIC 0x13a9e0feu
    struct slv_image *next;
    const struct slv_module *module; /* who builds it */
    const void *conf;              /* of a wish: the struct that was meant */
    struct server *server;
    int fd;                        /* the memfd; -1: none, or given up */
    void *map;                     /* in a worker; NULL: not mapped */
    size_t size;                   /* of the mapping */
    struct snapshot snapshot;      /* valid while map is not NULL */
};

/* Some host wants an image. */
bool images_wanted(const struct config *config);

/* The module that makes the image of a host; NULL: the host wants none. */
const struct slv_module *images_module(const struct config *config, const struct server *s);

/*
 * Makes a memfd for each host that wants an image. old: the configuration that is being replaced,
 * or NULL. 0; -1 after logging where there is no descriptor or memory to be had.
 */
int images_prepare(struct config *config, const struct config *old);

/*
 * Builds and seals every image. progress gets lines of text, about one a second; NULL: they go to
 * the log. An image that fails is reported and left unsealed, the others are built all the same.
 * Returns 0 only if all are there.
 */
int images_build(struct config *config, void (*progress)(void *arg, const char *line), void *arg);

/*
 * Looks at what the builder left behind, reading no more than headers. An image that is not sealed,
 * whole and of this generation is reported and given up. 0 only if none was.
 */
int images_check(struct config *config);

/*
 * Maps every image read-only and checks it whole, then closes its descriptor in this process. An
 * image that is refused is reported and given up. 0 only if none was.
 */
int images_map(struct config *config);

/* Unmaps and closes. config memory itself goes with its arena. */
void images_free(struct config *config);

/* ---- Between images.c and image_build.c ------------------------------------------------------ */

/* One image to be made. */
struct image_job {
    const struct config *config;
    const struct slv_image *image; /* of which host */
    int fd;                        /* empty; gets the image, which is not sealed here */
    uint64_t number;               /* of the image: goes into its header */
    int64_t built;                 /* likewise: milliseconds since the epoch; 0: the present */
    bool portable;                 /* for another machine: what the files were there is left out, so
                                      that equal files make equal images */
    const struct snapshot *previous; /* an earlier image of this host, or NULL: what it holds of
                                        files that have not changed is taken over */
    bool same_config;              /* previous was made under this very configuration, so that its
                                      heads hold, too */
    bool thorough;                 /* make every variant, however long it takes; otherwise those
                                      that take long are made within a budget and put off beyond */
    void (*progress)(void *arg, const char *line); /* NULL: lines go to the log */
    void (*added)(void *arg, uint64_t size); /* after each answer: the size of its content; or
                                                NULL */
    void *arg;
    /* What came of it. */
    bool unchanged;                /* the contents are those of previous: fd was left empty */
    uint64_t put_off;              /* files that lack variants which a thorough build would make */
};

/* Makes an image: runs the module's build hook and writes out. 0, or -1 after logging. */
int image_build(struct image_job *job);

/*
 * Copies an image that was made elsewhere into the job's descriptor, verifies the copy whole and
 * gives it the job's number; or finds it unchanged. max: bytes that it may have. 0; -1 with *reason
 * (a constant) and *error (an errno value, or 0).
 */
int image_adopt(struct image_job *job, const char *path, uint64_t max, const char **reason,
                int *error);

/* What messages call its host: the first server_name, or "_". */
struct str image_name(const struct slv_image *image);

/* The module's conf struct of a block. */
const void *image_conf(const struct config *config, const struct slv_image *image,
                       const struct conf_block *block);

#endif
