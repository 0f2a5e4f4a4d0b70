/*
 * tls_tickets.c - the keys that session tickets are sealed with.
 */
#include "io/tls_tickets.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct tls_ticket_ring tls_ticket_ring;

void tls_tickets_rotate(void)
{
    struct tls_ticket_key key = { .bits = 256 };
    uint8_t random[sizeof key.name + sizeof key.hmac + sizeof key.aes];

    AN(tls_ticket_ring.count <= TLS_TICKET_KEYS);
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        log_alert(errno, "getrandom() failed, ticket keys are not rotated");
        return;
    }
    memcpy(key.name, random, sizeof key.name);
    memcpy(key.hmac, random + sizeof key.name, sizeof key.hmac);
    memcpy(key.aes, random + sizeof key.name + sizeof key.hmac, sizeof key.aes);
    memmove(tls_ticket_ring.keys + 1, tls_ticket_ring.keys,
            (TLS_TICKET_KEYS - 1) * sizeof tls_ticket_ring.keys[0]);
    tls_ticket_ring.keys[0] = key;
    if (tls_ticket_ring.count < TLS_TICKET_KEYS)
        tls_ticket_ring.count++;
    explicit_bzero(random, sizeof random);
    explicit_bzero(&key, sizeof key);
}
