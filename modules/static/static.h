/*
 * static.h - what the files of the module have in common.
 *
 *   static.c   requests: which file a path means, and in which content coding there is one
 *   send.c     from a file's name to the answer with its bytes
 *   conf.c     directives
 *   file.c     opening files below a document root
 *   cache.c    files that are kept open
 */
#ifndef SLV_STATIC_STATIC_H
#define SLV_STATIC_STATIC_H

#include <selvage/module.h>

#include "cache.h"

/* Codings other than identity. */
#define SIBLINGS_MAX 3

enum gzip_static { GZIP_STATIC_OFF, GZIP_STATIC_ON, GZIP_STATIC_ALWAYS };

struct symlinks_conf {
    enum symlinks policy;
    const struct slv_template *from;
};

/* Content codings in order of preference. */
struct codings_conf {
    size_t count;
    enum slv_coding order[SIBLINGS_MAX + 1];
};

struct static_conf {
    struct symlinks_conf symlinks;
    struct codings_conf precompressed;
    int gzip_static;
    struct file_cache *cache;
    int64_t cache_valid, cache_min_uses;
    bool cache_errors;
    /* Made by finish. */
    struct codings_conf siblings;  /* precompressed, and gzip where gzip_static wants it */
    struct file_cache_use cache_use;
};

/* How siblings of a file are named. */
struct static_coding {
    struct str word, suffix;
};

/* conf.c */

extern const struct static_coding static_codings[SLV_CODING_COUNT];
extern const struct slv_directive static_directives[];

/* struct slv_module: finish. Puts together what several directives say. */
int static_finish(struct slv_conf *cf, void *conf);

/* send.c */

/* The rule about links that holds for this request. */
struct symlink_rule static_rule(struct slv_request *r, const struct static_conf *c);

/* Opens a file, through the cache where there is one. 0, or -1 with errno. */
int static_get(const struct static_conf *c, struct str name, const struct symlink_rule *rule,
               struct static_file *f);

/* Gives it back. */
void static_put(struct static_file *f);

/* Logs why a file is not served and turns errno into a status. */
int static_refuse(struct slv_request *r, const struct static_conf *c, int error, struct str name);

/*
 * Answers with an open regular file, which is taken over. type_name: the name whose extension tells
 * the media type. SLV_DONE, or a status.
 */
int static_send(struct slv_request *r, const struct static_conf *c, struct str name,
                const struct symlink_rule *rule, struct str type_name, enum slv_coding coding,
                struct static_file *f);

#endif
