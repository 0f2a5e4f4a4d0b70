/*
 * sockaddr.c - between struct addr and the kernel's socket addresses.
 */
#include "io/sockaddr.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>

/* The vsock form. */
static void from_vsock(const struct sockaddr_storage *from, struct addr *to)
{
    const struct sockaddr_vm *vm = (const void *)from;
    uint32_t cid = vm->svm_cid;

    to->family = ADDR_VSOCK;
    to->port = (uint16_t)vm->svm_port;
    memcpy(to->ip, &cid, sizeof cid);
}

void sockaddr_to_addr(const struct sockaddr_storage *from, struct addr *to)
{
    *to = (struct addr){ 0 };
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;

        to->family = ADDR_V4;
        to->port = ntohs(v4->sin_port);
        memcpy(to->ip, &v4->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;

        to->port = ntohs(v6->sin6_port);
        addr_set_v6(to, v6->sin6_addr.s6_addr);
    } else if (from->ss_family == AF_VSOCK) {
        from_vsock(from, to);
    } else if (from->ss_family == AF_UNIX) {
        to->family = ADDR_UNIX;
    }
}

void sockaddr_local(int fd, struct addr *to)
{
    struct sockaddr_storage name = { 0 };
    socklen_t size = sizeof name;

    *to = (struct addr){ 0 };
    if (getsockname(fd, (struct sockaddr *)&name, &size) == 0)
        sockaddr_to_addr(&name, to);
}
