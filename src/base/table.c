/*
 * table.c - a hash table from byte strings to pointers.
 */
#include "base/table.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

uint32_t table_hash(struct str key)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 16777619u;
    /* FNV leaves the low bits of short keys alike; fold the high ones in. */
    return h ^ h >> 15;
}

void table_free(struct table *t)
{
    free(t->slots);
    *t = (struct table){ 0 };
}

/* The slot that holds the key or would take it. */
static struct table_slot *find_slot(const struct table *t, struct str key, uint32_t hash)
{
    size_t mask = t->size - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct table_slot *s = &t->slots[i];

        if (!s->value || (s->hash == hash && str_eq(s->key, key)))
            return s;
    }
}

void *table_get(const struct table *t, struct str key)
{
    return t->size ? find_slot(t, key, table_hash(key))->value : NULL;
}

/* Doubles the slots. */
static void grow(struct table *t)
{
    struct table old = *t;

    t->size = old.size ? old.size * 2 : 16;
    t->slots = mem_zalloc(t->size * sizeof *t->slots);
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].value)
            *find_slot(t, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

/* The slot for the key, in a table that has room for one more. */
static struct table_slot *slot_for(struct table *t, struct str key)
{
    struct table_slot *s;
    uint32_t hash = table_hash(key);

    if (t->used * 2 >= t->size)
        grow(t);
    s = find_slot(t, key, hash);
    s->hash = hash;
    return s;
}

void *table_add(struct table *t, struct str key, void *value)
{
    struct table_slot *s;

    AN(value != NULL);
    s = slot_for(t, key);
    if (s->value)
        return s->value;
    s->key = key;
    s->value = value;
    t->used++;
    return NULL;
}

void table_set(struct table *t, struct str key, void *value)
{
    struct table_slot *s;

    AN(value != NULL);
    s = slot_for(t, key);
    if (!s->value)
        t->used++;
    s->key = key;
    s->value = value;
}
