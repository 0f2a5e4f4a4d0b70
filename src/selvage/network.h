/*
 * network.h - addresses and networks as configurations name them: parsing and matching. Pure.
 */
#ifndef SELVAGE_NETWORK_H
#define SELVAGE_NETWORK_H

#include <selvage/request.h>

#include <stdint.h>

enum slv_network_kind { SLV_NETWORK_UNIX, SLV_NETWORK_V4, SLV_NETWORK_V6 };

struct slv_network {
    enum slv_network_kind kind;
    uint8_t ip[16];                /* network order, 4 or 16 bytes; bits behind the mask are 0 */
    unsigned bits;                 /* length of the prefix */
};

/*
 * Reads "unix:", an address or a network (192.0.2.0/24, 2001:db8::/32). An IPv4-mapped address is
 * read as IPv4, because that is how peers are compared. *cut: bits that the mask does not cover
 * were set, and have been cleared. Returns 0, or -1 where it is none of these.
 */
SLV_API int slv_network_parse(struct str text, struct slv_network *out, bool *cut);

/*
 * Is that address in the network? length: 4 or 16 bytes of ip, or 0 for a peer without an address,
 * which is in "unix:" alone. An IPv4-mapped address is compared as IPv4.
 */
SLV_API bool slv_network_has(const struct slv_network *network, const uint8_t ip[16], int length);

#endif
