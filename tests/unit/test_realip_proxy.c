/*
 * test_realip_proxy.c - the header of the PROXY protocol, byte by byte.
 */
#include "test_realip.h"

#include "conn/proxy_protocol.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\xc0\x00\x02\x01" "\xc6\x33\x64\x07" "\x30\x39" "\x01\xbb"
#define V6_BLOCK \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02" \
    "\x30\x39" "\x01\xbb"
#define MAPPED_BLOCK \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01" "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07" \
    "\x30\x39" "\x01\xbb"
#define LONGEST_V6 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* A header and what becomes of it. */
struct vector {
    const char *name;
    struct str bytes;              /* of PROXY_BAD: up to the byte that shows it */
    enum proxy_event event;
    const char *source, *target;   /* "-": none named */
};

static const struct vector vectors[] = {
    { "TCP4", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\r\n"), PROXY_DONE,
      "192.0.2.1:12345", "198.51.100.7:443" },
    { "TCP4, longest", STR_INIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
      PROXY_DONE, "255.255.255.255:65535", "255.255.255.255:65535" },
    { "TCP6", STR_INIT("PROXY TCP6 2001:db8::1 2001:DB8::2 12345 443\r\n"), PROXY_DONE,
      "[2001:db8::1]:12345", "[2001:db8::2]:443" },
    { "TCP6, longest", STR_INIT("PROXY TCP6 " LONGEST_V6 " " LONGEST_V6 " 65535 65535\r\n"),
      PROXY_DONE, "[" LONGEST_V6 "]:65535", "[" LONGEST_V6 "]:65535" },
    { "TCP6 of IPv4", STR_INIT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6407 1 2\r\n"), PROXY_DONE,
      "192.0.2.1:1", "198.51.100.7:2" },
    { "port 0", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 0 0\r\n"), PROXY_DONE, "192.0.2.1:0",
      "198.51.100.7:0" },
    { "UNKNOWN", STR_INIT("PROXY UNKNOWN\r\n"), PROXY_DONE, "-", "-" },
    { "UNKNOWN, the longest line",
      STR_INIT("PROXY UNKNOWN " LONGEST_V6 " " LONGEST_V6 " 65535 65535\r\n"), PROXY_DONE, "-",
      "-" },
    { "UNKNOWN with anything", STR_INIT("PROXY UNKNOWN \0\r x  y \r\r\n"), PROXY_DONE, "-", "-" },

    { "v2 of IPv4", STR_INIT(SIGNATURE "\x21\x11\0\x0c" V4_BLOCK), PROXY_DONE, "192.0.2.1:12345",
      "198.51.100.7:443" },
    { "v2 of IPv6", STR_INIT(SIGNATURE "\x21\x21\0\x24" V6_BLOCK), PROXY_DONE,
      "[2001:db8::1]:12345", "[2001:db8::2]:443" },
    { "v2 of IPv4 in IPv6", STR_INIT(SIGNATURE "\x21\x21\0\x24" MAPPED_BLOCK), PROXY_DONE,
      "192.0.2.1:12345", "198.51.100.7:443" },
    { "v2 with TLVs",
      STR_INIT(SIGNATURE "\x21\x11\0\x19" V4_BLOCK "\x04\0\0" "\x02\0\x07" "example"), PROXY_DONE,
      "192.0.2.1:12345", "198.51.100.7:443" },
    { "v2 LOCAL", STR_INIT(SIGNATURE "\x20\0\0\0"), PROXY_DONE, "-", "-" },
    { "v2 LOCAL, its addresses mean nothing", STR_INIT(SIGNATURE "\x20\x11\0\x0c" V4_BLOCK),
      PROXY_DONE, "-", "-" },
    { "v2 LOCAL, its family does not either", STR_INIT(SIGNATURE "\x20\xff\0\x03" "abc"),
      PROXY_DONE, "-", "-" },
    { "v2 of no family", STR_INIT(SIGNATURE "\x21\0\0\0"), PROXY_DONE, "-", "-" },
    { "v2 of no family with bytes", STR_INIT(SIGNATURE "\x21\0\0\x02" "ab"), PROXY_DONE, "-", "-" },
    { "v2 of no protocol", STR_INIT(SIGNATURE "\x21\x10\0\x0c" V4_BLOCK), PROXY_DONE, "-", "-" },
    { "v2 of UDP", STR_INIT(SIGNATURE "\x21\x12\0\x0c" V4_BLOCK), PROXY_DONE, "-", "-" },

    { "HTTP", STR_INIT("G"), PROXY_BAD, NULL, NULL },
    { "nearly v1", STR_INIT("PROXX"), PROXY_BAD, NULL, NULL },
    { "lower case", STR_INIT("p"), PROXY_BAD, NULL, NULL },
    { "TLS", STR_INIT("\x16"), PROXY_BAD, NULL, NULL },
    { "a tab", STR_INIT("PROXY\t"), PROXY_BAD, NULL, NULL },
    { "another family", STR_INIT("PROXY TCP5 192.0.2.1 198.51.100.7 1 2\r\n"), PROXY_BAD, NULL,
      NULL },
    { "no family", STR_INIT("PROXY \r\n"), PROXY_BAD, NULL, NULL },
    { "UNKNOWNX", STR_INIT("PROXY UNKNOWNX\r\n"), PROXY_BAD, NULL, NULL },
    { "two spaces", STR_INIT("PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "two spaces between addresses", STR_INIT("PROXY TCP4 192.0.2.1  198.51.100.7 1 2\r\n"),
      PROXY_BAD, NULL, NULL },
    { "a space at the end", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n"), PROXY_BAD, NULL,
      NULL },
    { "one port", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n"), PROXY_BAD, NULL, NULL },
    { "three ports", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n"), PROXY_BAD, NULL,
      NULL },
    { "IPv6 as TCP4", STR_INIT("PROXY TCP4 ::1 ::1 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "IPv4 as TCP6", STR_INIT("PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "mixed", STR_INIT("PROXY TCP4 192.0.2.1 ::1 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "octal address", STR_INIT("PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n"), PROXY_BAD, NULL,
      NULL },
    { "octal port", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n"), PROXY_BAD, NULL, NULL },
    { "port too large", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n"), PROXY_BAD, NULL,
      NULL },
    { "signed port", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 +1 2\r\n"), PROXY_BAD, NULL,
      NULL },
    { "no port", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 \r\n"), PROXY_BAD, NULL, NULL },
    { "a name", STR_INIT("PROXY TCP4 localhost 198.51.100.7 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "NUL", STR_INIT("PROXY TCP4 192.0.2.1\0 198.51.100.7 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "a zone", STR_INIT("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"), PROXY_BAD, NULL, NULL },
    { "a bare LF", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n"), PROXY_BAD, NULL, NULL },
    { "a bare LF at once", STR_INIT("PROXY \n"), PROXY_BAD, NULL, NULL },
    { "a bare CR", STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\r\n"), PROXY_BAD, NULL, NULL },
    { "108 bytes", STR_INIT("PROXY UNKNOWN " LONGEST_V6 " " LONGEST_V6 " 65535 655355\r"),
      PROXY_BAD, NULL, NULL },

    { "nearly v2", STR_INIT("\r\n\r\n\0\r\nQUIX"), PROXY_BAD, NULL, NULL },
    { "an empty line", STR_INIT("\r\nG"), PROXY_BAD, NULL, NULL },
    { "version 1 in binary", STR_INIT(SIGNATURE "\x11"), PROXY_BAD, NULL, NULL },
    { "version 3", STR_INIT(SIGNATURE "\x31"), PROXY_BAD, NULL, NULL },
    { "another command", STR_INIT(SIGNATURE "\x22"), PROXY_BAD, NULL, NULL },
    { "family 4", STR_INIT(SIGNATURE "\x21\x41\0\0"), PROXY_BAD, NULL, NULL },
    { "protocol 3", STR_INIT(SIGNATURE "\x21\x13\0\x0c"), PROXY_BAD, NULL, NULL },
    { "too short for IPv4", STR_INIT(SIGNATURE "\x21\x11\0\x0b"), PROXY_BAD, NULL, NULL },
    { "too short for IPv6", STR_INIT(SIGNATURE "\x21\x21\0\x23"), PROXY_BAD, NULL, NULL },
    { "too short for UNIX", STR_INIT(SIGNATURE "\x21\x31\0\xd7"), PROXY_BAD, NULL, NULL },
    { "too long", STR_INIT(SIGNATURE "\x21\x11\x0f\xf1"), PROXY_BAD, NULL, NULL },
    { "much too long, LOCAL", STR_INIT(SIGNATURE "\x20\0\xff\xff"), PROXY_BAD, NULL, NULL },
};

/* Feeds a header with some of what follows it in pieces that end at cut, then have at most size. */
static void run(const struct vector *v, struct str bytes, size_t cut, size_t size)
{
    struct proxy_parser p = { 0 };
    char *input = malloc(bytes.n + 3), text[ADDR_TEXT_MAX];
    enum proxy_event event = PROXY_MORE;
    size_t at = 0, end = cut, used;

    memcpy(input, bytes.p, bytes.n);
    memcpy(input + bytes.n, "GET", 3);
    while (event == PROXY_MORE && at < bytes.n + 3) {
        /* A copy for each piece: nothing of an earlier one may be looked at. */
        char *piece = malloc(end - at + 1);

        memcpy(piece, input + at, end - at);
        event = proxy_feed(&p, piece, end - at, &used);
        free(piece);
        if (!SUITE_CHECK(used == (event == PROXY_MORE ? end - at : bytes.n - at), "%s cut at %zu",
                         v->name, cut))
            break;
        at += used;
        end = at + size < bytes.n + 3 ? at + size : bytes.n + 3;
    }
    SUITE_CHECK(event == v->event && at == bytes.n, "%s cut at %zu: %d after %zu", v->name, cut,
                (int)event, at);
    SUITE_CHECK((event == PROXY_BAD) == (p.why != NULL), "%s", v->name);
    if (v->event == PROXY_DONE) {
        addr_text_port(&p.said.source, text);
        SUITE_CHECK(strcmp(text, v->source) == 0, "%s from %s", v->name, text);
        addr_text_port(&p.said.target, text);
        SUITE_CHECK(strcmp(text, v->target) == 0, "%s to %s", v->name, text);
    } else {
        CU_ASSERT_EQUAL(p.said.source.family, ADDR_NONE);
    }
    free(input);
}

/* Runs a vector whole, cut in two at every place, and byte by byte. */
static void run_all(const struct vector *v, struct str bytes)
{
    for (size_t cut = 0; cut <= bytes.n + 3; cut++)
        run(v, bytes, cut, bytes.n + 3);
    run(v, bytes, 1, 1);
}

/* The table. */
static void test_vectors(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        run_all(&vectors[i], vectors[i].bytes);
}

/* Headers that are long: the addresses of UNIX-domain sockets, and as many TLVs as are allowed. */
static void test_long(void)
{
    static const struct vector unix_socket = { "UNIX", { NULL, 0 }, PROXY_DONE, "-", "-" };
    static const struct vector longest = { "longest", { NULL, 0 }, PROXY_DONE, "192.0.2.1:12345",
                                           "198.51.100.7:443" };
    char bytes[PROXY_HEADER_MAX];

    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, SIGNATURE "\x21\x31\0\xd8", 16);
    run_all(&unix_socket, (struct str){ bytes, 16 + 216 });
    memcpy(bytes, SIGNATURE "\x21\x11\x0f\xf0" V4_BLOCK, 28);
    run(&longest, (struct str){ bytes, sizeof bytes }, sizeof bytes, sizeof bytes);
    run(&longest, (struct str){ bytes, sizeof bytes }, 1, 1);
    run(&longest, (struct str){ bytes, sizeof bytes }, 29, 1000);
}

/* Each reason is a different one, so that a log line helps. */
static void test_reasons(void)
{
    static const struct {
        const char *bytes, *why;
    } rows[] = {
        { "GET / HTTP/1.1\r\n", "it does not begin as one" },
        { "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n", "the line does not end with CR LF" },
        { "PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
          "the protocol is not TCP4, TCP6 or UNKNOWN" },
        { "PROXY TCP4 192.0.2.1\r\n", "addresses or ports are missing" },
        { "PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n", "something stands behind the ports" },
        { "PROXY TCP4 192.0.2 198.51.100.7 1 2\r\n", "an address is malformed" },
        { "PROXY TCP4 192.0.2.1 198.51.100.7 x 2\r\n", "a port is malformed" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_parser p = { 0 };
        size_t used;

        CU_ASSERT_EQUAL(proxy_feed(&p, rows[i].bytes, strlen(rows[i].bytes), &used), PROXY_BAD);
        SUITE_CHECK(p.why && strcmp(p.why, rows[i].why) == 0, "%s: %s", rows[i].bytes, p.why);
    }
}

CU_TestInfo proxy_tests[] = {
    { "vectors, cut everywhere", test_vectors },
    { "long headers", test_long },
    { "reasons", test_reasons },
    CU_TEST_INFO_NULL,
};
