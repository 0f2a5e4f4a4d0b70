/*
 * location.h - locations: how a path finds the block that speaks for it.
 */
#ifndef SLV_LOCATION_H
#define SLV_LOCATION_H

#include "core/config.h"

enum location_kind {
    LOCATION_PREFIX,
    LOCATION_PREFIX_FINAL,         /* ^~: no regular expression is tried behind it */
    LOCATION_EXACT,                /* = */
    LOCATION_REGEX,                /* ~ and ~* */
    LOCATION_NAMED                 /* @name, for internal redirects only */
};

/* The locations of one level: of a server, or inside a location. */
struct routes {
    bool any;                      /* one that a path can find: all but the named */
    struct table exact, prefix, named;
    size_t *lengths;               /* of the prefixes, longest first, each once */
    size_t length_count;
    struct location *regexes, **regexes_end; /* in the order of the file */
};

struct location {
    unsigned magic;
#define LOCATION_MAGIC 0x10ca7104u
    enum location_kind kind;
    struct str text;               /* the path, or @name */
    struct slv_regex *regex;
    struct conf_block *block;
    struct location *next;         /* the next regular expression of this level */
    struct location *parent;       /* the location it stands in, or NULL */
    struct routes inside;
    const struct conf_node *node;  /* while the configuration is being read */
};

/* The location for a path at this level or below; NULL: none. r: see server_route(). */
const struct location *routes_find(const struct routes *routes, struct str path,
                                   struct slv_request *r);

/* Frees what is not in config memory; called when the configuration goes. */
void routes_free(void *routes);

#endif
