/*
 * hub.h - channels in shared memory: the log, and who listens.
 *
 * The master makes one region of memory and one eventfd for each seat before it forks. Workers
 * inherit both, take a seat, and do all the work; the master touches nothing but the flag that says
 * "whoever sat there is dead". So no worker can stop or mislead the master, and the region outlives
 * workers and reloads.
 *
 *   region    header | seats | hash buckets | channels | clients | ring
 *
 * The ring holds the messages of all channels, one behind the other in the order in which they were
 * published. Positions count bytes since the beginning and never repeat: the byte at position p is
 * at p modulo the ring's size, and what lies between tail and head is there. A message is written
 * whole, with its WebSocket frame and its event as a chunk, then head moves over it in one store:
 * that is the moment in which it is published. Room is made at the tail, where the oldest message
 * of all is. A message has the position of the next one of its channel; a channel has those of its
 * first and last.
 *
 * One robust mutex guards all of it; it is held for a few hundred instructions and one copy.
 * Three things are the truth: the messages between tail and head, each channel's name, first and
 * last id, and the counts of subscribers by seat, those of channels and those of clients. All else
 * (hash chains, links, positions) follows from it. Where a process dies with the lock held, the
 * next one to take it builds that anew from the truth (repair()), in one pass over the ring. So a
 * publication has happened or has not, at whatever step its process was killed. One that is stopped
 * there, by a debugger, stops all others.
 *
 * History is what a new subscriber may still ask for: bounded by number, age and bytes, it is a
 * pair of ids, and nothing is freed. One that is connected may read what has left the history, as
 * long as it is in the ring.
 *
 * Readers take the lock to find a message, and read its bytes without it. Until the worker is done
 * with its turn and waits again (hub_rest()), its seat has a pin: the position behind which nothing
 * may be overwritten. A connection whose socket is full copies what it was given before that, and
 * asks for more only when that has left: it holds no memory of the ring. If it falls so far behind
 * that the ring has passed it by, it is told so (SLV_HUB_GAP). A publisher who would have to
 * overwrite what is pinned is refused: that takes a whole round of the ring within a worker's turn.
 *
 * Wake-ups: a publisher sets the channel's bit in the seat of each worker that has subscribers
 * there, and writes to the seat's eventfd unless it has been written to since the worker last
 * looked. The worker looks through the bits and wakes its subscribers, a hundred or so at a time.
 *
 * Several machines share channels by way of a server that numbers messages (proc/relay.h). Then
 * what is published goes into the outbox, a queue behind the ring (hub_outbox.h), and comes back
 * numbered (hub_place_message()). A channel is not made with an id of this machine's: its first
 * message says where it begins, and a hole in the numbers makes it begin anew behind it.
 *
 * A program that takes over from another (an upgrade) goes on with the same region, if it has the
 * same layout. The workers of one have the lower half of the seats, those of the other the upper.
 *
 * Ids count up by one within a channel. They begin at the microsecond in which the region was made,
 * so that ids of before a restart are smaller; a channel that is forgotten for want of room leaves
 * the highest one behind, and new ones begin there.
 */
#ifndef SLV_HUB_CORE_H
#define SLV_HUB_CORE_H

#include <selvage/hub.h>

#include "base/list.h"

struct hub;

struct hub_options {
    size_t size;                   /* of the region, bytes */
    unsigned channels;             /* at most */
    unsigned seats;                /* workers at a time, at most */
    size_t queue;                  /* for the outbox, bytes above size; 0: no other machine */
};

/* What the history of a channel is bounded by; 0: not by that. */
struct hub_bounds {
    uint64_t messages;
    int64_t age;                   /* ms */
    uint64_t bytes;                /* of data */
};

/* The smallest size that has room for these channels and seats, and some messages. */
size_t hub_least(unsigned channels, unsigned seats);

/* Makes the region and the eventfds. NULL after logging. */
struct hub *hub_new(const struct hub_options *options);
void hub_free(struct hub **hub);

/* Several machines share the channels. */
bool hub_is_shared(const struct hub *h);

/*
 * For another program that takes over: its number, and those of all descriptors that it needs, as
 * text from the heap. They survive an exec of this process from now on.
 */
char *hub_bequeath(struct hub *h);

/*
 * Goes on with a region that another program has left; its sizes stay. NULL: with a reason, which
 * was not logged, and its descriptors are closed.
 */
struct hub *hub_adopt(const char *text, const struct hub_options *options, const char **why);

/* What a hub was made with. */
void hub_sizes(const struct hub *h, struct hub_options *out);

/* step(arg) is called between any two stores into the region; for tests that die in it. */
void hub_trace(struct hub *h, void (*step)(void *arg), void *arg);

/* ---- Seats ----------------------------------------------------------------------------------- */

/* The seat for a worker that has this number among those of its master; UINT_MAX: none is left. */
unsigned hub_seat_for(const struct hub *h, unsigned worker);

/*
 * This process has that seat from now on, and nobody in it. Afterwards the other descriptors and
 * functions here are its to use. False: there is no such seat.
 */
bool hub_sit(struct hub *h, unsigned seat);

/* In the master: whoever sat there has ended. Somebody else will tidy up. */
void hub_left(struct hub *h, unsigned seat);

/* What is readable when there may be news; -1: no seat. */
int hub_wake_fd(const struct hub *h);

/* Takes the wake-up: news(arg, channel) for each channel that may have some. */
void hub_take_news(struct hub *h, void (*news)(void *arg, unsigned channel), void *arg);

/* Makes hub_wake_fd() readable. */
void hub_wake_again(struct hub *h);

/* Messages that were read may be overwritten from now on. */
void hub_rest(struct hub *h);

/* ---- The log --------------------------------------------------------------------------------- */

/* A place in the log of a channel. */
struct hub_place {
    uint32_t channel;
    uint32_t client;               /* where its client is counted; 0: nowhere */
    uint64_t id;                   /* of the last message that was read */
    uint64_t at;                   /* its position; 0: not known */
    uint64_t sum;                  /* bytes of the channel up to here */
};

/* Appends a message. now: milliseconds since 1970. */
enum slv_hub_result hub_publish(struct hub *h, const struct slv_hub_post *post,
                                const struct hub_bounds *bounds, int64_t now, uint64_t *id);

/*
 * The same for one that has been numbered by the shared server, at a time of its own. One that is
 * there already is left alone: SLV_HUB_OK. SLV_HUB_LATER: a worker reads where it would have to go.
 */
enum slv_hub_result hub_place_message(struct hub *h, const struct slv_hub_post *post, uint64_t id,
                                      int64_t time, const struct hub_bounds *bounds, int64_t now);

/*
 * Enters a subscriber of this seat, and gives it its place; as slv_hub_subscribe(). client: a
 * number that it has alone; 0: it is nobody's.
 */
enum slv_hub_result hub_join(struct hub *h, struct str name, uint64_t after, uint64_t client,
                             struct slv_hub_most most, const struct hub_bounds *bounds,
                             int64_t now, struct hub_place *place);
void hub_leave(struct hub *h, const struct hub_place *place);

/*
 * Reads what is behind a place, and moves it on. Pins what it gives. *last: there is nothing behind
 * that; last may be NULL.
 */
enum slv_hub_read hub_next(struct hub *h, struct hub_place *place, struct slv_hub_message *m,
                           bool *last);

/* Bytes behind a place. */
uint64_t hub_lag(struct hub *h, const struct hub_place *place);

/* What a channel has; as slv_hub_presence(). */
enum slv_hub_result hub_presence(struct hub *h, struct str name, const struct hub_bounds *bounds,
                                 int64_t now, struct slv_hub_presence *out);

/* Calls for each channel in use, with the lock held. */
void hub_each(struct hub *h, const struct hub_bounds *bounds, int64_t now,
              void (*each)(void *arg, struct str name, const struct slv_hub_presence *p),
              void *arg);

/* ---- For tests and figures ------------------------------------------------------------------- */

/* NULL, or which invariant does not hold. Takes the lock, and so repairs what a death has left. */
const char *hub_flaw(struct hub *h);

struct hub_figures {
    uint64_t published, dropped, refused, repaired;
    uint64_t ring_size, ring_used; /* bytes */
    uint64_t channels;             /* in use */
};
void hub_figures(struct hub *h, struct hub_figures *out);

/* Why something was refused, in words. */
const char *hub_refusal(enum slv_hub_result result);

#endif
