/*
 * loop.c - the worker's event loop on libev.
 */
#include "io/loop_ev.h"

#include "base/check.h"
#include "base/mem.h"
#include "http/head.h"

#include <stdlib.h>
#include <time.h>

#define SIGNALS_MAX 8

struct loop_watch {
    unsigned magic;
#define LOOP_WATCH_MAGIC 0x10a7c4e5u
    ev_io io;
    void (*call)(void *arg);
    void *arg;
};

#define WORK_SOON 0.01             /* seconds */

struct loop {
    unsigned magic;
#define LOOP_MAGIC 0x100b1e55u
    struct ev_loop *ev;
    ev_check check;
    ev_prepare prepare;            /* runs only where somebody is to be called */
    void (*before_wait)(void *arg);
    void *before_wait_arg;
    ev_timer work;
    ms_t (*work_call)(void *arg);
    void *work_arg;
    ev_timer next;                 /* due at once: it runs where somebody is to be called */
    void (*next_call)(void *arg);
    void *next_arg;
    ev_timer tick;                 /* turns the wheel; runs only while something hangs in it */
    ms_t now;
    struct wheel wheel;
    struct {
        ev_signal watch;
        void (*call)(void *arg);
        void *arg;
    } signals[SIGNALS_MAX];
    size_t signal_count;
};

/* Monotonic milliseconds from the kernel; the coarse clock is a read of shared memory. */
static ms_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (ms_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Once a turn, before any callback: what time it is. */
static void on_check(struct ev_loop *ev, ev_check *w, int events)
{
    struct loop *loop;

    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    loop->now = monotonic();
    head_clock((time_t)ev_now(ev));
}

/* Once a turn, when all callbacks have run. */
static void on_prepare(struct ev_loop *ev, ev_prepare *w, int events)
{
    struct loop *loop;

    (void)ev;
    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    loop->before_wait(loop->before_wait_arg);
}

/* An entry of the wheel is due; all are struct loop_timer. */
static void on_expired(struct wheel_entry *e, void *arg)
{
    struct loop_timer *t = (struct loop_timer *)(void *)e;

    (void)arg;
    t->call(t->arg);
}

/* Every WHEEL_TICK while there are deadlines. */
static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
    struct loop *loop;

    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    wheel_turn(&loop->wheel, loop->now, on_expired, NULL);
    if (wheel_idle(&loop->wheel))
        ev_timer_stop(ev, w);
}

/* The next step of the work. */
static void on_work(struct ev_loop *ev, ev_timer *w, int events)
{
    struct loop *loop;
    ms_t pause;

    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    pause = loop->work_call(loop->work_arg);
    if (pause == 0)
        return;
    ev_timer_set(w, (double)pause / 1e3, 0);
    ev_timer_start(ev, w);
}

/* All others have had their turn. */
static void on_next(struct ev_loop *ev, ev_timer *w, int events)
{
    struct loop *loop;

    (void)ev;
    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    loop->next_call(loop->next_arg);
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof *loop);

    loop->magic = LOOP_MAGIC;
    /* Not the environment's choice: the other backends are slower or refuse sockets. */
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!loop->ev)
        NEVER("epoll is not there");
    loop->now = monotonic();
    head_clock(time(NULL));
    wheel_init(&loop->wheel, loop->now);
    ev_check_init(&loop->check, on_check);
    ev_set_priority(&loop->check, EV_MAXPRI);
    loop->check.data = loop;
    ev_check_start(loop->ev, &loop->check);
    ev_prepare_init(&loop->prepare, on_prepare);
    loop->prepare.data = loop;
    ev_timer_init(&loop->tick, on_tick, WHEEL_TICK / 1e3, WHEEL_TICK / 1e3);
    loop->tick.data = loop;
    ev_timer_init(&loop->next, on_next, 0, 0);
    loop->next.data = loop;
    ev_timer_init(&loop->work, on_work, WORK_SOON, 0);
    loop->work.data = loop;
    return loop;
}

void loop_free(struct loop **ploop)
{
    struct loop *loop;

    TAKE_OBJ(loop, ploop, LOOP_MAGIC);
    for (size_t i = 0; i < loop->signal_count; i++)
        ev_signal_stop(loop->ev, &loop->signals[i].watch);
    ev_timer_stop(loop->ev, &loop->work);
    ev_timer_stop(loop->ev, &loop->next);
    ev_timer_stop(loop->ev, &loop->tick);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_check_stop(loop->ev, &loop->check);
    ev_loop_destroy(loop->ev);
    loop->magic = 0;
    free(loop);
}

void loop_run(struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    ev_break(loop->ev, EVBREAK_ALL);
}

ms_t loop_now(const struct loop *loop)
{
    return loop->now;
}

struct ev_loop *loop_ev(const struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    return loop->ev;
}

void loop_before_wait(struct loop *loop, void (*call)(void *arg), void *arg)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    ev_prepare_stop(loop->ev, &loop->prepare);
    loop->before_wait = call;
    loop->before_wait_arg = arg;
    if (call)
        ev_prepare_start(loop->ev, &loop->prepare);
}

/* A signal has come. */
static void on_signal(struct ev_loop *ev, ev_signal *w, int events)
{
    struct loop *loop;

    (void)ev;
    (void)events;
    CAST_OBJ(loop, w->data, LOOP_MAGIC);
    for (size_t i = 0; i < loop->signal_count; i++)
        if (&loop->signals[i].watch == w)
            loop->signals[i].call(loop->signals[i].arg);
}

void loop_on_signal(struct loop *loop, int signo, void (*call)(void *arg), void *arg)
{
    size_t i;

    CHECK_OBJ(loop, LOOP_MAGIC);
    AN(loop->signal_count < SIGNALS_MAX);
    i = loop->signal_count++;
    loop->signals[i].call = call;
    loop->signals[i].arg = arg;
    ev_signal_init(&loop->signals[i].watch, on_signal, signo);
    loop->signals[i].watch.data = loop;
    ev_signal_start(loop->ev, &loop->signals[i].watch);
}

/* A watched descriptor is readable. */
static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
    struct loop_watch *watch;

    (void)ev;
    (void)events;
    CAST_OBJ(watch, w->data, LOOP_WATCH_MAGIC);
    watch->call(watch->arg);
}

struct loop_watch *loop_on_readable(struct loop *loop, int fd, void (*call)(void *arg), void *arg)
{
    struct loop_watch *watch = mem_zalloc(sizeof *watch);

    CHECK_OBJ(loop, LOOP_MAGIC);
    watch->magic = LOOP_WATCH_MAGIC;
    watch->call = call;
    watch->arg = arg;
    ev_io_init(&watch->io, on_readable, fd, EV_READ);
    watch->io.data = watch;
    ev_io_start(loop->ev, &watch->io);
    return watch;
}

void loop_unwatch(struct loop *loop, struct loop_watch **pwatch)
{
    struct loop_watch *watch;

    CHECK_OBJ(loop, LOOP_MAGIC);
    TAKE_OBJ(watch, pwatch, LOOP_WATCH_MAGIC);
    ev_io_stop(loop->ev, &watch->io);
    watch->magic = 0;
    free(watch);
}

void loop_on_work(struct loop *loop, ms_t (*call)(void *arg), void *arg)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    AN(call != NULL && !ev_is_active(&loop->work));
    loop->work_call = call;
    loop->work_arg = arg;
}

void loop_work(struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    AN(loop->work_call != NULL);
    ev_timer_stop(loop->ev, &loop->work);
    ev_timer_set(&loop->work, WORK_SOON, 0);
    ev_timer_start(loop->ev, &loop->work);
}

void loop_on_next(struct loop *loop, void (*call)(void *arg), void *arg)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    ev_timer_stop(loop->ev, &loop->next);
    loop->next_call = call;
    loop->next_arg = arg;
}

void loop_call_next(struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    AN(loop->next_call != NULL);
    if (!ev_is_active(&loop->next))
        ev_timer_start(loop->ev, &loop->next);
}

void loop_timer_init(struct loop_timer *t, void (*call)(void *arg), void *arg)
{
    wheel_entry_init(&t->entry);
    t->call = call;
    t->arg = arg;
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, ms_t deadline)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    if (wheel_move(&t->entry, deadline))
        return;
    if (wheel_idle(&loop->wheel) && deadline != MS_NEVER) {
        /* The wheel has stood still; it must not make up for that turn by turn. */
        wheel_turn(&loop->wheel, loop->now, on_expired, NULL);
        ev_timer_again(loop->ev, &loop->tick);
    }
    wheel_set(&loop->wheel, &t->entry, deadline);
}
