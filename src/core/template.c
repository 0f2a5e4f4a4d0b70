/*
 * template.c - text with $variables.
 */
#include "core/template.h"

#include "core/variable.h"

struct slv_template {
    unsigned magic;
#define TEMPLATE_MAGIC 0x7e3b1a7eu
    struct template_parts parts;
    struct str literal;            /* .p NULL where there is a part that is none */
};

/* A byte that a variable's name may have. */
static bool is_name_byte(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (str_lower(c) >= 'a' && str_lower(c) <= 'z');
}

/* Puts a part behind the others; the list grows in powers of two. */
static void add_part(struct slv_conf *cf, struct template_parts *parts, struct template_part part)
{
    if ((parts->count & (parts->count - 1)) == 0) {
        size_t room = parts->count ? parts->count * 2 : 1;
        struct template_part *list = slv_conf_alloc(cf, room * sizeof *list);

        if (parts->count)
            memcpy(list, parts->list, parts->count * sizeof *list);
        parts->list = list;
    }
    parts->list[parts->count++] = part;
}

/* Takes what a dollar announces off the front of text. 0, or -1 after an error. */
static int take_variable(struct slv_conf *cf, size_t arg, struct str *text,
                         struct template_parts *parts)
{
    struct str rest = str_from(*text, 1);
    bool braces = rest.n > 0 && rest.p[0] == '{';
    struct str name;

    if (rest.n > 0 && rest.p[0] >= '1' && rest.p[0] <= '9') {
        add_part(cf, parts, (struct template_part){ .variable = -1,
                                                    .capture = (unsigned)(rest.p[0] - '0') });
        *text = str_from(rest, 1);
        return 0;
    }
    if (braces)
        rest = str_from(rest, 1);
    name = (struct str){ rest.p, 0 };
    while (name.n < rest.n && is_name_byte(rest.p[name.n]))
        name.n++;
    rest = str_from(rest, name.n);
    if (braces && name.n > 0 && (rest.n == 0 || rest.p[0] != '}'))
        return slv_conf_error(cf, arg, "the closing bracket in \"%.*s\" variable is missing",
                              STR_ARG(name));
    if (name.n == 0)
        return slv_conf_error(cf, arg, "invalid variable name");
    add_part(cf, parts, (struct template_part){ .variable = variables_refer(cf, arg, name) });
    *text = braces ? str_from(rest, 1) : rest;
    return 0;
}

/* Takes a text apart. */
int template_parse(struct slv_conf *cf, size_t arg, struct str text, struct template_parts *parts)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    while (text.n > 0) {
        const char *dollar = memchr(text.p, '$', text.n);
        size_t n = dollar ? (size_t)(dollar - text.p) : text.n;

        if (n > 0) {
            struct str copy = slv_conf_str(cf, (struct str){ text.p, n });

            add_part(cf, parts, (struct template_part){ .text = copy, .variable = -1 });
            text = str_from(text, n);
        }
        if (dollar && take_variable(cf, arg, &text, parts) != 0)
            return -1;
    }
    return 0;
}

/* Compiles a text. */
struct slv_template *slv_template_compile(struct slv_conf *cf, size_t arg, struct str text)
{
    struct slv_template *t = slv_conf_alloc(cf, sizeof *t);

    t->magic = TEMPLATE_MAGIC;
    if (template_parse(cf, arg, text, &t->parts) != 0)
        return NULL;
    if (t->parts.count == 0)
        t->literal = STR("");
    else if (t->parts.count == 1)
        t->literal = t->parts.list[0].text;
    return t;
}

/* The text of a template without variables. */
struct str slv_template_literal(const struct slv_template *t)
{
    CHECK_OBJ(t, TEMPLATE_MAGIC);
    return t->literal;
}

/* What group number n of the last successful match held. */
static struct str capture_value(const struct captures *c, unsigned n)
{
    if (!c || n >= c->count || c->ovector[2 * n] == UINT32_MAX)
        return (struct str){ NULL, 0 };
    AN(c->ovector[2 * n] <= c->ovector[2 * n + 1] && c->ovector[2 * n + 1] <= c->subject.n);
    return (struct str){ c->subject.p + c->ovector[2 * n],
                         c->ovector[2 * n + 1] - c->ovector[2 * n] };
}

/* Evaluates one part. */
struct str template_part_value(struct slv_request *r, const struct template_part *part)
{
    if (part->text.p)
        return part->text;
    if (part->capture)
        return capture_value(context_of(r)->captures, part->capture);
    return variable_value(r, part->variable);
}

/* Evaluates a template. */
struct str slv_template_text(struct slv_request *r, const struct slv_template *t)
{
    struct str one, *values;
    size_t count, size = 0;
    char *text, *at;

    CHECK_OBJ(t, TEMPLATE_MAGIC);
    if (t->literal.p)
        return t->literal;
    count = t->parts.count;
    if (count == 1) {
        one = template_part_value(r, &t->parts.list[0]);
        return one.p ? one : STR("");
    }
    values = slv_alloc(r, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = template_part_value(r, &t->parts.list[i]);
        size += values[i].n;
    }
    at = text = slv_alloc(r, size + 1);
    for (size_t i = 0; i < count; i++) {
        if (values[i].n)
            memcpy(at, values[i].p, values[i].n);
        at += values[i].n;
    }
    *at = '\0';
    AN((size_t)(at - text) == size);
    return (struct str){ text, size };
}

int slv_set_template(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct slv_template **field = (struct slv_template **)(void *)((char *)conf + d->offset);

    AN(d->size == sizeof *field);
    *field = slv_template_compile(cf, 1, slv_conf_arg(cf, 1));
    return *field ? 0 : -1;
}
