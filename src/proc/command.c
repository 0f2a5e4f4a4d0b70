/*
 * command.c - questions that come by the control socket, and what is done about them.
 *
 *   reload                               as SIGHUP, but waits for the outcome
 *   prebuilt list [HOST]                 the images of each host
 *   prebuilt build [HOST]                make them anew, and publish what has changed
 *   prebuilt rollback [HOST [NUMBER]]    publish an earlier one again
 *
 * HOST is a name as "list" shows it; without it, or with "-", all hosts are meant.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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
        control_wait(client, TOPIC_PUBLISH);
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
    control_wait(client, TOPIC_PUBLISH);
    why = publish_roll_back(m, host, n);
    if (why)
        control_dismiss(client, "error", why);
}

/* ---- All ------------------------------------------------------------------------------------ */

/* reload */
static void reload(struct master *m, struct control_client *client)
{
    if (m->new_binary != 0) {
        control_dismiss(client, "error", "a binary upgrade is under way");
        return;
    }
    control_wait(client, TOPIC_RELOAD);
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
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "list") && w.count <= 3)
        list(m, client, host_of(&w, 2));
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "build") && w.count <= 3)
        build(m, client, host_of(&w, 2));
    else if (says(&w, 0, "prebuilt") && says(&w, 1, "rollback") && w.count <= 4)
        roll_back(m, client, host_of(&w, 2), w.count == 4 ? w.word[3] : NULL);
    else
        control_dismiss(client, "error", "unknown command");
    free(w.text);
}
