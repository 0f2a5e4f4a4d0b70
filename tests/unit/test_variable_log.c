/*
 * test_variable_log.c - the access log, and the error log of a request.
 */
#include "test_variable.h"

#include "base/stamp.h"
#include "core/core_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96];
static char seen[65536];

/* A directory of its own for the files of these tests. */
int access_log_begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/test_variable.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

/* Removes it. */
int access_log_end(void)
{
    unlink(path);
    return rmdir(dir);
}

/* What the log holds. */
static const char *contents(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, seen, sizeof seen - 1);

    seen[n < 0 ? 0 : n] = '\0';
    if (fd >= 0)
        close(fd);
    return seen;
}

/* A bench whose log files are open. "@" in http stands for the path. */
static void open_bench(struct bench *b, const char *http)
{
    struct log_file *failed;
    char conf[2048];
    size_t n = 0;

    for (; *http && n < sizeof conf - sizeof path; http++) {
        if (*http == '@')
            n += (size_t)snprintf(conf + n, sizeof conf - n, "%s", path);
        else
            conf[n++] = *http;
    }
    conf[n] = '\0';
    unlink(path);
    bench_open(b, conf);
    SUITE_CHECK(b->rc == 0, "%s", b->text);
    CU_ASSERT_EQUAL_FATAL(log_files_open(&failed), 0);
}

#define ODD_HEAD \
    "GET /nope?A=1&a=2 HTTP/1.1\r\nHost: h\r\nReferer: http://r/\"x\r\n" \
    "User-Agent: a\"b\\c\x01\x7f\xc3\xa4\t.\r\nAuthorization: Basic dXNlcjpwdw==\r\n\r\n"

/* Lines in each way of escaping; nginx 1.22 wrote the expected ones. */
static void test_formats(void)
{
    static const struct {
        const char *format, *head, *expected;
    } rows[] = {
        { "", "GET / HTTP/1.1\r\n\r\n",
          "192.0.2.1 - - [@] \"GET / HTTP/1.1\" 404 0 \"-\" \"-\"\n" },
        { "", ODD_HEAD, "192.0.2.1 - user [@] \"GET /nope?A=1&a=2 HTTP/1.1\" 404 0 "
          "\"http://r/\\x22x\" \"a\\x22b\\x5Cc\\x01\\x7F\\xC3\\xA4\\x09.\"\n" },
        { "", "", "192.0.2.1 - - [@] \"-\" 404 0 \"-\" \"-\"\n" },
        { "f '$http_none|' \"$https|\" $is_args$arg_a;", ODD_HEAD, "-||?1\n" },
        { "f escape=default $http_user_agent;", ODD_HEAD,
          "a\\x22b\\x5Cc\\x01\\x7F\\xC3\\xA4\\x09.\n" },
        { "f escape=json '{\"ua\":\"$http_user_agent\",\"x\":\"$http_none\"}';", ODD_HEAD,
          "{\"ua\":\"a\\\"b\\\\c\\u0001\x7f\xc3\xa4\\t.\",\"x\":\"\"}\n" },
        { "f escape=none '$http_user_agent|$http_none|';", ODD_HEAD,
          "a\"b\\c\x01\x7f\xc3\xa4\t.||\n" },
        { "f 'a\"b\t' $binary_remote_addr;", ODD_HEAD, "a\"b\t\\xC0\\x00\\x02\\x01\n" },
        { "f '';", ODD_HEAD, "\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        struct fake_request *f;
        char conf[512], want[512];
        const char *at = strchr(rows[i].expected, '@');

        snprintf(conf, sizeof conf, "%s %s access_log @ %s;", rows[i].format[0] ? "log_format" : "",
                 rows[i].format, rows[i].format[0] ? "f" : "combined");
        open_bench(&b, conf);
        f = fake_request_new(&b.config, rows[i].head);
        f->x->status = 404;
        if (at)
            snprintf(want, sizeof want, "%.*s%s%s", (int)(at - rows[i].expected), rows[i].expected,
                     stamp_now()->access_log, at + 1);
        else
            snprintf(want, sizeof want, "%s", rows[i].expected);
        access_log_request(f->r, bench_sample(&b)->logs);
        SUITE_CHECK(strcmp(contents(), want) == 0, "row %zu: %s", i, seen);
        fake_request_free(&f);
        bench_close(&b);
    }
}

/* Monotonic milliseconds. */
static ms_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ms_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Lines wait in the buffer, whole, and none is lost. */
static void test_buffer(void)
{
    struct bench b;
    struct fake_request *f;
    const struct access_logs *logs;
    char head[400], fill[201];

    memset(fill, 'x', sizeof fill - 1);
    fill[sizeof fill - 1] = '\0';
    open_bench(&b, "log_format f '$arg_n $arg_fill'; access_log @ f buffer=100 flush=5s; "
                   "access_log @ f buffer=100 flush=5s if=$arg_twice;");
    logs = bench_sample(&b)->logs;
    CU_ASSERT_EQUAL(access_log_due(&b.config), MS_NEVER);
    for (int i = 0; i < 5; i++) {
        snprintf(head, sizeof head, "GET /?n=%d&fill=%.*s%s HTTP/1.1\r\n\r\n", i, i == 3 ? 200 : 40,
                 fill, i == 4 ? "&twice=1" : "&twice=0");
        f = fake_request_new(&b.config, head);
        access_log_request(f->r, logs);
        fake_request_free(&f);
        contents();
        /* 43 bytes a line: two fit; the third pushes them out; the long one goes out at once. */
        CU_ASSERT_EQUAL(strlen(seen), i < 2 ? 0 : i == 2 ? 86u : 129u + 203u);
        CU_ASSERT(seen[0] == '\0' || seen[strlen(seen) - 1] == '\n');
        CU_ASSERT_EQUAL(access_log_due(&b.config) == MS_NEVER, i == 3);
    }
    CU_ASSERT(access_log_due(&b.config) <= now_ms() + 5000
              && access_log_due(&b.config) > now_ms() + 4000);
    access_log_flush(&b.config, now_ms(), false);
    CU_ASSERT_EQUAL(strlen(contents()), 332);
    access_log_flush(&b.config, now_ms() + 5001, false);
    CU_ASSERT_EQUAL(strlen(contents()), 332 + 86);
    CU_ASSERT_EQUAL(access_log_due(&b.config), MS_NEVER);

    f = fake_request_new(&b.config, "GET /?n=7 HTTP/1.1\r\n\r\n");
    access_log_request(f->r, logs);
    access_log_flush(&b.config, 0, true);
    CU_ASSERT_STRING_EQUAL(contents() + 418, "7 -\n");
    access_log_request(f->r, logs);
    fake_request_free(&f);
    bench_close(&b);
    CU_ASSERT_STRING_EQUAL(contents() + 418, "7 -\n7 -\n");
}

/* Conditions, "off", and none. */
static void test_conditions(void)
{
    static const struct {
        const char *http, *target, *expected;
    } rows[] = {
        { "access_log @ f if=$arg_c;", "/?c=1", "line\n" },
        { "access_log @ f if=$arg_c;", "/?c=0", "" },
        { "access_log @ f if=$arg_c;", "/?c=", "" },
        { "access_log @ f if=$arg_c;", "/", "" },
        { "access_log @ f if=$arg_c$arg_c;", "/?c=0", "line\n" },
        { "access_log @ f; access_log @ f;", "/", "line\nline\n" },
        { "access_log @ f; access_log off;", "/", "" },
        { "access_log off; access_log @ f;", "/", "" },
        { "access_log off;", "/", "" },
        { "", "/", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        struct fake_request *f;
        char conf[256], head[64];

        snprintf(conf, sizeof conf, "log_format f line; %s", rows[i].http);
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n\r\n", rows[i].target);
        open_bench(&b, conf);
        f = fake_request_new(&b.config, head);
        access_log_request(f->r, bench_sample(&b)->logs);
        SUITE_CHECK(strcmp(contents(), rows[i].expected) == 0, "row %zu: %s", i, seen);
        fake_request_free(&f);
        bench_close(&b);
    }
}

/* What is said about mistakes. */
static void test_mistakes(void)
{
    static const struct {
        const char *http, *expected;
    } rows[] = {
        { "log_format a \"$\";", "invalid variable name in c:1\n" },
        { "log_format a $host\n $nope;", "unknown \"nope\" variable in c:2\n" },
        { "log_format a escape=foo x;", "unknown log format escaping \"foo\" in c:1\n" },
        { "log_format combined x;", "duplicate \"log_format\" name \"combined\" in c:1\n" },
        { "log_format a x;\nlog_format a y;", "duplicate \"log_format\" name \"a\" in c:2\n" },
        { "access_log l foo;", "unknown log format \"foo\" in c:1\n" },
        { "access_log off foo;", "invalid parameter \"foo\" in c:1\n" },
        { "access_log l combined buffer=0;", "invalid buffer size \"0\" in c:1\n" },
        { "access_log l combined buffer=1k flush=x;", "invalid flush time \"x\" in c:1\n" },
        { "access_log l combined flush=5s;", "no buffer is defined for access_log \"l\" in c:1\n" },
        { "access_log l combined wat=5s;", "invalid parameter \"wat=5s\" in c:1\n" },
        { "access_log l combined buffer=1k; access_log l combined buffer=2k;",
          "access_log \"l\" already defined with conflicting parameters in c:1\n" },
        { "access_log l combined if=$nope;", "unknown \"nope\" variable in c:1\n" },
        { "access_log syslog:server=x;",
          "access_log to \"syslog:\" is not supported, name a file in c:1\n" },
        { "access_log l combined gzip=1;",
          "access_log with \"gzip\" is not supported, logrotate can compress in c:1\n" },
        { "access_log /l/$host.log;",
          "variables in the path of access_log \"/l/$host.log\" are not supported, use one "
          "access_log per server in c:1\n" },
        { "access_log l; access_log l combined buffer=1k; access_log l combined if=$host;", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;

        bench_open(&b, rows[i].http);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0 && (b.rc == 0) == (b.text[0] == '\0'),
                    "%s: %s", rows[i].http, b.text);
        bench_close(&b);
    }
}

/* A full disk is complained about once. */
static void test_full_disk(void)
{
    struct log_file *failed;
    struct bench b;
    struct fake_request *f;

    unlink(path);
    bench_open(&b, "access_log /dev/full;");
    CU_ASSERT_EQUAL_FATAL(b.rc, 0);
    log_set_default(error_log_new(&b.config, str_of(path), SLV_LOG_INFO));
    CU_ASSERT_EQUAL_FATAL(log_files_open(&failed), 0);
    f = fake_request_new(&b.config, "GET / HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 3; i++)
        access_log_request(f->r, bench_sample(&b)->logs);
    contents();
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, ": write() to \"/dev/full\" failed, "));
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, " (28: No space left on device)\n"));
    CU_ASSERT_EQUAL(strchr(seen, '\n'), seen + strlen(seen) - 1);
    fake_request_free(&f);
    log_set_default(NULL);
    bench_close(&b);
}

/* A path that two directives name is one file; what a configuration names goes with it. */
static void test_files(void)
{
    struct bench b;
    struct log_file *file;

    bench_open(&b, "access_log a.log; access_log a.log combined buffer=1k; error_log a.log; "
                   "access_log b.log; error_log stderr;");
    CU_ASSERT_EQUAL(b.rc, 0);
    CU_ASSERT_EQUAL(b.config.log_file_count, 3);
    CU_ASSERT_STRING_EQUAL(b.config.log_files[0]->path, "/nonexistent/a.log");
    file = log_file_get("/nonexistent/a.log");
    CU_ASSERT_PTR_EQUAL(file, b.config.log_files[0]);
    CU_ASSERT_EQUAL(file->users, 2);
    bench_close(&b);
    CU_ASSERT_EQUAL(file->users, 1);
    log_file_drop(file);
}

/* A message of a request, in the words of nginx. */
static void test_request_errors(void)
{
    static const struct {
        const char *head, *expected;
    } rows[] = {
        { "GET /nope?A=1 HTTP/1.1\r\nHost: h.Example\r\nReferer: http://r/\"x\r\n\r\n",
          "*7 open() \"/x\" failed (2: No such file or directory), client: 192.0.2.1, "
          "server: site.example, request: \"GET /nope?A=1 HTTP/1.1\", host: \"h.Example\", "
          "referrer: \"http://r/\\x22x\"\n" },
        { "GET / HTTP/1.0\r\n\r\n",
          "*7 open() \"/x\" failed (2: No such file or directory), client: 192.0.2.1, "
          "server: site.example, request: \"GET / HTTP/1.0\"\n" },
        { "\x16\x03\n\r\n\r\n",
          "*7 open() \"/x\" failed (2: No such file or directory), client: 192.0.2.1, "
          "server: site.example, request: \"\\x16\\x03\\x0A\"\n" },
    };
    struct core_conf core = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_file *failed;
        struct bench b;
        struct fake_request *f;
        const char *at;

        open_bench(&b, "error_log @ notice; error_log stderr emerg;");
        CU_ASSERT_EQUAL(log_files_open(&failed), 0);
        f = fake_request_new(&b.config, rows[i].head);
        core.error_log = bench_sample(&b)->error_log;
        f->ctx.core = &core;
        slv_log(f->r, SLV_LOG_ERROR, ENOENT, "open() \"%s\" failed", "/x");
        slv_log(f->r, SLV_LOG_INFO, 0, "not wanted");
        at = strstr(contents(), ": *");
        SUITE_CHECK(at && strcmp(at + 2, rows[i].expected) == 0, "row %zu: %s", i, seen);
        f->x->conn = NULL;
        f->ctx.server = NULL;
        slv_log(f->r, SLV_LOG_ERROR, 0, "made up");
        CU_ASSERT_PTR_NOT_NULL(strstr(contents(), ": made up, request: \""));
        fake_request_free(&f);
        bench_close(&b);
    }
}

CU_TestInfo access_log_tests[] = {
    { "formats", test_formats }, { "buffer", test_buffer }, { "conditions", test_conditions },
    { "mistakes", test_mistakes }, { "full disk", test_full_disk }, { "files", test_files },
    { "request errors", test_request_errors }, CU_TEST_INFO_NULL
};
