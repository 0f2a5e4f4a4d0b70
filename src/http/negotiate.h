/*
 * negotiate.h - proactive negotiation of the content coding (RFC 9110 §12.5.3).
 *
 * One function reads Accept-Encoding into a quality for each coding that this server knows, the
 * other picks from what is in stock. Pure, no allocation; a struct codings is a plain value.
 */
#ifndef SLV_NEGOTIATE_H
#define SLV_NEGOTIATE_H

#include <selvage/str.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coding {
    CODING_IDENTITY, /* no coding at all */
    CODING_GZIP,
    CODING_BR,
    CODING_ZSTD,
    CODING_MAX       /* the number of codings; also "none of them" */
};

/* How much the client wants each coding, in thousandths: 0 (not acceptable)..1000. */
struct codings {
    uint16_t q[CODING_MAX];
};

/*
 * Reads the value of Accept-Encoding.
 * value: the field's value; several lines are joined by commas. Ignored unless present.
 * present: the request has the field. Without it only identity is wanted, at 1000: a client that
 * can decode says so.
 * out: always set, every coding:
 *   a coding that is named has its q, 1000 without one; the first mention counts; names have any
 *   case, and x-gzip is gzip (§8.4.1.3);
 *   one that is not named has the q of "*", if that is named;
 *   otherwise 0, except for identity, which stays acceptable at 1, the least there is: whatever
 *   the client names goes before it. So only "identity;q=0" and "*;q=0" exclude identity.
 * Members against the grammar, also those with a q above 1 or with more than three decimals, are
 * ignored one by one, as are unknown codings.
 */
void negotiate_encoding(struct str value, bool present, struct codings *out);

/*
 * Picks the coding with the highest q among those in stock.
 * available_mask: bit 1u << coding for each coding the representation exists in.
 * order, n: the server's preference, best first, which decides between equals; each is below
 * CODING_MAX. What is not in it, identity included, is not picked.
 * Returns CODING_MAX when none is acceptable: a 406, or identity all the same (§12.5.3 leaves both
 * open).
 */
enum coding negotiate_pick(const struct codings *c, unsigned available_mask,
    const enum coding order[], size_t n);

#endif
