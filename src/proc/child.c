/*
 * child.c - processes that the master has started: noted, nudged, forgotten.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/listen.h"
#include "proc/channel.h"
#include "proc/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUDGE_FIRST 50             /* ms after the first SIGTERM; doubled every time */
#define NUDGE_LAST 1000            /* a pause above this is followed by SIGKILL */
#define HEAR_MAX 16                /* messages at a time: one who never stops is not waited for */
#define LINES_MAX 64               /* reads at a time, which is what a pipe holds */

const char *child_kind_name(enum child_kind kind)
{
    static const char *const names[] = {
        [CHILD_WORKER] = "worker process",
        [CHILD_BUILDER] = "builder process",
        [CHILD_WATCHER] = "watcher process",
        [CHILD_RELAY] = "relay process",
        [CHILD_HELPER] = "helper process",
        [CHILD_STAPLER] = "stapler process",
        [CHILD_BINARY] = "new binary process",
    };

    return names[kind];
}

const char *child_name(const struct child *c)
{
    CHECK_OBJ(c, CHILD_MAGIC);
    return child_kind_name(c->kind);
}

/* In nginx's words. */
void child_log_end(const struct child *c, int status)
{
    const char *name = child_name(c);
    /* The others end when they are done, and nothing waits for them. */
    bool again = !c->leaving && c->kind != CHILD_STAPLER && c->kind != CHILD_BINARY;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !again)
        log_notice(0, "%s %ld was ended", name, (long)c->pid);
    else if (WIFSIGNALED(status))
        log_alert(0, "%s %ld exited on signal %d%s", name, (long)c->pid, WTERMSIG(status),
                  WCOREDUMP(status) ? " (core dumped)" : "");
    else if (WEXITSTATUS(status) == EXIT_FATAL && again)
        log_alert(0, "%s %ld exited with fatal code %d and cannot be respawned", name, (long)c->pid,
                  WEXITSTATUS(status));
    else
        log_notice(0, "%s %ld exited with code %d", name, (long)c->pid, WEXITSTATUS(status));
}

struct child *child_add(struct master *m, enum child_kind kind, pid_t pid, struct generation *g)
{
    struct child *c = mem_zalloc(sizeof *c);

    AN(pid > 0);
    *c = (struct child){
        .magic = CHILD_MAGIC, .master = m, .kind = kind, .pid = pid, .generation = g,
        .channel = -1, .words = -1, .nudge_at = MS_NEVER
    };
    list_add(&m->children, &c->link);
    return c;
}

void child_free(struct child **pchild)
{
    struct child *c;

    TAKE_OBJ(c, pchild, CHILD_MAGIC);
    list_remove(&c->link);
    if (c->channel >= 0)
        close(c->channel);
    if (c->words >= 0)
        close(c->words);
    free(c->data);
    c->magic = 0;
    free(c);
}

/*
 * In a forked child: closes what belongs to the master. Above all the ends of the siblings'
 * channels, because as long as anybody holds one, a worker does not see that the master has gone.
 */
static void forget(struct master *m, const struct generation *keep)
{
    LIST_EACH(at, after, &m->children) {
        const struct child *c = LIST_ITEM(at, struct child, link);

        if (c->channel >= 0)
            close(c->channel);
        if (c->words >= 0)
            close(c->words);
    }
    if (keep)
        log_set_default(keep->config->process->error_log);
    LIST_EACH(at, after, &m->generations) {
        struct generation *g = LIST_ITEM(at, struct generation, link);

        if (!keep || g == keep)
            continue;
        listen_forget(keep->config, g->config);
        /* Or the child would hold the memory of a configuration that it never looks at. */
        config_free(&g->config);
    }
    control_forget(m->control);
    certificates_forget(m);
    shelves_free(m);
    close(m->signal_fd);
    if (m->started_fd >= 0)
        close(m->started_fd);
}

pid_t child_fork(struct master *m, const struct generation *keep, const char *what)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        log_alert(errno, "fork() failed while spawning \"%s\"", what);
    else if (pid == 0)
        forget(m, keep);
    return pid;
}

/* Sends a signal; a process that has ended and is not reaped yet takes it without complaint. */
static void signal_child(const struct child *c, int signo)
{
    if (kill(c->pid, signo) != 0)
        log_alert(errno, "kill(%ld, %d) failed", (long)c->pid, signo);
}

void child_terminate(struct child *c)
{
    CHECK_OBJ(c, CHILD_MAGIC);
    AN(c->kind != CHILD_BINARY);
    c->leaving = true;
    if (c->nudge_pause > 0)
        return;
    c->nudge_pause = NUDGE_FIRST;
    c->nudge_at = clock_now() + c->nudge_pause;
    signal_child(c, SIGTERM);
}

void child_nudge(struct child *c)
{
    CHECK_OBJ(c, CHILD_MAGIC);
    if (c->nudge_pause == 0) {
        log_alert(0, "%s %ld did not finish in time", child_name(c), (long)c->pid);
        child_terminate(c);
        return;
    }
    if (c->nudge_pause <= NUDGE_LAST)
        c->nudge_pause *= 2;
    c->nudge_at = clock_now() + c->nudge_pause;
    signal_child(c, c->nudge_pause > NUDGE_LAST ? SIGKILL : SIGTERM);
}

/* A worker says that it serves. */
static void note_ready(struct child *c)
{
    if (c->leaving || c->ready)
        return;
    c->ready = true;
    slots_ready(&c->generation->slots, c->slot);
}

void child_hear(struct child *c)
{
    struct channel_message message;
    enum channel_got got = CHANNEL_MESSAGE;
    int passed;

    CHECK_OBJ(c, CHILD_MAGIC);
    for (int i = 0; i < HEAR_MAX && c->channel >= 0 && got == CHANNEL_MESSAGE; i++) {
        got = channel_receive(c->channel, &message, &passed);
        if (passed >= 0)
            close(passed);
        if (got == CHANNEL_MESSAGE && message.what == CHANNEL_READY
            && message.generation == c->generation->number) {
            note_ready(c);
        } else if (got == CHANNEL_MESSAGE && message.what == CHANNEL_DRAINS) {
            c->drains = true;
        } else if (got == CHANNEL_MESSAGE && message.what == CHANNEL_IMAGE_SERVED) {
            publish_served(c, message.refused);
        } else if (got == CHANNEL_CLOSED) {
            close(c->channel);
            c->channel = -1;
        }
    }
}

/* A line is whole now. */
static void whole_line(struct child *c)
{
    c->line[c->line_size] = '\0';
    c->line_size = 0;
    if (c->line[0])
        c->aide->hear(c, c->line);
}

void child_hear_lines(struct child *c)
{
    char text[1024];
    ssize_t n = 0;

    CHECK_OBJ(c, CHILD_MAGIC);
    for (int k = 0; k < LINES_MAX && c->words >= 0; k++) {
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

/* A worker's channel has something, or has room. */
static void on_channel(void *arg, short events)
{
    struct child *c;

    CAST_OBJ(c, arg, CHILD_MAGIC);
    if ((events & POLLOUT) && publish_has_for(c))
        publish_feed(c);
    if (events & ~POLLOUT)
        child_hear(c);
}

/* The pipe of a builder or a watcher has something. */
static void on_line(void *arg, short events)
{
    struct child *c;

    (void)events;
    CAST_OBJ(c, arg, CHILD_MAGIC);
    child_hear_lines(c);
}

void children_poll(struct master *m, struct pollset *p)
{
    LIST_EACH(at, after, &m->children) {
        struct child *c = LIST_ITEM(at, struct child, link);

        if (c->kind == CHILD_WORKER)
            pollset_add(p, c->channel, publish_has_for(c) ? POLLIN | POLLOUT : POLLIN, on_channel,
                        c);
        else if (c->kind != CHILD_BINARY)
            pollset_add(p, c->words, POLLIN, on_line, c);
    }
}
