/*
 * error_log.c - the error log of a configuration, and of a request.
 */
#include "core/error_log.h"

#include "base/mem.h"
#include "conn/conn.h"
#include "core/core_conf.h"
#include "core/server.h"

#include <stdlib.h>


/* ---- What a line says of its request -------------------------------------------------------- */

/* A text that is being put together in a buffer. */
struct words {
    char *buf;
    size_t used, size;
};

/* Adds a text, as far as there is room. */
static void add(struct words *w, struct str s)
{
    size_t n = w->size - w->used < s.n ? w->size - w->used : s.n;

    if (n)
        memcpy(w->buf + w->used, s.p, n);
    w->used += n;
    AN(w->used <= w->size);
}

/*
 * Adds a label and a value in quotes. Quotes inside become \x22: what bans clients by these lines
 * must not take a part of a value for another "client:".
 */
static void add_quoted(struct words *w, struct str label, struct str value)
{
    const char *quote;

    add(w, label);
    add(w, STR("\""));
    while (value.n && (quote = memchr(value.p, '"', value.n))) {
        add(w, (struct str){ value.p, (size_t)(quote - value.p) });
        add(w, STR("\\x22"));
        value = str_from(value, (size_t)(quote - value.p) + 1);
    }
    add(w, value);
    add(w, STR("\""));
}

/* ", client: …, server: …, request: …, host: …, referrer: …", each where it is known. */
static size_t describe(void *arg, char *buf, size_t size)
{
    const struct slv_request *r = arg;
    const struct exchange *x = exchange_of(r);
    struct words w = { buf, 0, size };
    char address[ADDR_TEXT_MAX];
    struct str value;

    if (x->conn) {
        const struct addr *client = x->app ? context_of(r)->client : &x->conn->peer;

        add(&w, STR(", client: "));
        add(&w, (struct str){ address, addr_text(client, address) });
    }
    if (x->app && context_of(r)->server) {
        add(&w, STR(", server: "));
        add(&w, server_name(context_of(r)->server));
    }
    if (r->line.n)
        add_quoted(&w, STR(", request: "), r->line);
    value = slv_header_in(r, SLV_H_HOST);
    if (value.p)
        add_quoted(&w, STR(", host: "), value);
    value = slv_header_in(r, SLV_H_REFERER);
    if (value.p)
        add_quoted(&w, STR(", referrer: "), value);
    return w.used;
}

/* Writes a line about a request to the log of its location. */
void error_log_request(const struct slv_request *r, enum slv_level level, int error,
                       const char *format, va_list args)
{
    struct log_context context = { .describe = describe };
    const struct exchange *x;
    const struct log *log = NULL;

    if (!r) {
        log_vline(NULL, NULL, level, error, format, args);
        return;
    }
    x = exchange_of(r);
    context.arg = (void *)(uintptr_t)r;
    context.number = x->conn ? x->conn->number : 0;
    if (x->app && context_of(r)->core)
        log = core_error_log(context_of(r)->core);
    log_vline(log, &context, level, error, format, args);
}

/* ---- Configuration -------------------------------------------------------------------------- */

/* Whose files are to be dropped; config itself has no magic any more when its arena goes. */
struct file_owner {
    unsigned magic;
#define FILE_OWNER_MAGIC 0xf11e0f11u
    struct config *config;
};

/* The end of a configuration: its files lose a user. */
static void release_files(void *object)
{
    struct file_owner *owner;
    struct config *config;

    CAST_OBJ(owner, object, FILE_OWNER_MAGIC);
    config = owner->config;
    for (size_t i = 0; i < config->log_file_count; i++)
        log_file_drop(config->log_files[i]);
    free(config->log_files);
    config->log_files = NULL;
    config->log_file_count = 0;
}

/* Sees to it that the files are dropped with the configuration's memory. */
static void own_files(struct config *config)
{
    struct file_owner *owner = arena_zalloc(&config->arena, sizeof *owner);

    *owner = (struct file_owner){ .magic = FILE_OWNER_MAGIC, .config = config };
    arena_on_free(&config->arena, release_files, owner);
}

/* Finds a file and notes that this configuration uses it. */
struct log_file *config_log_file(struct config *config, struct str path)
{
    struct log_file *file;

    CHECK_OBJ(config, CONFIG_MAGIC);
    file = log_file_get(path.p ? arena_cstr(&config->arena, path) : NULL);
    for (size_t i = 0; i < config->log_file_count; i++)
        if (config->log_files[i] == file) {
            log_file_drop(file);
            return file;
        }
    if (!config->log_files)
        own_files(config);
    config->log_files = mem_resize(config->log_files, config->log_file_count + 1,
                                   sizeof *config->log_files);
    config->log_files[config->log_file_count++] = file;
    return file;
}

/* Makes a log of one file. */
struct log *error_log_new(struct config *config, struct str path, enum slv_level level)
{
    struct log *log = arena_zalloc(&config->arena, sizeof *log);

    *log = (struct log){ .level = level, .file = config_log_file(config, path) };
    return log;
}

/* error_log file|stderr [level] */
int error_log_directive(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct log **field = (struct log **)(void *)((char *)conf + d->offset);
    struct str name = slv_conf_arg(cf, 1);
    enum slv_level level = SLV_LOG_ERROR;

    AN(d->size == sizeof *field);
    if (str_starts(name, STR("syslog:")) || str_starts(name, STR("memory:")))
        return slv_conf_error(cf, 1, "error_log to \"%.*s:\" is not supported, name a file or "
                              "\"stderr\"", 6, name.p);
    if (name.n == 0)
        return slv_conf_error(cf, 1, "error_log needs a path");
    if (slv_conf_count(cf) > 3)
        return slv_conf_error(cf, 3, "duplicate log level \"%.*s\"", STR_ARG(slv_conf_arg(cf, 3)));
    if (slv_conf_count(cf) > 2) {
        level = log_level_of(slv_conf_arg(cf, 2));
        if (!level)
            return slv_conf_error(cf, 2, "invalid log level \"%.*s\"",
                                  STR_ARG(slv_conf_arg(cf, 2)));
    }
    while (*field)
        field = &(*field)->next;
    *field = error_log_new(cf->conf->owner,
                           str_eq(name, STR("stderr")) ? (struct str){ NULL, 0 }
                                                       : slv_conf_path(cf, name, false), level);
    return 0;
}
