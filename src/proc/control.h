/*
 * control.h - the control socket: somebody asks the master for something and is told how it went.
 *
 * A unix stream socket beside the pid file, for the owner of the master only. The client sends one
 * line, the master answers with lines; each begins with a word and ends with a newline:
 *
 *   progress TEXT                what is being done
 *   emerg TEXT, warn TEXT        a message about the configuration
 *   detail TEXT                  a line that belongs to the message before
 *   print TEXT                   a line of what was asked for
 *   send TEXT                    the client may send the data that belongs to its question
 *   ok TEXT                      the end: it is done
 *   error TEXT                   the end: it is not, and why
 *
 * Which questions there are is for command.c to know. Some are answered at once; others wait for a
 * topic, of which there is one thing in hand at a time: those who come while it is being done wait
 * for the next.
 *
 * The master never waits for a client: what a client does not read in time is lost with the client,
 * one that has not asked after 5 s is sent away, and who comes when all seats are taken is told so.
 */
#ifndef SLV_CONTROL_H
#define SLV_CONTROL_H

#include "proc/pollset.h"

#include <selvage/str.h>

/* Behind the name of the pid file. */
#define CONTROL_SUFFIX ".ctl"

/* Room for a question, NUL included. */
#define CONTROL_QUESTION_MAX 4096

struct control;
struct control_client;

enum control_topic { TOPIC_RELOAD, TOPIC_PUBLISH };

/* A whole line has come; to be answered now, or by control_wait(). */
typedef void control_asked(void *arg, struct control_client *client, const char *question);

/*
 * Opens the socket beside a pid file. NULL after logging; *in_use is true where another master
 * answers there.
 */
struct control *control_open(const char *pid_path, bool *in_use, control_asked *asked, void *arg);

/* Ends all clients with "error why" and removes the socket. */
void control_close(struct control **control, const char *why);

/* In a forked child: closes the descriptors and leaves everything else. control may be NULL. */
void control_forget(const struct control *control);

/* The pid file has another name now. */
void control_move(struct control *control, const char *pid_path);

/* Adds what it waits for. */
void control_poll(struct control *control, struct pollset *p);

/* When a client's time to ask is over; MS_NEVER: all have asked. */
ms_t control_deadline(const struct control *control);

/* Ends clients whose time is over and frees those that have gone; outside of callbacks. */
void control_sweep(struct control *control);

/* ---- One client ----------------------------------------------------------------------------- */

/* Sends it a line. */
void control_tell(struct control_client *client, const char *word, const char *text);

/* Sends it the last line: "ok" or "error". */
void control_dismiss(struct control_client *client, const char *word, const char *text);

/* It wants to hear about the next thing of that topic, as far as a host goes (.p NULL: all). */
void control_wait(struct control_client *client, enum control_topic topic, struct str host);

/* It wants to hear about the one in hand. */
void control_join(struct control_client *client, enum control_topic topic, struct str host);

/* Leaves it to another process: its connection, which the caller closes; -1: it has gone. */
int control_hand_over(struct control_client *client);

/* ---- All who wait for a topic --------------------------------------------------------------- */

/* It begins: those who have asked so far are told about this one. */
void control_begin(struct control *control, enum control_topic topic);

/* A line for those who are told about the one in hand. */
void control_say(struct control *control, enum control_topic topic, const char *word,
                 const char *text);

/* A host went wrong: to those of them who asked for it, the last line will be "error text". */
void control_fail(struct control *control, enum control_topic topic, struct str host,
                  const char *text);

/* The last line for them. */
void control_end(struct control *control, enum control_topic topic, const char *word,
                 const char *text);

/* There will be no next one: the last line for those who wait for it. */
void control_cancel(struct control *control, enum control_topic topic, const char *word,
                    const char *text);

/* It is not done after all, but will be: they wait for the next one. */
void control_requeue(struct control *control, enum control_topic topic);

/* ---- The other side ------------------------------------------------------------------------- */

/* Connects to the socket beside a pid file. The descriptor, or -1 with errno. */
int control_connect(const char *pid_path);

#endif
