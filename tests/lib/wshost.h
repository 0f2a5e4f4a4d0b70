/*
 * wshost.h - what stands around the WebSocket module's connection in a server: for tests of it
 * that have no core.
 *
 * slv_alloc(), slv_log() and slv_drain_delay() are there in a simple form.
 */
#ifndef SLV_WSHOST_H
#define SLV_WSHOST_H

#include <selvage/websocket.h>

#include <stdint.h>

struct exchange;
struct deflate_terms;
struct ws_settings;

/* The last line that was logged; "" where none was. And the delay that a drain is given. */
extern char wshost_log[256];
extern int64_t wshost_drain_delay;

/* Makes the exchange's request a WebSocket connection with that handler. */
void wshost_upgrade(struct exchange *x, const struct ws_settings *settings,
                    const struct deflate_terms *terms, const struct slv_ws_handler *handler,
                    void *arg);

#endif
