/*
 * location.c - locations: how a path finds the block that speaks for it.
 */
#include "core/location.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/core_conf.h"
#include "core/server.h"

#include <stdlib.h>

/* How one word of the location directive says its kind. */
static int parse_kind(struct slv_conf *cf, struct location *l, bool *caseless)
{
    struct str first = slv_conf_arg(cf, 1);
    bool two = slv_conf_count(cf) > 2;

    *caseless = false;
    l->text = slv_conf_arg(cf, two ? 2 : 1);
    if (two) {
        if (str_eq(first, STR("=")))
            l->kind = LOCATION_EXACT;
        else if (str_eq(first, STR("^~")))
            l->kind = LOCATION_PREFIX_FINAL;
        else if (str_eq(first, STR("~")) || str_eq(first, STR("~*")))
            l->kind = LOCATION_REGEX;
        else
            return slv_conf_error(cf, 1, "invalid location modifier \"%.*s\"", STR_ARG(first));
        *caseless = str_eq(first, STR("~*"));
        return 0;
    }
    /* The modifier may stand right before the path. */
    l->kind = LOCATION_PREFIX;
    if (first.n && first.p[0] == '=') {
        l->kind = LOCATION_EXACT;
        l->text = str_from(first, 1);
    } else if (str_starts(first, STR("^~"))) {
        l->kind = LOCATION_PREFIX_FINAL;
        l->text = str_from(first, 2);
    } else if (str_starts(first, STR("~"))) {
        *caseless = str_starts(first, STR("~*"));
        l->kind = LOCATION_REGEX;
        l->text = str_from(first, *caseless ? 2 : 1);
    } else if (first.n && first.p[0] == '@') {
        l->kind = LOCATION_NAMED;
    }
    return 0;
}

/* May this location stand where it stands? */
static int check_place(struct slv_conf *cf, const struct location *l)
{
    const struct location *outer = l->parent;

    if (!outer)
        return 0;
    if (outer->kind == LOCATION_EXACT)
        return slv_conf_error(cf, 0, "location \"%.*s\" cannot be inside the exact location "
                              "\"%.*s\"", STR_ARG(l->text), STR_ARG(outer->text));
    if (outer->kind == LOCATION_NAMED)
        return slv_conf_error(cf, 0, "location \"%.*s\" cannot be inside the named location "
                              "\"%.*s\"", STR_ARG(l->text), STR_ARG(outer->text));
    if (l->kind == LOCATION_NAMED)
        return slv_conf_error(cf, 0, "named location \"%.*s\" can be on the server level only",
                              STR_ARG(l->text));
    if (l->kind != LOCATION_REGEX && outer->kind != LOCATION_REGEX
        && !str_starts(l->text, outer->text))
        return slv_conf_error(cf, 0, "location \"%.*s\" is outside location \"%.*s\"",
                              STR_ARG(l->text), STR_ARG(outer->text));
    return 0;
}

/* Notes a prefix length, longest first. */
static void add_length(struct routes *routes, size_t n)
{
    size_t i = 0;

    while (i < routes->length_count && routes->lengths[i] > n)
        i++;
    if (i < routes->length_count && routes->lengths[i] == n)
        return;
    routes->lengths = mem_resize(routes->lengths, routes->length_count + 1,
                                 sizeof *routes->lengths);
    memmove(routes->lengths + i + 1, routes->lengths + i,
            (routes->length_count - i) * sizeof *routes->lengths);
    routes->lengths[i] = n;
    routes->length_count++;
}

/* Enters a location into its level. */
static int enter(struct slv_conf *cf, struct routes *routes, struct location *l)
{
    const struct location *other = NULL;

    routes->any = routes->any || l->kind != LOCATION_NAMED;
    switch (l->kind) {
    case LOCATION_EXACT:
        other = table_add(&routes->exact, l->text, l);
        break;
    case LOCATION_NAMED:
        other = table_add(&routes->named, l->text, l);
        break;
    case LOCATION_PREFIX:
    case LOCATION_PREFIX_FINAL:
        other = table_add(&routes->prefix, l->text, l);
        add_length(routes, l->text.n);
        break;
    case LOCATION_REGEX:
        *routes->regexes_end = l;
        routes->regexes_end = &l->next;
        break;
    }
    if (other)
        return slv_conf_error(cf, 0, "duplicate location \"%.*s\", first at %s", STR_ARG(l->text),
                              conf_place(cf->conf, other->node).p);
    return 0;
}

/* location [ = | ~ | ~* | ^~ ] uri { … } | @name { … } */
int location_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct location *l = slv_conf_alloc(cf, sizeof *l);
    bool in_server = cf->block->where == SLV_IN_SERVER, caseless;
    struct routes *level;

    (void)d;
    (void)conf;
    if (in_server) {
        level = ((struct server *)cf->block->data)->routes;
    } else {
        CAST_OBJ(l->parent, cf->block->data, LOCATION_MAGIC);
        level = &l->parent->inside;
    }
    l->magic = LOCATION_MAGIC;
    l->node = cf->node;
    l->inside.regexes_end = &l->inside.regexes;
    slv_conf_on_free(cf, routes_free, &l->inside);
    if (!parse_kind(cf, l, &caseless)) {
        l->text = slv_conf_str(cf, l->text);
        if (l->kind == LOCATION_REGEX)
            l->regex = slv_regex_compile(cf, slv_conf_count(cf) - 1, l->text, caseless);
        if (!check_place(cf, l) && (l->kind != LOCATION_REGEX || l->regex))
            enter(cf, level, l);
    }
    /* What stands inside is checked even where the location itself is wrong. */
    l->block = conf_open(cf, SLV_IN_LOCATION, l);
    return 0;
}

/* The longest prefix of this level. */
static const struct location *longest_prefix(const struct routes *routes, struct str path)
{
    for (size_t i = 0; i < routes->length_count; i++) {
        size_t n = routes->lengths[i];
        const struct location *l;

        if (n > path.n)
            continue;
        l = table_get(&routes->prefix, (struct str){ path.p, n });
        if (l)
            return l;
    }
    return NULL;
}

/*
 * nginx's order: exact; the longest prefix, then what is inside it; then, unless the prefix is
 * final, the regular expressions of this level. *final: the search is over.
 */
static const struct location *find(const struct routes *routes, struct str path,
                                   struct slv_request *r, bool *final)
{
    const struct location *l, *inner, *prefix;

    *final = false;
    if (!routes->any)
        return NULL;
    l = table_get(&routes->exact, path);
    *final = l != NULL;
    if (l)
        return l;
    prefix = l = longest_prefix(routes, path);
    if (prefix) {
        inner = find(&prefix->inside, path, r, final);
        if (inner)
            l = inner;
        if (*final)
            return l;
    }
    if (prefix && prefix->kind == LOCATION_PREFIX_FINAL)
        return l;
    for (const struct location *re = routes->regexes; re; re = re->next) {
        if (!slv_regex_match(re->regex, path, r))
            continue;
        inner = find(&re->inside, path, r, final);
        *final = true;
        return inner ? inner : re;
    }
    return l;
}

const struct location *routes_find(const struct routes *routes, struct str path,
                                   struct slv_request *r)
{
    bool final;

    return find(routes, path, r, &final);
}

void routes_free(void *arg)
{
    struct routes *routes = arg;

    table_free(&routes->exact);
    table_free(&routes->prefix);
    table_free(&routes->named);
    free(routes->lengths);
    routes->lengths = NULL;
}
