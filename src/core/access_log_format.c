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
static inline bool is_plain(char c)
{
    unsigned char u = (unsigned char)c;

    return u - 0x20u < 0x5f && u != '"' && u != '\\';
}

/* How many bytes a value takes when what is not plain becomes \xHH. */
static size_t default_size(struct str s)
{
    size_t n = s.n;

    for (size_t i = 0; i < s.n; i++)
        n += is_plain(s.p[i]) ? 0 : 3;
    return n;
}

/* Writes such a value; returns the byte behind it. */
static char *put_default(char *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = (unsigned char)s.p[i];

        if (is_plain(s.p[i])) {
            *out++ = s.p[i];
            continue;
        }
        memcpy(out, (char[]){ '\\', 'x', hex_digits[u >> 4], hex_digits[u & 15] }, 4);
        out += 4;
    }
    return out;
}

/* The letter behind the backslash that JSON has for a byte (RFC 8259 section 7), or 0. */
static char json_letter(char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *p = letters; *p; p += 2)
        if (*p == c)
            return p[1];
    return 0;
}

/* How many bytes a value takes in a JSON string. */
static size_t json_size(struct str s)
{
    size_t n = s.n;

    for (size_t i = 0; i < s.n; i++)
        if (!is_plain(s.p[i]))
            n += json_letter(s.p[i]) ? 1 : (unsigned char)s.p[i] < ' ' ? 5 : 0;
    return n;
}

/* Writes such a value; returns the byte behind it. */
static char *put_json(char *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = (unsigned char)s.p[i];
        char letter = is_plain(s.p[i]) ? 0 : json_letter(s.p[i]);

        if (letter) {
            *out++ = '\\';
            *out++ = letter;
        } else if (u < ' ') {
            memcpy(out, "\\u00", 4);
            out[4] = hex_digits[u >> 4];
            out[5] = hex_digits[u & 15];
            out += 6;
        } else {
            *out++ = s.p[i];
        }
    }
    return out;
}

/* A part of a line: what it says, and how many bytes it takes when that is escaped. */
struct piece {
    struct str text;
    size_t size;
};

/* Gets a piece for a part of a format. */
static struct piece make_piece(struct slv_request *r, enum escape escape,
                               const struct template_part *part)
{
    struct piece p = { .text = template_part_value(r, part) };

    p.size = p.text.n;
    if (part->text.p)
        return p;
    if (escape == ESCAPE_JSON) {
        p.size = json_size(p.text);
    } else if (escape == ESCAPE_DEFAULT) {
        if (!p.text.p)
            p.text = STR("-");
        p.size = default_size(p.text);
    }
    return p;
}

/* Writes a piece; returns the byte behind it. */
static char *put_piece(char *out, enum escape escape, const struct piece *p)
{
    if (p->size != p->text.n)
        return escape == ESCAPE_JSON ? put_json(out, p->text) : put_default(out, p->text);
    if (p->size)
        memcpy(out, p->text.p, p->size);
    return out + p->size;
}

/* Writes a line for a request. */
struct str access_format_line(struct slv_request *r, const struct access_format *format)
{
    size_t count = format->parts.count, size = 1;
    struct piece *pieces;
    char *line, *at;

    CHECK_OBJ(format, ACCESS_FORMAT_MAGIC);
    pieces = slv_alloc(r, count * sizeof *pieces);
    for (size_t i = 0; i < count; i++) {
        pieces[i] = make_piece(r, format->escape, &format->parts.list[i]);
        size += pieces[i].size;
    }
    at = line = slv_alloc(r, size);
    for (size_t i = 0; i < count; i++)
        at = put_piece(at, format->escape, &pieces[i]);
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
