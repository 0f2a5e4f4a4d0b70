/*
 * load_io.c: how bytes get to the server: plain, or over TLS.
 */
#include "load.h"

#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct io {
    SSL *ssl;
    bool wants_read;            /* the handshake waits for the server */
};

static SSL_CTX *context;
static SSL_SESSION *session;    /* the newest ticket, where connections are to be resumed */

/* Keeps a ticket for the connections to come. */
static int
on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    (void)ssl;
    if (session != NULL)
        SSL_SESSION_free(session);
    session = ticket;
    return 1;
}

void
io_setup(bool tls12, bool resume)
{
    int version = tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || !SSL_CTX_set_min_proto_version(context, version) ||
        !SSL_CTX_set_max_proto_version(context, version))
        die("TLS");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT |
                                                    SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_ticket);
    }
}

struct io *
io_open(int fd)
{
    struct io *io;

    if (context == NULL)
        return NULL;
    io = calloc(1, sizeof(*io));
    if (io == NULL || (io->ssl = SSL_new(context)) == NULL || !SSL_set_fd(io->ssl, fd))
        die("TLS connection");
    SSL_set_connect_state(io->ssl);
    SSL_set_tlsext_host_name(io->ssl, "bench.example");
    if (session != NULL)
        SSL_set_session(io->ssl, session);
    return io;
}

void
io_close(struct io **io)
{
    if (*io == NULL)
        return;
    /* a session that did not end well would not be resumed */
    SSL_set_shutdown((*io)->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    stats.resumed += SSL_session_reused((*io)->ssl) != 0;
    SSL_free((*io)->ssl);
    free(*io);
    *io = NULL;
}

/* A result of OpenSSL as one of send() or recv(). */
static ssize_t
result(struct io *io, int n)
{
    int error;

    if (n > 0)
        return n;
    error = SSL_get_error(io->ssl, n);
    io->wants_read = error == SSL_ERROR_WANT_READ;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

ssize_t
io_send(struct io *io, int fd, const char *p, size_t len)
{
    if (io == NULL)
        return send(fd, p, len, MSG_NOSIGNAL);
    io->wants_read = false;
    return result(io, SSL_write(io->ssl, p, (int)len));
}

ssize_t
io_recv(struct io *io, int fd, char *p, size_t room)
{
    size_t got = 0;
    ssize_t n = 0;

    if (io == NULL)
        return recv(fd, p, room, 0);
    /* what OpenSSL holds back would not be announced by the socket */
    do {
        n = result(io, SSL_read(io->ssl, p + got, (int)(room - got)));
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0 && got < room && SSL_has_pending(io->ssl));
    return got != 0 ? (ssize_t)got : n;
}

bool
io_waits_for_server(const struct io *io)
{
    return io != NULL && io->wants_read;
}
