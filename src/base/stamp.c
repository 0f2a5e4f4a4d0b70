/*
 * stamp.c - the present second as logs write it.
 */
#include "base/stamp.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

/* Written by hand, because strftime() would follow the locale. */
static const char month_names[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Fills in the texts for a moment. */
void stamp_make(struct stamp *s, time_t second)
{
    struct tm t;
    long east;
    unsigned year, zone;
    char sign;

    AN(localtime_r(&second, &t) != NULL);
    AN(t.tm_mon >= 0 && t.tm_mon < 12);
    east = t.tm_gmtoff / 60;
    sign = east < 0 ? '-' : '+';
    zone = (unsigned)labs(east) % 6000;
    /* Four digits are all the room there is; a clock that far off is wrong in any case. */
    year = (unsigned)(t.tm_year + 1900) % 10000;
    s->second = second;
    s->msec = 0;
    snprintf(s->error_log, sizeof s->error_log, "%04u/%02u/%02u %02u:%02u:%02u", year,
             (unsigned)(t.tm_mon + 1) % 100, (unsigned)t.tm_mday % 100,
             (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
    snprintf(s->access_log, sizeof s->access_log, "%02u/%s/%04u:%02u:%02u:%02u %c%02u%02u",
             (unsigned)t.tm_mday % 100, month_names[t.tm_mon], year, (unsigned)t.tm_hour % 100,
             (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100, sign, zone / 60, zone % 60);
    snprintf(s->iso8601, sizeof s->iso8601, "%04u-%02u-%02uT%02u:%02u:%02u%c%02u:%02u", year,
             (unsigned)(t.tm_mon + 1) % 100, (unsigned)t.tm_mday % 100,
             (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100, sign,
             zone / 60, zone % 60);
}

/* The texts for now; made anew once a second. */
const struct stamp *stamp_now(void)
{
    static struct stamp kept;
    struct timespec now;

    AN(clock_gettime(CLOCK_REALTIME, &now) == 0);
    if (now.tv_sec != kept.second || kept.error_log[0] == '\0')
        stamp_make(&kept, now.tv_sec);
    kept.msec = (unsigned)(now.tv_nsec / 1000000);
    return &kept;
}
