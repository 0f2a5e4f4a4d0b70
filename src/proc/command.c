/*
 * command.c - questions that come by the control socket, and what is done about them.
 *
 *   reload                               as SIGHUP, but waits for the outcome
 *   status                               the server and its processes
 *   metrics                              counters, in the text format of Prometheus
 *   certificates                         those of TLS, and when they end
 *   channels                             the channels of the hub; by a helper, see helper.c
 *   publish CHANNEL [EVENT]              publish the data that follows; likewise
 *   prebuilt list [HOST]                 the images of each host
 *   prebuilt build [HOST]                make them anew, and publish what has changed
 *   prebuilt publish FILE [HOST]         publish an image that was made by selvage-pack
 *   prebuilt rollback [HOST [NUMBER]]    publish an earlier one again
 *
 * HOST is a name as "list" shows it; without it, or with "-", all hosts are meant.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/figures.h"
#include "core/version.h"
#include "io/tls_pair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 8

/* A question in words. */
struct words {
    char *text;                    /* from the heap; word[] points into it */
    const char *word[WORDS_MAX];
    size_t count;
};

/* Takes a question apart. What is beyond WORDS_MAX makes it one that nobody knows. */
static void split(struct words *w, const char *question)
{
    char *rest;

    *w = (struct words){ .text = mem_strdup(question) };
    rest = w->text;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word && w->count++ < WORDS_MAX)
            w->word[w->count - 1] = word;
}

/* A word is there and says that. */
static bool says(const struct words *w, size_t i, const char *word)
{
    return i < w->count && i < WORDS_MAX && strcmp(w->word[i], word) == 0;
}

/* The host that is meant; .p NULL: all. */
static struct str host_of(const struct words *w, size_t i)
{
    return i >= w->count || says(w, i, "-") ? (struct str){ NULL, 0 } : str_of(w->word[i]);
}

/* ---- prebuilt ------------------------------------------------------------------------------- */

/* One line about a version. */
static void print_version(struct control_client *client, const struct shelf *s, size_t i)
{
    const struct image_version *v = s->versions[i];
    time_t seconds = (time_t)(v->built / 1000);
    char line[512], when[32] = "";
    struct tm tm;

    if (localtime_r(&seconds, &tm))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(line, sizeof line, "%-30s %6llu  %s  %8llu paths  %12zu bytes%s%s%s", s->host,
             (unsigned long long)v->number, when, (unsigned long long)v->entries, v->size,
             i == s->current ? "  current" : "", i == s->current && s->held ? ", held" : "",
             v->put_off ? ", being refined" : "");
    control_tell(client, "print", line);
}

/* prebuilt list */
static void list(struct master *m, struct control_client *client, struct str host)
{
    bool any = false;

    for (const struct slv_image *i = images_next(m->serving->config, NULL); i;
         i = images_next(m->serving->config, i)) {
        const struct shelf *s = shelf_find(m, i->name);

        if (host.p && !str_eq(host, i->name))
            continue;
        any = true;
        for (size_t k = 0; s && k < s->count; k++)
            print_version(client, s, k);
    }
    if (any || !host.p)
        control_dismiss(client, "ok", any ? "" : "no host has a prebuilt image");
    else
        control_dismiss(client, "error", "there is no such host with an image");
}

/* prebuilt build */
static void build(struct master *m, struct control_client *client, struct str host)
{
    if (publish_want(m, host, true) == 0)
        control_dismiss(client, "error", "there is no such host with an image");
    else
        control_wait(client, TOPIC_PUBLISH, host);
}

/* prebuilt publish */
static void publish(struct master *m, struct control_client *client, const char *path,
                    struct str host)
{
    const char *why = path[0] == '/' ? publish_file(m, host, path)
                                     : "the path of the file must be absolute";

    if (why)
        control_dismiss(client, "error", why);
    else
        control_wait(client, TOPIC_PUBLISH, host);
}

/* prebuilt rollback */
static void roll_back(struct master *m, struct control_client *client, struct str host,
                      const char *number)
{
    char *end = NULL;
    unsigned long long n = number ? strtoull(number, &end, 10) : 0;
    const char *why;

    if (number && (n == 0 || *end)) {
        control_dismiss(client, "error", "the number of an image is expected, see \"list\"");
        return;
    }
    why = publish_roll_back(m, host, n);
    if (why)
        control_dismiss(client, "error", why);
    else
        control_join(client, TOPIC_PUBLISH, host);
}

/* ---- status, metrics ------------------------------------------------------------------------ */

/* Tells a line that is being put together. */
static void __attribute__((format(printf, 2, 3))) print(struct control_client *client,
                                                       const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    control_tell(client, "print", line);
}

/* status */
static void status(struct master *m, struct control_client *client)
{
    struct metrics sum;

    metrics_sum(&sum);
    print(client, "version      %s", SELVAGE_VERSION);
    print(client, "master       %ld", (long)getpid());
    print(client, "generation   %lu%s", m->serving->number,
          !m->started ? ", its workers are being started"
          : m->reload.step == RELOAD_NONE ? "" : ", a reload is under way");
    print(client, "connections  %llu open, %llu accepted", (unsigned long long)metrics_open(&sum),
          (unsigned long long)sum.counter[COUNTER_CONNECTIONS]);
    print(client, "requests     %llu", (unsigned long long)sum.counter[COUNTER_REQUESTS]);
    print(client, "handshakes   %llu full, %llu resumed, %llu failed",
          (unsigned long long)sum.counter[COUNTER_TLS_FULL],
          (unsigned long long)sum.counter[COUNTER_TLS_RESUMED],
          (unsigned long long)sum.counter[COUNTER_TLS_FAILED]);
    LIST_EACH(at, after, &m->children) {
        const struct child *c = LIST_ITEM(at, struct child, link);

        print(client, "process      %ld  %s%s%s", (long)c->pid, child_name(c),
              c->generation && c->generation != m->serving ? ", of an older generation" : "",
              c->leaving || c->drains ? ", ending" : "");
    }
    control_dismiss(client, "ok", "");
}

/* A time, for people. */
static const char *utc(int64_t seconds, char room[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    room[0] = '\0';
    if (gmtime_r(&t, &tm))
        strftime(room, 32, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return room;
}

/* certificates */
static void certificates(struct master *m, struct control_client *client)
{
    const struct config *config = m->serving->config;
    int64_t now = (int64_t)time(NULL);
    char text[1024], when[32];

    for (const struct tls_pair *p = tls_pair_next_first(config, NULL); p;
         p = tls_pair_next_first(config, p)) {
        print(client, "%s", p->files[TLS_FILE_CERTIFICATE]);
        tls_pair_names(p, text, sizeof text);
        print(client, "  names      %s", text);
        tls_pair_issuer(p, text, sizeof text);
        print(client, "  issuer     %s", text);
        if (p->not_after > now)
            print(client, "  not after  %s, %lld days left", utc(p->not_after, when),
                  (long long)(p->not_after - now) / 86400);
        else
            print(client, "  not after  %s, expired", utc(p->not_after, when));
        if (p->staple.der)
            print(client, "  stapled    until %s", utc(p->staple.until, when));
        else if (tls_staple_wanted(p))
            print(client, "  stapled    nothing yet");
    }
    control_dismiss(client, "ok", "");
}

/* Writes one figure. */
static void write_figure(void *arg, const struct slv_figure *f)
{
    slv_figure_prometheus(f, arg);
}

/* metrics */
static void metrics(struct master *m, struct control_client *client)
{
    char *text = NULL, *rest, *line;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        abort();
    figures_each(m->serving->config, write_figure, out);
    if (fclose(out) != 0)
        abort();
    rest = text;
    while ((line = strsep(&rest, "\n")))
        if (*line)
            control_tell(client, "print", line);
    free(text);
    control_dismiss(client, "ok", "");
}

/* ---- All ------------------------------------------------------------------------------------ */

/* reload */
static void reload(struct master *m, struct control_client *client)
{
    if (m->new_binary != 0) {
        control_dismiss(client, "error", "a binary upgrade is under way");
        return;
    }
    control_wait(client, TOPIC_RELOAD, (struct str){ NULL, 0 });
    reload_request(m);
}

void command_asked(void *arg, struct control_client *client, const char *question)
{
    struct master *m;
    struct words w;

    CAST_OBJ(m, arg, MASTER_MAGIC);
    AN(m->state == MASTER_RUNS);
    split(&w, question);
    if (says(&w, 0, "reload") && w.count == 1)
        reload(m, client);
    else if (!m->serving)
        control_dismiss(client, "error", "the server is being started");
    else if (says(&w, 0, "status") && w.count == 1)
        status(m, client);
    else if (says(&w, 0, "metrics") && w.count == 1)
        metrics(m, client);
    else if (says(&w, 0, "certificates") && w.count == 1)
        certificates(m, client);
    else if (says(&w, 0, "channels") && w.count == 1)
        helper_start(m, client, NULL, NULL);
    else if (says(&w, 0, "publish") && w.count >= 2 && w.count <= 3)
        helper_start(m, client, w.word[1], w.count == 3 ? w.word[2] : "");
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "list") && w.count <= 3)
        list(m, client, host_of(&w, 2));
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "build") && w.count <= 3)
        build(m, client, host_of(&w, 2));
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "publish") && w.count >= 3 && w.count <= 4)
        publish(m, client, w.word[2], host_of(&w, 3));
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "rollback") && w.count <= 4)
        roll_back(m, client, host_of(&w, 2), w.count == 4 ? w.word[3] : NULL);
    else
        control_dismiss(client, "error", "unknown command");
    free(w.text);
}
