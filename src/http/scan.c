/*
 * scan.c - the head of a plain request, found without a state machine.
 */
#include "http/scan.h"

#include "base/check.h"
#include "http/lanes.h"
#include "http/token.h"

/* Bytes that are looked at together in a field's content. */
typedef unsigned char wide __attribute__((vector_size(2 * LANE_COUNT)));

/* Passes over a field's content: VCHAR, obs-text, SP and HTAB (RFC 9110 section 5.5). */
static const char *skip_content(const char *at, const char *end)
{
    while ((size_t)(end - at) >= sizeof(wide)) {
        uint64_t w[2];
        wide v;

        memcpy(&v, at, sizeof v);
        v = (wide)((v < ' ') | (v == 0x7f));
        memcpy(w, &v, sizeof v);
        if (!(w[0] | w[1])) {
            at += sizeof v;
            continue;
        }
        at += w[0] ? lanes_before(w[0]) : LANE_COUNT + lanes_before(w[1]);
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && (*at == '\t' || ((unsigned char)*at >= ' ' && *at != 0x7f)))
        at++;
    return at;
}

/* All bytes are VCHAR: visible ASCII. */
static bool is_visible(struct str s)
{
    uint64_t bad = 0;
    size_t i = 0;

    for (; i + LANE_COUNT <= s.n; i += LANE_COUNT) {
        uint64_t w = lanes_load(s.p + i);

        bad |= lanes_below(w, ' ' + 1) | lanes_equal(w, 0x7f) | (w & LANE_HIGH);
    }
    for (; i < s.n; i++)
        bad |= (unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f;
    return bad == 0;
}

/* The request line. Returns the place behind it, or NULL. */
static const char *scan_line(struct exchange *x, size_t size)
{
    static const struct str version = STR_INIT(" HTTP/1.");
    struct slv_request *r = &x->req;
    const char *lf = memchr(x->head, '\n', size), *behind;
    size_t before = r->method_name.n + 1, n;

    if (!lf || lf[-1] != '\r')
        return NULL;
    n = (size_t)(lf - 1 - x->head);
    if (n < before + 1 + version.n + 1 || n + 2 > x->limits->header_buffer)
        return NULL;
    behind = lf - 1 - (version.n + 1);
    if (memcmp(behind, version.p, version.n) != 0 || (lf[-2] != '0' && lf[-2] != '1'))
        return NULL;
    r->line = (struct str){ x->head, n };
    r->raw_target = (struct str){ x->head + before, n - before - (version.n + 1) };
    r->version = lf[-2] == '0' ? 10 : 11;
    return r->raw_target.p[0] == '/' && is_visible(r->raw_target) ? lf + 1 : NULL;
}

/* May the name be one that announces a body? Asked of few bytes, for all others at no cost. */
static bool may_frame(const char *name, size_t n)
{
    return (n == sizeof "content-length" - 1 && (name[0] | 0x20) == 'c')
        || (n == sizeof "transfer-encoding" - 1 && (name[0] | 0x20) == 't');
}

/* One field line. Returns the place behind it, or NULL. */
static const char *scan_field(struct exchange *x, const char *at, const char *end)
{
    const char *colon = token_skip(at, end), *value, *cr, *behind;
    struct slv_header *field;

    if (colon == at || colon == end || *colon != ':' || may_frame(at, (size_t)(colon - at)))
        return NULL;
    value = blanks_skip(colon + 1, end);
    behind = cr = skip_content(value, end);
    if (end - cr < 2 || cr[0] != '\r' || cr[1] != '\n'
        || (size_t)(cr + 2 - at) > x->limits->header_buffer)
        return NULL;
    while (behind > value && is_blank(behind[-1]))
        behind--;
    field = exchange_add_field(x);
    if (!field)
        return NULL;
    /* In place: the bytes are the reader's own and may be changed. */
    ascii_lower((char *)(uintptr_t)at, at, (size_t)(colon - at));
    field->name = (struct str){ at, (size_t)(colon - at) };
    field->value = (struct str){ value, (size_t)(behind - value) };
    return cr + 2;
}

/* Line by line, to the empty one. Returns the place behind that, or NULL. */
static const char *scan_lines(struct exchange *x, size_t size)
{
    const char *end = x->head + size, *at = scan_line(x, size);

    while (at && at < end && *at != '\r')
        at = scan_field(x, at, end);
    return at && end - at >= 2 && at[1] == '\n' ? at + 2 : NULL;
}

bool scan_head(struct exchange *x, size_t size)
{
    struct slv_request *r = &x->req;
    const char *behind;

    AN(r->method_name.p == x->head && r->header_count == 0);
    /* Which other methods there are is llhttp's to say. */
    if (r->method == SLV_METHOD_OTHER || r->method == SLV_CONNECT)
        return false;
    behind = scan_lines(x, size);
    if (behind
        && (size_t)(behind - x->head) <= x->limits->header_buffer * x->limits->header_buffers) {
        x->head_size = (size_t)(behind - x->head);
        return true;
    }
    r->line = r->raw_target = (struct str){ NULL, 0 };
    r->header_count = 0;
    r->version = 0;
    return false;
}
