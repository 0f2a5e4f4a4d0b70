/*
 * etag.c - entity-tags.
 */
#include "http/etag.h"

#include "base/check.h"

/* Says whether b may stand between the quotes: visible ASCII but '"', or from 0x80 on. */
static inline bool is_etagc(char b)
{
    unsigned char u = (unsigned char)b;

    return u > ' ' && u != '"' && u != 0x7f;
}

/* Takes one entity-tag off the front of s. */
static bool take_etag(struct str *s, struct etag *out)
{
    bool weak = str_starts(*s, STR("W/"));
    struct str rest = weak ? str_from(*s, 2) : *s;
    size_t n = 1;

    if (rest.n == 0 || rest.p[0] != '"')
        return false;
    while (n < rest.n && is_etagc(rest.p[n]))
        n++;
    if (n == rest.n || rest.p[n] != '"')
        return false;
    *out = (struct etag){ { rest.p, n + 1 }, weak };
    *s = str_from(rest, n + 1);
    return true;
}

/* Reads a lone entity-tag. */
int etag_parse(struct str s, struct etag *out)
{
    struct etag tag;

    AN(out != NULL);
    if (!take_etag(&s, &tag) || s.n > 0)
        return -1;
    *out = tag;
    return 0;
}

/* Compares two entity-tags. */
bool etag_equal(const struct etag *a, const struct etag *b, bool weak_compare)
{
    AN(a != NULL && b != NULL);
    return (weak_compare || (!a->weak && !b->weak)) && str_eq(a->opaque, b->opaque);
}

/* Looks an entity-tag up in a list; the whole list is read, since it must be well formed. */
bool etag_list_match(struct str list, struct str etag, bool weak_compare)
{
    struct etag own, other;
    bool found = false;

    list = str_trim(list);
    if (str_eq(list, STR("*")))
        return etag.n > 0;
    if (etag_parse(etag, &own) != 0)
        return false;
    /* What nearly all clients send is what they were given, and that is well formed. */
    if (str_eq(list, etag))
        return etag_equal(&own, &own, weak_compare);
    while (list.n > 0) {
        if (list.p[0] != ',') {
            if (!take_etag(&list, &other))
                return false;
            found = found || etag_equal(&own, &other, weak_compare);
            list = str_trim(list);
            if (list.n > 0 && list.p[0] != ',')
                return false;
        }
        if (list.n > 0)
            list = str_trim(str_from(list, 1));
    }
    return found;
}

/* Writes a number in hexadecimal without leading zeros. */
static char *put_hex(char *p, uint64_t value)
{
    int shift = 60;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *p++ = "0123456789abcdef"[value >> shift & 15];
    return p;
}

/* Makes an entity-tag of a file's time and size. */
size_t etag_format(char out[ETAG_SIZE], uint64_t mtime, uint64_t size)
{
    char *p = out;

    *p++ = '"';
    p = put_hex(p, mtime);
    *p++ = '-';
    p = put_hex(p, size);
    *p++ = '"';
    *p = '\0';
    AN(p < out + ETAG_SIZE);
    return (size_t)(p - out);
}
