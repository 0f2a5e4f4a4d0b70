/*
 * watcher.c - the process that notices when the source of an image changes.
 *
 * It has the workers' rights and lives as long as its generation serves. It says "ready N" when it
 * watches, and "changed INDEX" when the sources of that host have been quiet for a moment after a
 * change. What happened before it was ready, or while there was no watcher, nobody has seen: so the
 * master has all images looked through then, which costs little where nothing has changed.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "proc/clock.h"
#include "proc/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLES_AFTER 500          /* ms without another change */
#define SETTLES_WITHIN 5000        /* ms, where changes do not end */
#define RESTART_PAUSE 10000        /* ms until another watcher is tried */

/* ---- In the watcher -------------------------------------------------------------------------- */

/* When the sources of a host have changed. */
struct change {
    ms_t first, last;              /* MS_NEVER: they have not */
};

struct watcher {
    unsigned magic;
#define WATCHER_MAGIC 0x3a7c4e70u
    struct watch *watch;
    struct change *changes;        /* by index of the image */
    size_t count;
    int words;
    bool incomplete, blind;        /* that was said */
};

/* A source of a host. */
static void add_source(void *arg, const struct slv_image *image, const char *path)
{
    struct watcher *w;

    CAST_OBJ(w, arg, WATCHER_MAGIC);
    watch_add(w->watch, image->index, path);
}

/* Something has changed. */
static void on_changed(void *arg, unsigned key)
{
    struct watcher *w;
    ms_t now = clock_now();

    CAST_OBJ(w, arg, WATCHER_MAGIC);
    AN(key < w->count);
    if (w->changes[key].first == MS_NEVER)
        w->changes[key].first = now;
    w->changes[key].last = now;
}

/* Says a line. A master that does not listen any more is gone. */
static void say(const struct watcher *w, const char *word, size_t index)
{
    if (dprintf(w->words, "%s %zu\n", word, index) < 0)
        exit(EXIT_SUCCESS);
}

/* When a change has settled. */
static ms_t settles_at(const struct change *c)
{
    ms_t quiet, patience;

    if (c->first == MS_NEVER)
        return MS_NEVER;
    quiet = c->last + SETTLES_AFTER;
    patience = c->first + SETTLES_WITHIN;
    return quiet < patience ? quiet : patience;
}

/* Tells of changes that have settled; returns when the next one will. */
static ms_t tell_settled(struct watcher *w)
{
    ms_t now = clock_now(), next = MS_NEVER;

    for (size_t i = 0; i < w->count; i++) {
        ms_t at = settles_at(&w->changes[i]);

        if (at <= now) {
            w->changes[i].first = MS_NEVER;
            say(w, "changed", i);
        } else if (at < next) {
            next = at;
        }
    }
    return next;
}

/* Says once what cannot be watched. */
static void tell_gaps(struct watcher *w)
{
    if (watch_incomplete(w->watch) && !w->incomplete)
        say(w, "not all directories can be watched, changes in the others are noticed by reloads "
            "only; raise fs.inotify.max_user_watches above", watch_count(w->watch));
    w->incomplete = watch_incomplete(w->watch);
    if (watch_blind(w->watch) && !w->blind)
        say(w, "links that are turned in directories which the workers' account cannot read are "
            "noticed by reloads only; on the way to document roots such directories are",
            watch_blind(w->watch));
    w->blind = watch_blind(w->watch) > 0;
}

/* Begins to watch. */
static void begin(struct watcher *w, struct config *config)
{
    w->watch = watch_new();
    if (!w->watch) {
        say(w, "changes of prebuilt sites are noticed by reloads only, inotify_init() failed with",
            (size_t)errno);
        exit(EXIT_FATAL);
    }
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        w->count = i->index + 1 > w->count ? i->index + 1 : w->count;
    w->changes = mem_alloc(w->count * sizeof *w->changes);
    for (size_t i = 0; i < w->count; i++)
        w->changes[i] = (struct change){ MS_NEVER, MS_NEVER };
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (i->options.watch)
            image_sources(config, i, add_source, w);
    tell_gaps(w);
    say(w, "ready", watch_count(w->watch));
}

/* Waits for something to happen, at most until a time. */
static void wait_until(const struct watcher *w, ms_t at)
{
    struct pollfd fds[2] = {
        { .fd = watch_fd(w->watch), .events = POLLIN },
        /* The other end of the pipe is the master's: without it there is nobody to tell. */
        { .fd = w->words },
    };
    ms_t now = clock_now();
    int timeout = at == MS_NEVER ? -1 : at > now ? (int)(at - now) : 0;

    if (poll(fds, 2, timeout) > 0 && fds[1].revents)
        exit(EXIT_SUCCESS);
}

/* struct aide: run */
static void watch_images(struct master *m, struct generation *g, int words, const void *arg)
{
    struct watcher w = { .magic = WATCHER_MAGIC, .words = words };

    (void)m, (void)arg;
    begin(&w, g->config);
    for (;;) {
        wait_until(&w, tell_settled(&w));
        watch_read(w.watch, on_changed, &w);
        tell_gaps(&w);
    }
}

/* ---- In the master --------------------------------------------------------------------------- */

/* The serving generation has an image whose source is to be watched. */
static bool is_needed(const struct master *m)
{
    if (m->state != MASTER_RUNS || !m->started || m->workers_stopped)
        return false;
    for (const struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i))
        if (i->options.watch)
            return true;
    return false;
}

/* struct aide: hear */
static void watcher_hear(struct child *c, const char *line)
{
    struct master *m = c->master;
    unsigned number;

    CHECK_OBJ(c, CHILD_MAGIC);
    if (c->leaving || c->generation != m->serving)
        return;
    if (sscanf(line, "ready %u", &number) == 1) {
        log_info(0, "watching %u directories for changes", number);
        publish_look_through(m);
    } else if (sscanf(line, "changed %u", &number) == 1) {
        publish_changed(m, number);
    } else {
        log_error(0, "watcher: %s", line);
    }
}

/* struct aide: ended */
static void watcher_ended(struct master *m, struct child *c, int status)
{
    (void)status;
    if (!c->leaving)
        m->watch_after = clock_now() + RESTART_PAUSE;
}

static const struct aide watcher = {
    .kind = CHILD_WATCHER, .level = SLV_LOG_NOTICE, .lasting = true,
    .pause = RESTART_PAUSE, .run = watch_images, .hear = watcher_hear, .ended = watcher_ended
};

void watcher_check(struct master *m)
{
    aide_keep(m, &watcher, is_needed(m), &m->watch_after);
}
