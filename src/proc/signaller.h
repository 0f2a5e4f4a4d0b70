/*
 * signaller.h - "-s": a process that tells a running master what to do.
 */
#ifndef SLV_SIGNALLER_H
#define SLV_SIGNALLER_H

#include "core/config.h"

/*
 * word: stop, quit, reopen or reload. A reload waits for its outcome where wait is true and the
 * master has a control socket. Returns the exit status.
 */
int signaller_run(const struct config *config, const char *word, bool wait);

#endif
