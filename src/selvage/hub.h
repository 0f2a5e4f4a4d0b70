/*
 * hub.h - channels: messages go in once, and come out wherever somebody listens.
 *
 * A channel has a name and a log of messages with ids that count up by one. All workers share the
 * logs, and they outlive workers and reloads. A subscriber has a place in the log and moves on at
 * its own pace: what it reads lies in shared memory already framed for WebSocket (RFC 6455) and for
 * server-sent events, and is valid until the worker waits for events again. So bytes are not copied
 * unless a socket is full.
 */
#ifndef SELVAGE_HUB_H
#define SELVAGE_HUB_H

#include <selvage/request.h>

/* Longest name of a channel, and of an event. */
#define SLV_HUB_NAME_MAX 128
#define SLV_HUB_EVENT_MAX 64

/* Longest media type of a message. */
#define SLV_HUB_TYPE_MAX 128

enum slv_hub_kind { SLV_HUB_TEXT, SLV_HUB_BINARY };

/* What became of a publication or a subscription. */
enum slv_hub_result {
    SLV_HUB_OK,
    SLV_HUB_BAD_NAME,              /* see slv_hub_name_ok() */
    SLV_HUB_BAD_TEXT,              /* text is not UTF-8, or the event's name or the type is none */
    SLV_HUB_TOO_LARGE,             /* for the memory of the hub */
    SLV_HUB_TOO_FAST,              /* more messages a second than were allowed */
    SLV_HUB_FULL,                  /* no room for another channel, or a worker lags far behind */
    SLV_HUB_CHANNEL_LIMIT,         /* the channel has as many subscribers as it may */
    SLV_HUB_CLIENT_LIMIT,          /* the client has as many subscriptions as it may */
    SLV_HUB_OFF,                   /* there is no hub, or no seat in it for this worker */
    SLV_HUB_AWAY,                  /* the server that several machines share is not to be reached */
    SLV_HUB_LATER                  /* of slv_hub_post() only: it will be known later */
};

/* Letters, digits and any of -_.~:/@+=, in 1 to SLV_HUB_NAME_MAX bytes. */
SLV_API bool slv_hub_name_ok(struct str channel);

/* What is published. Views are read before slv_hub_publish() returns. */
struct slv_hub_post {
    struct str channel;
    enum slv_hub_kind kind;
    struct str data;
    struct str event;              /* the name of the event; may be empty */
    unsigned rate;                 /* messages a second that the channel may take; 0: any */
    struct str type;               /* the media type of the data; may be empty */
};

/*
 * Puts a message into the log of a channel and tells all who listen. *id: the number it got. Where
 * several machines share channels, SLV_HUB_OK means that it waits in memory that outlives this
 * worker to be sent to their server, which will number it, and *id is 0.
 */
SLV_API enum slv_hub_result slv_hub_publish(const struct slv_hub_post *post, uint64_t *id);

/* A publication whose outcome somebody waits for: embedded, zeroed but for done. */
struct slv_hub_posting {
    /* called once, outside of the turns of connections, with SLV_HUB_OK or why not */
    void (*done)(struct slv_hub_posting *p, enum slv_hub_result result, uint64_t id);
    void *links[2];
    uint64_t number;
};

/*
 * The same, but says when the message is where it is to stay: at once with *id, or SLV_HUB_LATER
 * and by done().
 */
SLV_API enum slv_hub_result slv_hub_post(struct slv_hub_posting *p,
                                         const struct slv_hub_post *post, uint64_t *id);

/* Waits no longer, whatever may become of it. Harmless where nobody waits. */
SLV_API void slv_hub_post_forget(struct slv_hub_posting *p);

/* A message. Views are valid until the worker waits for events again. */
struct slv_hub_message {
    uint64_t id;
    int64_t time;                  /* milliseconds since 1970 */
    enum slv_hub_kind kind;
    struct str data;
    struct str event;
    struct str frame;              /* an unmasked WebSocket frame, whole */
    struct str sse;                /* an event of an event stream; binary data in base64 */
    struct str chunk;              /* the same as one chunk of the chunked coding */
    struct str type;               /* the media type that it was published with; may be empty */
};

/* Where a subscription begins. */
#define SLV_HUB_ALL UINT64_C(0)    /* with the oldest message that the history has */
#define SLV_HUB_NOW UINT64_MAX     /* with the next message */

/*
 * Where a client that names the last id it has seen goes on: that id; SLV_HUB_NOW where it names
 * none; for what is no id that of no message, so that it is told that messages are missing.
 */
SLV_API uint64_t slv_hub_after(struct str text);

/*
 * A subscriber: embedded in a struct of the module's, which zeroes it, fills news where it wants to
 * be called, and leaves the rest alone. When there may be something to read, news() is called,
 * outside of the turns of connections; then the connection of the request has a turn, in which its
 * source is pulled or its protocol produces. Who is not on a connection needs news().
 */
struct slv_hub_subscriber {
    void (*news)(struct slv_hub_subscriber *s);
    void *links[2];
    uint64_t place[4];
    void *connection;
    bool current;
};

/* How many subscriptions there may be at a time, those of all workers together; 0: any number. */
struct slv_hub_most {
    unsigned channel;              /* of the channel */
    unsigned client;               /* of the client, to whatever channels; without it they do not
                                      count */
};

/*
 * Subscribes the client of a request to a channel, behind the message with the id "after" or where
 * a constant says. It must end before the request does. r may be NULL: then it is no client's.
 */
SLV_API enum slv_hub_result slv_hub_subscribe(struct slv_hub_subscriber *s,
                                              const struct slv_request *r, struct str channel,
                                              uint64_t after, struct slv_hub_most most);

/* Ends it. Harmless where the subscription has failed or has been ended. */
SLV_API void slv_hub_unsubscribe(struct slv_hub_subscriber *s);

enum slv_hub_read {
    SLV_HUB_NOTHING,               /* it has read everything, and will be told when there is news */
    SLV_HUB_MESSAGE,
    SLV_HUB_GAP                    /* messages were lost; the next one is the oldest that is left */
};

/* Reads the next message. */
SLV_API enum slv_hub_read slv_hub_next(struct slv_hub_subscriber *s, struct slv_hub_message *m);

/* The id of the last message that it has read, or behind which it began. */
SLV_API uint64_t slv_hub_position(const struct slv_hub_subscriber *s);

/* Bytes of data that it has not read yet. */
SLV_API uint64_t slv_hub_lag(struct slv_hub_subscriber *s);

struct slv_hub_presence {
    uint64_t subscribers;          /* of all workers */
    uint64_t messages;             /* in the history */
    uint64_t bytes;                /* of data, in the history */
    uint64_t last_id;              /* of the last message ever; ids begin behind the one it has
                                      before its first */
};

/* What a channel has. A channel that nobody has used yet has nothing. */
SLV_API enum slv_hub_result slv_hub_presence(struct str channel, struct slv_hub_presence *out);

/*
 * For what the hub has refused a request: logs why, adds Retry-After where it is worth trying
 * again, and returns the status.
 */
SLV_API int slv_hub_refused(struct slv_request *r, enum slv_hub_result result);

#endif
