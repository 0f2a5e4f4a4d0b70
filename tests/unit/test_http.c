/*
 * test_http.c - the program, and the tests of tokens, ranges and entity-tags.
 */
#include "test_http.h"

#include "http/etag.h"
#include "http/range.h"
#include "http/token.h"

#include <stdio.h>

/* tchar is exactly the set of RFC 9110 §5.6.2, over all 256 bytes. */
static void test_token_bytes(void)
{
    const char *punctuation = "!#$%&'*+-.^_`|~";

    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        bool want = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
            || (b != 0 && strchr(punctuation, b) != NULL);

        SUITE_CHECK(token_valid((struct str){ &c, 1 }) == want, "byte %d", b);
    }
    CU_ASSERT_FALSE(token_valid(STR("")));
    CU_ASSERT_FALSE(token_valid(STR("a b")));
    CU_ASSERT_FALSE(token_valid(STR("abc:")));
    CU_ASSERT_TRUE(token_valid(STR("x-weft-submitted-at")));
}

/* Every byte at every place of words of every length, in place and elsewhere. */
static void test_ascii_lower(void)
{
    for (size_t n = 0; n <= 27; n++) {
        for (int b = 0; b < 256; b++) {
            for (size_t at = 0; at < n; at++) {
                char from[28], to[28], want[28];

                memset(from, 'Q', sizeof from);
                memset(want, 'q', n);
                memset(to, '?', sizeof to);
                from[at] = (char)b;
                want[at] = b >= 'A' && b <= 'Z' ? (char)(b + 'a' - 'A') : (char)b;
                ascii_lower(to, from, n);
                SUITE_CHECK(memcmp(to, want, n) == 0 && to[n] == '?', "%zu bytes, %d at %zu", n, b,
                            at);
                ascii_lower(from, from, n);
                SUITE_CHECK(memcmp(from, want, n) == 0 && from[n] == 'Q', "in place: %zu, %d at "
                            "%zu", n, b, at);
            }
        }
    }
}

/* W-29, I-25: options are found in any case, anywhere in the list, and only as whole members. */
static void test_token_list(void)
{
    static const struct {
        struct str list, token;
        bool want;
    } rows[] = {
        { S(""), S("close"), false },
        { S("close"), S(""), false },
        { S(",, ,"), S(""), false },
        { S("close"), S("close"), true },
        { S("CLOSE"), S("close"), true },
        { S("close"), S("Close"), true },
        { S("keep-alive, Upgrade"), S("upgrade"), true },
        { S("keep-alive,Upgrade"), S("keep-alive"), true },
        { S("foo \t,\t close \t"), S("close"), true },
        { S(",,close,,"), S("close"), true },
        { S("foo close"), S("close"), false },
        { S("closed"), S("close"), false },
        { S("clos"), S("close"), false },
        { S("x-close"), S("close"), false },
        { S("\"close\""), S("close"), false },
        { S("close;q=1"), S("close"), false },
        { S("close\0"), S("close"), false },
        { S("close\n"), S("close"), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        SUITE_CHECK(token_list_has(rows[i].list, rows[i].token) == rows[i].want, "\"%.*s\"",
            STR_ARG(rows[i].list));
}

/* Members come out trimmed, in order, without the empty ones, as views. */
static void test_token_list_next(void)
{
    const struct str whole = STR_INIT(" ,a , \t, b c,,d");
    const struct str want[] = { STR_INIT("a"), STR_INIT("b c"), STR_INIT("d") };
    struct str list = whole, member = { NULL, 0 };

    for (size_t i = 0; i < COUNT(want); i++) {
        CU_ASSERT_TRUE(token_list_next(&list, &member));
        CU_ASSERT_TRUE(str_eq(member, want[i]) && inside(member, whole));
    }
    CU_ASSERT_FALSE(token_list_next(&list, &member));
    CU_ASSERT_TRUE(str_eq(member, want[COUNT(want) - 1]));
    CU_ASSERT_FALSE(token_list_next(&list, &member));
    list = (struct str){ NULL, 0 };
    CU_ASSERT_FALSE(token_list_next(&list, &member));
}

/* L-07 without its leniency: digits only, and overflow is an error, not a small number. */
static void test_digits(void)
{
    static const struct {
        struct str in;
        int rc;
        uint64_t want;
    } rows[] = {
        { S(""), -1, 0 },
        { S("0"), 0, 0 },
        { S("00"), 0, 0 },
        { S("42"), 0, 42 },
        { S("0000000000000000000000000000007"), 0, 7 },
        { S("18446744073709551615"), 0, UINT64_MAX },
        { S("18446744073709551616"), -1, 0 },
        { S("18446744073709551620"), -1, 0 },
        { S("99999999999999999999"), -1, 0 },
        { S("184467440737095516150"), -1, 0 },
        { S("-1"), -1, 0 }, { S("+1"), -1, 0 }, { S(" 1"), -1, 0 }, { S("1 "), -1, 0 },
        { S("1,1"), -1, 0 }, { S("0x10"), -1, 0 }, { S("1a"), -1, 0 }, { S("1\0"), -1, 0 },
        { S("\xb1"), -1, 0 }, { S("/"), -1, 0 }, { S(":"), -1, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t got = 99;

        SUITE_CHECK(digits_parse(rows[i].in, &got) == rows[i].rc, "\"%.*s\"", STR_ARG(rows[i].in));
        SUITE_CHECK(got == (rows[i].rc == 0 ? rows[i].want : 99), "\"%.*s\"", STR_ARG(rows[i].in));
    }
}

/* Every rule of range.h; ranges are written as the answer "first-last first-last". */
static void test_range(void)
{
    static const struct {
        struct str in;
        uint64_t size;
        size_t max;
        enum range_result result;
        const char *want;
    } rows[] = {
        { S("bytes=0-0"), 10, 9, RANGE_OK, "0-0" }, { S("bytes=0-"), 10, 9, RANGE_OK, "0-9" },
        { S("bytes=2-5"), 10, 9, RANGE_OK, "2-5" }, { S("bytes=9-"), 10, 9, RANGE_OK, "9-9" },
        { S("bytes=9-9"), 10, 9, RANGE_OK, "9-9" }, { S("bytes=-1"), 10, 9, RANGE_OK, "9-9" },
        { S("bytes=-10"), 10, 9, RANGE_OK, "0-9" }, { S("bytes=-11"), 10, 9, RANGE_OK, "0-9" },
        { S("bytes=5-10"), 10, 9, RANGE_OK, "5-9" }, { S("bytes=5-99"), 10, 9, RANGE_OK, "5-9" },
        { S("bytes=0-0"), 1, 9, RANGE_OK, "0-0" }, { S("Bytes=1-2"), 10, 9, RANGE_OK, "1-2" },
        { S("bytes=007-08"), 10, 9, RANGE_OK, "7-8" },
        { S("bytes=0-99999999999999999999999"), 10, 9, RANGE_OK, "0-9" },
        { S("bytes=-99999999999999999999999"), 10, 9, RANGE_OK, "0-9" },
        { S("bytes=0-18446744073709551615"), UINT64_MAX, 9, RANGE_OK, "0-18446744073709551614" },
        { S("bytes=18446744073709551614-"), UINT64_MAX, 9, RANGE_OK,
            "18446744073709551614-18446744073709551614" },
        { S("bytes=0-0,9-9"), 10, 9, RANGE_OK, "0-0 9-9" },
        { S("bytes=9-9, 0-1 ,\t3-3"), 10, 9, RANGE_OK, "9-9 0-1 3-3" },
        { S("bytes=,0-0,,1-1,"), 10, 9, RANGE_OK, "0-0 1-1" },
        { S("bytes=0-4,5-9"), 10, 9, RANGE_OK, "0-4 5-9" },
        { S("bytes=0-0,10-,5-5"), 10, 9, RANGE_OK, "0-0 5-5" },
        { S("bytes=-0,1-1"), 10, 9, RANGE_OK, "1-1" },
        { S("bytes=10-,1-1"), 10, 1, RANGE_OK, "1-1" },
        { S("bytes=1-1,2-2"), 10, 2, RANGE_OK, "1-1 2-2" },
        { S("bytes=10-"), 10, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=10-20"), 10, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=-0"), 10, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=10-,11-12,-0"), 10, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=0-"), 0, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=0-0"), 0, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=-5"), 0, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=99999999999999999999999-"), 10, 9, RANGE_UNSATISFIABLE, "" },
        { S("bytes=18446744073709551615-"), UINT64_MAX, 9, RANGE_UNSATISFIABLE, "" },
        /* Against the grammar. */
        { S(""), 10, 9, RANGE_NONE, "" }, { S("bytes"), 10, 9, RANGE_NONE, "" },
        { S("bytes="), 10, 9, RANGE_NONE, "" }, { S("bytes=,"), 10, 9, RANGE_NONE, "" },
        { S("bytes=-"), 10, 9, RANGE_NONE, "" }, { S("bytes=1"), 10, 9, RANGE_NONE, "" },
        { S("bytes=2-1"), 10, 9, RANGE_NONE, "" }, { S("bytes=0-0,2-1"), 10, 9, RANGE_NONE, "" },
        { S("bytes=20-19"), 10, 9, RANGE_NONE, "" }, { S("bytes=0-0,x"), 10, 9, RANGE_NONE, "" },
        { S("bytes=10-,x"), 10, 9, RANGE_NONE, "" }, { S("bytes=a-b"), 10, 9, RANGE_NONE, "" },
        { S("bytes=1-2x"), 10, 9, RANGE_NONE, "" }, { S("bytes=1 - 2"), 10, 9, RANGE_NONE, "" },
        { S("bytes=1--2"), 10, 9, RANGE_NONE, "" }, { S("bytes=--2"), 10, 9, RANGE_NONE, "" },
        { S("bytes=+1-2"), 10, 9, RANGE_NONE, "" }, { S("bytes=0x1-2"), 10, 9, RANGE_NONE, "" },
        { S("bytes =0-1"), 10, 9, RANGE_NONE, "" }, { S(" bytes=0-1"), 10, 9, RANGE_NONE, "" },
        { S("bytes:0-1"), 10, 9, RANGE_NONE, "" }, { S("lines=0-1"), 10, 9, RANGE_NONE, "" },
        { S("bytes=0-1;2-3"), 10, 9, RANGE_NONE, "" }, { S("bytes=0-1\0"), 10, 9, RANGE_NONE, "" },
        { S("bytes=99999999999999999999999x-"), 10, 9, RANGE_NONE, "" },
        { S("bytes=1-0"), 0, 9, RANGE_NONE, "" }, { S("bytes=x"), 0, 9, RANGE_NONE, "" },
        /* Too many, or too much. */
        { S("bytes=0-0"), 10, 0, RANGE_NONE, "" }, { S("bytes=99-"), 10, 0, RANGE_NONE, "" },
        { S("bytes=0-0,1-1"), 10, 1, RANGE_NONE, "" },
        { S("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9"), 10, 9, RANGE_NONE, "" },
        { S("bytes=0-,0-"), 10, 9, RANGE_NONE, "" }, { S("bytes=0-5,4-9"), 10, 9, RANGE_NONE, "" },
        { S("bytes=0-9,0-0"), 10, 9, RANGE_NONE, "" },
        { S("bytes=0-,0-,0-"), UINT64_MAX, 9, RANGE_NONE, "" },
        { S("bytes=0-4,0-4"), 10, 9, RANGE_OK, "0-4 0-4" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct range r[9];
        size_t count = 77, used = 0;
        char text[512] = "";
        enum range_result got = range_parse(rows[i].in, rows[i].size, r, rows[i].max, &count);

        for (size_t k = 0; k < count && k < COUNT(r); k++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu-%llu", k ? " " : "",
                (unsigned long long)r[k].first, (unsigned long long)r[k].last);
        SUITE_CHECK(got == rows[i].result && (count > 0) == (got == RANGE_OK)
            && strcmp(text, rows[i].want) == 0, "\"%.*s\" of %llu gave %d \"%s\"",
            STR_ARG(rows[i].in), (unsigned long long)rows[i].size, (int)got, text);
    }
}

/* Lists against a tag: weak comparison first, strong second. */
static void test_etag_list(void)
{
    static const struct {
        struct str list, etag;
        bool weak, strong;
    } rows[] = {
        { S("*"), S("\"a\""), true, true }, { S(" * "), S("W/\"a\""), true, true },
        { S("*"), S(""), false, false }, { S(""), S("\"a\""), false, false },
        { S("\"a\""), S(""), false, false }, { S(",,"), S("\"a\""), false, false },
        { S("\"a\""), S("\"a\""), true, true }, { S("\"a\""), S("\"A\""), false, false },
        { S("W/\"a\""), S("\"a\""), true, false }, { S("\"a\""), S("W/\"a\""), true, false },
        { S("W/\"a\""), S("W/\"a\""), true, false }, { S("\"\""), S("\"\""), true, true },
        { S("\"a\", \"b\""), S("\"b\""), true, true }, { S("\"a\",\"b\""), S("\"a\""), true, true },
        { S("W/\"a\" \t,\t \"b\" "), S("\"b\""), true, true },
        { S(",\"a\",,\"b\","), S("\"b\""), true, true },
        { S("\"b\", \"c\""), S("\"a\""), false, false },
        { S("\"a,b\""), S("\"a,b\""), true, true }, { S("\"a,b\""), S("\"a\""), false, false },
        { S("\"x,\", \"a\""), S("\"a\""), true, true },
        { S("\"\xe9\""), S("\"\xe9\""), true, true },
        { S("\"W/\""), S("\"W/\""), true, true }, { S("\"a\\\""), S("\"a\\\""), true, true },
        /* Malformed anywhere: nothing matches. */
        { S("a"), S("\"a\""), false, false }, { S("\"a"), S("\"a\""), false, false },
        { S("a\""), S("\"a\""), false, false }, { S("\""), S("\"a\""), false, false },
        { S("W/"), S("\"a\""), false, false }, { S("W/a"), S("\"a\""), false, false },
        { S("w/\"a\""), S("\"a\""), false, false }, { S("W /\"a\""), S("\"a\""), false, false },
        { S("\"a\" \"b\""), S("\"a\""), false, false }, { S("\"a\"x"), S("\"a\""), false, false },
        { S("\"a\", b"), S("\"a\""), false, false }, { S("\"a\", *"), S("\"a\""), false, false },
        { S("*, \"a\""), S("\"a\""), false, false }, { S("**"), S("\"a\""), false, false },
        { S("\"a\";q=1"), S("\"a\""), false, false },
        { S("\"a b\", \"a\""), S("\"a\""), false, false },
        { S("\"a\", \"\x7f\""), S("\"a\""), false, false },
        { S("\"a\", \"b"), S("\"a\""), false, false },
        { S("\"a\", \"\0\""), S("\"a\""), false, false }, { S("a"), S("a"), false, false },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        SUITE_CHECK(etag_list_match(rows[i].list, rows[i].etag, true) == rows[i].weak
            && etag_list_match(rows[i].list, rows[i].etag, false) == rows[i].strong,
            "%.*s against %.*s", STR_ARG(rows[i].list), STR_ARG(rows[i].etag));
}

/* A lone tag, and tags made of time and size. */
static void test_etag_format(void)
{
    char out[ETAG_SIZE];
    struct etag tag = { { NULL, 7 }, true };

    CU_ASSERT_EQUAL(etag_format(out, 0, 0), 5);
    CU_ASSERT_STRING_EQUAL(out, "\"0-0\"");
    CU_ASSERT_EQUAL(etag_format(out, 0x65a1b2c3, 0x1000), 15);
    CU_ASSERT_STRING_EQUAL(out, "\"65a1b2c3-1000\"");
    CU_ASSERT_EQUAL(etag_format(out, UINT64_MAX, UINT64_MAX), ETAG_SIZE - 1);
    CU_ASSERT_STRING_EQUAL(out, "\"ffffffffffffffff-ffffffffffffffff\"");

    CU_ASSERT_EQUAL(etag_parse(str_of(out), &tag), 0);
    CU_ASSERT_TRUE(!tag.weak && str_eq(tag.opaque, str_of(out)));
    CU_ASSERT_EQUAL(etag_parse(STR("W/\"x\""), &tag), 0);
    CU_ASSERT_TRUE(tag.weak && str_eq(tag.opaque, STR("\"x\"")));
    CU_ASSERT_EQUAL(etag_parse(STR("\"x\" "), &tag), -1);
    CU_ASSERT_EQUAL(etag_parse(STR("\"x\",\"y\""), &tag), -1);
    CU_ASSERT_EQUAL(etag_parse(STR(""), &tag), -1);
    CU_ASSERT_TRUE(tag.weak && str_eq(tag.opaque, STR("\"x\"")));
}

/* Lists the suites and runs them. */
int main(void)
{
    CU_TestInfo token[] = {
        { "tchar", test_token_bytes },
        { "W-29 I-25 list members", test_token_list },
        { "list iteration", test_token_list_next },
        { "L-07 strict digits", test_digits },
        { "lower case", test_ascii_lower },
        CU_TEST_INFO_NULL
    };
    CU_TestInfo range[] = { { "ranges", test_range }, CU_TEST_INFO_NULL };
    CU_TestInfo etag[] = {
        { "lists", test_etag_list },
        { "format and parse", test_etag_format },
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "token", NULL, NULL, NULL, NULL, token },
        { "target", NULL, NULL, NULL, NULL, target_tests },
        { "date", NULL, NULL, NULL, NULL, date_tests },
        { "range", NULL, NULL, NULL, NULL, range },
        { "etag", NULL, NULL, NULL, NULL, etag },
        { "conditional", NULL, NULL, NULL, NULL, conditional_tests },
        { "negotiate", NULL, NULL, NULL, NULL, negotiate_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("http", suites);
}
