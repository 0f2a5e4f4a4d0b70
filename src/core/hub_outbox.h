/*
 * hub_outbox.h - messages on their way to the server that several machines share.
 *
 * The outbox is a queue in the hub's region, behind the ring. Whoever publishes puts a letter in;
 * one process on this machine (proc/relay.h) takes letters out at the other end, in their order,
 * and says what became of each. So letters outlive workers and that process, but not the server's
 * end. They have numbers that count up, by which the shared server knows those that it has seen.
 *
 * Letters are put in under the hub's lock, and are in when out_head has moved over them: a process
 * that dies before that leaves nothing. They are read without the lock, because only the reader
 * moves out_tail.
 */
#ifndef SLV_HUB_OUTBOX_H
#define SLV_HUB_OUTBOX_H

#include "core/hub.h"

/* ---- Who publishes --------------------------------------------------------------------------- */

/*
 * Puts a letter in; *number is for hub_outbox_outcome(). SLV_HUB_AWAY: the shared server is not
 * there, so nothing is queued. SLV_HUB_FULL: the outbox is.
 */
enum slv_hub_result hub_outbox_put(struct hub *h, const struct slv_hub_post *post, int64_t now,
                                   uint64_t *number);

/*
 * What became of it. False: it is not known yet. The seat that put it in is woken when it is. *id
 * is 0 where that was too long ago.
 */
bool hub_outbox_outcome(const struct hub *h, uint64_t number, enum slv_hub_result *result,
                        uint64_t *id);

/* ---- The process that sends them ------------------------------------------------------------- */

/* This process is the only one that sends. False: there is another one. */
bool hub_outbox_claim(struct hub *h);

/* What is readable when there may be a new letter. */
int hub_outbox_fd(const struct hub *h);

/* Makes it unreadable. Before letters are looked for. */
void hub_outbox_take_wake(struct hub *h);

/* The shared server is there, or gone. */
void hub_outbox_link(struct hub *h, bool there);

/* What the letters of this outbox are known by. */
const char *hub_outbox_origin(const struct hub *h);

struct hub_letter {
    uint64_t number;
    struct slv_hub_post post;      /* views of the outbox */
};

/* The letter at *at (0: the oldest), and *at moves behind it. False: there is none. */
bool hub_outbox_next(struct hub *h, uint64_t *at, struct hub_letter *letter);

/* The oldest letter has been numbered, or refused (HUB_LETTER_REFUSED), and leaves. */
#define HUB_LETTER_REFUSED UINT64_MAX
void hub_outbox_settle(struct hub *h, uint64_t id);

/* How far the log of a server has been read; 0: not at all, or it was the log of another one. */
uint64_t hub_cursor(const struct hub *h, uint64_t server);
void hub_set_cursor(struct hub *h, uint64_t server, uint64_t cursor);

#endif
