/*
 * range.c - byte ranges.
 */
#include "http/range.h"

#include "base/check.h"
#include "http/token.h"

/* A range as written: "first-last", "first-", or "-last", where last is a length. */
struct spec {
    bool has_first, has_last;
    uint64_t first, last;
};

/* Reads 1*DIGIT; what is too large for a uint64_t is the largest. */
static int position_parse(struct str s, uint64_t *out)
{
    AN(s.n > 0);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
    if (digits_parse(s, out) != 0)
        *out = UINT64_MAX;
    return 0;
}

/* Reads one member of the set. */
static int spec_parse(struct str s, struct spec *out)
{
    const char *dash = memchr(s.p, '-', s.n);
    struct str first, last;

    if (dash == NULL)
        return -1;
    first = (struct str){ s.p, (size_t)(dash - s.p) };
    last = str_from(s, first.n + 1);
    *out = (struct spec){ .has_first = first.n > 0, .has_last = last.n > 0 };
    if (!out->has_first && !out->has_last)
        return -1;
    if (out->has_first && position_parse(first, &out->first) != 0)
        return -1;
    if (out->has_last && position_parse(last, &out->last) != 0)
        return -1;
    return out->has_first && out->has_last && out->last < out->first ? -1 : 0;
}

/* Finds the bytes a member stands for; false when there are none. */
static bool spec_resolve(const struct spec *s, uint64_t size, struct range *out)
{
    if (size == 0)
        return false;
    out->last = size - 1;
    if (!s->has_first) {
        out->first = s->last < size ? size - s->last : 0;
        return s->last > 0;
    }
    out->first = s->first;
    if (s->has_last && s->last < size)
        out->last = s->last;
    return s->first < size;
}

/* Reads a Range value against a size. */
enum range_result range_parse(struct str value, uint64_t size, struct range *out, size_t max,
    size_t *count)
{
    const struct str unit = STR_INIT("bytes=");
    struct str list, member;
    uint64_t left = size;
    size_t n = 0;
    bool any = false;

    AN(count != NULL && (out != NULL || max == 0));
    *count = 0;
    if (max == 0 || value.n < unit.n || !str_ieq((struct str){ value.p, unit.n }, unit))
        return RANGE_NONE;
    list = str_from(value, unit.n);
    while (token_list_next(&list, &member)) {
        struct spec spec;
        struct range r;

        if (spec_parse(member, &spec) != 0)
            return RANGE_NONE;
        any = true;
        if (!spec_resolve(&spec, size, &r))
            continue;
        AN(r.first <= r.last && r.last < size);
        if (n == max || r.last - r.first >= left)
            return RANGE_NONE;
        left -= r.last - r.first + 1;
        out[n++] = r;
    }
    if (!any)
        return RANGE_NONE;
    *count = n;
    return n > 0 ? RANGE_OK : RANGE_UNSATISFIABLE;
}
