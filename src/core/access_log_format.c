/*
 * access_log_format.c - what a line of the access log says.
 */
#include "core/access_log.h"

#include "base/check.h"
#include "core/template.h"

enum escape { ESCAPE_DEFAULT, ESCAPE_JSON, ESCAPE_NONE };

struct access_format {
    unsigned magic;
#define ACCESS_FORMAT_MAGIC 0xacce55f0u
    struct access_format *next;
    struct str name;
    enum escape escape;
    struct template_parts parts;
};

/* Always there, as every tool that reads logs expects. */
#define COMBINED \
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent " \
    "\"$http_referer\" \"$http_user_agent\""

/* ---- Escaping ------------------------------------------------------------------------------- */

static const char hex_digits[] = "0123456789ABCDEF";

/* Can a byte stand for itself between quotes in a log line? */
static bool is_plain(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= ' ' && u < 0x7f && u != '"' && u != '\\';
}

/* Writes \xHH for what is not plain. out NULL: only counts. Returns the length. */
static size_t escape_default(char *out, struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = (unsigned char)s.p[i];

        if (is_plain(s.p[i])) {
            if (out)
                out[n] = s.p[i];
            n++;
            continue;
        }
        if (out)
            memcpy(out + n, (char[]){ '\\', 'x', hex_digits[u >> 4], hex_digits[u & 15] }, 4);
        n += 4;
    }
    return n;
}

/* As it stands in a JSON string (RFC 8259 section 7). out NULL: only counts. Returns the length. */
static size_t escape_json(char *out, struct str s)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = (unsigned char)s.p[i];
        const char *letter = NULL;

        for (const char *p = shorts; *p && !letter; p += 2)
            if (*p == s.p[i])
                letter = p + 1;
        if (letter) {
            if (out)
                memcpy(out + n, (char[]){ '\\', *letter }, 2);
            n += 2;
        } else if (u < ' ') {
            if (out)
                memcpy(out + n,
                       (char[]){ '\\', 'u', '0', '0', hex_digits[u >> 4], hex_digits[u & 15] }, 6);
            n += 6;
        } else {
            if (out)
                out[n] = s.p[i];
            n++;
        }
    }
    return n;
}

/* Writes a value as the format wants it. out NULL: only counts. Returns the length. */
static size_t put_value(char *out, enum escape escape, struct str value)
{
    if (!value.p && escape == ESCAPE_DEFAULT)
        value = STR("-");
    switch (escape) {
    case ESCAPE_DEFAULT:
        return escape_default(out, value);
    case ESCAPE_JSON:
        return escape_json(out, value);
    case ESCAPE_NONE:
        break;
    }
    if (out && value.n)
        memcpy(out, value.p, value.n);
    return value.n;
}

/* Writes a line for a request. */
struct str access_format_line(struct slv_request *r, const struct access_format *format)
{
    const struct template_part *parts = format->parts.list;
    size_t count = format->parts.count, size = 1;
    struct str *values;
    char *line, *at;

    CHECK_OBJ(format, ACCESS_FORMAT_MAGIC);
    values = slv_alloc(r, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = template_part_value(r, &parts[i]);
        size += parts[i].text.p ? values[i].n : put_value(NULL, format->escape, values[i]);
    }
    at = line = slv_alloc(r, size);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].text.p) {
            memcpy(at, values[i].p, values[i].n);
            at += values[i].n;
        } else {
            at += put_value(at, format->escape, values[i]);
        }
    }
    *at++ = '\n';
    AN((size_t)(at - line) == size);
    return (struct str){ line, size };
}

/* ---- Reading formats ------------------------------------------------------------------------ */

/* Puts an empty format into the list. */
static struct access_format *add_format(struct slv_conf *cf, struct str name)
{
    struct access_format **list = access_log_formats(cf), *f = slv_conf_alloc(cf, sizeof *f);

    f->magic = ACCESS_FORMAT_MAGIC;
    f->name = slv_conf_str(cf, name);
    f->next = *list;
    *list = f;
    return f;
}

/* The format of a name in the list; the predefined one is put there when it is first asked for. */
static struct access_format *find_format(struct slv_conf *cf, struct str name)
{
    struct access_format *f = *access_log_formats(cf);
    int error;

    while (f && !str_eq(f->name, name))
        f = f->next;
    if (f || !str_eq(name, STR("combined")))
        return f;
    f = add_format(cf, name);
    error = template_parse(cf, 0, STR(COMBINED), &f->parts);
    AN(error == 0);
    return f;
}

/* Finds a format for an access_log. */
const struct access_format *access_format_find(struct slv_conf *cf, struct str name)
{
    return find_format(cf, name);
}

/* log_format name [escape=default|json|none] text … */
int access_log_format_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct str name = slv_conf_arg(cf, 1), word = slv_conf_arg(cf, 2);
    struct access_format *f;
    size_t i = 2;

    (void)d;
    (void)conf;
    if (find_format(cf, name))
        return slv_conf_error(cf, 1, "duplicate \"log_format\" name \"%.*s\"", STR_ARG(name));
    f = add_format(cf, name);
    if (str_starts(word, STR("escape="))) {
        word = str_from(word, sizeof "escape=" - 1);
        if (str_eq(word, STR("json")))
            f->escape = ESCAPE_JSON;
        else if (str_eq(word, STR("none")))
            f->escape = ESCAPE_NONE;
        else if (!str_eq(word, STR("default")))
            return slv_conf_error(cf, 2, "unknown log format escaping \"%.*s\"", STR_ARG(word));
        i++;
    }
    for (; i < slv_conf_count(cf); i++)
        if (template_parse(cf, i, slv_conf_arg(cf, i), &f->parts) != 0)
            return -1;
    return 0;
}
