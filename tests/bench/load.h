/*
 * load.h - the parts of the load generator: what is sent, what is checked, what is counted.
 */
#ifndef SELVAGE_BENCH_LOAD_H
#define SELVAGE_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HEAD_MAX 8192
#define SECOND UINT64_C(1000000000)
/* A page that tells its generation is this line, again and again. */
#define LINE_SIZE 64

struct target {
    const char *p;
    size_t len;
};

/* load_stats.c: figures and errors. */

/* The figures of the phase that runs. */
struct stats {
    uint64_t done, errors, reopened, resumed, latency_max;
    uint64_t generation;        /* the newest seen */
};

extern struct stats stats;

/* The monotonic clock in nanoseconds. */
uint64_t now_ns(void);

/* Says why and ends with status 1. */
void die(const char *what) __attribute__((noreturn));

/* Counts errors and keeps the text of the first. */
void fail(uint64_t n, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Counts an answer that took so long. */
void stats_answer(uint64_t ns);

/* Forgets all figures but the errors. */
void stats_reset(void);

/* Prints one line of JSON. */
void stats_print(double seconds, size_t head_bytes);

/* load_io.c: how bytes get to the server. */

struct io;

/* Connections speak TLS, 1.3 or 1.2; resume: with a ticket where the server has sent one. */
void io_setup(bool tls12, bool resume);

/* A connection's TLS, or NULL where it is plain. */
struct io *io_open(int fd);
void io_close(struct io **io);

/* As send() and recv(); EAGAIN where TLS waits. */
ssize_t io_send(struct io *io, int fd, const char *p, size_t len);
ssize_t io_recv(struct io *io, int fd, char *p, size_t room);

/* What could not be sent waits for bytes of the server, not for room. */
bool io_waits_for_server(const struct io *io);

/* load_request.c: what is sent. */

/* Reads the request, and the targets to choose from where there is a file of them. */
void requests_read(const char *path, const char *targets, size_t pipeline);

/* Gives the bytes of `n` requests, in *own where each has a target of its own; the last of these
 * is stored in *target. The bytes are valid until the next call with the same *own. */
size_t requests_make(char **own, size_t n, const char **bytes, struct target *target);

/* load_check.c: pages that say which generation of a site they belong to. */

/* What is known of the page being read, and of those before it on the same connection. */
struct check {
    uint64_t generation;        /* of the last page; they must not go back */
    size_t size;                /* of the page */
    size_t at;                  /* how much of it has been looked at */
    char line[LINE_SIZE];
    bool bad;                   /* it has been counted as an error */
};

/* Begins a page of `size` bytes. */
void check_begin(struct check *c, size_t size);

/* Looks at the next bytes of the page that was requested as `target`. */
void check_bytes(struct check *c, struct target target, const char *p, size_t len);

#endif
