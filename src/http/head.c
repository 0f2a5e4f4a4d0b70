/*
 * head.c - the part of a response head that changes with the second.
 */
#include "http/head.h"

#include "base/check.h"
#include "base/tbl/status.h"
#include "http/date.h"

#include <stdint.h>
#include <stdio.h>

#define START_MAX 160

/* The spans of one status; the last entry serves all statuses that are not in the table. */
struct start {
    int status;
    struct str reason;
    struct start_text {
        time_t made;
        size_t size;
        char text[START_MAX];
    } by_choice[2];                /* by keep-alive */
};

static struct start starts[] = {
#define X(code, words) { .status = code, .reason = STR_INIT(words) },
    STATUSES(X)
#undef X
    { .status = 0, .reason = STR_INIT("") },
};

#define START_COUNT (sizeof starts / sizeof *starts)

static time_t clock_now;
static char date_text[DATE_SIZE];

void head_clock(time_t now)
{
    if (now == clock_now && date_text[0])
        return;
    clock_now = now;
    date_format(now, date_text);
}

time_t head_now(void)
{
    return clock_now;
}

/* The entry of a status, found through a table of its code. */
static struct start *start_of(int status)
{
    static uint8_t index[600];

    if (!index[200])
        for (size_t i = 0; i < START_COUNT - 1; i++)
            index[starts[i].status] = (uint8_t)(i + 1);
    if ((unsigned)status >= sizeof index || !index[status])
        return &starts[START_COUNT - 1];
    return &starts[index[status] - 1];
}

struct str head_reason(int status)
{
    return start_of(status)->reason;
}

/* Writes the lines anew. */
static void write_start(const struct start *s, struct start_text *t, int status, bool keep_alive)
{
    int n;

    AN(date_text[0]);
    /* Whoever asks for an upgrade says so in Connection, too (RFC 9110 section 7.8). */
    n = snprintf(t->text, START_MAX, "HTTP/1.1 %03d %.*s\r\nDate: %s\r\nConnection: %s%s\r\n",
                 status, STR_ARG(s->reason), date_text, status == 426 ? "upgrade, " : "",
                 keep_alive ? "keep-alive" : "close");
    AN(n > 0 && n < START_MAX);
    t->made = clock_now;
    t->size = (size_t)n;
}

struct str head_start(int status, bool keep_alive, bool *shared)
{
    struct start *s = start_of(status);
    struct start_text *t = &s->by_choice[keep_alive];

    *shared = s->status == 0;
    /* What is shared is made anew each time: it may hold another status. */
    if (t->made != clock_now || !t->size || *shared)
        write_start(s, t, status, keep_alive);
    return (struct str){ t->text, t->size };
}
