/*
 * pack.h - selvage-pack: makes images without a server, and looks at them.
 *
 * The images are made by the server's own code (config_load(), image_build()), so that an answer
 * packed here and one built by a server are the same bytes.
 */
#ifndef SLV_PACK_H
#define SLV_PACK_H

#include "core/config.h"
#include "core/snapshot.h"

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses. */
enum { PACK_GOOD, PACK_FAILED, PACK_USAGE };
/* And those of --diff. */
enum { PACK_SAME, PACK_DIFFERENT, PACK_TROUBLE };

/* Texts of an option that may be repeated; views of the arguments. */
struct pack_texts {
    const char **list;
    size_t count;
};

/* What the command line says; NULL: not given. */
struct pack_options {
    const char *output, *prefix;
    const char *config, *host;     /* the image of a virtual host */
    const char *directory;         /* or of a directory, with these settings */
    const char *types, *charset, *index, *max_file, *max_size, *threads;
    struct pack_texts error_pages, directives;
    char *const *images;           /* files to look at */
    size_t image_count;
    bool quiet, json;
};

/* A message on standard error that begins with the program's name. */
void pack_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- pack_conf.c: from options to a host ----------------------------------------------------- */

/* Loads the configuration that the options name or amount to; NULL after saying why not. */
struct config *pack_configure(const struct pack_options *o);

/* The host whose image is meant; NULL after saying why there is none. */
struct server *pack_host(const struct pack_options *o, const struct config *config);

/* ---- pack_progress.c: what people see meanwhile ---------------------------------------------- */

struct pack_progress;

/*
 * Begins to show on standard error how far a build is: a bar on a terminal, else a line a second.
 * total: files to come, 0: not known. quiet: shows nothing. The result goes back with
 * pack_progress_end(), which shows the summary of a build that was good.
 */
struct pack_progress *pack_progress_begin(uint64_t total, bool quiet);
void pack_progress_end(struct pack_progress **progress, bool good);

/* Hooks of struct image_job; arg is the struct pack_progress. */
void pack_progress_said(void *arg, const char *line);
void pack_progress_added(void *arg, uint64_t size);

/* ---- pack_make.c, pack_inspect.c, pack_list.c: the tasks; each returns the exit status ------- */

int pack_make(const struct pack_options *o);
int pack_check(const struct pack_options *o);
int pack_diff(const struct pack_options *o);
int pack_list(const struct pack_options *o);

/* An image of a file, in memory, because nobody can promise that a file stays as it is. */
struct pack_image {
    void *base;
    struct snapshot snapshot;
};

/* Reads an image and checks it whole. 0; or -1 after saying why. */
int pack_image_read(const char *path, struct pack_image *out);
void pack_image_free(struct pack_image *image);

/* Writes a text to standard output; control characters and backslashes as \xHH. */
void pack_put_escaped(struct str text);

#endif
