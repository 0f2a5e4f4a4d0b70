/*
 * hub_log.c - the log of the hub: messages appended, read, counted; and subscribers entered.
 */
#include "core/hub_shared.h"

#include "base/check.h"

/* ---- Room ------------------------------------------------------------------------------------ */

/* Takes the oldest message of the ring out of its channel. */
static void unlink_oldest(struct hub *h, const struct hub_record *r, uint64_t at)
{
    struct hub_channel *c = hub_channel_of(h, r);

    if (!c)
        return;
    AN(c->oldest_at == at);
    if (c->first_at == at) {
        c->first_id++;
        hub_step(h);
        c->first_at = r->next;
        hub_step(h);
        h->shared->dropped++;
    }
    if (c->last_at == at)
        c->last_at = 0;
    c->oldest_id = r->id + 1;
    c->oldest_at = r->next;
    hub_step(h);
}

/* The position in front of which everything is read and sent. */
static uint64_t pinned_from(const struct hub *h)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < h->seats; i++) {
        uint64_t pin = atomic_load_explicit(&hub_seat(h, i)->pin, memory_order_acquire);

        least = pin < least ? pin : least;
    }
    return least;
}

/* Makes room for size bytes behind head. False: somebody reads what lies there. */
static bool make_room(struct hub *h, uint64_t size)
{
    struct hub_shared *s = h->shared;
    uint64_t pin = UINT64_MAX;

    if (s->head + size - s->tail > h->ring_size)
        pin = pinned_from(h);
    while (s->head + size - s->tail > h->ring_size) {
        uint64_t at = s->tail;
        const struct hub_record *r = hub_record(h, at);

        if (at >= pin)
            return false;
        unlink_oldest(h, r, at);
        atomic_store_explicit(&s->tail, at + r->size, memory_order_release);
        hub_step(h);
    }
    return true;
}

/* Room for a message in one piece. False: there is none now. */
static bool reserve(struct hub *h, uint64_t size)
{
    struct hub_shared *s = h->shared;
    uint64_t left = h->ring_size - s->head % h->ring_size;
    struct hub_record *filler;

    if (left >= size)
        return make_room(h, size);
    if (!make_room(h, left + size))
        return false;
    filler = hub_record(h, s->head);
    filler->size = (uint32_t)left;
    filler->channel = HUB_FILLER;
    hub_step(h);
    atomic_store_explicit(&s->head, s->head + left, memory_order_release);
    hub_step(h);
    return true;
}

/* ---- Publishing ------------------------------------------------------------------------------ */

bool hub_too_fast(struct hub_channel *c, unsigned rate, int64_t now)
{
    if (!rate)
        return false;
    if (c->second != now / 1000) {
        c->second = now / 1000;
        c->in_second = 0;
    }
    return c->in_second >= rate || ++c->in_second > rate;
}

/* Tells the seats that have subscribers of a channel. */
static void tell(struct hub *h, const struct hub_channel *c)
{
    uint64_t index = hub_index(h, c);

    for (unsigned i = 0; i < h->seats; i++) {
        struct hub_seat *s = hub_seat(h, i);

        if (!c->subscribers[i])
            continue;
        atomic_fetch_or(&s->news[index / 64], UINT64_C(1) << index % 64);
        hub_step(h);
        if (!atomic_exchange(&s->poked, 1)) {
            hub_step(h);
            hub_poke(h, i);
        }
        hub_step(h);
    }
}

/* Writes a message behind head, publishes it, and makes it the channel's last. */
static void append(struct hub *h, struct hub_channel *c, const struct slv_hub_post *post,
                   const struct hub_record *sizes, int64_t now)
{
    uint64_t at = h->shared->head;
    struct hub_record *r = hub_record(h, at);

    *r = *sizes;
    r->channel = (uint32_t)hub_index(h, c);
    r->generation = c->generation;
    r->next = 0;
    r->sum = c->sum + post->data.n;
    r->time = now;
    hub_step(h);
    hub_frame_write(post, r);
    hub_step(h);
    atomic_store_explicit(&h->shared->head, at + r->size, memory_order_release);
    hub_step(h);
    c->last_id = r->id;
    hub_step(h);
    c->sum = r->sum;
    if (c->last_at)
        hub_record(h, c->last_at)->next = at;
    hub_step(h);
    c->last_at = at;
    if (!c->oldest_at)
        c->oldest_at = at;
    hub_step(h);
    if (!c->first_at)
        c->first_at = at;
    hub_step(h);
    h->shared->published++;
}

/* Publishes with the lock held. */
static enum slv_hub_result publish(struct hub *h, const struct slv_hub_post *post,
                                   const struct hub_bounds *bounds, int64_t now, uint64_t *id)
{
    struct hub_channel *c = hub_channel_find(h, post->channel, true);
    struct hub_record sizes = { 0 };

    if (!c)
        return SLV_HUB_FULL;
    if (hub_frame_measure(post, c->last_id + 1, &sizes) != 0
        || sizes.size > h->ring_size / HUB_SHARE)
        return SLV_HUB_TOO_LARGE;
    if (hub_too_fast(c, post->rate, now))
        return SLV_HUB_TOO_FAST;
    if (!reserve(h, sizes.size))
        return SLV_HUB_FULL;
    append(h, c, post, &sizes, now);
    hub_channel_trim(h, c, bounds, now);
    tell(h, c);
    *id = c->last_id;
    return SLV_HUB_OK;
}

/* The name of an event or a media type can stand in its line. */
static bool is_line(struct str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.n <= most && hub_is_utf8(s);
}

enum slv_hub_result hub_post_check(const struct hub *h, const struct slv_hub_post *post)
{
    if (!slv_hub_name_ok(post->channel))
        return SLV_HUB_BAD_NAME;
    if (!is_line(post->event, SLV_HUB_EVENT_MAX) || !is_line(post->type, SLV_HUB_TYPE_MAX)
        || (post->kind == SLV_HUB_TEXT && !hub_is_utf8(post->data)))
        return SLV_HUB_BAD_TEXT;
    return post->data.n > h->ring_size / HUB_SHARE ? SLV_HUB_TOO_LARGE : SLV_HUB_OK;
}

enum slv_hub_result hub_publish(struct hub *h, const struct slv_hub_post *post,
                                const struct hub_bounds *bounds, int64_t now, uint64_t *id)
{
    enum slv_hub_result result;

    CHECK_OBJ(h, HUB_MAGIC);
    result = hub_post_check(h, post);
    if (result != SLV_HUB_OK)
        return result;
    hub_lock(h);
    hub_step(h);
    result = publish(h, post, bounds, now, id);
    if (result != SLV_HUB_OK)
        h->shared->refused++;
    hub_unlock(h);
    hub_step(h);
    return result;
}

/* ---- What was numbered elsewhere ------------------------------------------------------------- */

/* The next id of a channel is that one: what it has had is its own no longer. */
static void rebase(struct hub *h, struct hub_channel *c, uint64_t id)
{
    if (c->first_id <= c->last_id)
        h->shared->dropped += c->last_id - c->first_id + 1;
    c->generation++;
    hub_step(h);
    c->first_at = c->last_at = c->oldest_at = 0;
    hub_step(h);
    c->last_id = id - 1;
    hub_step(h);
    c->first_id = c->oldest_id = id;
    hub_step(h);
}

/* Puts a message in its place, with the lock held. */
static enum slv_hub_result place_message(struct hub *h, const struct slv_hub_post *post,
                                         uint64_t id, int64_t time,
                                         const struct hub_bounds *bounds, int64_t now)
{
    struct hub_channel *c = hub_channel_find(h, post->channel, true);
    struct hub_record sizes = { 0 };

    if (!c)
        return SLV_HUB_FULL;
    if (id <= c->last_id)
        return SLV_HUB_OK;
    if (hub_frame_measure(post, id, &sizes) != 0 || sizes.size > h->ring_size / HUB_SHARE)
        return SLV_HUB_TOO_LARGE;
    if (!reserve(h, sizes.size))
        return SLV_HUB_LATER;
    if (id != c->last_id + 1)
        rebase(h, c, id);
    append(h, c, post, &sizes, time);
    hub_channel_trim(h, c, bounds, now);
    tell(h, c);
    return SLV_HUB_OK;
}

enum slv_hub_result hub_place_message(struct hub *h, const struct slv_hub_post *post, uint64_t id,
                                      int64_t time, const struct hub_bounds *bounds, int64_t now)
{
    enum slv_hub_result result;

    CHECK_OBJ(h, HUB_MAGIC);
    AN(h->queue_size > 0);
    result = hub_post_check(h, post);
    if (result != SLV_HUB_OK || id == 0 || id > UINT64_MAX / 2)
        return result == SLV_HUB_OK ? SLV_HUB_BAD_TEXT : result;
    hub_lock(h);
    hub_step(h);
    result = place_message(h, post, id, time, bounds, now);
    hub_unlock(h);
    hub_step(h);
    return result;
}

/* ---- Subscribers ----------------------------------------------------------------------------- */

/*
 * Ids that a client may be ahead of this machine: it has seen them on another one, from which this
 * one has not heard yet.
 */
#define AHEAD_MAX (UINT64_C(1) << 20)

/* This machine has not heard yet of what the place is behind. */
static bool is_ahead(const struct hub *h, const struct hub_channel *c, uint64_t id)
{
    return h->queue_size && id > c->last_id && (!c->last_id || id - c->last_id <= AHEAD_MAX);
}

/* The position of a message that the ring has; what the history has is found sooner. */
static uint64_t find(const struct hub *h, const struct hub_channel *c, uint64_t id)
{
    uint64_t at = c->oldest_at, there = c->oldest_id;

    AN(id >= c->oldest_id && id <= c->last_id);
    if (id >= c->first_id) {
        at = c->first_at;
        there = c->first_id;
    }
    for (; there < id; there++)
        at = hub_record(h, at)->next;
    AN(hub_there(h, at) && hub_record(h, at)->id == id);
    return at;
}

/* Sets a place behind the message of an id that is not in front of the ring. */
static void set_place(const struct hub *h, const struct hub_channel *c, uint64_t id,
                      struct hub_place *place)
{
    place->id = id;
    place->at = 0;
    if (id == 0) {
        /* The channel has had no message yet, and nobody knows what id its first will have. */
        place->at = HUB_START;
        place->sum = c->sum;
    } else if (id == c->last_id) {
        place->at = c->last_at;
        place->sum = c->sum;
    } else if (id >= c->first_id) {
        place->at = find(h, c, id);
        place->sum = hub_record(h, place->at)->sum;
    } else {
        /* In front of the history or of the ring: the next one is found without a walk. */
        const struct hub_record *next = hub_record(h, find(h, c, id + 1));

        place->sum = next->sum - next->data;
    }
}

/* The place of a new subscriber behind the message of an id, or where a constant says. */
static void begin_place(const struct hub *h, const struct hub_channel *c, uint64_t after,
                        struct hub_place *place)
{
    if (after == SLV_HUB_NOW)
        after = c->last_id;
    else if (after == SLV_HUB_ALL)
        after = c->first_id - 1;
    if (after + 1 >= c->first_id && after <= c->last_id) {
        set_place(h, c, after, place);
    } else if (is_ahead(h, c, after)) {
        place->id = after;
        place->sum = c->sum;
    }
    /* Else it stays 0, which is no message's: it reads first that something is missing. */
}

enum slv_hub_result hub_join(struct hub *h, struct str name, uint64_t after, uint64_t client,
                             struct slv_hub_most most, const struct hub_bounds *bounds,
                             int64_t now, struct hub_place *place)
{
    enum slv_hub_result result = SLV_HUB_OK;
    struct hub_channel *c;

    CHECK_OBJ(h, HUB_MAGIC);
    if (!slv_hub_name_ok(name))
        return SLV_HUB_BAD_NAME;
    if (h->seat >= h->seats)
        return SLV_HUB_OFF;
    *place = (struct hub_place){ 0 };
    hub_lock(h);
    hub_step(h);
    c = hub_channel_find(h, name, true);
    if (!c)
        result = SLV_HUB_FULL;
    else if (most.channel && hub_channel_subscribers(h, c) >= most.channel)
        result = SLV_HUB_CHANNEL_LIMIT;
    else if (most.client && client)
        result = hub_client_enter(h, client, most.client, &place->client);
    if (result == SLV_HUB_OK) {
        hub_channel_trim(h, c, bounds, now);
        c->subscribers[h->seat]++;
        hub_step(h);
        place->channel = (uint32_t)hub_index(h, c);
        begin_place(h, c, after, place);
    }
    hub_unlock(h);
    hub_step(h);
    return result;
}

void hub_leave(struct hub *h, const struct hub_place *place)
{
    struct hub_channel *c;

    CHECK_OBJ(h, HUB_MAGIC);
    hub_lock(h);
    c = hub_channel(h, place->channel);
    AN(c->used && c->subscribers[h->seat] > 0);
    c->subscribers[h->seat]--;
    hub_step(h);
    if (place->client)
        hub_client_leave(h, place->client);
    hub_unlock(h);
}

/* Nothing from here on is to be overwritten until hub_rest(). */
static void pin(struct hub *h, uint64_t at)
{
    struct hub_seat *s = hub_seat(h, h->seat);

    h->pinned = true;
    if (at < atomic_load_explicit(&s->pin, memory_order_relaxed))
        atomic_store(&s->pin, at);
}

/* The position of the message behind a place, with the lock held; 0: the ring has passed it by. */
static uint64_t next_of(const struct hub *h, const struct hub_channel *c,
                        const struct hub_place *place)
{
    if (place->at && hub_there(h, place->at))
        return hub_record(h, place->at)->next;
    return place->id + 1 >= c->oldest_id && place->id < c->last_id ? find(h, c, place->id + 1) : 0;
}

/* There is something behind a place. One in front of everything moves to what there is now. */
static bool has_next(const struct hub *h, const struct hub_channel *c, struct hub_place *place)
{
    if (place->id == 0 && place->at == HUB_START && c->last_id)
        set_place(h, c, c->oldest_id - 1, place);
    return place->id != c->last_id && !is_ahead(h, c, place->id);
}

enum slv_hub_read hub_next(struct hub *h, struct hub_place *place, struct slv_hub_message *m,
                           bool *last)
{
    enum slv_hub_read result = SLV_HUB_NOTHING;
    const struct hub_channel *c;
    uint64_t at;

    CHECK_OBJ(h, HUB_MAGIC);
    hub_lock(h);
    c = hub_channel(h, place->channel);
    AN(c->used && c->subscribers[h->seat] > 0);
    if (has_next(h, c, place)) {
        at = place->id ? next_of(h, c, place) : 0;
        if (at) {
            const struct hub_record *r = hub_record(h, at);

            pin(h, at);
            hub_frame_view(r, m);
            place->id = r->id;
            place->at = at;
            place->sum = r->sum;
            result = SLV_HUB_MESSAGE;
        } else {
            set_place(h, c, c->first_id - 1, place);
            result = SLV_HUB_GAP;
        }
    }
    if (last)
        *last = result == SLV_HUB_NOTHING || place->id == c->last_id;
    hub_unlock(h);
    return result;
}

uint64_t hub_lag(struct hub *h, const struct hub_place *place)
{
    uint64_t lag;

    CHECK_OBJ(h, HUB_MAGIC);
    hub_lock(h);
    lag = hub_channel(h, place->channel)->sum - place->sum;
    hub_unlock(h);
    return lag;
}

/* ---- Figures --------------------------------------------------------------------------------- */

/* What a channel has. */
static void count(struct hub *h, struct hub_channel *c, const struct hub_bounds *bounds,
                  int64_t now, struct slv_hub_presence *out)
{
    hub_channel_trim(h, c, bounds, now);
    *out = (struct slv_hub_presence){
        .subscribers = hub_channel_subscribers(h, c),
        .messages = c->last_id + 1 - c->first_id,
        .last_id = c->last_id,
    };
    if (out->messages) {
        const struct hub_record *first = hub_record(h, c->first_at);

        out->bytes = c->sum - first->sum + first->data;
    }
}

enum slv_hub_result hub_presence(struct hub *h, struct str name, const struct hub_bounds *bounds,
                                 int64_t now, struct slv_hub_presence *out)
{
    struct hub_channel *c;

    CHECK_OBJ(h, HUB_MAGIC);
    if (!slv_hub_name_ok(name))
        return SLV_HUB_BAD_NAME;
    hub_lock(h);
    c = hub_channel_find(h, name, false);
    if (c)
        count(h, c, bounds, now, out);
    else
        *out = (struct slv_hub_presence){ .last_id = hub_floor(h) };
    hub_unlock(h);
    return SLV_HUB_OK;
}

void hub_each(struct hub *h, const struct hub_bounds *bounds, int64_t now,
              void (*each)(void *arg, struct str name, const struct slv_hub_presence *p),
              void *arg)
{
    struct slv_hub_presence p;

    CHECK_OBJ(h, HUB_MAGIC);
    hub_lock(h);
    for (uint32_t i = 0; i < h->channels; i++) {
        struct hub_channel *c = hub_channel(h, i);

        if (!c->used)
            continue;
        count(h, c, bounds, now, &p);
        each(arg, (struct str){ c->name, c->name_size }, &p);
    }
    hub_unlock(h);
}
