/*
 * report.h - messages about a configuration, for people at a terminal.
 */
#ifndef SLV_REPORT_H
#define SLV_REPORT_H

#include "core/conf.h"

/* conf_report.write: the message to the default log or standard error, the detail behind it. */
void report_plain(void *arg, enum slv_level level, const char *text, const char *detail);

#endif
