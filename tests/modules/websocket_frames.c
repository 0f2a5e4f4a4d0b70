/*
 * websocket_frames.c - vectors: framing, pings, reserved bits, opcodes, fragments, limits.
 */
#include "websocket_kit.h"

#define BYE " 88#1000"
#define ALPHABET "abcdefghijklmnopqrstuvw"

/* Payloads of all sizes of heads, as text and as bytes (RFC 6455 section 5.2). */
static void test_sizes(void)
{
    static const struct wsrow rows[] = {
        R("empty text", "81'' 88#1000", "81'' " DONE),
        R("text of 125", "81*125" BYE, "81*125 " DONE),
        R("text of 126", "81*126" BYE, "81*126 " DONE),
        R("text of 127", "81*127" BYE, "81*127 " DONE),
        R("text of 128", "81*128" BYE, "81*128 " DONE),
        R("text of 65535", "81*65535" BYE, "81*65535 " DONE),
        R("text of 65536", "81*65536" BYE, "81*65536 " DONE),
        R("empty binary", "82''" BYE, "82'' " DONE),
        R("binary of 125", "82*125" BYE, "82*125 " DONE),
        R("binary of 126", "82*126" BYE, "82*126 " DONE),
        R("binary of 127", "82*127" BYE, "82*127 " DONE),
        R("binary of 128", "82*128" BYE, "82*128 " DONE),
        R("binary of 65535", "82*65535" BYE, "82*65535 " DONE),
        R("binary of 65536", "82*65536" BYE, "82*65536 " DONE),
        R("one byte", "81'a'", "81'a' " UP),
        R("bytes of all kinds", "82{00 ff 80 7f 0d 0a}", "82'\\x00\\xff\\x80\\x7f\\x0d\\x0a' " UP),
        R("several at once", "81'a' 82'b' 81*126 81'c'", "81'a' 82'b' 81*126 81'c' " UP),
        R("300 kB", "82*300000", "82*300000 " UP),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* What is wrong with a head. */
static void test_heads(void)
{
    static const struct wsrow rows[] = {
        R("not masked", "81!'hello'", WRONG),
        R("not masked, empty", "81!''", WRONG),
        R("a ping that is not masked", "89!''", WRONG),
        R("126 for 125", "[81 fe 00 7d 00 00 00 00]", WRONG),
        R("126 for 0", "[82 fe 00 00 00 00 00 00]", WRONG),
        R("127 for 65535", "[82 ff 00 00 00 00 00 00 ff ff 00 00 00 00]", WRONG),
        R("127 for 1", "[82 ff 00 00 00 00 00 00 00 01 00 00 00 00]", WRONG),
        R("the highest bit of a length", "[82 ff 80 00 00 00 00 00 00 00 00 00 00 00]", WRONG),
        R("all bits of a length", "[82 ff ff ff ff ff ff ff ff ff 00 00 00 00]", WRONG),
        R("a length beyond all limits", "[82 ff 7f ff ff ff ff ff ff ff 00 00 00 00]",
          "88#1009 | Closing message_too_large"),
        R("the first byte only", "[81]", UP),
        R("a head in the making", "[81 fe 00]", UP),
        R("a payload in the making", "[81 85 00 00 00 00 61 62]", UP),
        R("a message before it counts", "81'a' 81!'b' 81'c'", "81'a' " WRONG),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Pings and pongs (sections 5.5.2 and 5.5.3). */
static void test_pings(void)
{
    static const struct wsrow rows[] = {
        R("no payload", "89''", "8a'' " UP),
        R("text", "89'Hello, world!'", "8a'Hello, world!' " UP),
        R("bytes", "89{00 ff fe fd fc fb 00 ff}",
          "8a'\\x00\\xff\\xfe\\xfd\\xfc\\xfb\\x00\\xff' " UP),
        R("125 bytes", "89*125", "8a*125 " UP),
        R("126 bytes", "89*126", WRONG),
        R("a pong that nobody asked for", "8a''", UP),
        R("one with a payload", "8a'unsolicited'", UP),
        R("and a ping behind it", "8a'unsolicited' 89'ping'", "8a'ping' " UP),
        R("10 pings", "89'0' 89'1' 89'2' 89'3' 89'4' 89'5' 89'6' 89'7' 89'8' 89'9'",
          "8a'0' 8a'1' 8a'2' 8a'3' 8a'4' 8a'5' 8a'6' 8a'7' 8a'8' 8a'9' " UP),
        R("a pong of 126 bytes", "8a*126", WRONG),
        R("a ping in pieces", "09'a'", WRONG),
        R("a pong in pieces", "0a'a'", WRONG),
        R("the rest of a ping", "09'a' 80'b'", WRONG),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Bits that mean nothing here (section 5.2). */
static void test_reserved_bits(void)
{
    static const struct wsrow rows[] = {
        R("RSV3", "91'hello'", WRONG),
        R("RSV2", "a1'hello'", WRONG),
        R("RSV2 and RSV3, behind a message", "81'a' b1'b' 89''", "81'a' " WRONG),
        R("RSV1", "c1'hello'", WRONG),
        R("RSV1 and RSV3", "d2'hello'", WRONG),
        R("RSV1 and RSV2 of a ping", "e9'hello'", WRONG),
        R("all of a close", "f8''", WRONG),
        R("RSV1 of a continuation", "01'a' c0'b'", WRONG),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Opcodes that nobody has given a meaning (section 11.8). */
static void test_opcodes(void)
{
    static const struct wsrow rows[] = {
        R("3", "83''", WRONG),
        R("4", "84'reserved'", WRONG),
        R("5 behind a message", "81'a' 85'' 89''", "81'a' " WRONG),
        R("6 with a payload", "81'a' 86'b' 89''", "81'a' " WRONG),
        R("7", "87'c'", WRONG),
        R("7, not final", "07'c'", WRONG),
        R("11", "8b''", WRONG),
        R("12", "8c'reserved'", WRONG),
        R("13 behind a message", "81'a' 8d'' 89''", "81'a' " WRONG),
        R("14", "81'a' 8e'b'", "81'a' " WRONG),
        R("15", "8f'c'", WRONG),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Messages in pieces (section 5.4). */
static void test_fragments(void)
{
    static const struct wsrow rows[] = {
        R("two", "01'frag1' 80'frag2'", "81'frag1frag2' " UP),
        R("three", "01'a' 00'b' 80'c'", "81'abc' " UP),
        R("binary", "02'a' 00'b' 80'c'", "82'abc' " UP),
        R("a ping between", "01'a' 89'ping' 80'b'", "8a'ping' 81'ab' " UP),
        R("pings between all", "01'1' 89'x' 00'2' 89'y' 00'3' 89'z' 80'4'",
          "8a'x' 8a'y' 8a'z' 81'1234' " UP),
        R("a pong between", "01'a' 8a'' 80'b'", "81'ab' " UP),
        R("empty ones", "01'' 00'' 80''", "81'' " UP),
        R("an empty one in the middle", "01'' 00'middle' 80''", "81'middle' " UP),
        R("an empty one at the end", "01'a' 80''", "81'a' " UP),
        R("binary, all empty", "02'' 80''", "82'' " UP),
        R("a continuation of nothing", "80'b' 81'c'", WRONG),
        R("one that goes on", "00'b' 81'c'", WRONG),
        R("behind a whole message", "81'a' 80'b'", "81'a' " WRONG),
        R("twice", "00'a' 80'b' 01'c' 80'd'", WRONG),
        R("a message inside", "01'a' 81'b'", WRONG),
        R("another begins inside", "01'a' 01'b' 80'c'", WRONG),
        R("binary inside of text", "01'a' 82'b'", WRONG),
        R("the next one", "01'a' 80'b' 01'c' 80'd'", "81'ab' 81'cd' " UP),
        R("five, pings between, then again", "01'f1' 00'f2' 89'' 00'f3' 00'f4' 89'' 80'f5' 81'g'",
          "8a'' 8a'' 81'f1f2f3f4f5' 81'g' " UP),
        R("a close inside", "01'a' 88#1000 80'b'", DONE),
        R("larger ones", "02*70000 80''", "82*70000 " UP),
        R("an end that stays out", "01'a' 00'b'", UP),
    };

    wskit_rows(rows, COUNT(rows), NULL);
}

/* Small limits. */
static void set_limits(struct wskit *k)
{
    k->settings.max_message = 100;
    k->settings.max_frame = 60;
}

/* websocket_max_message and websocket_max_frame: 1009. */
static void test_limits(void)
{
    static const struct wsrow rows[] = {
        R("a frame as long as it may be", "82*60", "82'" ALPHABET ALPHABET "abcdefghijklmn' " UP),
        R("one byte more", "82*61", "88#1009 | Closing message_too_large"),
        R("before its payload", "[82 bd 00 00 00 00]", "88#1009 | Closing message_too_large"),
        R("a message as long as it may be", "02*60 80*40", "82?100 " UP),
        R("one byte more in the last frame", "02*60 80*41",
          "88#1009 | Closing message_too_large"),
        R("many small ones", "02*60 00*39 00'x' 00'' 80'y'", "88#1009 | Closing message_too_large"),
        R("pings do not count", "02*60 89*59 80*40",
          "8a'" ALPHABET ALPHABET "abcdefghijklm' 82?100 " UP),
    };

    wskit_rows(rows, COUNT(rows), set_limits);
}

/* Nothing is reserved for what was only announced. */
static void test_announced(void)
{
    struct wskit k;
    const char *const heads[] = {
        "[82 ff 00 00 00 00 00 0f ff ff 00 00 00 00] [00]", "[02 fe ff ff 00 00 00 00] [01 02]",
    };

    for (size_t i = 0; i < COUNT(heads); i++) {
        wskit_init(&k);
        k.settings.max_message = 1 << 30;
        wskit_open(&k);
        wskit_feed(&k, heads[i]);
        CU_ASSERT_STRING_EQUAL(wskit_heard(&k), UP);
        CU_ASSERT_STRING_EQUAL(k.events.p, "open ");
        wskit_free(&k);
    }
}

/* XOR at every alignment, length and offset of the key, against the definition. */
static void test_mask(void)
{
    static char bytes[300], wanted[300];
    const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };

    for (size_t from = 0; from < 40; from++) {
        for (size_t n = 0; n < 200; n++) {
            bool same;

            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = wanted[i] = (char)(i * 7 + n);
            for (size_t i = 0; i < n; i++)
                wanted[from + i] = (char)(wanted[from + i] ^ key[i % 4]);
            frame_mask(bytes + from, n, key);
            same = memcmp(bytes, wanted, sizeof bytes) == 0;
            SUITE_CHECK(same, "%zu bytes at %zu", n, from);
        }
    }
}

/* Heads of all sizes. */
static void test_out_heads(void)
{
    static const struct {
        uint64_t size;
        const char *head;
        size_t n;
    } rows[] = {
        { 0, "\x81\x00", 2 }, { 125, "\x81\x7d", 2 }, { 126, "\x81\x7e\x00\x7e", 4 },
        { 65535, "\x81\x7e\xff\xff", 4 }, { 65536, "\x81\x7f\0\0\0\0\0\1\0\0", 10 },
        { UINT64_C(0x0102030405060708), "\x81\x7f\1\2\3\4\5\6\7\10", 10 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[FRAME_HEAD_OUT_MAX];

        CU_ASSERT_EQUAL(frame_head(head, 0x81, rows[i].size), rows[i].n);
        CU_ASSERT_EQUAL(frame_head_size(rows[i].size), rows[i].n);
        CU_ASSERT(memcmp(head, rows[i].head, rows[i].n) == 0);
    }
}

CU_TestInfo framing_tests[] = {
    { "sizes", test_sizes },
    { "heads", test_heads },
    { "pings", test_pings },
    { "reserved bits", test_reserved_bits },
    { "opcodes", test_opcodes },
    { "fragments", test_fragments },
    { "limits", test_limits },
    { "announced lengths", test_announced },
    { "masking", test_mask },
    { "heads of the server", test_out_heads },
    CU_TEST_INFO_NULL
};
