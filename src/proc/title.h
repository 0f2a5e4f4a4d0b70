/*
 * title.h - what ps(1) shows of a process.
 */
#ifndef SLV_TITLE_H
#define SLV_TITLE_H

/*
 * Makes room: the environment moves away from behind the arguments. Call once, before anything
 * keeps pointers into the environment; argv must not be read by its old pointers after
 * title_set().
 */
void title_init(int argc, char **argv);

/* "selvage: " and the text, cut at the room there is. */
void title_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
