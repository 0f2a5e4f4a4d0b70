/*
 * load_stats.c - what the load generator counts, and how it says so.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define BUCKETS 2048

struct stats stats;
static uint64_t histogram[BUCKETS];
static char first_error[160];

uint64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

void
die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

void
fail(uint64_t n, const char *format, ...)
{
    va_list ap;

    stats.errors += n;
    if (first_error[0] != '\0')
        return;
    va_start(ap, format);
    vsnprintf(first_error, sizeof(first_error), format, ap);
    va_end(ap);
}

/* Buckets of 100 ns, wider with size: 32 to each doubling, so 3 % exact. */
void
stats_answer(uint64_t ns)
{
    uint64_t v = ns / 100;
    unsigned e = v < 64 ? 0 : 58u - (unsigned)__builtin_clzll(v);
    uint64_t i = (uint64_t)e * 32 + (v >> e);

    stats.done++;
    histogram[i < BUCKETS ? i : BUCKETS - 1]++;
    if (ns > stats.latency_max)
        stats.latency_max = ns;
}

/* Returns the latency in microseconds under which the share `q` of all answers came. */
static double
quantile(double q)
{
    uint64_t seen = 0, want = (uint64_t)((double)stats.done * q);

    for (unsigned i = 0; i < BUCKETS; i++) {
        unsigned e = i < 64 ? 0 : i / 32 - 1;

        seen += histogram[i];
        if (seen > want)
            return (double)((uint64_t)(i - e * 32) << e) / 10;
    }
    return 0;
}

void
stats_reset(void)
{
    stats.done = stats.reopened = stats.resumed = stats.latency_max = 0;
    memset(histogram, 0, sizeof(histogram));
}

void
stats_print(double seconds, size_t head_bytes)
{
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"reopened\": %llu, "
           "\"resumed\": %llu, \"head_bytes\": %zu, \"generation\": %llu, "
           "\"first_error\": \"%s\"}\n",
           (unsigned long long)stats.done, seconds, (unsigned long long)stats.errors,
           quantile(0.5), quantile(0.99), quantile(0.999), (double)stats.latency_max / 1000,
           (unsigned long long)stats.reopened, (unsigned long long)stats.resumed, head_bytes,
           (unsigned long long)stats.generation, first_error);
    fflush(stdout);
}
