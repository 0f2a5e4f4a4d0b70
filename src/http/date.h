/*
 * date.h - HTTP dates (RFC 9110 §5.6.7) and the calendar under them.
 *
 * Written by hand, since the C library's formatting follows the locale. No clock is read here:
 * where the present matters, it is an argument. All times are in seconds since 1970-01-01 00:00:00
 * UTC without leap seconds, and years are those of the Gregorian calendar, reckoned backwards where
 * needed. The range is what four digits of a year can say.
 */
#ifndef SLV_DATE_H
#define SLV_DATE_H

#include <selvage/str.h>

#include <stdint.h>
#include <time.h>

#define DATE_SIZE 30 /* what date_format() needs: 29 bytes and a NUL */
#define DATE_MIN INT64_C(-62167219200) /* 0000-01-01 00:00:00 */
#define DATE_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59 */

/* A moment as people write it, in UTC. */
struct civil {
    int year;    /* 0..9999 */
    int month;   /* 1..12 */
    int day;     /* 1..31 */
    int hour;    /* 0..23 */
    int minute;  /* 0..59 */
    int second;  /* 0..59; 60 where a peer wrote it */
    int weekday; /* 0 (Sunday)..6 */
};

/*
 * Days from 1970-01-01 to the given day; negative before. year: -300..10099; month: 1..12. The day
 * may lie outside its month and counts on from there.
 */
int64_t date_days(int year, int month, int day);

/* Takes t apart; t must lie in DATE_MIN..DATE_MAX. */
void date_civil(time_t t, struct civil *out);

/*
 * Writes t as IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", and a NUL.
 * Returns 29; or 0 with an empty string in out when t lies outside DATE_MIN..DATE_MAX, as the
 * modification time of a damaged file may: then the field is left out.
 */
size_t date_format(time_t t, char out[DATE_SIZE]);

/*
 * Reads an HTTP-date in any of its three forms: IMF-fixdate, RFC 850 and asctime. Strict: case,
 * blanks and widths are those of the grammar, the day exists, nothing precedes or follows; second
 * 60 is the one after 59. The name of the weekday must be one, but whether it fits the date is not
 * asked.
 * now: decides the century of RFC 850's two-digit year: the latest that does not put the date more
 * than 50 years after now.
 * out: untouched on failure.
 * Returns 0, or -1 when s is no date, and the field is to be ignored.
 */
int date_parse(struct str s, time_t now, time_t *out);

#endif
