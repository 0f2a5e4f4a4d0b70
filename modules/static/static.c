/*
 * static.c - the module that serves files from disk.
 *
 * What it knows of HTTP is which file a path means and in which content coding there is one. The
 * core does the rest: conditional requests, ranges, fields, error pages.
 */
#include <selvage/module.h>

#include "cache.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Up to here one read and one writev cost less than sendfile(). */
#define SMALL_MAX (32 * 1024)
/* A file that keeps changing while it is read is given up after so many tries. */
#define READ_TRIES 3
#define INDEXES_MAX 32
#define SIBLINGS_MAX 3

extern const struct slv_module module_static;

enum gzip_static { GZIP_STATIC_OFF, GZIP_STATIC_ON, GZIP_STATIC_ALWAYS };

struct symlinks_conf {
    enum symlinks policy;
    const struct slv_template *from;
};

/* Content codings in order of preference. */
struct codings_conf {
    size_t count;
    enum slv_coding order[SIBLINGS_MAX + 1];
};

struct static_conf {
    struct symlinks_conf symlinks;
    struct codings_conf precompressed;
    int gzip_static;
    struct file_cache *cache;
    int64_t cache_valid, cache_min_uses;
    bool cache_errors;
    /* Made by finish. */
    struct codings_conf siblings;  /* precompressed, and gzip where gzip_static wants it */
    struct file_cache_use cache_use;
};

/* How siblings of a file are named. */
static const struct {
    struct str word, suffix;
} codings[SLV_CODING_COUNT] = {
    [SLV_CODING_GZIP] = { STR_INIT("gzip"), STR_INIT(".gz") },
    [SLV_CODING_BR] = { STR_INIT("br"), STR_INIT(".br") },
    [SLV_CODING_ZSTD] = { STR_INIT("zstd"), STR_INIT(".zst") },
};

/* ---- Directives ------------------------------------------------------------------------------ */

/* disable_symlinks off | on | if_not_owner [from=part] */
static int set_symlinks(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct symlinks_conf *field = &((struct static_conf *)conf)->symlinks;
    struct str word = slv_conf_arg(cf, 1), from;

    (void)d;
    if (str_eq(word, STR("off")))
        field->policy = SYMLINKS_FOLLOW;
    else if (str_eq(word, STR("on")))
        field->policy = SYMLINKS_REFUSE;
    else if (str_eq(word, STR("if_not_owner")))
        field->policy = SYMLINKS_IF_OWNER;
    else
        return slv_conf_error(cf, 1, "invalid value \"%.*s\" in \"disable_symlinks\" directive, it "
                              "must be \"off\", \"on\" or \"if_not_owner\"", STR_ARG(word));
    if (slv_conf_count(cf) == 2)
        return 0;
    from = slv_conf_arg(cf, 2);
    if (!str_starts(from, STR("from=")) || from.n == 5 || field->policy == SYMLINKS_FOLLOW)
        return slv_conf_error(cf, 2, "invalid parameter \"%.*s\"%s", STR_ARG(from),
                              field->policy == SYMLINKS_FOLLOW ? " behind \"off\"" : "");
    field->from = slv_template_compile(cf, 2, str_from(from, 5));
    return field->from ? 0 : -1;
}

/* precompressed br zstd gzip | off */
static int set_precompressed(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct codings_conf *field = &((struct static_conf *)conf)->precompressed;
    size_t count = slv_conf_count(cf);

    (void)d;
    if (count == 2 && str_eq(slv_conf_arg(cf, 1), STR("off")))
        return 0;
    for (size_t i = 1; i < count; i++) {
        struct str word = slv_conf_arg(cf, i);
        enum slv_coding c = SLV_CODING_GZIP;

        while (c < SLV_CODING_COUNT && !str_eq(word, codings[c].word))
            c++;
        if (c == SLV_CODING_COUNT)
            return slv_conf_error(cf, i, "invalid value \"%.*s\" in \"precompressed\" directive, "
                                  "it must be \"off\" or a list of \"br\", \"zstd\" and "
                                  "\"gzip\"", STR_ARG(word));
        for (size_t k = 0; k < field->count; k++)
            if (field->order[k] == c)
                return slv_conf_error(cf, i, "duplicate value \"%.*s\"", STR_ARG(word));
        field->order[field->count++] = c;
    }
    return 0;
}

/* Gives a cache back with its configuration. */
static void free_cache(void *object)
{
    struct file_cache *cache = object;

    file_cache_free(&cache);
}

/* Reads the number behind max=; false where it is none. */
static bool parse_max(struct str s, int64_t *max)
{
    *max = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *max > 100000000)
            return false;
        *max = *max * 10 + (s.p[i] - '0');
    }
    return *max > 0;
}

/* open_file_cache off | max=N [inactive=time] */
static int set_cache(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct file_cache **field = &((struct static_conf *)conf)->cache;
    int64_t max = 0, inactive = 60000;
    size_t count = slv_conf_count(cf);

    (void)d;
    if (count == 2 && str_eq(slv_conf_arg(cf, 1), STR("off")))
        return 0;
    for (size_t i = 1; i < count; i++) {
        struct str arg = slv_conf_arg(cf, i);

        if (str_starts(arg, STR("max=")) && parse_max(str_from(arg, 4), &max))
            continue;
        if (str_starts(arg, STR("inactive=")) && slv_parse_ms(str_from(arg, 9), &inactive) == 0)
            continue;
        return slv_conf_error(cf, i, "invalid \"open_file_cache\" parameter \"%.*s\"",
                              STR_ARG(arg));
    }
    if (max == 0)
        return slv_conf_error(cf, 0, "\"open_file_cache\" must have the \"max\" parameter");
    *field = file_cache_new((size_t)max, inactive);
    slv_conf_on_free(cf, free_cache, *field);
    return 0;
}

static const struct slv_word gzip_static_words[] = {
    { "off", GZIP_STATIC_OFF }, { "on", GZIP_STATIC_ON }, { "always", GZIP_STATIC_ALWAYS },
    { NULL, 0 }
};

static const struct slv_bounds at_least_one = { 1, INT64_MAX };

#define FIELD(member) SLV_FIELD(struct static_conf, member)

static const struct slv_directive directives[] = {
    { "disable_symlinks", SLV_IN_ANY_HTTP, 1, 2, 0, "off | on | if_not_owner [from=part]",
      set_symlinks, FIELD(symlinks), NULL, NULL },
    { "precompressed", SLV_IN_ANY_HTTP, 1, SIBLINGS_MAX, 0, "off | coding ...", set_precompressed,
      FIELD(precompressed), NULL, NULL },
    { "gzip_static", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off | always", slv_set_enum,
      FIELD(gzip_static), "off", gzip_static_words },
    { "open_file_cache", SLV_IN_ANY_HTTP, 1, 2, 0, "off | max=N [inactive=time]", set_cache,
      FIELD(cache), NULL, NULL },
    { "open_file_cache_valid", SLV_IN_ANY_HTTP, 1, 1, 0, "time", slv_set_ms, FIELD(cache_valid),
      "60s", NULL },
    { "open_file_cache_min_uses", SLV_IN_ANY_HTTP, 1, 1, 0, "number", slv_set_number,
      FIELD(cache_min_uses), "1", &at_least_one },
    { "open_file_cache_errors", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off", slv_set_flag,
      FIELD(cache_errors), "off", NULL },
    { 0 }
};

/* Puts together what several directives say. */
static int finish(struct slv_conf *cf, void *conf)
{
    struct static_conf *c = conf;
    bool gzip = c->gzip_static != GZIP_STATIC_ON;

    (void)cf;
    c->siblings = c->precompressed;
    for (size_t i = 0; i < c->siblings.count; i++)
        gzip |= c->siblings.order[i] == SLV_CODING_GZIP;
    if (!gzip)
        c->siblings.order[c->siblings.count++] = SLV_CODING_GZIP;
    c->cache_use = (struct file_cache_use){ c->cache_valid, c->cache_min_uses, c->cache_errors };
    return 0;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* The rule about links that holds for this request. */
static struct symlink_rule rule_of(struct slv_request *r, const struct static_conf *c)
{
    struct symlink_rule rule = { .policy = c->symlinks.policy };

    if (c->symlinks.from)
        rule.from = slv_template_text(r, c->symlinks.from);
    return rule;
}

/* Opens a file, through the cache where there is one. 0, or -1 with errno. */
static int get_file(const struct static_conf *c, struct str name, const struct symlink_rule *rule,
                    struct static_file *f)
{
    if (c->cache)
        return file_cache_get(c->cache, &c->cache_use, name, rule, f);
    return static_file_open(name, rule, f);
}

/* Gives it back. */
static void put_file(struct static_file *f)
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

/* Logs why a file is not served and turns errno into a status. */
static int refuse(struct slv_request *r, const struct static_conf *c, int error, struct str name)
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
    struct str word = coding == SLV_CODING_IDENTITY ? STR("") : codings[coding].word;
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
        put_file(f);
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
    put_file(f);
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
    put_file(f);
    return get_file(c, name, rule, f);
}

/*
 * Answers with an open regular file, which is taken over. type_name: the name whose extension tells
 * the media type.
 */
static int send_file(struct slv_request *r, const struct static_conf *c, struct str name,
                     const struct symlink_rule *rule, struct str type_name, enum slv_coding coding,
                     struct static_file *f)
{
    struct slv_response response = { .status = 200 };

    if (check_cached(c, name, rule, f) != 0)
        return refuse(r, c, errno, name);
    if (f->kind != FILE_REGULAR) {
        put_file(f);
        return 404;
    }
    if (fill_response(r, f, coding, &response) != 0) {
        slv_log(r, SLV_LOG_CRIT, errno, "pread() \"%.*s\" failed", STR_ARG(name));
        return 500;
    }
    response.content_type = slv_request_type(r, type_name);
    if (coding != SLV_CODING_IDENTITY)
        slv_header_out(r, STR("Content-Encoding"), codings[coding].word);
    if (c->siblings.count)
        slv_header_out(r, STR("Vary"), STR("Accept-Encoding"));
    slv_respond(r, &response);
    return SLV_DONE;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* A path as it stands in a URI. Bytes that could end a header line are escaped with the others. */
static char *put_escaped(char *out, struct str path)
{
    static const char plain[] = "/-._~!$&'()*+,;=:@";

    for (size_t i = 0; i < path.n; i++) {
        unsigned char ch = (unsigned char)path.p[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9')
            || (ch && strchr(plain, ch))) {
            *out++ = (char)ch;
            continue;
        }
        *out++ = '%';
        *out++ = "0123456789ABCDEF"[ch >> 4];
        *out++ = "0123456789ABCDEF"[ch & 15];
    }
    return out;
}

/* Sends the client from a directory to the same with a slash. */
static int redirect_to_directory(struct slv_request *r)
{
    struct str path = r->path;
    char *location, *end;

    /* Two slashes at the front would name a host. */
    while (path.n > 1 && path.p[0] == '/' && path.p[1] == '/')
        path = str_from(path, 1);
    location = slv_alloc(r, path.n * 3 + r->args.n + 2);
    end = put_escaped(location, path);
    *end++ = '/';
    if (r->args.n) {
        *end++ = '?';
        memcpy(end, r->args.p, r->args.n);
        end += r->args.n;
    }
    slv_redirect(r, 301, (struct str){ location, (size_t)(end - location) });
    return SLV_DONE;
}

/* Says which methods a file has. */
static int refuse_method(struct slv_request *r)
{
    slv_header_out(r, STR("Allow"), STR("GET, HEAD"));
    return 405;
}

/* Opens the sibling of a file in a coding. False where there is none to be served. */
static bool get_sibling(struct slv_request *r, const struct static_conf *c, struct str name,
                        const struct symlink_rule *rule, enum slv_coding coding,
                        struct str *sibling, struct static_file *f)
{
    *sibling = slv_printf(r, "%.*s%s", STR_ARG(name), codings[coding].suffix.p);
    if (get_file(c, *sibling, rule, f) != 0)
        return false;
    if (f->kind == FILE_REGULAR)
        return true;
    put_file(f);
    return false;
}

/* What came of looking for the file in a coding that the client takes. */
enum found { FOUND_SIBLING, FOUND_FILE, FOUND_ERROR, FOUND_UNACCEPTABLE };

/*
 * Looks for the best form of a file: asks the client's wishes for the next best one until one is on
 * disk. FOUND_ERROR: there is nothing to be had, errno says why not the file itself.
 */
static enum found find_form(struct slv_request *r, const struct static_conf *c, struct str name,
                            const struct symlink_rule *rule, struct str *chosen,
                            enum slv_coding *coding, struct static_file *f)
{
    struct codings_conf left = c->siblings;
    int error = 0, best;

    left.order[left.count++] = SLV_CODING_IDENTITY;
    while (left.count && (best = slv_negotiate_order(r, left.order, left.count)) >= 0) {
        size_t i = 0;

        *coding = (enum slv_coding)best;
        if (*coding == SLV_CODING_IDENTITY) {
            *chosen = name;
            if (get_file(c, name, rule, f) == 0)
                return FOUND_FILE;
            error = errno;
        } else if (get_sibling(r, c, name, rule, *coding, chosen, f)) {
            return FOUND_SIBLING;
        }
        while (left.order[i] != *coding)
            i++;
        for (left.count--; i < left.count; i++)
            left.order[i] = left.order[i + 1];
    }
    *coding = SLV_CODING_IDENTITY;
    *chosen = name;
    if (error == 0 && get_file(c, name, rule, f) == 0)
        return f->kind == FILE_REGULAR ? FOUND_UNACCEPTABLE : FOUND_FILE;
    errno = error ? error : errno;
    return FOUND_ERROR;
}

/* Finds what is served for a file name. */
static enum found find_file(struct slv_request *r, const struct static_conf *c, struct str name,
                            const struct symlink_rule *rule, struct str *chosen,
                            enum slv_coding *coding, struct static_file *f)
{
    *chosen = name;
    *coding = SLV_CODING_IDENTITY;
    if (r->method != SLV_POST) {
        if (c->gzip_static == GZIP_STATIC_ALWAYS
            && get_sibling(r, c, name, rule, SLV_CODING_GZIP, chosen, f)) {
            *coding = SLV_CODING_GZIP;
            return FOUND_SIBLING;
        }
        if (c->siblings.count)
            return find_form(r, c, name, rule, chosen, coding, f);
    }
    *chosen = name;
    return get_file(c, name, rule, f) == 0 ? FOUND_FILE : FOUND_ERROR;
}

/* Serves a path that does not end with a slash. */
static int serve_file(struct slv_request *r, const struct static_conf *c)
{
    struct str name = slv_request_file(r, r->path), chosen;
    struct symlink_rule rule = rule_of(r, c);
    enum slv_coding coding;
    struct static_file f;

    if (!name.p)
        return 404;
    switch (find_file(r, c, name, &rule, &chosen, &coding, &f)) {
    case FOUND_ERROR:
        return refuse(r, c, errno, name);
    case FOUND_UNACCEPTABLE:
        put_file(&f);
        slv_header_out(r, STR("Vary"), STR("Accept-Encoding"));
        return 406;
    case FOUND_SIBLING:
        return send_file(r, c, chosen, &rule, name, coding, &f);
    case FOUND_FILE:
        break;
    }
    if (f.kind == FILE_DIRECTORY)
        return redirect_to_directory(r);
    if (f.kind != FILE_REGULAR) {
        slv_log(r, SLV_LOG_CRIT, 0, "\"%.*s\" is not a regular file", STR_ARG(name));
        return 404;
    }
    if (r->method == SLV_POST) {
        put_file(&f);
        return refuse_method(r);
    }
    return send_file(r, c, chosen, &rule, name, coding, &f);
}

/* Is there something of that name? 0, or -1 with errno. */
static int probe(const struct static_conf *c, struct str name, const struct symlink_rule *rule,
                 struct static_file *f)
{
    if (!c->cache)
        return static_file_stat(name, rule, f);
    if (get_file(c, name, rule, f) != 0)
        return -1;
    put_file(f);
    return 0;
}

/* Logs why an index file is not served and turns errno into a status. */
static int refuse_index(struct slv_request *r, int error, struct str name)
{
    if (error == EACCES || error == ELOOP) {
        slv_log(r, SLV_LOG_ERROR, error, "\"%.*s\" is forbidden", STR_ARG(name));
        return 403;
    }
    if (error != ENOENT && error != ENOTDIR && error != ENAMETOOLONG) {
        slv_log(r, SLV_LOG_CRIT, error, "stat() \"%.*s\" failed", STR_ARG(name));
        return 500;
    }
    if (slv_log_not_found(r))
        slv_log(r, SLV_LOG_ERROR, error, "\"%.*s\" is not found", STR_ARG(name));
    return 404;
}

/* Looks at the directory when its first index file was not there: 0 to go on, or a status. */
static int check_directory(struct slv_request *r, struct str directory,
                           const struct symlink_rule *rule, struct str index)
{
    struct static_file f;

    if (static_file_stat(directory, rule, &f) == 0)
        return f.kind == FILE_DIRECTORY ? 0 : refuse_index(r, ENOTDIR, index);
    /* A directory that may be searched but not looked at is one nevertheless. */
    return errno == EACCES ? 0 : refuse_index(r, errno, index);
}

/* Serves a path that ends with a slash: its index file, or nobody's. */
static int serve_directory(struct slv_request *r, const struct static_conf *c)
{
    struct str names[INDEXES_MAX], directory = slv_request_file(r, r->path);
    size_t count = slv_request_index(r, names, INDEXES_MAX);
    struct symlink_rule rule = rule_of(r, c);
    struct static_file f;
    bool checked = false;

    if (!directory.p)
        return 404;
    for (size_t i = 0; i < count; i++) {
        struct str file;
        int status;

        if (names[i].n == 0)
            continue;
        if (names[i].p[0] == '/')
            return slv_internal_redirect(r, names[i], (struct str){ NULL, 0 });
        file = slv_printf(r, "%.*s%.*s", STR_ARG(directory), STR_ARG(names[i]));
        if (probe(c, file, &rule, &f) == 0)
            return slv_internal_redirect(r, slv_printf(r, "%.*s%.*s", STR_ARG(r->path),
                                                       STR_ARG(names[i])),
                                         (struct str){ NULL, 0 });
        if (errno != ENOENT)
            return refuse_index(r, errno, file);
        status = checked ? 0 : check_directory(r, directory, &rule, file);
        if (status)
            return status;
        checked = true;
    }
    return SLV_DECLINED;
}

/* Does a part of the path lead upwards? The core has normalised it, but nothing rests on that. */
static bool leads_up(struct str path)
{
    for (size_t i = 0; i + 2 < path.n; i++)
        if (path.p[i] == '/' && path.p[i + 1] == '.' && path.p[i + 2] == '.'
            && (i + 3 == path.n || path.p[i + 3] == '/'))
            return true;
    return false;
}

/* Serves a request from disk. */
static int content(struct slv_request *r, const void *conf)
{
    const struct static_conf *c = conf;

    if (r->method != SLV_GET && r->method != SLV_HEAD && r->method != SLV_POST)
        return refuse_method(r);
    if (r->path.n == 0 || memchr(r->path.p, '\0', r->path.n))
        return 400;
    if (leads_up(r->path))
        return 404;
    if (r->path.p[r->path.n - 1] == '/')
        return serve_directory(r, c);
    return serve_file(r, c);
}

/* The rule about symbolic links lets the file pass. */
static bool admits(struct slv_request *r, const void *conf, struct str file)
{
    const struct static_conf *c = conf;
    struct symlink_rule rule = rule_of(r, c);
    struct static_file f;

    return rule.policy == SYMLINKS_FOLLOW || static_file_stat(file, &rule, &f) == 0;
}

const struct slv_module module_static = {
    SLV_MODULE_HEADER,
    .name = "static",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct static_conf),
    .finish = finish,
    .content = content,
    .admits = admits,
};
