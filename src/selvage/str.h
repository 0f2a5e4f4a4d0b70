/*
 * str.h - a view of bytes that somebody else owns.
 *
 * A struct str never owns its bytes and is not NUL-terminated. It is passed by value. How long the
 * bytes stay valid is said wherever a str is handed out; where nothing is said, until the called
 * function returns.
 */
#ifndef SELVAGE_STR_H
#define SELVAGE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

/* A str of a string literal, for expressions and for initialisers. */
#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }

/* The two arguments of a printf "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

/* Views a NUL-terminated string; NULL gives the empty str. */
static inline struct str str_of(const char *c)
{
    return (struct str){ c, c ? strlen(c) : 0 };
}

/* Equal byte by byte. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII lower case of one byte; locale plays no part in a protocol. */
static inline char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Equal but for ASCII case. */
static inline bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (str_lower(a.p[i]) != str_lower(b.p[i]))
            return false;
    return true;
}

/* s begins with prefix. */
static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* s ends with suffix. */
static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n
        && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Without its first n bytes; n must not pass the length. */
static inline struct str str_from(struct str s, size_t n)
{
    return (struct str){ s.p + n, s.n - n };
}

/* Without spaces and tabs (RFC 9110 OWS) at both ends. */
static inline struct str str_trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

#endif
