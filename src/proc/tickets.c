/*
 * tickets.c - the keys of TLS session tickets: made and rotated by the master, handed to workers
 * and to a new binary.
 *
 * They belong to the process and not to a configuration, so a reload ends no session. A key seals
 * tickets for as long as the longest ssl_session_timeout, and opens them for as long again; then it
 * is gone, and with it what somebody who steals a key could read.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "io/tls_tickets.h"
#include "proc/channel.h"
#include "proc/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VARIABLE "SELVAGE_TICKETS"

/* No key is good for less; and a worker whose channel is full is asked again after that, ms. */
#define PERIOD_MIN 1000
#define RETRY_AFTER 1000

_Static_assert(sizeof(struct tls_ticket_ring) <= CHANNEL_SECRET_MAX, "a ring fits a message");

/* Takes what the old binary left. False: there is nothing. */
static bool inherit(void)
{
    const char *text = getenv(VARIABLE);
    struct tls_ticket_ring ring;
    int fd = text ? atoi(text) : -1;
    bool good;

    if (fd < 3)
        return false;
    good = pread(fd, &ring, sizeof ring, 0) == (ssize_t)sizeof ring && ring.count
        && ring.count <= TLS_TICKET_KEYS;
    if (good)
        tls_ticket_ring = ring;
    explicit_bzero(&ring, sizeof ring);
    close(fd);
    unsetenv(VARIABLE);
    return good;
}

void tickets_begin(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (!inherit())
        tls_tickets_rotate();
    m->tickets.rotated = clock_now();
    m->tickets.serial = 1;
}

/* When the keys are to be rotated; MS_NEVER where nobody uses them. */
static ms_t rotation_due(const struct master *m)
{
    int64_t period = m->serving ? m->serving->config->tls_session_timeout : 0;

    if (!period)
        return MS_NEVER;
    return m->tickets.rotated + (period < PERIOD_MIN ? PERIOD_MIN : period);
}

ms_t tickets_next(const struct master *m)
{
    ms_t at = rotation_due(m);

    return m->tickets.retry_at < at ? m->tickets.retry_at : at;
}

/* Sends the ring to a worker that has an older one. False: there is no room in its channel. */
static bool hand_over(const struct master *m, struct child *c)
{
    struct channel_message message = { .what = CHANNEL_TICKETS };
    bool sent;

    if (c->kind != CHILD_WORKER || c->channel < 0 || c->tickets_sent == m->tickets.serial)
        return true;
    memcpy(message.secret, &tls_ticket_ring, sizeof tls_ticket_ring);
    sent = channel_send(c->channel, &message, -1) == 0;
    explicit_bzero(&message, sizeof message);
    if (sent)
        c->tickets_sent = m->tickets.serial;
    return sent || errno != EAGAIN;
}

void tickets_check(struct master *m)
{
    bool all = true;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (tickets_next(m) > clock_now())
        return;
    if (rotation_due(m) <= clock_now()) {
        tls_tickets_rotate();
        m->tickets.rotated = clock_now();
        m->tickets.serial++;
        log_info(0, "session ticket keys are rotated");
    }
    LIST_EACH(at, after, &m->children)
        all = hand_over(m, LIST_ITEM(at, struct child, link)) && all;
    m->tickets.retry_at = all ? MS_NEVER : clock_now() + RETRY_AFTER;
}

void tickets_leave(void)
{
    char text[16];
    int fd = memfd_create("selvage-tickets", 0);

    if (fd < 0 || write(fd, &tls_ticket_ring, sizeof tls_ticket_ring)
                  != (ssize_t)sizeof tls_ticket_ring) {
        log_alert(errno, "session ticket keys cannot be handed to the new binary");
        return;
    }
    snprintf(text, sizeof text, "%d", fd);
    setenv(VARIABLE, text, 1);
}
