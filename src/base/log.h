/*
 * log.h - the error log, and the files that logs are written to.
 *
 * Lines look as nginx's do, so that the tools that read them work:
 *   2026/11/21 10:15:20 [error] 4711#4711: *12 open() "/x" failed (2: …), client: …
 *
 * Log files are opened by the master and inherited; a worker never opens one by name. On reopening
 * (USR1) the master opens the path again and the new file is put under the same descriptor
 * number, in the master and, by way of its channel, in every worker.
 */
#ifndef SLV_LOG_H
#define SLV_LOG_H

#include <selvage/module.h>

#include "base/list.h"

#include <stdarg.h>

/* A file that lines are appended to. Equal paths share one. Lives as long as the process. */
struct log_file {
    struct link link;
    char *path;                    /* absolute; NULL: standard error */
    int fd;                        /* -1 while it is not open */
    unsigned users;                /* configurations that name it */
};

/* Where error log lines of one level and above go. A list: all that match get the line. */
struct log {
    struct log *next;
    enum slv_level level;
    struct log_file *file;
};

/* What a line says of the work in hand, behind the message: ", client: …, server: …". */
struct log_context {
    uint64_t number;               /* of the connection, for "*12"; 0: none */
    size_t (*describe)(void *arg, char *buf, size_t size);
    void *arg;
};

/* The file for a path; NULL means standard error. Not opened yet. Counts one user. */
struct log_file *log_file_get(const char *path);

/* One user less; the file is closed with the last one. */
void log_file_drop(struct log_file *f);

/* Opens what is not open. 0, or -1 with errno and *failed set to the file. */
int log_files_open(struct log_file **failed);

/*
 * Opens every file anew at its path and puts it under the descriptor that it has; owner (uid,
 * gid) is given to new files when uid is not -1. A file that cannot be opened keeps the old one.
 * Calls reopened(fd) for each that changed.
 */
void log_files_reopen(int uid, int gid, void (*reopened)(int fd));

/* Calls each(fd) for every open log file. */
void log_files_each(void (*each)(int fd));

/* The log of everything that has no configuration of its own. NULL: standard error from WARN on. */
void log_set_default(const struct log *log);

/*
 * What lines on standard error begin with, as a program is called: "selvage". A constant; it may
 * hold what clears a line of the terminal first.
 */
void log_set_name(const char *name);

/*
 * Also write lines at least this important to standard error (a server in the foreground). 0:
 * none.
 */
void log_set_stderr(enum slv_level level);

/* True where a line of that level would be written somewhere. */
bool log_wants(const struct log *log, enum slv_level level);

/*
 * Writes one line; error is an errno value or 0. log NULL: the default. context may be NULL.
 * Control bytes in the text are written as \xHH, so that no peer can forge a line.
 */
void log_line(const struct log *log, const struct log_context *context, enum slv_level level,
              int error, const char *format, ...) __attribute__((format(printf, 5, 6)));
void log_vline(const struct log *log, const struct log_context *context, enum slv_level level,
               int error, const char *format, va_list args) __attribute__((format(printf, 5, 0)));

/* To the default log, without context. */
#define log_emerg(...) log_line(NULL, NULL, SLV_LOG_EMERG, __VA_ARGS__)
#define log_alert(...) log_line(NULL, NULL, SLV_LOG_ALERT, __VA_ARGS__)
#define log_error(...) log_line(NULL, NULL, SLV_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(NULL, NULL, SLV_LOG_WARN, __VA_ARGS__)
#define log_notice(...) log_line(NULL, NULL, SLV_LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(NULL, NULL, SLV_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(NULL, NULL, SLV_LOG_DEBUG, __VA_ARGS__)

/* "emerg" … "debug" -> level; 0 for an unknown word. */
enum slv_level log_level_of(struct str word);

#endif
