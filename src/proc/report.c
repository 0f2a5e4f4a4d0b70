/*
 * report.c - messages about a configuration, for people at a terminal.
 */
#include "proc/report.h"

#include "base/log.h"

void report_plain(void *arg, enum slv_level level, const char *text, const char *detail)
{
    (void)arg;
    log_line(NULL, NULL, level, 0, "%s", text);
    fputs(detail, stderr);
}
