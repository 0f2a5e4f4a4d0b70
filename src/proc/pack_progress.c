/*
 * pack_progress.c - selvage-pack: what people see while an image is being made.
 *
 * A thread of its own draws, so that the seconds go on while one large file is compressed. It reads
 * two counters and writes whole lines with one call each.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define CLEAR_LINE "\r\033[K"      /* to the first column, and nothing in the line */

struct pack_progress {
    unsigned magic;
#define PACK_PROGRESS_MAGIC 0x9c70b4a2u
    bool quiet, terminal;
    uint64_t total;                /* files; 0: not known */
    struct timespec began;
    atomic_uint_fast64_t files, bytes;
    char summary[512];             /* the last line that the build said */

    pthread_t painter;
    bool painting;
    pthread_mutex_t lock;          /* of over */
    pthread_cond_t wake;
    bool over;
};

/* Standard error is a terminal that understands the simplest of commands. */
static bool is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* Whole seconds since the beginning. */
static long elapsed(const struct pack_progress *p)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(now.tv_sec - p->began.tv_sec) - (now.tv_nsec < p->began.tv_nsec);
}

/* Writes one line, or draws it over the last one. step counts the calls. */
static void draw(struct pack_progress *p, unsigned step)
{
    uint64_t files = atomic_load(&p->files), bytes = atomic_load(&p->bytes);
    /* Links to directories make more of them than were counted. */
    uint64_t total = files <= p->total ? p->total : 0;
    char line[256], bar[BAR_WIDTH + 1];
    unsigned full = total ? (unsigned)(files * BAR_WIDTH / total) : 0;
    int n;

    for (unsigned i = 0; i < BAR_WIDTH; i++)
        bar[i] = total ? (i < full ? '#' : '-') : (i == step % BAR_WIDTH ? '#' : '-');
    bar[BAR_WIDTH] = '\0';
    if (p->terminal)
        n = snprintf(line, sizeof line, CLEAR_LINE "[%s] ", bar);
    else
        n = snprintf(line, sizeof line, "selvage-pack: ");
    n += snprintf(line + n, sizeof line - (size_t)n, "%llu", (unsigned long long)files);
    if (total)
        n += snprintf(line + n, sizeof line - (size_t)n, " of %llu", (unsigned long long)total);
    n += snprintf(line + n, sizeof line - (size_t)n, " files, %llu MiB, %ld s%s",
                  (unsigned long long)bytes >> 20, elapsed(p), p->terminal ? "" : "\n");
    AN(n > 0 && (size_t)n < sizeof line);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}

/* The thread: draws ten times a second on a terminal, else once. */
static void *paint(void *arg)
{
    struct pack_progress *p;
    struct timespec next;
    unsigned step = 0;

    CAST_OBJ(p, arg, PACK_PROGRESS_MAGIC);
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&p->lock);
    while (!p->over) {
        next.tv_nsec += p->terminal ? 100 * 1000 * 1000 : 0;
        next.tv_sec += p->terminal ? next.tv_nsec / 1000000000 : 1;
        next.tv_nsec %= 1000000000;
        while (!p->over && pthread_cond_timedwait(&p->wake, &p->lock, &next) == 0)
            continue;
        if (!p->over)
            draw(p, step++);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Begins. */
struct pack_progress *pack_progress_begin(uint64_t total, bool quiet)
{
    struct pack_progress *p = mem_zalloc(sizeof *p);
    pthread_condattr_t attr;

    p->magic = PACK_PROGRESS_MAGIC;
    p->quiet = quiet;
    p->total = total;
    p->terminal = !quiet && is_terminal();
    clock_gettime(CLOCK_MONOTONIC, &p->began);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    /* Messages must not stand behind the bar. */
    if (p->terminal)
        log_set_name(CLEAR_LINE "selvage-pack");
    /* Without the thread there is an image all the same. */
    p->painting = !quiet && pthread_create(&p->painter, NULL, paint, p) == 0;
    return p;
}

/* Ends. */
void pack_progress_end(struct pack_progress **progress, bool good)
{
    struct pack_progress *p;

    TAKE_OBJ(p, progress, PACK_PROGRESS_MAGIC);
    pthread_mutex_lock(&p->lock);
    p->over = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->painting)
        pthread_join(p->painter, NULL);
    if (p->terminal) {
        log_set_name("selvage-pack");
        fputs(CLEAR_LINE, stderr);
    }
    if (good && !p->quiet && p->summary[0])
        pack_say("%s", p->summary);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    p->magic = 0;
    free(p);
}

/* The build said something; the last that it says is what came of it. */
void pack_progress_said(void *arg, const char *line)
{
    struct pack_progress *p;

    CAST_OBJ(p, arg, PACK_PROGRESS_MAGIC);
    snprintf(p->summary, sizeof p->summary, "%s", line);
}

/* An answer was added. */
void pack_progress_added(void *arg, uint64_t size)
{
    struct pack_progress *p;

    CAST_OBJ(p, arg, PACK_PROGRESS_MAGIC);
    atomic_fetch_add(&p->files, 1);
    atomic_fetch_add(&p->bytes, size);
}
