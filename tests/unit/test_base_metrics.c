/*
 * test_base_metrics.c - counters that processes share.
 */
#include "test_base.h"

#include "base/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names are different from each other and made for monitoring. */
static void test_names(void)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        const char *name = metrics_name((enum counter)i);

        SUITE_CHECK(strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0, "%s", name);
        SUITE_CHECK(metrics_help((enum counter)i)[0] != '\0', "%s", name);
        for (size_t k = 0; k < i; k++)
            SUITE_CHECK(strcmp(name, metrics_name((enum counter)k)) != 0, "%s", name);
    }
}

/* A process that counts in a seat and ends. */
static void count_elsewhere(unsigned seat, uint64_t connections, uint64_t closed)
{
    pid_t pid = fork();
    int status;

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        metrics_sit(seat);
        metrics_add(COUNTER_CONNECTIONS, connections);
        metrics_mine->closed[CLOSE_IDLE] += closed;
        _exit(0);
    }
    CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
}

/* [W-17] Totals are those of all processes, and outlive them. */
static void test_seats(void)
{
    struct metrics sum;
    unsigned a, b;

    metrics_add(COUNTER_REQUESTS, 3);
    metrics_sum(&sum);
    CU_ASSERT(sum.counter[COUNTER_REQUESTS] == 3 && metrics_take() == METRICS_SEATS);
    metrics_share();
    a = metrics_take();
    b = metrics_take();
    CU_ASSERT_FATAL(a < METRICS_SEATS && b < METRICS_SEATS && a != b);
    count_elsewhere(a, 10, 4);
    count_elsewhere(b, 5, 5);
    metrics_sum(&sum);
    CU_ASSERT(sum.counter[COUNTER_CONNECTIONS] == 15 && sum.closed[CLOSE_IDLE] == 9);
    CU_ASSERT(metrics_open(&sum) == 6);
    /* What it had no time to count has died with it. */
    metrics_leave(a);
    metrics_sum(&sum);
    CU_ASSERT(sum.counter[COUNTER_CONNECTIONS] == 15 && sum.closed[CLOSE_DIED] == 6);
    CU_ASSERT(metrics_open(&sum) == 0);
    CU_ASSERT(metrics_take() == a);
    count_elsewhere(a, 1, 0);
    metrics_sum(&sum);
    CU_ASSERT(sum.counter[COUNTER_CONNECTIONS] == 16 && metrics_open(&sum) == 1);
}

/* Somebody without a seat counts for itself and takes nobody else's. */
static void test_standing(void)
{
    unsigned taken = 0;

    while (metrics_take() < METRICS_SEATS)
        taken++;
    CU_ASSERT(taken < METRICS_SEATS && metrics_take() == METRICS_SEATS);
    metrics_sit(METRICS_SEATS);
    metrics_add(COUNTER_REQUESTS, 1);
    metrics_leave(METRICS_SEATS);
}

CU_TestInfo metrics_tests[] = {
    { "names", test_names },
    { "seats", test_seats },
    { "standing", test_standing },
    CU_TEST_INFO_NULL
};
