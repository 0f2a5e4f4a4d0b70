/*
 * watch.h - noticing changes in directory trees, by inotify(7).
 *
 * A path is watched together with everything on the way to it, so that it may be made, replaced or
 * be a symbolic link that is turned to another directory; and with everything below it, directories
 * to come included. What is told is only that something has changed: whoever wants to know what
 * looks for himself, and does not depend on events that were lost.
 */
#ifndef SLV_WATCH_H
#define SLV_WATCH_H

#include <stdbool.h>

struct watch;

/* NULL with errno. */
struct watch *watch_new(void);
void watch_free(struct watch **w);

/* Readable when there is something for watch_read(). */
int watch_fd(const struct watch *w);

/*
 * Watches an absolute path (a directory or a file, which need not be there) for a key. Several
 * paths may have one key.
 */
void watch_add(struct watch *w, unsigned key, const char *path);

/*
 * Takes what has happened: calls changed(arg, key), for one key perhaps several times. Directories
 * that are new are watched from now on.
 */
void watch_read(struct watch *w, void (*changed)(void *arg, unsigned key), void *arg);

/* Some directories could not be watched, because the system's limit is reached. */
bool watch_incomplete(const struct watch *w);

/*
 * How many times a directory on the way to a path could not be watched, because it cannot be read:
 * what is turned or made there goes unseen.
 */
unsigned long watch_blind(const struct watch *w);

/* Directories that are watched. */
unsigned long watch_count(const struct watch *w);

#endif
