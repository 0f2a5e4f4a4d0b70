/*
 * conf_set.c - ready setters, and what setters need.
 */
#include "core/conf_engine.h"

#include <stdint.h>
#include <stdio.h>

#define SECOND INT64_C(1000)
#define DAY (24 * 60 * 60 * SECOND)

/* ---- The directive at hand ------------------------------------------------------------------- */

size_t slv_conf_count(const struct slv_conf *cf)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    return cf->node ? cf->node->count : 0;
}

struct str slv_conf_arg(const struct slv_conf *cf, size_t i)
{
    AN(i < slv_conf_count(cf));
    return cf->node->words[i].text;
}

unsigned slv_conf_where(const struct slv_conf *cf)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    return cf->block->where;
}

/* ---- Memory and paths ------------------------------------------------------------------------ */

void *slv_conf_alloc(struct slv_conf *cf, size_t size)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    return arena_zalloc(cf->conf->arena, size);
}

struct str slv_conf_str(struct slv_conf *cf, struct str s)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    return arena_str(cf->conf->arena, s);
}

void slv_conf_on_free(struct slv_conf *cf, void (*release)(void *), void *object)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    arena_on_free(cf->conf->arena, release, object);
}

struct str slv_conf_path(struct slv_conf *cf, struct str name, bool beside_config)
{
    struct conf *c = cf->conf;
    struct str base = beside_config ? c->config_dir : c->prefix;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    if (name.n && name.p[0] == '/')
        return arena_str(c->arena, name);
    return arena_printf(c->arena, "%.*s%.*s", STR_ARG(base), STR_ARG(name));
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* Takes the digits at the front of s off. 0; -1 where there are none or too many. */
static int take_number(struct str *s, int64_t *value)
{
    size_t n = 0;

    *value = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
        if (__builtin_mul_overflow(*value, 10, value)
            || __builtin_add_overflow(*value, s->p[n] - '0', value))
            return -1;
        n++;
    }
    *s = str_from(*s, n);
    return n ? 0 : -1;
}

int slv_parse_size(struct str s, int64_t *bytes)
{
    static const char units[] = "kmg";
    const char *unit;
    int64_t n;

    if (take_number(&s, &n) < 0 || s.n > 1)
        return -1;
    if (s.n == 1) {
        unit = memchr(units, str_lower(s.p[0]), sizeof units - 1);
        if (!unit || __builtin_mul_overflow(n, INT64_C(1024) << 10 * (unit - units), &n))
            return -1;
    }
    *bytes = n;
    return 0;
}

/* The unit at the front of s, taken off: its index, large units first; -1 where there is none. */
static int take_unit(struct str *s)
{
    static const struct str units[] = {
        STR_INIT("y"), STR_INIT("M"), STR_INIT("w"), STR_INIT("d"), STR_INIT("h"),
        STR_INIT("m"), STR_INIT("s"), STR_INIT("ms")
    };
    int found = -1;

    for (int i = 0; i < (int)(sizeof units / sizeof units[0]); i++)
        if (str_starts(*s, units[i]))
            found = i;             /* "ms" comes behind "m" and wins */
    if (found >= 0)
        *s = str_from(*s, units[found].n);
    return found;
}

/* Takes spaces off the front. */
static void skip_spaces(struct str *s)
{
    while (s->n && s->p[0] == ' ')
        *s = str_from(*s, 1);
}

int slv_parse_ms(struct str s, int64_t *ms)
{
    static const int64_t scales[] = {
        365 * DAY, 30 * DAY, 7 * DAY, DAY, 3600 * SECOND, 60 * SECOND, SECOND, 1
    };
    int64_t total = 0, n;
    int last = -1;

    do {
        int unit;

        if (take_number(&s, &n) < 0)
            return -1;
        /* A number without a unit is seconds, and the last one. */
        unit = s.n && s.p[0] != ' ' ? take_unit(&s) : 6;
        skip_spaces(&s);
        if (unit <= last)
            return -1;
        last = unit;
        if (__builtin_mul_overflow(n, scales[unit], &n)
            || __builtin_add_overflow(total, n, &total))
            return -1;
    } while (s.n);
    *ms = total;
    return 0;
}

/* The field that the directive sets, which must be as large as the setter's type. */
static void *field_of(const struct slv_directive *d, void *conf, size_t size)
{
    AN(conf != NULL && d->size == size);
    return (char *)conf + d->offset;
}

/* ---- Setters --------------------------------------------------------------------------------- */

/* on or off */
int slv_set_flag(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    bool *field = field_of(d, conf, sizeof *field);
    struct str value = slv_conf_arg(cf, 1);

    *field = str_ieq(value, STR("on"));
    if (*field || str_ieq(value, STR("off")))
        return 0;
    return slv_conf_error(cf, 1, "invalid value \"%.*s\" in \"%s\" directive, it must be \"on\" or "
                          "\"off\"", STR_ARG(value), d->name);
}

/* Holds a value against the bounds of its directive; without bounds it must not be negative. */
static int check_bounds(struct slv_conf *cf, const struct slv_directive *d, int64_t value)
{
    static const struct slv_bounds usual = { 0, INT64_MAX };
    const struct slv_bounds *b = d->extra ? d->extra : &usual;
    struct str text = slv_conf_arg(cf, 1);

    if (value >= b->min && value <= b->max)
        return 0;
    if (b->max == INT64_MAX)
        return slv_conf_error(cf, 1, "\"%s\" directive invalid value \"%.*s\", value must be equal "
                              "to or greater than %lld", d->name, STR_ARG(text), (long long)b->min);
    return slv_conf_error(cf, 1, "\"%s\" directive invalid value \"%.*s\", value must be between "
                          "%lld and %lld", d->name, STR_ARG(text), (long long)b->min,
                          (long long)b->max);
}

int slv_set_number(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    int64_t *field = field_of(d, conf, sizeof *field);
    struct str value = slv_conf_arg(cf, 1), digits = value;
    bool negative = value.n && value.p[0] == '-';

    if (negative)
        digits = str_from(digits, 1);
    if (take_number(&digits, field) < 0 || digits.n)
        return slv_conf_error(cf, 1, "\"%s\" directive invalid number \"%.*s\"", d->name,
                              STR_ARG(value));
    if (negative)
        *field = -*field;
    return check_bounds(cf, d, *field);
}

int slv_set_size(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    int64_t *field = field_of(d, conf, sizeof *field);
    struct str value = slv_conf_arg(cf, 1);

    if (slv_parse_size(value, field) < 0)
        return slv_conf_error(cf, 1, "\"%s\" directive invalid value \"%.*s\", it must be a size "
                              "such as 512, 8k or 1m", d->name, STR_ARG(value));
    return check_bounds(cf, d, *field);
}

int slv_set_ms(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    int64_t *field = field_of(d, conf, sizeof *field);
    struct str value = slv_conf_arg(cf, 1);

    if (slv_parse_ms(value, field) == 0)
        return 0;
    return slv_conf_error(cf, 1, "\"%s\" directive invalid value \"%.*s\", it must be a time such "
                          "as 500ms, 30s or 1h30m", d->name, STR_ARG(value));
}

int slv_set_string(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct str *field = field_of(d, conf, sizeof *field);

    *field = slv_conf_str(cf, slv_conf_arg(cf, 1));
    return 0;
}

int slv_set_path(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct str *field = field_of(d, conf, sizeof *field);

    *field = slv_conf_path(cf, slv_conf_arg(cf, 1), false);
    return 0;
}

/* Reports a word that is not in the list, with the list and the nearest of it. */
static int refuse_word(struct slv_conf *cf, const struct slv_directive *d,
                       const struct slv_word *words)
{
    struct conf_guess guess = { .word = slv_conf_arg(cf, 1) };
    struct str list = STR("");

    for (; words->word; words++) {
        conf_guess_offer(&guess, words->word);
        list = arena_printf(&cf->conf->tree.arena, "%.*s%s\"%s\"", STR_ARG(list),
                            list.n == 0 ? "" : words[1].word ? ", " : " or ", words->word);
    }
    return slv_conf_error(cf, 1, "invalid value \"%.*s\" in \"%s\" directive, it must be %.*s"
                          "%s%s%s", STR_ARG(guess.word), d->name, STR_ARG(list),
                          guess.best ? ", did you mean \"" : "", guess.best ? guess.best : "",
                          guess.best ? "\"?" : "");
}

int slv_set_enum(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    const struct slv_word *words = d->extra;
    int *field = field_of(d, conf, sizeof *field);
    struct str value = slv_conf_arg(cf, 1);

    AN(words != NULL && words->word != NULL);
    for (const struct slv_word *w = words; w->word; w++)
        if (str_ieq(value, str_of(w->word))) {
            *field = w->value;
            return 0;
        }
    return refuse_word(cf, d, words);
}
