/*
 * control.h - the control socket: somebody asks for a reload and is told how it went.
 *
 * A unix stream socket beside the pid file, for the owner of the master only. Lines, each ended
 * by a newline:
 *
 *   reload                       the only question
 *   progress TEXT                what is being done
 *   emerg TEXT, warn TEXT        a message about the configuration
 *   detail TEXT                  a line that belongs to the message before
 *   ok generation N              the end: all workers of that generation serve
 *   error TEXT                   the end: refused, the old generation goes on
 *
 * The master never waits for a client: what a client does not read in time is lost with the client.
 */
#ifndef SLV_CONTROL_H
#define SLV_CONTROL_H

#include "proc/pollset.h"

/* Behind the name of the pid file. */
#define CONTROL_SUFFIX ".ctl"

struct control;

/*
 * Opens the socket beside a pid file. NULL after logging; *in_use is true where another master
 * answers there. asked(arg) is called when a client wants a reload.
 */
struct control *control_open(const char *pid_path, bool *in_use, void (*asked)(void *arg),
                             void *arg);

/* Ends all clients with "error why" and removes the socket. */
void control_close(struct control **control, const char *why);

/* In a forked child: closes the descriptors and leaves everything else. control may be NULL. */
void control_forget(const struct control *control);

/* The pid file has another name now. */
void control_move(struct control *control, const char *pid_path);

/* Adds what it waits for. */
void control_poll(struct control *control, struct pollset *p);

/* Frees clients that have gone; outside of callbacks. */
void control_sweep(struct control *control);

/* A reload begins: those who have asked so far are told about this one. */
void control_begin(struct control *control);

/* Those who have asked since then are told that there will be no reload. */
void control_refuse(struct control *control, const char *why);

/* A line for those who are told about the reload in hand. word: see above. */
void control_say(struct control *control, const char *word, const char *text);

/* The last line: "ok" or "error". */
void control_end(struct control *control, const char *word, const char *text);

/* ---- The other side ------------------------------------------------------------------------- */

/* Connects to the socket beside a pid file. The descriptor, or -1 with errno. */
int control_connect(const char *pid_path);

#endif
