/*
 * prebuilt.c - answers made ahead of time: the module's directives and hooks.
 *
 * The document roots of a virtual host are rendered into one image before it begins to serve; the
 * mechanism is the server's (selvage/snapshot.h). What is not in the image falls through to the
 * next content module, which is "static".
 */
#include "prebuilt.h"

static const struct slv_bounds sizes = { 1, INT64_MAX };
static const struct slv_bounds threads = { 0, 256 };

static const struct slv_bounds keeps = { 0, 16 };
static const struct slv_word modes[] = {
    { "off", PREBUILT_OFF }, { "on", PREBUILT_ON }, { "only", PREBUILT_ONLY }, { NULL, 0 }
};

static const struct slv_directive directives[] = {
    { "prebuilt", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off | only", slv_set_enum,
      SLV_FIELD(struct prebuilt_conf, on), "off", modes },
    { "prebuilt_max_file", SLV_IN_ANY_HTTP, 1, 1, 0, "size", slv_set_size,
      SLV_FIELD(struct prebuilt_conf, max_file), "16m", &sizes },
    { "prebuilt_max_size", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "size", slv_set_size,
      SLV_FIELD(struct prebuilt_conf, max_size), "1g", &sizes },
    { "prebuilt_threads", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "number", slv_set_number,
      SLV_FIELD(struct prebuilt_conf, threads), "0", &threads },
    { "prebuilt_keep", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "number", slv_set_number,
      SLV_FIELD(struct prebuilt_conf, keep), "2", &keeps },
    { "prebuilt_watch", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "on | off", slv_set_flag,
      SLV_FIELD(struct prebuilt_conf, watch), "on", NULL },
    { "prebuilt_refine", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "on | off", slv_set_flag,
      SLV_FIELD(struct prebuilt_conf, refine), "on", NULL },
    { "prebuilt_huge_pages", SLV_IN_HTTP | SLV_IN_SERVER, 1, 1, 0, "on | off", slv_set_flag,
      SLV_FIELD(struct prebuilt_conf, huge_pages), "off", NULL },
    { "prebuilt_source", SLV_IN_SERVER, 1, 1, 0, "directory | image | git:repository#branch",
      prebuilt_set_source, SLV_FIELD(struct prebuilt_conf, source), NULL, NULL },
    { "prebuilt_rule", SLV_IN_ANY_HTTP, 2, 3, SLV_REPEATS, "[~ | ~*] pattern value", rules_set,
      SLV_FIELD(struct prebuilt_conf, rules), NULL, NULL },
    { "prebuilt_preload", SLV_IN_ANY_HTTP, 2, 2, SLV_REPEATS, "uri as", rules_set_preload,
      SLV_FIELD(struct prebuilt_conf, links), NULL, NULL },
    { .name = NULL }
};

/* Wishes for an image where the directive is on. */
static int finish(struct slv_conf *cf, void *conf)
{
    const struct prebuilt_conf *c = conf;

    return c->on ? slv_image_want(cf, &selvage_module, c) : 0;
}

/* How the image of a host is to be kept. */
static void image_options(const void *conf, struct slv_image_options *options)
{
    const struct prebuilt_conf *c = conf;

    options->keep = (unsigned)c->keep;
    options->watch = c->watch;
    options->refine = c->refine;
    options->huge_pages = c->huge_pages;
    options->max_size = c->max_size;
    if (c->source)
        source_watch(c->source, options);
}

/* $prebuilt_generation: the number of the image that answered. */
static struct str get_generation(struct slv_request *r, void *arg)
{
    unsigned long long number = slv_image_number(r);

    (void)arg;
    return number ? slv_printf(r, "%llu", number) : (struct str){ NULL, 0 };
}

/* $prebuilt_current: the number of the image that answers for the host now. */
static struct str get_current(struct slv_request *r, void *arg)
{
    unsigned long long number = slv_image_current(r);

    (void)arg;
    return number ? slv_printf(r, "%llu", number) : (struct str){ NULL, 0 };
}

/* Adds the variables. */
static int load(struct slv_conf *cf)
{
    int rc = slv_add_variable(cf, STR("prebuilt_generation"), get_generation, NULL, true);

    return slv_add_variable(cf, STR("prebuilt_current"), get_current, NULL, true) || rc ? -1 : 0;
}

/* Answers from the image. */
static int content(struct slv_request *r, const void *conf)
{
    const struct prebuilt_conf *c = conf;
    int result;

    if (c->on == PREBUILT_OFF)
        return SLV_DECLINED;
    result = slv_image_answer(r);
    if (result != SLV_DECLINED || c->on == PREBUILT_ON)
        return result;
    /* Nobody else is to be asked: what comes behind this module looks at the disk. */
    if (r->method != SLV_GET && r->method != SLV_HEAD) {
        slv_header_out(r, STR("Allow"), STR("GET, HEAD"));
        return 405;
    }
    return slv_image_there(r) ? 404 : 503;
}

/* Would answer for the path. */
static bool has(struct slv_request *r, const void *conf, struct str path)
{
    const struct prebuilt_conf *c = conf;

    return c->on && slv_image_has(r, path);
}

const struct slv_module selvage_module = {
    SLV_MODULE_HEADER,
    .name = "prebuilt",
    .version = "1",
    .directives = directives,
    .conf_size = sizeof(struct prebuilt_conf),
    .load = load,
    .finish = finish,
    .image = image_options,
    .has = has,
    .content = content,
    .build = prebuilt_build
};
