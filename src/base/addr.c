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

bool addr_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family
        && memcmp(a->ip, b->ip, a->family == ADDR_V4 ? 4 : 16) == 0;
}
