/*
 * token.h - the small words that header fields are made of.
 *
 * Tokens, comma-separated lists and decimal numbers, as RFC 9110 §5.6 defines them. Nothing here
 * keeps state or allocates: every str that is handed out is a view into the argument and lives as
 * long as the argument's bytes do.
 */
#ifndef SLV_TOKEN_H
#define SLV_TOKEN_H

#include <selvage/str.h>

#include <stdbool.h>
#include <stdint.h>

/* A set of byte values. */
struct byteset {
    bool has[256];
};

/* The members of a byteset's initialiser that are letters and digits. */
#define BYTESET_ALNUM \
    ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, \
    ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true, \
    ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true, ['F'] = true, \
    ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true, ['L'] = true, \
    ['M'] = true, ['N'] = true, ['O'] = true, ['P'] = true, ['Q'] = true, ['R'] = true, \
    ['S'] = true, ['T'] = true, ['U'] = true, ['V'] = true, ['W'] = true, ['X'] = true, \
    ['Y'] = true, ['Z'] = true, \
    ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true, \
    ['g'] = true, ['h'] = true, ['i'] = true, ['j'] = true, ['k'] = true, ['l'] = true, \
    ['m'] = true, ['n'] = true, ['o'] = true, ['p'] = true, ['q'] = true, ['r'] = true, \
    ['s'] = true, ['t'] = true, ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true, \
    ['y'] = true, ['z'] = true

/* b is a member of the set. */
static inline bool byteset_has(const struct byteset *set, char b)
{
    return set->has[(unsigned char)b];
}

/* The first byte from at on that is not a tchar (RFC 9110 §5.6.2), or end. */
const char *token_skip(const char *at, const char *end);

/* b is optional white space (RFC 9110 §5.6.3). */
static inline bool is_blank(char b)
{
    return b == ' ' || b == '\t';
}

/* The first byte from at on that is no white space, or end. */
static inline const char *blanks_skip(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* s is a token: one or more tchar (RFC 9110 §5.6.2). The empty str is none. */
bool token_valid(struct str s);

/*
 * Takes the next member of a comma-separated list (RFC 9110 §5.6.1).
 * list: what is left of the field value; shortened past the member and its comma.
 * member: set to the member without the OWS around it, never empty: empty members are skipped, as a
 * recipient must. Untouched when there is none.
 * Quoted strings are not understood: only for fields whose members cannot contain a comma.
 * Returns false when the list is used up.
 */
bool token_list_next(struct str *list, struct str *member);

/*
 * The comma-separated list has a member that equals token but for ASCII case, as the options of
 * Connection and the names in Upgrade and TE are compared (RFC 9110 §7.6.1, §7.8, §10.1.4). A
 * member that carries parameters is not equal to its bare name. An empty token is never found.
 */
bool token_list_has(struct str list, struct str token);

/* Writes the n bytes at from in ASCII lower case to to, which may be the same place. */
void ascii_lower(char *to, const char *from, size_t n);

/*
 * Reads 1*DIGIT and nothing else: no sign, no blanks, no empty str. Leading zeros are digits.
 * out: the number; untouched on failure.
 * Returns 0, or -1 when s is anything else or the number is above 2^64 - 1.
 */
int digits_parse(struct str s, uint64_t *out);

#endif
