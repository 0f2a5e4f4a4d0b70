/*
 * dispatch.h - the way of a request through the core: virtual host, location, phases.
 */
#ifndef SLV_DISPATCH_H
#define SLV_DISPATCH_H

#include "core/config.h"
#include "core/context.h"

/*
 * A request that nobody sent: for a builder that wants to know how the server would answer a GET of
 * path. Routed as a real one; not answered. Given back with request_unmake().
 */
struct slv_request *request_make(const struct config *config, const struct server *server,
                                 struct str path);
void request_unmake(struct slv_request **r);

/*
 * The header fields of the answer as they would leave, without status line, Date and Connection, with
 * the blank line; in the request's memory. Content-Length is the body's size.
 */
struct str request_head_fields(struct slv_request *r, const struct slv_response *response);

#endif
