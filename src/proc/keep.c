/*
 * keep.c - the hub, which belongs to no configuration: made once, and left to a new binary.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"

#include <stdlib.h>
#include <unistd.h>

#define VARIABLE "SELVAGE_HUB"

/*
 * Seats of the hub for each worker: those of earlier generations may be ending still. And the same
 * again for another program that takes over.
 */
#define SEATS_EACH 4
#define SEATS_LEAST 16

/* The outbox has this part of the memory that messages have, above it. */
#define OUTBOX_SHARE 4

/* What a configuration asks for. */
static struct hub_options wanted(const struct process_conf *process, unsigned seats)
{
    struct hub_options o = {
        .size = (size_t)process->hub_size, .channels = (unsigned)process->hub_channels,
        .seats = seats
    };

    if (o.size < hub_least(o.channels, o.seats))
        o.size = hub_least(o.channels, o.seats);
    if (process->hub_backend.is_redis)
        o.queue = o.size / OUTBOX_SHARE;
    return o;
}

/* Seats for workers of several generations, and of two programs. */
static unsigned seats_for(const struct process_conf *process)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = (unsigned)process->worker_processes, seats;

    if (cores > workers)
        workers = (unsigned)cores;
    seats = workers * SEATS_EACH < SEATS_LEAST ? SEATS_LEAST : workers * SEATS_EACH;
    return 2 * (seats > METRICS_SEATS ? METRICS_SEATS : seats);
}

/* A text that outlives the configuration. */
static struct str copy(struct str s)
{
    return s.n ? (struct str){ mem_strdup(s.p), s.n } : (struct str){ NULL, 0 };
}

/* The backend is the first configuration's. */
static void note_backend(struct master *m, const struct hub_backend *b)
{
    m->backend = *b;
    m->backend.host = copy(b->host);
    m->backend.path = copy(b->path);
    m->backend.user = copy(b->user);
    m->backend.password = copy(b->password);
    m->backend.prefix = copy(b->prefix);
}

/* Do both share channels with the same machines? */
static bool same_backend(const struct hub_backend *a, const struct hub_backend *b)
{
    return a->is_redis == b->is_redis
        && (!a->is_redis || (str_eq(a->host, b->host) && str_eq(a->path, b->path)
                             && str_eq(a->user, b->user) && str_eq(a->password, b->password)
                             && str_eq(a->prefix, b->prefix) && a->port == b->port
                             && a->database == b->database && a->messages == b->messages));
}

/* Warns of a hub that is not as large as it might be. */
static void compare_sizes(const struct hub *h, const struct process_conf *process)
{
    struct hub_options has, o;

    hub_sizes(h, &has);
    o = wanted(process, has.seats);
    if (has.size != o.size)
        log_warn(0, "hub_size is %zu bytes still and not %zu, it changes when the server is "
                 "stopped and started", has.size, o.size);
    if (has.channels != o.channels)
        log_warn(0, "hub_channels is %u still and not %u, it changes when the server is "
                 "stopped and started", has.channels, o.channels);
}

void keep_hub(struct master *m, const struct process_conf *process)
{
    struct hub_options o = wanted(process, seats_for(process));
    const char *text = getenv(VARIABLE), *why;

    CHECK_OBJ(m, MASTER_MAGIC);
    note_backend(m, &process->hub_backend);
    m->hub = text ? hub_adopt(text, &o, &why) : NULL;
    if (m->hub) {
        log_notice(0, "using the inherited hub, channels and their messages live on");
        compare_sizes(m->hub, process);
    } else {
        if (text)
            log_warn(0, "the hub of the old binary cannot be used, because %s: channels begin anew",
                     why);
        m->hub = hub_new(&o);
    }
    unsetenv(VARIABLE);
}

void keep_compare(const struct master *m, const struct process_conf *process)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->hub)
        return;
    compare_sizes(m->hub, process);
    if (!same_backend(&m->backend, &process->hub_backend))
        log_warn(0, "hub_backend is what it was, it changes when the server is stopped and "
                 "started");
}

void keep_leave(struct master *m)
{
    char *text;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->hub)
        return;
    text = hub_bequeath(m->hub);
    setenv(VARIABLE, text, 1);
    free(text);
}

/* Frees a copy. */
static void drop(struct str *s)
{
    free((void *)(uintptr_t)s->p);
    *s = (struct str){ NULL, 0 };
}

void keep_free(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    if (m->hub)
        hub_free(&m->hub);
    drop(&m->backend.host);
    drop(&m->backend.path);
    drop(&m->backend.user);
    drop(&m->backend.password);
    drop(&m->backend.prefix);
}
