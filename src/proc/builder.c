/*
 * builder.c - the process that builds images for a generation before it serves.
 *
 * It reads documents with the workers' rights, so that what visitors must not see does not get into
 * an image, and politely, because the generation before it is serving meanwhile.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "core/hub.h"
#include "core/images.h"
#include "io/tls.h"
#include "proc/privileges.h"
#include "proc/signals.h"
#include "proc/title.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* Runs in the builder process. */
static _Noreturn void build(struct master *m, struct generation *g, enum image_effort effort,
                            pid_t master, int words)
{
    int rc;

    title_set("builder process (gen %lu)", g->number);
    if (m->daemonized)
        logs_take_stderr(g->config);
    logs_use(g->config);
    signals_restore();
    tls_forget(g->config);
    if (privileges_drop(g->config->process) != 0)
        exit(EXIT_FATAL);
    /* Nobody would take what it makes, and it has the listening sockets open. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        log_alert(errno, "prctl(PR_SET_PDEATHSIG) failed");
    if (getppid() != master)
        exit(EXIT_FAILURE);
    be_polite();
    rc = images_build(g->config, effort, tell, &words);
    exit(rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int builder_start(struct master *m, struct generation *g, enum image_effort effort)
{
    struct child *c;
    int words[2];
    pid_t pid, master = getpid();

    CHECK_OBJ(g, GENERATION_MAGIC);
    if (pipe2(words, O_CLOEXEC) != 0) {
        log_alert(errno, "pipe() failed while spawning \"builder process\"");
        return -1;
    }
    /* Only the reading end must not block; the writer is to wait for the reader. */
    fcntl(words[0], F_SETFL, O_NONBLOCK);
    pid = child_fork(m, g, "builder process");
    if (pid == 0) {
        close(words[0]);
        if (m->hub)
            hub_free(&m->hub);
        build(m, g, effort, master, words[1]);
    }
    close(words[1]);
    if (pid < 0) {
        close(words[0]);
        return -1;
    }
    c = child_add(m, CHILD_BUILDER, pid, g);
    c->words = words[0];
    log_notice(0, "start builder process %ld", (long)pid);
    return 0;
}

void builder_hear(struct child *c, const char *line)
{
    enum control_topic topic = c->generation == c->master->reload.generation ? TOPIC_RELOAD
                                                                             : TOPIC_PUBLISH;

    log_notice(0, "builder: %s", line);
    control_say(c->master->control, topic, "progress", line);
}
