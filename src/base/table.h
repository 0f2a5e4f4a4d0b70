/*
 * table.h - a hash table from byte strings to pointers.
 *
 * Open addressing, at most half full, FNV-1a with a finisher. Keys are views: their bytes must live
 * as long as the table. For configuration, where nobody hostile chooses the keys.
 */
#ifndef SLV_TABLE_H
#define SLV_TABLE_H

#include <selvage/str.h>

#include <stdint.h>

struct table_slot {
    struct str key;
    uint32_t hash;
    void *value;                   /* NULL: the slot is free */
};

struct table {
    struct table_slot *slots;      /* from the heap; NULL while the table is empty */
    size_t size, used;             /* size is a power of two, or 0 */
};

/* A zeroed struct table is an empty one. */
void table_free(struct table *t);

/* The value of a key, or NULL. */
void *table_get(const struct table *t, struct str key);

/*
 * Stores a non-NULL value unless the key is there already; returns the value that was there, or
 * NULL.
 */
void *table_add(struct table *t, struct str key, void *value);

/* Stores or replaces. */
void table_set(struct table *t, struct str key, void *value);

/* The hash of a key. */
uint32_t table_hash(struct str key);

#endif
