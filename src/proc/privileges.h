/*
 * privileges.h - what a process that serves visitors may not do.
 */
#ifndef SLV_PRIVILEGES_H
#define SLV_PRIVILEGES_H

#include "core/config.h"

/*
 * Lets this process, and those that it forks, have as many files open as it may allow itself: the
 * master has some for each host with an image.
 */
void privileges_raise_files(void);

/* Limits, then group and user, then no way back. 0, or -1 after logging. */
int privileges_drop(const struct process_conf *process);

#endif
