/*
 * builder.c - the process that builds images for a generation before it serves.
 *
 * It reads documents with the workers' rights, so that what visitors must not see does not get into
 * an image, and politely, because the generation before it is serving meanwhile.
 */
#include "proc/state.h"

#include "base/log.h"
#include "core/images.h"
#include "proc/title.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUILDER_NICE 10
/* Nanoseconds at a time on a processor that others want, too; the least that Linux takes. */
#define BUILDER_SLICE 100000

/* Leaves the processor to those who serve, and gives it back to them soon. */
static void be_polite(void)
{
    struct sched_attr attr = {
        .size = sizeof attr, .sched_policy = SCHED_NORMAL, .sched_nice = BUILDER_NICE,
        .sched_runtime = BUILDER_SLICE
    };

    if (setpriority(PRIO_PROCESS, 0, BUILDER_NICE) != 0)
        log_warn(errno, "setpriority(%d) failed", BUILDER_NICE);
    /*
     * A worker that wakes up otherwise waits until the builder has used up its slice, which is 3 ms
     * and more. Linux knows slices since 6.12; without them nothing is lost but time.
     */
    syscall(SYS_sched_setattr, 0, &attr, 0);
}

/* Passes a line on to the master, and shows it. Where nobody reads it any more, it is lost. */
static void tell(void *arg, const char *line)
{
    int fd = *(const int *)arg;

    title_set("builder process: %s", line);
    if (dprintf(fd, "%s\n", line) < 0)
        log_info(errno, "progress of the builder is lost");
}

/* struct aide: run */
static void build(struct master *m, struct generation *g, int words, const void *arg)
{
    const enum image_effort *effort = arg;

    (void)m;
    be_polite();
    if (images_build(g->config, *effort, tell, &words) != 0)
        exit(EXIT_FAILURE);
}

/* struct aide: hear */
static void builder_hear(struct child *c, const char *line)
{
    enum control_topic topic = c->generation == c->master->reload.generation ? TOPIC_RELOAD
                                                                             : TOPIC_PUBLISH;

    log_notice(0, "builder: %s", line);
    control_say(c->master->control, topic, "progress", line);
}

/* struct aide: ended */
static void builder_ended(struct master *m, struct child *c, int status)
{
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    if (c->leaving)
        return;
    if (c->generation == m->reload.generation)
        reload_built(m, ok, "the builder process failed, the error log tells why");
    else if (c->generation == m->serving && m->publish.step == PUBLISH_BUILDS)
        publish_built(m);
}

static const struct aide builder = {
    .kind = CHILD_BUILDER, .level = SLV_LOG_NOTICE,
    .run = build, .hear = builder_hear, .ended = builder_ended
};

int builder_start(struct master *m, struct generation *g, enum image_effort effort)
{
    return aide_start(m, &builder, g, &effort) ? 0 : -1;
}
