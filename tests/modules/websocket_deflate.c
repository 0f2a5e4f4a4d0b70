/*
 * websocket_deflate.c - permessage-deflate: what is agreed, and compressed messages.
 */
#include "websocket_kit.h"

#include <stdlib.h>
#include <string.h>

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOO_LARGE "88#1009 | Closing message_too_large"

/* Everything remembered. */
static void with_takeover(struct wskit *k)
{
    k->terms = (struct deflate_terms){ .agreed = true, .server_takeover = true,
                                       .client_takeover = true, .server_window = 15,
                                       .client_window = 15 };
}

/* Nothing remembered. */
static void without_takeover(struct wskit *k)
{
    k->terms = (struct deflate_terms){ .agreed = true, .server_window = 15, .client_window = 15 };
}

/* Windows of 8 bits, which zlib does not have. */
static void with_small_windows(struct wskit *k)
{
    with_takeover(k);
    k->terms.server_window = k->terms.client_window = 8;
}

/* Messages of at most 100 bytes. */
static void with_limit(struct wskit *k)
{
    without_takeover(k);
    k->settings.max_message = 100;
}

/* Messages, and the examples of RFC 7692 section 7.2.3. */
static void test_messages(void)
{
    static const struct wsrow rows[] = {
        R("a text", "c1%'Hello'", "c1'Hello' " UP),
        R("bytes", "c2%'Hello'", "c2'Hello' " UP),
        R("a fixed block", "c1{f2 48 cd c9 c9 07 00}", "c1'Hello' " UP),
        R("in two frames", "41{f2 48 cd} 80{c9 c9 07 00}", "c1'Hello' " UP),
        R("in one frame a byte", "41{f2} 00{48} 00{cd} 00{c9} 00{} 00{c9} 00{07} 80{00}",
          "c1'Hello' " UP),
        R("a stored block", "c1{00 05 00 fa ff 48 65 6c 6c 6f 00}", "c1'Hello' " UP),
        R("a last block", "c1{f3 48 cd c9 c9 07 00 00}", "c1'Hello' " UP),
        R("more behind a last block", "c1{f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00}",
          "c1'HelloHello' " UP),
        R("two blocks", "c1{f2 48 05 00 00 00 ff ff ca c9 c9 07 00}", "c1'Hello' " UP),
        R("nothing, compressed", "c1{00}", "81'' " UP),
        R("nothing at all", "c1''", "81'' " UP),
        R("nothing in frames", "41'' 00'' 80''", "81'' " UP),
        R("not compressed", "81'a' 01'b' 80'c'", "c1'a' c1'bc' " UP),
        R("in turns", "c1%'a' 81'b' c1%'c'", "c1'a' c1'b' c1'c' " UP),
        R("a ping between", "41{f2 48 cd} 89'ping' 80{c9 c9 07 00}", "8a'ping' c1'Hello' " UP),
        R("longer", "c1%'" A50 "bbbbbbbbbbbbbbbbbbbb'", "c1?70 " UP),
        R("a compressed continuation", "41{f2 48 cd} c0{c9 c9 07 00}", WRONG),
        R("the same in a plain message", "01'a' c0'b'", WRONG),
        R("a compressed ping", "c9'a'", WRONG),
        R("a compressed close", "c8#1000", WRONG),
        R("RSV2 too", "e1'a'", WRONG),
        R("no deflate", "c1{ff ff ff ff}", NO_DATA),
        R("no deflate in the second frame", "41{f2 48 cd} 80{ff ff ff ff}", NO_DATA),
        R("a text that is none", "c1%'\xff'", NO_DATA),
        R("an end inside of a character", "c1%'a\xc3'", NO_DATA),
        R("a character over two frames", "41{3a} 80{bc 02 00} 81''", "c1'\\xc3\\xbc' 81'' " UP),
    };

    wskit_rows(rows, COUNT(rows) - 1, with_takeover);
    wskit_rows(rows, COUNT(rows) - 1, without_takeover);
    wskit_rows(rows, COUNT(rows) - 1, with_small_windows);
}

/* What was said before helps (section 7.2.3.2), if that was agreed. */
static void test_takeover(void)
{
    static const struct wsrow rows[] = {
        R("again", "c1{f2 48 cd c9 c9 07 00} c1{f2 00 11 00 00}", "c1'Hello' c1'Hello' " UP),
        R("behind a last block", "c1{f3 48 cd c9 c9 07 00 00} c1{f2 00 11 00 00}",
          "c1'Hello' c1'Hello' " UP),
    };
    static const struct wsrow forgotten[] = {
        R("again", "c1{f2 48 cd c9 c9 07 00} c1{f2 00 11 00 00}", "c1'Hello' " NO_DATA),
    };

    wskit_rows(rows, COUNT(rows), with_takeover);
    wskit_rows(forgotten, COUNT(forgotten), without_takeover);
}

/* The limit holds for what comes out. */
static void test_limit(void)
{
    static const struct wsrow rows[] = {
        R("as long as it may be", "c1%'" A50 A50 "'", "c1?100 " UP),
        R("one byte more", "c1%'" A50 A50 "a'", TOO_LARGE),
        R("in frames", "41{f2 48 cd} 00{c9 c9 07 00} 80*101", TOO_LARGE),
    };

    wskit_rows(rows, COUNT(rows), with_limit);
}

/* A message that would be 50 megabytes is refused at its limit, and nobody hears of it. */
static void test_bomb(void)
{
    static const char zeros[50 << 20];
    const uint8_t mask[4] = { 0, 0, 0, 0 };
    struct deflate_terms terms = { .agreed = true, .server_window = 15, .client_window = 15 };
    struct deflate *d = deflate_new(&terms, &wskit_settings.deflate);
    struct bytes bomb = { NULL, 0, 0 };
    struct memtext frame = { NULL, 0, 0 };
    char head[FRAME_HEAD_OUT_MAX];
    struct wskit k;

    deflate_write(d, zeros, sizeof zeros, &bomb);
    deflate_free(&d);
    memtext_add(&frame, head, frame_head(head, 0xc2, bomb.n));
    frame.p[1] = (char)(frame.p[1] | 0x80);
    memtext_add(&frame, (const char *)mask, 4);
    memtext_add(&frame, bomb.p, bomb.n);
    wskit_init(&k);
    without_takeover(&k);
    wskit_open(&k);
    memconn_feed_pieces(&k.m, frame.p, frame.n, 4000);
    CU_ASSERT_STRING_EQUAL(wskit_heard(&k), TOO_LARGE);
    CU_ASSERT_PTR_NULL(strstr(memtext_get(&k.events), "binary"));
    wskit_free(&k);
    memtext_free(&frame);
    bytes_free(&bomb);
}

/* 100 megabytes of zeros in 100 kilobytes: it ends at the limit, however it comes. */
static void test_zeros(void)
{
    struct deflate_terms terms = { .agreed = true, .server_window = 15, .client_window = 15 };
    struct deflate_settings settings = { .enabled = true, .window = 15, .memory = 1 << 20 };
    struct deflate *d = deflate_new(&terms, &settings);
    struct bytes out = { NULL, 0, 0 }, back = { NULL, 0, 0 };
    char *zeros = calloc(1, 100 << 20);

    CU_ASSERT_PTR_NOT_NULL_FATAL(zeros);
    deflate_write(d, zeros, 100 << 20, &out);
    CU_ASSERT(out.n < 200 * 1024);
    CU_ASSERT_EQUAL(deflate_read(d, out.p, out.n, true, 1 << 20, &back), INFLATE_FULL);
    CU_ASSERT(back.room <= 4 << 20);
    bytes_free(&back);
    bytes_free(&out);
    deflate_free(&d);
    CU_ASSERT_PTR_NULL(d);
    free(zeros);
}

/* Offers and answers (section 7.1). */
static void test_negotiation(void)
{
#define PMD "permessage-deflate"
#define NONE "; server_no_context_takeover; client_no_context_takeover"
    static const struct {
        const char *offer, *answer, *answer_small; /* "": none; and with window=10, no takeover */
    } rows[] = {
        { "", "", "" },
        { PMD, PMD, PMD NONE "; server_max_window_bits=10" },
        { "PerMessage-Deflate", PMD, PMD NONE "; server_max_window_bits=10" },
        { "x-webkit-deflate-frame, " PMD, PMD, PMD NONE "; server_max_window_bits=10" },
        { "foo; bar=\"baz\"; x=y", "", "" },
        { PMD "; client_max_window_bits", PMD,
          PMD NONE "; server_max_window_bits=10; client_max_window_bits=10" },
        { PMD "; client_max_window_bits=9", PMD "; client_max_window_bits=9",
          PMD NONE "; server_max_window_bits=10; client_max_window_bits=9" },
        { PMD "; client_max_window_bits=\"12\"", PMD "; client_max_window_bits=12",
          PMD NONE "; server_max_window_bits=10; client_max_window_bits=10" },
        { PMD "; server_max_window_bits=8", PMD "; server_max_window_bits=8",
          PMD NONE "; server_max_window_bits=8" },
        { PMD "; server_max_window_bits=15", PMD "; server_max_window_bits=15",
          PMD NONE "; server_max_window_bits=10" },
        { PMD "; server_no_context_takeover", PMD "; server_no_context_takeover",
          PMD NONE "; server_max_window_bits=10" },
        { PMD ";client_no_context_takeover;server_max_window_bits=9",
          PMD "; client_no_context_takeover; server_max_window_bits=9",
          PMD NONE "; server_max_window_bits=9" },
        /* what is wrong makes an offer unacceptable, not the handshake */
        { PMD "; server_max_window_bits", "", "" },
        { PMD "; server_max_window_bits=7", "", "" },
        { PMD "; server_max_window_bits=16", "", "" },
        { PMD "; server_max_window_bits=08", "", "" },
        { PMD "; client_max_window_bits=7", "", "" },
        { PMD "; server_no_context_takeover=1", "", "" },
        { PMD "; server_no_context_takeover; server_no_context_takeover", "", "" },
        { PMD "; unknown", "", "" },
        { PMD "; unknown, " PMD, PMD, PMD NONE "; server_max_window_bits=10" },
        { PMD "; server_max_window_bits=9, " PMD, PMD "; server_max_window_bits=9",
          PMD NONE "; server_max_window_bits=9" },
        { ", ," PMD " ,", PMD, PMD NONE "; server_max_window_bits=10" },
        /* malformed */
        { PMD ";", NULL, NULL },
        { PMD "; =1", NULL, NULL },
        { PMD "; a=", NULL, NULL },
        { PMD "; a=\"b", NULL, NULL },
        { PMD "; a=\"b c\"", NULL, NULL },
        { PMD " foo", NULL, NULL },
        { "=", NULL, NULL },
    };
    static const struct deflate_settings on = {
        .enabled = true, .takeover = true, .window = 15, .memory = 1 << 20
    };
    static const struct deflate_settings small = { .enabled = true, .window = 10 };
    static const struct deflate_settings off = { .enabled = false };

    for (size_t i = 0; i < COUNT(rows) * 3; i++) {
        const struct deflate_settings *s = i % 3 == 0 ? &on : i % 3 == 1 ? &small : &off;
        const char *wanted = i % 3 == 0 ? rows[i / 3].answer : i % 3 == 1 ? rows[i / 3].answer_small
            : rows[i / 3].answer ? "" : NULL;
        struct deflate_terms terms = { .agreed = false };
        char answer[DEFLATE_ANSWER_MAX] = "";
        int rc = deflate_negotiate(str_of(rows[i / 3].offer), s, &terms);
        size_t n = rc == 0 && terms.agreed ? deflate_answer(&terms, answer) : 0;

        SUITE_CHECK((rc != 0) == (wanted == NULL), "%s: %d", rows[i / 3].offer, rc);
        SUITE_CHECK(!wanted || (n == strlen(wanted) && memcmp(answer, wanted, n) == 0),
                    "%s: got \"%.*s\", wanted \"%s\"", rows[i / 3].offer, (int)n, answer, wanted);
    }
}

/* The budget of the worker: beyond it, new connections are told to remember nothing. */
static void test_budget(void)
{
    struct deflate_settings s = { .enabled = true, .takeover = true, .window = 15,
                                  .memory = 700 * 1024 };
    struct deflate_terms terms[3] = { { .agreed = false } };
    struct deflate *d[3];
    struct bytes out = { NULL, 0, 0 };

    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(deflate_negotiate(STR("permessage-deflate"), &s, &terms[i]), 0);
        CU_ASSERT_EQUAL(terms[i].server_takeover, i < 2);
        CU_ASSERT_EQUAL(terms[i].client_takeover, i < 2);
        d[i] = deflate_new(&terms[i], &s);
    }
    CU_ASSERT(deflate_held() > 500 * 1024 && deflate_held() <= 700 * 1024);
    s.memory = 0;
    deflate_free(&d[2]);
    d[2] = deflate_new(&terms[2], &s);
    CU_ASSERT_EQUAL(deflate_read(d[2], "\xf2", 1, false, 100, &out), INFLATE_MEMORY);
    for (size_t i = 0; i < 3; i++)
        deflate_free(&d[i]);
    CU_ASSERT_EQUAL(deflate_held(), 0);
    bytes_free(&out);
}

/* A worker without memory for them refuses compressed messages with 1013. */
static void without_memory(struct wskit *k)
{
    without_takeover(k);
    k->settings.deflate.memory = 1000;
}

/* The same in a connection. */
static void test_no_memory(void)
{
    static const struct wsrow rows[] = {
        R("compressed", "81'a' c1%'Hello'", "c1'a' 88#1013 | Closing handler_error"),
    };

    wskit_rows(rows, COUNT(rows), without_memory);
}

/* Random messages of all lengths, through both directions and all windows. */
static void test_round_trips(void)
{
    for (int window = 8; window <= 15; window++) {
        struct deflate_terms terms = { .agreed = true, .server_takeover = window % 2,
                                       .client_takeover = window % 2,
                                       .server_window = (int8_t)window,
                                       .client_window = (int8_t)window };
        struct deflate_settings settings = { .enabled = true, .memory = 1 << 20 };
        struct deflate *d = deflate_new(&terms, &settings);
        unsigned seed = (unsigned)window;

        for (size_t n = 1; n < 70000; n += n / 3 + 1) {
            struct bytes out = { NULL, 0, 0 }, back = { NULL, 0, 0 };
            char *data = malloc(n);

            CU_ASSERT_PTR_NOT_NULL_FATAL(data);
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1103515245 + 12345;
                data[i] = (char)('a' + (seed >> 16) % (n % 2 ? 4 : 64));
            }
            deflate_write(d, data, n, &out);
            for (size_t at = 0; at < out.n; at += 1000) {
                size_t piece = out.n - at < 1000 ? out.n - at : 1000;

                CU_ASSERT_EQUAL(deflate_read(d, out.p + at, piece, at + piece == out.n, n, &back),
                                INFLATE_OK);
            }
            SUITE_CHECK(back.n == n && memcmp(back.p, data, n) == 0, "%zu bytes, window %d", n,
                        window);
            bytes_free(&out);
            bytes_free(&back);
            free(data);
        }
        deflate_free(&d);
    }
    deflate_clear();
}

CU_TestInfo deflate_tests[] = {
    { "negotiation", test_negotiation },
    { "messages", test_messages },
    { "context takeover", test_takeover },
    { "limit", test_limit },
    { "a bomb", test_bomb },
    { "100 megabytes of zeros", test_zeros },
    { "budget", test_budget },
    { "no memory", test_no_memory },
    { "round trips", test_round_trips },
    CU_TEST_INFO_NULL
};
