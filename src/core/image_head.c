/*
 * image_head.c - the heads of a prebuilt answer.
 */
#include "core/image_head.h"

#include "base/check.h"
#include "http/token.h"

/* Fields of the content rather than of the resource: a 304 has no content. */
static const struct str full_only[] = {
    STR_INIT("content-type"), STR_INIT("content-length"), STR_INIT("content-encoding"),
    STR_INIT("content-range"), STR_INIT("accept-ranges")
};

/* The token of a coding. */
struct str image_coding_name(enum coding coding)
{
    static const struct str names[CODING_MAX] = {
        [CODING_IDENTITY] = STR_INIT(""), [CODING_GZIP] = STR_INIT("gzip"),
        [CODING_BR] = STR_INIT("br"), [CODING_ZSTD] = STR_INIT("zstd")
    };

    AN(coding < CODING_MAX);
    return names[coding];
}

/* Takes the first line off a head. */
bool image_head_line(struct str *head, struct str *line, struct str *name, struct str *value)
{
    const char *end = head->n ? memchr(head->p, '\n', head->n) : NULL;
    const char *colon;
    size_t n;

    if (!end)
        return false;
    n = (size_t)(end - head->p) + 1;
    colon = memchr(head->p, ':', n);
    if (!colon)
        return false;
    *line = (struct str){ head->p, n };
    *name = (struct str){ head->p, (size_t)(colon - head->p) };
    *value = (struct str){ colon + 1, (size_t)(end - colon) - 1 };
    if (value->n && value->p[value->n - 1] == '\r')
        value->n--;
    *value = str_trim(*value);
    *head = str_from(*head, n);
    return true;
}

/* The value of a field; .p NULL where there is none. */
static struct str find_field(struct str head, struct str wanted)
{
    struct str line, name, value;

    while (image_head_line(&head, &line, &name, &value))
        if (str_ieq(name, wanted))
            return value;
    return (struct str){ NULL, 0 };
}

/* The field belongs into the full head alone. */
static bool is_full_only(struct str name)
{
    for (size_t i = 0; i < sizeof full_only / sizeof full_only[0]; i++)
        if (str_ieq(name, full_only[i]))
            return true;
    return false;
}

/* Appends bytes to a text for which there is room. */
static void append(struct str *text, char *room, struct str s)
{
    if (s.n)
        memcpy(room + text->n, s.p, s.n);
    text->n += s.n;
}

/* The fields that the location does not give: Cache-Control and Vary. */
static struct str make_extra(struct arena *a, const struct image_head_input *in)
{
    struct str vary = find_field(in->fields, STR("vary"));
    bool caching = in->cache_control.n && !find_field(in->fields, STR("cache-control")).p;
    bool says_vary = vary.p
        && (token_list_has(vary, STR("accept-encoding")) || token_list_has(vary, STR("*")));

    return arena_printf(a, "%s%.*s%s%s", caching ? "Cache-Control: " : "",
                        caching ? (int)in->cache_control.n : 0, in->cache_control.p,
                        caching ? "\r\n" : "",
                        in->negotiated && !says_vary ? "Vary: Accept-Encoding\r\n" : "");
}

/* Makes both heads. */
void image_head_make(struct arena *a, const struct image_head_input *in, struct image_head *out)
{
    bool drop_expires = in->drop_expires && find_field(in->fields, STR("cache-control")).p;
    struct str coding = image_coding_name(in->coding), rest = in->fields, line, name, value;
    char *full, *brief;
    size_t room;

    AN(str_ends(in->fields, STR("\r\n")));
    *out = (struct image_head){ .extra = make_extra(a, in), .etag = STR("") };
    room = in->fields.n + out->extra.n + in->more.n + 64;
    out->full.p = full = arena_alloc(a, room);
    out->brief.p = brief = arena_alloc(a, room);
    while (image_head_line(&rest, &line, &name, &value)) {
        if (drop_expires && str_ieq(name, STR("expires")))
            continue;
        append(&out->full, full, line);
        if (is_full_only(name))
            continue;
        if (str_ieq(name, STR("etag")))
            out->etag = (struct str){ brief + out->brief.n + (value.p - line.p), value.n };
        append(&out->brief, brief, line);
    }
    append(&out->full, full, out->extra);
    append(&out->full, full, in->more);
    append(&out->brief, brief, out->extra);
    if (coding.n) {
        append(&out->full, full, STR("Content-Encoding: "));
        append(&out->full, full, coding);
        append(&out->full, full, STR("\r\n"));
    }
    append(&out->full, full, STR("\r\n"));
    append(&out->brief, brief, STR("\r\n"));
    AN(out->full.n <= room && out->brief.n <= room);
}
