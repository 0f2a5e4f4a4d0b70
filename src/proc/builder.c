/*
 * builder.c - the process that builds images for a generation before it serves.
 *
 * It reads documents with the workers' rights, so that what visitors must not see does not get into
 * an image, and politely, because the generation before it is serving meanwhile.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "core/images.h"
#include "proc/privileges.h"
#include "proc/signals.h"
#include "proc/title.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BUILDER_NICE 10
#define HEAR_MAX 64                /* reads at a time, which is what a pipe holds */

/* Passes a line on to the master. Where nobody reads it any more, it is lost. */
static void tell(void *arg, const char *line)
{
    int fd = *(const int *)arg;

    if (dprintf(fd, "%s\n", line) < 0)
        log_info(errno, "progress of the builder is lost");
}

/* Runs in the builder process. */
static _Noreturn void build(struct master *m, struct generation *g, int words)
{
    int rc;

    title_set("builder process (gen %lu)", g->number);
    if (m->daemonized)
        logs_take_stderr(g->config);
    logs_use(g->config);
    signals_restore();
    if (privileges_drop(g->config->process) != 0)
        exit(EXIT_FATAL);
    if (setpriority(PRIO_PROCESS, 0, BUILDER_NICE) != 0)
        log_warn(errno, "setpriority(%d) failed", BUILDER_NICE);
    rc = images_build(g->config, tell, &words);
    exit(rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int builder_start(struct master *m, struct generation *g)
{
    struct child *c;
    int words[2];
    pid_t pid;

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
        build(m, g, words[1]);
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

/* Passes on the line that is whole now. */
static void whole_line(struct child *c)
{
    c->line[c->line_size] = '\0';
    c->line_size = 0;
    if (!c->line[0])
        return;
    log_notice(0, "builder: %s", c->line);
    control_say(c->master->control, "progress", c->line);
}

void builder_hear(struct child *c)
{
    char text[1024];
    ssize_t n = 0;

    CHECK_OBJ(c, CHILD_MAGIC);
    for (int k = 0; k < HEAR_MAX && c->words >= 0; k++) {
        n = read(c->words, text, sizeof text);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] == '\n')
                whole_line(c);
            else if (c->line_size < sizeof c->line - 1)
                c->line[c->line_size++] = text[i];
        }
    }
    if (c->words >= 0 && (n == 0 || (n < 0 && errno != EAGAIN))) {
        close(c->words);
        c->words = -1;
    }
}
