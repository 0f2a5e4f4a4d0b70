/*
 * pool.c - threads that make variants.
 *
 * Work is taken in the order in which it was submitted, and whoever submits it waits for it in the
 * same order, so that a long one delays nothing but what would have to wait anyway.
 */
#include "prebuilt.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 256

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t submitted, done;
    struct render_work *first, **last; /* not begun */
    bool over;
    bool started;
    size_t wanted, count;
    pthread_t threads[THREADS_MAX];
    struct renderer *own;          /* of the thread that waits, where there is no other */
};

/* Takes the work that is next; NULL: the pool is over. Called with the lock held. */
static struct render_work *take(struct pool *pool)
{
    struct render_work *work;

    while (!pool->first && !pool->over)
        pthread_cond_wait(&pool->submitted, &pool->lock);
    if (pool->over)
        return NULL;
    work = pool->first;
    pool->first = work->next;
    if (!pool->first)
        pool->last = &pool->first;
    work->state = RENDER_RUNNING;
    return work;
}

/* What a thread does. */
static void *run(void *arg)
{
    struct pool *pool = arg;
    struct renderer *rd = renderer_new();
    struct render_work *work;

    pthread_mutex_lock(&pool->lock);
    while ((work = take(pool)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        if (rd)
            render_run(rd, work);
        else
            work->failed = true;
        pthread_mutex_lock(&pool->lock);
        work->state = RENDER_DONE;
        pthread_cond_broadcast(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    renderer_free(&rd);
    return NULL;
}

/*
 * Starts the threads. Signals are the business of the thread that there was before, so the new ones
 * block them all.
 */
static void start(struct pool *pool)
{
    sigset_t all, before;
    int error = 0;

    pool->started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->count < pool->wanted && error == 0) {
        error = pthread_create(&pool->threads[pool->count], NULL, run, pool);
        pool->count += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        slv_log(NULL, SLV_LOG_WARN, error, "pthread_create() failed, %zu of %zu threads compress",
                pool->count, pool->wanted);
}

/* Makes a pool. */
struct pool *pool_new(size_t threads)
{
    struct pool *pool = prebuilt_need(calloc(1, sizeof *pool));

    if (threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        threads = processors > 2 ? (size_t)processors / 2 : 1;
    }
    pool->wanted = threads < THREADS_MAX ? threads : THREADS_MAX;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->submitted, NULL);
    pthread_cond_init(&pool->done, NULL);
    return pool;
}

/* Ends a pool. */
void pool_free(struct pool **pool)
{
    struct pool *p = *pool;

    *pool = NULL;
    pthread_mutex_lock(&p->lock);
    p->over = true;
    pthread_cond_broadcast(&p->submitted);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->submitted);
    pthread_mutex_destroy(&p->lock);
    renderer_free(&p->own);
    free(p);
}

/* Takes new work. */
void pool_submit(struct pool *pool, struct render_work *work)
{
    if (!pool->started)
        start(pool);
    if (pool->count == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    work->next = NULL;
    work->state = RENDER_QUEUED;
    *pool->last = work;
    pool->last = &work->next;
    pthread_cond_signal(&pool->submitted);
    pthread_mutex_unlock(&pool->lock);
}

/* Waits until work is done. */
void pool_wait(struct pool *pool, struct render_work *work)
{
    if (pool->count == 0) {
        if (!pool->own)
            pool->own = prebuilt_need(renderer_new());
        render_run(pool->own, work);
        work->state = RENDER_DONE;
        return;
    }
    pthread_mutex_lock(&pool->lock);
    while (work->state != RENDER_DONE)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* The threads that run. */
size_t pool_threads(const struct pool *pool)
{
    return pool->count;
}
