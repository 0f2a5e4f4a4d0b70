/*
 * cache.c - the open file cache: a hash table and a list by last use.
 *
 * Entries are never changed once others may hold them: a file that has to be looked at again gets a
 * new entry, and the old one, out of the table, lives until its last holder has gone.
 */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS_MAX 65536
#define EXPIRE_AT_ONCE 2           /* entries per request, so that nobody waits for many */

struct cached_file {
    unsigned magic;
#define CACHED_FILE_MAGIC 0xcac4ef11u
    struct file_cache *cache;      /* NULL: has left it */
    struct cached_file *next;      /* in the bucket */
    struct cached_file *newer, *older; /* by last use */
    uint64_t hash;
    enum symlinks policy;
    size_t trusted;                /* length of the beginning that the rule does not look at */
    struct static_file file;       /* fd -1: not kept open */
    int error;                     /* an errno value: it could not be opened */
    int64_t checked, used;         /* ms */
    int64_t uses;
    unsigned refs;
    size_t name_size;
    char name[];
};

struct file_cache {
    unsigned magic;
#define FILE_CACHE_MAGIC 0xf11ecac4u
    size_t max, count;
    int64_t inactive;
    uint64_t seed;                 /* peers choose names: collisions must not be foreseeable */
    size_t bucket_count;           /* a power of two */
    struct cached_file **buckets;  /* NULL until the first use, which is in a worker */
    struct cached_file *newest, *oldest;
};

/* Memory or the end of the worker. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Milliseconds that only grow. */
static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Mixes the name with the seed. */
static uint64_t hash_of(const struct file_cache *cache, struct str name)
{
    uint64_t h = cache->seed;

    for (size_t i = 0; i < name.n; i++) {
        h = (h ^ (unsigned char)name.p[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h;
}

/* Makes the table at the first use. */
static void make_buckets(struct file_cache *cache)
{
    cache->bucket_count = 16;
    while (cache->bucket_count < cache->max && cache->bucket_count < BUCKETS_MAX)
        cache->bucket_count *= 2;
    cache->buckets = must(calloc(cache->bucket_count, sizeof(struct cached_file *)));
    /* Without randomness the cache still works, only worse against an adversary. */
    if (getrandom(&cache->seed, sizeof cache->seed, GRND_NONBLOCK) != sizeof cache->seed)
        cache->seed = (uint64_t)now_ms() ^ (uint64_t)(uintptr_t)cache->buckets;
}

/* Frees an entry that is in no table and has no holder. */
static void destroy(struct cached_file *entry)
{
    static_file_close(&entry->file);
    entry->magic = 0;
    free(entry);
}

/* Takes an entry out of the list by last use. */
static void unlist(struct file_cache *cache, struct cached_file *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

/* Puts an entry at the front of the list. */
static void enlist(struct file_cache *cache, struct cached_file *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

/* Takes an entry out of the cache. */
static void leave(struct cached_file *entry)
{
    struct file_cache *cache = entry->cache;
    struct cached_file **p = &cache->buckets[entry->hash & (cache->bucket_count - 1)];

    while (*p != entry)
        p = &(*p)->next;
    *p = entry->next;
    unlist(cache, entry);
    cache->count--;
    entry->cache = NULL;
    if (entry->refs == 0)
        destroy(entry);
}

/* Lets a few entries go that nobody has used for long. */
static void expire(struct file_cache *cache, int64_t now)
{
    for (int i = 0; i < EXPIRE_AT_ONCE && cache->oldest; i++) {
        if (now - cache->oldest->used <= cache->inactive)
            return;
        leave(cache->oldest);
    }
}

/* The entry for a name under a rule, or NULL. */
static struct cached_file *find(const struct file_cache *cache, uint64_t hash, struct str name,
                                const struct symlink_rule *rule)
{
    struct cached_file *e = cache->buckets[hash & (cache->bucket_count - 1)];
    size_t trusted = static_file_trusted(name, rule);

    for (; e; e = e->next)
        if (e->hash == hash && e->policy == rule->policy && e->trusted == trusted
            && str_eq((struct str){ e->name, e->name_size }, name))
            return e;
    return NULL;
}

/* A new entry without a file, in the cache. */
static struct cached_file *add(struct file_cache *cache, uint64_t hash, struct str name,
                               const struct symlink_rule *rule)
{
    struct cached_file **bucket = &cache->buckets[hash & (cache->bucket_count - 1)];
    struct cached_file *e = must(calloc(1, sizeof *e + name.n));

    while (cache->count >= cache->max)
        leave(cache->oldest);
    e->magic = CACHED_FILE_MAGIC;
    e->cache = cache;
    e->hash = hash;
    e->policy = rule->policy;
    e->trusted = static_file_trusted(name, rule);
    e->file.fd = -1;
    e->name_size = name.n;
    memcpy(e->name, name.p, name.n);
    e->next = *bucket;
    *bucket = e;
    enlist(cache, e);
    cache->count++;
    return e;
}

/* An empty cache. */
struct file_cache *file_cache_new(size_t max, int64_t inactive)
{
    struct file_cache *cache = must(calloc(1, sizeof *cache));

    cache->magic = FILE_CACHE_MAGIC;
    cache->max = max;
    cache->inactive = inactive;
    return cache;
}

/* Gives a cache back. */
void file_cache_free(struct file_cache **cache)
{
    if (!*cache)
        return;
    while ((*cache)->oldest)
        leave((*cache)->oldest);
    free((*cache)->buckets);
    free(*cache);
    *cache = NULL;
}

/* Is what the cache knows of the file enough for an answer? */
static bool good(const struct cached_file *e, const struct file_cache_use *use, int64_t now)
{
    if (now - e->checked >= use->valid)
        return false;
    if (e->error)
        return use->errors;
    return e->file.fd >= 0 || e->file.kind != FILE_REGULAR;
}

/* Hands out what an entry knows. */
static int hand_out(struct cached_file *e, struct static_file *out)
{
    *out = e->file;
    out->entry = NULL;
    if (e->error) {
        errno = e->error;
        return -1;
    }
    if (e->file.fd >= 0) {
        e->refs++;
        out->entry = e;
    }
    return 0;
}

/* Opens the file and notes what came of it. */
static int look_up(struct file_cache *cache, const struct file_cache_use *use, struct str name,
                   const struct symlink_rule *rule, uint64_t hash, int64_t uses, int64_t now,
                   struct static_file *out)
{
    int rc = static_file_open(name, rule, out), error = errno;
    struct cached_file *e;

    /* Want of descriptors or memory says nothing about the file. */
    if (rc != 0 && (!use->errors || error == EMFILE || error == ENFILE || error == ENOMEM)) {
        errno = error;
        return -1;
    }
    e = add(cache, hash, name, rule);
    e->checked = e->used = now;
    e->uses = uses;
    e->error = rc != 0 ? error : 0;
    e->file = *out;
    if (rc == 0 && uses < use->min_uses) {
        e->file.fd = -1;           /* the caller's alone */
        return 0;
    }
    return hand_out(e, out);
}

/* Finds or opens a file. */
int file_cache_get(struct file_cache *cache, const struct file_cache_use *use, struct str name,
                   const struct symlink_rule *rule, struct static_file *out)
{
    int64_t now = now_ms(), uses = 1;
    struct cached_file *e;
    uint64_t hash;

    if (!cache->buckets)
        make_buckets(cache);
    expire(cache, now);
    hash = hash_of(cache, name);
    e = find(cache, hash, name, rule);
    if (e) {
        uses = ++e->uses;
        e->used = now;
        if (good(e, use, now)) {
            unlist(cache, e);
            enlist(cache, e);
            return hand_out(e, out);
        }
        leave(e);
    }
    return look_up(cache, use, name, rule, hash, uses, now, out);
}

/* Takes an entry out whose file has changed under it. */
void file_cache_forget(struct cached_file *entry)
{
    if (entry->cache)
        leave(entry);
}

/* Gives a reference back. */
void file_cache_put(struct cached_file *entry)
{
    if (entry->magic != CACHED_FILE_MAGIC || entry->refs == 0)
        abort();
    if (--entry->refs == 0 && !entry->cache)
        destroy(entry);
}
