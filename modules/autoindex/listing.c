/*
 * listing.c - a directory as HTML and as JSON.
 */
#include "listing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_COLUMN 50
#define NAME_CUT 47                /* characters that stay of a name that is longer */

static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* ---- Text that grows ------------------------------------------------------------------------- */

/* Makes room for n more bytes and a NUL; returns where they go. */
static char *reserve(struct listing_text *out, size_t n)
{
    if (out->room - out->n <= n) {
        out->room = (out->n + n + 1) * 2;
        out->p = realloc(out->p, out->room);
        if (!out->p)
            abort();
    }
    return out->p + out->n;
}

/* Adds bytes. */
static void put(struct listing_text *out, struct str s)
{
    if (s.n)
        memcpy(reserve(out, s.n), s.p, s.n);
    out->n += s.n;
}

/* Adds the same byte n times. */
static void put_fill(struct listing_text *out, char ch, size_t n)
{
    memset(reserve(out, n), ch, n);
    out->n += n;
}

/* Adds formatted text of less than 128 bytes. */
static void __attribute__((format(printf, 2, 3))) put_format(struct listing_text *out,
                                                             const char *format, ...)
{
    char buf[128];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    if (n > 0)
        put(out, (struct str){ buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1 });
}

/* ---- Characters ------------------------------------------------------------------------------ */

/* Is this a byte that continues a UTF-8 character? */
static bool continues(struct str s, size_t i, unsigned char from, unsigned char to)
{
    return i < s.n && (unsigned char)s.p[i] >= from && (unsigned char)s.p[i] <= to;
}

/* The length of the UTF-8 character at the front of s (RFC 3629 section 4), or 0. */
static size_t utf8_length(struct str s)
{
    unsigned char a = (unsigned char)s.p[0];

    if (a < 0x80)
        return 1;
    if (a >= 0xc2 && a <= 0xdf)
        return continues(s, 1, 0x80, 0xbf) ? 2 : 0;
    if (a >= 0xe0 && a <= 0xef)
        return continues(s, 1, a == 0xe0 ? 0xa0 : 0x80, a == 0xed ? 0x9f : 0xbf)
            && continues(s, 2, 0x80, 0xbf) ? 3 : 0;
    if (a >= 0xf0 && a <= 0xf4)
        return continues(s, 1, a == 0xf0 ? 0x90 : 0x80, a == 0xf4 ? 0x8f : 0xbf)
            && continues(s, 2, 0x80, 0xbf) && continues(s, 3, 0x80, 0xbf) ? 4 : 0;
    return 0;
}

/* Counts the characters of s; *cut is the length of the first NAME_CUT of them. */
static size_t count_characters(struct str s, size_t *cut)
{
    size_t count = 0, i = 0;

    *cut = s.n;
    while (i < s.n) {
        size_t n = utf8_length(str_from(s, i));

        if (n == 0) {
            /* Some other encoding: its bytes are counted. */
            *cut = s.n < NAME_CUT ? s.n : NAME_CUT;
            return s.n;
        }
        if (count == NAME_CUT)
            *cut = i;
        i += n;
        count++;
    }
    return count;
}

/* Adds text in which nothing is markup. */
static void put_html(struct listing_text *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<': put(out, STR("&lt;")); break;
        case '>': put(out, STR("&gt;")); break;
        case '&': put(out, STR("&amp;")); break;
        case '"': put(out, STR("&quot;")); break;
        default: put(out, (struct str){ s.p + i, 1 });
        }
    }
}

/* Adds a name as one component of a URI: all but the unreserved characters are escaped. */
static void put_uri(struct listing_text *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9')
            || (ch && strchr("-._~", ch)))
            put(out, (struct str){ s.p + i, 1 });
        else
            put_format(out, "%%%02X", ch);
    }
}

/* Adds the inside of a JSON string (RFC 8259 section 7). */
static void put_json(struct listing_text *out, struct str s)
{
    while (s.n) {
        unsigned char ch = (unsigned char)s.p[0];
        size_t n = utf8_length(s);

        if (ch == '"' || ch == '\\')
            put_format(out, "\\%c", ch);
        else if (ch < 0x20)
            put_format(out, "\\u%04X", ch);
        else if (n == 0)
            put(out, STR("\\uFFFD"));
        else
            put(out, (struct str){ s.p, n });
        s = str_from(s, n ? n : 1);
    }
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Adds what nginx puts into the column of sizes when it is not to be exact. */
static void put_short_size(struct listing_text *out, int64_t size)
{
    static const struct {
        int64_t above, unit;
        char letter;
    } scales[] = {
        { (INT64_C(1) << 30) - 1, INT64_C(1) << 30, 'G' },
        { (INT64_C(1) << 20) - 1, INT64_C(1) << 20, 'M' },
        { 9999, INT64_C(1) << 10, 'K' },
    };

    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        if (size > scales[i].above) {
            int64_t whole = size / scales[i].unit, rest = size % scales[i].unit;

            put_format(out, "%6lld%c", (long long)(whole + (rest >= scales[i].unit / 2)),
                       scales[i].letter);
            return;
        }
    put_format(out, " %6lld", (long long)size);
}

/* Adds a time to the minute. A year beyond four digits is what a damaged disk has. */
static void put_time(struct listing_text *out, time_t t, bool local)
{
    struct tm tm;

    if (!(local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)) || tm.tm_year > 9999 - 1900) {
        t = 0;
        gmtime_r(&t, &tm);
    }
    put_format(out, "%02d-%s-%d %02d:%02d", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
               tm.tm_hour, tm.tm_min);
}

/* Adds one line of the page. */
static void put_row(struct listing_text *out, const struct listing_entry *e,
                    const struct listing_style *style)
{
    bool directory = e->kind == LISTING_DIRECTORY;
    size_t cut, width = count_characters(e->name, &cut);

    put(out, STR("<a href=\""));
    put_uri(out, e->name);
    put(out, directory ? STR("/\">") : STR("\">"));
    if (width > NAME_COLUMN) {
        put_html(out, (struct str){ e->name.p, cut });
        put(out, STR("..&gt;</a>"));
    } else {
        put_html(out, e->name);
        if (directory && width < NAME_COLUMN) {
            put(out, STR("/"));
            width++;
        }
        put(out, STR("</a>"));
        put_fill(out, ' ', NAME_COLUMN - width);
    }
    put(out, STR(" "));
    put_time(out, e->mtime, style->local_time);
    put(out, STR(" "));
    if (directory)
        put_format(out, "%*s", style->exact_size ? 19 : 7, "-");
    else if (style->exact_size)
        put_format(out, "%19lld", (long long)e->size);
    else
        put_short_size(out, e->size);
    put(out, STR("\r\n"));
}

/* Compares as listing_sort() has it. */
static int compare(const void *left, const void *right)
{
    const struct listing_entry *a = left, *b = right;
    bool da = a->kind == LISTING_DIRECTORY, db = b->kind == LISTING_DIRECTORY;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    int order;

    if (da != db)
        return da ? -1 : 1;
    order = n ? memcmp(a->name.p, b->name.p, n) : 0;
    return order ? order : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

/* Sorts entries. */
void listing_sort(struct listing_entry *entries, size_t count)
{
    if (count)
        qsort(entries, count, sizeof *entries, compare);
}

/* Writes the page. */
void listing_html(struct listing_text *out, struct str path, const struct listing_entry *entries,
                  size_t count, const struct listing_style *style)
{
    put(out, STR("<html>\r\n<head><title>Index of "));
    put_html(out, path);
    put(out, STR("</title></head>\r\n<body>\r\n<h1>Index of "));
    put_html(out, path);
    put(out, STR("</h1><hr><pre><a href=\"../\">../</a>\r\n"));
    for (size_t i = 0; i < count; i++)
        put_row(out, &entries[i], style);
    put(out, STR("</pre><hr></body>\r\n</html>\r\n"));
}

/* Writes the array. */
void listing_json(struct listing_text *out, const struct listing_entry *entries, size_t count)
{
    static const char *const kinds[] = {
        [LISTING_DIRECTORY] = "directory", [LISTING_FILE] = "file", [LISTING_OTHER] = "other"
    };
    struct tm tm;

    put(out, STR("["));
    for (size_t i = 0; i < count; i++) {
        const struct listing_entry *e = &entries[i];
        time_t t = e->mtime;

        if (!gmtime_r(&t, &tm) || tm.tm_year > 9999 - 1900) {
            t = 0;
            gmtime_r(&t, &tm);
        }
        put(out, i ? STR(",\r\n{ \"name\":\"") : STR("\r\n{ \"name\":\""));
        put_json(out, e->name);
        put_format(out, "\", \"type\":\"%s\", \"mtime\":\"%s, %02d %s %d %02d:%02d:%02d GMT\"",
                   kinds[e->kind], weekdays[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (e->kind == LISTING_FILE)
            put_format(out, ", \"size\":%lld", (long long)e->size);
        put(out, STR(" }"));
    }
    put(out, STR("\r\n]"));
}
