/*
 * transport_plain.c - bytes through a socket as they are.
 */
#include "io/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* struct transport: read */
static ssize_t plain_read(struct channel *ch, void *buf, size_t size)
{
    return read(ch->fd, buf, size);
}

/*
 * struct transport: writev. writev() is cheaper than sendmsg(), which alone can say "more
 * follows".
 */
static ssize_t plain_writev(struct channel *ch, const struct iovec *iov, size_t count, bool more)
{
    struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };

    return more ? sendmsg(ch->fd, &m, MSG_MORE | MSG_NOSIGNAL) : writev(ch->fd, iov, (int)count);
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
