/*
 * fuzz_conf.c - any bytes as a configuration file.
 *
 * The text is taken through all steps with a few made-up directives of every kind. Besides the
 * sanitizers, this checks that every message has one line, that mistakes and return values agree,
 * and that every block inside http ends up with a conf struct. Opens no files.
 */
#include "core/conf.h"

#include "base/check.h"
#include "fuzz.h"

#include <stdio.h>

struct made_up {
    struct str user, root, status;
    int64_t max, timeout, level;
    int mode;
    bool sendfile;
    size_t bytes;                  /* of all words seen, so that they are read */
};

/* Opens a block; extra holds its context. */
static int set_block(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    AN(conf != NULL);
    conf_open(cf, (unsigned)(size_t)d->extra, NULL);
    return 0;
}

/* Reads every word to its NUL. */
static int read_words(struct slv_conf *cf, void *arg)
{
    struct made_up *made_up = arg;

    for (size_t i = 0; i < slv_conf_count(cf); i++) {
        AN(strlen(slv_conf_arg(cf, i).p) == slv_conf_arg(cf, i).n);
        made_up->bytes += slv_conf_arg(cf, i).n;
    }
    return slv_conf_count(cf) > 9 ? slv_conf_error(cf, 9, "more than 9 words") : 0;
}

/* Any arguments. */
static int set_any(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    slv_conf_warn(cf, 1, "\"%s\" was here", d->name);
    return read_words(cf, conf);
}

/* types { ... } */
static int set_entries(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    AN(d->flags & SLV_RAW_BLOCK);
    return slv_conf_entries(cf, read_words, conf);
}

static const struct slv_word modes[] = { { "off", 0 }, { "exact", 1 }, { NULL, 0 } };
static const struct slv_bounds bounds = { 1, 9 };

#define BLOCK(n, from, to, hi) \
    { .name = n, .where = from, .max_args = hi, .flags = SLV_OPENS_BLOCK | SLV_REPEATS, \
      .set = set_block, .extra = (const void *)(size_t)(to) }
#define ONE(n, s, member) \
    { .name = n, .where = SLV_IN_ANY_HTTP, .min_args = 1, .max_args = 1, .set = s, \
      SLV_FIELD(struct made_up, member)

static const struct slv_directive directives[] = {
    BLOCK("events", SLV_IN_MAIN, SLV_IN_EVENTS, 0),
    BLOCK("http", SLV_IN_MAIN, SLV_IN_HTTP, 0),
    BLOCK("server", SLV_IN_HTTP, SLV_IN_SERVER, 0),
    BLOCK("location", SLV_IN_SERVER | SLV_IN_LOCATION, SLV_IN_LOCATION, 2),
    BLOCK("if", SLV_IN_SERVER | SLV_IN_LOCATION, SLV_IN_LOCATION, SLV_ARGS_ANY),
    { .name = "user", .where = SLV_IN_MAIN | SLV_IN_EVENTS, .min_args = 1, .max_args = 1,
      .set = slv_set_string, SLV_FIELD(struct made_up, user), .fallback = "'a b'" },
    { .name = "listen", .where = SLV_IN_SERVER, .min_args = 1, .max_args = SLV_ARGS_ANY,
      .flags = SLV_REPEATS, .usage = "address", .set = set_any },
    { .name = "return", .where = SLV_IN_SERVER | SLV_IN_LOCATION, .min_args = 1, .max_args = 1,
      .flags = SLV_NOT_INHERITED, .set = slv_set_string, SLV_FIELD(struct made_up, status) },
    { .name = "types", .where = SLV_IN_ANY_HTTP, .flags = SLV_RAW_BLOCK, .set = set_entries },
    ONE("root", slv_set_path, root), .fallback = "html" },
    ONE("max", slv_set_size, max), .fallback = "1m" },
    ONE("timeout", slv_set_ms, timeout), .fallback = "'1m 30s'" },
    ONE("level", slv_set_number, level), .extra = &bounds, .fallback = "1" },
    ONE("mode", slv_set_enum, mode), .extra = modes },
    ONE("sendfile", slv_set_flag, sendfile) },
    { .name = NULL }
};

static const struct slv_module module = {
    SLV_MODULE_HEADER, .name = "made-up", .directives = directives,
    .conf_size = sizeof(struct made_up)
};

/* A message is one line; the detail is none or two. */
static void check_message(void *arg, enum slv_level level, const char *text, const char *detail)
{
    const char *end = strchr(detail, '\n');

    AN(arg == NULL && (level == SLV_LOG_EMERG || level == SLV_LOG_WARN));
    AN(text[0] != '\0' && strchr(text, '\n') == NULL);
    AN(detail[0] == '\0' || (end && end[1] && end[strlen(end) - 1] == '\n'));
}

/* Every block has a struct and the way to it, whatever the text was. */
static void check_blocks(const struct conf_block *b)
{
    for (; b; b = b->next) {
        AN(b->confs != NULL && b->confs[0] != NULL && b->set == NULL && b->node != NULL);
        check_blocks(b->children);
    }
}

/* One input: a first byte of '-' makes the text up to the first NUL that of -g. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct conf_report report = { .write = check_message };
    struct arena arena;
    struct conf c = { .arena = &arena, .report = &report, .prefix = STR("/prefix/") };
    char globals[256];
    int rc;

    globals[0] = '\0';
    if (size && data[0] == '-') {
        size_t n = strnlen(text.p + 1, size - 1);

        snprintf(globals, sizeof globals, "%.*s", (int)n, text.p + 1);
        text = str_from(text, n + 1 < size ? n + 2 : size);
    }
    arena_init(&arena, 4096);
    rc = conf_add_module(&c, &module, NULL);
    AN(rc == 0);
    rc = conf_read_text(&c, "input", text, globals);
    AN((rc == 0) == (report.errors == 0));
    rc = conf_apply(&c);
    AN(rc == 0 || report.errors > 0);
    rc = conf_inherit(&c);
    AN(rc == 0);
    check_blocks(c.main->children);
    conf_free_tree(&c);
    arena_free(&arena);
    return 0;
}
