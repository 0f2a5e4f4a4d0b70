/*
 * test_access.c - addresses, password schemes and password files.
 */
#include "../../modules/access/password.h"
#include "../../modules/access/users.h"

#include <selvage/network.h>

#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A peer's address as the server hands it out; "" is a peer without one. */
static int peer(const char *text, uint8_t ip[16])
{
    memset(ip, 0, 16);
    if (inet_pton(AF_INET, text, ip) == 1)
        return 4;
    return inet_pton(AF_INET6, text, ip) == 1 ? 16 : 0;
}

/* Rules that can be read, and what they match. */
static void test_match(void)
{
    static const struct {
        const char *rule, *peer;
        bool matches;
    } rows[] = {
        { "unix:", "", true }, { "unix:", "192.0.2.1", false }, { "0.0.0.0/0", "", false },
        { "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.0/24", "192.0.2.255", true }, { "192.0.2.0/24", "192.0.3.0", false },
        { "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.128/25", "192.0.2.200", true },
        { "192.0.2.4/30", "192.0.2.7", true }, { "192.0.2.4/30", "192.0.2.8", false },
        { "192.0.2.1/32", "192.0.2.1", true }, { "0.0.0.0/0", "255.255.255.255", true },
        { "0.0.0.0/0", "2001:db8::1", false }, { "::/0", "192.0.2.1", false },
        { "::/0", "2001:db8::1", true }, { "2001:db8::/32", "2001:db8:ffff::1", true },
        { "2001:db8::/32", "2001:db9::1", false }, { "2001:db8::/33", "2001:db8:7fff::", true },
        { "2001:db8::/33", "2001:db8:8000::", false }, { "::1", "::1", true },
        { "::1", "::2", false }, { "::1/128", "::1", true },
        /* An IPv4 client on a dual-stack socket is an IPv4 client. */
        { "192.0.2.0/24", "::ffff:192.0.2.9", true }, { "::/0", "::ffff:192.0.2.9", false },
        { "::ffff:192.0.2.0/120", "192.0.2.9", true }, { "::ffff:192.0.2.9", "192.0.2.9", true },
        { "::ffff:0:0/96", "198.51.100.1", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slv_network network;
        uint8_t ip[16];
        bool cut;
        int length = peer(rows[i].peer, ip);

        if (!SUITE_CHECK(slv_network_parse(str_of(rows[i].rule), &network, &cut) == 0, "%s",
                         rows[i].rule))
            continue;
        SUITE_CHECK(!cut, "%s", rows[i].rule);
        SUITE_CHECK(slv_network_has(&network, ip, length) == rows[i].matches, "%s with %s",
                    rows[i].rule, rows[i].peer);
    }
}

/* What is no address, and what is one with bits too many. */
static void test_parse(void)
{
    static const char *const bad[] = {
        "", "/", "/8", "all", "unix", "unix:/run/x", "192.0.2", "192.0.2.256", "192.0.2.1/",
        "192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/8x", "192.0.2.1/0008", "192.0.2.1/24/8",
        " 192.0.2.1", "192.0.2.0/255.255.255.0", "::1/129", ":::", "2001:db8::/", "localhost",
        "12345:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", "[::1]",
    };
    static const char *const loose[] = { "192.0.2.1/24", "2001:db8::1/32", "192.0.2.1/0" };
    struct slv_network network;
    bool cut;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        SUITE_CHECK(slv_network_parse(str_of(bad[i]), &network, &cut) == -1, "%s", bad[i]);
    CU_ASSERT_EQUAL(slv_network_parse((struct str){ "::1\0", 4 }, &network, &cut), -1);
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        SUITE_CHECK(slv_network_parse(str_of(loose[i]), &network, &cut) == 0, "%s", loose[i]);
        SUITE_CHECK(cut, "%s", loose[i]);
    }
    CU_ASSERT_EQUAL(slv_network_parse(STR("192.0.2.77/24"), &network, &cut), 0);
    CU_ASSERT_EQUAL(network.ip[3], 0);
}

/* Hashes that other programs made: openssl passwd, Python's hashlib and crypt. */
static void test_schemes(void)
{
    static const struct {
        const char *stored, *password;
    } rows[] = {
        { "$apr1$abc1$yKZRGVmMhS64EK2Hk8BDM1", "pw" },
        { "$apr1$abc2$V6EPx0o/3jK28GWw2WfMS/", "pw" },
        { "$apr1$abc3$lo9TfNoBW6JwiSdskVH21/", "pw" },
        { "$apr1$12345678$RkSsHiO1RUdjaoav57ZaW/", "a much longer password than sixteen bytes" },
        { "$apr1$x$tMwYqBfQwi3FYAr0aJc8M/", "" },
        { "$apr1$xxxxxxxx$/m5gQ.Z7rFSjuVJjW6J4z.", "0123456789abcdef" },
        { "$apr1$a\xc3\x9f$TXHc5kCWVrJuMTmotEEGS0", "p\xc3\xa4" },
        { "{PLAIN}secret", "secret" },
        { "{PLAIN}", "" },
        { "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret" },
        { "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ", "secret" },
        { "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", "secret" },
        { "$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret" },
        { "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", "secret" },
        { "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN"
          ".Pq.H91p5hVO1", "secret" },
        { "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "secret" },
        { "$y$j75$saltsaltsalt$jyf/lxrpdyAIshWRo1x5DRC6KIE7sNRRtjcomR3PgHA", "secret" },
        { "abNANd1rDfiNc", "secret" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str stored = str_of(rows[i].stored), password = str_of(rows[i].password);
        char longer[128];

        SUITE_CHECK(password_matches(stored, password), "%.*s", STR_ARG(stored));
        snprintf(longer, sizeof longer, "x%.*s", STR_ARG(password));
        SUITE_CHECK(!password_matches(stored, str_of(longer)), "%.*s: one more", STR_ARG(stored));
        if (password.n)
            SUITE_CHECK(!password_matches(stored, str_from(password, 1)), "%.*s: one less",
                        STR_ARG(stored));
        SUITE_CHECK(!password_matches((struct str){ stored.p, stored.n - 1 }, password)
                    || stored.p[stored.n - 1] == '=', "%.*s: cut", STR_ARG(stored));
    }
}

/* What must never match. */
static void test_refused(void)
{
    static const char *const stored[] = {
        "", "*", "*0", "*1", "!", "!!", "x", "*LK*", "$", "$1$", "$9$ab$cd", "{SHA}", "{SHA}!!!!",
        "{SSHA}", "{SSHA}c2hvcnQ=", "{MD5}x", "$apr1$", "$apr1$salt", "$apr1$salt$", "$6$saltsalt$",
    };
    static char big[PASSWORD_MAX + 2];

    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++) {
        SUITE_CHECK(!password_matches(str_of(stored[i]), STR("secret")), "row %zu", i);
        SUITE_CHECK(!password_matches(str_of(stored[i]), STR("")), "row %zu", i);
        SUITE_CHECK(!password_matches(str_of(stored[i]), str_of(stored[i])), "row %zu", i);
    }
    CU_ASSERT_FALSE(password_matches(STR("$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
                                     STR("secret\0more")));
    memset(big, 'x', sizeof big - 1);
    CU_ASSERT_FALSE(password_matches(STR("abNANd1rDfiNc"), str_of(big)));
}

/* base64, padded or not. */
static void test_base64(void)
{
    static const struct {
        const char *text, *bytes;      /* bytes NULL: refused */
    } rows[] = {
        { "", "" }, { "Zg==", "f" }, { "Zg", "f" }, { "Zm8=", "fo" }, { "Zm8", "fo" },
        { "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zm9vYmFy", "foobar" },
        { "+/+/", "\xfb\xff\xbf" },
        { "Z", NULL }, { "Zm9vY", NULL }, { "Zm9v!", NULL }, { "Z===", NULL }, { "Zm 9v", NULL },
        { "-_-_", NULL }, { "=", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[32];
        size_t n = 0;
        int rc = base64_decode(str_of(rows[i].text), out, &n);

        SUITE_CHECK(rc == (rows[i].bytes ? 0 : -1), "%s", rows[i].text);
        if (rows[i].bytes)
            SUITE_CHECK(str_eq((struct str){ (char *)out, n }, str_of(rows[i].bytes)), "%s",
                        rows[i].text);
    }
}

/* Lines of a password file. */
static void test_find(void)
{
    static const char text[] =
        "# comment: no user\n\nann:first\nann:second\nbob:with:comment\r\n#eve:x\nlong ann:x\n"
        "none\nempty:\nlast:no newline";
    static const struct {
        const char *user, *stored;     /* NULL: not there */
    } rows[] = {
        { "ann", "first" }, { "bob", "with" }, { "empty", "" }, { "last", "no newline" },
        { "an", NULL }, { "anna", NULL }, { "#eve", NULL }, { "eve", NULL }, { "none", NULL },
        { "long ann", "x" }, { "# comment", NULL },
    };
    struct str stored;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool found = users_find(str_of(text), str_of(rows[i].user), &stored);

        SUITE_CHECK(found == (rows[i].stored != NULL), "%s", rows[i].user);
        if (found && rows[i].stored)
            SUITE_CHECK(str_eq(stored, str_of(rows[i].stored)), "%s", rows[i].user);
    }
    CU_ASSERT_FALSE(users_find(STR(""), STR("ann"), &stored));
}

/* Writes a file. */
static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

/* A file that changes is read again, and one that goes is missed. */
static void test_read(void)
{
    char path[] = "/tmp/test_access.XXXXXX", other[sizeof path + 2];
    struct str text;
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    write_file(path, "ann:1\n");
    CU_ASSERT_EQUAL(users_read(str_of(path), &text), 0);
    CU_ASSERT_TRUE(str_eq(text, STR("ann:1\n")));
    /* The same size within the same tick. */
    write_file(path, "ann:2\n");
    CU_ASSERT_EQUAL(users_read(str_of(path), &text), 0);
    CU_ASSERT_TRUE(str_eq(text, STR("ann:2\n")));
    snprintf(other, sizeof other, "%s.n", path);
    write_file(other, "ann:3 and more\n");
    CU_ASSERT_EQUAL(rename(other, path), 0);
    CU_ASSERT_EQUAL(users_read(str_of(path), &text), 0);
    CU_ASSERT_TRUE(str_eq(text, STR("ann:3 and more\n")));
    unlink(path);
    CU_ASSERT_EQUAL(users_read(str_of(path), &text), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_EQUAL(users_read(STR("/tmp"), &text), -1);
    users_forget();
}

/* More files than are kept. */
static void test_many(void)
{
    char dir[] = "/tmp/test_access.XXXXXX", path[64], line[32];
    struct str text;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 40; i++) {
            snprintf(path, sizeof path, "%s/%d", dir, i);
            snprintf(line, sizeof line, "u%d:x\n", i);
            if (round == 0)
                write_file(path, line);
            CU_ASSERT_EQUAL(users_read(str_of(path), &text), 0);
            SUITE_CHECK(str_eq(text, str_of(line)), "%d", i);
        }
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "%s/%d", dir, i);
        unlink(path);
    }
    rmdir(dir);
    users_forget();
}

/* What is remembered of a password is bound to the hash and to the whole password. */
static void test_check(void)
{
    struct str stored = STR("$1$saltsalt$9xy1btjgzLYfb7hivXtC//");

    for (int i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(users_check(stored, STR("secret")));
        CU_ASSERT_FALSE(users_check(stored, STR("Secret")));
        CU_ASSERT_FALSE(users_check(stored, STR("secret ")));
        CU_ASSERT_FALSE(users_check(STR("$1$saltsalt$9xy1btjgzLYfb7hivXtC/."), STR("secret")));
        CU_ASSERT_FALSE(users_check(STR("$1$saltsalt$9xy1btjgzLYfb7hivXtC/"), STR("/secret")));
    }
    CU_ASSERT_FALSE(users_check(STR(""), STR("")));
    CU_ASSERT_TRUE(users_check(STR("{PLAIN}x"), STR("x")));
    users_forget();
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo rules[] = {
        { "match", test_match }, { "parse", test_parse }, CU_TEST_INFO_NULL
    };
    CU_TestInfo passwords[] = {
        { "schemes", test_schemes }, { "refused", test_refused }, { "base64", test_base64 },
        CU_TEST_INFO_NULL
    };
    CU_TestInfo users[] = {
        { "find", test_find }, { "read", test_read }, { "many files", test_many },
        { "remembered", test_check }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "rule", NULL, NULL, NULL, NULL, rules },
        { "password", NULL, NULL, NULL, NULL, passwords },
        { "users", NULL, NULL, NULL, NULL, users },
        CU_SUITE_INFO_NULL
    };

    return suite_main("access", suites);
}
