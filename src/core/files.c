/*
 * files.c - which file a path names.
 */
#include "core/files.h"

#include "base/check.h"
#include "core/core_conf.h"

#include <sys/stat.h>

struct str files_root(struct slv_request *r, size_t *replaced)
{
    struct context *ctx = context_of(r);
    const struct document_root *root = ctx->core->root;
    struct str text = slv_template_text(r, root->text);

    *replaced = root->alias ? root->replaced : 0;
    /* A root made of variables is relative to the prefix like one that is not. */
    if (text.n && text.p[0] == '/')
        return text;
    return arena_printf(&ctx->x->arena, "%.*s%.*s", STR_ARG(ctx->config->prefix), STR_ARG(text));
}

/*
 * What an alias puts behind the directory begins in the middle of a segment where the location does
 * not end with a slash: then "/files../x" would become "directory/../x", which the path, taken by
 * itself, did not say. True where the two together make a dot segment.
 */
static bool alias_climbs(struct str dir, struct str rest)
{
    size_t end = 0, begin = dir.n;
    bool dots = true;

    while (end < rest.n && rest.p[end] != '/')
        dots &= rest.p[end++] == '.';
    while (begin > 0 && dir.p[begin - 1] != '/')
        dots &= dir.p[--begin] == '.';
    return end > 0 && dots && dir.n - begin + end == 2;
}

/* The same for the captures that an alias or a root may be made of. */
static bool captures_climb(const struct captures *c)
{
    for (unsigned i = 1; c && i < c->count; i++) {
        const uint32_t *group = &c->ovector[2 * i];
        struct str value;

        if (group[0] == UINT32_MAX)
            continue;
        value = (struct str){ c->subject.p + group[0], group[1] - group[0] };
        if (str_starts(value, STR("..")) && (value.n == 2 || value.p[2] == '/'))
            return true;
    }
    return false;
}

struct str files_name(struct slv_request *r, struct str path)
{
    struct context *ctx = context_of(r);
    const struct document_root *root = ctx->core->root;
    size_t replaced;
    struct str dir = files_root(r, &replaced);

    /* A request that broke off in its head has no path, but it is logged. */
    if (!path.p || memchr(path.p, '\0', path.n) || path.n < replaced)
        return (struct str){ NULL, 0 };
    if (!slv_template_literal(root->text).p && captures_climb(ctx->captures))
        return (struct str){ NULL, 0 };
    if (replaced && alias_climbs(dir, str_from(path, replaced)))
        return (struct str){ NULL, 0 };
    /* An alias inside a regular expression's location is the whole file name. */
    if (root->alias && root->regex)
        return arena_str(&ctx->x->arena, dir);
    return arena_printf(&ctx->x->arena, "%.*s%.*s", STR_ARG(dir),
                        STR_ARG(str_from(path, replaced)));
}

bool files_exist(struct slv_request *r, struct str path, bool directory)
{
    struct context *ctx = context_of(r);
    const struct conf_modules *m = &ctx->config->modules;
    struct str name;
    struct stat st;

    for (size_t i = 0; i < m->count; i++)
        if (m->list[i]->has && m->list[i]->has(r, ctx->block->confs[i], path))
            return true;
    name = files_name(r, path);
    if (!name.p || stat(name.p, &st))
        return false;
    return directory ? S_ISDIR(st.st_mode) : !S_ISDIR(st.st_mode);
}

/* Text, and what is text by another name: these have a charset. */
static bool has_charset(struct str type)
{
    static const struct str others[] = {
        STR_INIT("application/javascript"), STR_INIT("application/json"),
        STR_INIT("application/xml"), STR_INIT("application/rss+xml"),
        STR_INIT("application/atom+xml"), STR_INIT("application/xhtml+xml"),
        STR_INIT("image/svg+xml"), STR_INIT("application/manifest+json"),
    };

    if (str_starts(type, STR("text/")))
        return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_eq(type, others[i]))
            return true;
    return false;
}

/* The types that hold where the configuration names none, as in nginx. */
static const struct str *preset_type(struct str extension)
{
    static const struct {
        struct str extension, type;
    } preset[] = {
        { STR_INIT("html"), STR_INIT("text/html") },
        { STR_INIT("gif"), STR_INIT("image/gif") },
        { STR_INIT("jpg"), STR_INIT("image/jpeg") },
    };

    for (size_t i = 0; i < sizeof preset / sizeof *preset; i++)
        if (str_eq(preset[i].extension, extension))
            return &preset[i].type;
    return NULL;
}

struct str files_type(struct slv_request *r, struct str filename)
{
    struct context *ctx = context_of(r);
    const struct core_conf *core = ctx->core;
    const char *dot = memrchr(filename.p, '.', filename.n);
    const struct str *found = NULL;
    struct str type = core->default_type;
    char lower[32];

    if (dot) {
        struct str extension = str_from(filename, (size_t)(dot + 1 - filename.p));

        if (extension.n < sizeof lower) {
            for (size_t i = 0; i < extension.n; i++)
                lower[i] = str_lower(extension.p[i]);
            extension.p = lower;
            found = core->types ? table_get(core->types, extension) : preset_type(extension);
        }
    }
    if (found)
        type = *found;
    if (str_eq(core->charset, STR("off")) || !core->charset.n || !has_charset(type)
        || memchr(type.p, ';', type.n))
        return type;
    return arena_printf(&ctx->x->arena, "%.*s; charset=%.*s", STR_ARG(type),
                        STR_ARG(core->charset));
}
