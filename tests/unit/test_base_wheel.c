/*
 * test_base_wheel.c - deadlines, with a clock that is turned by hand.
 */
#include "test_base.h"

#include "base/wheel.h"

#include <stdlib.h>

#define ENTRIES 500
#define YEAR ((ms_t)365 * 24 * 3600 * 1000)

/* An entry that knows what it was set to. */
struct timed {
    struct wheel_entry entry;
    ms_t set;                      /* MS_NEVER: not set */
    unsigned fired;
    struct timed *victim;          /* is taken out when this one fires */
    ms_t again;                    /* is set anew when it fires, by this much; 0: no */
};

static struct wheel wheel;
static struct timed timed[ENTRIES];
static ms_t now, before;         /* of this turn, and of the one before */
static unsigned early, late, unasked;

/* An entry fires: never early, nor when it should have in the turn before. */
static void on_expired(struct wheel_entry *e, void *arg)
{
    struct timed *t = (struct timed *)(void *)e;

    CU_ASSERT_PTR_EQUAL(arg, &wheel);
    unasked += t->set == MS_NEVER;
    early += t->set > now;
    late += t->set != MS_NEVER && t->set + WHEEL_TICK <= before;
    t->fired++;
    t->set = MS_NEVER;
    if (t->victim) {
        wheel_remove(&wheel, &t->victim->entry);
        t->victim->set = MS_NEVER;
    }
    if (t->again) {
        t->set = now + t->again;
        wheel_set(&wheel, e, t->set);
    }
}

/* A wheel at a moment, with all entries out of it. */
static void begin(ms_t at)
{
    now = before = at;
    early = late = unasked = 0;
    wheel_init(&wheel, now);
    for (size_t i = 0; i < ENTRIES; i++) {
        timed[i] = (struct timed){ .set = MS_NEVER };
        wheel_entry_init(&timed[i].entry);
    }
}

/* Sets an entry. */
static void set(size_t i, ms_t deadline)
{
    timed[i].set = deadline;
    wheel_set(&wheel, &timed[i].entry, deadline);
}

/* Turns the wheel on. */
static void turn(ms_t by)
{
    before = now;
    now += by;
    wheel_turn(&wheel, now, on_expired, &wheel);
}

/* Nothing went wrong so far. */
static void check_times(void)
{
    CU_ASSERT_EQUAL(early, 0);
    CU_ASSERT_EQUAL(late, 0);
    CU_ASSERT_EQUAL(unasked, 0);
}

/* One entry: when it fires, to the tick. */
static void test_one(void)
{
    static const ms_t spans[] = { 0, 1, 99, 100, 101, 5000, 102300, 102400, 102500, 500000 };

    for (size_t i = 0; i < COUNT(spans); i++) {
        begin(1234567);
        CU_ASSERT_TRUE(wheel_idle(&wheel));
        set(0, now + spans[i]);
        CU_ASSERT_FALSE(wheel_idle(&wheel));
        for (ms_t left = spans[i]; left > 0; left -= 50) {
            SUITE_CHECK(timed[0].fired == 0, "%lld", (long long)spans[i]);
            turn(left < 50 ? left : 50);
        }
        turn(WHEEL_TICK);
        SUITE_CHECK(timed[0].fired == 1, "%lld", (long long)spans[i]);
        CU_ASSERT_TRUE(wheel_idle(&wheel));
        turn(1000000);
        CU_ASSERT_EQUAL(timed[0].fired, 1);
        check_times();
    }
}

/* Deadlines that are moved: later, earlier, into the past, away. */
static void test_moved(void)
{
    begin(5000);
    set(0, now + 1000);
    set(0, now + 3000);
    turn(2000);
    CU_ASSERT_EQUAL(timed[0].fired, 0);
    turn(1100);
    CU_ASSERT_EQUAL(timed[0].fired, 1);
    set(0, now + 50000);
    set(0, now + 200);
    turn(300);
    CU_ASSERT_EQUAL(timed[0].fired, 2);
    set(0, now - 4000);
    timed[0].set = now;
    turn(WHEEL_TICK);
    CU_ASSERT_EQUAL(timed[0].fired, 3);
    set(0, now + 1000);
    set(0, MS_NEVER);
    CU_ASSERT_TRUE(wheel_idle(&wheel));
    CU_ASSERT_EQUAL(timed[0].entry.deadline, MS_NEVER);
    set(0, MS_NEVER);
    wheel_remove(&wheel, &timed[0].entry);
    turn(100000);
    CU_ASSERT_EQUAL(timed[0].fired, 3);
    check_times();
}

/* Entries that are taken out and set anew by those that fire with them. */
static void test_callbacks(void)
{
    begin(0);
    for (size_t i = 0; i < 10; i++)
        set(i, 1000);
    /* Whichever comes first takes its neighbour out. */
    timed[0].victim = &timed[1];
    timed[3].victim = &timed[2];
    timed[5].victim = &timed[5];
    timed[7].again = 500;
    timed[8].again = 1;
    timed[9].victim = &timed[0];
    turn(1100);
    CU_ASSERT_EQUAL(timed[0].fired + timed[1].fired, 1);
    CU_ASSERT(timed[3].fired == 1 && timed[2].fired <= 1);
    CU_ASSERT(timed[4].fired == 1 && timed[5].fired == 1 && timed[6].fired == 1);
    CU_ASSERT_EQUAL(timed[7].fired, 1);
    timed[8].again = 0;
    turn(1000);
    CU_ASSERT_EQUAL(timed[7].fired, 2);
    CU_ASSERT(timed[8].fired >= 2);
    timed[7].again = 0;
    turn(1000);
    CU_ASSERT_TRUE(wheel_idle(&wheel));
    check_times();
}

/* A step of the wheel by chance: an entry set, moved or taken out, then time. */
static void random_step(unsigned *seed, ms_t longest)
{
    size_t i = (size_t)rand_r(seed) % ENTRIES;
    ms_t span = (ms_t)((double)rand_r(seed) / RAND_MAX * (double)longest);

    if (rand_r(seed) % 8 == 0)
        set(i, MS_NEVER);
    else
        set(i, now + span);
    turn(rand_r(seed) % 300);
}

/* A crowd of entries, by chance: each fires in time. */
static void test_crowd(void)
{
    unsigned seed = 1;

    begin(987654321);
    for (int i = 0; i < 100000; i++)
        random_step(&seed, i % 100 ? 60000 : 10000000);
    turn(20000000);
    check_times();
    CU_ASSERT_TRUE(wheel_idle(&wheel));
}

/* A year: entries every minute, every day, and one at its end. */
static void test_year(void)
{
    begin(0);
    set(0, YEAR);
    set(1, 60000);
    timed[1].again = 60000;
    set(2, (ms_t)24 * 3600 * 1000);
    timed[2].again = (ms_t)24 * 3600 * 1000;
    while (now < YEAR + 1000)
        turn(WHEEL_TICK * 7);
    CU_ASSERT_EQUAL(timed[0].fired, 1);
    CU_ASSERT(timed[1].fired > 520000 && timed[1].fired <= 365 * 24 * 60);
    CU_ASSERT(timed[2].fired == 364 || timed[2].fired == 365);
    check_times();
}

/* A clock that leaps by years, as after a suspend: all that is due fires, in one round. */
static void test_leap(void)
{
    begin(100);
    for (size_t i = 0; i < ENTRIES; i++)
        set(i, (ms_t)(i + 1) * 1000000);
    turn(YEAR * 50);
    for (size_t i = 0; i < ENTRIES; i++)
        if (timed[i].fired != 1)
            SUITE_CHECK(false, "%zu fired %u times", i, timed[i].fired);
    check_times();
    CU_ASSERT_TRUE(wheel_idle(&wheel));
    set(0, now + 300);
    set(1, now + YEAR);
    turn(400);
    CU_ASSERT_EQUAL(timed[0].fired, 2);
    CU_ASSERT_EQUAL(timed[1].fired, 1);
    turn(YEAR - 500);
    CU_ASSERT_EQUAL(timed[1].fired, 1);
    turn(200);
    CU_ASSERT_EQUAL(timed[1].fired, 2);
}

/* The same deadline again, or another one of its slot, is a store; an earlier one is not. */
static void test_same_slot(void)
{
    struct wheel_entry *e = &timed[0].entry;
    const ms_t slot = 5000 + 3 * WHEEL_TICK;

    begin(5000);
    CU_ASSERT_FALSE(wheel_move(e, slot - 50));
    set(0, slot - 50);
    CU_ASSERT(wheel_move(e, slot - 50));
    CU_ASSERT(wheel_move(e, slot - WHEEL_TICK + 1) && e->deadline == slot - WHEEL_TICK + 1);
    CU_ASSERT_FALSE(wheel_move(e, slot - WHEEL_TICK));
    CU_ASSERT(wheel_move(e, slot));
    turn(slot - 1 - now);
    CU_ASSERT_FALSE(wheel_idle(&wheel));
    timed[0].set = slot;
    turn(1);
    CU_ASSERT(timed[0].fired == 1 && wheel_idle(&wheel));
    CU_ASSERT_FALSE(wheel_move(e, slot));
    check_times();
}

CU_TestInfo wheel_tests[] = {
    { "one deadline", test_one },
    { "moved deadlines", test_moved },
    { "callbacks", test_callbacks },
    { "a crowd", test_crowd },
    { "a year", test_year },
    { "leaps", test_leap },
    { "the same slot", test_same_slot },
    CU_TEST_INFO_NULL
};
