/*
 * autoindex.c - the module that lists directories.
 *
 * It comes behind the one that serves files: what arrives here with a slash at its end has no index
 * file.
 */
#include <selvage/module.h>

#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct slv_module module_autoindex;

enum format { FORMAT_HTML, FORMAT_JSON };

struct autoindex_conf {
    bool enabled;
    int format;
    struct listing_style style;
};

/* Entries on the heap: a large directory should not make the request's memory large. */
struct entries {
    struct listing_entry *list;
    size_t count, room;
};

static const struct slv_word formats[] = {
    { "html", FORMAT_HTML }, { "json", FORMAT_JSON }, { NULL, 0 }
};

#define FIELD(member) SLV_FIELD(struct autoindex_conf, member)

static const struct slv_directive directives[] = {
    { "autoindex", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off", slv_set_flag, FIELD(enabled), "off",
      NULL },
    { "autoindex_format", SLV_IN_ANY_HTTP, 1, 1, 0, "html | json", slv_set_enum, FIELD(format),
      "html", formats },
    { "autoindex_exact_size", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off", slv_set_flag,
      FIELD(style.exact_size), "on", NULL },
    { "autoindex_localtime", SLV_IN_ANY_HTTP, 1, 1, 0, "on | off", slv_set_flag,
      FIELD(style.local_time), "off", NULL },
    { 0 }
};

/* Memory or the end of the worker. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Looks at an entry: what a link points to, or the link itself where that is nothing. */
static int look(int dir, const char *name, struct stat *st)
{
    if (fstatat(dir, name, st, 0) == 0)
        return 0;
    if (errno != ENOENT && errno != ELOOP)
        return -1;
    return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW);
}

/* Adds one entry of the directory. */
static void add_entry(struct entries *entries, const char *name, const struct stat *st)
{
    struct listing_entry *e;

    if (entries->count == entries->room) {
        entries->room = entries->room ? entries->room * 2 : 64;
        entries->list = must(reallocarray(entries->list, entries->room, sizeof *entries->list));
    }
    e = &entries->list[entries->count++];
    *e = (struct listing_entry){
        .name = str_of(must(strdup(name))),
        .kind = S_ISDIR(st->st_mode) ? LISTING_DIRECTORY
            : S_ISREG(st->st_mode) ? LISTING_FILE : LISTING_OTHER,
        .mtime = st->st_mtime,
        .size = st->st_size,
    };
}

/* Frees the entries. */
static void free_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free((char *)entries->list[i].name.p);
    free(entries->list);
}

/* Reads a directory but for what begins with a dot. 0, or -1 with errno. */
static int read_entries(struct slv_request *r, DIR *dir, struct str name, struct entries *entries)
{
    const struct dirent *d;
    struct stat st;

    for (errno = 0; (d = readdir(dir)) != NULL; errno = 0) {
        if (d->d_name[0] == '.')
            continue;
        if (look(dirfd(dir), d->d_name, &st) == 0)
            add_entry(entries, d->d_name, &st);
        else if (errno != ENOENT)
            slv_log(r, SLV_LOG_CRIT, errno, "stat() \"%.*s%s\" failed", STR_ARG(name), d->d_name);
    }
    return errno ? -1 : 0;
}

/* Logs why a directory is not listed and turns errno into a status. */
static int refuse(struct slv_request *r, int error, struct str name)
{
    enum slv_level level = SLV_LOG_ERROR;
    int status = 404;

    if (error == EACCES) {
        status = 403;
    } else if (error != ENOENT && error != ENOTDIR && error != ENAMETOOLONG) {
        level = SLV_LOG_CRIT;
        status = 500;
    }
    slv_log(r, level, error, "opendir() \"%.*s\" failed", STR_ARG(name));
    return status;
}

/* The media type, with the charset that the location gives to such files. */
static struct str type_of(struct slv_request *r, int format)
{
    struct str type;

    if (format == FORMAT_JSON)
        return STR("application/json");
    type = slv_request_type(r, STR("index.html"));
    return str_starts(type, STR("text/html")) ? type : STR("text/html");
}

/* Answers with the page. */
static int list(struct slv_request *r, const struct autoindex_conf *c, struct entries *entries)
{
    struct slv_response response = {
        .status = 200, .content_type = type_of(r, c->format), .no_ranges = true
    };
    struct listing_text text = { NULL, 0, 0 };

    listing_sort(entries->list, entries->count);
    if (c->format == FORMAT_JSON)
        listing_json(&text, entries->list, entries->count);
    else
        listing_html(&text, r->path, entries->list, entries->count, &c->style);
    response.body = (struct slv_body){
        .kind = SLV_BODY_MEM, .data = text.p, .size = (int64_t)text.n, .release = free,
        .owner = text.p
    };
    slv_respond(r, &response);
    return SLV_DONE;
}

/* Lists the directory that the path names. */
static int content(struct slv_request *r, const void *conf)
{
    const struct autoindex_conf *c = conf;
    struct entries entries = { NULL, 0, 0 };
    struct str name;
    DIR *dir;
    int rc;

    if (!c->enabled || (r->method != SLV_GET && r->method != SLV_HEAD) || r->path.n == 0
        || r->path.p[r->path.n - 1] != '/')
        return SLV_DECLINED;
    name = slv_request_file(r, r->path);
    if (!name.p)
        return 404;
    dir = opendir(name.p);
    if (!dir)
        return refuse(r, errno, name);
    rc = read_entries(r, dir, name, &entries);
    if (rc == 0)
        rc = list(r, c, &entries);
    else
        rc = refuse(r, errno, name);
    closedir(dir);
    free_entries(&entries);
    return rc;
}

const struct slv_module module_autoindex = {
    SLV_MODULE_HEADER,
    .name = "autoindex",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct autoindex_conf),
    .content = content,
};
