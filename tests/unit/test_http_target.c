/*
 * test_http_target.c - request-targets and Host.
 */
#include "test_http.h"

#include "http/target.h"

#include <stdlib.h>

/* L-03, L-04: accepted targets fall apart into the right views, all inside the request. */
static void test_target_accepted(void)
{
    static const struct {
        struct str in;
        bool options;
        enum target_form form;
        struct str authority, path, args;
        bool has_args;
    } rows[] = {
        { S("/"), false, TARGET_ORIGIN, S(""), S("/"), S(""), false },
        { S("/a/b"), false, TARGET_ORIGIN, S(""), S("/a/b"), S(""), false },
        { S("/?"), false, TARGET_ORIGIN, S(""), S("/"), S(""), true },
        { S("/a?x=1&y=2"), false, TARGET_ORIGIN, S(""), S("/a"), S("x=1&y=2"), true },
        { S("/a?b?c/d"), false, TARGET_ORIGIN, S(""), S("/a"), S("b?c/d"), true },
        { S("//evil.example/x"), false, TARGET_ORIGIN, S(""), S("//evil.example/x"), S(""), false },
        { S("/a%2"), false, TARGET_ORIGIN, S(""), S("/a%2"), S(""), false },
        { S("/*"), true, TARGET_ORIGIN, S(""), S("/*"), S(""), false },
        { S("/user@host:80"), false, TARGET_ORIGIN, S(""), S("/user@host:80"), S(""), false },
        { S("/caf\xc3\xa9?q=\xff"), false, TARGET_ORIGIN, S(""), S("/caf\xc3\xa9"), S("q=\xff"),
            true },
        { S("/q?a={b|c}^`\\<>\""), false, TARGET_ORIGIN, S(""), S("/q"), S("a={b|c}^`\\<>\""),
            true },
        { S("http://h"), false, TARGET_ABSOLUTE, S("h"), S("/"), S(""), false },
        { S("http://h/"), false, TARGET_ABSOLUTE, S("h"), S("/"), S(""), false },
        { S("http://h?x"), false, TARGET_ABSOLUTE, S("h"), S("/"), S("x"), true },
        { S("http://h?"), false, TARGET_ABSOLUTE, S("h"), S("/"), S(""), true },
        { S("http://h?/x"), false, TARGET_ABSOLUTE, S("h"), S("/"), S("/x"), true },
        { S("hTTp://H.Example:8080/a?b"), false, TARGET_ABSOLUTE, S("H.Example:8080"), S("/a"),
            S("b"), true },
        { S("HTTPS://[::1]:443/a"), false, TARGET_ABSOLUTE, S("[::1]:443"), S("/a"), S(""), false },
        { S("https://h:/"), false, TARGET_ABSOLUTE, S("h:"), S("/"), S(""), false },
        { S("http://h/a@b"), false, TARGET_ABSOLUTE, S("h"), S("/a@b"), S(""), false },
        { S("http://h"), true, TARGET_ABSOLUTE, S("h"), S("/"), S(""), false },
        { S("*"), true, TARGET_ASTERISK, S(""), S("*"), S(""), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct target t;

        SUITE_CHECK(target_parse(rows[i].in, rows[i].options, &t) == 0
            && t.form == rows[i].form && str_eq(t.authority, rows[i].authority)
            && str_eq(t.path, rows[i].path) && str_eq(t.args, rows[i].args)
            && t.has_args == rows[i].has_args, "\"%.*s\"", STR_ARG(rows[i].in));
        SUITE_CHECK(inside(t.path, rows[i].in) || str_eq(t.path, STR("/")), "\"%.*s\"",
            STR_ARG(rows[i].in));
        SUITE_CHECK(t.args.n == 0 || inside(t.args, rows[i].in), "\"%.*s\"", STR_ARG(rows[i].in));
    }
}

/* Everything else is refused and leaves nothing behind. */
static void test_target_refused(void)
{
    static const struct {
        struct str in;
        bool options;
    } rows[] = {
        { S(""), false }, { S("*"), false }, { S("*foo"), true }, { S("**"), true },
        { S("*?x"), true }, { S("a"), false }, { S("a/b"), false }, { S("?x"), false },
        { S("example.com:443"), false }, { S("/a#b"), false }, { S("/#"), false },
        { S("/a?b#c"), false }, { S("http://h/#"), false }, { S("http://h#"), false },
        { S("/a b"), false }, { S(" /"), false }, { S("/ "), false }, { S("/a\tb"), false },
        { S("/a\0b"), false }, { S("/a\nb"), false }, { S("/a\r"), false }, { S("/\x7f"), false },
        { S("/aaaaaaaaaaaaaaa\x01"), false }, { S("/aaaaaa\x1f""aaaaaaaaaaaaa"), false },
        { S("/aaaaaaaaaaaaaaaaaaa?aaaaaaaa\x7f""a"), false },
        { S("http:"), false }, { S("http:/"), false }, { S("http://"), false },
        { S("http:///p"), false }, { S("http://?x"), false }, { S("http://:80/"), false },
        { S("http:/h/p"), false }, { S("http:h"), false }, { S("http//h"), false },
        { S("ftp://h/"), false }, { S("httpx://h/"), false }, { S("ws://h/"), false },
        { S("ht\xf4p://h/"), false }, { S("http://u@h/"), false }, { S("http://u:p@h/"), false },
        { S("http://@h/"), false }, { S("http://h\xc3\xa9/"), false }, { S("http://h:8x/"), false },
        { S("http://[::1/"), false }, { S("http://h:80:80/"), false }, { S("http://h\\x/"), false },
        { S("http://a<b/"), false }, { S("http://h%zz/"), false }, { S("http://h:65536/"), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct target t;

        SUITE_CHECK(target_parse(rows[i].in, rows[i].options, &t) == -1, "\"%.*s\"",
            STR_ARG(rows[i].in));
        SUITE_CHECK(t.form == TARGET_BAD && t.path.n == 0 && t.authority.n == 0 && t.args.n == 0
            && !t.has_args, "\"%.*s\"", STR_ARG(rows[i].in));
    }
}

/* Each byte value at each place of a word is judged like any other. */
static void test_target_bytes(void)
{
    for (size_t n = 2; n <= 26; n++) {
        char *text = malloc(n);

        for (size_t at = 1; at < n; at++)
            for (int b = 0; b < 256; b++) {
                bool want = b > ' ' && b != 0x7f && b != '#';
                struct target t;

                memset(text, 'a', n);
                text[0] = '/';
                text[at] = (char)b;
                SUITE_CHECK((target_parse((struct str){ text, n }, false, &t) == 0) == want,
                    "byte %d at %zu of %zu", b, at, n);
            }
        free(text);
    }
}

/* One row of target_decode(): what comes out with and without merging; NULL is a refusal. */
static void decode_row(struct str in, const char *merged, const char *kept)
{
    for (int merge = 0; merge <= 1; merge++) {
        struct str want = str_of(merge ? merged : kept);
        char *out = malloc(in.n + 1);
        ssize_t n = target_decode(in, out, in.n, merge);

        if (want.p == NULL)
            SUITE_CHECK(n == -1, "\"%.*s\" merge %d", STR_ARG(in), merge);
        else
            SUITE_CHECK(n >= 0 && str_eq((struct str){ out, (size_t)n }, want),
                "\"%.*s\" merge %d gave \"%.*s\"", STR_ARG(in), merge, n < 0 ? 0 : (int)n, out);
        if (target_is_plain(in, merge))
            SUITE_CHECK(want.p != NULL && str_eq(want, in), "\"%.*s\" is not plain", STR_ARG(in));
        SUITE_CHECK(in.n == 0 || target_decode(in, out, in.n - 1, merge) == -1, "\"%.*s\"",
            STR_ARG(in));
        free(out);
    }
}

/* L-33: escapes, dot segments and slashes; what would leave the root or hide a NUL is refused. */
static void test_target_decode(void)
{
    static const struct {
        struct str in;
        const char *merged, *kept;
    } rows[] = {
        { S(""), NULL, NULL }, { S("a"), NULL, NULL }, { S("*"), NULL, NULL },
        { S("%2Fa"), NULL, NULL },
        { S("/"), "/", "/" }, { S("/a"), "/a", "/a" }, { S("/a/"), "/a/", "/a/" },
        { S("/%41%62c"), "/Abc", "/Abc" }, { S("/%7e%7E"), "/~~", "/~~" },
        { S("/%e9\xe9"), "/\xe9\xe9", "/\xe9\xe9" }, { S("/a%20b"), "/a b", "/a b" },
        { S("/%3F%23"), "/?#", "/?#" }, { S("/%0a"), "/\n", "/\n" }, { S("/+"), "/+", "/+" },
        /* Decoded once, never twice. */
        { S("/%2525"), "/%25", "/%25" }, { S("/%252e%252e/x"), "/%2e%2e/x", "/%2e%2e/x" },
        { S("/%252F"), "/%2F", "/%2F" }, { S("/%25%32%65"), "/%2e", "/%2e" },
        { S("/%00"), NULL, NULL }, { S("/a%00b"), NULL, NULL },
        { S("/%"), NULL, NULL }, { S("/%4"), NULL, NULL }, { S("/%4g"), NULL, NULL },
        { S("/%g4"), NULL, NULL }, { S("/%%41"), NULL, NULL }, { S("/% 1"), NULL, NULL },
        { S("/%-1"), NULL, NULL }, { S("/a/%"), NULL, NULL }, { S("/%/41"), NULL, NULL },
        /* Dot segments. */
        { S("/."), "/", "/" }, { S("/./"), "/", "/" }, { S("/a/."), "/a/", "/a/" },
        { S("/a/./b"), "/a/b", "/a/b" }, { S("/a/.."), "/", "/" }, { S("/a/../"), "/", "/" },
        { S("/a/../b"), "/b", "/b" }, { S("/a/b/.."), "/a/", "/a/" },
        { S("/a/b/../../c"), "/c", "/c" }, { S("/a/b/c/./../../g"), "/a/g", "/a/g" },
        { S("/a/%2e"), "/a/", "/a/" }, { S("/a/%2E./b"), "/b", "/b" },
        { S("/a/.%2e/b"), "/b", "/b" }, { S("/a/%2e%2e"), "/", "/" },
        { S("/.a"), "/.a", "/.a" }, { S("/a."), "/a.", "/a." },
        { S("/..a/..b."), "/..a/..b.", "/..a/..b." },
        { S("/..."), "/...", "/..." }, { S("/a/.../b"), "/a/.../b", "/a/.../b" },
        { S("/a../b"), "/a../b", "/a../b" },
        { S("/.."), NULL, NULL }, { S("/../"), NULL, NULL }, { S("/../a"), NULL, NULL },
        { S("/./.."), NULL, NULL }, { S("/a/../.."), NULL, NULL }, { S("/a/../../b"), NULL, NULL },
        { S("/%2e%2e/etc/passwd"), NULL, NULL }, { S("/..%2fetc"), NULL, NULL },
        /* Slashes, sent or escaped. */
        { S("/a%2fb"), "/a/b", "/a/b" }, { S("/a%2F..%2Fb"), "/b", "/b" },
        { S("//"), "/", "//" }, { S("///a"), "/a", "///a" }, { S("/a//b"), "/a/b", "/a//b" },
        { S("/a/%2f/b"), "/a/b", "/a///b" }, { S("/a//"), "/a/", "/a//" },
        { S("/%2f"), "/", "//" }, { S("/a/.//b"), "/a/b", "/a//b" },
        { S("/a//../b"), "/b", "/a/b" }, { S("/a//.."), "/", "/a/" }, { S("//.."), NULL, "/" },
        { S("//../.."), NULL, NULL }, { S("//a/.."), "/", "//" }, { S("/a/..//b"), "/b", "//b" },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        decode_row(rows[i].in, rows[i].merged, rows[i].kept);
}

/* The fast predicate says what a plain reading of its rule says, wherever the special bytes lie. */
static void test_target_plain(void)
{
    static const char special[] = "/.%a\xaf";

    for (size_t n = 1; n <= 27; n++) {
        char *text = malloc(n);

        for (size_t at = 1; at + 1 < n; at++)
            for (size_t pair = 0; pair < 25; pair++)
                for (int merge = 0; merge <= 1; merge++) {
                    bool want = true;

                    memset(text, 'x', n);
                    text[0] = '/';
                    text[at] = special[pair / 5];
                    text[at + 1] = special[pair % 5];
                    for (size_t i = 1; i < n; i++)
                        if (text[i] == '%' || (text[i - 1] == '/'
                            && (text[i] == '.' || (merge && text[i] == '/'))))
                            want = false;
                    SUITE_CHECK(target_is_plain((struct str){ text, n }, merge) == want,
                        "\"%.*s\" merge %d", (int)n, text, merge);
                }
        free(text);
    }
    CU_ASSERT_TRUE(target_is_plain(STR("/"), true));
    CU_ASSERT_FALSE(target_is_plain(STR(""), true));
    CU_ASSERT_FALSE(target_is_plain(STR("a"), true));
    CU_ASSERT_FALSE(target_is_plain(STR("*"), false));
    CU_ASSERT_FALSE(target_is_plain(STR("/.well-known/x"), true));
    CU_ASSERT_TRUE(target_is_plain(STR("//a//b"), false));
}

/* Host: a name, an IPv4 or a bracketed IPv6 address, then a port; split as the lookup wants it. */
static void test_target_host(void)
{
    static const struct {
        struct str in;
        const char *host, *port; /* NULL: refused */
    } rows[] = {
        { S(""), "", "" }, { S("a"), "a", "" }, { S("Example.COM"), "example.com", "" },
        { S("a:80"), "a", "80" }, { S("a:"), "a", "" }, { S(":80"), "", "80" }, { S(":"), "", "" },
        { S("a."), "a", "" }, { S("a.:80"), "a", "80" }, { S("."), "", "" }, { S(".a"), ".a", "" },
        { S("a.."), NULL, NULL }, { S(".."), NULL, NULL }, { S("...:80"), NULL, NULL },
        { S("a..b"), NULL, NULL },
        { S("127.0.0.1:8080"), "127.0.0.1", "8080" }, { S("a_b~c-d"), "a_b~c-d", "" },
        { S("a!$&'()*+,;=b"), "a!$&'()*+,;=b", "" }, { S("a%4Ab"), "a%4ab", "" },
        { S("a:65535"), "a", "65535" }, { S("a:00080"), "a", "00080" }, { S("a:0"), "a", "0" },
        { S("[::1]"), "[::1]", "" }, { S("[::1]:80"), "[::1]", "80" }, { S("[::1]:"), "[::1]", "" },
        { S("[::]"), "[::]", "" }, { S("[FE80::A]"), "[fe80::a]", "" },
        { S("[1:2:3:4:5:6:7:8]"), "[1:2:3:4:5:6:7:8]", "" },
        { S("[1:2:3:4:5:6:7::]"), "[1:2:3:4:5:6:7::]", "" },
        { S("[::2:3:4:5:6:7:8]"), "[::2:3:4:5:6:7:8]", "" },
        { S("[1::8]:1"), "[1::8]", "1" }, { S("[::ffff:1.2.3.255]"), "[::ffff:1.2.3.255]", "" },
        { S("[1:2:3:4:5:6:1.2.3.4]"), "[1:2:3:4:5:6:1.2.3.4]", "" },
        { S("a b"), NULL, NULL }, { S(" a"), NULL, NULL }, { S("a "), NULL, NULL },
        { S("a/b"), NULL, NULL }, { S("u@a"), NULL, NULL }, { S("a?"), NULL, NULL },
        { S("a#"), NULL, NULL }, { S("a\\b"), NULL, NULL }, { S("a<b>"), NULL, NULL },
        { S("a\0"), NULL, NULL }, { S("a\x7f"), NULL, NULL }, { S("a\xc3\xa9"), NULL, NULL },
        { S("a%"), NULL, NULL }, { S("a%4"), NULL, NULL }, { S("a%4x"), NULL, NULL },
        { S("a:b"), NULL, NULL }, { S("a:-1"), NULL, NULL }, { S("a:80 "), NULL, NULL },
        { S("a:80:80"), NULL, NULL }, { S("a:65536"), NULL, NULL },
        { S("a:99999999999999999999999"), NULL, NULL }, { S("::1"), NULL, NULL },
        { S("["), NULL, NULL }, { S("[]"), NULL, NULL }, { S("[::1"), NULL, NULL },
        { S("]"), NULL, NULL }, { S("[::1]a"), NULL, NULL }, { S("[::1].:80"), NULL, NULL },
        { S("a[::1]"), NULL, NULL }, { S("[:]"), NULL, NULL }, { S("[:::]"), NULL, NULL },
        { S("[1::2::3]"), NULL, NULL }, { S("[1:2:3:4:5:6:7]"), NULL, NULL },
        { S("[1:2:3:4:5:6:7:8:9]"), NULL, NULL }, { S("[1:2:3:4:5:6:7:8::]"), NULL, NULL },
        { S("[1:]"), NULL, NULL }, { S("[:1]"), NULL, NULL }, { S("[12345::]"), NULL, NULL },
        { S("[g::]"), NULL, NULL }, { S("[::1.2.3]"), NULL, NULL },
        { S("[::1.2.3.256]"), NULL, NULL },
        { S("[::1.2.3.4.5]"), NULL, NULL }, { S("[::01.2.3.4]"), NULL, NULL },
        { S("[1.2.3.4]"), NULL, NULL }, { S("[::1.2.3.4:5]"), NULL, NULL },
        { S("[1:2:3:4:5:6:7:1.2.3.4]"), NULL, NULL }, { S("[fe80::1%25eth0]"), NULL, NULL },
        { S("[v1.x]"), NULL, NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str host = { NULL, 0 }, port = { NULL, 0 };
        char lower[64];
        int rc = target_host_split(rows[i].in, lower, sizeof lower, &host, &port);

        SUITE_CHECK(target_host_valid(rows[i].in) == (rows[i].host != NULL), "\"%.*s\"",
            STR_ARG(rows[i].in));
        SUITE_CHECK(rc == (rows[i].host ? 0 : -1) && str_eq(host, str_of(rows[i].host))
            && str_eq(port, str_of(rows[i].port)), "\"%.*s\" gave \"%.*s\" and \"%.*s\"",
            STR_ARG(rows[i].in), STR_ARG(host), STR_ARG(port));
    }
}

/* A buffer that is too small is a refusal, not a cut. */
static void test_target_host_size(void)
{
    struct str host, port;
    char lower[3];

    CU_ASSERT_EQUAL(target_host_split(STR("abcd"), lower, sizeof lower, &host, &port), -1);
    CU_ASSERT_EQUAL(target_host_split(STR("abc.:443"), lower, sizeof lower, &host, &port), 0);
    CU_ASSERT_TRUE(host.p == lower && host.n == 3);
    CU_ASSERT_EQUAL(target_host_split(STR(""), NULL, 0, &host, &port), 0);
    CU_ASSERT_EQUAL(target_host_split((struct str){ NULL, 0 }, NULL, 0, &host, &port), 0);
    CU_ASSERT_TRUE(host.n == 0 && port.n == 0);
}

CU_TestInfo target_tests[] = {
    { "L-03 L-04 accepted", test_target_accepted },
    { "refused", test_target_refused },
    { "every byte everywhere", test_target_bytes },
    { "L-33 decode", test_target_decode },
    { "plain", test_target_plain },
    { "host", test_target_host },
    { "host buffer", test_target_host_size },
    CU_TEST_INFO_NULL
};
