/*
 * channel.h - messages between the master and one worker.
 *
 * A SOCK_SEQPACKET pair, so that a message arrives whole or not at all and the end of the other
 * side is seen. Both ends are non-blocking. Messages are read by the same build of the program
 * that wrote them: nothing else ever holds an end.
 */
#ifndef SLV_CHANNEL_H
#define SLV_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

enum channel_what {
    /* worker -> master */
    CHANNEL_READY = 1,             /* it accepts connections; generation is set */
    CHANNEL_DRAINS,                /* it accepts no more; generation is set */
    CHANNEL_IMAGE_SERVED,          /* the next image is in place, or refused; refused is set */
    /* master -> worker */
    CHANNEL_DRAIN,                 /* accept no more, end when empty; successor is set */
    CHANNEL_REOPENED,              /* a log file was opened anew: put the passed one under "fd" */
    CHANNEL_IMAGE,                 /* the passed image is that of host index; number is set */
    CHANNEL_TICKETS,               /* secret holds the keys of session tickets */
    CHANNEL_CERTIFICATE            /* the passed descriptor holds a certificate, tls_pair.h */
};

#define CHANNEL_SECRET_MAX 192

struct channel_message {
    enum channel_what what;
    unsigned long generation;
    int fd;
    bool successor;
    unsigned index;
    uint64_t number;
    bool refused;
    unsigned char secret[CHANNEL_SECRET_MAX]; /* wiped by both sides after use */
};

enum channel_got {
    CHANNEL_MESSAGE,
    CHANNEL_EMPTY,                 /* nothing more now */
    CHANNEL_CLOSED                 /* the other side has ended */
};

/* ends[0] for the master, ends[1] for the worker. 0, or -1 with errno. */
int channel_pair(int ends[2]);

/* Sends a message, and a descriptor with it unless passed is -1. 0, or -1 with errno. */
int channel_send(int fd, const struct channel_message *m, int passed);

/* Takes a message. *passed: a descriptor that came with it and is now the caller's, or -1. */
enum channel_got channel_receive(int fd, struct channel_message *m, int *passed);

#endif
