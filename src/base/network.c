/*
 * network.c - addresses and networks as configurations name them.
 */
#include <selvage/network.h>

#include "base/check.h"

#include <arpa/inet.h>

#define TEXT_MAX INET6_ADDRSTRLEN

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Reads a prefix length of at most max bits. 0, or -1. */
static int parse_bits(struct str s, unsigned max, unsigned *bits)
{
    *bits = 0;
    if (s.n == 0 || s.n > 3)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        *bits = *bits * 10 + (unsigned)(s.p[i] - '0');
    }
    return *bits <= max ? 0 : -1;
}

/* Clears what the mask does not cover. True if anything was there. */
static bool clear_host_bits(uint8_t *ip, unsigned length, unsigned bits)
{
    bool cut = false;

    for (unsigned i = 0; i < length; i++) {
        unsigned covered = bits > i * 8 ? bits - i * 8 : 0;
        uint8_t mask = covered >= 8 ? 0xff : (uint8_t)(0xff00 >> covered);

        cut |= (ip[i] & ~mask) != 0;
        ip[i] &= mask;
    }
    return cut;
}

int slv_network_parse(struct str text, struct slv_network *out, bool *cut)
{
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    size_t n = slash ? (size_t)(slash - text.p) : text.n;
    char address[TEXT_MAX];
    unsigned length = 4;

    *cut = false;
    *out = (struct slv_network){ .kind = SLV_NETWORK_UNIX };
    if (str_eq(text, STR("unix:")))
        return 0;
    if (n == 0 || n >= sizeof address || memchr(text.p, '\0', n))
        return -1;
    memcpy(address, text.p, n);
    address[n] = '\0';
    out->kind = SLV_NETWORK_V4;
    if (inet_pton(AF_INET, address, out->ip) != 1) {
        out->kind = SLV_NETWORK_V6;
        length = 16;
        if (inet_pton(AF_INET6, address, out->ip) != 1)
            return -1;
    }
    out->bits = length * 8;
    if (slash && parse_bits(str_from(text, n + 1), length * 8, &out->bits) != 0)
        return -1;
    if (out->kind == SLV_NETWORK_V6 && out->bits >= 96
        && memcmp(out->ip, mapped, sizeof mapped) == 0) {
        memmove(out->ip, out->ip + 12, 4);
        memset(out->ip + 4, 0, 12);
        out->kind = SLV_NETWORK_V4;
        out->bits -= 96;
        length = 4;
    }
    *cut = clear_host_bits(out->ip, length, out->bits);
    return 0;
}

bool slv_network_has(const struct slv_network *network, const uint8_t ip[16], int length)
{
    unsigned bytes = network->bits / 8, rest = network->bits % 8;

    AN(bytes <= sizeof network->ip);
    if (network->kind == SLV_NETWORK_UNIX)
        return length == 0;
    if (length == 16 && memcmp(ip, mapped, sizeof mapped) == 0) {
        ip += 12;
        length = 4;
    }
    if (length != (network->kind == SLV_NETWORK_V4 ? 4 : 16)
        || memcmp(network->ip, ip, bytes) != 0)
        return false;
    return rest == 0 || ((network->ip[bytes] ^ ip[bytes]) >> (8 - rest)) == 0;
}
