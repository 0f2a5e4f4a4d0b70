/*
 * addr.c - a network address as a value.
 */
#include "base/addr.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <stdio.h>

/* The number of a vsock peer. */
static unsigned vsock_cid(const struct addr *a)
{
    uint32_t cid;

    memcpy(&cid, a->ip, sizeof cid);
    return cid;
}

size_t addr_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    int n = 0;

    switch ((enum addr_family)a->family) {
    case ADDR_NONE:
        n = snprintf(out, ADDR_TEXT_MAX, "-");
        break;
    case ADDR_V4:
        n = snprintf(out, ADDR_TEXT_MAX, "%u.%u.%u.%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
        break;
    case ADDR_V6:
        AN(inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT_MAX) != NULL);
        return strlen(out);
    case ADDR_UNIX:
        n = snprintf(out, ADDR_TEXT_MAX, "unix:");
        break;
    case ADDR_VSOCK:
        n = snprintf(out, ADDR_TEXT_MAX, "vsock:%u", vsock_cid(a));
        break;
    }
    AN(n > 0 && n < ADDR_TEXT_MAX);
    return (size_t)n;
}

size_t addr_text_port(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    char host[ADDR_TEXT_MAX];
    int n;

    addr_text(a, host);
    if (a->family == ADDR_UNIX || a->family == ADDR_NONE)
        n = snprintf(out, ADDR_TEXT_MAX, "%s", host);
    else
        n = snprintf(out, ADDR_TEXT_MAX, a->family == ADDR_V6 ? "[%s]:%u" : "%s:%u", host, a->port);
    AN(n > 0 && n < ADDR_TEXT_MAX);
    return (size_t)n;
}

int addr_parse(struct str text, struct addr *out)
{
    char z[INET6_ADDRSTRLEN + 1];

    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return -1;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    *out = (struct addr){ 0 };
    if (inet_pton(AF_INET, z, out->ip) == 1)
        out->family = ADDR_V4;
    else if (inet_pton(AF_INET6, z, out->ip) == 1)
        out->family = ADDR_V6;
    else
        return -1;
    return 0;
}

int addr_parse_port(struct str text, uint16_t *out)
{
    uint32_t n = 0;

    if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        n = n * 10 + (uint32_t)(text.p[i] - '0');
    }
    if (n > UINT16_MAX)
        return -1;
    *out = (uint16_t)n;
    return 0;
}

int addr_parse_peer(struct str text, struct addr *out)
{
    struct str host = text, port = { NULL, 0 };
    bool bracketed = text.n && text.p[0] == '[';
    const char *end = NULL;
    uint16_t number = 0;

    if (bracketed) {
        end = memchr(text.p, ']', text.n);
        if (!end)
            return -1;
        host = (struct str){ text.p + 1, (size_t)(end - text.p - 1) };
        port = str_from(text, host.n + 2);
    } else if (text.n && (end = memchr(text.p, ':', text.n))
               && !memchr(end + 1, ':', text.n - (size_t)(end + 1 - text.p))) {
        host.n = (size_t)(end - text.p);
        port = str_from(text, host.n);
    }
    if (port.n && (port.p[0] != ':' || addr_parse_port(str_from(port, 1), &number) || !number))
        return -1;
    if (addr_parse(host, out) || (bracketed && out->family != ADDR_V6))
        return -1;
    if (out->family == ADDR_V6) {
        struct addr as_sent = *out;

        addr_set_v6(out, as_sent.ip);
    }
    out->port = number;
    return 0;
}

void addr_set_v6(struct addr *a, const uint8_t ip[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    bool is_mapped = memcmp(ip, mapped, sizeof mapped) == 0;

    a->family = is_mapped ? ADDR_V4 : ADDR_V6;
    memset(a->ip, 0, sizeof a->ip);
    memcpy(a->ip, is_mapped ? ip + 12 : ip, is_mapped ? 4 : 16);
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family
        && memcmp(a->ip, b->ip, a->family == ADDR_V4 ? 4 : 16) == 0;
}
