/*
 * master.h - the process that owns sockets, configuration and workers.
 *
 * It reads no byte that a visitor has sent and trusts no worker. It has no event loop, so that a
 * fork has nothing to undo: it waits in one poll(2) for signals, channels and the control socket,
 * with the next deadline as its limit.
 */
#ifndef SLV_MASTER_H
#define SLV_MASTER_H

#include "core/config.h"

struct listen_inherited;

/*
 * Runs the server until it is told to end; the exit status. args: the command line, for ps(1) and
 * for the next binary. error_log: a path, or NULL for standard error, until the configuration
 * says more.
 */
int master_run(const struct config_source *source, char *const args[], const char *error_log);

#endif
