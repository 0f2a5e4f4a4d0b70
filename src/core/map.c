/*
 * map.c - variables that the configuration makes: map, and set.
 *
 * A map looks its source up as a whole string in any case, then (hostnames) with the longest
 * wildcard at the front, then the longest at the end, then tries regular expressions in their
 * order, and ends with the default.
 */
#include "core/variable.h"

/*
 * Longer than any host name; a longer source is not tried against wildcards, which costs a look-up
 * for each of its dots.
 */
#define HOSTNAME_MAX 255

struct map_regex {
    struct map_regex *next;
    struct slv_regex *re;
    struct slv_template *value;
};

struct map {
    unsigned magic;
#define MAP_MAGIC 0x3a93a93au
    struct slv_template *source;
    struct slv_template *fallback; /* NULL: the empty string */
    struct table exact;            /* keys in lower case -> struct slv_template */
    struct table heads;            /* *.example.com, without the "*." */
    struct table tails;            /* www.example.*, without the ".*" */
    struct map_regex *regexes, **regexes_end;
    bool hostnames, volatile_value;
};

struct variable_set {
    struct variable_set *next;
    int variable;
    struct slv_template *value;
};

struct variable_sets {
    unsigned magic;
#define VARIABLE_SETS_MAGIC 0x5e75e75eu
    struct variable_set *first, **end;
};

/* ---- Looking up ----------------------------------------------------------------------------- */

/* The value for the longest wildcard that the (lower case) name matches. */
static struct slv_template *find_wildcard(const struct map *map, struct str name)
{
    struct slv_template *value = NULL;

    if (name.n > HOSTNAME_MAX)
        return NULL;
    for (size_t i = 1; map->heads.used && i < name.n && !value; i++)
        if (name.p[i] == '.')
            value = table_get(&map->heads, str_from(name, i + 1));
    for (size_t i = name.n; map->tails.used && i > 1 && !value; i--)
        if (name.p[i - 1] == '.' && i < name.n)
            value = table_get(&map->tails, (struct str){ name.p, i - 1 });
    return value;
}

/* What a source is mapped to; NULL: the empty string. */
static const struct slv_template *find(const struct map *map, struct str source,
                                       struct slv_request *r)
{
    struct str name = source;
    struct slv_template *value;

    if (map->hostnames && name.n && name.p[name.n - 1] == '.')
        name.n--;
    source = name;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] != str_lower(name.p[i])) {
            char *lower = slv_alloc(r, name.n);

            for (i = 0; i < name.n; i++)
                lower[i] = str_lower(name.p[i]);
            name.p = lower;
        }
    value = table_get(&map->exact, name);
    if (!value && map->hostnames)
        value = find_wildcard(map, name);
    for (const struct map_regex *x = map->regexes; x && !value && source.n; x = x->next)
        if (slv_regex_match(x->re, source, r))
            value = x->value;
    return value ? value : map->fallback;
}

/* Getter of a map's variable. */
static struct str get_map(struct slv_request *r, void *arg)
{
    const struct slv_template *value;
    struct map *map;

    CAST_OBJ(map, arg, MAP_MAGIC);
    value = find(map, slv_template_text(r, map->source), r);
    return value ? slv_template_text(r, value) : STR("");
}

/* ---- Reading a map -------------------------------------------------------------------------- */

/* Gives back what is not in config memory. */
static void release_map(void *object)
{
    struct map *map;

    CAST_OBJ(map, object, MAP_MAGIC);
    table_free(&map->exact);
    table_free(&map->heads);
    table_free(&map->tails);
}

/* Is the key one with a wildcard, and is it well formed? 1, 0 or -1. */
static int wildcard_kind(struct str key)
{
    size_t stars = 0;

    for (size_t i = 0; i < key.n; i++) {
        stars += key.p[i] == '*';
        if (key.p[i] == '\0' || (key.p[i] == '.' && i + 1 < key.n && key.p[i + 1] == '.'))
            return -1;
    }
    if (stars > 1)
        return -1;
    if ((stars == 0 && key.n > 1 && key.p[0] == '.')
        || (key.n > 2 && (str_starts(key, STR("*.")) || str_ends(key, STR(".*")))))
        return 1;
    return stars ? -1 : 0;
}

/* Puts a string into the tables that it belongs into. 0, or -1 after an error. */
static int add_key(struct slv_conf *cf, struct map *map, struct str key,
                   struct slv_template *value)
{
    int kind = map->hostnames ? wildcard_kind(key) : 0;
    struct slv_template *there;

    if (kind < 0)
        return slv_conf_error(cf, 0, "invalid hostname or wildcard \"%.*s\"", STR_ARG(key));
    if (kind == 0) {
        there = table_add(&map->exact, key, value);
    } else if (key.p[0] == '.') {
        there = table_add(&map->exact, str_from(key, 1), value);
        if (!there)
            there = table_add(&map->heads, str_from(key, 1), value);
    } else if (key.p[0] == '*') {
        there = table_add(&map->heads, str_from(key, 2), value);
    } else {
        there = table_add(&map->tails, (struct str){ key.p, key.n - 2 }, value);
    }
    if (there)
        return slv_conf_error(cf, 0, "conflicting parameter \"%.*s\"", STR_ARG(key));
    return 0;
}

/* ~pattern or ~*pattern: behind those that are there. 0, or -1 after an error. */
static int add_regex(struct slv_conf *cf, struct map *map, struct str pattern,
                     struct slv_template *value)
{
    bool caseless = pattern.n > 1 && pattern.p[1] == '*';
    struct map_regex *x = slv_conf_alloc(cf, sizeof *x);

    x->value = value;
    x->re = slv_regex_compile(cf, 0, str_from(pattern, caseless ? 2 : 1), caseless);
    if (!x->re)
        return -1;
    *map->regexes_end = x;
    map->regexes_end = &x->next;
    return 0;
}

/* One line of a map. */
static int read_entry(struct slv_conf *cf, void *arg)
{
    struct str key = slv_conf_arg(cf, 0);
    struct slv_template *value;
    struct map *map;
    char *lower;

    CAST_OBJ(map, arg, MAP_MAGIC);
    if (slv_conf_count(cf) == 1 && str_eq(key, STR("hostnames"))) {
        map->hostnames = true;
        return 0;
    }
    if (slv_conf_count(cf) == 1 && str_eq(key, STR("volatile"))) {
        map->volatile_value = true;
        return 0;
    }
    if (slv_conf_count(cf) != 2)
        return slv_conf_error(cf, 0, "invalid number of the map parameters");
    value = slv_template_compile(cf, 1, slv_conf_arg(cf, 1));
    if (!value)
        return -1;
    if (str_eq(key, STR("default"))) {
        if (map->fallback)
            return slv_conf_error(cf, 0, "duplicate default map parameter");
        map->fallback = value;
        return 0;
    }
    if (key.n && key.p[0] == '~')
        return add_regex(cf, map, key, value);
    if (key.n && key.p[0] == '\\')
        key = str_from(key, 1);
    key = slv_conf_str(cf, key);
    lower = (char *)key.p;
    for (size_t i = 0; i < key.n; i++)
        lower[i] = str_lower(lower[i]);
    return add_key(cf, map, key, value);
}

/* map source $name { … } */
int variable_map_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct map *map = slv_conf_alloc(cf, sizeof *map);
    const struct config *config;
    struct str name;
    int result;

    (void)d;
    (void)conf;
    CAST_OBJ(config, cf->conf->owner, CONFIG_MAGIC);
    map->magic = MAP_MAGIC;
    map->regexes_end = &map->regexes;
    slv_conf_on_free(cf, release_map, map);
    map->source = slv_template_compile(cf, 1, slv_conf_arg(cf, 1));
    if (!map->source || variable_name_arg(cf, 2, &name) != 0)
        return -1;
    result = slv_conf_entries(cf, read_entry, map);
    /* Even a map with mistakes defines its name, so that its users are not called mistaken too. */
    if (variables_add(config->variables, name, get_map, map, map->volatile_value) < 0)
        return slv_conf_error(cf, 2, "the duplicate \"%.*s\" variable", STR_ARG(name));
    return result;
}

/* ---- set ------------------------------------------------------------------------------------ */

/* set $name value */
int variable_set_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct variable_sets **field = (struct variable_sets **)(void *)((char *)conf + d->offset);
    struct variable_set *set = slv_conf_alloc(cf, sizeof *set);
    const struct config *config;
    struct str name;

    CAST_OBJ(config, cf->conf->owner, CONFIG_MAGIC);
    AN(d->size == sizeof *field);
    if (variable_name_arg(cf, 1, &name) != 0)
        return -1;
    set->variable = variables_add(config->variables, name, NULL, NULL, false);
    if (set->variable < 0)
        return slv_conf_error(cf, 1, "the duplicate \"%.*s\" variable", STR_ARG(name));
    set->value = slv_template_compile(cf, 2, slv_conf_arg(cf, 2));
    if (!set->value)
        return -1;
    if (!*field) {
        *field = slv_conf_alloc(cf, sizeof **field);
        **field = (struct variable_sets){ .magic = VARIABLE_SETS_MAGIC };
        (*field)->end = &(*field)->first;
    }
    *(*field)->end = set;
    (*field)->end = &set->next;
    return 0;
}

/* The value that a "set" gives, in memory that stays. */
static struct str set_value(struct slv_request *r, const struct slv_template *t)
{
    struct str literal = slv_template_literal(t), text;
    char *copy;

    if (literal.p)
        return literal;
    text = slv_template_text(r, t);
    copy = slv_alloc(r, text.n + 1);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return (struct str){ copy, text.n };
}

/* Gives the variables of a list of "set" their values. */
void variable_sets_run(struct slv_request *r, const struct variable_sets *sets)
{
    if (!sets)
        return;
    CHECK_OBJ(sets, VARIABLE_SETS_MAGIC);
    for (const struct variable_set *s = sets->first; s; s = s->next)
        variable_set(r, s->variable, set_value(r, s->value));
}
