/*
 * tls_pair.h - certificates with their keys, which may be replaced while a configuration serves;
 * without OpenSSL's headers, for the master.
 *
 * Each context has pairs, in the order of ssl_certificate. The master reads them with the
 * configuration and looks at the files again later: tls_pair_renew(). What it has taken travels to
 * the workers in a descriptor, tls_pair_pack() and tls_pair_unpack(), and with it the response of
 * OCSP that is stapled to it. Connections keep what they have begun with.
 */
#ifndef SLV_TLS_PAIR_H
#define SLV_TLS_PAIR_H

#include "core/config.h"

struct x509_st;
struct stack_st_X509;
struct evp_pkey_st;
struct tls_context;

/* By what a change of a file shows. All zero: it is not there. */
struct tls_mark {
    uint64_t device, inode;
    int64_t size, modified, changed; /* the times in ns */
};

enum tls_pair_file { TLS_FILE_CERTIFICATE, TLS_FILE_KEY, TLS_FILE_STAPLE, TLS_FILE_COUNT };

/* A response of OCSP. */
struct tls_staple {
    unsigned char *der;            /* from OPENSSL_malloc(); NULL: there is none */
    size_t size;
    int64_t from, until, refresh;  /* seconds since 1970: it holds; ask again */
};

struct tls_pair {
    unsigned magic;
#define TLS_PAIR_MAGIC 0x715fa125u
    struct tls_context *context;
    unsigned number;               /* in its context */
    const char *files[TLS_FILE_COUNT]; /* absolute; NULL: none */
    struct x509_st *leaf;
    struct stack_st_X509 *chain;
    struct evp_pkey_st *key;       /* NULL where private keys have been wiped */
    int64_t not_before, not_after; /* seconds since 1970 */
    struct tls_staple staple;
    bool first;                    /* no earlier pair of the configuration has its file */

    /* What the master notes. */
    struct tls_mark marks[TLS_FILE_COUNT]; /* of the files when they were last looked at */
    bool suspect;                  /* they were broken then: once more before it is told */
    int warned;                    /* days before the end at which the log was told; INT_MAX */
    uint64_t version;              /* counts certificates */
    uint64_t serial;               /* of the last change that workers must know; 0: none */
    ms_t ask_at, ask_pause;        /* when to ask for a response; the pause after a failure */
    ms_t silent_until;             /* failures to get one are not logged before */
    bool asked;                    /* a process is about it */
};

/* The pair behind p, or the first one (p NULL); NULL: no more. */
struct tls_pair *tls_pair_next(const struct config *config, const struct tls_pair *p);

/* Likewise, but of those with the same file only the first one: it is what people are told of. */
struct tls_pair *tls_pair_next_first(const struct config *config, const struct tls_pair *p);

/* The pair of a place; NULL: there is none. */
struct tls_pair *tls_pair_at(const struct config *config, size_t context, size_t number);
size_t tls_pair_context(const struct tls_pair *p);

/* Has a file changed since the last call? Notes how they are now. */
bool tls_pair_changed(struct tls_pair *p);

/*
 * Reads the files, and puts what is good in the place of what there is, for connections to come.
 * BROKEN: why says what is wrong, and nothing has changed. warning: what is doubtful about the new
 * certificate; empty: nothing.
 */
enum tls_renewal { TLS_PAIR_SAME, TLS_PAIR_RENEWED, TLS_PAIR_BROKEN };
enum tls_renewal tls_pair_renew(struct tls_pair *p, char *why, char *warning, size_t size);

/* The certificate is good for a host name, or for all that a name with an asterisk means. */
bool tls_pair_covers(const struct tls_pair *p, struct str name);

/* Its names, "example.org www.example.org", and its issuer's. NUL-terminated, cut to the room. */
void tls_pair_names(const struct tls_pair *p, char *text, size_t size);
void tls_pair_issuer(const struct tls_pair *p, char *text, size_t size);

/* The same certificate, of another configuration. */
bool tls_pair_same(const struct tls_pair *a, const struct tls_pair *b);

/* A descriptor with the pair for one worker, or -1 with errno. */
int tls_pair_pack(const struct tls_pair *p);

/* In the worker: puts what is in the descriptor in its place and wipes it. 0 or -1. */
int tls_pair_unpack(const struct config *config, int fd);

/* ---- Stapling: tls_staple.c ------------------------------------------------------------------ */

/* The configuration wants responses to be asked for, and it is known whom to ask. */
bool tls_staple_wanted(const struct tls_pair *p);

/* Handshakes without a response will fail at clients that look: the certificate demands one. */
bool tls_staple_demanded(const struct tls_pair *p);

/*
 * Asks for a response and verifies it; blocks, for processes of their own. 0 with *staple, or -1
 * with why.
 */
int tls_staple_ask(const struct tls_pair *p, struct tls_staple *staple, char *why, size_t size);

/* Puts a response, whose bytes are taken over, into a pair. */
void tls_staple_set(struct tls_pair *p, const struct tls_staple *staple);

/* Puts a copy of a response there and keeps it over restarts; not to be kept: -1 with errno. */
int tls_staple_put(struct tls_pair *p, const unsigned char *der, size_t size, int64_t from,
                   int64_t until, int64_t refresh);

/* Takes what is kept for a pair, if it still holds; removes it. */
void tls_staple_recall(struct tls_pair *p);
void tls_staple_discard(const struct tls_pair *p);

/* ssl_stapling_file. 0, or -1 with why. */
int tls_staple_read(struct tls_pair *p, char *why, size_t size);

#endif
