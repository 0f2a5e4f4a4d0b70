/*
 * hub_shared.h - what lies in the hub's region, for the hub's own files only.
 */
#ifndef SLV_HUB_SHARED_H
#define SLV_HUB_SHARED_H

#include "base/check.h"
#include "core/hub.h"

#include <pthread.h>
#include <stdatomic.h>

/* Messages begin at multiples of this, and positions at it: 0 is none. */
#define HUB_ALIGN 64u

/* The largest message takes this part of the ring. */
#define HUB_SHARE 8u

struct hub_seat {
    _Alignas(64) atomic_uint poked; /* the eventfd was written to since it was last read */
    atomic_uint dead;              /* its worker has ended: its counts are to be forgotten */
    _Atomic uint64_t pin;          /* nothing from here on may be overwritten; UINT64_MAX: none */
    _Atomic uint64_t news[];       /* a bit for each channel */
};

struct hub_channel {
    atomic_uint used;
    uint32_t generation;           /* counts the names that this channel has had */
    uint32_t hash, next;           /* next: 1 + index in the chain of the bucket; 0: last */
    uint64_t first_id, last_id;    /* of the history; first = last + 1: it is empty */
    uint64_t oldest_id;            /* of what the ring has */
    uint64_t first_at, last_at, oldest_at; /* positions; 0: there is none */
    uint64_t sum;                  /* bytes of data ever published */
    int64_t second;                /* for the rate: which second is being counted */
    uint32_t in_second;
    uint16_t name_size;
    char name[SLV_HUB_NAME_MAX];
    uint32_t subscribers[];        /* by seat */
};

/* The subscriptions that a client has in one seat. */
struct hub_client {
    uint64_t number;               /* the client's */
    uint32_t seat;
    uint32_t count;                /* 0: free */
};

/* So many of them a client is looked for among. */
#define HUB_CLIENT_SPAN 64u

/* So many clients there is room for, for each channel. */
#define HUB_CLIENTS_EACH 16u

/* What fills the end of the ring where a message has no room. */
#define HUB_FILLER UINT32_MAX

struct hub_record {
    uint32_t size;                 /* of all, a multiple of HUB_ALIGN */
    uint32_t channel, generation;  /* channel HUB_FILLER: the rest is missing */
    uint32_t kind;
    uint64_t id;
    uint64_t next;                 /* position of the channel's next message; 0: none yet */
    uint64_t sum;                  /* of the channel, this message included */
    int64_t time;
    uint32_t data, head, event;    /* bytes of data, of the frame's head, of the event's name */
    uint32_t event_at;             /* where that begins in the event */
    uint32_t chunk, sse;           /* bytes of the chunk's head, of the event */
    uint32_t type;                 /* bytes of the media type */
    char bytes[];                  /* chunk's head, event, CRLF, frame's head, data, type */
};

/* Of so many letters of the outbox the outcome is remembered. */
#define HUB_OUTCOMES 1024u

/* A place in front of all that a channel may ever have; no position of a message. */
#define HUB_START 1u

/* What a program must agree in that goes on with a region: raise the number with every change. */
#define HUB_LAYOUT (UINT32_C(1) << 24 | (uint32_t)(sizeof(struct hub_shared) \
    + 3 * sizeof(struct hub_channel) + 5 * sizeof(struct hub_record) \
    + 7 * sizeof(struct hub_client)))

/* A letter in the outbox. */
struct hub_slip {
    uint32_t size;                 /* of all, a multiple of HUB_ALIGN */
    uint32_t seat;                 /* who is to be woken; seats or more: nobody */
    uint64_t number;               /* 0: filler up to the end */
    uint32_t kind, channel, event, type, data; /* bytes of each text */
    char bytes[];                  /* channel, event, type, data */
};

struct hub_shared {
    uint32_t layout, channels, seats, base; /* base: of the program that left it */
    uint64_t size, queue_size;
    pthread_mutex_t lock;
    uint64_t id_floor;             /* ids of a new channel begin behind this */
    uint64_t hand;                 /* where the search for a free channel goes on */
    _Atomic uint64_t tail, head;
    uint64_t published, dropped, refused, repaired;
    uint64_t client_seed;          /* nobody knows which clients share a span */
    uint32_t clients_counted;      /* some client has been counted */
    /* The outbox; positions count like those of the ring. */
    _Atomic uint64_t out_tail, out_head;
    uint64_t out_number;           /* of the last letter */
    _Atomic uint64_t out_settled;  /* up to this number all outcomes are known */
    _Atomic uint64_t cursor, cursor_of; /* how far the log of the server has been read, and which */
    atomic_uint linked;            /* the server is there */
    char origin[33];               /* what its letters are known by */
    _Atomic uint64_t outcomes[HUB_OUTCOMES];
};

struct hub {
    unsigned magic;
#define HUB_MAGIC 0x40b5ea75u
    struct hub_shared *shared;     /* the region; what follows says where things are in it */
    size_t size;
    uint32_t channels, seats, buckets, words; /* words: of the bits in a seat */
    uint32_t clients;              /* a power of two */
    size_t seat_stride, channel_stride;
    char *seat_base, *channel_base, *ring, *queue;
    uint32_t *bucket;
    struct hub_client *client;
    uint64_t ring_size, queue_size; /* queue_size 0: everything stays on this machine */
    unsigned base;                 /* the first seat of this program's workers: one half or other */
    int fd;                        /* of the region */
    int out_fd;                    /* readable when the outbox may have something */
    unsigned seat;                 /* of this process; seats: it has none */
    int *wake_fds;
    bool pinned;
    void (*step)(void *arg);       /* NULL but in tests */
    void *step_arg;
};

/* A store into the region has been made; what follows must not be moved before it. */
static inline void hub_step(const struct hub *h)
{
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(h->step != NULL, 0))
        h->step(h->step_arg);
}

/* The seat of that number. */
static inline struct hub_seat *hub_seat(const struct hub *h, unsigned i)
{
    AN(i < h->seats);
    return (struct hub_seat *)(void *)(h->seat_base + i * h->seat_stride);
}

/* The channel of that number. */
static inline struct hub_channel *hub_channel(const struct hub *h, uint64_t i)
{
    AN(i < h->channels);
    return (struct hub_channel *)(void *)(h->channel_base + i * h->channel_stride);
}

/* The number of a channel. */
static inline uint64_t hub_index(const struct hub *h, const struct hub_channel *c)
{
    return (uint64_t)((const char *)c - h->channel_base) / h->channel_stride;
}

/* The message at a position, which lies between tail and head. */
static inline struct hub_record *hub_record(const struct hub *h, uint64_t at)
{
    AN(at % HUB_ALIGN == 0);
    return (struct hub_record *)(void *)(h->ring + at % h->ring_size);
}

/* The channel that a message belongs to; NULL: it is filler, or its channel was forgotten. */
static inline struct hub_channel *hub_channel_of(const struct hub *h, const struct hub_record *r)
{
    struct hub_channel *c;

    if (r->channel == HUB_FILLER)
        return NULL;
    c = hub_channel(h, r->channel);
    return c->used && c->generation == r->generation ? c : NULL;
}

/* Ids of a new channel begin behind this one. 0: another machine will say. */
static inline uint64_t hub_floor(const struct hub *h)
{
    return h->queue_size ? 0 : h->shared->id_floor;
}

/* Something is at that position still. */
static inline bool hub_there(const struct hub *h, uint64_t at)
{
    return at >= h->shared->tail && at < h->shared->head;
}

/* ---- hub.c ----------------------------------------------------------------------------------- */

/* The lock, with what a dead process has left undone put right. */
void hub_lock(struct hub *h);
void hub_unlock(struct hub *h);

/* Writes to a seat's eventfd, whatever its flag says. */
void hub_poke(struct hub *h, unsigned seat);

/* ---- hub_channel.c, with the lock held ------------------------------------------------------- */

/* The channel of a name; make: a new one where there is none. NULL: there is none, or no room. */
struct hub_channel *hub_channel_find(struct hub *h, struct str name, bool make);

/* Puts a channel into its bucket. */
void hub_channel_chain(struct hub *h, struct hub_channel *c);

/* Subscribers of all seats. */
uint64_t hub_channel_subscribers(const struct hub *h, const struct hub_channel *c);

/* Lets the history begin where the bounds say. */
void hub_channel_trim(struct hub *h, struct hub_channel *c, const struct hub_bounds *bounds,
                      int64_t now);

/* A dead worker's subscribers are nobody's. */
void hub_channels_forget_seat(struct hub *h, unsigned seat);

/* ---- hub_client.c, with the lock held -------------------------------------------------------- */

/*
 * Counts a subscription of a client in this seat. *at: where, for hub_client_leave(). SLV_HUB_OK,
 * SLV_HUB_CLIENT_LIMIT, or SLV_HUB_FULL.
 */
enum slv_hub_result hub_client_enter(struct hub *h, uint64_t number, unsigned most, uint32_t *at);
void hub_client_leave(struct hub *h, uint32_t at);

/* A dead worker's subscriptions are nobody's. */
void hub_clients_forget_seat(struct hub *h, unsigned seat);

/* NULL, or what is wrong with the counts. */
const char *hub_clients_flaw(const struct hub *h);

/* ---- hub_repair.c, with the lock held -------------------------------------------------------- */

/* Builds all that follows from the truth. */
void hub_repair(struct hub *h);

/* ---- hub_frame.c ----------------------------------------------------------------------------- */

/* Fills the sizes of a record; the id decides how long its digits are. 0, or -1: too large. */
int hub_frame_measure(const struct slv_hub_post *post, uint64_t id, struct hub_record *sizes);

/* Writes the bytes of a record whose sizes have been filled. */
void hub_frame_write(const struct slv_hub_post *post, struct hub_record *r);

/* The views of a record's bytes. */
void hub_frame_view(const struct hub_record *r, struct slv_hub_message *m);

/* SLV_HUB_OK, or what is wrong with a message, whatever the hub has. */
enum slv_hub_result hub_post_check(const struct hub *h, const struct slv_hub_post *post);

/* Has the channel had its messages of this second? Counts one. */
bool hub_too_fast(struct hub_channel *c, unsigned rate, int64_t now);

/* Is it UTF-8 (RFC 3629)? */
bool hub_is_utf8(struct str s);

#endif
