/*
 * test_conf_inherit.c - values, inheritance, defaults, hooks and modules.
 */
#include "test_conf.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Values ---------------------------------------------------------------------------------- */

/* Sizes with k, m and g. */
static void test_sizes(void)
{
    static const struct {
        const char *text;
        int64_t value;             /* -1: refused */
    } rows[] = {
        { "0", 0 }, { "512", 512 }, { "8k", 8192 }, { "8K", 8192 }, { "1m", 1 << 20 },
        { "1M", 1 << 20 }, { "2g", INT64_C(2) << 30 }, { "2G", INT64_C(2) << 30 },
        { "9223372036854775807", INT64_MAX }, { "9223372036854775808", -1 },
        { "8589934591g", INT64_C(8589934591) << 30 }, { "8589934592g", -1 },
        { "99999999999999999999999", -1 }, { "", -1 }, { "k", -1 }, { "1kk", -1 }, { "1q", -1 },
        { "-1", -1 }, { "1 k", -1 }, { " 1", -1 }, { "1.5m", -1 }, { "0x10", -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = -1;
        int rc = slv_parse_size(str_of(rows[i].text), &value);

        SUITE_CHECK(value == rows[i].value && (rc == 0) == (value >= 0), "%s: %d %" PRId64,
                    rows[i].text, rc, value);
    }
}

/* Times with and without units. */
static void test_times(void)
{
    static const struct {
        const char *text;
        int64_t value;             /* -1: refused */
    } rows[] = {
        { "0", 0 }, { "5", 5000 }, { "5s", 5000 }, { "500ms", 500 }, { "1m", 60000 },
        { "1h", 3600000 }, { "1d", 86400000 }, { "1w", 604800000 }, { "1M", 2592000000 },
        { "1y", 31536000000 }, { "1m30s", 90000 }, { "1h 30m", 5400000 }, { "1m 30", 90000 },
        { "1s500ms", 1500 }, { "1y1M1w1d1h1m1s1ms", 34822861001 }, { "30 ", 30000 },
        { "1s1m", -1 }, { "1m1m", -1 }, { "1.5s", -1 }, { "", -1 }, { "s", -1 }, { "1hm", -1 },
        { "1q", -1 }, { "1 m", -1 }, { " 1", -1 }, { "-1", -1 }, { "30 5", -1 }, { "1msx", -1 },
        { "9223372036854775807", -1 }, { "9223372036854775807ms", INT64_MAX },
        { "9223372036854775s9223372036854775807ms", -1 }, { "99999999999999999999", -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = -1;
        int rc = slv_parse_ms(str_of(rows[i].text), &value);

        SUITE_CHECK((rc == 0) == (rows[i].value >= 0) && (rc < 0 || value == rows[i].value),
                    "%s: %d %" PRId64, rows[i].text, rc, value);
    }
}

/* Counts a release. */
static void release(void *object)
{
    (*(unsigned *)object)++;
}

/* What the ready setters store, and where paths begin. */
static void test_setters(void)
{
    struct slv_conf cf = { .magic = SLV_CONF_MAGIC };
    const struct web *web;
    struct bench b;

    bench_text(&b, STR("http { root www; sendfile ON; mode BEFORE; level 9; delta -12; max 2k;"
                       " timeout 1m; types { a b; c; } }"), NULL);
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    web = web_of(child(b.conf.main, 0));
    CU_ASSERT(str_eq(web->root, STR("/prefix/www")) && web->root.p[web->root.n] == '\0');
    CU_ASSERT(web->sendfile && web->mode == MODE_BEFORE && web->level == 9);
    CU_ASSERT(web->checked == -12 && web->max == 2048 && web->timeout == 60000);
    CU_ASSERT(web->entries == 2 && web->words == 3);
    cf.conf = &b.conf;
    b.conf.config_dir = STR("/etc/x/");
    CU_ASSERT(str_eq(slv_conf_path(&cf, STR("a"), true), STR("/etc/x/a")));
    CU_ASSERT(str_eq(slv_conf_path(&cf, STR("a"), false), STR("/prefix/a")));
    CU_ASSERT(str_eq(slv_conf_path(&cf, STR("/a"), false), STR("/a")));
    CU_ASSERT(str_eq(slv_conf_path(&cf, STR(""), false), STR("/prefix/")));
    CU_ASSERT(slv_conf_count(&cf) == 0);
    slv_conf_on_free(&cf, release, &seen.released);
    bench_close(&b);
    CU_ASSERT_EQUAL(seen.released, 1);
}

/* ---- Inheritance ----------------------------------------------------------------------------- */

/* Defaults arrive where nobody set anything, through shared structs. */
static void test_defaults(void)
{
    const struct web *main_web, *web;
    const struct extra *extra;
    struct conf_block *http;
    struct bench b;

    bench_text(&b, STR("events {} http { server { } server { location / {} } }"), NULL);
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    main_web = web_of(b.conf.main);
    CU_ASSERT(str_eq(main_web->user, STR("nobody,no group")) && main_web->workers == 512);
    CU_ASSERT(main_web->root.n == 0 && main_web->max == 0 && b.conf.main->confs[1] == NULL);
    CU_ASSERT(child(b.conf.main, 0)->confs == b.conf.main->confs);
    http = child(b.conf.main, 1);
    web = web_of(http);
    CU_ASSERT(str_eq(web->root, STR("/prefix/html")) && web->max == 1 << 20 && web->level == 1);
    CU_ASSERT(web->mode == MODE_EXACT && !web->sendfile && web->user.n == 0 && web->workers == 0);
    CU_ASSERT(str_eq(web->index, STR("index.html")) && str_eq(web->note, STR("none")));
    CU_ASSERT(str_eq(web->file, STR("a \"b\"")));
    extra = http->confs[1];
    CU_ASSERT(str_eq(extra->colour, STR("red")) && str_eq(extra->shade, STR("dark")));
    /* Who sets nothing looks at the same structs, through the same array. */
    CU_ASSERT(child(http, 0)->confs == http->confs);
    /* "location" stands in the second server, so that it has a struct of its own. */
    CU_ASSERT(web_of(child(http, 1)) != web && web_of(child(http, 1))->level == 1);
    CU_ASSERT(child(http, 1)->confs[1] == extra);
    CU_ASSERT(child(child(http, 1), 0)->confs == child(http, 1)->confs);
    CU_ASSERT(extra->finished == 1 && seen.finished == 3);
    CU_ASSERT(seen.where[0] == SLV_IN_MAIN && seen.where[1] == SLV_IN_HTTP);
    CU_ASSERT(seen.where[2] == SLV_IN_SERVER);
    bench_close(&b);
}

/* The innermost value wins, as a whole. */
static void test_innermost_wins(void)
{
    struct conf_block *http, *first, *second, *inner;
    struct bench b;

    bench_text(&b, STR("events { workers 7; } user x; http { max 2; index a b; index c;"
                       " server { root /s; location / { alias /al; index d; location /x { max 5;"
                       " limit_except GET { level 3; } } } location /y {} }"
                       " server { max 9; } timeout 3; }"), NULL);
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    CU_ASSERT(web_of(b.conf.main)->workers == 7);
    CU_ASSERT(str_eq(web_of(b.conf.main)->user, STR("x")));
    http = child(b.conf.main, 1);
    CU_ASSERT(web_of(http)->max == 2 && str_eq(web_of(http)->index, STR("a,b,c")));
    first = child(http, 0);
    CU_ASSERT(web_of(first)->max == 2 && str_eq(web_of(first)->root, STR("/s")));
    CU_ASSERT(web_of(first)->timeout == 3000);
    inner = child(first, 0);
    CU_ASSERT(str_eq(web_of(inner)->root, STR("/al")) && str_eq(web_of(inner)->index, STR("d")));
    inner = child(inner, 0);
    CU_ASSERT(str_eq(web_of(inner)->root, STR("/al")) && web_of(inner)->max == 5);
    inner = child(inner, 0);
    CU_ASSERT(inner->where == SLV_IN_LIMIT_EXCEPT && web_of(inner)->level == 3);
    CU_ASSERT(web_of(inner)->max == 5 && str_eq(web_of(inner)->index, STR("d")));
    CU_ASSERT(child(first, 1)->confs == first->confs);
    second = child(http, 1);
    CU_ASSERT(web_of(second)->max == 9 && str_eq(web_of(second)->root, STR("/prefix/html")));
    CU_ASSERT(second->confs[1] == http->confs[1] && second->set == NULL);
    CU_ASSERT(second->parent == http && second->node != NULL);
    bench_close(&b);
}

/* SLV_NOT_INHERITED stays in its block; one heir serves the blocks inside. */
static void test_private_fields(void)
{
    struct conf_block *http, *server;
    const struct web *a, *deep;
    struct bench b;

    bench_text(&b, STR("http { server { return 1 x; note n; max 4; location /a {} location /b {}"
                       " location /c { colour blue; } location /e { return 2;"
                       " location /f {} } } }"), NULL);
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    http = child(b.conf.main, 0);
    server = child(http, 0);
    CU_ASSERT(str_eq(web_of(server)->status, STR("1,x")));
    CU_ASSERT(str_eq(web_of(server)->note, STR("n")));
    a = web_of(child(server, 0));
    CU_ASSERT(a != web_of(server) && a->status.n == 0 && a->max == 4);
    CU_ASSERT(str_eq(a->note, STR("none")));
    /* One heir serves them all. */
    CU_ASSERT(child(server, 1)->confs == child(server, 0)->confs);
    CU_ASSERT(web_of(child(server, 2)) == a);
    CU_ASSERT(child(server, 0)->confs[1] == http->confs[1]);
    CU_ASSERT(child(server, 2)->confs[1] != http->confs[1]);
    CU_ASSERT(str_eq(web_of(child(server, 3))->status, STR("2")));
    deep = web_of(child(child(server, 3), 0));
    CU_ASSERT(deep->status.n == 0 && deep->max == 4 && deep != a);
    /* main, http, server, the heir, /e and its heir. */
    CU_ASSERT_EQUAL(seen.finished, 6);
    bench_close(&b);
}

/* Finish hooks may refuse, and are spared where their module was misconfigured. */
static void test_finish(void)
{
    struct bench b;

    bench_open(&b);
    seen.refuse = "/s";
    conf_read_text(&b.conf, "c", STR("http {\n  server { root /s; }\n}"), NULL);
    CU_ASSERT(conf_apply(&b.conf) == 0 && conf_inherit(&b.conf) == -1);
    CU_ASSERT_STRING_EQUAL(b.text, "root \"/s\" is refused in c:2\n");
    CU_ASSERT_STRING_EQUAL(b.detail, "  server { root /s; }\n  ^\n");
    bench_close(&b);
    /* A module that was misconfigured is not asked; another one still is. */
    bench_open(&b);
    conf_read_text(&b.conf, "c", STR("http { max 1q; }"), NULL);
    CU_ASSERT(conf_apply(&b.conf) == -1 && conf_inherit(&b.conf) == 0);
    CU_ASSERT_EQUAL(seen.finished, 0);
    CU_ASSERT_EQUAL(((const struct extra *)child(b.conf.main, 0)->confs[1])->finished, 1);
    bench_close(&b);
}

/* What a module may add and when. */
static void test_modules(void)
{
    struct conf_block *http;
    struct bench b;

    bench_open(&b);
    CU_ASSERT(conf_add_module(&b.conf, &rival_module, NULL) == -1);
    CU_ASSERT_STRING_EQUAL(b.text, "directive \"colour\" of module \"rival\" is already a "
                           "directive of module \"extra\"\n");
    CU_ASSERT_EQUAL(b.conf.modules.count, 2);
    /* Built in, a name may have another meaning in another context. */
    CU_ASSERT(conf_add_module(&b.conf, &outer_module, NULL) == 0);
    conf_read_text(&b.conf, "c", STR("colour; load_module late; http { colour x; late y; }"),
                   NULL);
    CU_ASSERT(conf_apply(&b.conf) == 0 && conf_inherit(&b.conf) == 0);
    CU_ASSERT_EQUAL_FATAL(b.conf.modules.count, 4);
    http = child(b.conf.main, 0);
    CU_ASSERT(http->confs[2] == NULL && str_eq(*(struct str *)http->confs[3], STR("y")));
    conf_free_tree(&b.conf);
    conf_free_tree(&b.conf);
    CU_ASSERT(b.conf.modules.list[3] == &late_module && http->node == NULL);
    bench_close(&b);
}

/* More modules than there was room for at first. */
static void test_many(void)
{
    static struct slv_module modules[40];
    static char names[40][16];
    struct bench b;

    bench_open(&b);
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        modules[i] = (struct slv_module){ SLV_MODULE_HEADER, .name = names[i], .conf_size = 8 };
        CU_ASSERT(conf_add_module(&b.conf, &modules[i], NULL) == 0);
    }
    conf_read_text(&b.conf, "c", STR("user a; http {}"), NULL);
    CU_ASSERT(conf_apply(&b.conf) == 0 && conf_inherit(&b.conf) == 0);
    CU_ASSERT(child(b.conf.main, 0)->confs[41] != NULL && b.conf.main->confs[41] == NULL);
    CU_ASSERT(str_eq(web_of(b.conf.main)->user, STR("a")));
    bench_close(&b);
}

CU_TestInfo value_tests[] = {
    { "sizes", test_sizes }, { "times", test_times }, { "setters", test_setters },
    CU_TEST_INFO_NULL
};

CU_TestInfo inherit_tests[] = {
    { "defaults", test_defaults }, { "innermost wins", test_innermost_wins },
    { "private fields", test_private_fields }, { "finish", test_finish },
    { "modules", test_modules }, { "many modules", test_many }, CU_TEST_INFO_NULL
};
