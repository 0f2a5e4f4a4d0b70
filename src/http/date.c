/*
 * date.c - HTTP dates, both ways.
 */
#include "http/date.h"

#include "base/check.h"

#define DAY_SECONDS 86400
#define DAYS_4_YEARS 1461
#define DAYS_100_YEARS 36524
#define DAYS_400_YEARS 146097

/* From 0000-03-01 to 1970-01-01. */
#define DAYS_TO_EPOCH 719468

static const char *const month_names[12] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};
static const char *const day_names[7] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};
static const char *const long_day_names[7] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
};

/*
 * Days before each month of a year that begins in March, so that the leap day is its last one and
 * moves nothing.
 */
static const int days_before[12] = {
    0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337
};

/* Counts the days from the epoch to a day. */
int64_t date_days(int year, int month, int day)
{
    /* 400 years up front keep the divisions away from negative numbers. */
    int64_t y = (int64_t)year - (month < 3) + 400;

    AN(month >= 1 && month <= 12);
    return y * 365 + y / 4 - y / 100 + y / 400 + days_before[(month + 9) % 12] + day - 1
        - DAYS_400_YEARS - DAYS_TO_EPOCH;
}

/* Takes a time apart. */
void date_civil(time_t t, struct civil *out)
{
    int64_t days, secs, cycles, centuries, fours, years;
    int month = 11;

    AN(t >= DATE_MIN && t <= DATE_MAX);
    secs = t % DAY_SECONDS;
    days = t / DAY_SECONDS;
    if (secs < 0) {
        secs += DAY_SECONDS;
        days--;
    }
    /* 1970-01-01 was a Thursday. */
    out->weekday = (int)((days % 7 + 11) % 7);

    days += DAYS_TO_EPOCH + DAYS_400_YEARS;
    cycles = days / DAYS_400_YEARS;
    days %= DAYS_400_YEARS;
    /* The last century and the last year of four are a day longer: there division overshoots. */
    centuries = days / DAYS_100_YEARS < 3 ? days / DAYS_100_YEARS : 3;
    days -= centuries * DAYS_100_YEARS;
    fours = days / DAYS_4_YEARS;
    days %= DAYS_4_YEARS;
    years = days / 365 < 3 ? days / 365 : 3;
    days -= years * 365;
    while (days < days_before[month])
        month--;

    out->day = (int)days - days_before[month] + 1;
    out->month = month < 10 ? month + 3 : month - 9;
    out->year = (int)(cycles * 400 + centuries * 100 + fours * 4 + years) - 400 + (month >= 10);
    out->hour = (int)(secs / 3600);
    out->minute = (int)(secs / 60 % 60);
    out->second = (int)(secs % 60);
}

/* Writes three letters. */
static inline char *put_name(char *p, const char *name)
{
    memcpy(p, name, 3);
    return p + 3;
}

/* Writes two digits and what follows them. */
static inline char *put_two(char *p, int value, char after)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
    p[2] = after;
    return p + 3;
}

/* Writes an IMF-fixdate. */
size_t date_format(time_t t, char out[DATE_SIZE])
{
    struct civil c;
    char *p = out;

    out[0] = '\0';
    if (t < DATE_MIN || t > DATE_MAX)
        return 0;
    date_civil(t, &c);
    p = put_name(p, day_names[c.weekday]);
    *p++ = ',';
    *p++ = ' ';
    p = put_two(p, c.day, ' ');
    p = put_name(p, month_names[c.month - 1]);
    *p++ = ' ';
    p = put_two(p, c.year / 100, ' ') - 1;
    p = put_two(p, c.year % 100, ' ');
    p = put_two(p, c.hour, ':');
    p = put_two(p, c.minute, ':');
    p = put_two(p, c.second, ' ');
    memcpy(p, "GMT", sizeof "GMT");
    AN(p + 3 == out + DATE_SIZE - 1);
    return DATE_SIZE - 1;
}

/* Takes these very bytes off the front. */
static bool take(struct str *s, struct str lit)
{
    if (!str_starts(*s, lit))
        return false;
    *s = str_from(*s, lit.n);
    return true;
}

/* Takes one of count names off the front; *index says which. */
static bool take_name(struct str *s, const char *const names[], int count, int *index)
{
    for (*index = 0; *index < count; ++*index)
        if (take(s, str_of(names[*index])))
            return true;
    return false;
}

/* Takes a number of exactly width digits off the front. */
static bool take_number(struct str *s, size_t width, int *value)
{
    if (s->n < width)
        return false;
    *value = 0;
    for (size_t i = 0; i < width; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        *value = *value * 10 + (s->p[i] - '0');
    }
    *s = str_from(*s, width);
    return true;
}

/* Takes the name of a month off the front. */
static bool take_month(struct str *s, struct civil *c)
{
    int index;

    if (!take_name(s, month_names, 12, &index))
        return false;
    c->month = index + 1;
    return true;
}

/* Takes hour ":" minute ":" second off the front. */
static bool take_time(struct str *s, struct civil *c)
{
    return take_number(s, 2, &c->hour) && take(s, STR(":"))
        && take_number(s, 2, &c->minute) && take(s, STR(":"))
        && take_number(s, 2, &c->second);
}

/* Reads "Sun, 06 Nov 1994 08:49:37 GMT". */
static bool read_imf(struct str s, struct civil *c)
{
    return take_name(&s, day_names, 7, &c->weekday) && take(&s, STR(", "))
        && take_number(&s, 2, &c->day) && take(&s, STR(" "))
        && take_month(&s, c) && take(&s, STR(" "))
        && take_number(&s, 4, &c->year) && take(&s, STR(" "))
        && take_time(&s, c) && str_eq(s, STR(" GMT"));
}

/* Reads "Sunday, 06-Nov-94 08:49:37 GMT"; the year stays one of two digits. */
static bool read_rfc850(struct str s, struct civil *c)
{
    return take_name(&s, long_day_names, 7, &c->weekday) && take(&s, STR(", "))
        && take_number(&s, 2, &c->day) && take(&s, STR("-"))
        && take_month(&s, c) && take(&s, STR("-"))
        && take_number(&s, 2, &c->year) && take(&s, STR(" "))
        && take_time(&s, c) && str_eq(s, STR(" GMT"));
}

/* Reads "Sun Nov  6 08:49:37 1994". */
static bool read_asctime(struct str s, struct civil *c)
{
    return take_name(&s, day_names, 7, &c->weekday) && take(&s, STR(" "))
        && take_month(&s, c) && take(&s, STR(" "))
        && (take(&s, STR(" ")) ? take_number(&s, 1, &c->day) : take_number(&s, 2, &c->day))
        && take(&s, STR(" "))
        && take_time(&s, c) && take(&s, STR(" "))
        && take_number(&s, 4, &c->year) && s.n == 0;
}

/* Orders moments within a year. */
static int64_t place_in_year(const struct civil *c)
{
    return (((c->month * 32 + c->day) * 24 + c->hour) * 60 + c->minute) * 61 + c->second;
}

/* Gives a two-digit year its century: the latest at most 50 years ahead of now. */
static void resolve_century(struct civil *c, time_t now)
{
    struct civil present;
    int latest;

    now = now < DATE_MIN ? DATE_MIN : now > DATE_MAX ? DATE_MAX : now;
    date_civil(now, &present);
    latest = present.year + 50;
    c->year = latest - ((latest - c->year) % 100 + 100) % 100;
    if (c->year == latest && place_in_year(c) > place_in_year(&present))
        c->year -= 100;
}

/* Counts the days of a month. */
static int month_length(int year, int month)
{
    return (int)(date_days(month == 12 ? year + 1 : year, month % 12 + 1, 1)
        - date_days(year, month, 1));
}

/* Reads an HTTP-date. */
int date_parse(struct str s, time_t now, time_t *out)
{
    struct civil c = { 0 };
    int64_t t;

    AN(out != NULL);
    if (!read_imf(s, &c) && !read_asctime(s, &c)) {
        if (!read_rfc850(s, &c))
            return -1;
        resolve_century(&c, now);
    }
    if (c.year < 0 || c.day < 1 || c.day > month_length(c.year, c.month) || c.hour > 23
        || c.minute > 59 || c.second > 60)
        return -1;
    t = date_days(c.year, c.month, c.day) * DAY_SECONDS + c.hour * 3600 + c.minute * 60 + c.second;
    if (t > DATE_MAX)
        return -1;
    *out = (time_t)t;
    return 0;
}
