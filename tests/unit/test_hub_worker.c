/*
 * test_hub_worker.c - those who listen in one worker: woken, in turn; and what they read.
 */
#include "test_hub.h"

#include "core/hub_worker.h"

#include <poll.h>
#include <stdlib.h>

#define MANY 1500



struct listener {
    struct slv_hub_subscriber subscriber;
    unsigned woken;
};

/* struct slv_hub_subscriber: news */
static void news(struct slv_hub_subscriber *s)
{
    ((struct listener *)(void *)s)->woken++;
}

/* The hub wants to be looked at. */
static bool is_readable(struct hub *h)
{
    struct pollfd p = { .fd = hub_wake_fd(h), .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

/* Publishes by the function for modules. */
static uint64_t post(const char *channel, const char *text)
{
    struct slv_hub_post p = { .channel = str_of(channel), .data = str_of(text) };
    uint64_t id = 0;

    CU_ASSERT(slv_hub_publish(&p, &id) == SLV_HUB_OK);
    return id;
}

/* All who listen are woken once for a message, not all in one go; others are not. */
static void test_waking(void)
{
    struct listener *all = calloc(MANY + 1, sizeof *all);
    struct hub *h = hub_make(8, 65536);
    unsigned rounds = 0;

    CU_ASSERT_FATAL(all != NULL);
    hub_use(h, &hub_unbounded);
    for (int i = 0; i <= MANY; i++) {
        all[i].subscriber.news = news;
        CU_ASSERT(hub_subscribe(&all[i].subscriber, i < MANY ? STR("c") : STR("d"),
                                    SLV_HUB_NOW, 0, hub_any) == SLV_HUB_OK);
    }
    CU_ASSERT_FALSE(is_readable(h));
    post("c", "one");
    for (; is_readable(h); rounds++)
        hub_woken(h);
    CU_ASSERT(rounds >= 3);
    for (int i = 0; i < MANY; i++)
        CU_ASSERT(all[i].woken == 1);
    CU_ASSERT(all[MANY].woken == 0);
    /* A second message comes when some have been woken for the first. */
    post("c", "two");
    hub_woken(h);
    post("c", "three");
    while (is_readable(h))
        hub_woken(h);
    for (int i = 0; i < MANY; i++)
        CU_ASSERT(all[i].woken == 2 || all[i].woken == 3);
    for (int i = 0; i <= MANY; i++)
        slv_hub_unsubscribe(&all[i].subscriber);
    slv_hub_unsubscribe(&all[0].subscriber);
    hub_unuse();
    hub_free(&h);
    free(all);
}

/* What one reads, the others at the same place read, too; nobody believes what is old. */
static void test_reading(void)
{
    struct listener a = { { .news = news }, 0 }, b = { { .news = news }, 0 };
    struct hub *h = hub_make(8, 65536);
    struct slv_hub_message m, n;
    uint64_t id, begin;

    hub_use(h, &hub_unbounded);
    begin = post("c", "zero");
    CU_ASSERT(hub_subscribe(&a.subscriber, STR("c"), SLV_HUB_NOW, 0, hub_any) == SLV_HUB_OK);
    CU_ASSERT(slv_hub_next(&a.subscriber, &m) == SLV_HUB_NOTHING);
    /* It goes, and nobody is told of the next message; whoever comes then must find it. */
    slv_hub_unsubscribe(&a.subscriber);
    id = post("c", "one");
    CU_ASSERT_FALSE(is_readable(h));
    CU_ASSERT(hub_subscribe(&b.subscriber, STR("c"), begin, 0, hub_any) == SLV_HUB_OK);
    CU_ASSERT(slv_hub_next(&b.subscriber, &m) == SLV_HUB_MESSAGE && m.id == id);
    CU_ASSERT(hub_subscribe(&a.subscriber, STR("c"), begin, 0, hub_any) == SLV_HUB_OK);
    CU_ASSERT(slv_hub_next(&a.subscriber, &n) == SLV_HUB_MESSAGE && n.id == id);
    CU_ASSERT(n.data.p == m.data.p && str_eq(n.data, STR("one")));
    CU_ASSERT(slv_hub_position(&a.subscriber) == id && slv_hub_lag(&a.subscriber) == 0);
    /* Who has read everything looks again when it has been told. */
    id = post("c", "two");
    hub_turn_over();
    CU_ASSERT(slv_hub_next(&a.subscriber, &m) == SLV_HUB_NOTHING);
    hub_woken(h);
    CU_ASSERT(a.woken == 1 && b.woken == 1);
    CU_ASSERT(slv_hub_next(&a.subscriber, &m) == SLV_HUB_MESSAGE && m.id == id);
    CU_ASSERT(slv_hub_next(&a.subscriber, &m) == SLV_HUB_NOTHING);
    CU_ASSERT(slv_hub_lag(&b.subscriber) == 3);
    /* In one turn of the loop: nothing is there, then something is, and all are told. */
    slv_hub_unsubscribe(&b.subscriber);
    CU_ASSERT(hub_subscribe(&b.subscriber, STR("c"), SLV_HUB_NOW, 0, hub_any) == SLV_HUB_OK);
    CU_ASSERT(slv_hub_next(&b.subscriber, &m) == SLV_HUB_NOTHING);
    id = post("c", "four");
    hub_woken(h);
    CU_ASSERT(slv_hub_next(&a.subscriber, &m) == SLV_HUB_MESSAGE && m.id == id);
    CU_ASSERT(slv_hub_next(&b.subscriber, &m) == SLV_HUB_MESSAGE && m.id == id);
    slv_hub_unsubscribe(&a.subscriber);
    slv_hub_unsubscribe(&b.subscriber);
    hub_unuse();
    hub_free(&h);
}

/* Without a hub everything is refused. */
static void test_none(void)
{
    struct listener a = { { .news = news }, 0 };
    struct slv_hub_post p = { .channel = STR("c") };
    struct slv_hub_presence presence;
    uint64_t id;

    CU_ASSERT(slv_hub_publish(&p, &id) == SLV_HUB_OFF);
    CU_ASSERT(hub_subscribe(&a.subscriber, STR("c"), SLV_HUB_NOW, 0, hub_any) == SLV_HUB_OFF);
    CU_ASSERT(slv_hub_presence(STR("c"), &presence) == SLV_HUB_OFF);
    slv_hub_unsubscribe(&a.subscriber);
}

CU_TestInfo hub_worker_tests[] = {
    { "waking", test_waking },
    { "reading", test_reading },
    { "none", test_none },
    CU_TEST_INFO_NULL
};
