/*
 * tls_conf.h - what the configuration says about TLS, and the interface to who makes contexts of
 * it. Nothing here knows a TLS library.
 *
 * Contexts are made while the configuration is read, in the master, so that a certificate that
 * cannot be used is a mistake of the configuration like any other. Servers that are told the same
 * share one. Workers inherit them by the fork.
 */
#ifndef SLV_TLS_CONF_H
#define SLV_TLS_CONF_H

#include "core/server.h"

/* One directive's arguments. */
struct tls_word {
    struct tls_word *next;
    struct str text;               /* the first; absolute where it names a file */
    struct str value;              /* the second, of ssl_conf_command */
    const struct conf_node *node;  /* for messages, while the configuration is read */
};

enum { TLS_V1_2 = 1 << 0, TLS_V1_3 = 1 << 1 };

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_ON, TLS_VERIFY_OPTIONAL, TLS_VERIFY_OPTIONAL_NO_CA };

struct tls_conf {
    struct tls_word *certificates, *keys; /* pairs, in their order */
    struct tls_word *password_file, *dhparam, *commands, *ticket_keys;
    struct tls_word *ciphers, *curves;
    struct tls_word *client_certificate, *trusted_certificate, *crl;
    struct tls_word *session_cache;
    struct tls_word *stapling_file, *stapling_responder;
    struct str stapling_cache;     /* a directory, absolute */
    int protocols;                 /* set of TLS_V1_* */
    int verify;                    /* enum tls_verify */
    bool prefer_server_ciphers, session_tickets, reject_handshake, early_data;
    bool stapling, stapling_verify;
    int64_t verify_depth, buffer_size, session_timeout;
};

/* Who makes contexts. */
struct tls_backend {
    /* A context; NULL after messages. place: a directive for what belongs to no other. */
    struct tls_context *(*make)(struct conf *conf, const struct tls_conf *tls,
                                const struct conf_node *place);
    /* Frees one; arena_on_free(). */
    void (*release)(void *context);
    /* All contexts are there, in config->tls_contexts. */
    void (*linked)(const struct config *config);
    /* Fills s->tls_id from its context and what the server is called. */
    void (*identify)(struct server *s);
    /*
     * Calls for each certificate in use, each file once, with its names and its end in seconds
     * since 1970. Texts are valid until each() returns.
     */
    void (*each_certificate)(const struct config *config,
                             void (*each)(void *arg, const char *file, const char *names,
                                          int64_t end), void *arg);
};

/* The tables, as a module of their own, and the conf struct of a block. */
extern const struct slv_module tls_module;
const struct tls_conf *tls_conf_of(const struct conf_block *block);

/*
 * After conf_inherit() and vhosts_link(): gives a context to each server that has an address with
 * TLS. backend NULL: only checks. 0, or -1 after messages.
 */
int tls_link(struct conf *conf, struct config *config, const struct tls_backend *backend);

#endif
