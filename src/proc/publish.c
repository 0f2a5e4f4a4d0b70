/*
 * publish.c - images between reloads: made when a source has changed or somebody asks, and put in
 * the place of those that answer, on all workers.
 *
 * One run at a time: build what was asked for, take what came of it, send it to every worker of the
 * serving generation, wait until all have it. What is asked for meanwhile is the next run's. The
 * first build of a site makes what can be made quickly; runs that refine it follow while nothing
 * else is wanted, and give way to whatever is.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "proc/channel.h"
#include "proc/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long workers may take to put an image in place. */
#define SWAPS_WITHIN 10000

/* Before a build that failed is tried again: so long, then twice as long, up to the longest. */
#define RETRY_FIRST 1000
#define RETRY_LONGEST 60000
/* And so many times as long as it took, so that one without hope does not keep a processor busy. */
#define RETRY_REST 10

/*
 * How many images a worker is sent before it has answered for the first of them. Each answer takes
 * room in the channel too, and one for which there is none is lost.
 */
#define SWAPS_AHEAD 32

/* ---- What is wanted -------------------------------------------------------------------------- */

bool publish_wanted(const struct master *m)
{
    const struct config *config = m->serving ? m->serving->config : NULL;

    for (const struct slv_image *i = config ? images_next(config, NULL) : NULL; i;
         i = images_next(config, i))
        if (i->wanted)
            return true;
    return false;
}

unsigned publish_want(struct master *m, struct str host, bool asked)
{
    const struct config *config = m->serving->config;
    unsigned count = 0;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        struct shelf *s = shelf_find(m, i->name);

        if (host.p && !str_eq(host, i->name))
            continue;
        if (s && s->held && !asked) {
            log_notice(0, "changes of \"%.*s\" are not published, because an earlier image was "
                       "asked for: selvage ctl prebuilt build", STR_ARG(i->name));
            continue;
        }
        if (s)
            s->held = false;
        i->wanted = true;
        i->due = i->due || !asked;
        /* Who asks for a build does not want the file any more that somebody has named. */
        if (asked) {
            free(i->import);
            i->import = NULL;
        }
        count++;
    }
    return count;
}

const char *publish_file(struct master *m, struct str host, const char *path)
{
    const struct config *config = m->serving->config;
    struct slv_image *only = images_next(config, NULL), *image = only;

    while (image && host.p && !str_eq(host, image->name))
        image = images_next(config, image);
    if (!image)
        return "there is no such host with an image";
    if (!host.p && images_next(config, only))
        return "there are several hosts with images, one must be named";
    free(image->import);
    image->import = mem_strdup(path);
    image->wanted = true;
    return NULL;
}

void publish_look_through(struct master *m)
{
    for (struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i)) {
        const struct shelf *s = shelf_find(m, i->name);

        if (i->options.watch && !(s && s->held))
            i->wanted = i->due = true;
    }
}

void publish_changed(struct master *m, unsigned index)
{
    for (struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i))
        if (i->index == index)
            publish_want(m, i->name, false);
}

/* An image that could be better than it is. */
static bool is_rough(struct master *m, const struct slv_image *i)
{
    const struct shelf *s = shelf_find(m, i->name);

    return i->options.refine && i->current && i->current->put_off && !(s && s->held);
}

/* ---- Trying again ---------------------------------------------------------------------------- */

/* Some build that failed is to be tried again. */
static void retry_later(struct master *m)
{
    struct publish *p = &m->publish;
    ms_t rest = RETRY_REST * (clock_now() - p->began);

    p->retry_pause = p->retry_pause ? 2 * p->retry_pause : RETRY_FIRST;
    if (p->retry_pause > RETRY_LONGEST)
        p->retry_pause = RETRY_LONGEST;
    if (rest < p->retry_pause)
        rest = p->retry_pause;
    p->retry_at = clock_now() + rest;
    log_notice(0, "the build that failed is tried again in %lld s", (long long)(rest / 1000));
}

/* Wants what failed once more, when its time has come. */
static void retry(struct master *m)
{
    if (clock_now() < m->publish.retry_at)
        return;
    m->publish.retry_at = MS_NEVER;
    for (struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i))
        i->wanted = i->wanted || i->due;
}

void publish_missing(struct master *m)
{
    for (struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i))
        i->due = !i->current;
    m->publish.began = clock_now();
    retry_later(m);
}

/* ---- Building -------------------------------------------------------------------------------- */

/* The run is over. */
static void finish(struct master *m)
{
    struct publish *p = &m->publish;
    char text[128];

    snprintf(text, sizeof text, "%u published, %u unchanged", p->made, p->same);
    if (p->why[0])
        control_end(m->control, TOPIC_PUBLISH, "error", p->why);
    else
        control_end(m->control, TOPIC_PUBLISH, "ok", text);
    p->step = PUBLISH_NONE;
    p->deadline = MS_NEVER;
    if (p->retry_at == MS_NEVER)
        p->retry_pause = 0;
}

/* Notes that there is no new image for a host. */
static void note_failure(struct master *m, const struct slv_image *i, const char *why)
{
    char text[256];

    snprintf(text, sizeof text, "\"%.*s\": %s", STR_ARG(i->name), why);
    control_fail(m->control, TOPIC_PUBLISH, i->name, text);
    if (i->due && m->publish.retry_at == MS_NEVER)
        retry_later(m);
}

/* Begins a run. */
static void begin_run(struct master *m, bool refine)
{
    struct publish *p = &m->publish;

    p->refines = refine;
    p->made = p->same = 0;
    p->why[0] = '\0';
}

/* Begins to build what is wanted, or to refine what is rough. False: there is nothing to build. */
static bool begin_build(struct master *m, bool refine)
{
    struct config *config = m->serving->config;
    bool any = false;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        if (!(refine ? is_rough(m, i) : i->wanted))
            continue;
        if (!any)
            begin_run(m, refine);
        if (!any && !refine)
            control_begin(m->control, TOPIC_PUBLISH);
        any = true;
        i->wanted = false;
        if (image_begin(config, i, ++m->publish.number) != 0)
            note_failure(m, i, "no memory for an image");
    }
    if (!any)
        return false;
    m->publish.step = PUBLISH_BUILDS;
    m->publish.began = clock_now();
    if (builder_start(m, m->serving, refine ? IMAGE_SHARE : IMAGE_QUICK) != 0)
        publish_built(m);
    return true;
}

/* Takes one image that was built. True: it is to be put in place. */
static bool take(struct master *m, struct slv_image *i)
{
    struct publish *p = &m->publish;
    uint64_t put_off = i->current ? i->current->put_off : 0;
    struct image_version *made;
    enum image_outcome outcome = image_take(i, &made);

    switch (outcome) {
    case IMAGE_UNCHANGED:
        p->same++;
        break;
    case IMAGE_FAILED:
        note_failure(m, i, i->import ? "the image is refused, the error log tells why"
                                     : "the builder process failed, the error log tells why");
        break;
    case IMAGE_MADE:
        p->made++;
        log_notice(0, "image %llu of \"%.*s\" is published", (unsigned long long)made->number,
                   STR_ARG(i->name));
        shelf_put(m, i, made);
        image_use(i, made);
        image_version_unref(&made);
        i->serial = ++p->serial;
    }
    /* Unless it has changed again meanwhile. */
    if (outcome != IMAGE_FAILED)
        i->due = i->due && i->wanted;
    /* What somebody has chosen stays until somebody chooses otherwise. */
    if (i->import && outcome != IMAGE_FAILED)
        shelf_find(m, i->name)->held = true;
    free(i->import);
    i->import = NULL;
    /* A refinement that gets nowhere is not tried for ever. */
    if (p->refines && i->current && i->current->put_off >= put_off)
        i->current->put_off = 0;
    return outcome == IMAGE_MADE;
}

/* Drops what the builder did not finish, because it was told to. */
static void drop_targets(struct master *m)
{
    struct config *config = m->serving->config;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        if (!i->target)
            continue;
        image_version_unref(&i->target);
        i->wanted = i->wanted || !m->publish.refines;
    }
}

void publish_built(struct master *m)
{
    struct config *config = m->serving->config;
    struct publish *p = &m->publish;
    bool any = false;

    AN(p->step == PUBLISH_BUILDS);
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (i->target)
            any = take(m, i) || any;
    if (!any) {
        finish(m);
        return;
    }
    p->step = PUBLISH_SWAPS;
    p->deadline = clock_now() + SWAPS_WITHIN;
    control_say(m->control, TOPIC_PUBLISH, "progress", "handing it to the workers");
}

/* ---- Putting in place ------------------------------------------------------------------------ */

/* The image that a worker is to get next; NULL: it has all. */
static const struct slv_image *next_for(const struct child *c)
{
    const struct config *config = c->generation->config;
    const struct slv_image *next = NULL;

    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if (i->serial > c->swaps_sent && (!next || i->serial < next->serial))
            next = i;
    return next;
}

/* A worker that answers, or is going to. */
static bool is_served(const struct child *c)
{
    const struct master *m = c->master;

    return c->kind == CHILD_WORKER && c->channel >= 0
        && (c->generation == m->serving || c->generation == m->reload.generation);
}

bool publish_has_for(const struct child *c)
{
    return is_served(c) && c->swaps_sent < c->master->publish.serial
        && c->swaps_waiting < SWAPS_AHEAD;
}

void publish_feed(struct child *c)
{
    const struct slv_image *i;

    CHECK_OBJ(c, CHILD_MAGIC);
    while ((i = next_for(c))) {
        struct channel_message message = {
            .what = CHANNEL_IMAGE, .index = i->index, .number = i->current->number
        };

        if (c->swaps_waiting >= SWAPS_AHEAD)
            return;

        if (channel_send(c->channel, &message, i->current->fd) != 0) {
            if (errno != EAGAIN)
                log_alert(errno, "worker process %ld cannot be sent an image", (long)c->pid);
            return;
        }
        c->swaps_sent = i->serial;
        c->swaps_waiting++;
    }
    c->swaps_sent = c->master->publish.serial;
}

void publish_served(struct child *c, bool refused)
{
    CHECK_OBJ(c, CHILD_MAGIC);
    c->swaps_waiting -= c->swaps_waiting > 0;
    if (!refused)
        return;
    /* One worker must not answer otherwise than the others: its successor inherits the image. */
    log_error(0, "worker process %ld could not take an image, it is replaced", (long)c->pid);
    if (!c->leaving)
        kill(c->pid, SIGQUIT);
}

/* The first worker that does not have all images yet, or NULL. */
static const struct child *behind(const struct master *m)
{
    LIST_EACH(at, after, &m->children) {
        const struct child *c = LIST_ITEM(at, struct child, link);

        if (is_served(c) && !c->leaving && (c->swaps_waiting > 0 || next_for(c)))
            return c;
    }
    return NULL;
}

/* Looks whether all workers have what was published. */
static void check_swaps(struct master *m)
{
    struct publish *p = &m->publish;
    const struct child *late = behind(m);

    if (late && clock_now() < p->deadline)
        return;
    if (late) {
        snprintf(p->why, sizeof p->why, "worker process %ld has not taken the image within %d s",
                 (long)late->pid, SWAPS_WITHIN / 1000);
        log_error(0, "%s", p->why);
    }
    finish(m);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

void publish_give_way(struct master *m)
{
    if (m->publish.step != PUBLISH_BUILDS)
        return;
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_BUILDER && c->generation == m->serving && !c->leaving)
            child_terminate(c);
    }
    drop_targets(m);
    control_requeue(m->control, TOPIC_PUBLISH);
    m->publish.step = PUBLISH_NONE;
}

void publish_check(struct master *m)
{
    struct publish *p = &m->publish;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (p->step == PUBLISH_SWAPS)
        check_swaps(m);
    retry(m);
    if (m->state != MASTER_RUNS || !m->started || m->reload.step != RELOAD_NONE)
        return;
    /* A refinement gives way to what somebody waits for. */
    if (p->step == PUBLISH_BUILDS && p->refines && publish_wanted(m))
        publish_give_way(m);
    if (p->step == PUBLISH_NONE && !begin_build(m, false))
        begin_build(m, true);
}

void publish_carry_over(struct master *m, const struct config *old)
{
    for (struct slv_image *i = images_next(old, NULL); i; i = images_next(old, i)) {
        if (i->wanted && i->import)
            publish_file(m, i->name, i->import);
        else if (i->wanted)
            publish_want(m, i->name, false);
    }
    /* Those who asked are told by the next run, if there is one. */
    if (!publish_wanted(m))
        control_cancel(m->control, TOPIC_PUBLISH, "ok", "built by a reload");
}

/* Some host that is meant has such a version; otherwise *why says what is missing. */
static bool can_roll_back(struct master *m, struct str host, uint64_t number, const char **why)
{
    const struct config *config = m->serving->config;

    *why = "there is no such host with an image";
    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        if (host.p && !str_eq(host, i->name))
            continue;
        if (shelf_earlier(shelf_find(m, i->name), number))
            return true;
        *why = number ? "there is no image of that number" : "there is no earlier image";
    }
    return false;
}

/*
 * A version answers for a host of a configuration from now on. What a builder may be making for it
 * would take its place, and is dropped.
 */
static void put_back(struct config *config, struct str host, struct image_version *v,
                     uint64_t serial)
{
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        if (!str_eq(i->name, host))
            continue;
        if (i->target)
            image_version_unref(&i->target);
        i->wanted = i->due = false;
        image_use(i, v);
        i->serial = serial;
    }
}

/* Puts the earlier version of one host in place. */
static void roll_back_host(struct master *m, struct str host, uint64_t number)
{
    struct image_version *v = shelf_roll_back(shelf_find(m, host), number);
    uint64_t serial = ++m->publish.serial;

    put_back(m->serving->config, host, v, serial);
    /* Or a reload that is under way would undo it when it is done. */
    if (m->reload.generation)
        put_back(m->reload.generation->config, host, v, serial);
    m->publish.made++;
    log_notice(0, "image %llu of \"%.*s\" is published again", (unsigned long long)v->number,
               STR_ARG(host));
}

const char *publish_roll_back(struct master *m, struct str host, uint64_t number)
{
    struct config *config = m->serving->config;
    struct publish *p = &m->publish;
    const char *why;

    if (!can_roll_back(m, host, number, &why))
        return why;
    if (p->step == PUBLISH_BUILDS && !p->refines)
        control_end(m->control, TOPIC_PUBLISH, "error",
                    "an earlier image was asked for, the build goes on after that");
    publish_give_way(m);
    /* What is on its way to the workers already is waited for together with this. */
    if (p->step == PUBLISH_NONE)
        begin_run(m, false);
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i))
        if ((!host.p || str_eq(host, i->name)) && shelf_earlier(shelf_find(m, i->name), number))
            roll_back_host(m, i->name, number);
    if (!publish_wanted(m))
        control_cancel(m->control, TOPIC_PUBLISH, "error", "an earlier image was asked for");
    p->step = PUBLISH_SWAPS;
    p->deadline = clock_now() + SWAPS_WITHIN;
    return NULL;
}
