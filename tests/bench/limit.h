/*
 * limit.h - between limit.c and limit_tls.c.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What a connection has of OpenSSL; NULL where the server speaks plainly. */
struct ssl_st;

/* Ends the program when it cannot do its work. */
void die(const char *what);

/* Reads the certificate and its key; from then on tls_new() gives something. */
void tls_setup(const char *certificate, const char *key);

/* A connection's part, before its first byte. */
struct ssl_st *tls_new(void);

/* As read(2), but that what is read is decrypted; 0 also where the handshake came to nothing. */
ssize_t tls_read(struct ssl_st *ssl, int fd, char *buf, size_t size);

/* Encrypts spans. What is to be sent now, what the handshake has to say in front of it; the memory
 * is that of the next call, too. */
struct iovec tls_seal(struct ssl_st *ssl, const struct iovec *spans, int count, bool last);

void tls_free(struct ssl_st *ssl);

#endif
