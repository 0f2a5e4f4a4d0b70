/*
 * images.h - the life of prebuilt images in a configuration.
 *
 * A host that wants one has a struct slv_image. What answers for it at the moment is a struct
 * image_version: bytes that were sealed once and are never changed again, so that the place of one
 * is taken by another in a single step. Both processes use the same structs: the master keeps the
 * descriptors, workers keep mappings.
 *
 *   process   call                     what happens
 *   master    config_load()            finish hooks say with slv_image_want() what they want
 *   master    images_prepare()         a struct slv_image for each host that wants one
 *   master    image_begin()            an empty memfd for an image that is to be made
 *   builder   images_build()           fills them, through descriptors inherited from the master
 *   master    image_take()             after the builder has ended: what has become of it?
 *   master    image_use()              this version answers from now on, for workers to come
 *   worker    images_map()             after the fork, before it accepts
 *   worker    image_swap()             another version came by the channel: between two events
 *   worker    images_warm()            has the kernel enter current versions into the page table
 *   worker    images_reclaim()         gives the memory of versions back that nobody reads any more
 *   all       images_free()            from config_free()
 *
 * Where a host has no version its files are served from disk.
 */
#ifndef SLV_IMAGES_H
#define SLV_IMAGES_H

#include "core/config.h"
#include "core/server.h"
#include "core/snapshot.h"

/* An image that has been made. On the heap, counted. */
struct image_version {
    unsigned magic;
#define IMAGE_VERSION_MAGIC 0x17a9e5edu
    unsigned refs;
    int fd;                        /* the sealed memfd; -1 in a worker that has mapped it */
    uint64_t number;               /* counts from 1 in the life of a master */
    unsigned long config;          /* generation of the configuration that it was made under */
    uint64_t put_off;              /* files that lack variants: see struct image_job */
    uint64_t entries;              /* master: paths that it answers */
    int64_t built;                 /* master: when, in milliseconds since the epoch */
    void *map;                     /* NULL: not mapped in this process */
    size_t size;                   /* of the image, bytes */
    struct snapshot snapshot;      /* valid while map is not NULL */
    uint64_t warmed;               /* bytes of it that images_warm() has been through */
    struct image_version *next;    /* among those to be unmapped */
};

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
    struct str name;               /* what people call the host: its first server_name, or "_"; the
                                      second host of that name is "name#2" */
    unsigned index;                /* its place among the configuration's, from 0 on */
    struct slv_image_options options;
    struct image_version *current; /* what answers; NULL: none */
    struct image_version *target;  /* master and builder: what is being made; NULL: nothing */
    uint64_t serial;               /* master: of the last swap, see publish.c */
    bool wanted;                   /* master: a build was asked for */
    bool due;                      /* master: the source has changed since the last build that
                                      succeeded, so one that fails is tried again */
    char *import;                  /* master: of that file instead of the source; owned, or NULL */
};

/* Makes a struct slv_image for each host that wants one; those that have it keep it. */
void images_prepare(struct config *config);

/* Walks the images of hosts: NULL gives the first, NULL is returned behind the last. */
struct slv_image *images_next(const struct config *config, const struct slv_image *image);

/* ---- Versions -------------------------------------------------------------------------------- */

struct image_version *image_version_ref(struct image_version *v);

/* The module that makes the image of a host; NULL: the host wants none. */
const struct slv_module *images_module(const struct config *config, const struct server *s);

/*
 * Gives a reference up; the last one closes the descriptor. A mapping does not go at once: see
 * images_reclaim().
 */
void image_version_unref(struct image_version **v);

/* A version of which this process has the descriptor; takes it. */
struct image_version *image_version_new(int fd, uint64_t number);

/* What is sealed in an image before anybody relies on it. */
#define IMAGE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Nothing can be changed in there any more. */
bool image_version_sealed(int fd);

/* Maps it. whole: look at every offset in it. NULL, or why it is refused. */
const char *image_version_map(struct image_version *v, bool whole, bool huge_pages);

/*
 * Looks at it whole, puts it into huge pages if that is wanted and possible, and leaves it
 * unmapped. NULL, or what is wrong with it.
 */
const char *image_version_verify(struct image_version *v, bool huge_pages);

/* Does images_warm() for one version; returns the bytes that are done, 0 where all are. */
size_t image_version_warm(struct image_version *v, size_t bytes);

/* A version (or NULL) that was mapped and current gets a successor. */
void image_version_superseded(const struct image_version *v);

/* ---- In the master --------------------------------------------------------------------------- */

/*
 * Begins a version of that configuration: image->target with an empty memfd. 0, or -1 after
 * logging.
 */
int image_begin(const struct config *config, struct slv_image *image, uint64_t number);

/* What has become of image->target. */
enum image_outcome {
    IMAGE_FAILED,                  /* nothing that could be used; the reason was logged */
    IMAGE_UNCHANGED,               /* the current version is still right */
    IMAGE_MADE                     /* *made is the caller's reference */
};

/*
 * Looks at what the builder has left, reading no more than the header: is it sealed, whole and the
 * one that was asked for? In each case target is NULL afterwards.
 */
enum image_outcome image_take(struct slv_image *image, struct image_version **made);

/* Takes a reference of v, which may be NULL, and makes it the one that answers. */
void image_use(struct slv_image *image, struct image_version *v);

/* ---- In the builder -------------------------------------------------------------------------- */

/* How much is done of what takes long: variants in codings that compress slowly. */
enum image_effort {
    IMAGE_QUICK,                   /* half a second, for somebody waits; the rest is put off */
    IMAGE_SHARE,                   /* some ten seconds of what was put off, at least one file */
    IMAGE_THOROUGH                 /* all of it */
};

/*
 * Makes and seals every image that has a target, with what is current as the earlier one. progress
 * gets lines of text, about one a second; NULL: they go to the log. An image that fails is
 * reported and left unsealed, the others are made all the same. 0 only if none failed.
 */
int images_build(struct config *config, enum image_effort effort,
                 void (*progress)(void *arg, const char *line), void *arg);

/* Names what is to be watched for changes of a host's source: absolute paths. */
void image_sources(const struct config *config, const struct slv_image *image,
                   void (*add)(void *arg, const struct slv_image *image, const char *path),
                   void *arg);

/* ---- In a worker ----------------------------------------------------------------------------- */

/*
 * Maps the current version of every host and closes its descriptor in this process. One that is
 * refused is reported and given up. 0 only if none was.
 */
int images_map(struct config *config);

/*
 * Puts another version in place of the current one; takes fd. Answers under way keep the one that
 * they began with. 0; -1 after logging, and then the current one stays.
 */
int image_swap(struct config *config, unsigned index, uint64_t number, int fd);

/*
 * Unmaps up to bytes of versions that have lost their last reader. True: there is more to do. To be
 * called again and again with a pause: giving 200 MB back at once takes the kernel tens of
 * milliseconds, in which no visitor would be served.
 */
bool images_reclaim(size_t bytes);

/*
 * Enters up to bytes of the current versions into the page table of this process, what every
 * request needs first: otherwise the first request for each 64 KiB takes a page fault. True: there
 * is more to do. To be called again and again with a pause, as images_reclaim(). Where the kernel
 * cannot do that there is never anything to do.
 */
bool images_warm(const struct config *config, size_t bytes);

/* There is something to reclaim, or there will be when the last answer from it has left. */
bool images_reclaimable(void);

/* Gives everything back. config memory itself goes with its arena. */
void images_free(struct config *config);

/* ---- Between images.c and image_build.c ------------------------------------------------------ */

/* One image to be made. */
struct image_job {
    const struct config *config;
    const struct slv_image *image; /* of which host */
    int fd;                        /* empty; gets the image, which is not sealed here */
    uint64_t number;               /* of the image: goes into its header */
    int64_t built;                 /* likewise: milliseconds since the epoch; 0: the present */
    const struct snapshot *previous; /* an earlier image of this host, or NULL: what it holds of
                                        files that have not changed is taken over */
    int previous_fd;               /* its file, or -1 where there is only the mapping */
    bool same_config;              /* previous was made under this very configuration, so that its
                                      heads hold, too */
    enum image_effort effort;
    bool portable;                 /* say nothing of this machine: what files look like on it */
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
 * gives it the job's number, unless it is what answers already. max: bytes that it may have. 0; -1
 * with *reason (a constant) and *error (an errno value, or 0).
 */
int image_adopt(struct image_job *job, const char *path, uint64_t max, const char **reason,
                int *error);

/* The module's conf struct of a block. */
const void *image_conf(const struct config *config, const struct slv_image *image,
                       const struct conf_block *block);

/* A module wants blocks with that conf struct to be answered from images. */
bool image_wished(const struct config *config, const void *conf);

#endif
