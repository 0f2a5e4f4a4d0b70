/*
 * test_conf.c - the configuration engine: what it says about mistakes.
 */
#include "test_conf.h"

#include <stdlib.h>

static const struct row mistakes[] = {
    { "", "" },
    { "# only a comment", "" },
    { "\xef\xbb\xbfuser a;", "" },
    { "user a;\r\nhttp { server { } }\r\n", "" },
    { "\"user\" a;", "" },
    /* Names. */
    { "foo bar;\n", "unknown directive \"foo\" in c:1\n" },
    { "usr a;\n", "unknown directive \"usr\", did you mean \"user\"? in c:1\n" },
    { "http {\n  server {\n\tlsiten 80;\n  }\n}\n",
      "unknown directive \"lsiten\", did you mean \"listen\"? in c:3\n" },
    { "htpp { server { listen 80; } }\n",
      "unknown directive \"htpp\", did you mean \"http\"? in c:1\n" },
    { "http { roott a; }", "unknown directive \"roott\", did you mean \"root\"? in c:1\n" },
    { "incude x;", "unknown directive \"incude\", did you mean \"include\"? in c:1\n" },
    { "listn 80;", "unknown directive \"listn\", did you mean \"listen\"? in c:1\n" },
    { "x y;", "unknown directive \"x\" in c:1\n" },
    { "\"\" y;", "unknown directive \"\" in c:1\n" },
    { "http { server { proxy_pass http://a; } }",
      "\"proxy_pass\" is a directive of nginx that selvage does not have in c:1\n" },
    { "stream { server { listen 1; } }",
      "\"stream\" is a directive of nginx that selvage does not have in c:1\n" },
    { "events\\ x {}", "unknown directive \"events\\ x\" in c:1\n" },
    { "a\\nb;", "unknown directive \"a b\" in c:1\n" },
    /* Contexts. */
    { "listen 80;", "\"listen\" directive is not allowed here (allowed in: server) in c:1\n" },
    { "http { user a; }", "\"user\" directive is not allowed here (allowed in: main) in c:1\n" },
    { "return 404;",
      "\"return\" directive is not allowed here (allowed in: server, location) in c:1\n" },
    { "events { level 1; }", "\"level\" directive is not allowed here "
      "(allowed in: http, server, location, limit_except) in c:1\n" },
    { "server { what { ever; } }",
      "\"server\" directive is not allowed here (allowed in: http) in c:1\n" },
    /* Numbers of arguments. */
    { "user;", "invalid number of arguments in \"user\" directive (expected 1 or 2, got 0), "
      "usage: user user [group]; in c:1\n" },
    { "user a b\n c;", "invalid number of arguments in \"user\" directive "
      "(expected 1 or 2, got 3), usage: user user [group]; in c:2\n" },
    { "http a {}", "invalid number of arguments in \"http\" directive "
      "(expected none, got 1) in c:1\n" },
    { "http{server{listen;}}", "invalid number of arguments in \"listen\" directive "
      "(expected 1 or more, got 0), usage: listen address[:port] [parameters]; in c:1\n" },
    { "http{server{location{}}}", "invalid number of arguments in \"location\" directive "
      "(expected 1 or 2, got 0), usage: location [=] uri { ... } in c:1\n" },
    { "http{max 1 2;}", "invalid number of arguments in \"max\" directive (expected 1, got 2), "
      "usage: max value; in c:1\n" },
    { "http{server{return 1 2;location /{return 1 2;}}}",
      "invalid number of arguments in \"return\" directive (expected 1, got 2) in c:1\n" },
    { "include;", "invalid number of arguments in \"include\" directive (expected 1, got 0), "
      "usage: include file | mask; in c:1\n" },
    { "include a b;", "invalid number of arguments in \"include\" directive (expected 1, got 2), "
      "usage: include file | mask; in c:1\n" },
    /* Duplicates. */
    { "user a;\nuser b;\n", "\"user\" directive is duplicate, first at c:1 in c:2\n" },
    { "http {}\nhttp {}\nhttp { foo; }", "\"http\" directive is duplicate, first at c:1 in c:2\n"
      "\"http\" directive is duplicate, first at c:1 in c:3\n" },
    { "http{index a;index b;server{listen 1;listen 2;}server{}root a;}", "" },
    { "http{server{return 1;\nreturn 2;}}",
      "\"return\" directive is duplicate, first at c:1 in c:2\n" },
    { "http{server{location /{root a; alias b;}}}", "" },
    { "http{max 1;server{max 2;location /{max 3;}}}", "" },
    /* Ends. */
    { "http;", "directive \"http\" has no opening \"{\" in c:1\n" },
    { "http { types; }", "directive \"types\" has no opening \"{\" in c:1\n" },
    { "user {}", "directive \"user\" is not terminated by \";\" in c:1\n" },
    { "user a { foo; }", "directive \"user\" is not terminated by \";\" in c:1\n" },
    { "include {}", "directive \"include\" is not terminated by \";\" in c:1\n" },
    { "include a {}", "directive \"include\" is not terminated by \";\" in c:1\n" },
    { "user \"abc\"{}", "directive \"user\" is not terminated by \";\" in c:1\n" },
    /* Setters. */
    { "mute; mute;", "\"mute\" directive failed in c:1\n\"mute\" directive failed in c:1\n" },
    { "doubtful a;", "warn: \"doubtful\" is doubtful in c:1\n" },
    { "http{sendfile yes;}",
      "invalid value \"yes\" in \"sendfile\" directive, it must be \"on\" or \"off\" in c:1\n" },
    { "http{mode strict;}", "invalid value \"strict\" in \"mode\" directive, it must be \"off\", "
      "\"exact\" or \"before\" in c:1\n" },
    { "http{mode exakt;}", "invalid value \"exakt\" in \"mode\" directive, it must be \"off\", "
      "\"exact\" or \"before\", did you mean \"exact\"? in c:1\n" },
    { "http{max 1q;}", "\"max\" directive invalid value \"1q\", it must be a size such as 512, 8k "
      "or 1m in c:1\n" },
    { "http{timeout 1q;}", "\"timeout\" directive invalid value \"1q\", it must be a time such as "
      "500ms, 30s or 1h30m in c:1\n" },
    { "http{level x;}", "\"level\" directive invalid number \"x\" in c:1\n" },
    { "http{level 10;}", "\"level\" directive invalid value \"10\", value must be between 1 and 9 "
      "in c:1\n" },
    { "events{workers 0;}", "\"workers\" directive invalid value \"0\", value must be equal to or "
      "greater than 1 in c:1\n" },
    { "http{types{a b;bad c;d {e;} bad;}}", "bad entry \"bad\" in c:1\n"
      "unexpected \"{\" in \"types\" block in c:1\nbad entry \"bad\" in c:1\n" },
    /* Modules. */
    { "load_module late; http{late x;}", "" },
    { "load_module rival;", "directive \"colour\" of module \"rival\" is already a directive of "
      "module \"extra\" in c:1\n" },
    { "load_module late;\nload_module late;", "module \"late\" is already loaded in c:2\n" },
    { "events{}\nload_module late;",
      "\"load_module\" directive is specified too late, after \"events\" in c:2\n" },
    /* All of them in one run. */
    { "usr a;\nhttp {\n  server {\n    lisen 80;\n    max 1q;\n  }\n  max 2;\n  max 3;\n}\nfoo;\n",
      "unknown directive \"usr\", did you mean \"user\"? in c:1\n"
      "unknown directive \"lisen\", did you mean \"listen\"? in c:4\n"
      "\"max\" directive invalid value \"1q\", it must be a size such as 512, 8k or 1m in c:5\n"
      "\"max\" directive is duplicate, first at c:7 in c:8\n"
      "unknown directive \"foo\" in c:10\n" },
};

/* Runs a table of texts and the messages that they must give. */
static void check_rows(const struct row *rows, size_t count)
{
    struct bench b;

    for (size_t i = 0; i < count; i++) {
        bool fine = rows[i].expected[0] == '\0' || strncmp(rows[i].expected, "warn", 4) == 0;

        bench_text(&b, str_of(rows[i].text), NULL);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0, "%s\n  expected %s\n  got %s",
                    rows[i].text, rows[i].expected, b.text);
        SUITE_CHECK((b.rc == 0) == fine, "%s: returned %d", rows[i].text, b.rc);
        SUITE_CHECK((b.report.errors == 0) == fine, "%s: %u errors", rows[i].text,
                    b.report.errors);
        bench_close(&b);
    }
}

/* What the tables refuse, and that the rest is found in the same run. */
static void test_mistakes(void)
{
    check_rows(mistakes, sizeof mistakes / sizeof mistakes[0]);
}

#define EOF_OPEN "unexpected end of file, expecting \"}\", the block "
#define EOF_END "unexpected end of file, expecting \";\" or \"}\", "

static const struct row malformed[] = {
    { "http {\n", EOF_OPEN "\"http\" opened at line 1 is not closed in c:2\n" },
    { "http {\nserver {}\n", EOF_OPEN "\"http\" opened at line 1 is not closed in c:3\n" },
    { "http {\nserver {\n", EOF_OPEN "\"server\" opened at line 2 is not closed in c:3\n" },
    { "user a; {", "unexpected \"{\" in c:1\n" EOF_OPEN "opened at line 1 is not closed in c:1\n" },
    { "user", EOF_END "directive \"user\" at line 1 is not terminated in c:1\n" },
    { "user\n\n", EOF_END "directive \"user\" at line 1 is not terminated in c:3\n" },
    { "user a #b;", EOF_END "directive \"user\" at line 1 is not terminated in c:1\n" },
    { "user \"\"", EOF_END "directive \"user\" at line 1 is not terminated in c:1\n" },
    { "user a\\", EOF_END "directive \"user\" at line 1 is not terminated in c:1\n" },
    { "http { user", EOF_END "directive \"user\" at line 1 is not terminated in c:1\n" },
    { "user\n\"abc\n\n", EOF_END "the quote opened at line 2 is not closed in c:4\n" },
    { "user 'a\\", EOF_END "the quote opened at line 1 is not closed in c:1\n" },
    { "user 'a\\'", EOF_END "the quote opened at line 1 is not closed in c:1\n" },
    { "}\n", "unexpected \"}\" in c:1\n" },
    { "user a }\n", "unexpected \"}\", directive \"user\" at line 1 is not terminated by \";\" "
      "in c:1\n" },
    { "http {\n  max 1q\n}\n", "unexpected \"}\", directive \"max\" at line 2 is not terminated by "
      "\";\" in c:3\n\"max\" directive invalid value \"1q\", it must be a size such as 512, 8k or "
      "1m in c:2\n" },
    { "user \"a\"}", "unexpected \"}\", directive \"user\" at line 1 is not terminated by \";\" "
      "in c:1\n" },
    { ";", "unexpected \";\" in c:1\n" },
    { "events {};", "unexpected \";\" in c:1\n" },
    { "{ foo; bar { } }\nuser a;", "unexpected \"{\" in c:1\n" },
    { "events {} { }", "unexpected \"{\" in c:1\n" },
    { "user \"abc\"d; foo;", "unexpected \"d\" in c:1\nunknown directive \"foo\" in c:1\n" },
    { "user \"abc\"\xc3\xa9;", "unexpected \"\xc3\xa9\" in c:1\n" },
    { "user 'a'#b;\n;", "unexpected \"#\" in c:1\n" },
    { "user 'a'\"b\"'c';", "unexpected \"\"\" in c:1\n" },
    { "http \"a\"x { foo; server }", "unexpected \"x\" in c:1\nunexpected \"}\", directive "
      "\"server\" at line 1 is not terminated by \";\" in c:1\n" },
    /* Where braces do not match, what stands in the wrong place is not worth a word. */
    { "http {\n server {\n }\n}\n}\nserver {\n listen 1;\n}\n", "unexpected \"}\" in c:5\n" },
    { "http {\n server {\n  listen 1;\n server {\n  max 1q;\n }\n}\n",
      EOF_OPEN "\"http\" opened at line 1 is not closed in c:8\n" },
    { "http { server { location / { root a; root b; }", EOF_OPEN
      "\"server\" opened at line 1 is not closed in c:1\n" },
    { "http { server { foo; } } }", "unexpected \"}\" in c:1\n"
      "unknown directive \"foo\" in c:1\n" },
};

/* Text that is not in the grammar, and where reading goes on behind it. */
static void test_malformed(void)
{
    check_rows(malformed, sizeof malformed / sizeof malformed[0]);
}

/* A text of count bytes c between two strings, on the heap. */
static char *long_text(const char *before, char c, size_t count, const char *after)
{
    size_t n = strlen(before), size = n + count + strlen(after) + 1;
    char *text = malloc(size);

    AN(text != NULL);
    memcpy(text, before, n);
    memset(text + n, c, count);
    memcpy(text + n + count, after, strlen(after) + 1);
    return text;
}

/* A parameter must be shorter than 4096 bytes, as in nginx. */
static void test_long_words(void)
{
    static const struct {
        const char *before;
        size_t count;
        const char *after, *expected;
    } rows[] = {
        { "\nuser ", 4095, ";", "" },
        { "\nuser ", 4096, ";foo;", "too long parameter \"aaaaaaaaaa...\" started in c:2\n"
          "unknown directive \"foo\" in c:2\n" },
        { "\nuser '", 4095, "';", "" },
        { "\nuser '", 4096, "';", "too long parameter, probably missing terminating \"'\" "
          "character in c:2\n" },
        { "\nuser \"", 9000, "", "too long parameter, probably missing terminating \"\"\" "
          "character in c:2\n" },
        { "http {\nserver ", 5000, " { foo; }}",
          "too long parameter \"aaaaaaaaaa...\" started in c:2\n" },
    };
    struct bench b;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = long_text(rows[i].before, 'a', rows[i].count, rows[i].after);

        bench_text(&b, str_of(text), NULL);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0, "row %zu: %s", i, b.text);
        bench_close(&b);
        free(text);
    }
}

/* Blocks in blocks have an end. */
static void test_nesting(void)
{
    char *text = long_text("", '{', 65, "");
    struct bench b;

    bench_text(&b, str_of(text), NULL);
    CU_ASSERT(strstr(b.text, "blocks are nested deeper than 64 levels in c:1\n") != NULL);
    CU_ASSERT(strstr(b.text, "end of file") == NULL);
    bench_close(&b);
    free(text);
}

/* A file with a NUL is not lexed at all. */
static void test_nul(void)
{
    struct bench b;

    bench_text(&b, (struct str){ "user a;\nuser\0b;", 15 }, NULL);
    CU_ASSERT_STRING_EQUAL(b.text, "unexpected NUL byte, this is not a text file in c:2\n");
    CU_ASSERT_STRING_EQUAL(b.detail, "");
    bench_close(&b);
}

/* The text of -g has no blocks, and is the last one to speak. */
static void test_globals(void)
{
    static const struct row rows[] = {
        { "", "" },
        { "user a;", "" },
        { "foo bar;", "unknown directive \"foo\" in command line:1\n" },
        { "user a", "unexpected end of parameter, expecting \";\" in command line:1\n" },
        { "user 'a", "unexpected end of parameter, expecting \";\", the quote opened at line 1 is "
          "not closed in command line:1\n" },
        { "events {", "block directives are not supported in -g option in command line:1\n" },
        { "http {}", "block directives are not supported in -g option in command line:1\n" },
        { "}", "unexpected \"}\" in command line:1\n" },
        { "user a; user b;",
          "\"user\" directive is duplicate, first at command line:1 in command line:1\n" },
    };
    struct bench b;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_text(&b, STR("\nevents {}\n"), rows[i].text);
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0, "%s: %s", rows[i].text, b.text);
        bench_close(&b);
    }
    bench_text(&b, STR("\nuser a;\n"), "user b;");
    CU_ASSERT_STRING_EQUAL(b.text,
                           "\"user\" directive is duplicate, first at c:2 in command line:1\n");
    CU_ASSERT_STRING_EQUAL(b.detail, "user b;\n^\n");
    bench_close(&b);
}

/* The source line and the caret below it. */
static void test_detail(void)
{
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define GAP "          "
    static const struct row rows[] = {
        { "user a;\n\tfoo bar;\n", "\tfoo bar;\n\t^\n" },
        { "http {\n \tmax \t 1q; # why\r\n}\n", " \tmax \t 1q; # why\n \t    \t ^\n" },
        { "http{\n  max\n   '1q';}", "   '1q';}\n   ^\n" },
        { "user a b c;", "user a b c;\n         ^\n" },
        { "user \"\xc3\xa4\xc3\xa4\" b c;", "user \"\xc3\xa4\xc3\xa4\" b c;\n            ^\n" },
        { "\xef\xbb\xbf" "foo;", "foo;\n^\n" },
        { "foo\x1b[1m;", "foo?[1m;\n^\n" },
        { "http {\n  server {\n\n", "  server {\n  ^\n" },
        { "\n user\n\n", " user\n ^\n" },
        { "user\n 'a", " 'a\n ^\n" },
        { "user a }", "user a }\n       ^\n" },
        { "user 'a'b;", "user 'a'b;\n        ^\n" },
        /* Long lines. */
        { "foo " FIFTY FIFTY ";", "foo " FIFTY TEN TEN TEN TEN "012345...\n^\n" },
        { "user " FIFTY " " FIFTY " a;",
          "..." "456789" TEN TEN TEN TEN " " FIFTY " a;\n"
          GAP GAP GAP GAP GAP GAP GAP GAP GAP GAP " ^\n" },
    };
    struct bench b;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_text(&b, str_of(rows[i].text), NULL);
        SUITE_CHECK(strcmp(b.detail, rows[i].expected) == 0, "%s:\n%s", rows[i].text, b.detail);
        bench_close(&b);
    }
}

/* What is near enough to have been meant. */
static void test_guess(void)
{
    static const struct {
        const char *word, *candidate;
        bool near;
    } rows[] = {
        { "lisen", "listen", true }, { "listenn", "listen", true }, { "lsiten", "listen", true },
        { "lsitne", "listen", true }, { "lstn", "listen", true }, { "lst", "listen", false },
        { "Listen", "listen", true }, { "no", "on", true }, { "yes", "off", false },
        { "st", "set", true }, { "abcd", "efcd", true }, { "abcd", "efgd", false },
        { "a", "b", false }, { "", "b", false }, { "root", "roots", true },
        { "0123456789012345678901234567890123456789012345678", "listen", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conf_guess guess = { .word = str_of(rows[i].word) };

        conf_guess_offer(&guess, rows[i].candidate);
        SUITE_CHECK((guess.best != NULL) == rows[i].near, "%s %s", rows[i].word,
                    rows[i].candidate);
    }
}

/* The names of nginx are in order and are found. */
static void test_nginx_names(void)
{
    CU_ASSERT(conf_nginx_count > 500);
    for (size_t i = 0; i < conf_nginx_count; i++) {
        SUITE_CHECK(conf_is_nginx_directive(str_of(conf_nginx_names[i])), "%s",
                    conf_nginx_names[i]);
        SUITE_CHECK(i == 0 || strcmp(conf_nginx_names[i - 1], conf_nginx_names[i]) < 0, "%s",
                    conf_nginx_names[i]);
    }
    CU_ASSERT(!conf_is_nginx_directive(STR("lisen")) && !conf_is_nginx_directive(STR("")));
    CU_ASSERT(!conf_is_nginx_directive(STR("proxy")) && !conf_is_nginx_directive(STR("zzz")));
}

/* Lists the suites and runs them. */
int main(void)
{
    CU_TestInfo messages[] = {
        { "mistakes", test_mistakes }, { "malformed", test_malformed },
        { "long words", test_long_words }, { "nesting", test_nesting }, { "NUL", test_nul },
        { "globals", test_globals }, { "source line and caret", test_detail },
        { "did you mean", test_guess }, { "names of nginx", test_nginx_names }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "messages", NULL, NULL, NULL, NULL, messages },
        { "tree", NULL, NULL, NULL, NULL, tree_tests },
        { "files", file_tests_begin, file_tests_end, NULL, NULL, file_tests },
        { "values", NULL, NULL, NULL, NULL, value_tests },
        { "inheritance", NULL, NULL, NULL, NULL, inherit_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("conf", suites);
}
