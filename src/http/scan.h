/*
 * scan.h - the head of a plain request, found without a state machine.
 *
 * Most requests arrive whole and say what they want in the strictest form there is. scan_head()
 * knows that form and nothing else; what it does not know, llhttp judges. Every vector runs whole
 * and in pieces, and pieces are not plain: so the two are held to one verdict.
 */
#ifndef SLV_SCAN_H
#define SLV_SCAN_H

#include "http/exchange.h"

/*
 * x->head[0 … size) begins with method_name and a space. Where a whole head follows of the form
 *   method SP "/"… SP "HTTP/1." ("0" | "1") CRLF *( token ":" OWS value OWS CRLF ) CRLF
 * with a method that has a meaning here, a target of VCHAR and no body, within x->limits, fills in
 * line, raw_target, version, the fields with their names in lower case, and head_size. Returns
 * false where it is anything else; then nothing but the case of names has changed.
 */
bool scan_head(struct exchange *x, size_t size);

#endif
