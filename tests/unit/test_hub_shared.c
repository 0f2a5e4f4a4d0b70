/*
 * test_hub_shared.c - a hub whose messages are numbered by a server: the outbox, and what comes
 * back; and a region that another program goes on with.
 */
#include "test_hub.h"

#include "core/hub_outbox.h"
#include "core/hub_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A small hub with an outbox, in seat 0 of 4; the server is there. */
static struct hub *make(size_t ring, size_t queue)
{
    struct hub_options o = { .channels = 8, .seats = 4, .queue = queue };
    struct hub *h;

    o.size = hub_least(8, 4) + ring;
    h = hub_new(&o);
    CU_ASSERT_FATAL(h != NULL && hub_sit(h, 0) && hub_is_shared(h));
    hub_outbox_link(h, true);
    return h;
}

/* Puts a message where the server has numbered it. */
static enum slv_hub_result put(struct hub *h, const char *channel, uint64_t id, const char *text)
{
    struct slv_hub_post post = { .channel = str_of(channel), .data = str_of(text) };

    return hub_place_message(h, &post, id, (int64_t)id, &hub_unbounded, 0);
}

/* Reads the next message, whose id and text are known. */
static void expect(struct hub *h, struct hub_place *place, uint64_t id, const char *text)
{
    struct slv_hub_message m;

    CU_ASSERT_FATAL(hub_next(h, place, &m, NULL) == SLV_HUB_MESSAGE);
    SUITE_CHECK(m.id == id && str_eq(m.data, str_of(text)) && m.time == (int64_t)id,
                "%llu %.*s, wanted %llu %s", (unsigned long long)m.id, STR_ARG(m.data),
                (unsigned long long)id, text);
    hub_rest(h);
}

/* What is expected of the next reading, where it is no message. */
static void expect_no(struct hub *h, struct hub_place *place, enum slv_hub_read wanted)
{
    struct slv_hub_message m;

    CU_ASSERT(hub_next(h, place, &m, NULL) == wanted);
}

/* A channel begins where its first message says; what comes twice is there once. */
static void test_placed(void)
{
    struct hub *h = make(65536, 65536);
    struct hub_place now = hub_listen(h, "c", SLV_HUB_NOW), all = hub_listen(h, "c", SLV_HUB_ALL);
    struct hub_place seen = hub_listen(h, "c", 1001);

    CU_ASSERT(now.id == 0);
    expect_no(h, &now, SLV_HUB_NOTHING);
    expect_no(h, &seen, SLV_HUB_NOTHING);
    for (int i = 0; i < 3; i++)
        for (int again = 0; again < 2; again++)
            CU_ASSERT(put(h, "c", 1000 + (uint64_t)i, i ? "x" : "first") == SLV_HUB_OK);
    expect(h, &now, 1000, "first");
    expect(h, &all, 1000, "first");
    expect(h, &seen, 1002, "x");
    expect(h, &now, 1001, "x");
    expect(h, &now, 1002, "x");
    expect_no(h, &now, SLV_HUB_NOTHING);
    CU_ASSERT(put(h, "c", 0, "x") == SLV_HUB_BAD_TEXT && put(h, "c", 1, "x") == SLV_HUB_OK);
    CU_ASSERT(put(h, "a b", 1, "x") == SLV_HUB_BAD_NAME);
    expect_no(h, &now, SLV_HUB_NOTHING);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Who has seen more than this machine waits; who has seen what cannot be hears of a gap. */
static void test_ahead(void)
{
    struct hub *h = make(65536, 65536);
    struct hub_place near, far, before;

    CU_ASSERT(put(h, "c", 50, "a") == SLV_HUB_OK);
    near = hub_listen(h, "c", 52);
    far = hub_listen(h, "c", UINT64_C(1) << 40);
    before = hub_listen(h, "c", 7);
    expect_no(h, &near, SLV_HUB_NOTHING);
    expect_no(h, &far, SLV_HUB_GAP);
    expect_no(h, &before, SLV_HUB_GAP);
    expect(h, &far, 50, "a");
    expect(h, &before, 50, "a");
    for (uint64_t id = 51; id <= 53; id++) {
        expect_no(h, &near, SLV_HUB_NOTHING);
        CU_ASSERT(put(h, "c", id, "b") == SLV_HUB_OK);
    }
    expect(h, &near, 53, "b");
    expect_no(h, &near, SLV_HUB_NOTHING);
    hub_free(&h);
}

/* A hole in the numbers is a gap for all, and what was before it is gone. */
static void test_hole(void)
{
    struct hub *h = make(65536, 65536);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW), old;
    struct slv_hub_presence p;

    put(h, "c", 10, "a");
    put(h, "c", 11, "b");
    old = hub_listen(h, "c", 10);
    expect(h, &place, 10, "a");
    expect(h, &place, 11, "b");
    CU_ASSERT(put(h, "c", 20, "c") == SLV_HUB_OK);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    expect_no(h, &place, SLV_HUB_GAP);
    expect(h, &place, 20, "c");
    /* One that is on its way goes to the edge first, as long as the ring has it. */
    expect(h, &old, 11, "b");
    expect_no(h, &old, SLV_HUB_GAP);
    expect(h, &old, 20, "c");
    CU_ASSERT(put(h, "c", 21, "d") == SLV_HUB_OK);
    expect(h, &old, 21, "d");
    hub_presence(h, STR("c"), &hub_unbounded, 0, &p);
    CU_ASSERT(p.messages == 2 && p.last_id == 21);
    /* Rounds of the ring: what is of the channel's earlier life goes without harm. */
    for (uint64_t id = 100; id < 2000; id += 1 + id % 3)
        CU_ASSERT(put(h, "c", id, "0123456789012345678901234567890123456789") == SLV_HUB_OK);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

static uint64_t next_id;

/* The process places a message. */
static void place_words(struct hub *h)
{
    if (put(h, "c", next_id, "dying words") != SLV_HUB_OK)
        _exit(1);
}

/* The process puts one into the outbox. */
static void post_words(struct hub *h)
{
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("dying words") };
    uint64_t number;

    if (hub_outbox_put(h, &post, 0, &number) != SLV_HUB_OK)
        _exit(1);
}

/* The relay is killed at every step of placing, with and without holes; then it places again. */
static void test_kill_placing(void)
{
    struct hub *h = make(16384, 65536);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    struct slv_hub_message m;
    unsigned long step = 1, deaths = 0;

    next_id = 100;
    for (int round = 0; round < 60; round++) {
        bool died = hub_killed_at(h, step, place_words);
        enum slv_hub_read got;

        SUITE_CHECK(hub_flaw(h) == NULL, "step %lu: %s", step, hub_flaw(h));
        CU_ASSERT(put(h, "c", next_id, "dying words") == SLV_HUB_OK);
        got = hub_next(h, &place, &m, NULL);
        if (got == SLV_HUB_GAP)
            got = hub_next(h, &place, &m, NULL);
        SUITE_CHECK(got == SLV_HUB_MESSAGE && m.id == next_id, "step %lu: %d", step, got);
        expect_no(h, &place, SLV_HUB_NOTHING);
        hub_rest(h);
        next_id += round % 2 ? 1 : 7;
        step = died ? step + 1 : 1;
        deaths += died;
    }
    CU_ASSERT(deaths > 30);
    hub_free(&h);
}

/* Letters come out as they went in, and their outcomes are known to those who put them in. */
static void test_letters(void)
{
    struct hub *h = make(65536, 4096);
    struct slv_hub_post post = {
        .channel = STR("room"), .event = STR("e"), .type = STR("image/png"),
        .kind = SLV_HUB_BINARY, .data = { "\0\1\2", 3 }
    };
    uint64_t first = 0, number, id, at = 0, last;
    enum slv_hub_result result;
    struct hub_letter l;

    CU_ASSERT_FALSE(hub_outbox_next(h, &at, &l));
    for (int round = 0; round < 500; round++) {
        CU_ASSERT_FATAL(hub_outbox_put(h, &post, 0, &number) == SLV_HUB_OK);
        first = first ? first : number;
        CU_ASSERT(number == first + (uint64_t)round);
        CU_ASSERT_FALSE(hub_outbox_outcome(h, number, &result, &id));
        at = 0;
        CU_ASSERT_FATAL(hub_outbox_next(h, &at, &l));
        CU_ASSERT(l.number == number && l.post.kind == SLV_HUB_BINARY);
        CU_ASSERT(str_eq(l.post.channel, post.channel) && str_eq(l.post.event, post.event));
        CU_ASSERT(str_eq(l.post.type, post.type) && str_eq(l.post.data, post.data));
        CU_ASSERT_FALSE(hub_outbox_next(h, &at, &l));
        hub_outbox_settle(h, round == 7 ? HUB_LETTER_REFUSED : 1000 + number);
        CU_ASSERT(hub_outbox_outcome(h, number, &result, &id));
        CU_ASSERT(result == (round == 7 ? SLV_HUB_AWAY : SLV_HUB_OK));
        CU_ASSERT(round == 7 || id == 1000 + number);
        post.data.n = (size_t)round % 4;
    }
    /* Full, and no more than full. */
    for (last = number; (result = hub_outbox_put(h, &post, 0, &number)) == SLV_HUB_OK; last++)
        CU_ASSERT_FATAL(number == last + 1);
    CU_ASSERT(result == SLV_HUB_FULL && last > first + 510);
    hub_outbox_settle(h, 1);
    CU_ASSERT(hub_outbox_put(h, &post, 0, &number) == SLV_HUB_OK);
    hub_outbox_link(h, false);
    CU_ASSERT(hub_outbox_put(h, &post, 0, &number) == SLV_HUB_AWAY);
    post.channel = STR("");
    CU_ASSERT(hub_outbox_put(h, &post, 0, &number) == SLV_HUB_BAD_NAME);
    hub_free(&h);
}

/* Whoever dies putting a letter in leaves it whole or not at all, and the next ones are there. */
static void test_kill_letter(void)
{
    struct hub *h = make(65536, 2048);
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("alive") };
    unsigned long step = 1;
    uint64_t number, at;
    struct hub_letter l;
    bool died = true;

    for (int round = 0; round < 200; round++, step = died ? step + 1 : 1) {
        unsigned n = 0;

        died = hub_killed_at(h, step, post_words);
        CU_ASSERT_FATAL(hub_outbox_put(h, &post, 0, &number) == SLV_HUB_OK);
        for (at = 0; hub_outbox_next(h, &at, &l); at = 0, n++) {
            SUITE_CHECK(str_eq(l.post.data, STR("alive"))
                        || str_eq(l.post.data, STR("dying words")),
                        "step %lu: %.*s", step, STR_ARG(l.post.data));
            hub_outbox_settle(h, 5);
        }
        SUITE_CHECK((n == 1 || n == 2) && l.number == number, "step %lu: %u letters", step, n);
    }
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

struct waiter {
    struct slv_hub_posting posting;
    enum slv_hub_result result;
    uint64_t id;
    unsigned calls;
};

/* struct slv_hub_posting: done */
static void done(struct slv_hub_posting *p, enum slv_hub_result result, uint64_t id)
{
    struct waiter *w = (struct waiter *)(void *)p;

    w->result = result;
    w->id = id;
    w->calls++;
}

/* A worker hears of its own letters, when they have been settled and it is woken. */
static void test_waiting(void)
{
    struct hub *h = make(65536, 65536);
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("x") };
    struct waiter w[3] = { { .calls = 0 } };
    struct pollfd p;
    uint64_t id;

    hub_use(h, &hub_unbounded);
    p = (struct pollfd){ .fd = hub_wake_fd(h), .events = POLLIN };
    for (int i = 0; i < 3; i++) {
        w[i].posting.done = done;
        CU_ASSERT(slv_hub_post(&w[i].posting, &post, &id) == SLV_HUB_LATER);
    }
    CU_ASSERT(poll(&p, 1, 0) == 0);
    slv_hub_post_forget(&w[1].posting);
    slv_hub_post_forget(&w[1].posting);
    hub_outbox_settle(h, 77);
    hub_outbox_settle(h, 78);
    CU_ASSERT(poll(&p, 1, 0) == 1);
    hub_woken(h);
    CU_ASSERT(w[0].calls == 1 && w[0].result == SLV_HUB_OK && w[0].id == 77);
    CU_ASSERT(w[1].calls == 0 && w[2].calls == 0);
    hub_outbox_settle(h, HUB_LETTER_REFUSED);
    hub_woken(h);
    CU_ASSERT(w[2].calls == 1 && w[2].result == SLV_HUB_AWAY);
    CU_ASSERT(slv_hub_publish(&post, &id) == SLV_HUB_OK && id == 0);
    hub_unuse();
    hub_free(&h);
}

/* Another program goes on with a region, in the other half of the seats; or is told why not. */
static void test_left(void)
{
    struct hub_options o = { .size = hub_least(8, 8), .channels = 8, .seats = 8 }, has;
    struct hub *old = hub_new(&o), *h;
    struct hub_place place;
    enum slv_hub_result result;
    const char *why = NULL;
    uint64_t id;
    char *text;

    CU_ASSERT_FATAL(old != NULL && hub_sit(old, hub_seat_for(old, 1)));
    id = hub_say(old, "c", "before", &result);
    text = hub_bequeath(old);
    o.channels = 100;
    o.size = hub_least(100, 8);
    h = hub_adopt(text, &o, &why);
    CU_ASSERT_FATAL(h != NULL);
    hub_sizes(h, &has);
    CU_ASSERT(has.channels == 8 && has.seats == 8 && has.size == hub_least(8, 8) && !has.queue);
    CU_ASSERT(hub_seat_for(old, 3) == 3 && hub_seat_for(old, 4) == UINT32_MAX);
    CU_ASSERT(hub_seat_for(h, 3) == 7 && hub_seat_for(h, 4) == UINT32_MAX);
    CU_ASSERT_FATAL(hub_sit(h, hub_seat_for(h, 0)));
    place = hub_listen(h, "c", SLV_HUB_ALL);
    CU_ASSERT(hub_say(old, "c", "between", &result) == id + 1);
    CU_ASSERT(hub_say(h, "c", "after", &result) == id + 2);
    for (uint64_t k = 0; k < 3; k++) {
        struct slv_hub_message m;

        CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.id == id + k);
    }
    free(text);
    CU_ASSERT_PTR_NULL(hub_adopt("", &o, &why));
    CU_ASSERT_STRING_EQUAL(why, "its descriptors are missing");
    hub_free(&h);
    hub_free(&old);
}

/* A region of another layout, or of a hub with another backend, is none to go on with. */
static void test_unfit(void)
{
    struct hub_options o = { .size = hub_least(8, 8), .channels = 8, .seats = 8 };
    const char *why = NULL;

    for (int i = 0; i < 2; i++) {
        struct hub *h = hub_new(&o);
        char *text = hub_bequeath(h);
        int fd = atoi(text);

        if (i == 0) {
            CU_ASSERT(pwrite(fd, "\xff\xff\xff\xff", 4, 0) == 4);
        } else {
            o.queue = 65536;
        }
        CU_ASSERT_PTR_NULL(hub_adopt(text, &o, &why));
        CU_ASSERT_STRING_EQUAL(why, i ? "hub_backend is another one" : "it has another layout");
        free(text);
        hub_free(&h);
    }
}

CU_TestInfo hub_shared_tests[] = {
    { "placed", test_placed },
    { "ahead", test_ahead },
    { "hole", test_hole },
    { "killed while it places", test_kill_placing },
    { "letters", test_letters },
    { "killed while it puts a letter in", test_kill_letter },
    { "waiting", test_waiting },
    { "left to another program", test_left },
    { "unfit", test_unfit },
    CU_TEST_INFO_NULL
};
