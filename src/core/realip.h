/*
 * realip.h - whom a request is from: set_real_ip_from, real_ip_header, real_ip_recursive.
 *
 * A connection knows its peer. Where that is a proxy that the configuration trusts, the request may
 * name the client for whom it speaks, and each request on a connection may name another one. So the
 * answer belongs to the request: context_of(r)->client is what variables, access rules and logs
 * look at.
 */
#ifndef SLV_REALIP_H
#define SLV_REALIP_H

#include <selvage/request.h>

/*
 * Looks for the client with the directives of the block that speaks for the request, unless it has
 * been found already.
 */
void realip_find(struct slv_request *r);

#endif
