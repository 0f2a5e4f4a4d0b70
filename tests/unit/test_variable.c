/*
 * test_variable.c - variables, templates and regular expressions.
 */
#include "test_variable.h"

#include "core/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The bench ------------------------------------------------------------------------------ */

/* http { … } */
static int set_http(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)d, (void)conf;
    conf_open(cf, SLV_IN_HTTP, NULL);
    return 0;
}

/* text "template" … */
static int set_text(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct sample *s = conf;

    (void)d;
    AN(s->text_count < TEXTS_MAX);
    s->texts[s->text_count] = slv_template_compile(cf, 1, slv_conf_arg(cf, 1));
    return s->texts[s->text_count++] ? 0 : -1;
}

/* match pattern [caseless] */
static int set_match(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct sample *s = conf;

    (void)d;
    s->regex = slv_regex_compile(cf, 1, slv_conf_arg(cf, 1), slv_conf_count(cf) > 2);
    return s->regex ? 0 : -1;
}

static unsigned getter_calls;

/* $mod_NAME */
static struct str get_mod(struct slv_request *r, void *arg)
{
    getter_calls++;
    return slv_printf(r, "%s<%.*s>", (const char *)arg, STR_ARG(slv_variable_rest(r)));
}

/* $counted, $counted_volatile: a view into the message. */
static struct str get_counted(struct slv_request *r, void *arg)
{
    (void)arg;
    getter_calls++;
    return r->raw_target;
}

/* Adds the module's variables. */
static int load(struct slv_conf *cf)
{
    int rc = slv_add_variable(cf, STR("mod_"), get_mod, (void *)"m", true);

    rc |= slv_add_variable(cf, STR("mod_longer_"), get_mod, (void *)"longer", true);
    rc |= slv_add_variable(cf, STR("Counted"), get_counted, NULL, false);
    rc |= slv_add_variable(cf, STR("counted_volatile"), get_counted, NULL, true);
    CU_ASSERT_EQUAL(slv_add_variable(cf, STR("host"), get_counted, NULL, false), -1);
    CU_ASSERT_EQUAL(slv_add_variable(cf, STR("counted"), get_counted, NULL, false), -1);
    return rc;
}

#define FIELD(member) SLV_FIELD(struct sample, member)

static const struct slv_directive directives[] = {
    { "http", SLV_IN_MAIN, 0, 0, SLV_OPENS_BLOCK, "", set_http, 0, 0, NULL, NULL },
    { "text", SLV_IN_HTTP, 1, 1, SLV_REPEATS, "", set_text, FIELD(texts), NULL, NULL },
    { "match", SLV_IN_HTTP, 1, 2, SLV_REPEATS, "", set_match, FIELD(regex), NULL, NULL },
    { "set", SLV_IN_HTTP, 2, 2, SLV_REPEATS, "", variable_set_directive, FIELD(sets), NULL, NULL },
    { "map", SLV_IN_HTTP, 2, 2, SLV_REPEATS | SLV_OPENS_BLOCK | SLV_RAW_BLOCK, "",
      variable_map_directive, 0, 0, NULL, NULL },
    { "log_format", SLV_IN_HTTP, 2, SLV_ARGS_ANY, SLV_REPEATS, "",
      access_log_format_directive, 0, 0, NULL, NULL },
    { "access_log", SLV_IN_HTTP, 1, SLV_ARGS_ANY, SLV_REPEATS, "",
      access_log_directive, FIELD(logs), NULL, NULL },
    { "error_log", SLV_IN_HTTP, 1, 3, SLV_REPEATS, "", error_log_directive, FIELD(error_log), NULL,
      NULL },
    { 0 },
};

static const struct slv_module sample_module = {
    SLV_MODULE_HEADER, .name = "sample", .directives = directives,
    .conf_size = sizeof(struct sample), .load = load,
};

/* Keeps a message. */
static void keep(void *arg, enum slv_level level, const char *text, const char *detail)
{
    struct bench *b = arg;
    size_t used = strlen(b->text);

    (void)level, (void)detail;
    snprintf(b->text + used, sizeof b->text - used, "%s\n", text);
}

/* Reads a configuration. */
void bench_open(struct bench *b, const char *http)
{
    struct str text;

    memset(b, 0, sizeof *b);
    b->config = (struct config){ .magic = CONFIG_MAGIC, .generation = 3 };
    arena_init(&b->config.arena, 4096);
    b->config.variables = variables_new(&b->config.arena);
    b->report = (struct conf_report){ .write = keep, .arg = b };
    b->conf = (struct conf){ .arena = &b->config.arena, .report = &b->report,
                             .prefix = STR("/nonexistent/"), .owner = &b->config };
    b->rc |= conf_add_module(&b->conf, &sample_module, NULL);
    text = arena_printf(&b->config.arena, "http { text x; %s }", http);
    b->rc |= conf_read_text(&b->conf, "c", text, NULL);
    b->rc |= conf_apply(&b->conf);
    b->rc |= conf_inherit(&b->conf);
    b->rc |= variables_resolve(&b->conf);
    conf_free_tree(&b->conf);
}

/* Gives it back. */
void bench_close(struct bench *b)
{
    arena_free(&b->config.arena);
}

/* What the directives have set. */
struct sample *bench_sample(const struct bench *b)
{
    AN(b->conf.main->children != NULL);
    return b->conf.main->children->confs[0];
}

/* ---- Values --------------------------------------------------------------------------------- */

#define HEAD \
    "GET /a%20b?A=1&bb=2&empty=&none HTTP/1.1\r\n" \
    "Host: Www.Example:8443\r\n" \
    "Referer: http://r/\r\n" \
    "User-Agent: agent\r\n" \
    "X-Y: 1\r\n" \
    "X-y: 2\r\n" \
    "Cookie: a=1; FOO = bar ;x\r\n" \
    "Cookie: late=yes\r\n" \
    "Content-Type: text/x\r\n" \
    "Content-Length: 5\r\n" \
    "Authorization: Basic dXNlcjpwdw==\r\n" \
    "\r\n"

static const struct {
    const char *text, *expected;
} values[] = {
    { "", "" },
    { "plain", "plain" },
    { "$uri", "/a%20b" },
    { "$document_uri|${uri}c|$uri.$URI", "/a%20b|/a%20bc|/a%20b./a%20b" },
    { "$args|$query_string|$is_args", "A=1&bb=2&empty=&none|A=1&bb=2&empty=&none|?" },
    { "$arg_a|$arg_BB|$arg_empty|$arg_none|$arg_b|$arg_", "1|2||||" },
    { "$http_host|$http_x_y|$http_nope|$http_cookie",
      "Www.Example:8443|1, 2||a=1; FOO = bar ;x; late=yes" },
    { "$cookie_a|$cookie_foo|$cookie_late|$cookie_x|$cookie_nope", "1|bar |yes||" },
    { "$host|$request_port|$is_request_port", "www.example|8443|:" },
    { "$request", "GET /a%20b?A=1&bb=2&empty=&none HTTP/1.1" },
    { "$request_method $request_uri $server_protocol",
      "GET /a%20b?A=1&bb=2&empty=&none HTTP/1.1" },
    { "$content_length|$content_type", "5|text/x" },
    { "$remote_user", "user" },
    { "$remote_addr:$remote_port $server_addr:$server_port",
      "192.0.2.1:4242 198.51.100.7:8080" },
    { "$connection|$connection_requests", "7|3" },
    { "$scheme|$https|$pipe", "http||." },
    { "$server_name", "site.example" },
    { "$document_root|$request_filename|$realpath_root",
      "/tmp/../tmp|/tmp/../tmp/a%20b|/tmp" },
    { "$status|$bytes_sent|$body_bytes_sent|$request_completion", "404|0|0|OK" },
    { "$close_reason|$generation|$request_sojourn", "|3|17" },
    { "$sent_http_content_type|$sent_http_content_length|$sent_http_etag", "text/html|12|\"e\"" },
    { "$sent_http_connection|$sent_http_transfer_encoding|$sent_http_location", "close||" },
    { "$sent_http_x_a|$sent_http_x_b", "1, 2|" },
    { "$mod_a|$mod_longer_b|$mod_longer", "m<a>|longer<b>|m<longer>" },
    { "$1$2", "" },
};

/* The value of a text as a C string. */
static const char *c_string(struct slv_request *r, const struct slv_template *t)
{
    return slv_printf(r, "%.*s", STR_ARG(slv_template_text(r, t))).p;
}

/* What $request_id and the clock give. */
static void check_shapes(struct slv_request *r, const struct sample *s)
{
    const char *id = c_string(r, s->texts[1]);
    unsigned long long sec;
    unsigned ms, year;
    char end[2];

    CU_ASSERT(strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
    CU_ASSERT_STRING_EQUAL(id, c_string(r, s->texts[1]));
    CU_ASSERT_EQUAL(sscanf(c_string(r, s->texts[2]), "%llu.%3u%1s", &sec, &ms, end), 2);
    CU_ASSERT(sec > 1700000000);
    CU_ASSERT_EQUAL(sscanf(c_string(r, s->texts[3]), "%llu.%3u%1s", &sec, &ms, end), 2);
    CU_ASSERT_EQUAL(strlen(c_string(r, s->texts[4])), 26);
    CU_ASSERT_EQUAL(strlen(c_string(r, s->texts[5])), 25);
    CU_ASSERT(sscanf(c_string(r, s->texts[5]), "%u-", &year) == 1 && year >= 2024);
    CU_ASSERT(strlen(c_string(r, s->texts[6])) > 0);
    CU_ASSERT_EQUAL(atol(c_string(r, s->texts[7])), (long)getpid());
    CU_ASSERT(str_eq(slv_template_text(r, s->texts[8]), STR("\xc0\0\2\1")));
}

/* Gives a request the answer that the rows expect. */
static void answer(struct fake_request *f)
{
    static struct header_out b = { NULL, STR_INIT("x-a"), STR_INIT("2") };
    static struct header_out a = { &b, STR_INIT("X-A"), STR_INIT("1") };
    struct exchange *x = f->x;

    x->status = 404;
    x->answer = ANSWER_COMPLETE;
    x->content_type_out = STR("text/html");
    x->etag_out = STR("\"e\"");
    x->content_length_out = 12;
    x->headers_out = &a;
    x->began = 100;
    x->handled = 117;
}

/* Each variable has the value that nginx gives it. */
static void test_values(void)
{
    struct bench b;
    struct fake_request *f;

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char conf[512];
        struct str text;

        snprintf(conf, sizeof conf, "text \"%s\";", values[i].text);
        bench_open(&b, conf);
        if (!SUITE_CHECK(b.rc == 0, "%s: %s", values[i].text, b.text)) {
            bench_close(&b);
            continue;
        }
        f = fake_request_new(&b.config, HEAD);
        answer(f);
        text = slv_template_text(f->r, bench_sample(&b)->texts[1]);
        SUITE_CHECK(str_eq(text, str_of(values[i].expected)), "%s: %.*s", values[i].text,
                    STR_ARG(text));
        fake_request_free(&f);
        bench_close(&b);
    }
    bench_open(&b, "text $request_id; text $msec; text $request_time; text $time_local; "
                   "text $time_iso8601; text $hostname; text $pid; text $binary_remote_addr;");
    f = fake_request_new(&b.config, HEAD);
    check_shapes(f->r, bench_sample(&b));
    fake_request_free(&f);
    bench_close(&b);
}

/* Requests that lack things. */
static void test_sparse(void)
{
    static const struct {
        const char *head, *text, *expected;
    } rows[] = {
        { "GET / HTTP/1.0\r\n\r\n", "$args|$is_args|$host|$request_port|$http_host|$remote_user",
          "||site.example|||" },
        { "GET /? HTTP/1.1\r\n\r\n", "$args|$is_args|$request_uri", "||/?" },
        { "GET http://Abs:99/p%41?q HTTP/1.1\r\nHost: h\r\n\r\n", "$request_uri|$request_port",
          "/p%41?q|99" },
        { "GET http://abs?q HTTP/1.1\r\nHost: h:1\r\n\r\n", "$request_uri|$request_port", "/?q|" },
        { "GET http://abs HTTP/1.1\r\nHost: h:1\r\n\r\n", "$request_uri", "/" },
        { "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n", "$request_uri|$request_port", "*|" },
        { "GET / HTTP/1.1\r\nAuthorization: Basic dXNlcg==\r\n\r\n", "$remote_user", "" },
        { "GET / HTTP/1.1\r\nAuthorization: Basic OnB3\r\n\r\n", "$remote_user", "" },
        { "GET / HTTP/1.1\r\nAuthorization: Bearer dXNlcjpwdw==\r\n\r\n", "$remote_user", "" },
        { "GET / HTTP/1.1\r\nCookie: =;=a;;a\r\n\r\n", "$cookie_a|$cookie_", "|" },
        { "", "$request|$request_uri|$uri|$server_protocol|$request_method|$args", "|||||" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        struct fake_request *f;
        char conf[256];
        struct str text;

        snprintf(conf, sizeof conf, "text \"%s\";", rows[i].text);
        bench_open(&b, conf);
        f = fake_request_new(&b.config, rows[i].head);
        text = slv_template_text(f->r, bench_sample(&b)->texts[1]);
        SUITE_CHECK(str_eq(text, str_of(rows[i].expected)), "row %zu: %.*s", i, STR_ARG(text));
        f->x->conn = NULL;
        f->ctx.server = NULL;
        text = slv_template_text(f->r, bench_sample(&b)->texts[1]);
        SUITE_CHECK(text.p != NULL, "row %zu, without a connection", i);
        fake_request_free(&f);
        bench_close(&b);
    }
}

/* What is kept, what is asked for each time, and what outlives a move of the message. */
static void test_keeping(void)
{
    struct bench b;
    struct fake_request *f;
    const struct sample *s;
    struct str text;

    bench_open(&b, "text $counted; text $counted_volatile; text $counted; "
                   "map $request_method $m { default $http_x; } text $m; set $kept $http_x; "
                   "text $kept; text $arg_q; set $args \"q=$arg_q$arg_q\";");
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    s = bench_sample(&b);
    f = fake_request_new(&b.config, "GET /t?q=1 HTTP/1.1\r\nX: value\r\n\r\n");
    getter_calls = 0;
    text = slv_template_text(f->r, s->texts[1]);
    CU_ASSERT(str_eq(text, STR("/t?q=1")));
    slv_template_text(f->r, s->texts[3]);
    CU_ASSERT_EQUAL(getter_calls, 1);
    slv_template_text(f->r, s->texts[2]);
    slv_template_text(f->r, s->texts[2]);
    CU_ASSERT_EQUAL(getter_calls, 3);
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[4]), STR("value")));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[6]), STR("1")));
    variable_sets_run(f->r, s->sets);
    variable_sets_run(f->r, NULL);
    fake_request_move(f);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("/t?q=1")));
        CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[4]), STR("value")));
        CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[5]), STR("value")));
    }
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[6]), STR("11")));
    CU_ASSERT(str_eq(f->r->args, STR("q=11")));
    CU_ASSERT_EQUAL(getter_calls, 3);
    fake_request_free(&f);
    bench_close(&b);
}

/* ---- Templates and expressions -------------------------------------------------------------- */

/* What is said about mistakes; each nginx's words, and the place. */
static void test_mistakes(void)
{
    static const struct {
        const char *http, *expected;
    } rows[] = {
        { "text \"a$\";", "invalid variable name in c:1\n" },
        { "text \"a$-x\";", "invalid variable name in c:1\n" },
        { "text \"${}\";", "invalid variable name in c:1\n" },
        { "text \"a${\";", "invalid variable name in c:1\n" },
        { "text \"a${x\";", "the closing bracket in \"x\" variable is missing in c:1\n" },
        { "text \"a${x-}\";", "the closing bracket in \"x\" variable is missing in c:1\n" },
        { "text $Nope;", "unknown \"nope\" variable in c:1\n" },
        { "text \"${1}\";", "unknown \"1\" variable in c:1\n" },
        { "text $0;", "unknown \"0\" variable in c:1\n" },
        { "text $nginx_version;",
          "unknown \"nginx_version\" variable, use $selvage_version in c:1\n" },
        { "text $a;\ntext $b$a;\nset $b 1;",
          "unknown \"a\" variable in c:1\nunknown \"a\" variable in c:2\n" },
        { "text $later; map $host $later { a $even_later; } set $even_later 1;", "" },
        { "text $args$arg_x$1$http_x$sent_http_x$cookie_x$mod_x$selvage_version;", "" },
        { "set $host x;", "the duplicate \"host\" variable in c:1\n" },
        { "set host x;", "invalid variable name \"host\" in c:1\n" },
        { "set $ x;", "invalid variable name \"$\" in c:1\n" },
        { "set $a-b x;", "invalid variable name \"$a-b\" in c:1\n" },
        { "set $1 x;", "invalid variable name \"$1\" in c:1\n" },
        { "set $a $b;", "unknown \"b\" variable in c:1\n" },
        { "set $a $a; set $args x; set $http_a x; set $mod_a x;", "" },
        { "set $counted 1;", "the duplicate \"counted\" variable in c:1\n" },
        { "match ^(a;", "pcre2_compile() failed: missing closing parenthesis in \"^(a\" in c:1\n" },
        { "match a)b;",
          "pcre2_compile() failed: unmatched closing parenthesis in \"a)b\" at \")b\" in c:1\n" },
        { "match (?<host>a);", "the duplicate \"host\" variable in c:1\n" },
        { "match (?<one>a)(?<two>b); text $one$two;", "" },
        { "error_log syslog:server=x;",
          "error_log to \"syslog:\" is not supported, name a file or \"stderr\" in c:1\n" },
        { "error_log memory:32m;",
          "error_log to \"memory:\" is not supported, name a file or \"stderr\" in c:1\n" },
        { "error_log x foo;", "invalid log level \"foo\" in c:1\n" },
        { "error_log x error info;", "duplicate log level \"info\" in c:1\n" },
        { "error_log x; error_log x debug; error_log stderr crit;", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;

        bench_open(&b, rows[i].http);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0 && (b.rc == 0) == (b.text[0] == '\0'),
                    "%s: %s", rows[i].http, b.text);
        bench_close(&b);
    }
}

/* Captures by number and by name, and what becomes of them. */
static void test_captures(void)
{
    struct bench b;
    struct fake_request *f;
    const struct sample *s;
    char subject[] = "/key/value";

    bench_open(&b, "match ^/(?<k>[a-z]+)(/none)?/(?<v>.*)$ caseless; text \"$1-$2-$3-$4\"; "
                   "text $k=$v; text $v;");
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    s = bench_sample(&b);
    CU_ASSERT_EQUAL(regex_groups(s->regex), 3);
    f = fake_request_new(&b.config, HEAD);
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("---")));
    CU_ASSERT(slv_regex_match(s->regex, str_of(subject), f->r));
    memset(subject, '#', sizeof subject - 1);
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("key--value-")));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[2]), STR("key=value")));
    CU_ASSERT_FALSE(slv_regex_match(s->regex, STR("nothing"), f->r));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[3]), STR("value")));
    CU_ASSERT(slv_regex_match(s->regex, STR("/OTHER/"), f->r));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[1]), STR("OTHER---")));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[2]), STR("OTHER=")));
    CU_ASSERT(slv_regex_match(s->regex, STR("/x/y"), NULL));
    CU_ASSERT(str_eq(slv_template_text(f->r, s->texts[2]), STR("OTHER=")));
    CU_ASSERT_FALSE(slv_regex_match(s->regex, (struct str){ NULL, 0 }, f->r));
    fake_request_free(&f);
    bench_close(&b);
}

/* A subject that would keep the engine busy for years does not. */
static void test_hostile_subject(void)
{
    struct log_file *null = log_file_get("/dev/null"), *failed;
    const struct log quiet = { .level = SLV_LOG_DEBUG, .file = null };
    struct bench b;
    char subject[8000];

    log_files_open(&failed);
    log_set_default(&quiet);
    memset(subject, 'a', sizeof subject);
    subject[sizeof subject - 1] = '!';
    bench_open(&b, "match ^(a+)+$; match ^(([a-z])+.)+[A-Z]([a-z])+$; match ^(a|aa)+$;");
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    CU_ASSERT_FALSE(slv_regex_match(bench_sample(&b)->regex,
                                    (struct str){ subject, sizeof subject }, NULL));
    bench_close(&b);
    log_set_default(NULL);
    log_file_drop(null);
}

CU_TestInfo variable_tests[] = {
    { "values", test_values }, { "sparse requests", test_sparse }, { "keeping", test_keeping },
    { "mistakes", test_mistakes }, { "captures", test_captures },
    { "hostile subject", test_hostile_subject }, CU_TEST_INFO_NULL
};

/* Runs the suites. */
int main(void)
{
    CU_SuiteInfo suites[] = {
        { "variable", NULL, NULL, NULL, NULL, variable_tests },
        { "map", NULL, NULL, NULL, NULL, map_tests },
        { "access log", access_log_begin, access_log_end, NULL, NULL, access_log_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("variable", suites);
}
