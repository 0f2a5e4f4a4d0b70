/*
 * survey.c - "-t --nginx": what of an nginx configuration would not work here.
 *
 * The configuration is read as the server would read it, so the list is that of its own messages;
 * only their order is another one.
 */
#include "proc/survey.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define WEIGHTS 3

/* A message. */
struct finding {
    struct link link;
    char *text;                    /* from the heap */
};

struct survey {
    unsigned magic;
#define SURVEY_MAGIC 0x5c27e701u
    const struct str *subject;     /* of the message at hand */
    struct link found[WEIGHTS];
    unsigned count[WEIGHTS];
};

static const char *const headings[WEIGHTS] = {
    [CONF_NGINX_SECURITY] = "security: what these protect would be open, or refused",
    [CONF_NGINX_BEHAVIOUR] = "behaviour: visitors would get something else",
    [CONF_NGINX_COSMETIC] = "cosmetic: tuning and logging, can be left out",
};

/* Takes a message; what is about no directive is of the file as a whole. */
static void take(void *arg, enum slv_level level, const char *text, const char *detail)
{
    struct survey *s;
    struct finding *f;
    enum conf_nginx_weight weight = CONF_NGINX_BEHAVIOUR;

    (void)detail;
    CAST_OBJ(s, arg, SURVEY_MAGIC);
    if (level > SLV_LOG_ERROR)
        return;
    f = mem_zalloc(sizeof *f);
    f->text = mem_strdup(text);
    if (s->subject->p)
        weight = conf_nginx_weigh(*s->subject);
    list_add(&s->found[weight], &f->link);
    s->count[weight]++;
}

/* Shows those of one weight and forgets them. */
static void show(struct survey *s, size_t weight)
{
    AN(weight < WEIGHTS);
    if (s->count[weight])
        printf("\n%s (%u)\n", headings[weight], s->count[weight]);
    LIST_EACH(at, after, &s->found[weight]) {
        struct finding *f = LIST_ITEM(at, struct finding, link);

        printf("  %s\n", f->text);
        list_remove(&f->link);
        free(f->text);
        free(f);
    }
}

int survey_run(const struct config_source *source)
{
    struct survey s = { .magic = SURVEY_MAGIC };
    struct conf_report report = { .write = take, .arg = &s };
    struct config *config;
    unsigned all = 0;

    s.subject = &report.subject;
    for (size_t i = 0; i < WEIGHTS; i++)
        list_init(&s.found[i]);
    config = config_load(source, &report);
    for (size_t i = 0; i < WEIGHTS; i++)
        all += s.count[i];
    AN(config != NULL || all > 0);
    if (all)
        printf("%s: %u directives would not work here\n", source->file, all);
    else
        printf("%s: everything would work here\n", source->file);
    for (size_t i = 0; i < WEIGHTS; i++)
        show(&s, i);
    if (config)
        config_free(&config);
    return all ? EXIT_FAILURE : EXIT_SUCCESS;
}
