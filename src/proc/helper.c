/*
 * helper.c - the process that answers a question about channels.
 *
 * The hub's memory is the workers', and the master keeps its hands off. So what people ask of it is
 * done by a process with the rights of a worker, which takes over their connection and ends.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/hub.h"
#include "core/hub_outbox.h"
#include "proc/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long the client may take to send its data, and how much that may be. */
#define DATA_WITHIN 60000          /* ms */
#define DATA_MAX (64u << 20)

/* How long a shared server may take for a message, and how often it is looked for. */
#define OUTCOME_WITHIN 8000
#define OUTCOME_LOOK 5

/* Above the time for the data, the helper is ended. */
#define HELPER_GRACE 10000

struct helper {
    struct hub *hub;
    struct hub_bounds history;
    int64_t now;
    int fd;                        /* the client */
};

/* Sends a line. A client that has gone does not need it. */
static void __attribute__((format(printf, 2, 3))) tell(const struct helper *h, const char *format,
                                                      ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    AN(n >= 0 && (size_t)n < sizeof line - 1);
    line[n++] = '\n';
    if (send(h->fd, line, (size_t)n, MSG_NOSIGNAL) != n)
        exit(EXIT_SUCCESS);
}

/* ---- channels -------------------------------------------------------------------------------- */

/* What is known of the channels, taken with the lock held. */
struct listing {
    char *text;
    size_t size;
    FILE *out;
};

/* hub_each(): a line. */
static void list_one(void *arg, struct str name, const struct slv_hub_presence *p)
{
    struct listing *l = arg;

    fprintf(l->out, "print %-40.*s %8llu subscribers %8llu messages %10llu bytes  last %llu\n",
            STR_ARG(name), (unsigned long long)p->subscribers, (unsigned long long)p->messages,
            (unsigned long long)p->bytes, (unsigned long long)p->last_id);
}

/* Lists the channels. */
static void list(const struct helper *h)
{
    struct listing l = { 0 };
    struct hub_figures f;

    l.out = open_memstream(&l.text, &l.size);
    AN(l.out != NULL);
    hub_each(h->hub, &h->history, h->now, list_one, &l);
    fclose(l.out);
    hub_figures(h->hub, &f);
    if (l.size && send(h->fd, l.text, l.size, MSG_NOSIGNAL) != (ssize_t)l.size)
        exit(EXIT_SUCCESS);
    free(l.text);
    tell(h, "ok %llu channels, %llu of %llu bytes in use", (unsigned long long)f.channels,
         (unsigned long long)f.ring_used, (unsigned long long)f.ring_size);
}

/* ---- publish --------------------------------------------------------------------------------- */

/* Reads to the end of what the client sends. False: too much, or too slowly. */
static bool read_all(const struct helper *h, char **data, size_t *size)
{
    ms_t deadline = clock_now() + DATA_WITHIN;
    size_t room = 0;

    *size = 0;
    for (;;) {
        struct pollfd p = { .fd = h->fd, .events = POLLIN };
        ms_t left = deadline - clock_now();
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0 || *size == DATA_MAX)
            return false;
        if (*size == room) {
            room = room ? room * 2 : 65536;
            *data = mem_resize(*data, room, 1);
        }
        n = recv(h->fd, *data + *size, room - *size, 0);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        *size += (size_t)n;
    }
}

/* Publishes to the hub, or to the server that is shared, and waits for that. */
static enum slv_hub_result put(const struct helper *h, const struct slv_hub_post *post,
                               uint64_t *id)
{
    ms_t deadline = clock_now() + OUTCOME_WITHIN;
    enum slv_hub_result result;
    uint64_t number;

    if (!hub_is_shared(h->hub))
        return hub_publish(h->hub, post, &h->history, h->now, id);
    result = hub_outbox_put(h->hub, post, h->now, &number);
    if (result != SLV_HUB_OK)
        return result;
    /* Without a seat there is nothing to be woken by. */
    while (!hub_outbox_outcome(h->hub, number, &result, id)) {
        if (clock_now() >= deadline)
            return SLV_HUB_LATER;
        poll(NULL, 0, OUTCOME_LOOK);
    }
    return result;
}

/* Publishes. What is UTF-8 is text. */
static void publish(const struct helper *h, const char *channel, const char *event)
{
    struct slv_hub_post post = { .channel = str_of(channel), .event = str_of(event) };
    enum slv_hub_result result;
    char *data = NULL;
    uint64_t id;
    size_t size;

    tell(h, "send data");
    if (!read_all(h, &data, &size)) {
        tell(h, "error the data did not come whole, or there was too much of it");
    } else {
        post.data = (struct str){ data, size };
        result = put(h, &post, &id);
        if (result == SLV_HUB_BAD_TEXT) {
            post.kind = SLV_HUB_BINARY;
            result = put(h, &post, &id);
        }
        if (result == SLV_HUB_OK) {
            tell(h, "print %llu", (unsigned long long)id);
            tell(h, "ok ");
        } else {
            tell(h, "error %s", hub_refusal(result));
        }
    }
    free(data);
}

/* ---- The process ----------------------------------------------------------------------------- */

/* What it is for. */
struct errand {
    const char *channel, *event;   /* to publish; channel NULL: to list channels */
};

/* struct aide: run */
static void help(struct master *m, struct generation *g, int fd, const void *arg)
{
    const struct process_conf *process = g->config->process;
    const struct errand *errand = arg;
    struct helper h = {
        .hub = m->hub, .fd = fd, .now = (int64_t)time(NULL) * 1000,
        .history = { (uint64_t)process->hub_history, process->hub_history_time,
                     (uint64_t)process->hub_history_size }
    };

    if (errand->channel)
        publish(&h, errand->channel, errand->event);
    else
        list(&h);
    close(fd);
}

static const struct aide helper = { .kind = CHILD_HELPER, .needs_hub = true, .run = help };

void helper_start(struct master *m, struct control_client *client, const char *channel,
                  const char *event)
{
    struct errand errand = { channel, event };
    struct child *c;
    int fd;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->hub) {
        control_dismiss(client, "error", "there is no hub, the error log of the start tells why");
        return;
    }
    fd = control_hand_over(client);
    if (fd < 0)
        return;
    c = aide_fork(m, &helper, m->serving, fd, -1, &errand);
    if (c)
        c->nudge_at = clock_now() + DATA_WITHIN + HELPER_GRACE;
}
