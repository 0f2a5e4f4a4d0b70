/*
 * wheel.c - deadlines by the ten thousand for the price of a store.
 */
#include "base/wheel.h"

#include "base/check.h"

void wheel_init(struct wheel *w, ms_t now)
{
    w->now = now - now % WHEEL_TICK;
    w->entries = 0;
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
}

void wheel_entry_init(struct wheel_entry *e)
{
    list_init(&e->link);
    e->deadline = e->hung = MS_NEVER;
}

/* Hangs an entry into the slot of its deadline, or into the last one of this round. */
static void hang(struct wheel *w, struct wheel_entry *e)
{
    ms_t last = w->now + (ms_t)(WHEEL_SLOTS - 1) * WHEEL_TICK;
    ms_t at = e->deadline;

    /* Rounded up, and never into the slot that is being emptied now. */
    at = at >= last ? last : at - at % WHEEL_TICK + (at % WHEEL_TICK ? WHEEL_TICK : 0);
    if (at <= w->now)
        at = w->now + WHEEL_TICK;
    e->hung = at;
    list_add(&w->slots[(size_t)(at / WHEEL_TICK) % WHEEL_SLOTS], &e->link);
    w->entries++;
}

/* Takes an entry off its slot; its deadline stays. */
static void unhang(struct wheel *w, struct wheel_entry *e)
{
    AN(w->entries > 0);
    list_remove(&e->link);
    e->hung = MS_NEVER;
    w->entries--;
}

void wheel_remove(struct wheel *w, struct wheel_entry *e)
{
    if (e->hung != MS_NEVER)
        unhang(w, e);
    e->deadline = MS_NEVER;
}

void wheel_set(struct wheel *w, struct wheel_entry *e, ms_t deadline)
{
    if (deadline == MS_NEVER) {
        wheel_remove(w, e);
        return;
    }
    if (wheel_move(e, deadline))
        return;
    if (e->hung != MS_NEVER)
        unhang(w, e);
    e->deadline = deadline;
    hang(w, e);
}

void wheel_turn(struct wheel *w, ms_t now, void (*expired)(struct wheel_entry *e, void *arg),
                void *arg)
{
    const ms_t round = (ms_t)WHEEL_SLOTS * WHEEL_TICK;

    /* However long the sleep was, one look at each slot finds all that is due. */
    if (now - w->now > round)
        w->now = now - now % WHEEL_TICK - round;
    while (w->now + WHEEL_TICK <= now) {
        struct link *slot, fired;

        if (wheel_idle(w)) {
            w->now = now - now % WHEEL_TICK;
            return;
        }
        w->now += WHEEL_TICK;
        slot = &w->slots[(size_t)(w->now / WHEEL_TICK) % WHEEL_SLOTS];
        /* A list of our own, so that a callback may hang and remove what it likes. */
        list_init(&fired);
        while (!list_empty(slot)) {
            struct link *l = slot->next;

            list_remove(l);
            list_add(&fired, l);
        }
        while (!list_empty(&fired)) {
            struct wheel_entry *e = LIST_ITEM(fired.next, struct wheel_entry, link);

            unhang(w, e);
            if (e->deadline > w->now) {
                hang(w, e);
                continue;
            }
            e->deadline = MS_NEVER;
            expired(e, arg);
        }
    }
}
