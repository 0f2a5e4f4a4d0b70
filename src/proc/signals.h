/*
 * signals.h - signals: what they are called, and how the master gets them.
 */
#ifndef SLV_SIGNALS_H
#define SLV_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

/* Blocks all that the master waits for, and lets writes to closed sockets fail with an error. */
void signals_block(void);

/* The descriptor that becomes readable when a blocked signal arrives. Never fails: exits. */
int signals_open(void);

/* One signal that has arrived. */
struct signal_got {
    int signo;
    pid_t from;                    /* 0: unknown */
};

/* Takes the next one; false: there is none now. */
bool signals_next(int fd, struct signal_got *got);

/* In a child that becomes another program: everything as it was before signals_block(). */
void signals_restore(void);

/* In a child of ours that has its handlers in place: lets the blocked signals through. */
void signals_unblock(void);

/* "SIGHUP" */
const char *signals_name(int signo);

/* The signal for a word of -s. */
int signals_of_word(const char *word);

#endif
