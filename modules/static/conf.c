/*
 * conf.c - the directives of the module.
 */
#include "static.h"

const struct static_coding static_codings[SLV_CODING_COUNT] = {
    [SLV_CODING_GZIP] = { STR_INIT("gzip"), STR_INIT(".gz") },
    [SLV_CODING_BR] = { STR_INIT("br"), STR_INIT(".br") },
    [SLV_CODING_ZSTD] = { STR_INIT("zstd"), STR_INIT(".zst") },
};

/* disable_symlinks off | on | if_not_owner [from=part] */
static int set_symlinks(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct symlinks_conf *field = &((struct static_conf *)conf)->symlinks;
    struct str word = slv_conf_arg(cf, 1), from;

    (void)d;
    if (str_eq(word, STR("off")))
        field->policy = SYMLINKS_FOLLOW;
    else if (str_eq(word, STR("on")))
        field->policy = SYMLINKS_REFUSE;
    else if (str_eq(word, STR("if_not_owner")))
        field->policy = SYMLINKS_IF_OWNER;
    else
        return slv_conf_error(cf, 1, "invalid value \"%.*s\" in \"disable_symlinks\" directive, it "
                              "must be \"off\", \"on\" or \"if_not_owner\"", STR_ARG(word));
    if (slv_conf_count(cf) == 2)
        return 0;
    from = slv_conf_arg(cf, 2);
    if (!str_starts(from, STR("from=")) || from.n == 5 || field->policy == SYMLINKS_FOLLOW)
        return slv_conf_error(cf, 2, "invalid parameter \"%.*s\"%s", STR_ARG(from),
                              field->policy == SYMLINKS_FOLLOW ? " behind \"off\"" : "");
    field->from = slv_template_compile(cf, 2, str_from(from, 5));
    return field->from ? 0 : -1;
}

/* precompressed br zstd gzip | off */
static int set_precompressed(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct codings_conf *field = &((struct static_conf *)conf)->precompressed;
    size_t count = slv_conf_count(cf);

    (void)d;
    if (count == 2 && str_eq(slv_conf_arg(cf, 1), STR("off")))
        return 0;
    for (size_t i = 1; i < count; i++) {
        struct str word = slv_conf_arg(cf, i);
        enum slv_coding c = SLV_CODING_GZIP;

        while (c < SLV_CODING_COUNT && !str_eq(word, static_codings[c].word))
            c++;
        if (c == SLV_CODING_COUNT)
            return slv_conf_error(cf, i, "invalid value \"%.*s\" in \"precompressed\" directive, "
                                  "it must be \"off\" or a list of \"br\", \"zstd\" and "
                                  "\"gzip\"", STR_ARG(word));
        for (size_t k = 0; k < field->count; k++)
            if (field->order[k] == c)
                return slv_conf_error(cf, i, "duplicate value \"%.*s\"", STR_ARG(word));
        field->order[field->count++] = c;
    }
    return 0;
}

/* Gives a cache back with its configuration. */
static void free_cache(void *object)
{
    struct file_cache *cache = object;

    file_cache_free(&cache);
}

/* Reads the number behind max=; false where it is none. */
static bool parse_max(struct str s, int64_t *max)
{
    *max = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *max > 100000000)
            return false;
        *max = *max * 10 + (s.p[i] - '0');
    }
    return *max > 0;
}

/* open_file_cache off | max=N [inactive=time] */
static int set_cache(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct file_cache **field = &((struct static_conf *)conf)->cache;
    int64_t max = 0, inactive = 60000;
    size_t count = slv_conf_count(cf);

    (void)d;
    if (count == 2 && str_eq(slv_conf_arg(cf, 1), STR("off")))
        return 0;
    for (size_t i = 1; i < count; i++) {
        struct str arg = slv_conf_arg(cf, i);

        if (str_starts(arg, STR("max=")) && parse_max(str_from(arg, 4), &max))
            continue;
        if (str_starts(arg, STR("inactive=")) && slv_parse_ms(str_from(arg, 9), &inactive) == 0)
            continue;
        return slv_conf_error(cf, i, "invalid \"open_file_cache\" parameter \"%.*s\"",
                              STR_ARG(arg));
    }
    if (max == 0)
        return slv_conf_error(cf, 0, "\"open_file_cache\" must have the \"max\" parameter");
    *field = file_cache_new((size_t)max, inactive);
    slv_conf_on_free(cf, free_cache, *field);
    return 0;
}

static const struct slv_word gzip_static_words[] = {
    { "off", GZIP_STATIC_OFF }, { "on", GZIP_STATIC_ON }, { "always", GZIP_STATIC_ALWAYS },
    { NULL, 0 }
};

static const struct slv_bounds at_least_one = { 1, INT64_MAX };

#define FIELD(member) SLV_FIELD(struct static_conf, member)

const struct slv_directive static_directives[] = {
    { "disable_symlinks", SLV_IN_ANY_HTTP, 1, 2, 0, "off | on | if_not_owner [from=part]",
      set_symlinks, FIELD(symlinks), NULL, NULL },
    { "precompressed", SLV_IN_ANY_HTTP, 1, SIBLINGS_MAX, 0, "off | coding ...", set_precompressed,
      FIELD(precompressed), NULL, NULL },
    { "gzip_static", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off | always", slv_set_enum,
      FIELD(gzip_static), "off", gzip_static_words },
    { "open_file_cache", SLV_IN_ANY_HTTP, 1, 2, 0, "off | max=N [inactive=time]", set_cache,
      FIELD(cache), NULL, NULL },
    { "open_file_cache_valid", SLV_IN_ANY_HTTP, 1, 1, 0, "time", slv_set_ms, FIELD(cache_valid),
      "60s", NULL },
    { "open_file_cache_min_uses", SLV_IN_ANY_HTTP, 1, 1, 0, "number", slv_set_number,
      FIELD(cache_min_uses), "1", &at_least_one },
    { "open_file_cache_errors", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off", slv_set_flag,
      FIELD(cache_errors), "off", NULL },
    { 0 }
};

int static_finish(struct slv_conf *cf, void *conf)
{
    struct static_conf *c = conf;
    bool gzip = c->gzip_static != GZIP_STATIC_ON;

    (void)cf;
    c->siblings = c->precompressed;
    for (size_t i = 0; i < c->siblings.count; i++)
        gzip |= c->siblings.order[i] == SLV_CODING_GZIP;
    if (!gzip)
        c->siblings.order[c->siblings.count++] = SLV_CODING_GZIP;
    c->cache_use = (struct file_cache_use){ c->cache_valid, c->cache_min_uses, c->cache_errors };
    return 0;
}
