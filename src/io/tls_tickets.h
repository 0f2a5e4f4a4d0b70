/*
 * tls_tickets.h - the keys that session tickets are sealed with.
 *
 * One ring for all contexts that have no keys from files: the current key and the one before. The
 * master makes and rotates it and hands it to workers, so that a ticket of one worker is good at
 * every other one and after a reload, and keys are forgotten in time.
 */
#ifndef SLV_TLS_TICKETS_H
#define SLV_TLS_TICKETS_H

#include <stdint.h>

struct tls_ticket_key {
    uint8_t name[16], hmac[32], aes[32];
    uint16_t bits;                 /* of AES: 128 or 256 */
};

#define TLS_TICKET_KEYS 2

/* Fixed in size, so that it can travel in a message. */
struct tls_ticket_ring {
    struct tls_ticket_key keys[TLS_TICKET_KEYS]; /* the newest first */
    uint32_t count;
};

/* The ring of this process. */
extern struct tls_ticket_ring tls_ticket_ring;

/* A new key in front; the oldest one goes. */
void tls_tickets_rotate(void);

#endif
