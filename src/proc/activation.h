/*
 * activation.h - listening sockets that a service manager has opened: LISTEN_FDS of
 * sd_listen_fds(3).
 *
 * A "listen" directive takes the one that is bound to its address. The descriptors of the manager
 * are kept for as long as the process lives and only copies are given away, so that a reload may
 * drop an address and another one may want it again.
 */
#ifndef SLV_ACTIVATION_H
#define SLV_ACTIVATION_H

#include "io/listen.h"

/* Takes what the environment names. Once. */
void activation_begin(void);

/* There are such sockets. Then the paths among them belong to the manager. */
bool activation_used(void);

/*
 * Adds copies of those that are not there already, neither with the configuration that serves
 * (may be NULL) nor among what was inherited otherwise.
 */
void activation_lend(const struct config *serving, struct listen_inherited *inherited);

/* In the child that is about to become the new program: it gets them, too. */
void activation_survive_exec(void);

/* Closes them. */
void activation_end(void);

#endif
