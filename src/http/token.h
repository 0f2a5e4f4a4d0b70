/*
 * token.h - the small words that header fields are made of.
 *
 * Tokens, comma-separated lists and decimal numbers, as RFC 9110 §5.6 defines them. Nothing here
 * keeps state, allocates or copies: every str that is handed out is a view into the argument and
 * lives as long as the argument's bytes do.
 */
#ifndef SLV_TOKEN_H
#define SLV_TOKEN_H

#include <selvage/str.h>

#include <stdbool.h>
#include <stdint.h>

/* One bit per byte value; byte b is bit b % 32 of word b / 32. */
struct byteset {
    uint32_t word[8];
};

/* b is a member of the set. */
static inline bool byteset_has(const struct byteset *set, char b)
{
    unsigned char u = (unsigned char)b;

    return set->word[u / 32] >> (u % 32) & 1;
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

/*
 * Reads 1*DIGIT and nothing else: no sign, no blanks, no empty str. Leading zeros are digits.
 * out: the number; untouched on failure.
 * Returns 0, or -1 when s is anything else or the number is above 2^64 - 1.
 */
int digits_parse(struct str s, uint64_t *out);

#endif
