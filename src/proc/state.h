/*
 * state.h - what the master knows, and what its rooms do with it. For the master's own files only.
 *
 *   master.c       the loop, the deadlines, the end
 *   start.c        from the configuration to running workers
 *   order.c        signals: what each one asks for
 *   reload.c       a new configuration takes over, or is refused
 *   generation.c   a configuration with its workers
 *   spawn.c        starting a worker, stopping workers
 *   child.c        processes: noted, nudged, forgotten
 *   reap.c         processes that have ended
 *   aide.c         those beside the workers: how each of them begins
 *   builder.c      the process that builds images
 *   shelf.c        the images of each host, over the generations
 *   publish.c      images between reloads: built, put in place
 *   watcher.c      the process that notices when their sources change
 *   relay.c        the process that shares channels with other machines
 *   helper.c       those that another process answers, about channels
 *   command.c      questions that come by the control socket
 *   upgrade.c      another binary takes over
 *   announce.c     what the service manager is told
 *   tickets.c      the keys of TLS session tickets
 *   certificates.c TLS certificates: replaced without a reload, warned of before they end
 *   stapler.c      the process that asks for OCSP responses
 *   keep.c         the hub, which belongs to no configuration
 *   logs.c         where the master's own lines go; opening log files anew
 *
 * The master changes its state in one place at a time: callbacks of descriptors note what they have
 * read, signals are acted upon one after the other, and memory is given back only at the end of a
 * turn.
 */
#ifndef SLV_STATE_H
#define SLV_STATE_H

#include "core/config.h"
#include "core/images.h"
#include "proc/control.h"
#include "proc/logs.h"
#include "proc/master.h"
#include "proc/pollset.h"
#include "proc/slots.h"

#include <sys/types.h>

struct hub;
struct tls_pair;
struct watch;

enum child_kind {
    CHILD_WORKER, CHILD_BUILDER, CHILD_WATCHER, CHILD_RELAY, CHILD_HELPER, CHILD_STAPLER,
    CHILD_BINARY
};

/* A process that was started and has not been reaped. */
struct child {
    unsigned magic;
#define CHILD_MAGIC 0xc411d001u
    struct link link;
    struct master *master;
    enum child_kind kind;
    const struct aide *aide;       /* what it is for; NULL: a worker, or a new binary */
    pid_t pid;
    struct generation *generation; /* NULL: of none (a new binary) */
    unsigned slot;                 /* of a worker */
    unsigned seat;                 /* of a worker: where it counts */
    int channel;                   /* to a worker; -1: none, or it was closed from the other side */
    int words;                     /* what it says: last words of a worker, lines of the others */
    uint64_t swaps_sent;           /* of a worker: serial of the last image that it was sent */
    unsigned swaps_waiting;        /* images that it was sent and has not answered for */
    uint64_t tickets_sent;         /* of a worker: serial of the ticket keys it has */
    uint64_t certificates_sent;    /* of a worker: serial of the last one that it was sent */
    bool ready;                    /* of a worker: it serves */
    bool drains;                   /* of a worker: it accepts no more */
    bool leaving;                  /* it was told to end */
    ms_t nudge_at;                 /* when to be more insistent; MS_NEVER */
    ms_t nudge_pause;              /* since the last time; 0: it has not been nudged yet */
    char line[512];                /* of those who speak in lines: the one that is not whole yet */
    size_t line_size;
    struct tls_pair *pair;         /* of the stapler: what it speaks of, or NULL */
    unsigned char *data;           /* and the response so far; from the heap, or NULL */
    size_t data_size;
};

/* A configuration and the workers that serve it. */
struct generation {
    unsigned magic;
#define GENERATION_MAGIC 0x6e4e7a01u
    struct link link;
    unsigned long number;
    struct config *config;         /* owned */
    struct slots slots;
};

/* A reload, or the first start, while it is under way. */
enum reload_step {
    RELOAD_NONE,
    RELOAD_BUILDS,                 /* waits for the builder */
    RELOAD_STARTS,                 /* waits until all new workers are ready */
    RELOAD_HANDS_OVER              /* waits until no old worker accepts connections any more */
};

struct reload {
    enum reload_step step;
    struct generation *generation; /* the new one */
    ms_t deadline;                 /* MS_NEVER: none */
    bool again;                    /* another one was asked for meanwhile */
    char why[512];                 /* the first mistake that was reported */
};

/* Versions of one host that are kept, at most: the current one and earlier ones. */
#define SHELF_MAX 17

/* The images of one host. */
struct shelf {
    unsigned magic;
#define SHELF_MAGIC 0x5e1fca5eu
    struct link link;
    char *host;
    struct image_version *versions[SHELF_MAX]; /* newest first */
    size_t count;
    size_t current;                /* which of them answers */
    bool held;                     /* an earlier one was asked for: changes of the source wait until
                                      somebody asks for a build */
};

/* Publishing images, while it is under way. */
enum publish_step {
    PUBLISH_NONE,
    PUBLISH_BUILDS,                /* waits for the builder */
    PUBLISH_SWAPS                  /* waits until all workers have what was built */
};

struct publish {
    enum publish_step step;
    bool refines;                  /* the run makes variants that were put off */
    uint64_t number;               /* of the last image */
    uint64_t serial;               /* of the last swap: each image that is sent has one */
    ms_t deadline;                 /* MS_NEVER: none */
    unsigned made, same;           /* images of the run */
    char why[256];                 /* what went wrong for all of them; empty: nothing */
    ms_t began;                    /* the run's build */
    ms_t retry_at, retry_pause;    /* when builds that failed are tried again, MS_NEVER; how long
                                      that has been put off, 0: not yet */
};

/* Ticket keys. */
struct tickets {
    uint64_t serial;               /* of the ring */
    ms_t rotated;
    ms_t retry_at;                 /* a worker could not be told; MS_NEVER */
};

/* Certificates. */
struct certificates {
    unsigned long generation;      /* whose files are watched; 0: none's */
    struct watch *watch;           /* or NULL */
    ms_t changed, settles;         /* the first change that has not been looked at; MS_NEVER */
    ms_t look_at;                  /* MS_NEVER: there are none */
    uint64_t serial;               /* of the last change that workers must know */
    ms_t retry_at;                 /* workers are to be told; MS_NEVER */
};

enum master_state { MASTER_RUNS, MASTER_QUITS, MASTER_TERMINATES };

struct master {
    unsigned magic;
#define MASTER_MAGIC 0x3a57e201u
    const struct config_source *source;
    char *const *args;
    char *program;                 /* the path to execute for an upgrade */
    char *pid_path;
    enum master_state state;
    struct link children, generations;
    struct generation *serving;    /* NULL until the first one has been set up */
    unsigned long last_number;
    struct reload reload;
    struct publish publish;
    struct tickets tickets;
    struct certificates certificates;
    struct link shelves;
    ms_t watch_after;              /* a watcher that has ended is replaced not before */
    ms_t relay_after;              /* a relay likewise */
    bool started;                  /* the first generation has been ready */
    bool workers_stopped;          /* SIGWINCH: no worker is to run */
    bool daemonized;
    bool has_pid_file;
    bool done;
    int status;                    /* to exit with */
    pid_t inherited_from;          /* the old binary's master; 0: started by people */
    pid_t new_binary;              /* 0: none */
    int signal_fd;
    /* tells the process that was started by hand; -1: nobody waits */
    int started_fd;
    struct hub *hub;               /* NULL: none could be made */
    struct hub_backend backend;    /* that it was made for; texts from the heap */
    struct control *control;       /* NULL: none could be opened */
};

/* ---- keep.c --------------------------------------------------------------------------------- */

/* Makes the hub, or goes on with that of the old binary. */
void keep_hub(struct master *m, const struct process_conf *process);

/* Warns of what a later configuration cannot change in it. */
void keep_compare(const struct master *m, const struct process_conf *process);

/* In the child that is about to become the new program: leaves the hub to it. */
void keep_leave(struct master *m);

/* Gives it back. */
void keep_free(struct master *m);

/* ---- start.c -------------------------------------------------------------------------------- */

/* Up to the point where images or workers are being made. 0, or -1 after logging. */
int start(struct master *m);

/* Looks whether the first generation serves by now, or never will. */
void start_check(struct master *m);

/* ---- order.c -------------------------------------------------------------------------------- */

/* Acts on a signal. */
void order_signal(struct master *m, int signo, pid_t from);

/* Ends: all workers finish their work, or drop it. Again: nothing, or faster. */
void order_quit(struct master *m);
void order_terminate(struct master *m);

/* ---- reload.c ------------------------------------------------------------------------------- */

/* A reload was asked for. */
void reload_request(struct master *m);

/* Begins with images or workers of the generation in m->reload. */
void reload_build(struct master *m);

/*
 * Begins the images of a configuration that does not serve yet: *count of them, all but those that
 * people hold. 0, or -1 after logging.
 */
int reload_begin_images(struct master *m, struct config *config, unsigned *count);

/* Takes what the builder has left of them. True: all are there. */
bool reload_take_images(struct config *config);

/* The builder has ended. */
void reload_built(struct master *m, bool ok, const char *why);

/* Looks whether all new workers serve by now, or the time is over. */
void reload_check(struct master *m);

/* A worker of the new generation has ended. */
void reload_worker_ended(struct master *m, const struct child *c);

/* Gives up what is under way. */
void reload_abandon(struct master *m, const char *why);

/* ---- generation.c --------------------------------------------------------------------------- */

/* Takes the configuration over and gives it the next number. */
struct generation *generation_new(struct master *m, struct config *config);

/* Frees those that neither serve nor have a process. */
void generations_collect(struct master *m);

/* Frees all, at the end. */
void generations_free(struct master *m);

/* ---- spawn.c -------------------------------------------------------------------------------- */

/* Starts a worker in a slot that waits. 0, or -1 after logging. */
int spawn_worker(struct master *m, struct generation *g, unsigned slot);

/* Starts the workers of the serving generation whose time has come. */
void spawn_due(struct master *m);

/* Tells all workers of a generation to finish. g NULL: of all generations. */
void spawn_drain(struct master *m, const struct generation *g, bool successor);

/* ---- child.c -------------------------------------------------------------------------------- */

/*
 * Forks, with nothing left in the buffers of stdio. 0 in the child, which has forgotten
 * everything of the master's but the new generation's sockets; -1 after logging.
 */
pid_t child_fork(struct master *m, const struct generation *keep, const char *what);

/* Notes a process. */
struct child *child_add(struct master *m, enum child_kind kind, pid_t pid, struct generation *g);

/* Forgets a process and closes its descriptors. */
void child_free(struct child **child);

/* Makes it end: SIGTERM, again and again, then SIGKILL. */
void child_terminate(struct child *c);

/* The time of child->nudge_at has come. */
void child_nudge(struct child *c);

/* Adds channels and pipes. */
void children_poll(struct master *m, struct pollset *p);

/* "worker process" */
const char *child_kind_name(enum child_kind kind);
const char *child_name(const struct child *c);

/* Logs how it has ended, with what waitpid() tells. */
void child_log_end(const struct child *c, int status);

/* Reads what a worker has sent by now. */
void child_hear(struct child *c);

/* Reads the lines that an aide has written by now. */
void child_hear_lines(struct child *c);

/* ---- reap.c --------------------------------------------------------------------------------- */

/* Takes note of all that have ended. */
void reap(struct master *m);

/* ---- aide.c --------------------------------------------------------------------------------- */

/* A kind of process beside the workers. */
struct aide {
    enum child_kind kind;
    enum slv_level level;          /* of the line that one has been started */
    bool lasting;                  /* as long as the generation; otherwise it does one thing */
    bool needs_hub;
    ms_t pause;                    /* of those that last: until another one is tried */
    /* Is run in the process, which is done when it returns. fd: its end of the pipe. */
    void (*run)(struct master *m, struct generation *g, int fd, const void *arg);
    /* Takes a line that it has written; NULL: it writes none. */
    void (*hear)(struct child *c, const char *line);
    /* It has ended, and all that it wrote was heard. May be NULL. */
    void (*ended)(struct master *m, struct child *c, int status);
};

/* Starts one that speaks in lines. NULL after logging. arg: see run. */
struct child *aide_start(struct master *m, const struct aide *aide, struct generation *g,
                         const void *arg);

/*
 * Starts one with a descriptor of its own, and that which the master keeps of it, or -1: both are
 * taken. NULL after logging.
 */
struct child *aide_fork(struct master *m, const struct aide *aide, struct generation *g, int fd,
                        int masters, const void *arg);

/* Starts one that lasts where it is missing, not before *after; ends those that nobody needs. */
void aide_keep(struct master *m, const struct aide *aide, bool needed, ms_t *after);

/* One has ended, with what waitpid() tells. */
void aide_ended(struct child *c, int status);

/* ---- builder.c ------------------------------------------------------------------------------ */

/* Starts the builder for the images of a generation that have a target. 0, or -1 after logging. */
int builder_start(struct master *m, struct generation *g, enum image_effort effort);

/* ---- shelf.c -------------------------------------------------------------------------------- */

/* The shelf of a host, or NULL. */
struct shelf *shelf_find(struct master *m, struct str host);

/* What answers for its host; NULL: nothing. s may be NULL. */
struct image_version *shelf_current(const struct shelf *s);

/* Puts a new version on top, with a reference of its own; it answers from now on. */
void shelf_put(struct master *m, const struct slv_image *image, struct image_version *v);

/*
 * The version of that number, or the one before the current if number is 0. NULL: it is not there.
 * s may be NULL.
 */
struct image_version *shelf_earlier(const struct shelf *s, uint64_t number);

/* Goes back to such a version, which is there, and holds it. */
struct image_version *shelf_roll_back(struct shelf *s, uint64_t number);

/* The hosts of a new configuration get what answers now. */
void shelves_lend(struct master *m, const struct config *config);

/* The configuration serves: its images go to the shelves, and shelves without a host go. */
void shelves_take(struct master *m, const struct config *config);

/* Drops all of them, and what they hold. */
void shelves_free(struct master *m);

/* ---- publish.c ------------------------------------------------------------------------------ */

/*
 * Wants the image of a host, or of all where host.p is NULL. asked: by people, so that what they
 * held is held no longer. Returns how many hosts that are.
 */
unsigned publish_want(struct master *m, struct str host, bool asked);

/*
 * Wants the image in a file for a host, which may be left out (.p NULL) where there is one only. It
 * is held then. NULL, or why not.
 */
const char *publish_file(struct master *m, struct str host, const char *path);

/* Some image is wanted. */
bool publish_wanted(const struct master *m);

/* Nobody knows what has changed: all images that are watched. */
void publish_look_through(struct master *m);

/* The source of an image has changed. */
void publish_changed(struct master *m, unsigned index);

/* The first generation serves: images that could not be built for it are tried again. */
void publish_missing(struct master *m);

/* Begins a run, or looks whether the one in hand is over. */
void publish_check(struct master *m);

/* The builder of the run has ended. */
void publish_built(struct master *m);

/* A worker is to be sent images, and can take them now. */
bool publish_has_for(const struct child *c);

/* Sends a worker what it has room for. */
void publish_feed(struct child *c);

/* A worker has put an image in place, or refused it. */
void publish_served(struct child *c, bool refused);

/* Ends the builder of the run in hand, if it builds; what it was to make stays wanted. */
void publish_give_way(struct master *m);

/* A reload has put another configuration in place of old: what was wanted there stays wanted. */
void publish_carry_over(struct master *m, const struct config *old);

/*
 * Puts an earlier version in place, see shelf_earlier(): in the generation that serves, and in one
 * that is about to. NULL, or why not; then nothing has changed.
 */
const char *publish_roll_back(struct master *m, struct str host, uint64_t number);

/* ---- watcher.c ------------------------------------------------------------------------------ */

/* Starts the watcher that is missing, ends the one that nobody needs. */
void watcher_check(struct master *m);

/* ---- relay.c -------------------------------------------------------------------------------- */

/* Starts the relay that is missing, ends the one that nobody needs. */
void relay_check(struct master *m);

/* ---- command.c ------------------------------------------------------------------------------ */

/* Somebody asks by the control socket; control_asked of control.h. */
void command_asked(void *arg, struct control_client *client, const char *question);

/* ---- helper.c ------------------------------------------------------------------------------- */

/*
 * Leaves a client to a process of its own, which publishes what it sends to a channel, or with
 * channel NULL lists channels.
 */
void helper_start(struct master *m, struct control_client *client, const char *channel,
                  const char *event);

/* ---- upgrade.c ------------------------------------------------------------------------------ */

/* Another binary is being tried out, or this one is: the other master is alive and serves. */
bool upgrade_has_peer(const struct master *m);

/* Starts the new binary. */
void upgrade_begin(struct master *m);

/* The new binary has ended. */
void upgrade_ended(struct master *m);

/* ---- announce.c ----------------------------------------------------------------------------- */

/* It serves: after the start, and when a reload is over. */
void announce_serving(struct master *m);

/* A reload begins, or was refused. */
void announce_reload(struct master *m);
void announce_refused(struct master *m, const char *why);

/* It ends. */
void announce_end(struct master *m);

/* Lets the watchdog know, when it is time. */
void announce_alive(struct master *m);

/* ---- tickets.c ------------------------------------------------------------------------------ */

/* The first keys, or those of the old binary. Before anything is forked. */
void tickets_begin(struct master *m);

/* When tickets_check() has something to do; MS_NEVER. */
ms_t tickets_next(const struct master *m);

/* Rotates the keys when it is time, and hands them to all workers. */
void tickets_check(struct master *m);

/* In the child that is about to become the new program: leaves the keys to it. */
void tickets_leave(void);

/* ---- certificates.c ------------------------------------------------------------------------- */

/* Adds the descriptor that tells of changes. */
void certificates_poll(struct master *m, struct pollset *p);

/* When certificates_check() has something to do; MS_NEVER. */
ms_t certificates_next(const struct master *m);

/* Looks at the files when it is time, and hands what is new to workers. */
void certificates_check(struct master *m);

/* A pair has an OCSP response that workers are to have. */
void certificates_stapled(struct master *m, struct tls_pair *p);

/* A reload has put another configuration in place of old: what was told is not told again. */
void certificates_carry_over(struct master *m, const struct config *old);

/* In a child, and at the end: watches no more. */
void certificates_forget(struct master *m);

/* ---- stapler.c ------------------------------------------------------------------------------ */

/* When stapler_check() has something to do; MS_NEVER. */
ms_t stapler_next(const struct master *m);

/* Plans when a response for a pair is to be asked for. */
void stapler_plan(struct tls_pair *p);

/* Starts the stapler when a response is due; ends one that nobody needs. */
void stapler_check(struct master *m);

/* ---- logs.c --------------------------------------------------------------------------------- */

/* Opens all anew and tells the workers. */
void logs_reopen(struct master *m);

#endif
