/*
 * transport.h - how bytes get through a socket: plain now, TLS behind the same five functions.
 *
 * All return the number of bytes moved; 0 from read means that the peer sends no more, 0 from
 * sendfile that the file has ended early; -1 with errno EAGAIN means later, with another errno
 * that the connection is lost. more: further bytes follow at once, do not send a short segment
 * for these.
 */
#ifndef SLV_TRANSPORT_H
#define SLV_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport {
    const char *name;
    ssize_t (*read)(int fd, void *buf, size_t size);
    ssize_t (*writev)(int fd, const struct iovec *iov, size_t count, bool more);
    ssize_t (*sendfile)(int fd, int file, off_t offset, size_t size);
    void (*shutdown)(int fd);
};

/* TCP, unix and vsock sockets. */
extern const struct transport transport_plain;

#endif
