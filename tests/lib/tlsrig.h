/*
 * tlsrig.h - a real session with TLS on one end of a socket pair, a real client of OpenSSL with
 * its bytes in memory on the other. The test decides how many of them move at a time.
 *
 * Behind the session is the HTTP/1 adapter with the application of memapp.h. The configuration is
 * read by config_load(), with certificates that are made in a directory of their own.
 */
#ifndef SLV_TLSRIG_H
#define SLV_TLSRIG_H

#include "core/config.h"
#include "io/tls_ssl.h"
#include "memapp.h"

/*
 * Makes directory and certificates (ec.crt, ec.key, rsa.crt, rsa.key, ca.crt, client.crt,
 * client.key), and the loop. 0, or 1.
 */
int tlsrig_begin(void);
int tlsrig_end(void);

/* The directory, with a '/' at its end. */
extern char tlsrig_directory[64];

/*
 * Reads a configuration: @ stands for the directory. NULL where there were mistakes, whose messages
 * are in *messages then (may be NULL).
 */
struct config *tlsrig_load(const char *text, struct memtext *messages);

/* How long a handshake may take, ms. */
extern ms_t tlsrig_patience;

struct tlsrig {
    const struct listen_addr *at;
    struct memapp app;
    struct h1_limits limits;
    int fd;                        /* the client's end; -1: it has closed */
    SSL *ssl;
    BIO *in, *out;                 /* what the client is to read, what it has written */
    size_t step;                   /* bytes that move at a time, both ways; 0: all there are */
    size_t budget;                 /* bytes that the client may still send; SIZE_MAX: any */
    struct memtext wire;           /* all that the server has sent */
    struct memtext plain;          /* what of it was for the client */
    bool server_ended;             /* the server has closed */
    bool opened;                   /* the handshake is over, as the server sees it */
    bool encrypted;                /* c->tls was set then */
    unsigned refuse_with;
    bool deaf;                     /* the client reads nothing */
    bool broken;                   /* the client's OpenSSL gave up */
    unsigned long error;           /* and why */
    size_t sent;                   /* bytes by the client */
};

/* A client of the first address of a configuration. setup (may be NULL) changes its SSL object. */
void tlsrig_open(struct tlsrig *r, const struct config *config, void (*setup)(SSL *ssl));
void tlsrig_close(struct tlsrig *r);

/* Moves bytes until nothing moves any more. */
void tlsrig_pump(struct tlsrig *r);

/* The client says something, then tlsrig_pump(). Without TLS: raw. */
void tlsrig_say(struct tlsrig *r, const void *data, size_t n);
void tlsrig_ask(struct tlsrig *r, const char *request);
void tlsrig_raw(struct tlsrig *r, const void *data, size_t n);

/* The client's socket sends no more; it is closed. */
void tlsrig_shut(struct tlsrig *r);
void tlsrig_hang_up(struct tlsrig *r);

/* Waits for the end of the connection, which a deadline brings. */
void tlsrig_wait_end(struct tlsrig *r);

/* The reason for which the last connection ended. */
enum close_reason tlsrig_reason(void);

/* The plaintext lengths of the records in wire that carry data, in 1.2 with AES-GCM or in 1.3. */
size_t tlsrig_records(const struct tlsrig *r, size_t *sizes, size_t max);

#endif
