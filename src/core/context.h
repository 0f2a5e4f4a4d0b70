/*
 * context.h - what the core keeps of an exchange, in the exchange's arena for the message.
 */
#ifndef SLV_CONTEXT_H
#define SLV_CONTEXT_H

#include "base/check.h"
#include "core/conf.h"
#include "http/exchange.h"

struct access_logs;
struct server;
struct core_conf;
struct config;

/* The last successful match of a regular expression: $1 … $9. */
struct captures {
    struct str subject;            /* in the arena */
    uint32_t ovector[20];          /* begin and end of groups 0 … 9; UINT32_MAX: not set */
    unsigned count;                /* groups, the whole match included */
};

/* The body of a request that somebody wants, as much as has come. */
struct request_body {
    unsigned magic;
#define REQUEST_BODY_MAGIC 0xb0d7a9e5u
    char *data;                    /* from the heap */
    size_t size, room;
    int64_t max;
};

struct context {
    unsigned magic;
#define CONTEXT_MAGIC 0x0c0473e1u
    int error_status;              /* an error_page goes out with this status; 0: with its own */
    struct exchange *x;
    const struct config *config;
    const struct server *server;
    const struct conf_block *block; /* the location, or the server before one is chosen */
    const struct core_conf *core;  /* the core's conf struct of that block */
    struct str *variables;         /* values by variable index; NULL until the first is asked for */
    uint8_t *variable_known;       /* which of them hold: 0 no, 1 yes, 2 being evaluated */
    const struct addr *client;     /* the peer, or whom it speaks for; NULL: nobody has asked */
    struct str remote_user;        /* of auth_basic; .p NULL: none */
    uint64_t image_number;         /* of the prebuilt image that answered; 0: none did */
    const struct access_logs *logs; /* where the request will be logged */
    uint8_t redirects;             /* internal ones so far */
    bool error_page;               /* an error_page is being made */
    bool internal;                 /* came here by an internal redirect */
    bool match_failed;             /* a regular expression gave up before it had an answer */
    bool logged;
    struct request_body *body;     /* in the arena; NULL: nobody wants it */
    struct captures *captures;     /* in the arena; NULL: no regular expression has matched */
};

/* The core's context of a request. */
static inline struct context *context_of(const struct slv_request *r)
{
    struct context *ctx;

    CAST_OBJ(ctx, exchange_of(r)->app, CONTEXT_MAGIC);
    return ctx;
}

#endif
