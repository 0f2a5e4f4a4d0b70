/*
 * channel.c - messages between the master and one worker.
 */
#include "proc/channel.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ancillary room for one descriptor, aligned as the kernel wants it. */
union passing {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

int channel_send(int fd, const struct channel_message *m, int passed)
{
    struct iovec iov = { (void *)m, sizeof *m };
    struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
    union passing passing;
    ssize_t n;

    AN(m->what >= CHANNEL_READY && m->what <= CHANNEL_CERTIFICATE);
    AN((passed >= 0) == (m->what == CHANNEL_REOPENED || m->what == CHANNEL_IMAGE
                         || m->what == CHANNEL_CERTIFICATE));
    memset(&passing, 0, sizeof passing);
    if (passed >= 0) {
        h.msg_control = passing.room;
        h.msg_controllen = sizeof passing.room;
        passing.header.cmsg_level = SOL_SOCKET;
        passing.header.cmsg_type = SCM_RIGHTS;
        passing.header.cmsg_len = CMSG_LEN(sizeof passed);
        memcpy(CMSG_DATA(&passing.header), &passed, sizeof passed);
    }
    do
        n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *m ? 0 : -1;
}

enum channel_got channel_receive(int fd, struct channel_message *m, int *passed)
{
    struct iovec iov = { m, sizeof *m };
    union passing passing;
    /* Room for one to the byte: what the alignment adds would take a second one, unseen. */
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = passing.room, .msg_controllen = CMSG_LEN(sizeof *passed)
    };
    struct cmsghdr *c;
    ssize_t n;

    *passed = -1;
    do
        n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? CHANNEL_EMPTY : CHANNEL_CLOSED;
    c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(c), sizeof *passed);
    if (n == (ssize_t)sizeof *m)
        return CHANNEL_MESSAGE;
    /* The master trusts no worker: what is not a message ends the conversation. */
    if (*passed >= 0)
        close(*passed);
    *passed = -1;
    return CHANNEL_CLOSED;
}
