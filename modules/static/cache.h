/*
 * cache.h - open files that are kept open: open_file_cache.
 *
 * One cache belongs to one open_file_cache directive and to one worker: it is made with the
 * configuration, empty, and fills after the fork. What is found in it may be as old as "valid"
 * says. A descriptor is closed when its entry has left the cache and the last response that sends
 * from it is over.
 */
#ifndef SLV_STATIC_CACHE_H
#define SLV_STATIC_CACHE_H

#include "file.h"

struct file_cache;

/* How one location uses its cache. */
struct file_cache_use {
    int64_t valid;                 /* ms before a file is looked at again */
    int64_t min_uses;              /* within "inactive", for its descriptor to be kept */
    bool errors;                   /* remember also what could not be opened */
};

/* An empty cache of at most max entries, which leave it when not used for inactive ms. */
struct file_cache *file_cache_new(size_t max, int64_t inactive);

/* Takes and nulls. Descriptors that are being sent from stay open until they are given back. */
void file_cache_free(struct file_cache **cache);

/*
 * The file of that name: from the cache, or opened and put there. 0; or -1 with errno. Given back
 * with file_cache_put() or, where out->entry is NULL, static_file_close().
 */
int file_cache_get(struct file_cache *cache, const struct file_cache_use *use, struct str name,
                   const struct symlink_rule *rule, struct static_file *out);

/* The file has turned out to be another than the cache thinks: the next one opens it anew. */
void file_cache_forget(struct cached_file *entry);

/* Gives a reference back. */
void file_cache_put(struct cached_file *entry);

#endif
