/*
 * hub_repair.c - what follows from the truth: built anew, or compared with what is there.
 */
#include "core/hub_shared.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

/* ---- Repair ---------------------------------------------------------------------------------- */

/* Chains of the hash table, and channels that have no message yet. */
static void reset_channels(struct hub *h)
{
    memset(h->bucket, 0, h->buckets * sizeof *h->bucket);
    hub_step(h);
    for (uint32_t i = 0; i < h->channels; i++) {
        struct hub_channel *c = hub_channel(h, i);

        if (!c->used)
            continue;
        hub_channel_chain(h, c);
        c->first_at = c->last_at = c->oldest_at = 0;
        hub_step(h);
    }
}

/* Links a message behind those that came before it. */
static void link_record(struct hub *h, struct hub_channel *c, struct hub_record *r, uint64_t at)
{
    r->next = 0;
    if (c->last_at)
        hub_record(h, c->last_at)->next = at;
    else
        c->oldest_at = at, c->oldest_id = r->id;
    if (!c->first_at && r->id >= c->first_id) {
        c->first_at = at;
        c->first_id = r->id;
    }
    hub_step(h);
    c->last_at = at;
    c->last_id = r->id;
    c->sum = r->sum;
    hub_step(h);
}

/* The ids of channels of which the ring has nothing. */
static void close_empty(struct hub *h)
{
    for (uint32_t i = 0; i < h->channels; i++) {
        struct hub_channel *c = hub_channel(h, i);

        if (!c->used)
            continue;
        if (!c->first_at)
            c->first_id = c->last_id + 1;
        if (!c->oldest_at)
            c->oldest_id = c->last_id + 1;
        hub_step(h);
    }
}

void hub_repair(struct hub *h)
{
    struct hub_shared *s = h->shared;

    hub_step(h);
    reset_channels(h);
    for (uint64_t at = s->tail; at < s->head;) {
        struct hub_record *r = hub_record(h, at);
        struct hub_channel *c = hub_channel_of(h, r);

        AN(r->size > 0 && r->size % HUB_ALIGN == 0);
        if (c)
            link_record(h, c, r, at);
        at += r->size;
    }
    close_empty(h);
    /* Nobody knows who has been told. */
    for (unsigned i = 0; i < h->seats; i++) {
        for (unsigned w = 0; w < h->words; w++)
            atomic_store(&hub_seat(h, i)->news[w], UINT64_MAX);
        hub_step(h);
        hub_poke(h, i);
    }
    s->repaired++;
    hub_step(h);
    log_notice(0, "the hub was repaired, because a process died while it was at work there");
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* What the walk over the ring says of a channel. */
struct seen {
    uint64_t oldest_at, first_at, last_at, last_id, oldest_id, count;
};

/* NULL, or what is wrong with a message in its channel. */
static const char *record_flaw(const struct hub *h, const struct hub_channel *c,
                               const struct hub_record *r, uint64_t at, struct seen *seen)
{
    struct slv_hub_message m;

    if (seen->count && seen->last_id + 1 != r->id)
        return "ids do not count up by one";
    if (seen->last_at && hub_record(h, seen->last_at)->next != at)
        return "a message is not linked to the next";
    if (!seen->count)
        seen->oldest_at = at, seen->oldest_id = r->id;
    if (!seen->first_at && r->id >= c->first_id)
        seen->first_at = at;
    seen->count++;
    seen->last_at = at;
    seen->last_id = r->id;
    hub_frame_view(r, &m);
    if (m.frame.p + m.frame.n > (const char *)r + r->size)
        return "a message is longer than its room";
    if (memcmp(m.sse.p, "id: ", 4) != 0 || strtoull(m.sse.p + 4, NULL, 10) != r->id
        || memcmp(m.sse.p + m.sse.n - 2, "\n\n\r\n", 4) != 0
        || strtoull(m.chunk.p, NULL, 16) != m.sse.n || (unsigned char)m.frame.p[0] >> 4 != 8)
        return "a message is not whole";
    return NULL;
}

/* NULL, or what is wrong with the ring. */
static const char *ring_flaw(const struct hub *h, struct seen *seen)
{
    const struct hub_shared *s = h->shared;
    uint64_t at = s->tail;

    if (s->head - s->tail > h->ring_size)
        return "the ring has more than it has room for";
    while (at < s->head) {
        const struct hub_record *r = hub_record(h, at);
        const struct hub_channel *c = hub_channel_of(h, r);
        const char *flaw;

        if (!r->size || r->size % HUB_ALIGN || at + r->size > s->head
            || at % h->ring_size + r->size > h->ring_size)
            return "a message has an impossible size";
        flaw = c ? record_flaw(h, c, r, at, &seen[r->channel]) : NULL;
        if (flaw)
            return flaw;
        at += r->size;
    }
    return NULL;
}

/* NULL, or what is wrong with a channel, given what the ring has. */
static const char *channel_flaw(const struct hub *h, const struct hub_channel *c,
                                const struct seen *seen)
{
    if (c->first_id > c->last_id + 1 || c->oldest_id > c->first_id)
        return "the ids of a channel are out of order";
    if (seen->first_at != c->first_at || seen->oldest_at != c->oldest_at
        || seen->last_at != c->last_at)
        return "a channel does not know its messages";
    if (seen->count && (seen->last_id != c->last_id || seen->oldest_id != c->oldest_id
                        || hub_record(h, seen->last_at)->sum != c->sum
                        || hub_record(h, seen->last_at)->next != 0))
        return "a channel has the wrong last message";
    if (!seen->count && c->oldest_id != c->last_id + 1)
        return "a channel without messages pretends to have some";
    if (seen->first_at && hub_record(h, seen->first_at)->id != c->first_id)
        return "the history does not begin where it should";
    return NULL;
}

/* NULL, or what is wrong with the hash table. */
static const char *chains_flaw(const struct hub *h)
{
    uint32_t chained = 0, used = 0;

    for (uint32_t i = 0; i < h->channels; i++)
        used += hub_channel(h, i)->used != 0;
    for (uint32_t b = 0; b < h->buckets; b++)
        for (uint32_t i = h->bucket[b]; i; i = hub_channel(h, i - 1)->next)
            if (!hub_channel(h, i - 1)->used || ++chained > used
                || (hub_channel(h, i - 1)->hash & (h->buckets - 1)) != b)
                return "a chain of channels is wrong";
    return chained == used ? NULL : "a channel is in no chain";
}

const char *hub_flaw(struct hub *h)
{
    struct seen *seen = calloc(h->channels, sizeof *seen);
    const char *flaw;

    AN(seen != NULL);
    hub_lock(h);
    flaw = ring_flaw(h, seen);
    for (uint32_t i = 0; !flaw && i < h->channels; i++)
        if (hub_channel(h, i)->used)
            flaw = channel_flaw(h, hub_channel(h, i), &seen[i]);
    if (!flaw)
        flaw = chains_flaw(h);
    if (!flaw)
        flaw = hub_clients_flaw(h);
    hub_unlock(h);
    free(seen);
    return flaw;
}

void hub_figures(struct hub *h, struct hub_figures *out)
{
    const struct hub_shared *s = h->shared;

    hub_lock(h);
    *out = (struct hub_figures){
        .published = s->published, .dropped = s->dropped, .refused = s->refused,
        .repaired = s->repaired, .ring_size = h->ring_size, .ring_used = s->head - s->tail,
    };
    for (uint32_t i = 0; i < h->channels; i++)
        out->channels += hub_channel(h, i)->used != 0;
    hub_unlock(h);
}
