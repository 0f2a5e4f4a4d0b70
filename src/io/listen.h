/*
 * listen.h - the listening sockets: opened by the master, kept over reloads and binary upgrades.
 *
 * A socket is never closed while a later configuration still wants it, so that no connection that
 * waits in its queue is lost. A new configuration takes over the descriptors of the running one by
 * key. Until listen_commit() both name the same descriptors; listen_rollback() closes what only the
 * new one has. So a refused reload leaves the running generation exactly as it was.
 *
 *   listen_open(new, old)      opens what is missing
 *   listen_commit(new, old)    the new one owns everything; what only the old one had is closed
 *   listen_rollback(new, old)  the old one owns everything; what only the new one had is closed
 *
 * The arrays of descriptors live in the memory of their configuration.
 */
#ifndef SLV_LISTEN_H
#define SLV_LISTEN_H

#include "core/config.h"

#define LISTEN_BACKLOG 511

/* Room for the reason why something could not be opened. */
#define LISTEN_WHY_MAX 256

/* Descriptors that another process left behind in the environment. */
struct listen_inherited {
    int *fds;                      /* from the heap; an entry that was taken becomes -1 */
    size_t count;
};

/* How often a socket that is in use is asked for again; a pause of 500 ms lies in between. */
#define LISTEN_TRIES_START 5
#define LISTEN_TRIES_RELOAD 1

/*
 * Opens the sockets of config. What old (may be NULL) has is shared with it, what was inherited
 * (may be NULL) is taken. 0; -1 after logging, with the reason in why: then everything that this
 * call opened is closed again.
 */
int listen_open(struct config *config, const struct config *old, struct listen_inherited *inherited,
                unsigned tries, char why[LISTEN_WHY_MAX]);

/*
 * The new configuration serves: sockets that only old had are closed and their paths removed,
 * changed options are applied to those that were kept. old may be NULL. Never fails: what cannot
 * be applied is logged.
 */
void listen_commit(struct config *config, struct config *old);

/* The new configuration is given up. */
void listen_rollback(struct config *config, const struct config *old);

/* Closes all descriptors, and removes the paths of unix sockets where remove_paths is true. */
void listen_close(struct config *config, bool remove_paths);

/* In a forked child that serves one configuration: closes the sockets that only the other has. */
void listen_forget(const struct config *keep, const struct config *other);

/*
 * Does the worker in that slot accept on descriptor i? A plain socket belongs to all workers. One
 * of a reuseport group belongs to one slot; where there are more sockets than workers, a slot
 * serves several.
 */
bool listen_is_mine(const struct listen_socket *s, size_t i, unsigned slot, unsigned workers);

/* The address as messages name it: "0.0.0.0:80", "[::1]:80", "unix:/path". Returns the length. */
size_t listen_name(const struct listen_socket *s, char *out, size_t size);

/* ---- Binary upgrade ------------------------------------------------------------------------- */

/* Reads "6;7;" and marks the descriptors as close-on-exec; complains of what is no socket. */
void listen_inherited_parse(struct listen_inherited *inherited, const char *text);

/* Closes what nobody took. */
void listen_inherited_free(struct listen_inherited *inherited);

/* The text for the environment, from the heap. */
char *listen_inheritable(const struct config *config);

/* In the child that is about to become the new program: lets the descriptors live through it. */
void listen_survive_exec(const struct config *config);

/* ---- Between listen.c and listen_socket.c: one socket --------------------------------------- */

/* A socket that is bound and listens; -1 with errno, and *call the name of what failed. */
int listen_socket_open(const struct listen_socket *s, const char **call);

/* Sets what may be set on a socket that is in use, the length of its queue too. */
void listen_socket_apply(const struct listen_socket *s, int fd);

/* Is fd, which somebody else opened, bound to the address of s? */
bool listen_socket_is(const struct listen_socket *s, int fd);

#endif
