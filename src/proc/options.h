/*
 * options.h - the command line, as nginx's.
 */
#ifndef SLV_OPTIONS_H
#define SLV_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct options {
    bool help, version, configure; /* -? -h, -v, -V */
    bool test, dump, quiet;        /* -t, -T, -q */
    const char *nginx;             /* --nginx: a file of nginx that is to be looked through */
    bool no_wait;                  /* --no-wait: "-s reload" does not wait for the outcome */
    char *const *ctl;              /* the words behind "ctl", ended by NULL; NULL: not given */
    const char *signal;            /* -s: one of stop, quit, reopen, reload; or NULL */
    const char *prefix;            /* -p -c -g -e as written; NULL: not given */
    const char *file;
    const char *globals;
    const char *error_log;
};

/* Room for the message about a mistake. */
#define OPTIONS_WHY_MAX 256

/* Reads the arguments; the texts stay the caller's. 0; -1 with a message in why. */
int options_parse(struct options *o, int argc, char *const argv[], char why[OPTIONS_WHY_MAX]);

/* Version and help, as far as they were asked for. */
void options_show(const struct options *o, FILE *out);

/*
 * Paths from the heap, as the configuration will see them: the prefix with a '/' at its end; the
 * main file; the file for the error log until there is a configuration (NULL: standard error).
 */
char *options_prefix(const struct options *o);
char *options_file(const struct options *o, const char *prefix);
char *options_error_log(const struct options *o, const char *prefix);

#endif
