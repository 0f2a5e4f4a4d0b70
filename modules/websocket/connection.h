/*
 * connection.h - a WebSocket connection: frames into messages, and the way to its end.
 *
 * A struct slv_protocol of <selvage/upgrade.h>, and the functions of <selvage/websocket.h> but for
 * accept. It is made with what the handshake has agreed; its settings outlive it.
 */
#ifndef SLV_WEBSOCKET_CONNECTION_H
#define SLV_WEBSOCKET_CONNECTION_H

#include <selvage/websocket.h>

#include "deflate.h"

/* What the location says. */
struct ws_settings {
    int64_t max_message, max_frame; /* bytes; max_frame 0: no limit of its own */
    int64_t buffer;                /* of unsent bytes; beyond it the connection is closed */
    unsigned overflow_code;        /* with this code */
    int64_t ping_interval;         /* ms of silence before a ping; 0: none */
    int64_t ping_timeout;          /* ms for a sign of life after it */
    struct deflate_settings deflate;
};

struct ws;

extern const struct slv_protocol ws_protocol;

/*
 * The state for slv_upgrade(), which ends it, or ws_discard() where it refused. It lies in the
 * memory of the request.
 */
struct ws *ws_new(struct slv_request *r, const struct slv_ws_api *api,
                  const struct ws_settings *settings,
                  const struct deflate_terms *terms, const struct slv_ws_handler *handler,
                  void *arg);

/* Ends one that was never upgraded to, without a word to its handler. */
void ws_discard(struct ws **ws);

/* For struct slv_ws_api: see there. */
int ws_send(struct slv_ws *ws, enum slv_ws_kind kind, const void *data, size_t n);
int ws_send_prepared(struct slv_ws *ws, const void *frames, size_t n,
                     void (*release)(void *owner), void *owner);
int ws_send_back(struct slv_ws *ws, enum slv_ws_kind kind, char *data, size_t n);
size_t ws_waiting(const struct slv_ws *ws);
void ws_close(struct slv_ws *ws, unsigned code, struct str reason);
struct slv_request *ws_request(const struct slv_ws *ws);

/* ---- Beyond struct slv_ws_api: for endpoints of this module --------------------------------- */

/* As slv_ws_send_prepared(), for frames that stay where they are until the turn ends. */
int ws_send_turn(struct slv_ws *ws, const void *frames, size_t n);

/*
 * Closes the connection where what waits, with so many bytes that wait elsewhere, is more than
 * websocket_buffer. False: it is closing.
 */
bool ws_bound(struct slv_ws *ws, uint64_t elsewhere);

#endif
