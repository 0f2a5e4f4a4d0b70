/*
 * pidfile.h - the file that says which process is the master.
 */
#ifndef SLV_PIDFILE_H
#define SLV_PIDFILE_H

#include <sys/types.h>

/* Behind the name while a binary upgrade is going on. */
#define PIDFILE_OLD ".oldbin"

/* Writes this process's id. 0, or -1 after logging. */
int pidfile_write(const char *path);

/* Removes the file if it is still this process that it names. */
void pidfile_remove(const char *path);

/* The process that the file names; -1 after logging as nginx does. */
pid_t pidfile_read(const char *path);

#endif
