/*
 * server.h - a virtual host and its locations.
 */
#ifndef SLV_SERVER_H
#define SLV_SERVER_H

#include "core/config.h"
#include "core/context.h"

struct slv_image;
struct tls_context;

#define TLS_ID_SIZE 24

/* One name of server_name. */
struct server_name {
    struct server_name *next;
    struct str text;               /* lower case; wildcards as written */
    struct slv_regex *regex;       /* of "~…" */
    const struct conf_node *node;
};

/* One listen directive. */
struct listen_line {
    struct listen_line *next;
    struct server *server;
    struct addr addr;
    struct str path;               /* unix: absolute */
    struct str text;               /* as nginx names the address */
    bool star;                     /* a port alone, or "*": any address of both families */
    bool is_default;
    bool tls;                      /* "ssl" */
    bool proxy_protocol;
    bool has_options;
    struct listen_options options;
    const struct conf_node *node;  /* NULL: no listen directive was there */
    const struct listen_addr *at;  /* set by vhosts_link() */
};

struct server {
    unsigned magic;
#define SERVER_MAGIC 0x5e12ce12u
    struct server *next;           /* in config->servers, in the order of the file */
    struct conf_block *block;
    struct str name;               /* the first server_name, for $server_name and logs */
    struct routes *routes;         /* its locations */
    struct server_name *names, **names_end;
    struct listen_line *lines, **lines_end;
    const struct conf_node *node;
    struct slv_image *image;       /* the prebuilt image that answers for it, or NULL */
    struct tls_context *tls;       /* shared by those with equal TLS configurations, or NULL */
    uint8_t tls_id[TLS_ID_SIZE];   /* sessions of another virtual host are not resumed */
};

/* For $server_name and the error log; "" where it has none. */
struct str server_name(const struct server *s);

/*
 * The location for a path (exact, longest prefix, ^~, regular expressions, nested), or the server's
 * own block where none matches. r gets the captures of a regular expression; it may be NULL, then
 * captures are not kept.
 */
const struct conf_block *server_route(const struct server *s, struct str path,
                                      struct slv_request *r);

/* The virtual host for a (lower case) host name at an address: never NULL. */
const struct server *vhosts_find(const struct listen_addr *addr, struct str host,
                                 struct slv_request *r);

/*
 * Puts the servers of a configuration behind their addresses, and the addresses into sockets. Once,
 * after all directives have been applied. 0, or -1 after reporting.
 */
int vhosts_link(struct conf *conf, struct config *config);

/* Enters a server's names at an address. */
void vhosts_add(struct conf *conf, struct listen_addr *addr, struct server *s);

#endif
