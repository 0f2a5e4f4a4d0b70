/*
 * test_pipeline.c - the program, and the four ways in which a vector is run.
 */
#include "pipeline.h"

#include "http/h1.h"

#include <string.h>

/* How a vector is run. */
struct way {
    const char *name;
    size_t first, rest;            /* sizes of the first read and of the others; 0: all */
    size_t write_max;              /* bytes a write */
    unsigned writes_max;           /* writes a turn */
};

/* Those of the vectors that are run now. */
static const struct h1_limits *limits_now = &memconn_limits;

/* Gives the answers that were promised. */
static void answer_promises(struct memconn *m)
{
    while (m->app.pending) {
        memapp_answer(&m->app, 200, "later");
        memconn_turn(m);
    }
}

/* Feeds the input of a vector in the pieces of a way. */
static void feed_input(struct memconn *m, struct str in, const struct way *way)
{
    size_t piece = way->first ? way->first : in.n;

    while (in.n && m->c) {
        if (piece > in.n)
            piece = in.n;
        if (memconn_feed(m, in.p, piece)) {
            in = str_from(in, piece);
            piece = way->rest ? way->rest : in.n;
        } else if (memconn_want(m) & CONN_WRITE) {
            memconn_turn(m);
        } else {
            break;
        }
        answer_promises(m);
    }
}

/* Runs a vector one way. reference: the output of the first way, filled in where it is empty. */
static bool run_way(const struct vector *v, const struct way *way, struct memtext *reference)
{
    struct memconn m;
    const char *out, *verdict, *unbalanced;
    bool ok;

    memconn_init(&m);
    m.limits = *limits_now;
    m.write_max = way->write_max;
    m.writes_max = way->writes_max;
    feed_input(&m, v->in, way);
    if (v->eof)
        memconn_eof(&m);
    answer_promises(&m);
    memconn_flush(&m);
    if (m.c && conn_state(m.c) == CONN_CLOSING)
        memconn_eof(&m);
    verdict = memconn_verdict(&m);
    out = memconn_undated(&m);
    if (!reference->p)
        memtext_add(reference, out, strlen(out));
    ok = SUITE_CHECK(strcmp(verdict, v->verdict) == 0, "%s, %s %zu: %s", v->name, way->name,
                     way->first, verdict)
        && SUITE_CHECK(strcmp(out, v->out ? v->out : reference->p) == 0, "%s, %s %zu: %s",
                       v->name, way->name, way->first, out);
    memconn_free(&m);
    unbalanced = memconn_unbalanced(&m);
    return SUITE_CHECK(unbalanced == NULL, "%s, %s %zu: %s", v->name, way->name, way->first,
                       unbalanced ? unbalanced : "") && ok;
}

/* Runs a vector in all ways, up to the first that fails. */
static void run_vector(const struct vector *v)
{
    static const struct way ways[] = {
        { "whole", 0, 0, 0, 0 },
        { "in bytes", 1, 1, 0, 0 },
        { "whole, written by 1", 0, 0, 1, 1 },
        { "whole, written by 7", 0, 0, 7, 1 },
        { "whole, written by 16", 0, 0, 16, 2 },
        { "in bytes, written by 1", 1, 1, 1, 1 },
        { "in sevens, written by 16", 7, 7, 16, 1 },
    };
    struct memtext reference = { 0 };
    bool ok = true;

    for (size_t i = 0; ok && i < COUNT(ways); i++)
        ok = run_way(v, &ways[i], &reference);
    for (size_t at = 1; ok && at < v->in.n; at++) {
        struct way cut = { "cut at", at, 0, 0, 0 }, slow = { "cut and slow at", at, 0, 7, 1 };

        ok = run_way(v, &cut, &reference) && run_way(v, &slow, &reference);
    }
    memtext_free(&reference);
}

/* Runs the vectors of a table. */
void run_vectors(const struct vector *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_vector(&v[i]);
}

/* The same with limits of their own. */
void run_limited(const struct vector *v, size_t count, const struct h1_limits *limits)
{
    limits_now = limits;
    run_vectors(v, count);
    limits_now = &memconn_limits;
}

/* Runs all suites. */
int main(void)
{
    CU_SuiteInfo suites[] = {
        { "answers", NULL, NULL, NULL, NULL, answer_tests },
        { "heads", NULL, NULL, NULL, NULL, head_tests },
        { "bodies", NULL, NULL, NULL, NULL, body_tests },
        { "limits", NULL, NULL, NULL, NULL, limit_tests },
        { "states", NULL, NULL, NULL, NULL, state_tests },
        { "streams", NULL, NULL, NULL, NULL, stream_tests },
        { "time", NULL, NULL, NULL, NULL, time_tests },
        { "shell", NULL, NULL, NULL, NULL, shell_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("pipeline", suites);
}
