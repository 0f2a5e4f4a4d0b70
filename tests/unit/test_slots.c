/*
 * test_slots.c - when workers are started again: lives of slots under a fake clock; and what the
 * master takes from a worker.
 */
#include "proc/slots.h"
#include "proc/channel.h"
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A status as wait(2) gives it. */
#define EXITED(code) ((code) << 8)
#define KILLED(signo) (signo)

#define AT_ONCE 0
#define NEVER_AGAIN (-1)

/* One worker's life, and what follows from it. */
struct life {
    ms_t lived;                    /* ms from its start to its end; 0 ends the list */
    bool ready;
    int status;
    ms_t delay;                    /* until the next one is due, or NEVER_AGAIN */
};

/* A slot's story. */
struct story {
    const char *name;
    struct life lives[12];
};

static const struct story stories[] = {
    { "a crash at every start: 1, 2, 4 ... 60 s",
      { { 10, false, KILLED(SIGSEGV), 1000 },
        { 10, false, KILLED(SIGSEGV), 2000 },
        { 10, false, KILLED(SIGABRT), 4000 },
        { 10, false, EXITED(1), 8000 },
        { 10, false, EXITED(1), 16000 },
        { 10, false, EXITED(1), 32000 },
        { 10, false, EXITED(1), 60000 },
        { 10, false, EXITED(1), 60000 } } },
    { "exit status 2 is final",
      { { 10, false, EXITED(EXIT_FATAL), NEVER_AGAIN } } },
    { "also after a long life",
      { { 100000, true, EXITED(EXIT_FATAL), NEVER_AGAIN } } },
    { "ready, but dead within five seconds",
      { { 4999, true, KILLED(SIGSEGV), 1000 }, { 1, true, KILLED(SIGKILL), 2000 } } },
    { "ready and five seconds old",
      { { 5000, true, KILLED(SIGSEGV), AT_ONCE }, { 5000, true, KILLED(SIGSEGV), AT_ONCE } } },
    { "a longer life does not make up for quick deaths",
      { { 10, true, EXITED(1), 1000 }, { 30000, true, EXITED(1), AT_ONCE },
        { 10, true, EXITED(1), 2000 } } },
    { "healthy once: every later crash is replaced at once",
      { { 60000, true, KILLED(SIGSEGV), AT_ONCE },
        { 1, true, KILLED(SIGSEGV), AT_ONCE },
        { 1, true, KILLED(SIGSEGV), AT_ONCE },
        { 1, true, EXITED(1), AT_ONCE } } },
    { "health forgets the delays before it",
      { { 10, false, EXITED(1), 1000 }, { 10, false, EXITED(1), 2000 },
        { 60000, true, KILLED(SIGSEGV), AT_ONCE }, { 10, false, EXITED(1), 1000 } } },
    { "healthy, then not even ready: nobody from outside does that",
      { { 60000, true, EXITED(1), AT_ONCE }, { 10, false, EXITED(1), 1000 },
        { 10, false, EXITED(1), 2000 }, { 10, true, EXITED(1), AT_ONCE } } },
    { "a minute without getting ready is no health",
      { { 60001, false, KILLED(SIGKILL), 1000 }, { 1, true, KILLED(SIGKILL), 2000 } } },
    { "asked to go",
      { { 10, true, EXITED(0), AT_ONCE }, { 10, true, EXITED(0), AT_ONCE } } },
    { "gone by itself before it was ready",
      { { 10, false, EXITED(0), 1000 }, { 10, false, EXITED(0), 2000 } } },
};

/* Plays one life; returns false where the slot does not want another. */
static bool play(struct slots *s, const struct life *life, ms_t *now, const char *name, size_t n)
{
    SUITE_CHECK(slots_due(s, *now) == 0, "%s: life %zu does not begin", name, n);
    slots_started(s, 0, *now);
    SUITE_CHECK(slots_next(s) == MS_NEVER, "%s: life %zu", name, n);
    SUITE_CHECK(!slots_settled(s), "%s: life %zu is ready at birth", name, n);
    if (life->ready)
        slots_ready(s, 0);
    SUITE_CHECK(slots_settled(s) == life->ready, "%s: life %zu", name, n);
    *now += life->lived;
    slots_exited(s, 0, life->status, *now);
    SUITE_CHECK(!slots_settled(s), "%s: life %zu goes on after its end", name, n);
    SUITE_CHECK(slots_all_given_up(s) == (life->delay == NEVER_AGAIN), "%s: life %zu", name, n);
    if (life->delay == NEVER_AGAIN) {
        SUITE_CHECK(slots_next(s) == MS_NEVER, "%s: life %zu", name, n);
        SUITE_CHECK(slots_due(s, MS_NEVER - 1) == 1, "%s: life %zu", name, n);
        return false;
    }
    SUITE_CHECK(slots_next(s) == *now + life->delay, "%s: after life %zu in %lld ms", name, n,
                (long long)(slots_next(s) - *now));
    if (life->delay > 0)
        SUITE_CHECK(slots_due(s, *now + life->delay - 1) == 1, "%s: life %zu", name, n);
    *now += life->delay;
    return true;
}

/* Each story, at the beginning of time and later. */
static void test_stories(void)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        for (ms_t begin = 0; begin <= 1000000007; begin += 1000000007) {
            struct slots s;
            ms_t now = begin;

            slots_init(&s, 1, now);
            for (size_t n = 0; stories[i].lives[n].lived > 0; n++)
                if (!play(&s, &stories[i].lives[n], &now, stories[i].name, n))
                    break;
            slots_free(&s);
        }
}

/* Slots do not share a fate. */
static void test_several(void)
{
    struct slots s;

    slots_init(&s, 3, 100);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(slots_due(&s, 100), i);
        slots_started(&s, i, 100);
    }
    CU_ASSERT_EQUAL(slots_due(&s, 100), 3);
    slots_exited(&s, 0, EXITED(1), 200);
    slots_exited(&s, 2, EXITED(EXIT_FATAL), 200);
    slots_ready(&s, 1);
    CU_ASSERT_EQUAL(slots_next(&s), 1200);
    CU_ASSERT_EQUAL(slots_due(&s, 1199), 3);
    CU_ASSERT_EQUAL(slots_due(&s, 1200), 0);
    CU_ASSERT_FALSE(slots_settled(&s));
    slots_started(&s, 0, 1200);
    CU_ASSERT_FALSE(slots_settled(&s));
    slots_ready(&s, 0);
    /* One given up, two ready: there is nothing more to wait for. */
    CU_ASSERT_TRUE(slots_settled(&s));
    slots_exited(&s, 0, EXITED(EXIT_FATAL), 1300);
    CU_ASSERT_TRUE(slots_settled(&s));
    slots_exited(&s, 1, EXITED(EXIT_FATAL), 1300);
    CU_ASSERT_FALSE(slots_settled(&s));
    CU_ASSERT_TRUE(slots_all_given_up(&s));
    slots_free(&s);
}

/* A fork that fails counts as a death. */
static void test_failed_start(void)
{
    struct slots s;
    ms_t now = 0;

    slots_init(&s, 1, now);
    for (ms_t delay = 1000; delay <= 32000; delay *= 2) {
        CU_ASSERT_EQUAL(slots_due(&s, now), 0);
        slots_failed(&s, 0, now);
        CU_ASSERT_EQUAL(slots_next(&s), now + delay);
        now += delay;
    }
    slots_failed(&s, 0, now);
    CU_ASSERT_EQUAL(slots_next(&s), now + 60000);
    slots_free(&s);
}

/* A year of crashes: never more than one start a second for what never was healthy. */
static void test_year(void)
{
    const ms_t year = INT64_C(365) * 24 * 3600 * 1000;
    unsigned long starts = 0;
    struct slots s;

    slots_init(&s, 1, 0);
    for (ms_t now = 0; now < year; now = slots_next(&s)) {
        slots_started(&s, 0, now);
        slots_exited(&s, 0, KILLED(SIGSEGV), now + 3);
        starts++;
    }
    SUITE_CHECK(starts > 365 * 24 * 59 && starts < 365 * 24 * 61, "%lu starts", starts);
    slots_free(&s);
}

/* The lowest free descriptor. */
static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

/* A worker that passes more descriptors than a message has leaves none of them in the master. */
static void test_channel(void)
{
    struct channel_message m = { .what = CHANNEL_READY, .generation = 7 }, got = { 0 };
    struct iovec iov = { &m, sizeof m };
    union { struct cmsghdr header; char room[CMSG_SPACE(2 * sizeof(int))]; } passing = { { 0 } };
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = passing.room, .msg_controllen = sizeof passing.room
    };
    int ends[2], passed = -1, two[2] = { STDIN_FILENO, STDERR_FILENO }, before;

    CU_ASSERT_EQUAL_FATAL(channel_pair(ends), 0);
    passing.header.cmsg_level = SOL_SOCKET;
    passing.header.cmsg_type = SCM_RIGHTS;
    passing.header.cmsg_len = CMSG_LEN(sizeof two);
    memcpy(CMSG_DATA(&passing.header), two, sizeof two);
    before = next_descriptor();
    CU_ASSERT_EQUAL(sendmsg(ends[1], &h, MSG_DONTWAIT), (ssize_t)sizeof m);
    CU_ASSERT_EQUAL(channel_receive(ends[0], &got, &passed), CHANNEL_MESSAGE);
    CU_ASSERT_EQUAL(got.generation, 7);
    if (passed >= 0)
        close(passed);
    CU_ASSERT_EQUAL(next_descriptor(), before);
    CU_ASSERT_EQUAL(channel_receive(ends[0], &got, &passed), CHANNEL_EMPTY);
    close(ends[0]);
    close(ends[1]);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "stories", test_stories }, { "several slots", test_several },
        { "failed start", test_failed_start }, { "a year", test_year }, CU_TEST_INFO_NULL
    };
    CU_TestInfo channel[] = {
        { "descriptors that nobody asked for", test_channel }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "slots", NULL, NULL, NULL, NULL, tests },
        { "channel", NULL, NULL, NULL, NULL, channel }, CU_SUITE_INFO_NULL
    };

    return suite_main("slots", suites);
}
