/*
 * stamp.h - the present second as logs write it.
 *
 * Breaking a time down by the time zone is the dearest part of a log line, so it is done once per
 * second and kept.
 */
#ifndef SLV_STAMP_H
#define SLV_STAMP_H

#include <time.h>

struct stamp {
    time_t second;
    unsigned msec;                 /* into the second */
    char error_log[20];            /* 2026/11/21 10:15:20 */
    char access_log[27];           /* 21/Nov/2026:10:15:20 +0000 */
    char iso8601[26];              /* 2026-11-21T10:15:20+00:00 */
};

/* Local time, now. The result is overwritten by the next call. */
const struct stamp *stamp_now(void);

/* The texts for a moment, in local time; msec becomes 0. */
void stamp_make(struct stamp *s, time_t second);

#endif
