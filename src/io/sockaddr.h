/*
 * sockaddr.h - between struct addr and the kernel's socket addresses.
 */
#ifndef SLV_SOCKADDR_H
#define SLV_SOCKADDR_H

#include "base/addr.h"

#include <sys/socket.h>

/* IPv4 that arrives mapped into IPv6 becomes IPv4. */
void sockaddr_to_addr(const struct sockaddr_storage *from, struct addr *to);

/* The local address of a connected socket; ADDR_NONE where the kernel does not tell. */
void sockaddr_local(int fd, struct addr *to);

#endif
