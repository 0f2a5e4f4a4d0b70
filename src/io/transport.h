/*
 * transport.h - how bytes get through a socket: as they are, or encrypted.
 *
 * read, writev and sendfile return the number of bytes moved; 0 from read means that the peer sends
 * no more, 0 from sendfile that the file has ended early; -1 with errno EAGAIN means later, with
 * another errno that the connection is lost. more: further bytes follow at once, do not send a
 * short segment for these.
 *
 * What writev and sendfile return has been given to the kernel. Encrypted bytes that it did not
 * take are counted when they have left: until then the caller offers the same bytes again, which
 * are not encrypted twice.
 */
#ifndef SLV_TRANSPORT_H
#define SLV_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct conn;
struct tls;
struct transport;

/* A connection's socket and what its transport keeps with it. */
struct channel {
    const struct transport *transport;
    struct tls *tls;               /* of an encrypted one; NULL */
    const struct conn *c;          /* whose bytes these are, for messages */
    int fd;
    /* What the last read found besides bytes. */
    bool opened;                   /* before them: what follows is what the client has to say */
    bool ended;                    /* behind them: the peer sends no more */
    uint8_t why;                   /* behind them: enum close_reason, it broke the rules */
    bool unsent;                   /* bytes of the transport's own wait for the socket: flush() */
};

struct transport {
    const char *name;
    size_t batch;                  /* one writev or sendfile moves that many bytes, or all, unless
                                      the socket takes no more */
    ssize_t (*read)(struct channel *ch, void *buf, size_t size);
    ssize_t (*writev)(struct channel *ch, const struct iovec *iov, size_t count, bool more);
    ssize_t (*sendfile)(struct channel *ch, int file, off_t offset, size_t size);
    void (*flush)(struct channel *ch);
    /* Says what is to be said before the end. False: the socket takes no more now; ask again. */
    bool (*goodbye)(struct channel *ch);
    void (*shutdown)(struct channel *ch);
};

/* TCP, unix and vsock sockets. */
extern const struct transport transport_plain;

/* The same with TLS; a connection that turns out not to speak it is given to transport_plain. */
extern const struct transport transport_tls;

#endif
