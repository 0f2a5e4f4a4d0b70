/*
 * access_log.c - where the lines of the access log go, and when.
 */
#include "core/access_log.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/error_log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A file that cannot be written to is complained about this often. */
#define COMPLAINT_INTERVAL INT64_C(60000)

/* A file, and what waits to be written to it. All that name a path share one. */
struct destination {
    unsigned magic;
#define DESTINATION_MAGIC 0xacce55deu
    struct destination *next;
    struct access_log *all;
    struct log_file *file;
    size_t size;                   /* of the buffer; 0: every line at once */
    ms_t flush;                    /* longest time in the buffer; 0: until it is full */
    char *buffer;                  /* from the heap, in the worker; NULL until the first line */
    size_t used;
    ms_t due;                      /* when the buffer must be written; MS_NEVER */
    ms_t complained;               /* last time; 0: never */
};

struct access_log {
    unsigned magic;
#define ACCESS_LOG_MAGIC 0xacce5510u
    struct access_format *formats;
    struct destination *destinations;
    ms_t due;                      /* the earliest of all, or MS_NEVER */
};

/* One "access_log" of a block. */
struct access_entry {
    struct access_entry *next;
    struct destination *to;
    const struct access_format *format;
    struct slv_template *condition; /* NULL: always */
};

struct access_logs {
    unsigned magic;
#define ACCESS_LOGS_MAGIC 0xacce5515u
    bool off;
    struct access_entry *first, **end;
};

/* ---- Writing -------------------------------------------------------------------------------- */

/* Monotonic milliseconds. */
static ms_t monotonic_now(void)
{
    struct timespec t;

    AN(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (ms_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reports that bytes were lost, unless that was done a short while ago. */
static void complain(struct destination *d, int error, size_t left)
{
    ms_t now = monotonic_now();

    if (d->complained && now - d->complained < COMPLAINT_INTERVAL)
        return;
    d->complained = now;
    log_alert(error, "write() to \"%s\" failed, %zu bytes are lost", d->file->path, left);
}

/* Writes whole lines. A disk that takes only a part is asked once more for the rest. */
static void put(struct destination *d, const char *p, size_t n)
{
    ssize_t done;

    AN(n > 0 && p[n - 1] == '\n');
    if (d->file->fd < 0) {
        complain(d, EBADF, n);
        return;
    }
    while (n > 0) {
        done = write(d->file->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            complain(d, done < 0 ? errno : ENOSPC, n);
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

/* Finds the earliest time at which a buffer is due. */
static void find_due(struct access_log *log)
{
    CHECK_OBJ(log, ACCESS_LOG_MAGIC);
    log->due = MS_NEVER;
    for (const struct destination *d = log->destinations; d; d = d->next)
        if (d->due < log->due)
            log->due = d->due;
}

/* Writes the buffer out. */
static void flush(struct destination *d)
{
    CHECK_OBJ(d, DESTINATION_MAGIC);
    if (d->used > 0)
        put(d, d->buffer, d->used);
    d->used = 0;
    if (d->due != MS_NEVER) {
        d->due = MS_NEVER;
        find_due(d->all);
    }
}

/* Takes one line, newline included. */
static void take_line(struct destination *d, struct str line)
{
    CHECK_OBJ(d, DESTINATION_MAGIC);
    if (line.n > d->size - d->used)
        flush(d);
    if (line.n > d->size) {
        put(d, line.p, line.n);
        return;
    }
    if (!d->buffer)
        d->buffer = mem_alloc(d->size);
    if (d->used == 0 && d->flush) {
        d->due = monotonic_now() + d->flush;
        if (d->due < d->all->due)
            d->all->due = d->due;
    }
    memcpy(d->buffer + d->used, line.p, line.n);
    d->used += line.n;
    AN(d->used <= d->size);
}

/* Does the condition of an entry let the line through? "" and "0" do not. */
static bool is_wanted(struct slv_request *r, const struct access_entry *e)
{
    struct str value;

    if (!e->condition)
        return true;
    value = slv_template_text(r, e->condition);
    return value.n > 0 && !str_eq(value, STR("0"));
}

/* Writes the line of a request wherever it is wanted. */
void access_log_request(struct slv_request *r, const struct access_logs *logs)
{
    const struct access_format *made = NULL;
    struct str line = { NULL, 0 };

    if (!logs)
        return;
    CHECK_OBJ(logs, ACCESS_LOGS_MAGIC);
    if (logs->off)
        return;
    for (const struct access_entry *e = logs->first; e; e = e->next) {
        if (!is_wanted(r, e))
            continue;
        if (e->format != made) {
            line = access_format_line(r, e->format);
            made = e->format;
        }
        take_line(e->to, line);
    }
}

/* Writes out what is due, or everything. */
void access_log_flush(const struct config *config, ms_t now, bool all)
{
    struct access_log *log = config->access_logs;

    if (!log || (!all && log->due > now))
        return;
    CHECK_OBJ(log, ACCESS_LOG_MAGIC);
    for (struct destination *d = log->destinations; d; d = d->next)
        if (all || d->due <= now)
            flush(d);
}

/* Tells when access_log_flush() has something to do. */
ms_t access_log_due(const struct config *config)
{
    return config->access_logs ? config->access_logs->due : MS_NEVER;
}

/* ---- Configuration -------------------------------------------------------------------------- */

/* The end of a configuration: what is buffered still goes out. */
static void release_destination(void *object)
{
    struct destination *d;

    CAST_OBJ(d, object, DESTINATION_MAGIC);
    flush(d);
    free(d->buffer);
    d->magic = 0;
}

/* All access logs of the configuration that is being read. */
static struct access_log *all_of(struct slv_conf *cf)
{
    struct config *config;

    CAST_OBJ(config, cf->conf->owner, CONFIG_MAGIC);
    if (!config->access_logs) {
        config->access_logs = slv_conf_alloc(cf, sizeof *config->access_logs);
        config->access_logs->magic = ACCESS_LOG_MAGIC;
        config->access_logs->due = MS_NEVER;
    }
    CHECK_OBJ(config->access_logs, ACCESS_LOG_MAGIC);
    return config->access_logs;
}

/* Where the formats of a configuration hang. */
struct access_format **access_log_formats(struct slv_conf *cf)
{
    return &all_of(cf)->formats;
}

/* The destination for an absolute path. */
static struct destination *destination_for(struct slv_conf *cf, struct str path)
{
    struct access_log *all = all_of(cf);
    struct log_file *file = config_log_file(cf->conf->owner, path);
    struct destination *d = all->destinations;

    while (d && d->file != file)
        d = d->next;
    if (d)
        return d;
    d = slv_conf_alloc(cf, sizeof *d);
    *d = (struct destination){ .magic = DESTINATION_MAGIC, .next = all->destinations, .all = all,
                               .file = file, .due = MS_NEVER };
    all->destinations = d;
    /* Runs before the file is dropped, since that was registered first. */
    slv_conf_on_free(cf, release_destination, d);
    return d;
}

/* Puts an entry behind those of a block. */
static void add_entry(struct access_logs *logs, struct access_entry *e)
{
    *logs->end = e;
    logs->end = &e->next;
}

/* An empty list. */
static struct access_logs *new_logs(struct slv_conf *cf)
{
    struct access_logs *logs = slv_conf_alloc(cf, sizeof *logs);

    logs->magic = ACCESS_LOGS_MAGIC;
    logs->end = &logs->first;
    return logs;
}

/* Makes the log that holds where none was configured. */
struct access_logs *access_log_default(struct slv_conf *cf, struct str path)
{
    struct access_entry *e = slv_conf_alloc(cf, sizeof *e);
    struct access_logs *logs = new_logs(cf);

    e->to = destination_for(cf, slv_conf_path(cf, path, false));
    e->format = access_format_find(cf, STR("combined"));
    add_entry(logs, e);
    return logs;
}

/* Names what nginx has here and this server has not. 0, or -1 after an error. */
static int refuse_path(struct slv_conf *cf, struct str path)
{
    if (str_starts(path, STR("syslog:")))
        return slv_conf_error(cf, 1, "access_log to \"syslog:\" is not supported, name a file");
    if (path.n == 0)
        return slv_conf_error(cf, 1, "access_log needs a path");
    if (memchr(path.p, '$', path.n))
        return slv_conf_error(cf, 1, "variables in the path of access_log \"%.*s\" are not "
                              "supported, use one access_log per server", STR_ARG(path));
    return 0;
}

/* What the words behind the format ask for. */
struct access_options {
    int64_t size, flush;
    struct slv_template *condition;
};

/* Reads one word behind the format. 0, or -1 after an error. */
static int read_option(struct slv_conf *cf, size_t i, struct access_options *o)
{
    struct str word = slv_conf_arg(cf, i);

    if (str_starts(word, STR("buffer="))) {
        word = str_from(word, sizeof "buffer=" - 1);
        if (slv_parse_size(word, &o->size) != 0 || o->size <= 0 || o->size > INT64_C(1) << 30)
            return slv_conf_error(cf, i, "invalid buffer size \"%.*s\"", STR_ARG(word));
        return 0;
    }
    if (str_starts(word, STR("flush="))) {
        word = str_from(word, sizeof "flush=" - 1);
        if (slv_parse_ms(word, &o->flush) != 0 || o->flush <= 0)
            return slv_conf_error(cf, i, "invalid flush time \"%.*s\"", STR_ARG(word));
        return 0;
    }
    if (str_starts(word, STR("if="))) {
        o->condition = slv_template_compile(cf, i, str_from(word, sizeof "if=" - 1));
        return o->condition ? 0 : -1;
    }
    if (str_eq(word, STR("gzip")) || str_starts(word, STR("gzip=")))
        return slv_conf_error(cf, i, "access_log with \"gzip\" is not supported, logrotate can "
                              "compress");
    return slv_conf_error(cf, i, "invalid parameter \"%.*s\"", STR_ARG(word));
}

/*
 * Gives a destination the buffer that an entry asks for; entries of the same path that ask for
 * none use it too. 0, or -1 after an error.
 */
static int set_buffer(struct slv_conf *cf, struct destination *to, const struct access_options *o)
{
    struct str path = slv_conf_arg(cf, 1);

    if (o->flush && !o->size)
        return slv_conf_error(cf, 1, "no buffer is defined for access_log \"%.*s\"",
                              STR_ARG(path));
    if (!o->size)
        return 0;
    if (to->size && (to->size != (size_t)o->size || to->flush != o->flush))
        return slv_conf_error(cf, 1, "access_log \"%.*s\" already defined with conflicting "
                              "parameters", STR_ARG(path));
    to->size = (size_t)o->size;
    to->flush = o->flush;
    return 0;
}

/* access_log path [format [buffer=] [flush=] [if=]] | off */
int access_log_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct access_logs **field = (struct access_logs **)(void *)((char *)conf + d->offset);
    struct str path = slv_conf_arg(cf, 1), name = STR("combined");
    struct access_options o = { 0 };
    struct access_entry *e;

    AN(d->size == sizeof *field);
    if (!*field)
        *field = new_logs(cf);
    CHECK_OBJ(*field, ACCESS_LOGS_MAGIC);
    if (str_eq(path, STR("off"))) {
        (*field)->off = true;
        if (slv_conf_count(cf) == 2)
            return 0;
        return slv_conf_error(cf, 2, "invalid parameter \"%.*s\"", STR_ARG(slv_conf_arg(cf, 2)));
    }
    if (refuse_path(cf, path) != 0)
        return -1;
    e = slv_conf_alloc(cf, sizeof *e);
    if (slv_conf_count(cf) > 2)
        name = slv_conf_arg(cf, 2);
    e->format = access_format_find(cf, name);
    if (!e->format)
        return slv_conf_error(cf, 2, "unknown log format \"%.*s\"", STR_ARG(name));
    for (size_t i = 3; i < slv_conf_count(cf); i++)
        if (read_option(cf, i, &o) != 0)
            return -1;
    e->condition = o.condition;
    e->to = destination_for(cf, slv_conf_path(cf, path, false));
    if (set_buffer(cf, e->to, &o) != 0)
        return -1;
    add_entry(*field, e);
    return 0;
}
