/*
 * rule.h - one allow or deny: parsing and matching of addresses. Pure.
 */
#ifndef SLV_ACCESS_RULE_H
#define SLV_ACCESS_RULE_H

#include <selvage/str.h>

#include <stdint.h>

enum rule_kind { RULE_ALL, RULE_UNIX, RULE_V4, RULE_V6 };

struct access_rule {
    enum rule_kind kind;
    uint8_t ip[16];                /* network order, 4 or 16 bytes; bits behind the mask are 0 */
    unsigned bits;                 /* length of the prefix */
    bool deny;
};

/*
 * Reads "all", "unix:", an address or a network (192.0.2.0/24, 2001:db8::/32). An IPv4-mapped
 * address is read as IPv4, because that is how peers are compared. *cut: bits that the mask does
 * not cover were set, and have been cleared. Returns 0, or -1 where it is none of these.
 */
int access_rule_parse(struct str text, struct access_rule *out, bool *cut);

/*
 * Does the rule speak of this peer? length: 4 or 16 bytes of ip, or 0 for a peer without an
 * address. An IPv4-mapped peer is compared as IPv4.
 */
bool access_rule_matches(const struct access_rule *rule, const uint8_t ip[16], int length);

#endif
