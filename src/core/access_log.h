/*
 * access_log.h - the access log: formats compiled once, lines written in batches.
 *
 * A line goes out in one write(2), alone or with others; no line is ever cut in two by a full
 * buffer. What a worker has buffered belongs to that worker; before it ends, and before log files
 * are opened anew, it calls access_log_flush(…, true). config_free() writes out what is left.
 */
#ifndef SLV_ACCESS_LOG_H
#define SLV_ACCESS_LOG_H

#include "core/config.h"

/* All access logs and formats of a configuration: config->access_logs, made with the first. */
struct access_log;

/*
 * What "access_log" made of a block: a list of destinations, or none (off). Field type of the
 * core's conf struct: struct access_logs *.
 */
struct access_logs;

/*
 * access_log path [format [buffer=] [flush=] [if=]] | off; repeats.
 * log_format name [escape=default|json|none] text …; repeats, has no field.
 */
slv_setter access_log_directive, access_log_format_directive;

/*
 * What a server logs that names no access_log at all: the file in the "combined" format; a
 * relative path is below the prefix. Not a fallback of the directive's table, because that would
 * open the file even where nobody wants it.
 */
struct access_logs *access_log_default(struct slv_conf *cf, struct str path);

/* Writes the request's line to each destination. Called once per exchange, when all is over. */
void access_log_request(struct slv_request *r, const struct access_logs *logs);

/*
 * Writes out what is buffered and older than its flush time; all = everything (exit, reopen). now
 * is CLOCK_MONOTONIC in milliseconds.
 */
void access_log_flush(const struct config *config, ms_t now, bool all);

/* When something buffered is due, or MS_NEVER. May change with every request; costs nothing. */
ms_t access_log_due(const struct config *config);

/* ---- Shared by access_log.c and access_log_format.c ----------------------------------------- */

struct access_format;

/* The format of that name; NULL: there is none. */
const struct access_format *access_format_find(struct slv_conf *cf, struct str name);

/* The list of formats hangs here. */
struct access_format **access_log_formats(struct slv_conf *cf);

/* A line for a request, its newline included, in slv_alloc() memory. */
struct str access_format_line(struct slv_request *r, const struct access_format *format);

#endif
