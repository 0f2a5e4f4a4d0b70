/*
 * logs.h - where lines go that are nobody's in particular.
 */
#ifndef SLV_LOGS_H
#define SLV_LOGS_H

#include "core/config.h"

/* Lines go to this file (NULL: standard error) until there is a configuration. */
void logs_begin(const char *path);

/* Lines go where this configuration says. config NULL: to standard error. */
void logs_use(const struct config *config);

/* Opens what the configuration names. 0, or -1 after logging, with the reason in why. */
int logs_open(char *why, size_t size);

/* Standard error becomes the error log's first file, if that is a file. */
void logs_take_stderr(const struct config *config);

#endif
