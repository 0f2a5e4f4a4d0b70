/*
 * send.c - from a file's name to the answer with its bytes.
 */
#include "static.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Up to here one read and one writev cost less than sendfile(). */
#define SMALL_MAX (32 * 1024)
/* A file that keeps changing while it is read is given up after so many tries. */
#define READ_TRIES 3

struct symlink_rule static_rule(struct slv_request *r, const struct static_conf *c)
{
    struct symlink_rule rule = { .policy = c->symlinks.policy };

    if (c->symlinks.from)
        rule.from = slv_template_text(r, c->symlinks.from);
    return rule;
}

int static_get(const struct static_conf *c, struct str name, const struct symlink_rule *rule,
                    struct static_file *f)
{
    if (c->cache)
        return file_cache_get(c->cache, &c->cache_use, name, rule, f);
    return static_file_open(name, rule, f);
}

void static_put(struct static_file *f)
{
    if (f->entry)
        file_cache_put(f->entry);
    else
        static_file_close(f);
}

/* A body is over whose descriptor was the cache's. */
static void release_cached(void *owner)
{
    file_cache_put(owner);
}

/* A body is over whose descriptor was its own: the owner is the descriptor, counted from 1. */
static void release_descriptor(void *owner)
{
    close((int)(intptr_t)owner - 1);
}

int static_refuse(struct slv_request *r, const struct static_conf *c, int error, struct str name)
{
    enum slv_level level = SLV_LOG_ERROR;
    int status = 404;

    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        if (!slv_log_not_found(r))
            return status;
        break;
    case EACCES:
    case ELOOP:
    case EXDEV:                    /* led out of what the rule trusts */
        status = 403;
        break;
    default:
        level = SLV_LOG_CRIT;
        status = 500;
    }
    slv_log(r, level, error, "%s() \"%.*s\" failed",
            c->symlinks.policy == SYMLINKS_FOLLOW ? "open" : "openat", STR_ARG(name));
    return status;
}

/* Writes a number in hexadecimal; returns its end. */
static char *put_hex(char *out, uint64_t value)
{
    int digits = 1;

    while (digits < 16 && value >> digits * 4)
        digits++;
    while (digits--)
        *out++ = "0123456789abcdef"[value >> digits * 4 & 15];
    return out;
}

/*
 * The entity-tag in nginx's form; a precompressed sibling's also names its coding, because siblings
 * that were made in one second may well have the same size.
 */
static struct str etag_of(struct slv_request *r, const struct static_file *f,
                          enum slv_coding coding)
{
    struct str word = coding == SLV_CODING_IDENTITY ? STR("") : static_codings[coding].word;
    char *p = slv_alloc(r, 2 * 16 + 4 + word.n), *end = p;

    *end++ = '"';
    end = put_hex(end, (uint64_t)f->mtime);
    *end++ = '-';
    end = put_hex(end, (uint64_t)f->size);
    if (word.n) {
        *end++ = '-';
        memcpy(end, word.p, word.n);
        end += word.n;
    }
    *end++ = '"';
    return (struct str){ p, (size_t)(end - p) };
}

/*
 * Reads a small file. Asking for one byte more than there should be tells without another call
 * whether the file has changed since it was looked at. Where it has, it is looked at again; f then
 * says what was read. *whole: what was read is what f describes. Returns 0, or -1 with errno. A
 * file that has grown too large in the meantime is not read: *n is then more than SMALL_MAX.
 */
static int read_small(struct slv_request *r, struct static_file *f, char **data, size_t *n,
                      bool *whole)
{
    *whole = false;
    for (int i = 0; i < READ_TRIES && f->size <= SMALL_MAX; i++) {
        size_t room = (size_t)f->size + 1;
        ssize_t got;

        *data = slv_alloc(r, room);
        do
            got = pread(f->fd, *data, room, 0);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return -1;
        *n = (size_t)got;
        *whole = got == f->size;
        if (*whole)
            return 0;
        if (f->entry)
            file_cache_forget(f->entry);
        if (static_file_refresh(f) != 0)
            return -1;
    }
    if (f->size > SMALL_MAX)
        *n = SMALL_MAX + 1;
    return 0;
}

/* Makes the body from the open file: the file itself, given back when it has been sent. */
static void body_of_file(const struct static_file *f, struct slv_body *body)
{
    *body = (struct slv_body){ .kind = SLV_BODY_FILE, .fd = f->fd, .size = f->size };
    if (f->entry) {
        body->release = release_cached;
        body->owner = f->entry;
    } else {
        body->release = release_descriptor;
        body->owner = (void *)(intptr_t)(f->fd + 1);
    }
}

/* Will the bytes of the file be needed? Not for HEAD, nor for a 304 that can be foreseen. */
static bool wants_bytes(const struct slv_request *r, struct str etag)
{
    return r->method != SLV_HEAD && !str_eq(slv_header_in(r, SLV_H_IF_NONE_MATCH), etag);
}

/*
 * Makes the answer's body and validators. 0, or -1 with errno; the file is given back or taken
 * over.
 */
static int fill_response(struct slv_request *r, struct static_file *f, enum slv_coding coding,
                         struct slv_response *response)
{
    size_t n = 0;
    char *data;
    bool whole = true;
    int error;

    response->etag = etag_of(r, f, coding);
    response->last_modified = f->mtime;
    if (f->size > SMALL_MAX || !wants_bytes(r, response->etag)) {
        body_of_file(f, &response->body);
        return 0;
    }
    if (read_small(r, f, &data, &n, &whole) != 0) {
        error = errno;
        static_put(f);
        errno = error;
        return -1;
    }
    /* What was read while somebody wrote is the best there is, but nothing to be named or kept. */
    response->etag = whole || n > SMALL_MAX ? etag_of(r, f, coding) : STR("");
    response->last_modified = whole || n > SMALL_MAX ? f->mtime : 0;
    if (n > SMALL_MAX) {
        body_of_file(f, &response->body);
        return 0;
    }
    static_put(f);
    response->body = (struct slv_body){
        .kind = SLV_BODY_MEM, .data = data, .size = (int64_t)n
    };
    return 0;
}

/*
 * A large file goes out with the size that was promised, so that a size out of the cache has to be
 * true: one fstat() is nothing beside the transfer. 0, or -1 with errno and the file given back.
 */
static int check_cached(const struct static_conf *c, struct str name,
                        const struct symlink_rule *rule, struct static_file *f)
{
    int64_t size = f->size;
    time_t mtime = f->mtime;

    if (!f->entry || size <= SMALL_MAX)
        return 0;
    if (static_file_refresh(f) == 0 && f->size == size && f->mtime == mtime)
        return 0;
    file_cache_forget(f->entry);
    static_put(f);
    return static_get(c, name, rule, f);
}

int static_send(struct slv_request *r, const struct static_conf *c, struct str name,
                     const struct symlink_rule *rule, struct str type_name, enum slv_coding coding,
                     struct static_file *f)
{
    struct slv_response response = { .status = 200 };

    if (check_cached(c, name, rule, f) != 0)
        return static_refuse(r, c, errno, name);
    if (f->kind != FILE_REGULAR) {
        static_put(f);
        return 404;
    }
    if (fill_response(r, f, coding, &response) != 0) {
        slv_log(r, SLV_LOG_CRIT, errno, "pread() \"%.*s\" failed", STR_ARG(name));
        return 500;
    }
    response.content_type = slv_request_type(r, type_name);
    if (coding != SLV_CODING_IDENTITY)
        slv_header_out(r, STR("Content-Encoding"), static_codings[coding].word);
    if (c->siblings.count)
        slv_header_out(r, STR("Vary"), STR("Accept-Encoding"));
    slv_respond(r, &response);
    return SLV_DONE;
}
