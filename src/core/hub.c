/*
 * hub.c - the hub's region: made, locked, and the seats of workers in it.
 */
#include "core/hub_shared.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* The ring is of no use below this. */
#define RING_LEAST ((uint64_t)256 * 1024)

/* Rounded up to whole HUB_ALIGN. */
static size_t aligned(size_t n)
{
    return (n + HUB_ALIGN - 1) / HUB_ALIGN * HUB_ALIGN;
}

/* Says where things are; returns the bytes in front of the ring. */
static size_t lay_out(struct hub *h, unsigned channels, unsigned seats)
{
    size_t at = aligned(sizeof(struct hub_shared)), bucket_at;

    h->channels = channels;
    h->seats = seats;
    h->words = (channels + 63) / 64;
    for (h->buckets = 64; h->buckets < channels;)
        h->buckets *= 2;
    h->seat_stride = aligned(sizeof(struct hub_seat) + h->words * sizeof(uint64_t));
    h->channel_stride = aligned(sizeof(struct hub_channel) + seats * sizeof(uint32_t));
    h->seat_base = (char *)h->shared + at;
    at += seats * h->seat_stride;
    bucket_at = at;
    at += aligned(h->buckets * sizeof *h->bucket);
    h->channel_base = (char *)h->shared + at;
    at += channels * h->channel_stride;
    for (h->clients = HUB_CLIENT_SPAN; h->clients < channels * HUB_CLIENTS_EACH;)
        h->clients *= 2;
    h->client = (struct hub_client *)(void *)((char *)h->shared + at);
    at += h->clients * sizeof *h->client;
    h->ring = (char *)h->shared + at;
    h->bucket = (uint32_t *)(void *)((char *)h->shared + bucket_at);
    return at;
}

size_t hub_least(unsigned channels, unsigned seats)
{
    /* Only differences of addresses matter, and they are below this one. */
    struct hub h = { .shared = (struct hub_shared *)(uintptr_t)HUB_ALIGN };

    return lay_out(&h, channels, seats) + RING_LEAST;
}

/* Microseconds since 1970: where ids begin. */
static uint64_t first_floor(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Makes a name that no other hub has. */
static void name_origin(struct hub_shared *s)
{
    unsigned char bytes[16];

    AN(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(s->origin + 2 * i, 3, "%02x", bytes[i]);
}

/* Fills a region of zero bytes. */
static void init_region(struct hub *h)
{
    struct hub_shared *s = h->shared;
    pthread_mutexattr_t attr;

    AN(pthread_mutexattr_init(&attr) == 0);
    AN(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
    AN(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    AN(pthread_mutex_init(&s->lock, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
    s->layout = HUB_LAYOUT;
    s->channels = h->channels;
    s->seats = h->seats;
    s->size = h->size;
    s->queue_size = h->queue_size;
    s->id_floor = first_floor();
    AN(getrandom(&s->client_seed, sizeof s->client_seed, 0) == sizeof s->client_seed);
    /* Position 0 means "none". */
    s->tail = s->head = h->ring_size;
    s->out_tail = s->out_head = h->queue_size;
    name_origin(s);
    for (unsigned i = 0; i < h->seats; i++)
        hub_seat(h, i)->pin = UINT64_MAX;
}

/* Maps the region. 0, or -1 after logging. */
static int map_region(struct hub *h, size_t size)
{
    void *p = MAP_FAILED;

    h->fd = memfd_create("selvage hub", MFD_CLOEXEC);
    if (h->fd >= 0 && ftruncate(h->fd, (off_t)size) == 0)
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
    if (p == MAP_FAILED) {
        log_alert(errno, "no memory for the hub, %zu bytes were wanted", size);
        return -1;
    }
    h->shared = p;
    h->size = size;
    return 0;
}

/* Room for the descriptors of so many seats, none of which is open yet. */
static void make_wake_fds(struct hub *h, unsigned seats)
{
    h->seats = h->seat = seats;
    h->wake_fds = mem_alloc(seats * sizeof *h->wake_fds);
    for (unsigned i = 0; i < seats; i++)
        h->wake_fds[i] = -1;
}

/* Opens an eventfd for each seat and the outbox. 0, or -1 after logging. */
static int open_wake_fds(struct hub *h)
{
    bool all;

    h->out_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    all = h->out_fd >= 0;
    for (unsigned i = 0; all && i < h->seats; i++) {
        h->wake_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        all = h->wake_fds[i] >= 0;
    }
    if (!all)
        log_alert(errno, "eventfd() for the hub failed");
    return all ? 0 : -1;
}

/* Nothing yet. */
static struct hub *make(void)
{
    struct hub *h = mem_zalloc(sizeof *h);

    h->magic = HUB_MAGIC;
    h->fd = h->out_fd = -1;
    return h;
}

/* Says where all of a region is that has been mapped. */
static void divide(struct hub *h, unsigned channels, unsigned seats, size_t queue)
{
    size_t fixed = lay_out(h, channels, seats);

    h->queue_size = queue / HUB_ALIGN * HUB_ALIGN;
    h->ring_size = (h->size - h->queue_size - fixed) / HUB_ALIGN * HUB_ALIGN;
    h->queue = h->ring + h->ring_size;
}

struct hub *hub_new(const struct hub_options *o)
{
    struct hub *h = make();

    AN(o->channels > 0 && o->seats > 0 && o->size >= hub_least(o->channels, o->seats));
    make_wake_fds(h, o->seats);
    if (map_region(h, o->size + o->queue) != 0 || open_wake_fds(h) != 0) {
        hub_free(&h);
        return NULL;
    }
    divide(h, o->channels, o->seats, o->queue);
    init_region(h);
    return h;
}

void hub_free(struct hub **ph)
{
    struct hub *h;

    TAKE_OBJ(h, ph, HUB_MAGIC);
    for (unsigned i = 0; h->wake_fds && i < h->seats; i++)
        if (h->wake_fds[i] >= 0)
            close(h->wake_fds[i]);
    if (h->shared)
        munmap(h->shared, h->size);
    if (h->fd >= 0)
        close(h->fd);
    if (h->out_fd >= 0)
        close(h->out_fd);
    free(h->wake_fds);
    h->magic = 0;
    free(h);
}

bool hub_is_shared(const struct hub *h)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return h->queue_size > 0;
}

void hub_sizes(const struct hub *h, struct hub_options *out)
{
    CHECK_OBJ(h, HUB_MAGIC);
    *out = (struct hub_options){
        .size = h->size - h->queue_size, .channels = h->channels, .seats = h->seats,
        .queue = h->queue_size
    };
}

/* ---- From one program to the next ------------------------------------------------------------ */

char *hub_bequeath(struct hub *h)
{
    size_t room = (h->seats + 2) * sizeof "-2147483648;", used = 0;
    char *text = mem_zalloc(room);

    CHECK_OBJ(h, HUB_MAGIC);
    h->shared->base = h->base;
    for (unsigned i = 0; i < h->seats + 2; i++) {
        int fd = i == 0 ? h->fd : i == 1 ? h->out_fd : h->wake_fds[i - 2];

        fcntl(fd, F_SETFD, 0);
        used += (size_t)snprintf(text + used, room - used, "%d;", fd);
    }
    AN(used < room);
    return text;
}

/* The next number of such a text; -1: there is none, or it is no descriptor. */
static int next_fd(const char **text)
{
    char *end;
    long fd = strtol(*text, &end, 10);

    if (end == *text || *end != ';' || fd <= STDERR_FILENO || fd > INT_MAX)
        return -1;
    *text = end + 1;
    return fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0 ? (int)fd : -1;
}

/* Is what was left of the kind that is wanted? NULL, or why not. */
static const char *unfit(const struct hub_shared *s, const struct hub_options *o, uint64_t size)
{
    if (s->layout != HUB_LAYOUT)
        return "it has another layout";
    if (s->size != size || s->channels == 0 || s->seats < 2)
        return "it is damaged";
    return (s->queue_size > 0) != (o->queue > 0) ? "hub_backend is another one" : NULL;
}

/* Maps what was left. NULL, or why not. */
static const char *map_left(struct hub *h, const struct hub_options *o)
{
    off_t size = lseek(h->fd, 0, SEEK_END);
    void *p = MAP_FAILED;
    const char *why;

    if (size >= (off_t)sizeof(struct hub_shared))
        p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
    if (p == MAP_FAILED)
        return "it cannot be mapped";
    h->shared = p;
    h->size = (size_t)size;
    why = unfit(h->shared, o, (uint64_t)size);
    if (!why && hub_least(h->shared->channels, h->shared->seats) + h->shared->queue_size > h->size)
        why = "it is damaged";
    return why;
}

struct hub *hub_adopt(const char *text, const struct hub_options *o, const char **why)
{
    struct hub *h = make();
    struct hub_shared *s;
    bool all;

    h->fd = next_fd(&text);
    h->out_fd = next_fd(&text);
    *why = h->fd < 0 || h->out_fd < 0 ? "its descriptors are missing" : map_left(h, o);
    s = h->shared;
    if (!*why) {
        make_wake_fds(h, s->seats);
        divide(h, s->channels, s->seats, s->queue_size);
        all = true;
        for (unsigned i = 0; i < h->seats; i++)
            all = (h->wake_fds[i] = next_fd(&text)) >= 0 && all;
        *why = all ? NULL : "its descriptors are missing";
    }
    if (*why) {
        for (int fd = next_fd(&text); fd >= 0; fd = next_fd(&text))
            close(fd);
        hub_free(&h);
        return NULL;
    }
    /* The program that left it has the other half, and will have gone before there is a third. */
    h->base = s->base ? 0 : h->seats / 2;
    return h;
}

void hub_trace(struct hub *h, void (*step)(void *arg), void *arg)
{
    CHECK_OBJ(h, HUB_MAGIC);
    h->step = step;
    h->step_arg = arg;
}

/* ---- The lock -------------------------------------------------------------------------------- */

/* Some worker has ended, and nobody has tidied up yet. */
static bool any_dead(const struct hub *h)
{
    for (unsigned i = 0; i < h->seats; i++)
        if (atomic_load_explicit(&hub_seat(h, i)->dead, memory_order_relaxed))
            return true;
    return false;
}

/* Forgets the subscribers of workers that have ended. */
static void clear_dead_seats(struct hub *h)
{
    for (unsigned i = 0; i < h->seats; i++) {
        if (!atomic_load_explicit(&hub_seat(h, i)->dead, memory_order_relaxed))
            continue;
        hub_channels_forget_seat(h, i);
        hub_clients_forget_seat(h, i);
        hub_step(h);
        atomic_store(&hub_seat(h, i)->dead, 0);
    }
}

void hub_lock(struct hub *h)
{
    int rc;

    CHECK_OBJ(h, HUB_MAGIC);
    rc = pthread_mutex_lock(&h->shared->lock);
    AN(rc == 0 || rc == EOWNERDEAD);
    if (rc == 0)
        return;
    hub_repair(h);
    AN(pthread_mutex_consistent(&h->shared->lock) == 0);
}

void hub_unlock(struct hub *h)
{
    AN(pthread_mutex_unlock(&h->shared->lock) == 0);
}

/* ---- Seats ----------------------------------------------------------------------------------- */

unsigned hub_seat_for(const struct hub *h, unsigned worker)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return worker < h->seats / 2 ? h->base + worker : UINT_MAX;
}

bool hub_sit(struct hub *h, unsigned seat)
{
    struct hub_seat *s;

    CHECK_OBJ(h, HUB_MAGIC);
    if (seat >= h->seats)
        return false;
    h->seat = seat;
    s = hub_seat(h, seat);
    hub_lock(h);
    atomic_store(&s->dead, 1);
    clear_dead_seats(h);
    atomic_store(&s->pin, UINT64_MAX);
    hub_unlock(h);
    return true;
}

void hub_poke(struct hub *h, unsigned seat)
{
    uint64_t one = 1;

    /* It fails where it has been written to 2^64 times: then it is readable already. */
    if (write(h->wake_fds[seat], &one, sizeof one) != sizeof one)
        AN(errno == EAGAIN);
}

void hub_left(struct hub *h, unsigned seat)
{
    CHECK_OBJ(h, HUB_MAGIC);
    if (seat >= h->seats)
        return;
    atomic_store(&hub_seat(h, seat)->pin, UINT64_MAX);
    atomic_store(&hub_seat(h, seat)->dead, 1);
    /* It may have died with a message published and nobody told. */
    for (unsigned i = 0; i < h->seats; i++)
        if (i != seat)
            hub_poke(h, i);
}

int hub_wake_fd(const struct hub *h)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return h->seat < h->seats ? h->wake_fds[h->seat] : -1;
}

void hub_wake_again(struct hub *h)
{
    CHECK_OBJ(h, HUB_MAGIC);
    hub_poke(h, h->seat);
}

void hub_take_news(struct hub *h, void (*news)(void *arg, unsigned channel), void *arg)
{
    struct hub_seat *s;
    uint64_t count;

    CHECK_OBJ(h, HUB_MAGIC);
    s = hub_seat(h, h->seat);
    if (read(h->wake_fds[h->seat], &count, sizeof count) != sizeof count)
        AN(errno == EAGAIN);
    /* Before the bits are read: whoever sets one later writes to the eventfd again. */
    atomic_store(&s->poked, 0);
    if (any_dead(h)) {
        hub_lock(h);
        clear_dead_seats(h);
        hub_unlock(h);
    }
    for (unsigned w = 0; w < h->words; w++) {
        uint64_t bits = atomic_load(&s->news[w]) ? atomic_exchange(&s->news[w], 0) : 0;

        for (; bits; bits &= bits - 1)
            news(arg, w * 64 + (unsigned)__builtin_ctzll(bits));
    }
}

void hub_rest(struct hub *h)
{
    if (!h->pinned)
        return;
    h->pinned = false;
    atomic_store_explicit(&hub_seat(h, h->seat)->pin, UINT64_MAX, memory_order_release);
}
