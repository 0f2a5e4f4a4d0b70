/*
 * metrics.c - counters that processes share.
 */
#include "base/metrics.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

/* Two workers must not write to the same line of a processor's cache. */
struct seat {
    _Alignas(128) struct metrics m;
};

struct table {
    atomic_uint turn;              /* odd while the master moves what a dead worker has counted */
    bool taken[METRICS_SEATS];     /* the master's alone */
    struct metrics past;           /* of workers that have ended */
    struct seat seats[METRICS_SEATS];
};

static struct metrics alone;
struct metrics *metrics_mine = &alone;

static struct table *table;

static const struct {
    const char *name, *help;
} counters[] = {
#define X(id, name, help) { name, help },
    COUNTERS(X)
#undef X
};

const char *metrics_name(enum counter c)
{
    AN(c < COUNTER_COUNT);
    return counters[c].name;
}

const char *metrics_help(enum counter c)
{
    AN(c < COUNTER_COUNT);
    return counters[c].help;
}

void metrics_share(void)
{
    void *p;

    AN(table == NULL);
    /* Pages of seats that nobody has sat in take no memory. */
    p = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        log_warn(errno, "mmap() for counters failed, each worker counts for itself");
    else
        table = p;
}

unsigned metrics_take(void)
{
    for (unsigned i = 0; table && i < METRICS_SEATS; i++)
        if (!table->taken[i]) {
            table->taken[i] = true;
            return i;
        }
    return METRICS_SEATS;
}

void metrics_sit(unsigned seat)
{
    AN(seat <= METRICS_SEATS);
    if (table && seat < METRICS_SEATS)
        metrics_mine = &table->seats[seat].m;
}

/* Adds what one has counted to a sum. */
static void add(struct metrics *sum, const struct metrics *m)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        sum->counter[i] += m->counter[i];
    for (size_t i = 0; i < CLOSE_COUNT; i++)
        sum->closed[i] += m->closed[i];
}

uint64_t metrics_open(const struct metrics *m)
{
    uint64_t closed = 0;

    for (size_t i = 0; i < CLOSE_COUNT; i++)
        closed += m->closed[i];
    /* One is counted before the other: a reader may look in between. */
    return m->counter[COUNTER_CONNECTIONS] > closed ? m->counter[COUNTER_CONNECTIONS] - closed : 0;
}

void metrics_leave(unsigned seat)
{
    struct metrics *m;

    if (!table || seat >= METRICS_SEATS)
        return;
    AN(table->taken[seat]);
    m = &table->seats[seat].m;
    m->closed[CLOSE_DIED] += metrics_open(m);
    atomic_fetch_add(&table->turn, 1);
    add(&table->past, m);
    memset(m, 0, sizeof *m);
    atomic_fetch_add(&table->turn, 1);
    table->taken[seat] = false;
}

void metrics_sum(struct metrics *out)
{
    unsigned turn;

    if (!table) {
        *out = *metrics_mine;
        return;
    }
    do {
        turn = atomic_load(&table->turn);
        *out = table->past;
        for (unsigned i = 0; i < METRICS_SEATS; i++)
            if (table->taken[i])
                add(out, &table->seats[i].m);
        /* A master that was killed in the middle leaves it odd for ever: then this must do. */
    } while (turn % 2 == 0 && atomic_load(&table->turn) != turn);
}
