/*
 * transport_plain.c - bytes through a socket as they are.
 */
#include "io/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* struct transport: read */
static ssize_t plain_read(int fd, void *buf, size_t size)
{
    return read(fd, buf, size);
}

/*
 * struct transport: writev. writev() is cheaper than sendmsg(), which alone can say "more
 * follows".
 */
static ssize_t plain_writev(int fd, const struct iovec *iov, size_t count, bool more)
{
    /* One span is the usual case of a stream; send() is the cheapest of all calls. */
    if (count == 1 && !more)
        return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);

    struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };

    return more ? sendmsg(fd, &m, MSG_MORE | MSG_NOSIGNAL) : writev(fd, iov, (int)count);
}

/* struct transport: sendfile */
static ssize_t plain_sendfile(int fd, int file, off_t offset, size_t size)
{
    return sendfile(fd, file, &offset, size);
}

/* struct transport: shutdown */
static void plain_shutdown(int fd)
{
    shutdown(fd, SHUT_WR);
}

const struct transport transport_plain = {
    .name = "plain",
    .read = plain_read,
    .writev = plain_writev,
    .sendfile = plain_sendfile,
    .shutdown = plain_shutdown,
};
