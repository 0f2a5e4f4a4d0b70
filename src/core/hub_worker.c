/*
 * hub_worker.c - the hub in a worker: who listens here, and the functions of <selvage/hub.h>.
 */
#include "core/hub_worker.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conn/conn.h"
#include "core/hub_outbox.h"

#include <stdlib.h>
#include <time.h>

/*
 * Subscribers woken in one turn of the loop, so that others have theirs in between; and so few that
 * what was touched of their connections is in the processor's cache still when each is written to.
 */
#define WAKE_MAX CONN_TURNS_MAX

/* Readings remembered within a turn; a power of two. */
#define READINGS 64

/* Those of this worker who listen to a channel. */
struct listeners {
    unsigned magic;
#define LISTENERS_MAGIC 0x115e7e42u
    struct link link;              /* among those that have some to be woken */
    struct link idle, waiting;     /* subscribers; those to be woken */
};

/*
 * What came of reading behind a place in this turn, and since there was news last. Most subscribers
 * of a channel are at the same place, and what the first one reads is pinned.
 */
struct reading {
    uint64_t turn;
    struct hub_place from, to;
    enum slv_hub_read result;
    bool last;                     /* there was nothing behind it */
    struct slv_hub_message message;
};

static struct hub *hub;
static const struct hub_bounds *bounds;
static struct listeners **by_channel; /* from the heap, made when somebody listens first */
static size_t channel_room;
static struct link rousing = { &rousing, &rousing };
static struct reading readings[READINGS];
static uint64_t turn = 1;

/* Publications whose outcome is waited for, in the order of their numbers. */
static struct link postings = { &postings, &postings };

_Static_assert(sizeof(struct hub_place) == sizeof(((struct slv_hub_subscriber *)0)->place),
               "a place has its room in a subscriber");
_Static_assert(sizeof(struct link) == sizeof(((struct slv_hub_subscriber *)0)->links),
               "a link has its room in a subscriber");

/* A subscriber's place. */
static struct hub_place *place_of(struct slv_hub_subscriber *s)
{
    return (struct hub_place *)(void *)s->place;
}

/* A subscriber's link. */
static struct link *link_of(struct slv_hub_subscriber *s)
{
    return (struct link *)(void *)s->links;
}

/* It has been entered, and not been let go. */
static bool is_entered(const struct slv_hub_subscriber *s)
{
    return s->links[0] != NULL;
}

/* Milliseconds since 1970. */
static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void hub_use(struct hub *h, const struct hub_bounds *history)
{
    AN(hub == NULL && h != NULL && history != NULL);
    AN(list_empty(&postings));
    hub = h;
    bounds = history;
}

void hub_unuse(void)
{
    AN(list_empty(&postings));
    for (size_t i = 0; i < channel_room; i++) {
        if (!by_channel[i])
            continue;
        CHECK_OBJ(by_channel[i], LISTENERS_MAGIC);
        AN(list_empty(&by_channel[i]->idle) && list_empty(&by_channel[i]->waiting));
        list_remove(&by_channel[i]->link);
        free(by_channel[i]);
    }
    free(by_channel);
    by_channel = NULL;
    channel_room = 0;
    hub = NULL;
}

/* ---- News ------------------------------------------------------------------------------------ */

/* Moves all of a list to the end of another. */
static void move_all(struct link *from, struct link *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* hub_take_news(): all who listen to a channel are to be woken, again where they have been. */
static void note_news(void *arg, unsigned channel)
{
    struct listeners *l = channel < channel_room ? by_channel[channel] : NULL;

    (void)arg;
    if (!l)
        return;
    CHECK_OBJ(l, LISTENERS_MAGIC);
    move_all(&l->idle, &l->waiting);
    list_remove(&l->link);
    list_add(&rousing, &l->link);
}

/* Tells those whose publications have come to something. */
static void tell_postings(void)
{
    enum slv_hub_result result;
    uint64_t id;

    while (!list_empty(&postings)) {
        struct slv_hub_posting *p = LIST_ITEM(postings.next, struct slv_hub_posting, links);

        if (!hub_outbox_outcome(hub, p->number, &result, &id))
            return;
        slv_hub_post_forget(p);
        metrics_add(result == SLV_HUB_OK ? COUNTER_PUBLISHED : COUNTER_PUBLISH_REFUSED, 1);
        p->done(p, result, id);
    }
}

/* Tells a subscriber, and returns its connection, if it has one. */
static struct conn *tell(struct slv_hub_subscriber *s)
{
    struct conn *c = s->connection;

    s->current = false;
    if (s->news)
        s->news(s);
    return c;
}

void hub_woken(void *arg)
{
    struct conn *woken[WAKE_MAX];
    size_t count = 0;
    unsigned left = WAKE_MAX;

    AN(arg == hub);
    tell_postings();
    hub_take_news(hub, note_news, NULL);
    /* What was read before may lack what this is about, and will not be told again. */
    turn++;
    while (left && !list_empty(&rousing)) {
        struct listeners *l = LIST_ITEM(rousing.next, struct listeners, link);
        struct link *at = l->waiting.next;

        if (list_empty(&l->waiting)) {
            list_remove(&l->link);
            continue;
        }
        list_remove(at);
        list_add(&l->idle, at);
        woken[count] = tell(LIST_ITEM(at, struct slv_hub_subscriber, links));
        count += woken[count] != NULL;
        left--;
    }
    conn_turns(woken, count);
    if (!list_empty(&rousing))
        hub_wake_again(hub);
}

void hub_turn_over(void)
{
    if (!hub)
        return;
    hub_rest(hub);
    turn++;
}

/* ---- For modules ----------------------------------------------------------------------------- */

enum slv_hub_result slv_hub_publish(const struct slv_hub_post *post, uint64_t *id)
{
    enum slv_hub_result result = SLV_HUB_OFF;
    uint64_t number;

    *id = 0;
    if (hub)
        result = hub_is_shared(hub) ? hub_outbox_put(hub, post, now(), &number)
                                    : hub_publish(hub, post, bounds, now(), id);
    metrics_add(result == SLV_HUB_OK ? COUNTER_PUBLISHED : COUNTER_PUBLISH_REFUSED, 1);
    return result;
}

enum slv_hub_result slv_hub_post(struct slv_hub_posting *p, const struct slv_hub_post *post,
                                 uint64_t *id)
{
    enum slv_hub_result result;

    AN(p->done != NULL && p->links[0] == NULL);
    if (!hub || !hub_is_shared(hub))
        return slv_hub_publish(post, id);
    result = hub_outbox_put(hub, post, now(), &p->number);
    if (result != SLV_HUB_OK) {
        metrics_add(COUNTER_PUBLISH_REFUSED, 1);
        return result;
    }
    list_add(&postings, (struct link *)(void *)p->links);
    return SLV_HUB_LATER;
}

void slv_hub_post_forget(struct slv_hub_posting *p)
{
    if (p->links[0] == NULL)
        return;
    list_remove((struct link *)(void *)p->links);
    p->links[0] = p->links[1] = NULL;
}

/* Those who listen to a channel, with room for the first. */
static struct listeners *listeners_of(uint64_t channel)
{
    struct listeners *l;

    if (channel >= channel_room) {
        size_t room = channel_room ? channel_room * 2 : 64;

        while (channel >= room)
            room *= 2;
        by_channel = mem_resize(by_channel, room, sizeof(void *));
        memset(by_channel + channel_room, 0, (room - channel_room) * sizeof(void *));
        channel_room = room;
    }
    if (!by_channel[channel]) {
        l = by_channel[channel] = mem_zalloc(sizeof *l);
        l->magic = LISTENERS_MAGIC;
        list_init(&l->link);
        list_init(&l->idle);
        list_init(&l->waiting);
    }
    return by_channel[channel];
}

enum slv_hub_result hub_subscribe(struct slv_hub_subscriber *s, struct str channel, uint64_t after,
                                  uint64_t client, struct slv_hub_most most)
{
    enum slv_hub_result result = SLV_HUB_OFF;

    AN((s->news || s->connection) && !is_entered(s));
    if (hub)
        result = hub_join(hub, channel, after, client, most, bounds, now(), place_of(s));
    metrics_add(result == SLV_HUB_OK ? COUNTER_SUBSCRIBED : COUNTER_SUBSCRIBE_REFUSED, 1);
    if (result != SLV_HUB_OK)
        return result;
    /* Nobody may have been told of what was published since others last looked in this turn. */
    turn++;
    s->current = false;
    list_add(&listeners_of(place_of(s)->channel)->idle, link_of(s));
    return SLV_HUB_OK;
}

void slv_hub_unsubscribe(struct slv_hub_subscriber *s)
{
    if (!is_entered(s))
        return;
    hub_leave(hub, place_of(s));
    list_remove(link_of(s));
    s->links[0] = s->links[1] = NULL;
}

enum slv_hub_read slv_hub_next(struct slv_hub_subscriber *s, struct slv_hub_message *m)
{
    struct hub_place *place = place_of(s);
    struct reading *r = &readings[(place->id ^ place->channel * 7) % READINGS];

    AN(is_entered(s));
    if (s->current)
        return SLV_HUB_NOTHING;
    /* 0 is more than one place. */
    if (r->turn != turn || r->from.channel != place->channel || r->from.id != place->id
        || (!place->id && r->from.at != place->at)) {
        r->from = r->to = *place;
        r->result = hub_next(hub, &r->to, &r->message, &r->last);
        r->turn = turn;
    }
    /* The rest of it is its own. */
    place->id = r->to.id;
    place->at = r->to.at;
    place->sum = r->to.sum;
    if (r->result == SLV_HUB_MESSAGE)
        *m = r->message;
    s->current = r->last;
    return r->result;
}

uint64_t slv_hub_position(const struct slv_hub_subscriber *s)
{
    return ((const struct hub_place *)(const void *)s->place)->id;
}

uint64_t slv_hub_lag(struct slv_hub_subscriber *s)
{
    AN(is_entered(s));
    return hub_lag(hub, place_of(s));
}

enum slv_hub_result slv_hub_presence(struct str channel, struct slv_hub_presence *out)
{
    return hub ? hub_presence(hub, channel, bounds, now(), out) : SLV_HUB_OFF;
}
