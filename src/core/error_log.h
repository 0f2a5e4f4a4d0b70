/*
 * error_log.h - the error log of a configuration, and of a request.
 */
#ifndef SLV_ERROR_LOG_H
#define SLV_ERROR_LOG_H

#include "core/config.h"

/*
 * error_log file|stderr [level]; repeats. Field type of the conf struct: struct log *, a list in
 * config memory. main, http, server, location.
 */
slv_setter error_log_directive;

/*
 * One log for a path (.p NULL: standard error) and a level, in config memory: what holds where no
 * error_log is given. The path is absolute.
 */
struct log *error_log_new(struct config *config, struct str path, enum slv_level level);

/*
 * The file for an absolute path (.p NULL: standard error), counted once as used by this
 * configuration and listed in config->log_files. It is dropped with config->arena.
 */
struct log_file *config_log_file(struct config *config, struct str path);

/*
 * Writes a line with what is known of the request behind it, to the log of its location. The
 * engine of slv_log(). r NULL: the default log, without context. errno is left as it was.
 */
void error_log_request(const struct slv_request *r, enum slv_level level, int error,
                       const char *format, va_list args) __attribute__((format(printf, 4, 0)));

#endif
