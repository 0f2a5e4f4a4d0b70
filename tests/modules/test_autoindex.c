/*
 * test_autoindex.c - directories as pages; the expected lines are what nginx writes.
 */
#include "../../modules/autoindex/listing.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_50 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define SPACES_10 "          "

/* 21-Nov-2026 10:57:26 UTC, a Saturday. */
#define THEN 1795258646

/* The page for one entry, without what is around the row; freed by the caller. */
static char *row(const struct listing_entry *e, const struct listing_style *style)
{
    struct listing_text out = { NULL, 0, 0 };
    const char *begin = "../</a>\r\n", *p, *end;
    char *copy;

    listing_html(&out, STR("/"), e, 1, style);
    out.p[out.n] = '\0';
    p = strstr(out.p, begin) + strlen(begin);
    end = strstr(p, "</pre>");
    copy = strndup(p, (size_t)(end - p));
    free(out.p);
    return copy;
}

/* Whole pages. */
static void test_page(void)
{
    static const struct listing_style style = { true, false };
    struct listing_text out = { NULL, 0, 0 };
    struct listing_entry e = { STR("a"), LISTING_FILE, THEN, 7 };

    listing_html(&out, STR("/a<&\">/"), NULL, 0, &style);
    CU_ASSERT_TRUE(str_eq((struct str){ out.p, out.n }, STR(
        "<html>\r\n<head><title>Index of /a&lt;&amp;&quot;&gt;/</title></head>\r\n<body>\r\n"
        "<h1>Index of /a&lt;&amp;&quot;&gt;/</h1><hr><pre><a href=\"../\">../</a>\r\n"
        "</pre><hr></body>\r\n</html>\r\n")));
    out.n = 0;
    listing_json(&out, NULL, 0);
    CU_ASSERT_TRUE(str_eq((struct str){ out.p, out.n }, STR("[\r\n]")));
    out.n = 0;
    listing_json(&out, &e, 1);
    CU_ASSERT_TRUE(str_eq((struct str){ out.p, out.n }, STR(
        "[\r\n{ \"name\":\"a\", \"type\":\"file\", "
        "\"mtime\":\"Sat, 21 Nov 2026 10:57:26 GMT\", \"size\":7 }\r\n]")));
    free(out.p);
}

/* Names in rows. */
static void test_names(void)
{
    static const struct listing_style style = { true, false };
    static const struct {
        const char *name;
        enum listing_kind kind;
        const char *begin;
    } rows[] = {
        { "big", LISTING_FILE, "<a href=\"big\">big</a>" SPACES_10 SPACES_10 SPACES_10 SPACES_10
          "       " " 21-Nov-2026 10:57                5000\r\n" },
        { "sub", LISTING_DIRECTORY, "<a href=\"sub/\">sub/</a>" SPACES_10 SPACES_10 SPACES_10
          SPACES_10 "      " " 21-Nov-2026 10:57                   -\r\n" },
        { "a&b <c> \"q\"", LISTING_FILE,
          "<a href=\"a%26b%20%3Cc%3E%20%22q%22\">a&amp;b &lt;c&gt; &quot;q&quot;</a> " },
        { "a?b#c%d:e", LISTING_FILE, "<a href=\"a%3Fb%23c%25d%3Ae\">a?b#c%d:e</a> " },
        { "javascript:x", LISTING_FILE, "<a href=\"javascript%3Ax\">" },
        { NAME_50, LISTING_FILE, "<a href=\"" NAME_50 "\">" NAME_50 "</a> 21" },
        { NAME_50, LISTING_DIRECTORY, "<a href=\"" NAME_50 "/\">" NAME_50 "</a> 21" },
        { NAME_50 "n", LISTING_FILE, "<a href=\"" NAME_50 "n\">nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
          "nnnnnnnnnnn..&gt;</a> 21" },
        /* Characters are counted, not bytes. */
        { "\xc3\xbcml", LISTING_FILE, "<a href=\"%C3%BCml\">\xc3\xbcml</a>" SPACES_10 SPACES_10
          SPACES_10 SPACES_10 "       " " 21" },
        { "\xff\xfe", LISTING_FILE, "<a href=\"%FF%FE\">\xff\xfe</a>" SPACES_10 SPACES_10
          SPACES_10 SPACES_10 "        " " 21" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listing_entry e = { str_of(rows[i].name), rows[i].kind, THEN, 5000 };
        char *line = row(&e, &style);

        SUITE_CHECK(strncmp(line, rows[i].begin, strlen(rows[i].begin)) == 0, "%s gives %s",
                    rows[i].name, line);
        free(line);
    }
}

/* A long name of two-byte characters is cut between characters. */
static void test_cut(void)
{
    static const struct listing_style style = { true, false };
    char name[120 + 1] = "", *line;
    struct listing_entry e = { { name, 102 }, LISTING_FILE, THEN, 0 };

    for (int i = 0; i < 60; i++)
        memcpy(name + 2 * i, "\xc3\xbc", 2);
    line = row(&e, &style);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "\xc3\xbc..&gt;</a> 21-Nov"));
    CU_ASSERT_EQUAL(strstr(line, "..&gt;") - strchr(line, '>') - 1, 47 * 2);
    free(line);
    e.name.n = 100;
    line = row(&e, &style);
    CU_ASSERT_PTR_NULL(strstr(line, "..&gt;"));
    free(line);
}

/* Sizes for people. */
static void test_sizes(void)
{
    static const struct listing_style style = { false, false };
    static const struct {
        int64_t size;
        const char *end;
    } rows[] = {
        { 0, "10:57       0\r\n" }, { 1024, "10:57    1024\r\n" }, { 9999, "10:57    9999\r\n" },
        { 10000, "10:57     10K\r\n" }, { 10239, "10:57     10K\r\n" },
        { 10751, "10:57     10K\r\n" }, { 10752, "10:57     11K\r\n" },
        { 1048575, "10:57   1024K\r\n" }, { 1048576, "10:57      1M\r\n" },
        { 1500000, "10:57      1M\r\n" }, { INT64_C(3221225472), "10:57      3G\r\n" },
    };
    struct listing_entry e = { STR("x"), LISTING_FILE, THEN, 0 };
    char *line;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        e.size = rows[i].size;
        line = row(&e, &style);
        SUITE_CHECK(str_ends(str_of(line), str_of(rows[i].end)), "%lld gives %s",
                    (long long)e.size, line);
        free(line);
    }
    e.kind = LISTING_DIRECTORY;
    line = row(&e, &style);
    CU_ASSERT_TRUE(str_ends(str_of(line), STR("10:57       -\r\n")));
    free(line);
}

/* Times: beyond all calendars, and in the server's zone. */
static void test_times(void)
{
    struct listing_style style = { true, false };
    struct listing_entry e = { STR("x"), LISTING_FILE, INT64_MAX, 0 };
    struct listing_text out = { NULL, 0, 0 };
    char *line = row(&e, &style);

    CU_ASSERT_PTR_NOT_NULL(strstr(line, " 01-Jan-1970 00:00 "));
    free(line);
    listing_json(&out, &e, 1);
    free(out.p);
    e.mtime = THEN;
    style.local_time = true;
    setenv("TZ", "XYZ-2", 1);
    tzset();
    line = row(&e, &style);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, " 21-Nov-2026 12:57 "));
    free(line);
    unsetenv("TZ");
    tzset();
}

/* Strings in JSON. */
static void test_json(void)
{
    static const struct {
        const char *name, *json;
    } rows[] = {
        { "a\"b\\c", "a\\\"b\\\\c" }, { "t\tn\n\x01", "t\\u0009n\\u000A\\u0001" },
        { "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xff" "a", "\\uFFFDa" }, { "\xc3", "\\uFFFD" }, { "\xe2\x82", "\\uFFFD\\uFFFD" },
        { "\xed\xa0\x80", "\\uFFFD\\uFFFD\\uFFFD" }, { "\xc0\xaf", "\\uFFFD\\uFFFD" },
        { "\xf4\x90\x80\x80", "\\uFFFD\\uFFFD\\uFFFD\\uFFFD" }, { "</script>", "</script>" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listing_entry e = { str_of(rows[i].name), LISTING_OTHER, THEN, 5 };
        struct listing_text out = { NULL, 0, 0 };
        char expected[256];
        int n = snprintf(expected, sizeof expected, "[\r\n{ \"name\":\"%s\", \"type\":\"other\", "
                         "\"mtime\":\"Sat, 21 Nov 2026 10:57:26 GMT\" }\r\n]", rows[i].json);

        listing_json(&out, &e, 1);
        SUITE_CHECK(str_eq((struct str){ out.p, out.n }, (struct str){ expected, (size_t)n }),
                    "row %zu: %.*s", i, (int)out.n, out.p);
        free(out.p);
    }
}

/* Directories first, then bytes. */
static void test_sort(void)
{
    struct listing_entry list[] = {
        { STR("b"), LISTING_FILE, 0, 0 }, { STR("ab"), LISTING_OTHER, 0, 0 },
        { STR("z"), LISTING_DIRECTORY, 0, 0 }, { STR("a"), LISTING_FILE, 0, 0 },
        { STR("B"), LISTING_FILE, 0, 0 }, { STR("\xc3\xbc"), LISTING_FILE, 0, 0 },
        { STR("c"), LISTING_DIRECTORY, 0, 0 },
    };
    static const char *const order[] = { "c", "z", "B", "a", "ab", "b", "\xc3\xbc" };

    listing_sort(list, sizeof list / sizeof list[0]);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        SUITE_CHECK(str_eq(list[i].name, str_of(order[i])), "%zu is %.*s", i,
                    STR_ARG(list[i].name));
    listing_sort(NULL, 0);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo listing[] = {
        { "page", test_page }, { "names", test_names }, { "cut", test_cut },
        { "sizes", test_sizes }, { "times", test_times }, { "json", test_json },
        { "sort", test_sort }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "listing", NULL, NULL, NULL, NULL, listing }, CU_SUITE_INFO_NULL
    };

    return suite_main("autoindex", suites);
}
