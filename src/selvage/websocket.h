/*
 * websocket.h - WebSocket connections for handlers of other modules (RFC 6455).
 *
 * The module "websocket" does the handshake, frames, fragments, pings, close codes and compression;
 * a handler sees whole messages. Its functions come by name, so load_module must name it first:
 *
 *     static const struct slv_ws_api *ws;         // set in the finish hook
 *     ws = slv_offered(cf, SLV_WS_API);           // NULL: the module is not loaded
 *
 *     return ws->accept(r, &handler, arg);        // in the content hook
 */
#ifndef SELVAGE_WEBSOCKET_H
#define SELVAGE_WEBSOCKET_H

#include <selvage/upgrade.h>

#define SLV_WS_API "websocket/1"

/* The kinds of messages, as opcodes. */
enum slv_ws_kind { SLV_WS_TEXT = 1, SLV_WS_BINARY = 2 };

struct slv_ws_api;

/* A connection; valid from on_open until on_close returns. */
struct slv_ws {
    const struct slv_ws_api *api;
};

/* What happens on a connection. arg is what accept was given. All but on_close may be NULL. */
struct slv_ws_handler {
    void (*on_open)(struct slv_ws *ws, void *arg);
    /* A whole message; TEXT is valid UTF-8. data may be changed, and is gone afterwards. */
    void (*on_message)(struct slv_ws *ws, void *arg, enum slv_ws_kind kind, char *data, size_t n);
    /* Bytes have left: for senders that wait for room. */
    void (*on_room)(struct slv_ws *ws, void *arg);
    /*
     * It is over; called exactly once, and once even where on_open was not: then ws is NULL and
     * code 1006. code: what the peer's Close said (1005: nothing), what the server's did, or 1006
     * where there was none. reason: the peer's words, or the server's.
     */
    void (*on_close)(struct slv_ws *ws, void *arg, unsigned code, struct str reason);
};

/* The functions; use the inline ones below. */
struct slv_ws_api {
    /*
     * From a content hook: does the handshake by the websocket_* directives of the location.
     * Returns what the hook is to return. Anything but SLV_DONE: refused, and arg is still the
     * caller's.
     */
    int (*accept)(struct slv_request *r, const struct slv_ws_handler *handler, void *arg);
    int (*send)(struct slv_ws *ws, enum slv_ws_kind kind, const void *data, size_t n);
    int (*send_prepared)(struct slv_ws *ws, const void *frames, size_t n,
                         void (*release)(void *owner), void *owner);
    int (*send_back)(struct slv_ws *ws, enum slv_ws_kind kind, char *data, size_t n);
    size_t (*waiting)(const struct slv_ws *ws);
    void (*close)(struct slv_ws *ws, unsigned code, struct str reason);
    struct slv_request *(*request)(const struct slv_ws *ws);
};

/*
 * Sends a message: copied, compressed where that was agreed. Text must be valid UTF-8. Returns 0,
 * or -1 where the connection is being closed, also because more than websocket_buffer waits.
 */
static inline int slv_ws_send(struct slv_ws *ws, enum slv_ws_kind kind, const void *data, size_t n)
{
    return ws->api->send(ws, kind, data, n);
}

/*
 * Sends frames that are ready as they must be on the wire (whole messages, unmasked, uncompressed),
 * without a copy: release(owner) is called once, when they have left or are given up, also on -1.
 */
static inline int slv_ws_send_prepared(struct slv_ws *ws, const void *frames, size_t n,
                                       void (*release)(void *owner), void *owner)
{
    return ws->api->send_prepared(ws, frames, n, release, owner);
}

/*
 * From on_message, once: sends data back, all or its first n bytes, as the handler has changed it.
 * It is not copied, and not the handler's any more.
 */
static inline int slv_ws_send_back(struct slv_ws *ws, enum slv_ws_kind kind, char *data, size_t n)
{
    return ws->api->send_back(ws, kind, data, n);
}

/* Bytes that wait to leave. */
static inline size_t slv_ws_waiting(const struct slv_ws *ws)
{
    return ws->api->waiting(ws);
}

/*
 * Begins to close: code is 1000 to 1014 or 3000 to 4999, and may be sent; reason is UTF-8 and cut
 * to 123 bytes. Nothing can be sent afterwards; on_close follows.
 */
static inline void slv_ws_close(struct slv_ws *ws, unsigned code, struct str reason)
{
    ws->api->close(ws, code, reason);
}

/* The request of the handshake. */
static inline struct slv_request *slv_ws_request(const struct slv_ws *ws)
{
    return ws->api->request(ws);
}

#endif
