/*
 * drive.c - how the bytes of a fuzzed connection come and go.
 */
#include "drive.h"

struct drive drive_read(const uint8_t *data, uint8_t wait, uint8_t drain)
{
    return (struct drive){ data[0], data[1], data[2], data[3], data[3] & wait, data[3] & drain };
}

void drive_feed(struct memconn *m, const struct drive *d, const char *data, size_t n)
{
    unsigned step = d->pieces;

    m->write_max = d->write_max;
    m->writes_max = d->writes_max;
    for (size_t at = 0; at < n && m->c;) {
        size_t piece = d->pieces ? 1 + step % d->pieces : n;

        step = step * 5 + 3;
        if (piece > n - at)
            piece = n - at;
        if (memconn_feed(m, data + at, piece))
            at += piece;
        else if (memconn_want(m) & CONN_WRITE)
            memconn_turn(m);
        else
            return;
        if (d->waits)
            memconn_wait(m, 700);
        if (d->drains && at > n / 2)
            memconn_drain(m, n % 2 ? CONN_DRAIN_NOW : CONN_DRAIN_LAZY);
    }
}
