/*
 * notify.h - telling a service manager how it goes: sd_notify(3), without its library.
 *
 * The master alone speaks. It says nothing where NOTIFY_SOCKET is not set, and a manager that does
 * not listen is no reason to stop. The words stay in the environment, because after an upgrade the
 * new binary speaks by the same socket.
 */
#ifndef SLV_NOTIFY_H
#define SLV_NOTIFY_H

#include "base/wheel.h"

#include <stdbool.h>
#include <sys/types.h>

/* Room for a message. */
#define NOTIFY_MAX 1024

/* Reads where the manager listens and how often it wants to hear. Once, before anything else. */
void notify_begin(void);

/* Sends lines such as "READY=1\nSTATUS=...", made as by printf(3). */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Somebody listens. */
bool notify_heard(void);

/* The time, as RELOADING=1 wants it. */
unsigned long long notify_usec(void);

/* ---- Watchdog ------------------------------------------------------------------------------- */

/* When the manager has to hear again that this process is alive; MS_NEVER: it does not care. */
ms_t notify_due(void);

/* Lets half of the manager's patience pass until the next time. */
void notify_beaten(void);

/* ---- Binary upgrade ------------------------------------------------------------------------- */

/* In the child that is about to become the new program: what the manager says to it, too. */
void notify_survive_exec(void);

#endif
