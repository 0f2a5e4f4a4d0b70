/*
 * addr.h - a network address as a value of 20 bytes, without socket headers.
 *
 * IPv4 addresses that arrive mapped into IPv6 (::ffff:a.b.c.d, from a dual-stack socket) are kept
 * and printed as IPv4, so that logs and access rules see what people wrote.
 */
#ifndef SLV_ADDR_H
#define SLV_ADDR_H

#include <selvage/str.h>

#include <stdint.h>

enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6, ADDR_UNIX, ADDR_VSOCK };

struct addr {
    uint8_t family;                /* enum addr_family */
    uint8_t pad;
    uint16_t port;                 /* host order; 0 for unix */
    /* V4: the first 4 bytes; VSOCK: cid in the first 4, host order */
    uint8_t ip[16];
};

/* Enough for the longest text of addr_text() with its port. */
#define ADDR_TEXT_MAX 64

/* "192.0.2.1", "2001:db8::1", "unix:", "vsock:3"; returns the length. */
size_t addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);

/* With the port: "192.0.2.1:80", "[2001:db8::1]:80", "unix:", "vsock:3:80". */
size_t addr_text_port(const struct addr *a, char out[ADDR_TEXT_MAX]);

/* Parses an IPv4 or IPv6 address without port. 0 or -1. */
int addr_parse(struct str text, struct addr *out);

/*
 * Parses what other programs write down of a peer: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
 * "[2001:db8::1]", "[2001:db8::1]:80". An IPv4-mapped address becomes IPv4; port 0 where there is
 * none. 0 or -1.
 */
int addr_parse_peer(struct str text, struct addr *out);

/* Parses a port: 0 … 65535 in decimal without leading zeros. 0 or -1. */
int addr_parse_port(struct str text, uint16_t *out);

/* Sets an IPv6 address, as IPv4 where it is an IPv4-mapped one; the port stays. */
void addr_set_v6(struct addr *a, const uint8_t ip[16]);

/* Family and ip are equal; the port plays no part. */
bool addr_same_host(const struct addr *a, const struct addr *b);

#endif
