/*
 * test_variable_map.c - map and set.
 */
#include "test_variable.h"

#include <stdio.h>

#define KEYS \
    "default D; a.example.com exact; *.example.com head; *.b.example.com head2; " \
    "www.example.* tail; www.example.org.* tail2; .dot.org dot; " \
    "~^(re)(?<rest>.*)$ \"R-$1-$rest\"; " \
    "~*^CI$ ci; ~*cx second; \\default esc; \\~x tilde; \"\" empty; MiXeD case; "

/* What a source is mapped to, as nginx 1.22 maps it. */
static const struct {
    const char *flags, *source, *expected;
} sources[] = {
    { "hostnames;", "", "empty" },
    { "hostnames;", "A.Example.com", "exact" },
    { "hostnames;", "a.example.com.", "exact" },
    { "hostnames;", "q.example.com", "head" },
    { "hostnames;", "b.example.com", "head" },
    { "hostnames;", "x.y.b.example.com.", "head2" },
    { "hostnames;", "example.com", "D" },
    { "hostnames;", ".example.com", "D" },
    { "hostnames;", "www.example.co.uk", "tail" },
    { "hostnames;", "www.example.com", "head" },
    { "hostnames;", "www.example.org.uk", "tail2" },
    { "hostnames;", "www.example", "D" },
    { "hostnames;", "www.example.", "D" },
    { "hostnames;", "dot.org", "dot" },
    { "hostnames;", "a.dot.org", "dot" },
    { "hostnames;", "reST", "R-re-ST" },
    { "hostnames;", "re", "R-re-" },
    { "hostnames;", "Re", "D" },
    { "hostnames;", "ci", "ci" },
    { "hostnames;", "xcx", "second" },
    { "hostnames;", "default", "esc" },
    { "hostnames;", "~x", "tilde" },
    { "hostnames;", "mixed", "case" },
    { "hostnames;", "MIXED", "case" },
    { "hostnames;", ".", "empty" },
    { "hostnames;", "a.CX.", "second" },
    { "", "q.example.com", "D" },
    { "", "a.example.com.", "D" },
    { "", "*.example.com", "head" },
    { "", "zzz", "D" },
};

/* The priorities of a map. */
static void test_priorities(void)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct bench b;
        struct fake_request *f;
        char conf[1024];
        struct str text;

        snprintf(conf, sizeof conf, "map \"%s\" $m { %s " KEYS "} text $m;", sources[i].source,
                 sources[i].flags);
        bench_open(&b, conf);
        SUITE_CHECK(b.rc == 0, "%s: %s", sources[i].source, b.text);
        f = fake_request_new(&b.config, "GET / HTTP/1.1\r\n\r\n");
        text = slv_template_text(f->r, bench_sample(&b)->texts[1]);
        SUITE_CHECK(str_eq(text, str_of(sources[i].expected)), "%s \"%s\": %.*s",
                    sources[i].flags, sources[i].source, STR_ARG(text));
        fake_request_free(&f);
        bench_close(&b);
    }
}

/* Long sources, sources with variables, maps of maps, and none. */
static void test_sources(void)
{
    static const struct {
        const char *http, *expected;
    } rows[] = {
        { "map $arg_a$arg_b $m { 12 both; } text $m;", "both" },
        { "map $arg_nope $m { a b; } text \"[$m]\";", "[]" },
        { "map $arg_nope $m { \"\" none; } text $m;", "none" },
        { "map $arg_a $m { 1 $n; } map $arg_b $n { 2 \"<$arg_a>\"; } text $m;", "<1>" },
        { "map $arg_a $m { } text \"[$m]\";", "[]" },
        { "map $arg_a $M { 1 x; } text $m$M;", "xx" },
        { "map $arg_a $m { 1 x; } map $arg_a $m { 1 y; } text $m;", "y" },
        { "map $arg_long $m { hostnames; *.x long; default D; } text $m;", "D" },
        { "map $arg_a $m { 1 $m; default x; } text \"[$m]\";", "[]" },
        { "map $arg_a $m { volatile; 1 \"$n$n\"; } map $arg_a $n { volatile; 1 \"$m$m\"; } "
          "text \"[$m]\";", "[]" },
    };
    struct log_file *null = log_file_get("/dev/null"), *failed;
    const struct log quiet = { .level = SLV_LOG_DEBUG, .file = null };
    char head[1024], dots[600];

    log_files_open(&failed);
    log_set_default(&quiet);
    for (size_t i = 0; i < sizeof dots - 1; i++)
        dots[i] = i % 2 ? '.' : 'a';
    dots[sizeof dots - 1] = '\0';
    snprintf(head, sizeof head, "GET /?a=1&b=2&long=%s.x HTTP/1.1\r\n\r\n", dots);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        struct fake_request *f;
        struct str text;

        bench_open(&b, rows[i].http);
        SUITE_CHECK(b.rc == 0, "%s: %s", rows[i].http, b.text);
        f = fake_request_new(&b.config, head);
        text = slv_template_text(f->r, bench_sample(&b)->texts[1]);
        SUITE_CHECK(str_eq(text, str_of(rows[i].expected)), "%s: %.*s", rows[i].http,
                    STR_ARG(text));
        fake_request_free(&f);
        bench_close(&b);
    }
    log_set_default(NULL);
    log_file_drop(null);
}

/* What is said about mistakes. */
static void test_mistakes(void)
{
    static const struct {
        const char *http, *expected;
    } rows[] = {
        { "map $host x {}", "invalid variable name \"x\" in c:1\n" },
        { "map $host $x { a; }", "invalid number of the map parameters in c:1\n" },
        { "map $host $x { a b c; }", "invalid number of the map parameters in c:1\n" },
        { "map $host $x { default 1;\n default 2; }",
          "duplicate default map parameter in c:2\n" },
        { "map $host $x { a 1;\n A 2; }", "conflicting parameter \"a\" in c:2\n" },
        { "map $host $x { hostnames; *a.com 2; }",
          "invalid hostname or wildcard \"*a.com\" in c:1\n" },
        { "map $host $x { hostnames; a.*.com 2; }",
          "invalid hostname or wildcard \"a.*.com\" in c:1\n" },
        { "map $host $x { hostnames; a..b 2; }",
          "invalid hostname or wildcard \"a..b\" in c:1\n" },
        { "map $host $x { hostnames; .a.com 2; a.com 3; }",
          "conflicting parameter \"a.com\" in c:1\n" },
        { "map $host $x { hostnames; .a.com 2; *.a.com 3; }",
          "conflicting parameter \"*.a.com\" in c:1\n" },
        { "map $host $x { *.a.com 2; .a.com 3; a..b 4; }", "" },
        { "map $host $x { ~^(a 1; }",
          "pcre2_compile() failed: missing closing parenthesis in \"^(a\" in c:1\n" },
        { "map $host $host { a 1; }", "the duplicate \"host\" variable in c:1\n" },
        { "map $host $args { a 1; }", "the duplicate \"args\" variable in c:1\n" },
        { "map $host $x { ~(?<host>a) 1; }", "the duplicate \"host\" variable in c:1\n" },
        { "map $nope $x { a $nada; }",
          "unknown \"nope\" variable in c:1\nunknown \"nada\" variable in c:1\n" },
        { "map $host $x { a $; b; } text $x;",
          "invalid variable name in c:1\ninvalid number of the map parameters in c:1\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;

        bench_open(&b, rows[i].http);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0 && (b.rc == 0) == (b.text[0] == '\0'),
                    "%s: %s", rows[i].http, b.text);
        bench_close(&b);
    }
}

/* set, before and after it runs. */
static void test_set(void)
{
    struct log_file *null = log_file_get("/dev/null"), *failed;
    const struct log quiet = { .level = SLV_LOG_DEBUG, .file = null };
    struct bench b;
    struct fake_request *f;
    const struct sample *s;

    log_files_open(&failed);
    log_set_default(&quiet);
    bench_open(&b, "text \"[$a]\"; set $a 1; set $b \"$a$a\"; set $a \"$b-$arg_q\"; set $http_x y; "
                   "text $http_x$b;");
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    s = bench_sample(&b);
    f = fake_request_new(&b.config, "GET /?q=Q HTTP/1.1\r\nX: sent\r\n\r\n");
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("[]")));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[2]), STR("sent")));
    variable_sets_run(f->r, s->sets);
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("[11-Q]")));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[2]), STR("y11")));
    fake_request_free(&f);
    bench_close(&b);
    log_set_default(NULL);
    log_file_drop(null);
}

CU_TestInfo map_tests[] = {
    { "priorities", test_priorities }, { "sources", test_sources },
    { "mistakes", test_mistakes }, { "set", test_set }, CU_TEST_INFO_NULL
};
