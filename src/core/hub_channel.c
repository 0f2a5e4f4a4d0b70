/*
 * hub_channel.c - the channels of the hub: found by name, made, forgotten, counted.
 */
#include "core/hub_shared.h"

#include "base/check.h"
#include "http/token.h"

/* One of the bytes that names are made of. */
static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
        || (c != '\0' && strchr("-_.~:/@+=,", c) != NULL);
}

bool slv_hub_name_ok(struct str channel)
{
    if (channel.n == 0 || channel.n > SLV_HUB_NAME_MAX)
        return false;
    for (size_t i = 0; i < channel.n; i++)
        if (!name_byte(channel.p[i]))
            return false;
    return true;
}

uint64_t slv_hub_after(struct str text)
{
    uint64_t id;

    if (text.n == 0)
        return SLV_HUB_NOW;
    /* No message has the id 1: ids begin at a time of day. */
    return digits_parse(text, &id) == 0 && id != SLV_HUB_NOW ? id : 1;
}

/* FNV-1a. Whoever may choose names can make a chain long, but no longer than there are channels. */
static uint32_t hash_of(struct str name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    return hash;
}

/* Its chain. */
static uint32_t *bucket_of(struct hub *h, uint32_t hash)
{
    return &h->bucket[hash & (h->buckets - 1)];
}

void hub_channel_chain(struct hub *h, struct hub_channel *c)
{
    uint32_t *bucket = bucket_of(h, c->hash);

    c->next = *bucket;
    hub_step(h);
    *bucket = (uint32_t)hub_index(h, c) + 1;
    hub_step(h);
}

uint64_t hub_channel_subscribers(const struct hub *h, const struct hub_channel *c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < h->seats; i++)
        n += c->subscribers[i];
    return n;
}

/* Takes a channel that nobody listens to and that has no history out of use. */
static void forget(struct hub *h, struct hub_channel *c)
{
    uint32_t *at = bucket_of(h, c->hash);
    uint32_t mine = (uint32_t)hub_index(h, c) + 1;

    if (h->shared->id_floor < c->last_id)
        h->shared->id_floor = c->last_id;
    hub_step(h);
    while (*at != mine) {
        AN(*at != 0);
        at = &hub_channel(h, *at - 1)->next;
    }
    *at = c->next;
    hub_step(h);
    atomic_store_explicit(&c->used, 0, memory_order_release);
    hub_step(h);
}

/* Finds a place for another channel. NULL: all are in use. */
static struct hub_channel *find_free(struct hub *h)
{
    for (uint32_t i = 0; i < h->channels; i++) {
        struct hub_channel *c = hub_channel(h, h->shared->hand);

        h->shared->hand = (h->shared->hand + 1) % h->channels;
        if (!c->used)
            return c;
        if (c->first_id <= c->last_id || hub_channel_subscribers(h, c))
            continue;
        forget(h, c);
        return c;
    }
    return NULL;
}

/* Makes a channel. */
static struct hub_channel *make_channel(struct hub *h, struct str name, uint32_t hash)
{
    struct hub_channel *c = find_free(h);

    if (!c)
        return NULL;
    /* What the ring has of the name before is of another generation from here on. */
    c->generation++;
    hub_step(h);
    c->hash = hash;
    c->name_size = (uint16_t)name.n;
    memcpy(c->name, name.p, name.n);
    c->last_id = hub_floor(h);
    c->first_id = c->oldest_id = c->last_id + 1;
    c->first_at = c->last_at = c->oldest_at = 0;
    c->sum = 0;
    c->second = 0;
    c->in_second = 0;
    memset(c->subscribers, 0, h->seats * sizeof c->subscribers[0]);
    hub_step(h);
    atomic_store_explicit(&c->used, 1, memory_order_release);
    hub_step(h);
    hub_channel_chain(h, c);
    return c;
}

struct hub_channel *hub_channel_find(struct hub *h, struct str name, bool make)
{
    uint32_t hash = hash_of(name);

    AN(name.n <= SLV_HUB_NAME_MAX);
    for (uint32_t i = *bucket_of(h, hash); i;) {
        struct hub_channel *c = hub_channel(h, i - 1);

        if (c->hash == hash && str_eq((struct str){ c->name, c->name_size }, name))
            return c;
        i = c->next;
    }
    return make ? make_channel(h, name, hash) : NULL;
}

/* The history has more than the bounds allow. */
static bool beyond(const struct hub *h, const struct hub_channel *c,
                   const struct hub_bounds *bounds, int64_t now)
{
    const struct hub_record *first = hub_record(h, c->first_at);

    return (bounds->messages && c->last_id - c->first_id + 1 > bounds->messages)
        || (bounds->age && first->time < now - bounds->age)
        || (bounds->bytes && c->sum - first->sum + first->data > bounds->bytes);
}

void hub_channel_trim(struct hub *h, struct hub_channel *c, const struct hub_bounds *bounds,
                      int64_t now)
{
    while (c->first_id <= c->last_id && beyond(h, c, bounds, now)) {
        uint64_t next = hub_record(h, c->first_at)->next;

        c->first_id++;
        hub_step(h);
        c->first_at = next;
        hub_step(h);
    }
}

void hub_channels_forget_seat(struct hub *h, unsigned seat)
{
    for (uint32_t i = 0; i < h->channels; i++)
        if (hub_channel(h, i)->used)
            hub_channel(h, i)->subscribers[seat] = 0;
}
