/*
 * slots.c - when a worker that has ended is started again.
 */
#include "proc/slots.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/wait.h>

void slots_init(struct slots *s, size_t count, ms_t now)
{
    AN(count > 0);
    *s = (struct slots){ .magic = SLOTS_MAGIC, .count = count };
    s->list = mem_zalloc(count * sizeof *s->list);
    for (size_t i = 0; i < count; i++)
        s->list[i].when = now;
}

void slots_free(struct slots *s)
{
    CHECK_OBJ(s, SLOTS_MAGIC);
    free(s->list);
    *s = (struct slots){ .magic = 0 };
}

/* The slot of that number. */
static struct slot *slot_of(const struct slots *s, size_t slot)
{
    CHECK_OBJ(s, SLOTS_MAGIC);
    AN(slot < s->count);
    return &s->list[slot];
}

void slots_started(struct slots *s, size_t slot, ms_t now)
{
    struct slot *at = slot_of(s, slot);

    AN(at->state == SLOT_WAITING);
    at->state = SLOT_RUNNING;
    at->ready = false;
    at->started = now;
}

/* Waits twice as long as the last time. */
static void back_off(struct slot *at, ms_t now)
{
    at->delay = at->delay ? at->delay * 2 : SLOT_DELAY_FIRST;
    if (at->delay > SLOT_DELAY_LONGEST)
        at->delay = SLOT_DELAY_LONGEST;
    at->when = now + at->delay;
}

void slots_failed(struct slots *s, size_t slot, ms_t now)
{
    struct slot *at = slot_of(s, slot);

    AN(at->state == SLOT_WAITING);
    back_off(at, now);
}

void slots_ready(struct slots *s, size_t slot)
{
    struct slot *at = slot_of(s, slot);

    AN(at->state == SLOT_RUNNING);
    at->ready = true;
}

enum slot_state slots_exited(struct slots *s, size_t slot, int status, ms_t now)
{
    struct slot *at = slot_of(s, slot);
    ms_t lived = now - at->started;

    AN(at->state == SLOT_RUNNING);
    AN(lived >= 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FATAL) {
        at->state = SLOT_GIVEN_UP;
        return at->state;
    }
    at->state = SLOT_WAITING;
    if (at->ready && lived >= SLOT_HEALTHY_AFTER) {
        at->healthy = true;
        at->delay = 0;
    }
    /* A worker that does not even get ready was not brought down by a visitor. */
    if (!at->ready || (lived < SLOT_QUICK_DEATH && !at->healthy && status != 0))
        back_off(at, now);
    else
        at->when = now;
    return at->state;
}

size_t slots_due(const struct slots *s, ms_t now)
{
    size_t i = 0;

    CHECK_OBJ(s, SLOTS_MAGIC);
    while (i < s->count && (s->list[i].state != SLOT_WAITING || s->list[i].when > now))
        i++;
    return i;
}

ms_t slots_next(const struct slots *s)
{
    ms_t next = MS_NEVER;

    CHECK_OBJ(s, SLOTS_MAGIC);
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].state == SLOT_WAITING && s->list[i].when < next)
            next = s->list[i].when;
    return next;
}

bool slots_settled(const struct slots *s)
{
    size_t ready = 0, given_up = 0;

    CHECK_OBJ(s, SLOTS_MAGIC);
    for (size_t i = 0; i < s->count; i++) {
        ready += s->list[i].state == SLOT_RUNNING && s->list[i].ready;
        given_up += s->list[i].state == SLOT_GIVEN_UP;
    }
    return ready > 0 && ready + given_up == s->count;
}

bool slots_all_given_up(const struct slots *s)
{
    CHECK_OBJ(s, SLOTS_MAGIC);
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].state != SLOT_GIVEN_UP)
            return false;
    return true;
}
