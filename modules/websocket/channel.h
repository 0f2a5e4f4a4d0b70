/*
 * channel.h - websocket channel: connections that listen to a channel of the hub, and speak there.
 */
#ifndef SLV_WEBSOCKET_CHANNEL_H
#define SLV_WEBSOCKET_CHANNEL_H

#include <selvage/module.h>

/* Clients that name this subprotocol are told where in the channel they begin. */
#define CHANNEL_PROTOCOL "selvage.channel"

/* What the location says. */
struct channel_endpoint {
    const struct slv_template *name;
    const struct slv_template *after; /* behind which message to go on: $arg_last_event_id */
    bool publish;                  /* clients may */
    unsigned rate;                 /* messages a second that the channel takes from here; 0: any */
    struct slv_hub_most most;      /* subscriptions */
};

/* Reads the arguments of the directive from the second on. 0, or -1 after slv_conf_error(). */
int channel_parse(struct slv_conf *cf, struct channel_endpoint *c);

/* Somebody who listens. */
struct listener;

/* Subscribes for a request. *made: the argument for channel_handler. 0, or a status. */
int channel_join(struct slv_request *r, const struct channel_endpoint *c, struct listener **made);

/* Ends it where there was no upgrade. */
void channel_leave(struct listener **l);

/* The client is to be told where it begins. To be called before the connection opens. */
void channel_tell(struct listener *l);

extern const struct slv_ws_handler channel_handler;

#endif
