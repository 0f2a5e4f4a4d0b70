/*
 * test_http_date.c - HTTP dates and the calendar.
 */
#include "test_http.h"

#include "http/date.h"

#include <time.h>

/* Known moments, the ends of the range and what lies beyond them. */
static void test_date_format(void)
{
    static const struct {
        int64_t t;
        const char *want;
    } rows[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { EXAMPLE_TIME, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { -1, "Wed, 31 Dec 1969 23:59:59 GMT" },
        { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
        { 1709164799, "Wed, 28 Feb 2024 23:59:59 GMT" },
        { 1709164800, "Thu, 29 Feb 2024 00:00:00 GMT" },
        { 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT" },
        { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },
        { DATE_MAX, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { DATE_MIN, "Sat, 01 Jan 0000 00:00:00 GMT" },
        { DATE_MAX + 1, "" }, { DATE_MIN - 1, "" }, { INT64_MAX, "" }, { INT64_MIN, "" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[DATE_SIZE];
        size_t n = date_format((time_t)rows[i].t, out);

        SUITE_CHECK(n == strlen(rows[i].want) && strcmp(out, rows[i].want) == 0, "gave \"%s\"",
            out);
    }
}

/* Every day of ten millennia, and the C library's opinion of it. */
static void test_date_calendar(void)
{
    int64_t day = DATE_MIN / 86400;

    for (int i = 0; day + i <= DATE_MAX / 86400; i++) {
        struct civil c;
        struct tm tm;
        time_t t = (time_t)(day + i) * 86400 + i % 86400;

        date_civil(t, &c);
        gmtime_r(&t, &tm);
        if (c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 || c.day != tm.tm_mday
            || c.hour != tm.tm_hour || c.minute != tm.tm_min || c.second != tm.tm_sec
            || c.weekday != tm.tm_wday || date_days(c.year, c.month, c.day) != day + i) {
            SUITE_CHECK(false, "day %lld", (long long)(day + i));
            return;
        }
    }
    CU_ASSERT_EQUAL(date_days(1970, 1, 1), 0);
    CU_ASSERT_EQUAL(date_days(1970, 1, 32), 31);
}

/* The three forms and everything that is nearly one. */
static void test_date_parse(void)
{
    static const struct {
        struct str in;
        int rc;
        int64_t want;
    } rows[] = {
        { S("Sun, 06 Nov 1994 08:49:37 GMT"), 0, EXAMPLE_TIME },
        { S("Sunday, 06-Nov-94 08:49:37 GMT"), 0, EXAMPLE_TIME },
        { S("Sun Nov  6 08:49:37 1994"), 0, EXAMPLE_TIME },
        { S("Sun Nov 06 08:49:37 1994"), 0, EXAMPLE_TIME },
        { S("Wed Nov 16 08:49:37 1994"), 0, EXAMPLE_TIME + 864000 },
        { S("Mon, 06 Nov 1994 08:49:37 GMT"), 0, EXAMPLE_TIME },
        { S("Thu, 29 Feb 2024 00:00:00 GMT"), 0, 1709164800 },
        { S("Tue, 29 Feb 2000 00:00:00 GMT"), 0, 951782400 },
        { S("Sat, 31 Dec 2016 23:59:60 GMT"), 0, 1483228800 },
        { S("Sat, 01 Jan 0000 00:00:00 GMT"), 0, DATE_MIN },
        { S("Fri, 31 Dec 9999 23:59:59 GMT"), 0, DATE_MAX },
        { S("Fri, 31 Dec 9999 23:59:60 GMT"), -1, 0 },
        { S("Thu, 29 Feb 2023 00:00:00 GMT"), -1, 0 },
        { S("Mon, 29 Feb 2100 00:00:00 GMT"), -1, 0 },
        { S("Sun, 31 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 00 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 32 Dec 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 24:00:00 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:60:00 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:00:61 GMT"), -1, 0 },
        { S("Sun, 6 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun,06 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:49:37 UTC"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:49:37 gmt"), -1, 0 },
        { S("sun, 06 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:49:37 GMT "), -1, 0 },
        { S(" Sun, 06 Nov 1994 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:49:37 GMT; length=3"), -1, 0 },
        { S("Sun, 06 Nov 94 08:49:37 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 08:49 GMT"), -1, 0 },
        { S("Sun, 06 Nov 1994 +8:49:37 GMT"), -1, 0 },
        { S("Sun, 06-Nov-94 08:49:37 GMT"), -1, 0 },
        { S("Sunday, 06-Nov-1994 08:49:37 GMT"), -1, 0 },
        { S("Sunday, 31-Nov-94 08:49:37 GMT"), -1, 0 },
        { S("Sun Nov 6 08:49:37 1994"), -1, 0 },
        { S("Sun Nov  06 08:49:37 1994"), -1, 0 },
        { S("Sun Nov  6 08:49:37 1994 GMT"), -1, 0 },
        { S("Sun Nov  6 08:49:37 94"), -1, 0 },
        { S("Sun Nov  0 08:49:37 1994"), -1, 0 },
        { S("1994-11-06T08:49:37Z"), -1, 0 }, { S("784111777"), -1, 0 }, { S("0"), -1, 0 },
        { S(""), -1, 0 }, { S("Sun"), -1, 0 }, { S("Sun, "), -1, 0 }, { S("Sunday"), -1, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        time_t got = 42;

        SUITE_CHECK(date_parse(rows[i].in, NOW_2026, &got) == rows[i].rc
            && got == (rows[i].rc == 0 ? (time_t)rows[i].want : 42), "\"%.*s\" gave %lld",
            STR_ARG(rows[i].in), (long long)got);
    }
}

/* Two-digit years: the latest century that stays within 50 years of the present. */
static void test_date_century(void)
{
    static const struct {
        const char *now, *in, *want;
    } rows[] = {
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-26 08:49:37 GMT", "2026" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-76 08:49:37 GMT", "2076" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-76 08:49:38 GMT", "1976" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 05-Nov-76 23:59:59 GMT", "2076" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 01-Dec-76 00:00:00 GMT", "1976" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-77 08:49:37 GMT", "1977" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-99 08:49:37 GMT", "1999" },
        { "Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-00 08:49:37 GMT", "2000" },
        { "Fri, 06 Nov 2099 08:49:37 GMT", "Friday, 06-Nov-05 08:49:37 GMT", "2105" },
        { "Sat, 06 Nov 1999 08:49:37 GMT", "Saturday, 06-Nov-70 08:49:37 GMT", "1970" },
        { "Thu, 29 Feb 2024 00:00:00 GMT", "Friday, 29-Feb-72 00:00:00 GMT", "2072" },
        { "Fri, 31 Dec 9999 23:59:59 GMT", "Friday, 01-Jan-10 00:00:00 GMT", NULL },
        { "Fri, 06 Jan 0010 00:00:00 GMT", "Friday, 01-Jan-99 00:00:00 GMT", NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        time_t now = 0, got = 0;
        char text[DATE_SIZE] = "";

        CU_ASSERT_EQUAL(date_parse(str_of(rows[i].now), 0, &now), 0);
        if (date_parse(str_of(rows[i].in), now, &got) == 0)
            date_format(got, text);
        SUITE_CHECK(rows[i].want ? strncmp(text + 12, rows[i].want, 4) == 0 : !*text,
            "%s at %s gave %s", rows[i].in, rows[i].now, text);
    }
}

CU_TestInfo date_tests[] = {
    { "format", test_date_format },
    { "calendar", test_date_calendar },
    { "parse", test_date_parse },
    { "century", test_date_century },
    CU_TEST_INFO_NULL
};
