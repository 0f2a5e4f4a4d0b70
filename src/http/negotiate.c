/*
 * negotiate.c - Accept-Encoding.
 */
#include "http/negotiate.h"

#include "base/check.h"
#include "http/token.h"

/* The slot after the codings is that of "*". */
#define SLOT_ANY CODING_MAX
#define SLOT_COUNT (CODING_MAX + 1)
#define UNNAMED (-1)

/* Without a word about it, identity is acceptable, after everything else. */
#define LEAST_Q 1
#define FULL_Q 1000

/* The names that mean something here, and their slots. */
static const struct {
    struct str name;
    int slot;
} names[] = {
    { STR_INIT("gzip"), CODING_GZIP },
    { STR_INIT("br"), CODING_BR },
    { STR_INIT("zstd"), CODING_ZSTD },
    { STR_INIT("identity"), CODING_IDENTITY },
    { STR_INIT("*"), SLOT_ANY },
    { STR_INIT("x-gzip"), CODING_GZIP },
};

/* The values that browsers and command-line clients send word for word, and what they come to. */
static const struct {
    struct str value;
    struct codings codings;
} common[] = {
    { STR_INIT("gzip, deflate, br, zstd"), { { LEAST_Q, FULL_Q, FULL_Q, FULL_Q } } },
    { STR_INIT("gzip, deflate, br"), { { LEAST_Q, FULL_Q, FULL_Q, 0 } } },
    { STR_INIT("gzip, deflate"), { { LEAST_Q, FULL_Q, 0, 0 } } },
    { STR_INIT("gzip"), { { LEAST_Q, FULL_Q, 0, 0 } } },
    { STR_INIT("identity"), { { FULL_Q, 0, 0, 0 } } },
};

/* Finds the slot of a coding's name, or -1. */
static int slot_of(struct str name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_ieq(names[i].name, name))
            return names[i].slot;
    return -1;
}

/* Reads a qvalue: 0 or 1, and at most three decimals that do not pass 1 (RFC 9110 §12.4.2). */
static int qvalue_parse(struct str s, int *out)
{
    int q, unit = 100;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return -1;
    q = (s.p[0] - '0') * FULL_Q;
    for (size_t i = 2; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        q += (s.p[i] - '0') * unit;
        unit /= 10;
    }
    if (q > FULL_Q)
        return -1;
    *out = q;
    return 0;
}

/* Reads codings [ weight ] from one member of the list. */
static int member_parse(struct str member, struct str *name, int *q)
{
    const char *semicolon = memchr(member.p, ';', member.n);
    size_t n = semicolon ? (size_t)(semicolon - member.p) : member.n;
    struct str weight;

    *name = str_trim((struct str){ member.p, n });
    *q = FULL_Q;
    if (!semicolon)
        return 0;
    weight = str_trim(str_from(member, n + 1));
    if (weight.n < 2 || str_lower(weight.p[0]) != 'q' || weight.p[1] != '=')
        return -1;
    return qvalue_parse(str_from(weight, 2), q);
}

/* Reads Accept-Encoding. */
void negotiate_encoding(struct str value, bool present, struct codings *out)
{
    int slots[SLOT_COUNT];
    struct str member, name;

    AN(out != NULL);
    if (!present) {
        *out = (struct codings){ .q[CODING_IDENTITY] = FULL_Q };
        return;
    }
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (str_eq(value, common[i].value)) {
            *out = common[i].codings;
            return;
        }
    for (int i = 0; i < SLOT_COUNT; i++)
        slots[i] = UNNAMED;
    while (token_list_next(&value, &member)) {
        int q, slot;

        if (member_parse(member, &name, &q) != 0)
            continue;
        slot = slot_of(name);
        if (slot >= 0 && slots[slot] == UNNAMED)
            slots[slot] = q;
    }
    for (int i = 0; i < CODING_MAX; i++) {
        int q = slots[i] != UNNAMED ? slots[i] : slots[SLOT_ANY];

        if (q == UNNAMED)
            q = i == CODING_IDENTITY ? LEAST_Q : 0;
        AN(q >= 0 && q <= FULL_Q);
        out->q[i] = (uint16_t)q;
    }
}

/* Picks the coding to send. */
enum coding negotiate_pick(const struct codings *c, unsigned available_mask,
    const enum coding order[], size_t n)
{
    enum coding best = CODING_MAX;
    unsigned best_q = 0;

    AN(c != NULL && (order != NULL || n == 0));
    for (size_t i = 0; i < n; i++) {
        AN(order[i] < CODING_MAX);
        if (available_mask >> order[i] & 1 && c->q[order[i]] > best_q) {
            best = order[i];
            best_q = c->q[best];
        }
    }
    return best;
}
