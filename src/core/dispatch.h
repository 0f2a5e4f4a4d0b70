/*
 * dispatch.h - the way of a request through the core: virtual host, location, phases.
 *
 *   headers   virtual host -> path decoded -> its set and return -> location -> its set and return
 *             -> access.  What is refused here is refused before a body is read.
 *   request   try_files -> content hooks
 *   done      log
 *
 * Every phase may end the request with a status; core_finish() makes an answer of it.
 */
#ifndef SLV_DISPATCH_H
#define SLV_DISPATCH_H

#include "core/config.h"
#include "core/context.h"

/* What the HTTP/1 adapter is given; x->conn->listen must be a struct listen_addr. */
extern const struct http_hooks core_hooks;

/* The configuration that the hooks work with; one per worker. */
void core_use(const struct config *config);

/*
 * Ends a request with what a hook returned: a status becomes an error page, by error_page or
 * built in. SLV_DONE and SLV_LATER are left as they are.
 */
void core_finish(struct slv_request *r, int result);

/*
 * Starts the request anew at another path or @name of the server. Returns what a content hook
 * returns.
 */
int core_redirect(struct slv_request *r, struct str path, struct str args);

/*
 * A request that nobody sent: for a builder that wants to know how the server would answer a GET of
 * path. Routed as a real one; not answered. Given back with request_unmake().
 */
struct slv_request *request_make(const struct config *config, const struct server *server,
                                 struct str path);
void request_unmake(struct slv_request **r);

/*
 * The header fields of the answer as they would leave, without status line, Date and Connection,
 * with the blank line; in the request's memory. Content-Length is the body's size.
 */
struct str request_head_fields(struct slv_request *r, const struct slv_response *response);

#endif
