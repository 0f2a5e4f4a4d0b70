/*
 * wshost.c - what stands around the WebSocket module's connection in a server.
 */
#include "wshost.h"

#include "../../modules/websocket/connection.h"
#include "base/check.h"
#include "http/respond.h"

#include <selvage/module.h>

#include <stdio.h>

char wshost_log[256];
int64_t wshost_drain_delay;

/* Memory of the request. */
void *slv_alloc(struct slv_request *r, size_t size)
{
    return arena_alloc(&exchange_of(r)->arena, size);
}

/* Keeps the line. */
void slv_log(const struct slv_request *r, enum slv_level level, int error, const char *format, ...)
{
    va_list args;

    AN(r != NULL && level == SLV_LOG_INFO && error == 0);
    va_start(args, format);
    vsnprintf(wshost_log, sizeof wshost_log, format, args);
    va_end(args);
}

/* The test's own. */
int64_t slv_drain_delay(const struct slv_request *r)
{
    AN(r != NULL);
    return wshost_drain_delay;
}

static const struct slv_ws_api api = {
    .send = ws_send, .send_prepared = ws_send_prepared, .send_back = ws_send_back,
    .waiting = ws_waiting, .close = ws_close, .request = ws_request,
};

void wshost_upgrade(struct exchange *x, const struct ws_settings *settings,
                    const struct deflate_terms *terms, const struct slv_ws_handler *handler,
                    void *arg)
{
    AN(x->upgrade);
    respond_upgrade(x, &ws_protocol, ws_new(&x->req, &api, settings, terms, handler, arg));
}
