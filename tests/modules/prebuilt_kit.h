/*
 * prebuilt_kit.h - what the tests of the module prebuilt share: files in a directory of the test's
 * own, a configuration whose root is "www" in it, its image, and requests in bytes.
 *
 * The images are built in this process. Requests go through the HTTP/1 adapter as they do in a
 * worker; what comes out is compared as text.
 */
#ifndef PREBUILT_KIT_H
#define PREBUILT_KIT_H

#include "conn/conn.h"
#include "core/images.h"

#define MTIME 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

extern char dir[64];               /* of the test; owns all files below it */
extern struct config *config;      /* the one at hand */
extern char reply[512 * 1024];    /* of the last request */
extern size_t reply_size;

/* Of suites: makes the directory and the files that most tests use; removes all of it. */
int set_up(void);
int tear_down(void);

/* Writes a file below the test's directory, with the time MTIME. */
void put_bytes(const char *name, const void *data, size_t size);
void put(const char *name, const char *text);

/* 20,000 bytes of text that compress well. */
const char *long_text(void);

/* Loads a configuration whose server block has these lines; NULL where it is refused. */
struct config *load(const char *server);

/* Drops the configuration at hand. */
void drop(void);

/* Makes the images of a configuration, as master and builder do. What images_build() returned. */
int make_images(struct config *c);

/* Loads, builds and maps. Returns what images_build() did. */
int serve(const char *server);

/* What one build has made, checked whole. Given back with unmake(). */
struct made {
    void *base;                    /* NULL: nothing, because nothing has changed */
    size_t size;
    int fd;
    struct snapshot snapshot;
    bool unchanged;
    uint64_t put_off;
};

/* Builds an image for the host of the configuration at hand. 0, or -1 where it failed. */
int make(struct made *m, const struct made *previous, bool same_config, enum image_effort effort);
void unmake(struct made *m);

/* Threads that were started, files opened and bodies compressed since the last make(). */
extern unsigned threads_started, files_read, compressed;
extern bool no_threads;            /* refuse them */
extern int64_t clock_ahead;        /* seconds by which the clock is before that of the files */

/* A connection to the server, and bytes sent on it. */
struct conn *connect_to(void);
void exchange_bytes(struct conn *c, const char *text);

/* One request with some header fields; returns the status. */
int ask(const char *method, const char *path, const char *fields);
int get(const char *path, const char *fields);

/* The value of a field of the reply; NULL where it has none. The field has that value. */
const char *field(const char *name);
bool says(const char *name, const char *value);

/* The body of the reply; with its coding undone it is that text. */
struct str body(void);
bool decodes_to(const char *text);

/* The answer came from an image: its entity-tag is a hash, where that of static has a dash. */
bool from_image(void);

#endif
