/*
 * stream.h - what the files of the module share.
 */
#ifndef MODULE_STREAM_H
#define MODULE_STREAM_H

#include <selvage/module.h>

enum stream_kind {
    STREAM_NONE, STREAM_SSE, STREAM_LONGPOLL, STREAM_CHUNKED, STREAM_MULTIPART, STREAM_FILE
};

/* stream KIND TEXT */
struct stream_what {
    enum stream_kind kind;
    const struct slv_template *text; /* the channel, or the path of the file */
    const struct slv_template *after; /* $arg_last_event_id */
};

struct stream_conf {
    struct stream_what what;
    const struct slv_template *publish, *event;
    int64_t rate;                  /* messages a second that a channel takes; 0: any */
    int64_t subscribers, client_subscribers; /* of a channel, of a client, at most; 0: any */
    int64_t heartbeat, retry, max_age, poll_timeout; /* ms; 0: off */
    int64_t publish_timeout;       /* ms */
    int64_t lag;                   /* bytes; 0: any */
};

/* What ends or speaks up by itself: a stream or a poll. In a list, so that a drain reaches it. */
struct stream_clock {
    unsigned magic;
#define STREAM_CLOCK_MAGIC 0x57c10c4bu
    struct stream_clock *prev, *next;
    struct slv_timer timer;
    int64_t ends;                  /* when; INT64_MAX: it does not */
    int64_t beats;                 /* when it wants to be called; INT64_MAX: not */
    void (*beat)(struct stream_clock *c);
    void (*end)(struct stream_clock *c);
};

/* ---- stream.c -------------------------------------------------------------------------------- */

/* The channel that a template names for this request. 0, or a status. */
int stream_channel(struct slv_request *r, const struct slv_template *t, struct str *name);

/* How many subscriptions there may be. */
struct slv_hub_most stream_most(const struct stream_conf *c);

/* Behind which message the client wants to go on; SLV_HUB_NOW: it does not say. */
uint64_t stream_after(struct slv_request *r, const struct stream_conf *c);

/* Says that nobody may keep the answer or hold it back. */
void stream_uncached(struct slv_request *r);

/* This worker is being replaced or stopped: clients are to come back to another one. */
bool stream_draining(void);

/* A number from 0 to below n. */
int64_t stream_random(int64_t n);

/* Starts a clock; ends and beats have been set. During a drain the end is near. */
void stream_clock_start(struct stream_clock *c);
void stream_clock_stop(struct stream_clock *c);

/* Sets the timer to what comes first. */
void stream_clock_set(struct stream_clock *c);

/* ---- Each its own file ----------------------------------------------------------------------- */

/* The content hook of each kind. */
int stream_events(struct slv_request *r, const struct stream_conf *c);
int stream_poll(struct slv_request *r, const struct stream_conf *c);
int stream_follow(struct slv_request *r, const struct stream_conf *c);

/* POST, and GET, to a channel that may be published to. */
int stream_publish(struct slv_request *r, const struct stream_conf *c);
int stream_presence(struct slv_request *r, const struct stream_conf *c);

#endif
