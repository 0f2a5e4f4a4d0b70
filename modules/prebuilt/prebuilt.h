/*
 * prebuilt.h - what the files of the module prebuilt share.
 *
 *   prebuilt.c   directives and hooks
 *   build.c      the build hook: one walk for each directory that locations serve files from
 *   walk.c       directories: which files there are
 *   source.c     what prebuilt_source names, instead of the root of the host
 *   source_git.c branches of repositories
 *   answer.c     from a file to its answer: is it wanted, and what is made of it
 *   item.c       answers on their way into the image, in the order of the walk
 *   rules.c      what the configuration says about fields of answers
 *   render.c     the compressed variants of a body
 *   pool.c       threads that make them
 *
 * Everything but render.c runs in one thread, since the server's functions may be called from
 * there alone.
 */
#ifndef PREBUILT_H
#define PREBUILT_H

#include <selvage/module.h>

#include <limits.h>
#include <sys/stat.h>

enum prebuilt_mode { PREBUILT_OFF, PREBUILT_ON, PREBUILT_ONLY };

/* prebuilt_rule: the Cache-Control of some paths. */
struct prebuilt_rule {
    struct prebuilt_rule *next;
    struct slv_regex *regex;       /* NULL: the paths that begin with prefix */
    struct str prefix;
    struct str value;              /* empty: no such field */
};

struct prebuilt_conf {
    int on;                        /* enum prebuilt_mode */
    struct prebuilt_rule *rules;   /* in the order of the file: the first that matches holds */
    struct str links;              /* prebuilt_preload: fields of HTML pages, each with CRLF */
    int64_t max_file;              /* bytes: larger files are left to "static" */
    int64_t max_size;              /* bytes of a whole image */
    int64_t threads;               /* that compress; 0: half as many as there are processors */
    int64_t keep;                  /* earlier images that are kept for a rollback */
    bool watch;                    /* build anew when files change */
    bool refine;                   /* make in the background what takes long */
    bool huge_pages;
    struct prebuilt_source *source; /* what stands for the files of the root; NULL: they do */
};

/* The only symbol that the server looks for. */
extern SLV_API const struct slv_module selvage_module;

/* build.c: the build hook. */
int prebuilt_build(struct slv_build *b, void *conf);

/* Memory that is there, or the message goes out and the process ends. */
void *prebuilt_need(void *p);

/* ---- rules.c: what the configuration says about fields --------------------------------------- */

slv_setter rules_set, rules_set_preload;

/* The Cache-Control for a path; empty: none. Lives as long as the configuration. */
struct str rules_cache_control(const struct prebuilt_conf *c, struct str path);

/* ---- render.c: what is made of the bytes of a file ------------------------------------------- */

/* Variants that are to be made of one body. A plain value; the results are on the heap. */
struct render_work {
    const char *data;              /* as long as the work is being done */
    size_t size;
    bool text;                     /* the body is text: brotli has a mode for it */
    unsigned wanted;               /* a set of 1u << SLV_CODING_* */
    size_t gzip_size;              /* of a gzip variant that there is already; 0: none */
    struct {
        char *p;
        size_t n;                  /* 0: it would not pay */
    } made[SLV_CODING_COUNT];
    bool failed;                   /* a library had no memory */
    /* Of the pool. */
    struct render_work *next;
    enum { RENDER_NEW, RENDER_QUEUED, RENDER_RUNNING, RENDER_DONE } state;
};

/* What compressing takes, kept from one body to the next: one for each thread. */
struct renderer;

struct renderer *renderer_new(void);
void renderer_free(struct renderer **rd);

/*
 * Bodies of this media type are compressed, so that answers depend on Accept-Encoding. Types that
 * are not known to be made of text or to compress well are not.
 */
bool render_negotiable(struct str type);

/* A body of that size can become smaller by more than it costs. */
bool render_may_pay(size_t size);

/* The media type is that of HTML. */
bool render_html(struct str type);

/* The media type is one of text. */
bool render_text(struct str type);

/* Makes the variants. Knows nothing of the server, so that any thread may call it. */
void render_run(struct renderer *rd, struct render_work *work);

/* Frees what was made. */
void render_drop(struct render_work *work);

/* ---- pool.c: threads that make variants ------------------------------------------------------ */

struct pool;

/*
 * threads: how many may run; 0: half of the processors. They are started with the first work. Where
 * none can be, the work is done by pool_wait().
 */
struct pool *pool_new(size_t threads);

/* Ends the threads; work that was not begun is not done. */
void pool_free(struct pool **pool);

/* Takes new work, which stays where it is until pool_wait() has returned. */
void pool_submit(struct pool *pool, struct render_work *work);

/* Waits until it is done. */
void pool_wait(struct pool *pool, struct render_work *work);

/* The threads that run. */
size_t pool_threads(const struct pool *pool);

/* ---- The build ------------------------------------------------------------------------------- */

/* Why something is left out. */
enum reason {
    UNREADABLE, CHANGED, TOO_LARGE, NO_FILE, OUTSIDE, LOOP, TOO_LONG, SUBMODULE, GUARDED,
    UNBUILDABLE, TOO_MANY, REASONS
};

/* An answer on its way into the image. */
struct item;

#define DEPTH_MAX 64

/*
 * Directories that are walked behind symbolic links: thirty of them, each with two links to the
 * next one, are a billion to who walks them, and nobody else's image is made meanwhile.
 */
#define SHARED_MAX 20000u

/* A build, and where it is. */
struct builder {
    struct slv_build *b;
    struct pool *pool;
    struct slv_tree tree;          /* the one being walked */
    char root[PATH_MAX];           /* its directory without symbolic links, '/' at the end */
    size_t root_size;
    char file[PATH_MAX];           /* the file or directory at hand; directories end with '/' */
    size_t file_size;
    char path[2 * PATH_MAX];       /* the path that it answers */
    struct place {
        dev_t dev;
        ino_t ino;
    } places[DEPTH_MAX];           /* the directories around it */
    struct str replaced;           /* the root that the host's source stands for, '/' at the end;
                                      empty: depends on the request; .p NULL: there is no source */
    bool from_source;              /* what is at hand comes from there */
    unsigned links;                /* that lead to the directory at hand */
    unsigned shared;               /* directories entered that may be the same ones each time */

    struct item *items, **items_end; /* in the order in which they go into the image */
    size_t item_count, bytes_in_flight;
#define RECENT_SLOTS 4096
    struct item *recent[RECENT_SLOTS]; /* compressed lately, by checksum, in case of an equal one */
    size_t recent_size;            /* of their bodies */

    int64_t began, said;           /* milliseconds */
    unsigned long files, read, put_off, directories, left_out[REASONS], messages;
    unsigned long made[SLV_CODING_COUNT];
    unsigned long long bytes, made_bytes[SLV_CODING_COUNT];
};

/* build.c */

/* Notes that the file at hand is left out; the first ones are named. words: NULL: the reason's. */
void builder_leave_out(struct builder *w, enum reason reason, int error, const char *words);

/* Milliseconds since it began. */
int64_t builder_elapsed(const struct builder *w);

/* Says how far the build is, once a second. */
void builder_say_progress(struct builder *w);

/* walk.c: everything below the tree at hand. 0; -1 where the image cannot grow. */
int walk_tree(struct builder *w);

/* source.c */

slv_setter prebuilt_set_source;

/* The source, if there is one, is an image; makes it that of the host. 0, or -1 after slv_log(). */
bool source_is_image(const struct prebuilt_source *s);
int source_adopt(struct builder *w, const struct prebuilt_conf *host);

/* Names what is to be watched for changes of the source. */
void source_watch(const struct prebuilt_source *s, struct slv_image_options *options);

/* Adds what the source of the host holds. 0; -1 after slv_log(), also where it cannot be read. */
int source_walk(struct builder *w, const struct prebuilt_source *s);

/* The source stands for this tree of the host. */
bool source_covers(const struct builder *w, const struct slv_tree *tree);

/* A request for path would be answered with this file, the one at hand. */
bool source_fits(const struct builder *w, struct slv_request *r, struct str path, struct str file);

/* answer.c; all 0, or -1 where the image cannot grow. */

/* A file to be, whoever has it. */
struct supply {
    struct slv_origin origin;      /* size, time, and what tells it from others */
    bool hashed;                   /* that follows from the bytes, so that the time says nothing */
    /* Its bytes, on the heap, with room for one more; NULL: not to be had, which has been said. */
    char *(*read)(struct builder *w, const struct supply *s);
    /* Of whoever has it: a name in a directory, ... */
    int dir;
    const char *name;              /* NULL: it is no file */
    const struct stat *st;
    bool linked;                   /* the name is a symbolic link */
    /* ... or a blob of a repository. */
    void *owner;
    const void *id;
};

/* Makes an answer of the file at hand, if it is what its path would be answered with. */
int answer_supply(struct builder *w, const struct supply *s);

/*
 * Makes an answer of the file at hand, which stands in directory dir under name, if it is what its
 * path would be answered with. st: what it looks like; linked: name is a symbolic link.
 */
int answer_file(struct builder *w, int dir, const char *name, const struct stat *st, bool linked);

/* Answers the directory at hand as its index file, which has been walked by now. */
int answer_directory(struct builder *w);

/* Makes the answers of the earlier image again, in smaller variants; instead of all the above. */
int answer_refine(struct builder *w);

/* item.c */

/* Waits for all that is on its way. 0 or -1 likewise. */
int items_settle(struct builder *w);

/* Forgets what is on its way and what was; the pool is gone. */
void items_forget(struct builder *w);

#endif
