/*
 * transport_tls.c - bytes through a socket with TLS.
 *
 * One recv() into memory of the worker, all of which is decrypted in the same turn; records of one
 * answer gathered there and sent with one send(). Only what the socket does not take is kept with
 * the connection. ahead says how many bytes at the front of the caller's queue are in there: they
 * count as written when the last byte of the ciphertext that they became has left, and never
 * before, so that whoever waits for the last byte of an answer waits for the right one.
 */
#include "io/tls_ssl.h"
#include "io/transport.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TLS record that begins a handshake, and what SSLv2 began with: RFC 5246 appendix E.2. */
#define IS_TLS(byte) ((byte) == 22 || ((byte) & 0x80))

/*
 * A client that makes OpenSSL answer (new keys, pings of handshakes) and never reads the answers is
 * let go when this much of them waits.
 */
#define CHATTER_MAX ((size_t)64 * 1024)

/* Ciphertext that has not left. */
static size_t unsent(const struct tls *t)
{
    return t->rest_size - t->rest_sent;
}

/* Keeps bytes that the socket did not take, behind those that are kept. */
static void keep(struct tls *t, const char *data, size_t size)
{
    size_t old = unsent(t);

    if (!size)
        return;
    if (t->rest_sent)
        memmove(t->rest, t->rest + t->rest_sent, old);
    t->rest = mem_resize(t->rest, old + size, 1);
    memcpy(t->rest + old, data, size);
    t->rest_size = old + size;
    t->rest_sent = 0;
}

/* send(); bytes that left. -1: the connection is lost. */
static ssize_t give(int fd, const char *data, size_t size, bool more)
{
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}

/* Sends what is kept and what OpenSSL has just written. 0, or -1 with errno: it is lost. */
static int push(struct channel *ch, bool more)
{
    struct tls *t = ch->tls;
    struct tls_worker *w = &tls_worker;
    ssize_t n = 0;
    int error;

    if (t->rest) {
        keep(t, w->out, w->out_size);
        n = give(ch->fd, t->rest + t->rest_sent, unsent(t), more);
        if (n > 0)
            t->rest_sent += (size_t)n;
    } else if (w->out_size) {
        n = give(ch->fd, w->out, w->out_size, more);
        if (n >= 0)
            keep(t, w->out + n, w->out_size - (size_t)n);
    }
    error = errno;
    w->out_size = 0;
    if (n < 0)
        t->stage = TLS_OVER;
    if (n < 0 || !unsent(t)) {
        free(t->rest);
        t->rest = NULL;
        t->rest_size = t->rest_sent = 0;
    }
    ch->unsent = unsent(t) > 0;
    errno = error;
    return n < 0 ? -1 : 0;
}

/* The bytes in the worker's memory are no TLS: the connection goes on as it is. */
static ssize_t go_plain(struct channel *ch, void *buf, size_t n)
{
    memcpy(buf, tls_worker.in, n);
    ch->transport = &transport_plain;
    ch->opened = true;
    return (ssize_t)n;
}

/* struct transport: read */
static ssize_t tls_read(struct channel *ch, void *buf, size_t size)
{
    struct tls *t = ch->tls;
    bool was_shaken = t->shaken;
    enum tls_took took;
    ssize_t n;
    size_t got;

    AN(size >= TLS_READ_MAX + TLS_RECORD_MAX + 1024);
    n = recv(ch->fd, tls_worker.in, TLS_READ_MAX, 0);
    if (n <= 0)
        return n;
    if (t->stage == TLS_OVER) {
        /* Dropped: nothing in here is for anybody. */
        errno = EAGAIN;
        return -1;
    }
    if (t->stage == TLS_WAITS) {
        if (!IS_TLS((unsigned char)tls_worker.in[0]))
            return go_plain(ch, buf, (size_t)n);
        tls_begin(t);
    }
    tls_worker.in_at = tls_worker.in;
    tls_worker.in_left = (size_t)n;
    took = tls_take(t, ch->c, buf, size, &got);
    ch->opened = t->shaken && !was_shaken;
    ch->ended = took == TLS_TOOK_END;
    ch->why = t->why;
    /* That the peer does not read any more is for the next read to find out. */
    push(ch, false);
    if (unsent(t) > t->ahead + TLS_BATCH + CHATTER_MAX) {
        t->stage = TLS_OVER;
        ch->why = CLOSE_TLS_ERROR;
    }
    if (got || took == TLS_TOOK_END)
        return (ssize_t)got;
    errno = EAGAIN;
    return -1;
}

/* The bytes at the front of the caller's queue that have left since it was asked last. */
static ssize_t progress(struct tls *t)
{
    size_t left = t->ahead < unsent(t) ? t->ahead : unsent(t), n = t->ahead - left;

    t->ahead = left;
    if (n)
        return (ssize_t)n;
    errno = EAGAIN;
    return -1;
}

/* struct transport: writev */
static ssize_t tls_writev(struct channel *ch, const struct iovec *iov, size_t count, bool more)
{
    struct tls *t = ch->tls;
    ssize_t n;

    if (t->stage != TLS_OPEN) {
        errno = EPIPE;
        return -1;
    }
    AN(tls_worker.out_size == 0);
    if (unsent(t) && push(ch, more) != 0)
        return -1;
    /* What is on its way comes first, and is not encrypted again. */
    if (t->ahead || unsent(t))
        return progress(t);
    n = tls_put(t, iov, count);
    if (n < 0) {
        tls_worker.out_size = 0;
        errno = EIO;
        return -1;
    }
    t->ahead = (size_t)n;
    return push(ch, more) != 0 ? -1 : progress(t);
}

/* struct transport: sendfile. There is no way around memory. */
static ssize_t tls_sendfile(struct channel *ch, int file, off_t offset, size_t size)
{
    struct iovec iov = { tls_worker.file, size };

    if (!ch->tls->ahead) {
        ssize_t n = pread(file, tls_worker.file, size < TLS_BATCH ? size : TLS_BATCH, offset);

        if (n <= 0)
            return n;
        iov.iov_len = (size_t)n;
    }
    return tls_writev(ch, &iov, 1, false);
}

/* struct transport: flush */
static void tls_flush(struct channel *ch)
{
    push(ch, false);
}

/* struct transport: goodbye. Where the peer does not listen any more, it is said all the same. */
static bool tls_say_goodbye(struct channel *ch)
{
    tls_goodbye(ch->tls);
    push(ch, false);
    return !ch->unsent;
}

/* struct transport: shutdown */
static void tls_shutdown(struct channel *ch)
{
    shutdown(ch->fd, SHUT_WR);
}

const struct transport transport_tls = {
    .name = "tls",
    .batch = TLS_BATCH,
    .read = tls_read,
    .writev = tls_writev,
    .sendfile = tls_sendfile,
    .flush = tls_flush,
    .goodbye = tls_say_goodbye,
    .shutdown = tls_shutdown,
};
