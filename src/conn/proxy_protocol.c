/*
 * proxy_protocol.c - the header of the PROXY protocol, as its receiver reads it.
 */
#include "conn/proxy_protocol.h"

#include "base/check.h"

/* How a header of version 1 begins. */
static const char word[] = "PROXY ";
#define WORD_SIZE (sizeof word - 1)

/* How one of version 2 begins, and the bytes up to its addresses. */
static const unsigned char signature[12] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a
};
#define FIXED_SIZE 16

/* Families and protocols of version 2, and commands. */
enum { FAMILY_NONE, FAMILY_V4, FAMILY_V6, FAMILY_UNIX, FAMILY_COUNT };
enum { PROTOCOL_NONE, PROTOCOL_STREAM, PROTOCOL_DGRAM, PROTOCOL_COUNT };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };

/* Bytes of both addresses with their ports, by family. */
static const uint16_t address_sizes[FAMILY_COUNT] = { 0, 12, 36, 216 };

/* It is no header. */
static enum proxy_event bad(struct proxy_parser *p, const char *why)
{
    p->why = why;
    return PROXY_BAD;
}

/* ---- Version 1 ------------------------------------------------------------------------------ */

/* Takes what stands before the next space, or all of it. False where the line is used up. */
static bool take_field(struct str *line, struct str *field)
{
    const char *space;

    if (!line->p)
        return false;
    *field = *line;
    space = line->n ? memchr(line->p, ' ', line->n) : NULL;
    if (!space) {
        *line = (struct str){ NULL, 0 };
        return true;
    }
    field->n = (size_t)(space - line->p);
    *line = str_from(*line, field->n + 1);
    return true;
}

/* Reads an address of the family that was announced. */
static int read_address(struct str text, enum addr_family family, struct addr *out)
{
    struct addr a;

    if (addr_parse(text, &a) || a.family != family)
        return -1;
    *out = a;
    if (family == ADDR_V6)
        addr_set_v6(out, a.ip);
    return 0;
}

/* The line is complete. */
static enum proxy_event read_line(struct proxy_parser *p)
{
    struct str line = { (const char *)p->head + WORD_SIZE, p->seen - WORD_SIZE };
    struct str name, fields[4];
    enum addr_family family;
    struct proxied said = { 0 };

    if (line.n < 2 || !str_ends(line, STR("\r\n")))
        return bad(p, "the line does not end with CR LF");
    line.n -= 2;
    take_field(&line, &name);
    if (str_eq(name, STR("UNKNOWN")))
        return PROXY_DONE;
    if (!str_eq(name, STR("TCP4")) && !str_eq(name, STR("TCP6")))
        return bad(p, "the protocol is not TCP4, TCP6 or UNKNOWN");
    family = str_eq(name, STR("TCP4")) ? ADDR_V4 : ADDR_V6;
    for (size_t i = 0; i < 4; i++)
        if (!take_field(&line, &fields[i]))
            return bad(p, "addresses or ports are missing");
    if (line.p)
        return bad(p, "something stands behind the ports");
    if (read_address(fields[0], family, &said.source)
        || read_address(fields[1], family, &said.target))
        return bad(p, "an address is malformed");
    if (addr_parse_port(fields[2], &said.source.port)
        || addr_parse_port(fields[3], &said.target.port))
        return bad(p, "a port is malformed");
    p->said = said;
    return PROXY_DONE;
}

/* Byte number p->seen of version 1 has come. */
static enum proxy_event step_line(struct proxy_parser *p, unsigned char byte)
{
    if (p->seen <= WORD_SIZE)
        return byte == (unsigned char)word[p->seen - 1] ? PROXY_MORE
                                                        : bad(p, "it does not begin as one");
    if (byte == '\n')
        return read_line(p);
    return p->seen < PROXY_LINE_MAX ? PROXY_MORE : bad(p, "the line is longer than 107 bytes");
}

/* ---- Version 2 ------------------------------------------------------------------------------ */

/* A number in network order. */
static uint16_t read_16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* The header names addresses that mean something here; if so, their family, else FAMILY_NONE. */
static unsigned named_family(const struct proxy_parser *p)
{
    unsigned family = p->head[13] >> 4, protocol = p->head[13] & 0xf;

    if (p->head[12] == COMMAND_LOCAL || protocol != PROTOCOL_STREAM)
        return FAMILY_NONE;
    return family == FAMILY_V4 || family == FAMILY_V6 ? family : FAMILY_NONE;
}

/* The fixed part is complete: how long is the rest? */
static enum proxy_event read_size(struct proxy_parser *p)
{
    unsigned family = p->head[13] >> 4, protocol = p->head[13] & 0xf, rest = read_16(p->head + 14);

    if (rest > PROXY_HEADER_MAX - FIXED_SIZE)
        return bad(p, "it is longer than 4096 bytes");
    /* Of LOCAL nothing but the length has a meaning. */
    if (p->head[12] == COMMAND_PROXY) {
        if (family >= FAMILY_COUNT || protocol >= PROTOCOL_COUNT)
            return bad(p, "its address family or protocol does not exist");
        if (protocol != PROTOCOL_NONE && rest < address_sizes[family])
            return bad(p, "it is too short for its addresses");
    }
    p->size = (uint16_t)(FIXED_SIZE + rest);
    return PROXY_MORE;
}

/* All of it is in. */
static enum proxy_event read_addresses(struct proxy_parser *p)
{
    const unsigned char *at = p->head + FIXED_SIZE;
    unsigned family = named_family(p);
    struct proxied *said = &p->said;

    if (family == FAMILY_V4) {
        said->source.family = said->target.family = ADDR_V4;
        memcpy(said->source.ip, at, 4);
        memcpy(said->target.ip, at + 4, 4);
        at += 8;
    } else if (family == FAMILY_V6) {
        addr_set_v6(&said->source, at);
        addr_set_v6(&said->target, at + 16);
        at += 32;
    } else {
        return PROXY_DONE;
    }
    said->source.port = read_16(at);
    said->target.port = read_16(at + 2);
    return PROXY_DONE;
}

/* Byte number p->seen of version 2 has come. */
static enum proxy_event step_binary(struct proxy_parser *p, unsigned char byte)
{
    enum proxy_event event = PROXY_MORE;

    if (p->seen <= sizeof signature && byte != signature[p->seen - 1])
        return bad(p, "it does not begin as one");
    if (p->seen == 13 && byte != COMMAND_LOCAL && byte != COMMAND_PROXY)
        return bad(p, "its version is not 2, or its command does not exist");
    if (p->seen == FIXED_SIZE)
        event = read_size(p);
    return event == PROXY_MORE && p->seen == p->size ? read_addresses(p) : event;
}

enum proxy_event proxy_feed(struct proxy_parser *p, const char *data, size_t n, size_t *used)
{
    enum proxy_event event = PROXY_MORE;

    AN(p->why == NULL);
    AN(p->seen < PROXY_HEADER_MAX);
    AN(!p->size || p->seen < p->size);
    *used = 0;
    while (*used < n && event == PROXY_MORE) {
        unsigned char byte = (unsigned char)data[(*used)++];

        if (p->seen < sizeof p->head)
            p->head[p->seen] = byte;
        p->seen++;
        event = p->head[0] == signature[0] ? step_binary(p, byte) : step_line(p, byte);
    }
    return event;
}
