/*
 * test_hub_death.c - the hub among processes: those that work at the same time, and those that are
 * killed at any step.
 */
#include "test_hub.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A client may have one subscription. */
static const struct slv_hub_most once = { .client = 1 };

/* The step at which a process kills itself. */
static unsigned long steps_left;

/* hub_trace(): counts down to the end. */
static void count_down(void *arg)
{
    (void)arg;
    if (--steps_left == 0)
        kill(getpid(), SIGKILL);
}

bool hub_killed_at(struct hub *h, unsigned long step, void (*work)(struct hub *h))
{
    int status;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        steps_left = step;
        hub_trace(h, count_down, NULL);
        work(h);
        _exit(0);
    }
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status)) {
        CU_ASSERT_FATAL(WTERMSIG(status) == SIGKILL);
        return true;
    }
    CU_ASSERT_FATAL(WEXITSTATUS(status) == 0);
    return false;
}

/* A message with text of some length on the channel that everybody listens to. */
static void publish_one(struct hub *h)
{
    static char text[3001];
    enum slv_hub_result result;

    memset(text, 'x', sizeof text - 1);
    text[getpid() % 3000] = '\0';
    if (!hub_say(h, "c", text, &result))
        _exit(1);
}

/* As short as can be. */
static void publish_short(struct hub *h)
{
    enum slv_hub_result result;

    if (!hub_say(h, "c", "short", &result))
        _exit(1);
}

/* On a channel whose name is new. */
static void publish_new(struct hub *h)
{
    enum slv_hub_result result;
    char name[32];

    snprintf(name, sizeof name, "new-%d", (int)getpid());
    if (!hub_say(h, name, "hello", &result))
        _exit(1);
}

/* Takes a seat and looks through its news, as a worker that begins. */
static void sit_down(struct hub *h)
{
    struct slv_hub_presence p;

    if (!hub_sit(h, 2) || hub_presence(h, STR("c"), &hub_unbounded, 0, &p) != SLV_HUB_OK)
        _exit(1);
}

/* Reads all there is; every message is whole and has the next id. Returns how many. */
static unsigned read_all(struct hub *h, struct hub_place *place)
{
    struct slv_hub_message m;
    uint64_t id = place->id;
    unsigned n = 0;

    while (hub_next(h, place, &m, NULL) == SLV_HUB_MESSAGE) {
        CU_ASSERT(m.id == id + 1 && m.sse.n > m.data.n);
        id = m.id;
        n++;
    }
    hub_rest(h);
    return n;
}

/* What the survivors find after each death: nothing broken, nothing lost, nothing twice. */
static void look(struct hub *h, struct hub_place *place, unsigned long step, unsigned most)
{
    enum slv_hub_result result;
    const char *flaw = hub_flaw(h);
    uint64_t id;
    unsigned n;

    SUITE_CHECK(flaw == NULL, "step %lu: %s", step, flaw ? flaw : "");
    n = read_all(h, place);
    SUITE_CHECK(n <= most, "step %lu: %u messages", step, n);
    id = hub_say(h, "c", "after", &result);
    SUITE_CHECK(id == place->id + 1, "step %lu: the next id", step);
    SUITE_CHECK(read_all(h, place) == 1, "step %lu: the next message", step);
}

/* Kills work(h) at each of its steps; returns how many there are. */
static unsigned long kill_everywhere(struct hub *h, void (*work)(struct hub *h))
{
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    unsigned long step = 1;

    while (hub_killed_at(h, step, work)) {
        look(h, &place, step, 1);
        step++;
        CU_ASSERT_FATAL(step < 20000);
    }
    look(h, &place, step, 1);
    hub_leave(h, &place);
    return step - 1;
}

/* A publisher killed at every step, in a ring that has room and in one that has none. */
static void test_kill_publisher(void)
{
    struct hub *h = hub_make(8, 65536);
    struct hub_figures before, after;
    unsigned long steps;

    steps = kill_everywhere(h, publish_one);
    CU_ASSERT(steps > 10);
    hub_figures(h, &before);
    while (before.ring_used + 8192 < before.ring_size) {
        publish_one(h);
        hub_figures(h, &before);
    }
    for (int i = 0; i < 10; i++)
        kill_everywhere(h, i % 2 ? publish_one : publish_short);
    hub_figures(h, &after);
    CU_ASSERT(after.repaired > before.repaired + 50 && after.dropped > before.dropped);
    hub_free(&h);
}

/* hub_each(): nothing. */
static void pass_over(void *arg, struct str name, const struct slv_hub_presence *p)
{
    (void)arg;
    CU_ASSERT(name.n > 0 && p->messages == 0);
}

/* The same where the channel is made, first with room for more, then in the place of another. */
static void test_kill_maker(void)
{
    struct hub *h = hub_make(4, 65536);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);

    for (int round = 0; round < 4; round++) {
        unsigned long step = 1;

        while (hub_killed_at(h, step, publish_new)) {
            look(h, &place, step++, 0);
            /* What has been published there gets old, so that its channel can be had. */
            hub_each(h, &(struct hub_bounds){ .age = 1 }, 1000, pass_over, NULL);
        }
        CU_ASSERT(step > 10);
    }
    hub_free(&h);
}

/* hub_take_news(): notes that there was some. */
static void note(void *arg, unsigned channel)
{
    *(uint64_t *)arg |= UINT64_C(1) << channel;
}

/* Takes a seat, and listens there as a client that may once. */
static void listen_once(struct hub *h)
{
    struct hub_place place;

    if (!hub_sit(h, 2) || hub_join(h, STR("c"), SLV_HUB_NOW, 9, once, &hub_unbounded, 0, &place)
                          != SLV_HUB_OK)
        _exit(1);
    hub_leave(h, &place);
}

/* A subscriber killed at every step: its client is not held to what died with it. */
static void test_kill_subscriber(void)
{
    struct hub *h = hub_make(4, 65536);
    unsigned long step = 1;
    bool killed = true;

    for (; killed; step++) {
        struct slv_hub_presence p;
        struct hub_place place;
        uint64_t news = 0;

        killed = hub_killed_at(h, step, listen_once);
        hub_left(h, 2);
        hub_take_news(h, note, &news);
        SUITE_CHECK(hub_flaw(h) == NULL, "step %lu: %s", step, hub_flaw(h));
        SUITE_CHECK(hub_join(h, STR("c"), SLV_HUB_NOW, 9, once, &hub_unbounded, 0, &place)
                    == SLV_HUB_OK, "step %lu: the client", step);
        hub_presence(h, STR("c"), &hub_unbounded, 0, &p);
        SUITE_CHECK(p.subscribers == 1, "step %lu: subscribers", step);
        hub_leave(h, &place);
    }
    CU_ASSERT(step > 10);
    hub_free(&h);
}

/* A process that repairs what another one has left is killed at every step of that, too. */
static void test_kill_repairer(void)
{
    struct hub *h = hub_make(4, 65536);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    unsigned long total = 0;

    for (unsigned long first = 1; hub_killed_at(h, first, publish_short); first++) {
        unsigned long step = 1;

        /* Each round leaves a fresh death behind for the repairer to find. */
        while (hub_killed_at(h, step, sit_down)) {
            step++;
            total++;
            hub_killed_at(h, first, publish_short);
        }
        look(h, &place, first, 1000);
    }
    CU_ASSERT(total > 50);
    hub_free(&h);
}

/* ---- Together -------------------------------------------------------------------------------- */

#define EACH 5000

/* Publishes many messages "WHO N". */
static void publish_many(struct hub *h, int who)
{
    for (int i = 0; i < EACH; i++) {
        enum slv_hub_result result;
        char text[32];

        snprintf(text, sizeof text, "%d %d", who, i);
        while (!hub_say(h, i % 5 ? "c" : "d", text, &result))
            if (result != SLV_HUB_FULL)
                _exit(1);
    }
}

/* Reads until each publisher's last message; every publisher's messages come in its order. */
static void follow(struct hub *h, struct hub_place *place, unsigned wanted)
{
    int next[2] = { -1, -1 };
    struct slv_hub_message m;

    for (unsigned n = 0; n < wanted;) {
        struct pollfd p = { .fd = hub_wake_fd(h), .events = POLLIN };
        uint64_t news = 0;

        CU_ASSERT_FATAL(poll(&p, 1, 20000) == 1);
        hub_take_news(h, note, &news);
        CU_ASSERT(news == UINT64_C(1) << place->channel || news == 0);
        while (hub_next(h, place, &m, NULL) == SLV_HUB_MESSAGE) {
            int who = m.data.p[0] - '0', i = atoi(m.data.p + 2);

            CU_ASSERT_FATAL(who == 0 || who == 1);
            CU_ASSERT(i > next[who]);
            next[who] = i;
            n++;
        }
        hub_rest(h);
    }
    CU_ASSERT(next[0] >= EACH - 2 && next[1] >= EACH - 2);
}

/* Two publish at the same time, two listen: all is delivered, in one order, by wake-ups alone. */
static void test_together(void)
{
    struct hub *h = hub_make(8, 4 << 20);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    pid_t pids[3];
    int status;

    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        CU_ASSERT_FATAL(pids[i] >= 0);
        if (pids[i])
            continue;
        if (i < 2) {
            publish_many(h, i);
            _exit(0);
        }
        _exit(hub_sit(h, 1) && hub_wake_fd(h) >= 0 ? 0 : 1);
    }
    follow(h, &place, 2 * EACH / 5 * 4);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Publishers that are killed at any time, while another one works: order and invariants hold. */
static void test_killed_together(void)
{
    struct hub *h = hub_make(8, 1 << 20);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    enum slv_hub_result result;

    for (int round = 0; round < 60; round++) {
        pid_t pid = fork();
        int status;

        CU_ASSERT_FATAL(pid >= 0);
        if (pid == 0) {
            publish_many(h, 0);
            pause();
        }
        for (int i = 0; i < 40 + round * 7; i++) {
            CU_ASSERT(hub_say(h, "c", "mine", &result) != 0);
            if (i % 4 == 0)
                read_all(h, &place);
        }
        kill(pid, SIGKILL);
        CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
        SUITE_CHECK(hub_flaw(h) == NULL, "round %d: %s", round, hub_flaw(h));
        read_all(h, &place);
    }
    hub_free(&h);
}

/* A worker that dies listens no more, and its pin holds nobody up. */
static void test_seats(void)
{
    struct hub *h = hub_make(8, 0);
    struct slv_hub_presence p;
    struct hub_place mine;
    uint64_t news = 0;
    int status;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        struct hub_place place;
        struct slv_hub_message m;
        enum slv_hub_result result;

        if (!hub_sit(h, 3))
            _exit(1);
        place = hub_listen(h, "c", SLV_HUB_NOW);
        hub_listen(h, "d", SLV_HUB_NOW);
        if (hub_join(h, STR("d"), SLV_HUB_NOW, 9, once, &hub_unbounded, 0, &mine) != SLV_HUB_OK)
            _exit(1);
        hub_say(h, "c", "x", &result);
        _exit(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE ? 0 : 1);
    }
    CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
    hub_presence(h, STR("c"), &hub_unbounded, 0, &p);
    CU_ASSERT(p.subscribers == 1);
    CU_ASSERT(hub_join(h, STR("c"), SLV_HUB_NOW, 9, once, &hub_unbounded, 0, &mine)
              == SLV_HUB_CLIENT_LIMIT);
    hub_left(h, 3);
    hub_take_news(h, note, &news);
    CU_ASSERT(hub_join(h, STR("d"), SLV_HUB_NOW, 9, once, &hub_unbounded, 0, &mine)
              == SLV_HUB_OK);
    hub_presence(h, STR("c"), &hub_unbounded, 0, &p);
    CU_ASSERT(p.subscribers == 0);
    for (int i = 0; i < 2000; i++) {
        enum slv_hub_result result;

        CU_ASSERT(hub_say(h, "c", "0123456789012345678901234567890123456789", &result) != 0);
    }
    CU_ASSERT_FALSE(hub_sit(h, 4));
    hub_left(h, 4);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

CU_TestInfo hub_death_tests[] = {
    { "a publisher killed at every step", test_kill_publisher },
    { "the maker of a channel killed at every step", test_kill_maker },
    { "a subscriber killed at every step", test_kill_subscriber },
    { "a repairer killed at every step", test_kill_repairer },
    { "together", test_together },
    { "killed together", test_killed_together },
    { "seats", test_seats },
    CU_TEST_INFO_NULL
};
