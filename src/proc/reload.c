/*
 * reload.c - a new configuration takes over, or is refused.
 *
 * Until all its workers have reported that they serve, nothing that the running generation has is
 * touched. So there is one place that commits and one that refuses, and nothing in between.
 */
#include "proc/state.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/images.h"
#include "io/listen.h"
#include "proc/activation.h"
#include "proc/clock.h"
#include "proc/pidfile.h"
#include "proc/privileges.h"

#include <stdio.h>
#include <stdlib.h>

/* How long new workers may take to get ready, and old ones to stop accepting. */
#define READY_WITHIN 30000
#define DRAINS_WITHIN 5000

/* ---- What is said about the configuration --------------------------------------------------- */

/* Says the lines of a detail one by one. */
static void say_detail(struct control *control, const char *detail)
{
    char line[512];

    for (const char *end; *detail; detail = *end ? end + 1 : end) {
        end = strchrnul(detail, '\n');
        snprintf(line, sizeof line, "%.*s", (int)(end - detail), detail);
        control_say(control, TOPIC_RELOAD, "detail", line);
    }
}

/* Takes a message: to the log, and to those who asked for the reload. */
static void take_message(void *arg, enum slv_level level, const char *text, const char *detail)
{
    struct master *m;

    CAST_OBJ(m, arg, MASTER_MAGIC);
    log_line(NULL, NULL, level, 0, "%s", text);
    control_say(m->control, TOPIC_RELOAD, level <= SLV_LOG_ERROR ? "emerg" : "warn", text);
    say_detail(m->control, detail);
    if (level <= SLV_LOG_ERROR && !m->reload.why[0])
        snprintf(m->reload.why, sizeof m->reload.why, "%s", text);
}

/* ---- Its end -------------------------------------------------------------------------------- */

/* Nothing is under way any more. What was asked for meanwhile begins now. */
static void over(struct master *m)
{
    m->reload.step = RELOAD_NONE;
    m->reload.generation = NULL;
    m->reload.deadline = MS_NEVER;
    if (m->reload.again && m->state == MASTER_RUNS) {
        m->reload.again = false;
        reload_request(m);
    }
}

/* The running generation goes on. */
static void refuse(struct master *m, const char *why)
{
    log_error(0, "reload refused: %s; generation %lu goes on serving", why, m->serving->number);
    announce_refused(m, why);
    control_end(m->control, TOPIC_RELOAD, "error", why);
    over(m);
}

/* Takes back what the new generation has got so far, then refuses it. */
static void roll_back(struct master *m, const char *why)
{
    struct generation *g = m->reload.generation;

    CHECK_OBJ(g, GENERATION_MAGIC);
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->generation == g)
            child_terminate(LIST_ITEM(at, struct child, link));
    listen_rollback(g->config, m->serving->config);
    refuse(m, why);
}

/* The pid file and the control socket follow the configuration. */
static void move_names(struct master *m, const struct config *config)
{
    if (strcmp(m->pid_path, config->process->pid.p) == 0 || upgrade_has_peer(m))
        return;
    if (pidfile_write(config->process->pid.p) != 0)
        return;
    pidfile_remove(m->pid_path);
    free(m->pid_path);
    m->pid_path = mem_strdup(config->process->pid.p);
    control_move(m->control, m->pid_path);
}

/* The new generation serves, the old one finishes. */
static void commit(struct master *m)
{
    struct generation *g = m->reload.generation, *old = m->serving;

    listen_commit(g->config, old->config);
    m->serving = g;
    m->workers_stopped = false;
    logs_use(g->config);
    if (m->daemonized)
        logs_take_stderr(g->config);
    move_names(m, g->config);
    shelves_take(m, g->config);
    publish_carry_over(m, old->config);
    certificates_carry_over(m, old->config);
    spawn_drain(m, old, true);
    log_notice(0, "generation %lu serves, generation %lu finishes", g->number, old->number);
    m->reload.step = RELOAD_HANDS_OVER;
    m->reload.generation = NULL;
    m->reload.deadline = clock_now() + DRAINS_WITHIN;
}

/* An old worker may still accept a connection. */
static bool old_worker_accepts(const struct master *m)
{
    LIST_EACH(at, after, &m->children) {
        const struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_WORKER && c->generation != m->serving && c->ready && !c->drains
            && c->channel >= 0)
            return true;
    }
    return false;
}

/* From now on whoever connects is served by the new generation: whoever asked may be told. */
static void handed_over(struct master *m)
{
    char text[64];

    snprintf(text, sizeof text, "generation %lu", m->serving->number);
    announce_serving(m);
    control_end(m->control, TOPIC_RELOAD, "ok", text);
    over(m);
}

/* ---- Its steps ------------------------------------------------------------------------------ */

/* Starts the workers of a new generation, all at once. */
static void start_workers(struct master *m)
{
    struct generation *g = m->reload.generation;

    m->reload.step = RELOAD_STARTS;
    m->reload.deadline = clock_now() + READY_WITHIN;
    control_say(m->control, TOPIC_RELOAD, "progress", "starting workers");
    log_notice(0, "start worker processes");
    for (size_t i = 0; i < g->slots.count; i++)
        if (spawn_worker(m, g, (unsigned)i) != 0) {
            roll_back(m, "worker processes cannot be started");
            return;
        }
}

/* Images are ready, or there are none. */
static void built(struct master *m)
{
    if (m->serving) {
        start_workers(m);
        return;
    }
    m->serving = m->reload.generation;
    shelves_take(m, m->serving->config);
    log_notice(0, "start worker processes");
    over(m);
}

int reload_begin_images(struct master *m, struct config *config, unsigned *count)
{
    *count = 0;
    images_prepare(config);
    if (images_next(config, NULL))
        privileges_raise_files();
    shelves_lend(m, config);
    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        const struct shelf *s = shelf_find(m, i->name);

        if (s && s->held)
            continue;
        if (image_begin(config, i, ++m->publish.number) != 0)
            return -1;
        (*count)++;
    }
    return 0;
}

void reload_build(struct master *m)
{
    struct generation *g = m->reload.generation;
    unsigned count;
    bool ok;

    CHECK_OBJ(g, GENERATION_MAGIC);
    ok = reload_begin_images(m, g->config, &count) == 0;
    if (ok && !count) {
        built(m);
        return;
    }
    m->reload.step = RELOAD_BUILDS;
    m->reload.deadline = MS_NEVER;
    control_say(m->control, TOPIC_RELOAD, "progress", "building images");
    if (!ok || builder_start(m, g, IMAGE_QUICK) != 0)
        reload_built(m, false, "the builder process cannot be started");
}

bool reload_take_images(struct config *config)
{
    bool all = true;

    for (struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        struct image_version *made;

        if (!i->target)
            continue;
        all = image_take(i, &made) != IMAGE_FAILED && all;
        if (!made)
            continue;
        image_use(i, made);
        image_version_unref(&made);
    }
    return all;
}

void reload_built(struct master *m, bool ok, const char *why)
{
    struct generation *g = m->reload.generation;

    AN(m->reload.step == RELOAD_BUILDS);
    if (reload_take_images(g->config) && ok)
        built(m);
    else if (m->serving)
        roll_back(m, ok ? "the builder process left images unfinished" : why);
    else {
        /* Better to serve from disk than not at all. */
        log_error(0, "not all prebuilt images are there, files are served from disk instead");
        built(m);
        publish_missing(m);
    }
}

/* Reads the configuration and opens what it names. 0, or -1 with m->reload.why. */
static int prepare(struct master *m)
{
    struct reload *r = &m->reload;
    struct conf_report report = { .write = take_message, .arg = m };
    struct listen_inherited lent = { NULL, 0 };
    struct config *config;
    int rc;

    r->why[0] = '\0';
    control_say(m->control, TOPIC_RELOAD, "progress", "reading the configuration");
    config = config_load(m->source, &report);
    if (!config) {
        if (!r->why[0])
            snprintf(r->why, sizeof r->why, "the configuration cannot be read");
        return -1;
    }
    rc = logs_open(r->why, sizeof r->why);
    if (rc == 0) {
        activation_lend(m->serving->config, &lent);
        rc = listen_open(config, m->serving->config, &lent, LISTEN_TRIES_RELOAD, r->why);
        listen_inherited_free(&lent);
    }
    if (rc != 0) {
        config_free(&config);
        return -1;
    }
    keep_compare(m, config->process);
    r->generation = generation_new(m, config);
    return 0;
}

void reload_request(struct master *m)
{
    CHECK_OBJ(m, MASTER_MAGIC);
    AN(m->state == MASTER_RUNS);
    if (m->reload.step != RELOAD_NONE || !m->serving) {
        m->reload.again = true;
        return;
    }
    log_notice(0, "reconfiguring");
    announce_reload(m);
    control_begin(m->control, TOPIC_RELOAD);
    publish_give_way(m);
    if (prepare(m) != 0)
        refuse(m, m->reload.why);
    else
        reload_build(m);
}

void reload_check(struct master *m)
{
    struct reload *r = &m->reload;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (r->step == RELOAD_HANDS_OVER
        && (!old_worker_accepts(m) || clock_now() >= r->deadline))
        handed_over(m);
    if (r->step != RELOAD_STARTS)
        return;
    if (slots_settled(&r->generation->slots))
        commit(m);
    else if (clock_now() >= r->deadline)
        roll_back(m, "worker processes did not get ready in time");
}

void reload_worker_ended(struct master *m, const struct child *c)
{
    char why[128];

    AN(m->reload.step == RELOAD_STARTS);
    snprintf(why, sizeof why, "worker process %ld ended before the new generation was ready, "
             "the error log tells why", (long)c->pid);
    roll_back(m, why);
}

void reload_abandon(struct master *m, const char *why)
{
    m->reload.again = false;
    if (m->reload.step == RELOAD_NONE)
        return;
    if (m->reload.step == RELOAD_HANDS_OVER) {
        handed_over(m);
        return;
    }
    if (m->serving) {
        roll_back(m, why);
        return;
    }
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->kind == CHILD_BUILDER)
            child_terminate(LIST_ITEM(at, struct child, link));
    m->serving = m->reload.generation;
    over(m);
}
