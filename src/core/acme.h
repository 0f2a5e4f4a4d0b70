/*
 * acme.h - answers to the challenges of ACME (RFC 8555, 8.3), so that certificates can be had
 * whatever else the configuration says.
 */
#ifndef SLV_ACME_H
#define SLV_ACME_H

#include "core/context.h"

/*
 * Where the request is for a challenge: a status, or SLV_DONE, with the token's file below the
 * directory. SLV_DECLINED: it is for something else.
 */
int acme_answer(struct slv_request *r, struct str directory);

#endif
