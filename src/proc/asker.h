/*
 * asker.h - asking a running master by its control socket: what "-s reload" and "ctl" have in
 * common.
 */
#ifndef SLV_ASKER_H
#define SLV_ASKER_H

#include <selvage/str.h>

#include <stdbool.h>

/*
 * Asks, shows what is said, and waits for the end: true, and *status is one to exit with. refused
 * stands before the reason if it is "no". False with errno: no master answers beside that pid file.
 */
bool asker_ask(const char *pid_path, const char *question, const char *refused, int *status);

/* The same for a question that data belongs to, which is sent when it is asked for. */
bool asker_ask_with(const char *pid_path, const char *question, struct str data,
                    const char *refused, int *status);

#endif
