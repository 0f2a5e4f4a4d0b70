/*
 * answer.h - from "this is the representation" to the answer: preconditions, ranges, header fields.
 */
#ifndef SLV_ANSWER_H
#define SLV_ANSWER_H

#include "core/context.h"

/*
 * Fills the fields of the head that the location decides: Server, Content-Type, expires,
 * add_header.
 */
void answer_fields(struct slv_request *r, const struct slv_response *response, int status);

/*
 * The core of slv_respond(). Returns what a content hook returns: SLV_DONE or a status (412,
 * 416).
 */
int answer(struct slv_request *r, const struct slv_response *response);

/* The page for a status, by error_page or built in; or the closed connection (444). */
void answer_status(struct slv_request *r, int status);

/* The page for a status that the server makes itself. */
void answer_builtin(struct slv_request *r, int status);

/*
 * An absolute URI for a path of this server, as Location wants it; absolute URIs stay as they
 * are.
 */
struct str answer_location(struct slv_request *r, struct str target);

#endif
