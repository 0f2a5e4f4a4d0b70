/*
 * fuzz_range.c - values of the fields that choose a representation or a part of it.
 *
 * The input is "number\nvalue": the number serves as a size and as a time, the value goes through
 * every reader of field values. A broken promise of their headers aborts.
 */
#include "fuzz.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/etag.h"
#include "http/negotiate.h"
#include "http/range.h"
#include "http/token.h"

#define MAX_RANGES 8

/* Ranges lie inside the size and do not add up to more. */
static void try_range(struct str value, uint64_t size, size_t max)
{
    struct range r[MAX_RANGES];
    size_t count = 99;
    uint64_t left = size;
    enum range_result result = range_parse(value, size, r, max, &count);

    promise((result == RANGE_OK) == (count > 0) && count <= max);
    promise(result != RANGE_OK || size > 0);
    for (size_t i = 0; i < count; i++) {
        promise(r[i].first <= r[i].last && r[i].last < size);
        promise(r[i].last - r[i].first < left);
        left -= r[i].last - r[i].first + 1;
    }
}

/* A date that was read or given is written in a form that reads back the same. */
static void try_date(time_t t)
{
    char text[DATE_SIZE];
    time_t again = 0;
    size_t n = date_format(t, text);

    promise((n == 0) == (t < DATE_MIN || t > DATE_MAX));
    if (n > 0)
        promise(n == DATE_SIZE - 1 && date_parse((struct str){ text, n }, 0, &again) == 0
            && again == t);
}

/* Tags: a value that is one matches itself, and what matches strongly matches weakly. */
static void try_etag(struct str value)
{
    const struct str own = STR_INIT("\"a\"");
    struct etag tag;

    promise(!etag_list_match(value, STR(""), true));
    if (etag_list_match(value, own, false))
        promise(etag_list_match(value, own, true));
    if (etag_parse(value, &tag) == 0) {
        promise(etag_list_match(value, value, true));
        promise(etag_list_match(value, value, false) == !tag.weak);
        promise(cond_if_range(value, value, COND_NO_DATE) == !tag.weak);
    }
}

/* What is picked is in stock and acceptable, and nothing in stock is wanted more. */
static void try_encoding(struct str value, unsigned mask)
{
    static const enum coding order[] = { CODING_BR, CODING_ZSTD, CODING_GZIP, CODING_IDENTITY };
    struct codings c;
    enum coding best;

    negotiate_encoding(value, true, &c);
    best = negotiate_pick(&c, mask, order, CODING_MAX);
    for (unsigned i = 0; i < CODING_MAX; i++) {
        promise(c.q[i] <= 1000);
        if (mask >> i & 1)
            promise(best == CODING_MAX ? c.q[i] == 0 : c.q[i] <= c.q[best]);
    }
    promise(best == CODING_MAX || (mask >> best & 1 && c.q[best] > 0));
}

/* The value in each precondition: any answer will do, but weakening IMS never adds a 200. */
static void try_conditions(struct str value, time_t number)
{
    struct conditions c = { .etag = STR_INIT("\"a\""), .last_modified = number, .now = number };

    for (int method = 0; method <= 1; method++) {
        c.get_or_head = method;
        c.if_modified_since = value;
        c.ims_mode = IMS_EXACT;
        if (cond_evaluate(&c) == COND_NOT_MODIFIED) {
            c.ims_mode = IMS_BEFORE;
            promise(method == 1 && cond_evaluate(&c) == COND_NOT_MODIFIED);
        }
        c.if_none_match = value;
        promise((cond_evaluate(&c) == COND_PASS) == !etag_list_match(value, c.etag, true));
        c.if_none_match = c.if_modified_since = (struct str){ NULL, 0 };
        c.if_match = c.if_unmodified_since = value;
        promise((cond_evaluate(&c) == COND_PASS) == etag_list_match(value, c.etag, false));
        c.if_match = (struct str){ NULL, 0 };
        promise(cond_evaluate(&c) != COND_NOT_MODIFIED);
        c.if_unmodified_since = (struct str){ NULL, 0 };
    }
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = { (const char *)data, size };
    const char *line_end = size > 0 ? memchr(data, '\n', size) : NULL;
    uint64_t number = 1000;
    time_t t, now;

    if (line_end) {
        struct str first = { value.p, (size_t)(line_end - value.p) };

        if (digits_parse(first, &number) != 0)
            number = 0;
        value = str_from(value, first.n + 1);
    }
    now = (time_t)(number & INT64_MAX);
    for (size_t max = 0; max <= MAX_RANGES; max += MAX_RANGES / 2)
        try_range(value, number, max);
    try_date(now);
    try_date(-now);
    try_date(now % DATE_MAX);
    if (date_parse(value, now, &t) == 0) {
        promise(t >= DATE_MIN && t <= DATE_MAX);
        try_date(t);
    }
    try_etag(value);
    try_encoding(value, (unsigned)(number % (1u << CODING_MAX)));
    if (value.p != NULL)
        try_conditions(value, now);
    token_list_has(value, STR("close"));
    return 0;
}
