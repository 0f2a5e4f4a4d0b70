/*
 * token.c - tokens, comma-separated lists, decimal numbers.
 */
#include "http/token.h"

#include "base/check.h"

/* ALPHA, DIGIT and !#$%&'*+-.^_`|~ */
static const struct byteset tchar = { {
    0x00000000, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, 0, 0, 0, 0
} };

/* Says whether s is a token. */
bool token_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byteset_has(&tchar, s.p[i]))
            return false;
    return s.n > 0;
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
