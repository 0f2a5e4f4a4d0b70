/*
 * token.c - tokens, comma-separated lists, decimal numbers.
 */
#include "http/token.h"

#include "base/check.h"
#include "http/lanes.h"

/* ALPHA, DIGIT and !#$%&'*+-.^_`|~ */
static const struct byteset tchar = { {
    BYTESET_ALNUM, ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
    ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true,
    ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true
} };

/* Passes over a token. */
const char *token_skip(const char *at, const char *end)
{
    while (at < end && byteset_has(&tchar, *at))
        at++;
    return at;
}

/* Says whether s is a token. */
bool token_valid(struct str s)
{
    return s.n > 0 && token_skip(s.p, s.p + s.n) == s.p + s.n;
}

/* Takes the next non-empty member off a list. */
bool token_list_next(struct str *list, struct str *member)
{
    AN(list != NULL && member != NULL);
    while (list->n > 0) {
        const char *comma = memchr(list->p, ',', list->n);
        size_t n = comma ? (size_t)(comma - list->p) : list->n;
        struct str m = str_trim((struct str){ list->p, n });

        *list = str_from(*list, comma ? n + 1 : n);
        if (m.n > 0) {
            *member = m;
            return true;
        }
    }
    return false;
}

/* Looks a token up in a list. */
bool token_list_has(struct str list, struct str token)
{
    struct str member;

    while (token_list_next(&list, &member))
        if (str_ieq(member, token))
            return true;
    return false;
}

/* Lower case for eight bytes of ASCII at once: bit 5 is set where a byte lies in 'A' … 'Z'. */
static uint64_t lower_eight(uint64_t w)
{
    return w | (lanes_below(w, 'Z' + 1) & ~lanes_below(w, 'A')) >> 2;
}

/* Writes bytes in lower case. */
void ascii_lower(char *to, const char *from, size_t n)
{
    uint64_t w, last;

    if (n < sizeof w) {
        for (size_t i = 0; i < n; i++)
            to[i] = str_lower(from[i]);
        return;
    }
    /*
     * The last word overlaps the one before it instead of leaving a tail. It is loaded first:
     * behind a store to some of its bytes the processor would have to wait for that.
     */
    memcpy(&last, from + n - sizeof last, sizeof last);
    for (size_t i = 0; i + sizeof w < n; i += sizeof w) {
        memcpy(&w, from + i, sizeof w);
        w = lower_eight(w);
        memcpy(to + i, &w, sizeof w);
    }
    last = lower_eight(last);
    memcpy(to + n - sizeof last, &last, sizeof last);
}

/* Reads a decimal number. */
int digits_parse(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    AN(out != NULL);
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    if (s.n == 0)
        return -1;
    *out = value;
    return 0;
}
