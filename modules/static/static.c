/*
 * static.c - the module that serves files from disk.
 *
 * What it knows of HTTP is which file a path means and in which content coding there is one. The
 * core does the rest: conditional requests, ranges, fields, error pages.
 */
#include "static.h"

#include <errno.h>

#define INDEXES_MAX 32

extern const struct slv_module module_static;

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
    *sibling = slv_printf(r, "%.*s%s", STR_ARG(name), static_codings[coding].suffix.p);
    if (static_get(c, *sibling, rule, f) != 0)
        return false;
    if (f->kind == FILE_REGULAR)
        return true;
    static_put(f);
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
            if (static_get(c, name, rule, f) == 0)
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
    if (error == 0 && static_get(c, name, rule, f) == 0)
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
    return static_get(c, name, rule, f) == 0 ? FOUND_FILE : FOUND_ERROR;
}

/* Serves a path that does not end with a slash. */
static int serve_file(struct slv_request *r, const struct static_conf *c)
{
    struct str name = slv_request_file(r, r->path), chosen;
    struct symlink_rule rule = static_rule(r, c);
    enum slv_coding coding;
    struct static_file f;

    if (!name.p)
        return 404;
    switch (find_file(r, c, name, &rule, &chosen, &coding, &f)) {
    case FOUND_ERROR:
        return static_refuse(r, c, errno, name);
    case FOUND_UNACCEPTABLE:
        static_put(&f);
        slv_header_out(r, STR("Vary"), STR("Accept-Encoding"));
        return 406;
    case FOUND_SIBLING:
        return static_send(r, c, chosen, &rule, name, coding, &f);
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
        static_put(&f);
        return refuse_method(r);
    }
    return static_send(r, c, chosen, &rule, name, coding, &f);
}

/* Is there something of that name? 0, or -1 with errno. */
static int probe(const struct static_conf *c, struct str name, const struct symlink_rule *rule,
                 struct static_file *f)
{
    if (!c->cache)
        return static_file_stat(name, rule, f);
    if (static_get(c, name, rule, f) != 0)
        return -1;
    static_put(f);
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
    struct symlink_rule rule = static_rule(r, c);
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
    struct symlink_rule rule = static_rule(r, c);
    struct static_file f;

    return rule.policy == SYMLINKS_FOLLOW || static_file_stat(file, &rule, &f) == 0;
}

const struct slv_module module_static = {
    SLV_MODULE_HEADER,
    .name = "static",
    .version = "1.0",
    .directives = static_directives,
    .conf_size = sizeof(struct static_conf),
    .finish = static_finish,
    .content = content,
    .admits = admits,
};
