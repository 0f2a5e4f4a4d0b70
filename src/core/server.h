/*
 * server.h - a virtual host and its locations.
 */
#ifndef SLV_SERVER_H
#define SLV_SERVER_H

#include "core/config.h"
#include "core/context.h"

struct location;
struct slv_image;

struct server {
    unsigned magic;
#define SERVER_MAGIC 0x5e12ce12u
    struct server *next;           /* in config->servers, in the order of the file */
    struct conf_block *block;
    struct str name;               /* the first server_name, for $server_name and logs */
    struct location *root;         /* the tree of locations; of the whole server */
    struct slv_image *image;       /* the prebuilt image that answers for it, or NULL */
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

#endif
