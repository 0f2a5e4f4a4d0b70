/*
 * test_http_select.c - preconditions and content negotiation.
 */
#include "test_http.h"

#include "http/conditional.h"
#include "http/negotiate.h"

#define BEFORE_IT "Sun, 06 Nov 1994 08:49:36 GMT"
#define AT_IT "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER_IT "Sun, 06 Nov 1994 08:49:38 GMT"

/* One row: the fields as sent (NULL: absent), and the outcomes for GET and for PUT. */
struct cond_row {
    const char *if_match, *if_unmodified_since, *if_none_match, *if_modified_since;
    enum cond_result get, put;
};

/* Evaluates rows against a representation for both kinds of method. */
static void cond_rows(const struct cond_row *rows, size_t n, struct conditions c)
{
    for (size_t i = 0; i < n; i++) {
        c.if_match = str_of(rows[i].if_match);
        c.if_unmodified_since = str_of(rows[i].if_unmodified_since);
        c.if_none_match = str_of(rows[i].if_none_match);
        c.if_modified_since = str_of(rows[i].if_modified_since);
        c.get_or_head = true;
        SUITE_CHECK(cond_evaluate(&c) == rows[i].get, "row %zu, GET", i);
        c.get_or_head = false;
        SUITE_CHECK(cond_evaluate(&c) == rows[i].put, "row %zu, PUT", i);
    }
}

/* L-32, and RFC 9110 §13.2.2 step by step, for a representation with both validators. */
static void test_cond_precedence(void)
{
    static const struct cond_row rows[] = {
        { NULL, NULL, NULL, NULL, COND_PASS, COND_PASS },
        { "\"a\"", NULL, NULL, NULL, COND_PASS, COND_PASS },
        { "\"b\"", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { "W/\"a\"", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { "\"b\", \"a\"", NULL, NULL, NULL, COND_PASS, COND_PASS },
        { "*", NULL, NULL, NULL, COND_PASS, COND_PASS },
        { "", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { "a", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { NULL, BEFORE_IT, NULL, NULL, COND_FAILED, COND_FAILED },
        { NULL, AT_IT, NULL, NULL, COND_PASS, COND_PASS },
        { NULL, AFTER_IT, NULL, NULL, COND_PASS, COND_PASS },
        { NULL, "yesterday", NULL, NULL, COND_PASS, COND_PASS },
        { "\"a\"", BEFORE_IT, NULL, NULL, COND_PASS, COND_PASS },
        { "\"b\"", AFTER_IT, NULL, NULL, COND_FAILED, COND_FAILED },
        { NULL, NULL, "\"a\"", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "W/\"a\"", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "\"b\", W/\"a\"", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "*", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "\"b\"", NULL, COND_PASS, COND_PASS },
        { NULL, NULL, "", NULL, COND_PASS, COND_PASS },
        { NULL, NULL, "\"a\", b", NULL, COND_PASS, COND_PASS },
        { NULL, NULL, NULL, AT_IT, COND_NOT_MODIFIED, COND_PASS },
        { NULL, NULL, NULL, BEFORE_IT, COND_PASS, COND_PASS },
        { NULL, NULL, NULL, "yesterday", COND_PASS, COND_PASS },
        { NULL, NULL, NULL, "", COND_PASS, COND_PASS },
        { NULL, NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", COND_NOT_MODIFIED, COND_PASS },
        { NULL, NULL, "\"b\"", AT_IT, COND_PASS, COND_PASS },
        { NULL, NULL, "\"a\"", BEFORE_IT, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "", AT_IT, COND_PASS, COND_PASS },
        { "\"b\"", NULL, "\"a\"", AT_IT, COND_FAILED, COND_FAILED },
        { "\"a\"", NULL, "\"a\"", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { "\"a\"", NULL, "\"b\"", NULL, COND_PASS, COND_PASS },
        { NULL, BEFORE_IT, "\"a\"", NULL, COND_FAILED, COND_FAILED },
        { NULL, AFTER_IT, NULL, AT_IT, COND_NOT_MODIFIED, COND_PASS },
    };
    struct conditions c = { .etag = STR_INIT("\"a\""), .last_modified = EXAMPLE_TIME,
        .ims_mode = IMS_EXACT, .now = NOW_2026 };

    cond_rows(rows, COUNT(rows), c);
}

/* The modes of If-Modified-Since, and representations that lack a validator or do not exist. */
static void test_cond_validators(void)
{
    static const struct cond_row off[] = {
        { NULL, NULL, NULL, AT_IT, COND_PASS, COND_PASS },
        { NULL, NULL, "\"a\"", AT_IT, COND_NOT_MODIFIED, COND_FAILED },
    };
    static const struct cond_row exact[] = {
        { NULL, NULL, NULL, AFTER_IT, COND_PASS, COND_PASS },
    };
    static const struct cond_row before[] = {
        { NULL, NULL, NULL, AFTER_IT, COND_NOT_MODIFIED, COND_PASS },
        { NULL, NULL, NULL, AT_IT, COND_NOT_MODIFIED, COND_PASS },
        { NULL, NULL, NULL, BEFORE_IT, COND_PASS, COND_PASS },
    };
    static const struct cond_row bare[] = {
        { "*", NULL, NULL, NULL, COND_PASS, COND_PASS },
        { "\"a\"", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { NULL, BEFORE_IT, NULL, NULL, COND_PASS, COND_PASS },
        { NULL, NULL, "*", NULL, COND_NOT_MODIFIED, COND_FAILED },
        { NULL, NULL, "\"a\"", NULL, COND_PASS, COND_PASS },
        { NULL, NULL, NULL, "Wed, 31 Dec 1969 23:59:59 GMT", COND_PASS, COND_PASS },
    };
    static const struct cond_row absent[] = {
        { "*", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { "\"a\"", NULL, NULL, NULL, COND_FAILED, COND_FAILED },
        { NULL, BEFORE_IT, NULL, AT_IT, COND_PASS, COND_PASS },
        { NULL, NULL, "*", NULL, COND_PASS, COND_PASS },
    };
    struct conditions c = { .etag = STR_INIT("\"a\""), .last_modified = EXAMPLE_TIME,
        .now = NOW_2026 };

    c.ims_mode = IMS_OFF;
    cond_rows(off, COUNT(off), c);
    c.ims_mode = IMS_EXACT;
    cond_rows(exact, COUNT(exact), c);
    c.ims_mode = IMS_BEFORE;
    cond_rows(before, COUNT(before), c);
    c.absent = true;
    cond_rows(absent, COUNT(absent), c);
    c.absent = false;
    c.etag = STR("");
    c.last_modified = COND_NO_DATE;
    cond_rows(bare, COUNT(bare), c);
}

/* If-Range: only this very representation. */
static void test_cond_if_range(void)
{
    static const struct {
        struct str value, etag;
        time_t last_modified;
        bool want;
    } rows[] = {
        { S("\"a\""), S("\"a\""), EXAMPLE_TIME, true },
        { S("\"b\""), S("\"a\""), EXAMPLE_TIME, false },
        { S("W/\"a\""), S("W/\"a\""), EXAMPLE_TIME, false },
        { S("\"a\""), S("W/\"a\""), EXAMPLE_TIME, false },
        { S("W/\"a\""), S("\"a\""), EXAMPLE_TIME, false },
        { S("\"a\""), S(""), EXAMPLE_TIME, false },
        { S("\"a\", \"b\""), S("\"a\""), EXAMPLE_TIME, false },
        { S("*"), S("\"a\""), EXAMPLE_TIME, false },
        { S("a"), S("a"), EXAMPLE_TIME, false },
        { S(""), S("\"a\""), EXAMPLE_TIME, false },
        { S(AT_IT), S("\"a\""), EXAMPLE_TIME, true },
        { S(AT_IT), S(""), EXAMPLE_TIME, true },
        { S(BEFORE_IT), S("\"a\""), EXAMPLE_TIME, false },
        { S(AFTER_IT), S("\"a\""), EXAMPLE_TIME, false },
        { S("Sunday, 06-Nov-94 08:49:37 GMT"), S(""), EXAMPLE_TIME, true },
        { S("Sun Nov  6 08:49:37 1994"), S(""), EXAMPLE_TIME, true },
        { S(AT_IT), S("\"a\""), COND_NO_DATE, false },
        { S("Wed, 31 Dec 1969 23:59:59 GMT"), S("\"a\""), COND_NO_DATE, false },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        SUITE_CHECK(cond_if_range(rows[i].value, rows[i].etag, rows[i].last_modified)
            == rows[i].want, "%.*s", STR_ARG(rows[i].value));
}

/* L-29: Accept-Encoding with q-values, in the order identity, gzip, br, zstd. */
static void test_negotiate_encoding(void)
{
    static const struct {
        struct str value;
        struct codings want;
    } rows[] = {
        { S(""), { { 1, 0, 0, 0 } } }, { S(" , ,"), { { 1, 0, 0, 0 } } },
        { S("gzip"), { { 1, 1000, 0, 0 } } }, { S("GZip"), { { 1, 1000, 0, 0 } } },
        { S("x-gzip"), { { 1, 1000, 0, 0 } } }, { S("gzip, deflate"), { { 1, 1000, 0, 0 } } },
        { S("gzip, deflate, br"), { { 1, 1000, 1000, 0 } } },
        { S("gzip, deflate, br, zstd"), { { 1, 1000, 1000, 1000 } } },
        /* The same again, one byte off the values that are known word for word. */
        { S("gzip,"), { { 1, 1000, 0, 0 } } }, { S("gzip,deflate"), { { 1, 1000, 0, 0 } } },
        { S("gzip, deflate,br"), { { 1, 1000, 1000, 0 } } },
        { S("gzip,deflate,br,zstd"), { { 1, 1000, 1000, 1000 } } },
        { S("gzip;q=0"), { { 1, 0, 0, 0 } } }, { S("gzip;q=0.000"), { { 1, 0, 0, 0 } } },
        { S("gzip;q=0.001"), { { 1, 1, 0, 0 } } }, { S("gzip;q=0.5"), { { 1, 500, 0, 0 } } },
        { S("gzip;q=0.25"), { { 1, 250, 0, 0 } } }, { S("gzip;q=0.125"), { { 1, 125, 0, 0 } } },
        { S("gzip;q=1"), { { 1, 1000, 0, 0 } } }, { S("gzip;q=1."), { { 1, 1000, 0, 0 } } },
        { S("gzip;q=0."), { { 1, 0, 0, 0 } } }, { S("gzip;q=1.000"), { { 1, 1000, 0, 0 } } },
        { S("gzip;Q=0.3"), { { 1, 300, 0, 0 } } }, { S("gzip \t; \tq=0.3"), { { 1, 300, 0, 0 } } },
        { S(" br;q=0.9 ,\tgzip;q=0.8"), { { 1, 800, 900, 0 } } },
        { S("*"), { { 1000, 1000, 1000, 1000 } } }, { S("*;q=0"), { { 0, 0, 0, 0 } } },
        { S("*;q=0.5"), { { 500, 500, 500, 500 } } },
        { S("gzip, *;q=0"), { { 0, 1000, 0, 0 } } }, { S("*;q=0, gzip"), { { 0, 1000, 0, 0 } } },
        { S("identity, *;q=0"), { { 1000, 0, 0, 0 } } },
        { S("identity;q=0"), { { 0, 0, 0, 0 } } },
        { S("gzip, identity;q=0"), { { 0, 1000, 0, 0 } } },
        { S("identity;q=0, *"), { { 0, 1000, 1000, 1000 } } },
        { S("br;q=0, *;q=0.2"), { { 200, 200, 0, 200 } } },
        { S("identity;q=0.5, gzip;q=0.4"), { { 500, 400, 0, 0 } } },
        { S("gzip;q=0.1, gzip"), { { 1, 100, 0, 0 } } },
        { S("gzip;q=0, x-gzip"), { { 1, 0, 0, 0 } } },
        /* Unknown or malformed members fall out, the others stay. */
        { S("compress, deflate"), { { 1, 0, 0, 0 } } }, { S("gzipped, xgzip"), { { 1, 0, 0, 0 } } },
        { S("gzip;q=2, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=1.001, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=0.1234, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q, br"), { { 1, 0, 1000, 0 } } }, { S("gzip;, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=-1, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=.5, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q = 1, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=00, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=0.x, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=0,5, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;x=1, br"), { { 1, 0, 1000, 0 } } },
        { S("gzip;q=1;x=2, br"), { { 1, 0, 1000, 0 } } }, { S("gzip br"), { { 1, 0, 0, 0 } } },
        { S("identity;q=no, gzip"), { { 1, 1000, 0, 0 } } },
        { S(";q=0, br"), { { 1, 0, 1000, 0 } } },
        { S("\"gzip\""), { { 1, 0, 0, 0 } } }, { S("gzip\0"), { { 1, 0, 0, 0 } } },
    };
    struct codings c;

    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&c, 0xff, sizeof c);
        negotiate_encoding(rows[i].value, true, &c);
        SUITE_CHECK(memcmp(&c, &rows[i].want, sizeof c) == 0, "\"%.*s\" gave %d %d %d %d",
            STR_ARG(rows[i].value), c.q[0], c.q[1], c.q[2], c.q[3]);
    }
    negotiate_encoding(STR("gzip"), false, &c);
    CU_ASSERT_TRUE(c.q[CODING_IDENTITY] == 1000 && c.q[CODING_GZIP] == 0 && c.q[CODING_BR] == 0
        && c.q[CODING_ZSTD] == 0);
}

/* The highest q in stock wins, the server's order decides ties, nothing is nothing. */
static void test_negotiate_pick(void)
{
    static const enum coding order[] = { CODING_ZSTD, CODING_BR, CODING_GZIP, CODING_IDENTITY };
    enum { I = 1 << CODING_IDENTITY, G = 1 << CODING_GZIP, B = 1 << CODING_BR,
        Z = 1 << CODING_ZSTD };
    static const struct {
        struct str value;
        unsigned mask;
        enum coding want;
    } rows[] = {
        { S("gzip, deflate, br, zstd"), I | G | B | Z, CODING_ZSTD },
        { S("gzip, deflate, br, zstd"), I | G | B, CODING_BR },
        { S("gzip, deflate, br, zstd"), I | G, CODING_GZIP },
        { S("gzip, deflate, br, zstd"), I, CODING_IDENTITY },
        { S("gzip, deflate, br, zstd"), 0, CODING_MAX },
        { S("gzip;q=0.001"), I | G, CODING_GZIP }, { S("gzip;q=0"), I | G, CODING_IDENTITY },
        { S("gzip;q=0.9, br;q=0.8"), I | G | B, CODING_GZIP },
        { S("identity, gzip;q=0.5"), I | G, CODING_IDENTITY },
        { S("identity;q=0.5, gzip;q=0.5"), I | G, CODING_GZIP },
        { S("identity;q=0"), I | G | B | Z, CODING_MAX }, { S("*;q=0"), I | G | B | Z, CODING_MAX },
        { S("br, identity;q=0"), I | G, CODING_MAX }, { S("*"), I | G | B | Z, CODING_ZSTD },
        { S("*;q=0, gzip;q=0.1"), I | G | B | Z, CODING_GZIP },
        { S("*, zstd;q=0"), I | G | B | Z, CODING_BR }, { S(""), I | G | B | Z, CODING_IDENTITY },
    };
    struct codings c;

    for (size_t i = 0; i < COUNT(rows); i++) {
        negotiate_encoding(rows[i].value, true, &c);
        SUITE_CHECK(negotiate_pick(&c, rows[i].mask, order, COUNT(order)) == rows[i].want,
            "\"%.*s\" from %u", STR_ARG(rows[i].value), rows[i].mask);
    }
    negotiate_encoding(STR(""), false, &c);
    CU_ASSERT_EQUAL(negotiate_pick(&c, I | G | B | Z, order, COUNT(order)), CODING_IDENTITY);
    CU_ASSERT_EQUAL(negotiate_pick(&c, I | G | B | Z, order, 3), CODING_MAX);
    CU_ASSERT_EQUAL(negotiate_pick(&c, I, NULL, 0), CODING_MAX);
}

CU_TestInfo conditional_tests[] = {
    { "L-32 precedence", test_cond_precedence },
    { "validators", test_cond_validators },
    { "If-Range", test_cond_if_range },
    CU_TEST_INFO_NULL
};

CU_TestInfo negotiate_tests[] = {
    { "L-29 Accept-Encoding", test_negotiate_encoding },
    { "pick", test_negotiate_pick },
    CU_TEST_INFO_NULL
};
