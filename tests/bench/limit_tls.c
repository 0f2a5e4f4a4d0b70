/*
 * limit_tls: the least that OpenSSL needs: one BIO for all connections, which reads and writes
 * memory, one recv for each wake-up, and all records of an answer in one piece.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "limit.h"

#define IN_SIZE 47104
#define RECORD_SIZE 16384

static SSL_CTX *context;
static BIO *bio;
static char in[IN_SIZE];
static const char *in_at;
static size_t in_left;
static char *out;
static size_t out_len, out_size;

/* BIO_meth_set_read_ex */
static int
bio_read(BIO *b, char *data, size_t len, size_t *got)
{
    BIO_clear_retry_flags(b);
    *got = len < in_left ? len : in_left;
    if (*got == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    memcpy(data, in_at, *got);
    in_at += *got;
    in_left -= *got;
    return 1;
}

/* BIO_meth_set_write_ex */
static int
bio_write(BIO *b, const char *data, size_t len, size_t *put)
{
    (void)b;
    if (out_len + len > out_size) {
        out_size = (out_len + len) * 2;
        out = realloc(out, out_size);
        if (out == NULL)
            die("memory");
    }
    memcpy(out + out_len, data, len);
    out_len += len;
    *put = len;
    return 1;
}

/* BIO_meth_set_ctrl */
static long
bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

void
tls_setup(const char *certificate, const char *key)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "limit");

    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    bio = BIO_new(method);
    BIO_set_init(bio, 1);
    context = SSL_CTX_new(TLS_server_method());
    errno = EINVAL;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die(certificate);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

struct ssl_st *
tls_new(void)
{
    SSL *ssl;

    if (context == NULL)
        return NULL;
    ssl = SSL_new(context);
    if (ssl == NULL)
        die("SSL_new");
    BIO_up_ref(bio);
    BIO_up_ref(bio);
    SSL_set0_rbio(ssl, bio);
    SSL_set0_wbio(ssl, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}

void
tls_free(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

ssize_t
tls_read(struct ssl_st *ssl, int fd, char *buf, size_t size)
{
    ssize_t n = recv(fd, in, IN_SIZE, 0);
    size_t got = 0, one;

    if (n <= 0)
        return n;
    in_at = in;
    in_left = (size_t)n;
    /* SSL_read shakes hands first */
    while (in_left != 0 && got < size && SSL_read_ex(ssl, buf + got, size - got, &one) == 1)
        got += one;
    if (in_left != 0) {
        ERR_clear_error();
        in_left = 0;
        return 0;
    }
    if (got != 0)
        return (ssize_t)got;
    errno = EAGAIN;
    return -1;
}

/* Encrypts one record. */
static void
put(SSL *ssl, const char *data, size_t len)
{
    size_t n;

    if (SSL_write_ex(ssl, data, len, &n) != 1)
        die("SSL_write");
}

struct iovec
tls_seal(struct ssl_st *ssl, const struct iovec *spans, int count, bool last)
{
    static char record[RECORD_SIZE];
    size_t have = 0;
    struct iovec all;

    for (int i = 0; i < count; i++) {
        const char *p = spans[i].iov_base;
        size_t left = spans[i].iov_len, n;

        for (; left != 0; p += n, left -= n) {
            n = left < RECORD_SIZE - have ? left : RECORD_SIZE - have;
            if (n == RECORD_SIZE) {
                put(ssl, p, n);
                continue;
            }
            memcpy(record + have, p, n);
            have += n;
            if (have == RECORD_SIZE) {
                put(ssl, record, have);
                have = 0;
            }
        }
    }
    if (have != 0)
        put(ssl, record, have);
    if (last)
        SSL_shutdown(ssl);
    all = (struct iovec){out, out_len};
    out_len = 0;
    return all;
}
