/*
 * transport_plain.c - bytes through a socket as they are.
 */
#include "io/transport.h"

#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * So many bytes in several spans are sent as one piece: to copy them costs less than what the
 * kernel does for each span. The usual page with its head is not longer.
 */
#define GATHER_MAX 4096

/* struct transport: read. recv() has less to look at on its way to the socket than read(). */
static ssize_t plain_read(struct channel *ch, void *buf, size_t size)
{
    return recv(ch->fd, buf, size, 0);
}

/* Bytes in all spans; GATHER_MAX + 1: too many to be copied. */
static size_t measure(const struct iovec *iov, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        if (iov[i].iov_len > GATHER_MAX - size)
            return GATHER_MAX + 1;
        size += iov[i].iov_len;
    }
    return size;
}

/*
 * struct transport: writev. send() is cheaper than writev(), and that than sendmsg(), which alone
 * takes spans and can say "more follows".
 */
static ssize_t plain_writev(struct channel *ch, const struct iovec *iov, size_t count, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
    char whole[GATHER_MAX];
    size_t size;

    if (count == 1)
        return send(ch->fd, iov->iov_base, iov->iov_len, flags);
    size = measure(iov, count);
    if (size > GATHER_MAX)
        return more ? sendmsg(ch->fd, &m, flags) : writev(ch->fd, iov, (int)count);
    for (size_t i = 0, at = 0; i < count; at += iov[i++].iov_len)
        memcpy(whole + at, iov[i].iov_base, iov[i].iov_len);
    return send(ch->fd, whole, size, flags);
}

/* struct transport: sendfile */
static ssize_t plain_sendfile(struct channel *ch, int file, off_t offset, size_t size)
{
    return sendfile(ch->fd, file, &offset, size);
}

/* struct transport: flush. There is never anything. */
static void plain_flush(struct channel *ch)
{
    ch->unsent = false;
}

/* struct transport: goodbye. The end itself is all that is said. */
static bool plain_goodbye(struct channel *ch)
{
    (void)ch;
    return true;
}

/* struct transport: shutdown */
static void plain_shutdown(struct channel *ch)
{
    shutdown(ch->fd, SHUT_WR);
}

const struct transport transport_plain = {
    .name = "plain",
    .batch = 1024 * 1024,
    .read = plain_read,
    .writev = plain_writev,
    .sendfile = plain_sendfile,
    .flush = plain_flush,
    .goodbye = plain_goodbye,
    .shutdown = plain_shutdown,
};
