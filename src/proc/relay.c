/*
 * relay.c - the master's side of the process that shares channels with other machines.
 *
 * There is one while workers serve or finish. It has the rights of a worker, and is replaced with
 * the configuration, because that bounds the history. The old one and the new one, and those of two
 * masters during an upgrade, take turns by themselves.
 */
#include "proc/relay.h"

#include "base/check.h"
#include "base/log.h"
#include "proc/clock.h"
#include "proc/state.h"

#include <stdlib.h>
#include <string.h>

#define RESTART_PAUSE 1000         /* ms until another one is tried */

/* struct aide: run */
static void relay(struct master *m, struct generation *g, int words, const void *arg)
{
    const struct process_conf *process = g->config->process;

    (void)arg;
#ifdef HAVE_HIREDIS
    relay_run(m->hub, &m->backend, &(struct hub_bounds){
        .messages = (uint64_t)process->hub_history,
        .age = process->hub_history_time,
        .bytes = (uint64_t)process->hub_history_size
    }, words);
#else
    /* Nobody gets here: the directive is refused. */
    (void)m, (void)process, (void)words;
    exit(EXIT_FATAL);
#endif
}

/* Somebody publishes, or may listen still. */
static bool is_needed(const struct master *m)
{
    if (!m->serving || !m->hub || !hub_is_shared(m->hub) || m->state == MASTER_TERMINATES)
        return false;
    if (m->state == MASTER_RUNS && !m->workers_stopped)
        return true;
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->kind == CHILD_WORKER)
            return true;
    return false;
}

/* struct aide: hear */
static void relay_hear(struct child *c, const char *line)
{
    static const struct {
        const char *word;
        enum slv_level level;
    } levels[] = {
        { "error ", SLV_LOG_ERROR }, { "warn ", SLV_LOG_WARN }, { "notice ", SLV_LOG_NOTICE }
    };

    CHECK_OBJ(c, CHILD_MAGIC);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strncmp(line, levels[i].word, strlen(levels[i].word)) == 0) {
            log_line(NULL, NULL, levels[i].level, 0, "%s", line + strlen(levels[i].word));
            return;
        }
    log_error(0, "relay: %s", line);
}

/* struct aide: ended */
static void relay_ended(struct master *m, struct child *c, int status)
{
    (void)status;
    if (!c->leaving)
        m->relay_after = clock_now() + RESTART_PAUSE;
}

static const struct aide relay_aide = {
    .kind = CHILD_RELAY, .level = SLV_LOG_NOTICE, .lasting = true, .needs_hub = true,
    .pause = RESTART_PAUSE, .run = relay, .hear = relay_hear, .ended = relay_ended
};

void relay_check(struct master *m)
{
    aide_keep(m, &relay_aide, is_needed(m), &m->relay_after);
}
