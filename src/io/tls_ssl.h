/*
 * tls_ssl.h - between the files of TLS: the only header that includes OpenSSL.
 */
#ifndef SLV_TLS_SSL_H
#define SLV_TLS_SSL_H

#include "io/tls.h"
#include "io/tls_pair.h"
#include "io/tls_tickets.h"

#include <openssl/ssl.h>

/*
 * Plaintext that is encrypted at a time, and sent with one call; the last record may go beyond.
 * What is twice as much has left the cache nearest to the processor when it is sent.
 */
#define TLS_BATCH ((size_t)64 * 1024)

/* The longest record's plaintext, and what is read at a time: its plaintext fits a scratch. */
#define TLS_RECORD_MAX ((size_t)16 * 1024)
#define TLS_READ_MAX ((size_t)46 * 1024)

struct tls_context {
    unsigned magic;
#define TLS_CONTEXT_MAGIC 0x715c0de7u
    SSL_CTX *ctx;
    size_t index;                  /* in config->tls_contexts */
    const struct tls_conf *conf;
    struct tls_pair *pairs;        /* from the heap, in the order of the directives */
    size_t pair_count;
    X509_STORE *trusted;           /* who may sign for OCSP, by ssl_stapling_verify; or NULL */
    bool retyped;                  /* a pair has become one of another kind of key: ctx has both */
    enum tls_verify verify;
    bool reject;                   /* ssl_reject_handshake */
    size_t record_max;             /* ssl_buffer_size */
    const char *curves;
    const char *ciphersuites;      /* of TLS 1.3, where ssl_conf_command sets them; or NULL */
    struct tls_ticket_key *ticket_keys; /* from files, the first encrypts; NULL: those of all */
    size_t ticket_key_count;
    uint8_t seed[32];              /* by what is equal in contexts with equal rules for clients */
};

enum tls_stage {
    TLS_WAITS,                     /* nothing has come yet: there is no SSL object */
    TLS_SHAKES,
    TLS_OPEN,
    TLS_OVER                       /* failed, or said goodbye: nothing is encrypted any more */
};

struct tls {
    unsigned magic;
#define TLS_MAGIC 0x715715e1u
    enum tls_stage stage;
    SSL *ssl;
    const struct listen_addr *at;
    const struct server *server;   /* the fallback of at until the client has named another */
    ms_t deadline;                 /* of the handshake */
    char *rest;                    /* ciphertext that the socket has not taken; NULL: none */
    size_t rest_size, rest_sent;
    size_t ahead;                  /* bytes at the front of the output queue that are in rest */
    uint64_t wrote;                /* ms: when it last encrypted, by the coarse clock */
    uint32_t flight;               /* bytes since it began to write, or was idle for a second */
    uint8_t why;                   /* enum close_reason, of a failure */
    bool shaken;                   /* the handshake came to a good end */
    bool rejected;                 /* by ssl_reject_handshake */
    bool logged;                   /* why it failed */
};

/* What connections share. The bytes that OpenSSL is to read are in_at, in_left. */
struct tls_worker {
    BIO_METHOD *method;
    BIO *bio;
    char *in, *record, *file;
    const char *in_at;
    size_t in_left;
    char *out;                     /* what OpenSSL has written */
    size_t out_size, out_room;
};
extern struct tls_worker tls_worker;

/* ---- tls.c ---------------------------------------------------------------------------------- */

/* The first bytes, in tls_worker.in, are those of a handshake: makes the SSL object. */
void tls_begin(struct tls *t);

enum tls_took { TLS_TOOK, TLS_TOOK_END, TLS_TOOK_FAILED };

/*
 * Takes all of tls_worker.in_at: shakes hands, decrypts what follows into buf. *got: bytes of it.
 * END: the peer has said that it sends no more. FAILED: t->why says why. What is to be sent is in
 * tls_worker.out.
 */
enum tls_took tls_take(struct tls *t, const struct conn *c, char *buf, size_t room, size_t *got);

/*
 * Encrypts from the front of the spans into tls_worker.out, up to the record that completes
 * TLS_BATCH bytes. Returns how many; -1: it failed.
 */
ssize_t tls_put(struct tls *t, const struct iovec *iov, size_t count);

/* close_notify into tls_worker.out, if one is due. */
void tls_goodbye(struct tls *t);

/* Logs that a connection came to nothing. */
void tls_log_failure(struct tls *t, const struct conn *c, const char *what, const char *reason,
                     const char *when);

/* ---- tls_select.c --------------------------------------------------------------------------- */

/* Sets the callbacks of a context: which host is asked for, which protocol, tickets. */
void tls_set_callbacks(SSL_CTX *ctx);

/* ---- tls_cert.c ----------------------------------------------------------------------------- */

/* A certificate with what is needed to use it. Each has a reference. */
struct tls_material {
    X509 *leaf;
    STACK_OF(X509) *chain;         /* what follows it in its file; may be empty */
    EVP_PKEY *key;
};

/* Why there is none. */
struct tls_refusal {
    bool key;                      /* it is the key's file, and not the certificate's */
    char text[640];
};

/* Lines of passwords, NUL-terminated, or NULL. Wiped and freed by tls_passwords_free(). */
struct tls_passwords {
    char *text;
    size_t size;
};
void tls_passwords_free(struct tls_passwords *passwords);

/* Reads the files of a pair; the key is that of the certificate. 0 or -1. */
int tls_read_pair(const struct tls_pair *p, const struct tls_passwords *passwords,
                  struct tls_material *m, struct tls_refusal *why);
void tls_material_free(struct tls_material *m);

/* A whole file from OPENSSL_malloc(), which the caller wipes and frees; NULL with errno. */
char *tls_slurp(const char *path, size_t *size);

/* The same for a file of the configuration; NULL after a message: "cannot load WHAT". */
char *tls_read_file(struct conf *conf, const struct tls_word *file, const char *what, size_t *size);

/* ---- tls_pair.c ----------------------------------------------------------------------------- */

/* A time of a certificate or a response in seconds since 1970. */
int64_t tls_seconds(const ASN1_TIME *t);

/* Puts the pairs of a context into ctx. 0, or -1: OpenSSL notes why. */
int tls_pairs_use(struct tls_context *c);

/* Gives a connection exactly the pairs of a context. 0 or -1. */
int tls_pairs_give(SSL *ssl, const struct tls_context *c);

/* Finds out which pairs of a configuration are the first ones with their file. */
void tls_pairs_mark_first(const struct config *config);

/* Frees what the pairs of a context hold. */
void tls_pairs_free(struct tls_context *c);

/* Puts material, which is taken over, into a pair; what was known of the old one goes. */
void tls_pair_set(struct tls_pair *p, const struct tls_material *m);

/* ---- tls_staple.c --------------------------------------------------------------------------- */

/* While the configuration is read: what there is of responses, and what is amiss. 0 or -1. */
int tls_staples_begin(struct conf *conf, struct tls_context *c, const struct conf_node *place);

/* The first error that OpenSSL has noted since the last call, in words; the others are dropped. */
const char *tls_reason(void);

#endif
