/*
 * worker.c - the process that serves visitors: from the fork to its exit.
 */
#include "proc/worker.h"

#include "base/check.h"
#include "core/access_log.h"
#include "core/hub_worker.h"
#include "core/images.h"
#include "io/listen.h"
#include "io/loop.h"
#include "io/service.h"
#include "io/tls_pair.h"
#include "io/tls_tickets.h"
#include "proc/channel.h"
#include "proc/logs.h"
#include "proc/privileges.h"
#include "proc/signals.h"
#include "proc/slots.h"
#include "proc/title.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * New images are entered into the page table and old ones unmapped a slice at a time: neither takes
 * a millisecond. An old one that is still being read is looked for again later.
 */
#define WARM_SLICE ((size_t)2 << 20)
#define RECLAIM_SLICE ((size_t)4 << 20)
#define TEND_PAUSE 10              /* ms */
#define TEND_LOOK 1000

struct worker {
    unsigned magic;
#define WORKER_MAGIC 0x303c3801u
    struct config *config;
    int channel;
    bool take_stderr;
    struct loop *loop;
    struct service *service;
    struct loop_watch *watch;      /* on the channel; NULL: there is no master */
    struct hub *hub;               /* NULL: none, or no seat in it */
    struct loop_watch *news;       /* on the seat's wake-ups */
    struct hub_bounds history;
    struct loop_timer limit;       /* when draining has taken long enough */
    bool draining, ending;
};

/* ---- Ending --------------------------------------------------------------------------------- */

/* Leaves the loop. What is still open is aborted when the service is freed. */
static void end(struct worker *w)
{
    CHECK_OBJ(w, WORKER_MAGIC);
    if (w->ending)
        return;
    w->ending = true;
    log_notice(0, "exiting");
    loop_stop(w->loop);
}

/* The last connection of a draining service has gone. */
static void on_emptied(void *arg)
{
    end(arg);
}

/* Draining has taken long enough. */
static void on_limit(void *arg)
{
    struct worker *w;

    CAST_OBJ(w, arg, WORKER_MAGIC);
    log_notice(0, "%zu connections are cut by worker_shutdown_timeout", service_count(w->service));
    end(w);
}

/* Modules bring answers to an end that would not end by themselves. */
static void drain_modules(const struct config *config, bool successor)
{
    for (size_t i = 0; i < config->modules.count; i++)
        if (config->modules.list[i]->drain)
            config->modules.list[i]->drain(successor, config->process->drain_window);
}

/*
 * Accepts no more. The listening sockets are closed here, too, so that one that no configuration
 * wants any more, or that another master is to bind, does not live on in this process.
 */
static void drain(struct worker *w, bool successor)
{
    struct channel_message message = {
        .what = CHANNEL_DRAINS, .generation = w->config->generation
    };
    bool first = !w->draining;

    if (first) {
        w->draining = true;
        log_notice(0, "gracefully shutting down");
        title_set("worker process is shutting down (gen %lu)", w->config->generation);
        loop_timer_set(w->loop, &w->limit,
                       loop_now(w->loop) + w->config->process->worker_shutdown_timeout);
    }
    service_drain(w->service, successor);
    drain_modules(w->config, successor);
    listen_close(w->config, false);
    /* If the master has gone there is nobody to tell, and no harm in that. */
    if (first && w->channel >= 0 && channel_send(w->channel, &message, -1) != 0)
        log_debug(errno, "the master process does not hear that this one drains");
}

/* ---- Signals -------------------------------------------------------------------------------- */

/* SIGQUIT: the master, or somebody who wants this one worker replaced. */
static void on_quit(void *arg)
{
    struct worker *w;

    CAST_OBJ(w, arg, WORKER_MAGIC);
    log_notice(0, "signal %d (SIGQUIT) received, shutting down", SIGQUIT);
    drain(w, w->channel >= 0);
}

/* SIGTERM, SIGINT */
static void on_term(void *arg)
{
    end(arg);
}

/* SIGUSR1 where there is no master. A worker with a master gets files from it. */
static void on_reopen(void *arg)
{
    struct worker *w;

    CAST_OBJ(w, arg, WORKER_MAGIC);
    if (w->channel >= 0)
        return;
    log_notice(0, "reopening logs");
    access_log_flush(w->config, loop_now(w->loop), true);
    log_files_reopen(-1, -1, NULL);
}

/* Sets up what may come, then lets it come. */
static void take_signals(struct worker *w)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGWINCH, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    loop_on_signal(w->loop, SIGQUIT, on_quit, w);
    loop_on_signal(w->loop, SIGTERM, on_term, w);
    loop_on_signal(w->loop, SIGINT, on_term, w);
    loop_on_signal(w->loop, SIGUSR1, on_reopen, w);
    signals_unblock();
}

/* ---- The master ----------------------------------------------------------------------------- */

/*
 * Is this number a log file's here, too? In a worker of an older configuration it may be that of a
 * connection by now.
 */
static bool is_log(const struct worker *w, int fd)
{
    if (fd == STDERR_FILENO)
        return w->take_stderr;
    for (size_t i = 0; i < w->config->log_file_count; i++)
        if (w->config->log_files[i]->fd == fd)
            return true;
    return false;
}

/* The master has opened a log file anew. */
static void take_log(struct worker *w, int number, int passed)
{
    if (passed < 0)
        return;
    if (is_log(w, number)) {
        access_log_flush(w->config, loop_now(w->loop), true);
        if (dup3(passed, number, number == STDERR_FILENO ? 0 : O_CLOEXEC) < 0)
            log_alert(errno, "dup3(%d, %d) failed", passed, number);
    }
    close(passed);
}

/* Maps a slice of new images, or else gives a slice of old ones back. */
static ms_t on_tend(void *arg)
{
    struct worker *w;

    CAST_OBJ(w, arg, WORKER_MAGIC);
    if (images_warm(w->config, WARM_SLICE) || images_reclaim(RECLAIM_SLICE))
        return TEND_PAUSE;
    return images_reclaimable() ? TEND_LOOK : 0;
}

/* The master has a new image for a host. */
static void take_image(struct worker *w, const struct channel_message *m, int passed)
{
    struct channel_message answer = { .what = CHANNEL_IMAGE_SERVED };

    /* The kernel drops a descriptor that a process with too many has no room for. */
    if (passed < 0)
        log_error(0, "a prebuilt image is lost, because too many files are open");
    answer.refused = passed < 0 || image_swap(w->config, m->index, m->number, passed) != 0;
    if (channel_send(w->channel, &answer, -1) != 0)
        log_alert(errno, "the master process cannot be told of an image");
    loop_work(w->loop);
}

/* The master has rotated the keys of session tickets. */
static void take_tickets(struct channel_message *m)
{
    memcpy(&tls_ticket_ring, m->secret, sizeof tls_ticket_ring);
    explicit_bzero(m->secret, sizeof m->secret);
    AN(tls_ticket_ring.count <= TLS_TICKET_KEYS);
}

/* The master has a new certificate, or a new OCSP response for one. */
static void take_certificate(struct worker *w, int passed)
{
    if (passed < 0)
        log_error(0, "a certificate is lost, because too many files are open");
    else if (tls_pair_unpack(w->config, passed) != 0)
        log_alert(0, "a certificate of the master process cannot be used");
    if (passed >= 0)
        close(passed);
}

/* Something has come from the master, or it has gone. */
static void on_channel(void *arg)
{
    struct worker *w;
    struct channel_message message;
    enum channel_got got;
    int passed;

    CAST_OBJ(w, arg, WORKER_MAGIC);
    while ((got = channel_receive(w->channel, &message, &passed)) == CHANNEL_MESSAGE) {
        if (message.what == CHANNEL_DRAIN)
            drain(w, message.successor);
        else if (message.what == CHANNEL_REOPENED)
            take_log(w, message.fd, passed);
        else if (message.what == CHANNEL_IMAGE)
            take_image(w, &message, passed);
        else if (message.what == CHANNEL_TICKETS)
            take_tickets(&message);
        else if (message.what == CHANNEL_CERTIFICATE)
            take_certificate(w, passed);
    }
    if (got == CHANNEL_CLOSED) {
        log_alert(0, "the master process has gone");
        loop_unwatch(w->loop, &w->watch);
        drain(w, false);
    }
}

/*
 * Tells the master that connections are accepted. Whoever has started the server needs no more
 * news.
 */
static void report_ready(struct worker *w)
{
    struct channel_message message = {
        .what = CHANNEL_READY, .generation = w->config->generation
    };

    if (w->take_stderr)
        logs_take_stderr(w->config);
    log_set_stderr(0);
    if (w->channel < 0)
        return;
    w->watch = loop_on_readable(w->loop, w->channel, on_channel, w);
    if (channel_send(w->channel, &message, -1) != 0)
        log_alert(errno, "the master process cannot be told that this one is ready");
}

/* ---- The hub -------------------------------------------------------------------------------- */

/* Takes the seat. A worker without one serves, but not channels. */
static void join_hub(struct worker *w, const struct worker_start *start)
{
    const struct process_conf *process = w->config->process;

    if (!start->hub)
        return;
    if (!hub_sit(start->hub, hub_seat_for(start->hub, start->seat))) {
        log_alert(0, "this worker process has no seat in the hub, because too many are ending");
        return;
    }
    w->hub = start->hub;
    w->history = (struct hub_bounds){
        .messages = (uint64_t)process->hub_history, .age = process->hub_history_time,
        .bytes = (uint64_t)process->hub_history_size
    };
    hub_use(w->hub, &w->history);
    w->news = loop_on_readable(w->loop, hub_wake_fd(w->hub), hub_woken, w->hub);
}

/* Gives it back; nobody listens any more. */
static void leave_hub(struct worker *w)
{
    if (!w->hub)
        return;
    loop_unwatch(w->loop, &w->news);
    hub_unuse();
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

/* Asks the modules. One that cannot work makes the worker useless. */
static void start_modules(const struct config *config)
{
    for (size_t i = 0; i < config->modules.count; i++) {
        const struct slv_module *module = config->modules.list[i];

        if (module->worker_start && module->worker_start() != 0) {
            log_emerg(0, "module \"%s\" cannot start", module->name);
            exit(EXIT_FATAL);
        }
    }
}

/* The other way round. */
static void stop_modules(const struct config *config)
{
    for (size_t i = config->modules.count; i-- > 0;)
        if (config->modules.list[i]->worker_stop)
            config->modules.list[i]->worker_stop();
}

/* Everything is given back, so that what is left over can be told from what was lost. */
static void give_back(struct worker *w)
{
    stop_modules(w->config);
    service_free(&w->service);
    leave_hub(w);
    if (w->watch)
        loop_unwatch(w->loop, &w->watch);
    loop_timer_set(w->loop, &w->limit, MS_NEVER);
    loop_free(&w->loop);
    log_notice(0, "exit");
    log_set_default(NULL);
    config_free(&w->config);
}

_Noreturn void worker_main(const struct worker_start *start)
{
    struct worker w = {
        .magic = WORKER_MAGIC, .config = start->config, .channel = start->channel,
        .take_stderr = start->take_stderr
    };

    CHECK_OBJ(w.config, CONFIG_MAGIC);
    title_set("worker process (gen %lu)", w.config->generation);
    panic_to(start->words);
    logs_use(w.config);
    /* Without a master nobody else could open log files anew and remove the pid file. */
    if (w.channel >= 0 && privileges_drop(w.config->process) != 0)
        exit(EXIT_FATAL);
    /* First of all, because it gives descriptors back: there may be more than a worker may have. */
    images_map(w.config);
    w.loop = loop_new();
    loop_timer_init(&w.limit, on_limit, &w);
    loop_on_work(w.loop, on_tend, &w);
    take_signals(&w);
    join_hub(&w, start);
    start_modules(w.config);
    w.service = service_new(w.loop, w.config, start->slot, on_emptied, &w);
    report_ready(&w);
    loop_work(w.loop);
    loop_run(w.loop);
    give_back(&w);
    exit(EXIT_SUCCESS);
}
