/*
 * ctl.h - "selvage ctl": a command for a running server.
 */
#ifndef SLV_CTL_H
#define SLV_CTL_H

#include "core/config.h"

/*
 * Sends the words (ended by NULL) to the server of that configuration, of which the prefix must be
 * set and end with '/', and shows what it says. A
 * configuration that cannot be read is no reason not to talk to the server that runs. The exit
 * status: 0 done, 1 refused or nobody there, 2 not a command.
 */
int ctl_run(const struct config_source *source, char *const words[]);

#endif
