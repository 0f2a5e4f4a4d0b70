/*
 * variables_client.c - variables that are addresses: of the client, of who speaks for it, and ours.
 */
#include "core/variable.h"

#include "conn/conn.h"
#include "conn/proxy_protocol.h"
#include "core/context.h"

#define PORT_SIZE 8

static const struct str not_found = { NULL, 0 };

/* The text of an address; the usual kind by hand, as it stands in every line of an access log. */
static struct str address(struct slv_request *r, const struct addr *a)
{
    char *text = slv_alloc(r, ADDR_TEXT_MAX), *end = text + ADDR_TEXT_MAX, *p = end;

    if (a->family != ADDR_V4)
        return (struct str){ text, addr_text(a, text) };
    for (int i = 3; i >= 0; i--) {
        p = variable_put_number(p, a->ip[i], 1);
        if (i > 0)
            *--p = '.';
    }
    return (struct str){ p, (size_t)(end - p) };
}

/* A port in decimal. */
static struct str port_number(struct slv_request *r, uint16_t n)
{
    char *end = (char *)slv_alloc(r, PORT_SIZE) + PORT_SIZE;
    char *text = variable_put_number(end, n, 1);

    return (struct str){ text, (size_t)(end - text) };
}

/* The text of a port; empty for a socket that has none. */
static struct str port(struct slv_request *r, const struct addr *a)
{
    return a->port ? port_number(r, a->port) : STR("");
}

/* $remote_addr */
static struct str get_remote_addr(struct slv_request *r, void *arg)
{
    const struct addr *client = context_of(r)->client;

    (void)arg;
    return client ? address(r, client) : not_found;
}

/* $binary_remote_addr: a key of fixed size for tables. */
static struct str get_binary_remote_addr(struct slv_request *r, void *arg)
{
    const struct addr *client = context_of(r)->client;

    (void)arg;
    if (!client)
        return not_found;
    if (client->family != ADDR_V4 && client->family != ADDR_V6)
        return address(r, client);
    return (struct str){ (const char *)client->ip, client->family == ADDR_V4 ? 4 : 16 };
}

/* $remote_port */
static struct str get_remote_port(struct slv_request *r, void *arg)
{
    const struct addr *client = context_of(r)->client;

    (void)arg;
    return client ? port(r, client) : not_found;
}

/* $realip_remote_addr */
static struct str get_realip_remote_addr(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? address(r, &c->peer) : not_found;
}

/* $realip_remote_port */
static struct str get_realip_remote_port(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? port(r, &c->peer) : not_found;
}

/* What a PROXY header has named; NULL where there was none, or it named nobody. */
static const struct proxied *proxied_of(const struct slv_request *r)
{
    const struct conn *c = exchange_of(r)->conn;

    return c ? c->proxied : NULL;
}

/* $proxy_protocol_addr */
static struct str get_proxy_addr(struct slv_request *r, void *arg)
{
    const struct proxied *p = proxied_of(r);

    (void)arg;
    return p ? address(r, &p->source) : not_found;
}

/* $proxy_protocol_port */
static struct str get_proxy_port(struct slv_request *r, void *arg)
{
    const struct proxied *p = proxied_of(r);

    (void)arg;
    return p ? port_number(r, p->source.port) : not_found;
}

/* $proxy_protocol_server_addr */
static struct str get_proxy_server_addr(struct slv_request *r, void *arg)
{
    const struct proxied *p = proxied_of(r);

    (void)arg;
    return p ? address(r, &p->target) : not_found;
}

/* $proxy_protocol_server_port */
static struct str get_proxy_server_port(struct slv_request *r, void *arg)
{
    const struct proxied *p = proxied_of(r);

    (void)arg;
    return p ? port_number(r, p->target.port) : not_found;
}

/* $server_addr */
static struct str get_server_addr(struct slv_request *r, void *arg)
{
    struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? address(r, conn_local(c)) : not_found;
}

/* $server_port */
static struct str get_server_port(struct slv_request *r, void *arg)
{
    struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? port(r, conn_local(c)) : not_found;
}

const struct variable_core variables_client[] = {
    { "binary_remote_addr", get_binary_remote_addr, true, NULL },
    { "proxy_protocol_addr", get_proxy_addr, true, NULL },
    { "proxy_protocol_port", get_proxy_port, true, NULL },
    { "proxy_protocol_server_addr", get_proxy_server_addr, true, NULL },
    { "proxy_protocol_server_port", get_proxy_server_port, true, NULL },
    { "realip_remote_addr", get_realip_remote_addr, true, NULL },
    { "realip_remote_port", get_realip_remote_port, true, NULL },
    { "remote_addr", get_remote_addr, true, NULL },
    { "remote_port", get_remote_port, true, NULL },
    { "server_addr", get_server_addr, true, NULL },
    { "server_port", get_server_port, true, NULL },
    { NULL, NULL, false, NULL },
};
