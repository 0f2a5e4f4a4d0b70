/*
 * test_conf_sample.c - the made-up modules, and a configuration to try them on.
 */
#include "test_conf.h"

#include <stdio.h>

/* ---- Made-up modules ------------------------------------------------------------------------- */

struct sample_seen seen;

/* Opens a block; extra holds its context. */
static int set_block(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)conf;
    conf_open(cf, (unsigned)(size_t)d->extra, NULL);
    return 0;
}

/* Takes anything. */
static int set_nothing(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)cf, (void)d, (void)conf;
    return 0;
}

/* Fails without saying why. */
static int set_mute(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)cf, (void)d, (void)conf;
    return -1;
}

/* Adds all arguments to a field, separated by commas. */
static int set_joined(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct str *field = (struct str *)(void *)((char *)conf + d->offset);

    for (size_t i = 1; i < slv_conf_count(cf); i++)
        *field = arena_printf(cf->conf->arena, "%.*s%s%.*s", STR_ARG(*field), field->n ? "," : "",
                              STR_ARG(slv_conf_arg(cf, i)));
    return 0;
}

/* Counts an entry of a raw block and its words. */
static int count_entry(struct slv_conf *cf, void *arg)
{
    struct web *web = arg;

    web->entries++;
    web->words += (unsigned)slv_conf_count(cf);
    if (str_eq(slv_conf_arg(cf, 0), STR("bad")))
        return slv_conf_error(cf, 1, "bad entry \"%.*s\"", STR_ARG(slv_conf_arg(cf, 0)));
    return 0;
}

/* types { ... } */
static int set_types(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)d;
    return slv_conf_entries(cf, count_entry, conf);
}

/* Warns. */
static int set_doubtful(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)conf;
    slv_conf_warn(cf, 1, "\"%s\" is doubtful", d->name);
    return 0;
}

static slv_setter set_load;

static const struct slv_bounds level_bounds = { 1, 9 };
static const struct slv_bounds any_number = { INT64_MIN, INT64_MAX };
static const struct slv_bounds positive = { 1, INT64_MAX };
static const struct slv_word modes[] = {
    { "off", MODE_OFF }, { "exact", MODE_EXACT }, { "before", MODE_BEFORE }, { NULL, 0 }
};

#define BLOCK(n, w, in, lo, hi) \
    { .name = n, .where = w, .flags = SLV_OPENS_BLOCK | SLV_REPEATS, .min_args = lo, \
      .max_args = hi, .set = set_block, .extra = (const void *)(size_t)(in), .usage = "[=] uri" }
#define ONE(n, w, s, member, ...) \
    { .name = n, .where = w, .min_args = 1, .max_args = 1, .usage = "value", .set = s, \
      SLV_FIELD(struct web, member), __VA_ARGS__ }

static const struct slv_directive web_directives[] = {
    { .name = "events", .where = SLV_IN_MAIN, .flags = SLV_OPENS_BLOCK, .set = set_block,
      .extra = (const void *)SLV_IN_EVENTS },
    { .name = "http", .where = SLV_IN_MAIN, .flags = SLV_OPENS_BLOCK, .set = set_block,
      .extra = (const void *)SLV_IN_HTTP },
    BLOCK("server", SLV_IN_HTTP, SLV_IN_SERVER, 0, 0),
    BLOCK("location", SLV_IN_SERVER | SLV_IN_LOCATION, SLV_IN_LOCATION, 1, 2),
    BLOCK("limit_except", SLV_IN_LOCATION, SLV_IN_LIMIT_EXCEPT, 1, SLV_ARGS_ANY),
    { .name = "load_module", .where = SLV_IN_MAIN, .flags = SLV_REPEATS, .min_args = 1,
      .max_args = 1, .set = set_load },
    { .name = "user", .where = SLV_IN_MAIN, .min_args = 1, .max_args = 2, .set = set_joined,
      SLV_FIELD(struct web, user), .usage = "user [group]", .fallback = "nobody 'no group'" },
    ONE("workers", SLV_IN_EVENTS, slv_set_number, workers, .extra = &positive, .fallback = "512"),
    { .name = "listen", .where = SLV_IN_SERVER, .flags = SLV_REPEATS, .min_args = 1,
      .max_args = SLV_ARGS_ANY, .set = set_nothing, .usage = "address[:port] [parameters]" },
    ONE("root", SLV_IN_ANY_HTTP, slv_set_path, root, .fallback = "html"),
    ONE("alias", SLV_IN_LOCATION, slv_set_string, root),
    { .name = "index", .where = SLV_IN_ANY_HTTP, .flags = SLV_REPEATS, .min_args = 1,
      .max_args = SLV_ARGS_ANY, .set = set_joined, SLV_FIELD(struct web, index),
      .fallback = "index.html" },
    { .name = "return", .where = SLV_IN_SERVER, .flags = SLV_NOT_INHERITED, .min_args = 1,
      .max_args = 2, .set = set_joined, SLV_FIELD(struct web, status) },
    { .name = "return", .where = SLV_IN_LOCATION, .flags = SLV_NOT_INHERITED, .min_args = 1,
      .max_args = 1, .set = set_joined, SLV_FIELD(struct web, status) },
    ONE("note", SLV_IN_SERVER | SLV_IN_LOCATION, slv_set_string, note,
        .flags = SLV_NOT_INHERITED, .fallback = "none"),
    ONE("max", SLV_IN_ANY_HTTP, slv_set_size, max, .fallback = "1m"),
    ONE("timeout", SLV_IN_ANY_HTTP, slv_set_ms, timeout, .fallback = "60s"),
    ONE("level", SLV_IN_ANY_HTTP | SLV_IN_LIMIT_EXCEPT, slv_set_number, level,
        .extra = &level_bounds, .fallback = "1"),
    ONE("delta", SLV_IN_ANY_HTTP, slv_set_number, checked, .extra = &any_number),
    ONE("mode", SLV_IN_ANY_HTTP, slv_set_enum, mode, .extra = modes, .fallback = "exact"),
    ONE("sendfile", SLV_IN_ANY_HTTP, slv_set_flag, sendfile),
    ONE("file", SLV_IN_LOCATION, slv_set_string, file, .fallback = "\"a \\\"b\\\"\""),
    { .name = "types", .where = SLV_IN_ANY_HTTP, .flags = SLV_RAW_BLOCK, .set = set_types },
    { .name = "mute", .where = SLV_IN_MAIN, .flags = SLV_REPEATS, .set = set_mute },
    { .name = "doubtful", .where = SLV_IN_MAIN, .min_args = 1, .max_args = 1,
      .set = set_doubtful },
    { .name = NULL }
};

/* Remembers what was finished, and refuses what it was told to. */
static int finish_web(struct slv_conf *cf, void *conf)
{
    struct web *web = conf;

    AN(seen.finished < 16);
    seen.where[seen.finished++] = slv_conf_where(cf);
    if (seen.refuse && str_eq(web->root, str_of(seen.refuse)))
        return slv_conf_error(cf, 0, "root \"%.*s\" is refused", STR_ARG(web->root));
    return 0;
}

static const struct slv_module web_module = {
    SLV_MODULE_HEADER, .name = "web", .directives = web_directives,
    .conf_size = sizeof(struct web), .finish = finish_web
};

static const struct slv_directive extra_directives[] = {
    { .name = "colour", .where = SLV_IN_ANY_HTTP, .min_args = 1, .max_args = 1,
      .set = slv_set_string, SLV_FIELD(struct extra, colour), .fallback = "red" },
    { .name = "shade", .where = SLV_IN_LOCATION, .min_args = 1, .max_args = 1,
      .set = slv_set_string, SLV_FIELD(struct extra, shade), .fallback = "dark" },
    { .name = NULL }
};

/* Counts how often a struct is finished. */
static int finish_extra(struct slv_conf *cf, void *conf)
{
    struct extra *extra = conf;

    (void)cf;
    extra->finished++;
    return 0;
}

static const struct slv_module extra_module = {
    SLV_MODULE_HEADER, .name = "extra", .directives = extra_directives,
    .conf_size = sizeof(struct extra), .finish = finish_extra
};

static const struct slv_directive rival_directives[] = {
    { .name = "colour", .where = SLV_IN_HTTP, .set = set_nothing }, { .name = NULL }
};
const struct slv_module rival_module = {
    SLV_MODULE_HEADER, .name = "rival", .directives = rival_directives
};

static const struct slv_directive outer_directives[] = {
    { .name = "colour", .where = SLV_IN_MAIN, .set = set_nothing }, { .name = NULL }
};
const struct slv_module outer_module = {
    SLV_MODULE_HEADER, .name = "outer", .directives = outer_directives
};

static const struct slv_directive late_directives[] = {
    { .name = "late", .where = SLV_IN_ANY_HTTP, .min_args = 1, .max_args = 1,
      .set = slv_set_string, .size = sizeof(struct str) },
    { .name = NULL }
};
const struct slv_module late_module = {
    SLV_MODULE_HEADER, .name = "late", .directives = late_directives,
    .conf_size = sizeof(struct str)
};

/* load_module late | rival; */
static int set_load(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)d, (void)conf;
    return conf_add_module(cf->conf, str_eq(slv_conf_arg(cf, 1), STR("late")) ? &late_module
                                                                               : &rival_module, cf);
}

/* ---- A configuration under test -------------------------------------------------------------- */

/* Appends a line to a buffer, which is large enough for every test. */
static void append(char *buf, size_t size, const char *prefix, const char *text, const char *end)
{
    size_t used = strlen(buf);

    snprintf(buf + used, size - used, "%s%s%s", prefix, text, end);
}

/* Keeps the messages. */
static void keep(void *arg, enum slv_level level, const char *text, const char *detail)
{
    struct bench *b = arg;

    append(b->text, sizeof b->text, level == SLV_LOG_WARN ? "warn: " : "", text, "\n");
    append(b->detail, sizeof b->detail, "", detail, "");
}

/* Makes an empty configuration with the modules of this test. */
void bench_open(struct bench *b)
{
    memset(b, 0, sizeof *b);
    memset(&seen, 0, sizeof seen);
    arena_init(&b->arena, 4096);
    b->report = (struct conf_report){ .write = keep, .arg = b };
    b->conf = (struct conf){ .arena = &b->arena, .report = &b->report, .prefix = STR("/prefix/") };
    b->rc |= conf_add_module(&b->conf, &web_module, NULL);
    b->rc |= conf_add_module(&b->conf, &extra_module, NULL);
}

/* Gives everything back. */
void bench_close(struct bench *b)
{
    conf_free_tree(&b->conf);
    arena_free(&b->arena);
}

/* Takes a text through all steps. */
void bench_text(struct bench *b, struct str text, const char *globals)
{
    bench_open(b);
    b->rc |= conf_read_text(&b->conf, "c", text, globals);
    b->rc |= conf_apply(&b->conf);
    b->rc |= conf_inherit(&b->conf);
}

/* A block below another by number, counted from 0. */
struct conf_block *child(struct conf_block *b, unsigned n)
{
    b = b->children;
    while (b && n--)
        b = b->next;
    AN(b != NULL);
    return b;
}

/* The first module's struct of a block. */
const struct web *web_of(const struct conf_block *b)
{
    AN(b->confs != NULL && b->confs[0] != NULL);
    return b->confs[0];
}
