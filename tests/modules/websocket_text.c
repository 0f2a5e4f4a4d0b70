/*
 * websocket_text.c - vectors: UTF-8 in messages and close reasons, and the ways to close.
 */
#include "websocket_kit.h"

#include "../../modules/websocket/utf8.h"

#include <stdio.h>
#include <string.h>

#define KOSME "ce ba e1 bd b9 cf 83 ce bc ce b5"

/* Is it UTF-8? Fed in two pieces, cut everywhere. */
static bool is_text(const char *data, size_t n)
{
    bool first = false;

    for (size_t cut = 0; cut <= n; cut++) {
        struct utf8 u = { 0, 0, 0 };
        bool ok = utf8_feed(&u, data, cut) && utf8_feed(&u, data + cut, n - cut)
            && utf8_complete(&u);

        if (cut == 0)
            first = ok;
        SUITE_CHECK(ok == first, "cut at %zu of %zu", cut, n);
    }
    return first;
}

/* Markus Kuhn's sequences, as the test suite of Autobahn groups them. */
static void test_sequences(void)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { "hello$world", true }, { "hello\xc2\xa2world", true }, { "hello\xe2\x82\xacworld", true },
        { "hello\xf0\xa4\xad\xa2world", true },
        { "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true },
        { "\xce", false }, { "\xce\xba", true }, { "\xce\xba\xe1", false },
        { "\xce\xba\xe1\xbd", false }, { "\xce\xba\xe1\xbd\xb9", true },
        /* first and last of each length */
        { "\xc2\x80", true }, { "\xe0\xa0\x80", true }, { "\xf0\x90\x80\x80", true },
        { "\xf8\x88\x80\x80\x80", false }, { "\xfc\x84\x80\x80\x80\x80", false },
        { "\x7f", true }, { "\xdf\xbf", true }, { "\xef\xbf\xbf", true },
        { "\xf4\x8f\xbf\xbf", true }, { "\xf7\xbf\xbf\xbf", false },
        { "\xfb\xbf\xbf\xbf\xbf", false }, { "\xfd\xbf\xbf\xbf\xbf\xbf", false },
        /* other bounds */
        { "\xed\x9f\xbf", true }, { "\xee\x80\x80", true }, { "\xef\xbf\xbd", true },
        { "\xf4\x90\x80\x80", false },
        /* continuations of nothing */
        { "\x80", false }, { "\xbf", false }, { "\x80\xbf", false }, { "\x80\xbf\x80", false },
        { "\x80\xbf\x80\xbf", false }, { "\x80\xbf\x80\xbf\x80", false },
        /* beginnings of nothing */
        { "\xc0 \xc1 \xc2 \xc3 ", false }, { "\xe0 \xe1 \xe2 ", false }, { "\xf0 \xf1 ", false },
        { "\xf8 \xf9 ", false }, { "\xfc ", false },
        /* the last continuation is missing */
        { "\xc0", false }, { "\xe0\x80", false }, { "\xf0\x80\x80", false },
        { "\xf8\x80\x80\x80", false }, { "\xfc\x80\x80\x80\x80", false }, { "\xdf", false },
        { "\xef\xbf", false }, { "\xf7\xbf\xbf", false }, { "\xfb\xbf\xbf\xbf", false },
        { "\xfd\xbf\xbf\xbf\xbf", false }, { "\xdf\xef\xbf", false },
        /* impossible bytes */
        { "\xfe", false }, { "\xff", false }, { "\xfe\xfe\xff\xff", false },
        /* overlong */
        { "\xc0\xaf", false }, { "\xe0\x80\xaf", false }, { "\xf0\x80\x80\xaf", false },
        { "\xf8\x80\x80\x80\xaf", false }, { "\xfc\x80\x80\x80\x80\xaf", false },
        { "\xc1\xbf", false }, { "\xe0\x9f\xbf", false }, { "\xf0\x8f\xbf\xbf", false },
        { "\xf8\x87\xbf\xbf\xbf", false }, { "\xfc\x83\xbf\xbf\xbf\xbf", false },
        { "\xc0\x80", false }, { "\xe0\x80\x80", false }, { "\xf0\x80\x80\x80", false },
        /* surrogates, alone and in pairs */
        { "\xed\xa0\x80", false }, { "\xed\xad\xbf", false }, { "\xed\xae\x80", false },
        { "\xed\xaf\xbf", false }, { "\xed\xb0\x80", false }, { "\xed\xbe\x80", false },
        { "\xed\xbf\xbf", false }, { "\xed\xa0\x80\xed\xb0\x80", false },
        { "\xed\xa0\x80\xed\xbf\xbf", false }, { "\xed\xad\xbf\xed\xb0\x80", false },
        { "\xed\xaf\xbf\xed\xbf\xbf", false },
        /* no characters, but UTF-8 */
        { "\xef\xbf\xbe", true }, { "\xf0\x9f\xbf\xbe", true }, { "\xf1\x8f\xbf\xbf", true },
        { "\xf3\xbf\xbf\xbe", true }, { "\xf4\x8f\xbf\xbe", true }, { "\xef\xbf\xb9", true },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        SUITE_CHECK(is_text(rows[i].text, strlen(rows[i].text)) == rows[i].valid, "row %zu: %s", i,
                    rows[i].text);
    CU_ASSERT_TRUE(is_text("\0", 1));
    CU_ASSERT_TRUE(is_text("", 0));
}

/* Writes a code point in the way of UTF-8, whether it may be or not. */
static size_t encode(unsigned long c, char out[4])
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2;
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Every code point, and every pair of bytes. */
static void test_all_code_points(void)
{
    unsigned long wrong = 0;

    for (unsigned long c = 0; c < 0x200000; c++) {
        struct utf8 u = { 0, 0, 0 };
        char text[4];
        size_t n = encode(c, text);
        bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

        wrong += (utf8_feed(&u, text, n) && utf8_complete(&u)) != valid;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            struct utf8 u = { 0, 0, 0 };
            char text[2] = { (char)a, (char)b };
            bool valid = (a < 0x80 && b < 0x80) || (a >= 0xc2 && a <= 0xdf && b >> 6 == 2);

            wrong += (utf8_feed(&u, text, 2) && utf8_complete(&u)) != valid;
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* A wrong byte is found wherever the fast way passes. */
static void test_in_ascii(void)
{
    char text[100];

    for (size_t n = 1; n <= sizeof text; n++) {
        for (size_t at = 0; at < n; at++) {
            struct utf8 u = { 0, 0, 0 }, w = { 0, 0, 0 };

            memset(text, 'a', n);
            CU_ASSERT_TRUE_FATAL(utf8_feed(&w, text, n));
            text[at] = (char)0xff;
            CU_ASSERT_FALSE_FATAL(utf8_feed(&u, text, n));
        }
    }
}

/* Texts in messages (section 8.1): found as soon as they are wrong. */
static void test_messages(void)
{
    static const struct wsrow rows[] = {
        R("one frame", "81{48 65 6c 6c 6f 2d c2 b5 40 c3 9f}",
          "81'Hello-\\xc2\\xb5@\\xc3\\x9f' " UP),
        R("cut between characters", "01{c2 b5} 80{c3 9f}", "81'\\xc2\\xb5\\xc3\\x9f' " UP),
        R("cut inside of one", "01{c2} 80{b5}", "81'\\xc2\\xb5' " UP),
        R("every byte a frame", "01{ce} 00{ba} 00{e1} 00{bd} 80{b9}",
          "81'\\xce\\xba\\xe1\\xbd\\xb9' " UP),
        R("a wrong byte", "81{" KOSME " ed a0 80 65 64}", NO_DATA),
        R("a wrong byte in the second of three", "01{" KOSME "} 00{f4 90 80 80} 80{65}", NO_DATA),
        R("before the end of the message", "01{" KOSME "} 00{f4 90}", NO_DATA),
        R("before the end of the frame", "[81 94 00 00 00 00 ce ba e1 bd b9 f4 90]", NO_DATA),
        R("before the next continuation", "[01 8f 00 00 00 00 61 ff]", NO_DATA),
        R("an end inside of a character", "81{61 ce}", NO_DATA),
        R("the same with an empty end", "01{61 ce} 80''", NO_DATA),
        R("binary need not be text", "82{ff fe}", "82'\\xff\\xfe' " UP),
        R("binary in pieces", "02{ff} 80{fe}", "82'\\xff\\xfe' " UP),
        R("the next message begins anew", "01{ce} 80{ba} 81'a'", "81'\\xce\\xba' 81'a' " UP),
        R("a ping with no text", "89{ff}", "8a'\\xff' " UP),
        R("one behind another", "81'a' 81{ff}", "81'a' " NO_DATA),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Close frames (sections 5.5.1 and 7). */
static void test_closes(void)
{
    static const struct wsrow rows[] = {
        R("no payload", "88''", "88'' | Closing upgrade_done"),
        R("one byte", "88'a'", WRONG),
        R("a code", "88#1000", DONE),
        R("a code and a reason", "88#1000'Hello World!'", DONE),
        R("a reason of 123 bytes", "88#1000*123", DONE),
        R("a reason of 124 bytes", "88#1000*124", WRONG),
        R("a reason that is not UTF-8", "88#1000{ce ba e1 bd b9 ed a0 80}", NO_DATA),
        R("a reason that ends too early", "88#1000{ce}", NO_DATA),
        R("not final", "08''", WRONG),
        R("a message behind it", "88#1000 81'a'", DONE),
        R("a message before it", "81'a' 88#1000", "81'a' " DONE),
        R("a ping behind it", "88#1000 89'a'", DONE),
        R("two of them", "88#1000 88#1000", DONE),
        R("nonsense behind it", "88#1000 [ff ff ff]", DONE),
        R("inside of a message", "01'a' 88#1000 80'b'", DONE),
        R("256 kB before it", "82*262144 81'a' 88#1000", "82*262144 81'a' " DONE),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Close codes (section 7.4; the registry of the IANA). */
static void test_codes(void)
{
    static const unsigned valid[] = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
                                      1013, 1014, 3000, 3999, 4000, 4999 };
    static const unsigned invalid[] = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
                                        5000, 65535 };

    for (size_t i = 0; i < COUNT(valid) + COUNT(invalid); i++) {
        bool ok = i < COUNT(valid);
        char in[16], out[64];
        struct wsrow row = { in, in, 0, out };

        row.in_size = (size_t)snprintf(in, sizeof in, "88#%u",
                                       ok ? valid[i] : invalid[i - COUNT(valid)]);
        snprintf(out, sizeof out, "88#%s | Closing %s", ok ? in + 3 : "1002",
                 ok ? "upgrade_done" : "protocol_error");
        wskit_rows(&row, 1, NULL);
    }
}

CU_TestInfo text_tests[] = {
    { "sequences", test_sequences },
    { "all code points", test_all_code_points },
    { "between plain letters", test_in_ascii },
    { "in messages", test_messages },
    CU_TEST_INFO_NULL
};

CU_TestInfo close_tests[] = {
    { "frames", test_closes },
    { "codes", test_codes },
    CU_TEST_INFO_NULL
};
