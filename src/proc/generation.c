/*
 * generation.c - a configuration with the workers that serve it.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/mem.h"
#include "proc/clock.h"

#include <malloc.h>
#include <stdlib.h>

struct generation *generation_new(struct master *m, struct config *config)
{
    struct generation *g = mem_zalloc(sizeof *g);

    CHECK_OBJ(config, CONFIG_MAGIC);
    g->magic = GENERATION_MAGIC;
    g->config = config;
    g->number = config->generation = ++m->last_number;
    slots_init(&g->slots, (size_t)config->process->worker_processes, clock_now());
    list_add(&m->generations, &g->link);
    return g;
}

/* Frees one, which must have no process any more. */
static void generation_free(struct generation *g)
{
    CHECK_OBJ(g, GENERATION_MAGIC);
    list_remove(&g->link);
    slots_free(&g->slots);
    if (g->config)
        config_free(&g->config);
    g->magic = 0;
    free(g);
}

/* Does a process live that belongs to it? */
static bool has_process(const struct master *m, const struct generation *g)
{
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->generation == g)
            return true;
    return false;
}

void generations_collect(struct master *m)
{
    bool freed = false;

    LIST_EACH(at, after, &m->generations) {
        struct generation *g = LIST_ITEM(at, struct generation, link);

        if (g != m->serving && g != m->reload.generation && !has_process(m, g)) {
            generation_free(g);
            freed = true;
        }
    }
    /* The small blocks of a configuration leave a hole below its successor: free() keeps it. */
    if (freed)
        malloc_trim(0);
}

void generations_free(struct master *m)
{
    m->serving = m->reload.generation = NULL;
    LIST_EACH(at, after, &m->generations)
        generation_free(LIST_ITEM(at, struct generation, link));
    AN(list_empty(&m->generations));
}
