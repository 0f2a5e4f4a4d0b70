/*
 * target.c - splits, checks and decodes request-targets.
 */
#include "http/target.h"

#include "base/check.h"
#include "http/lanes.h"
#include "http/token.h"

/* Says whether a byte may stand in no form of a target. */
static inline bool byte_is_refused(char b)
{
    unsigned char u = (unsigned char)b;

    return u <= ' ' || u == 0x7f || u == '#';
}

/* Says whether every byte may stand in a target. */
static bool bytes_valid(struct str s)
{
    if (s.n < LANE_COUNT) {
        for (size_t i = 0; i < s.n; i++)
            if (byte_is_refused(s.p[i]))
                return false;
        return true;
    }
    /* The last word overlaps the one before it instead of leaving a tail. */
    for (size_t i = 0;; i += LANE_COUNT) {
        uint64_t w;

        if (i + LANE_COUNT > s.n)
            i = s.n - LANE_COUNT;
        w = lanes_load(s.p + i);
        if (lanes_below(w, ' ' + 1) | lanes_equal(w, 0x7f) | lanes_equal(w, '#'))
            return false;
        if (i + LANE_COUNT == s.n)
            return true;
    }
}

/* ALPHA, DIGIT, -._~ and !$&'()*+,;= : what a registered name has besides escapes. */
static const struct byteset reg_name = { {
    BYTESET_ALNUM, ['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true, ['!'] = true,
    ['$'] = true, ['&'] = true, ['\''] = true, ['('] = true, [')'] = true, ['*'] = true,
    ['+'] = true, [','] = true, [';'] = true, ['='] = true
} };

/* The value of a hexadecimal digit, or 16. */
static inline unsigned hex_value(char b)
{
    unsigned char u = (unsigned char)b;
    unsigned letter = (u | 0x20u) - 'a';

    if (u - (unsigned)'0' < 10)
        return u - (unsigned)'0';
    return letter < 6 ? letter + 10 : 16;
}

/* The bytes at p, of which n are left, start with a whole percent-escape; *value is its byte. */
static inline bool escape_at(const char *p, size_t n, unsigned char *value)
{
    unsigned high, low;

    if (n < 3 || p[0] != '%')
        return false;
    high = hex_value(p[1]);
    low = hex_value(p[2]);
    *value = (unsigned char)(high << 4 | low);
    return high < 16 && low < 16;
}

/* Says whether s is four decimal numbers up to 255, without leading zeros, between dots. */
static bool ipv4_valid(struct str s)
{
    size_t at = 0;

    for (int group = 0; group < 4; group++) {
        size_t start;
        unsigned value = 0;

        if (group > 0 && (at == s.n || s.p[at++] != '.'))
            return false;
        start = at;
        while (at < s.n && at - start < 3 && s.p[at] >= '0' && s.p[at] <= '9')
            value = value * 10 + (unsigned)(s.p[at++] - '0');
        if (at == start || value > 255 || (at - start > 1 && s.p[start] == '0'))
            return false;
    }
    return at == s.n;
}

/* Says whether s is an IPv6 address, without brackets (RFC 3986 §3.2.2). */
static bool ipv6_valid(struct str s)
{
    bool compressed = str_starts(s, STR("::"));
    size_t at = compressed ? 2 : 0;
    unsigned groups = 0;

    while (at < s.n) {
        size_t start = at;

        while (at < s.n && hex_value(s.p[at]) < 16)
            at++;
        if (at < s.n && s.p[at] == '.') {
            if (!ipv4_valid(str_from(s, start)))
                return false;
            groups += 2;
            break;
        }
        if (at == start || at - start > 4)
            return false;
        groups++;
        if (at == s.n)
            break;
        if (s.p[at++] != ':' || at == s.n)
            return false;
        if (s.p[at] == ':') {
            if (compressed)
                return false;
            compressed = true;
            at++;
        }
    }
    return compressed ? groups <= 7 : groups == 8;
}

/* Says whether s is what may follow the colon of an authority. */
static bool port_valid(struct str s)
{
    uint64_t port;

    return s.n == 0 || (digits_parse(s, &port) == 0 && port <= UINT16_MAX);
}

/* Says whether v is host[:port], and how many of its bytes are the host. */
static bool host_scan(struct str v, size_t *host_len)
{
    size_t at = 0;
    unsigned char escaped;

    if (v.n > 0 && v.p[0] == '[') {
        const char *end = memchr(v.p, ']', v.n);

        if (end == NULL || !ipv6_valid((struct str){ v.p + 1, (size_t)(end - v.p) - 1 }))
            return false;
        at = (size_t)(end - v.p) + 1;
    } else {
        while (at < v.n) {
            /* No label is empty, and a directory named by the host must not be "..". */
            if (v.p[at] == '.' && at > 0 && v.p[at - 1] == '.')
                return false;
            if (byteset_has(&reg_name, v.p[at]))
                at++;
            else if (escape_at(v.p + at, v.n - at, &escaped))
                at += 3;
            else
                break;
        }
    }
    *host_len = at;
    return at == v.n || (v.p[at] == ':' && port_valid(str_from(v, at + 1)));
}

/* Says whether a Host value is well formed. */
bool target_host_valid(struct str host)
{
    size_t host_len;

    return host_scan(host, &host_len);
}

/* Takes a Host value apart. */
int target_host_split(struct str value, char *lower, size_t size, struct str *host,
    struct str *port)
{
    size_t n, host_len;

    AN(host != NULL && port != NULL);
    if (!host_scan(value, &host_len))
        return -1;
    n = host_len;
    if (n > 0 && value.p[n - 1] == '.')
        n--;
    if (n > size)
        return -1;
    ascii_lower(lower, value.p, n);
    *host = (struct str){ lower, n };
    *port = host_len < value.n ? str_from(value, host_len + 1) : (struct str){ value.p, 0 };
    return 0;
}

/* Splits path[?args] into the two. */
static void split_args(struct str s, struct target *out)
{
    const char *mark = s.n > 0 ? memchr(s.p, '?', s.n) : NULL;
    size_t n = mark ? (size_t)(mark - s.p) : s.n;

    out->path = (struct str){ s.p, n };
    out->has_args = mark != NULL;
    if (mark)
        out->args = str_from(s, n + 1);
    if (n == 0)
        out->path = STR("/");
}

/* Parses scheme://authority[path][?args]; out is already empty. */
static int parse_absolute(struct str raw, struct target *out)
{
    const struct str http = STR_INIT("http://"), https = STR_INIT("https://");
    struct str authority;
    size_t host_len, n = 0;

    if (raw.n >= http.n && str_ieq((struct str){ raw.p, http.n }, http))
        raw = str_from(raw, http.n);
    else if (raw.n >= https.n && str_ieq((struct str){ raw.p, https.n }, https))
        raw = str_from(raw, https.n);
    else
        return -1;
    while (n < raw.n && raw.p[n] != '/' && raw.p[n] != '?')
        n++;
    authority = (struct str){ raw.p, n };
    if (!host_scan(authority, &host_len) || host_len == 0)
        return -1;
    out->form = TARGET_ABSOLUTE;
    out->authority = authority;
    split_args(str_from(raw, n), out);
    return 0;
}

/* Splits a request-target of any form. */
int target_parse(struct str raw, bool options, struct target *out)
{
    AN(out != NULL);
    *out = (struct target){ .form = TARGET_BAD };
    if (raw.n == 0 || !bytes_valid(raw))
        return -1;
    if (raw.p[0] == '/') {
        out->form = TARGET_ORIGIN;
        split_args(raw, out);
        return 0;
    }
    if (raw.p[0] == '*') {
        if (!options || raw.n != 1)
            return -1;
        out->form = TARGET_ASTERISK;
        out->path = raw;
        return 0;
    }
    return parse_absolute(raw, out);
}

/* Says whether decoding would change nothing. */
bool target_is_plain(struct str raw_path, bool merge_slashes)
{
    const char *p = raw_path.p;
    size_t n = raw_path.n;
    /* '.' and '/' differ in their lowest bit: setting it asks for both at once. */
    uint64_t either = merge_slashes ? LANES('.' ^ '/') : 0;
    unsigned char special = merge_slashes ? '/' : '.';

    if (n == 0 || p[0] != '/')
        return false;
    if (n <= LANE_COUNT) {
        for (size_t i = 1; i < n; i++) {
            if (p[i] == '%')
                return false;
            if (p[i - 1] == '/' && (p[i] == '.' || (p[i] == '/' && merge_slashes)))
                return false;
        }
        return true;
    }
    /* Each word is looked at together with the word one byte before it. */
    for (size_t i = 1;; i += LANE_COUNT) {
        uint64_t w, after_slash;

        if (i + LANE_COUNT > n)
            i = n - LANE_COUNT;
        w = lanes_load(p + i);
        after_slash = lanes_equal(lanes_load(p + i - 1), '/');
        if (lanes_have(w, '%') || (after_slash & lanes_equal(w | either, special)) != 0)
            return false;
        if (i + LANE_COUNT == n)
            return true;
    }
}

/* A path that is being written; its last segment starts at seg, after a slash. */
struct path_out {
    char *p;
    size_t n;
    size_t seg;
};

/*
 * Takes the last segment away if it is a dot segment, and the one before it too if it is "..".
 * *was_dots: the segment was one. Returns -1 when the root has no parent.
 */
static int close_segment(struct path_out *o, bool *was_dots)
{
    const char *s = o->p + o->seg;
    size_t n = o->n - o->seg;

    *was_dots = true;
    if (n == 1 && s[0] == '.') {
        o->n = o->seg;
    } else if (n == 2 && s[0] == '.' && s[1] == '.') {
        if (o->seg == 1)
            return -1;
        o->n = o->seg - 1;
        while (o->p[o->n - 1] != '/')
            o->n--;
        o->seg = o->n;
    } else {
        *was_dots = false;
    }
    return 0;
}

/* Decodes a path and resolves its dot segments. */
ssize_t target_decode(struct str raw_path, char *out, size_t size, bool merge_slashes)
{
    struct path_out o = { out, 1, 1 };
    bool was_dots;
    size_t i = 1;

    if (raw_path.n == 0 || raw_path.p[0] != '/' || size < raw_path.n)
        return -1;
    out[0] = '/';
    while (i < raw_path.n) {
        unsigned char b = (unsigned char)raw_path.p[i];
        size_t used = 1;

        if (b == '%') {
            if (!escape_at(raw_path.p + i, raw_path.n - i, &b) || b == '\0')
                return -1;
            used = 3;
        }
        i += used;
        if (b != '/') {
            o.p[o.n++] = (char)b;
            continue;
        }
        if (close_segment(&o, &was_dots) != 0)
            return -1;
        /* What is left of a dot segment already ends with its slash. */
        if (was_dots || (merge_slashes && o.n == o.seg))
            continue;
        o.p[o.n++] = '/';
        o.seg = o.n;
    }
    if (close_segment(&o, &was_dots) != 0)
        return -1;
    AN(o.n >= 1 && o.n <= raw_path.n && out[0] == '/');
    return (ssize_t)o.n;
}
