/*
 * core_setters.c - setters of the http core's directives that the ready ones do not cover.
 */
#include "core/core_conf.h"

#include "base/check.h"
#include "core/location.h"
#include "core/server.h"
#include "http/token.h"

#include <stdlib.h>

int core_set_accepted(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)cf;
    (void)d;
    (void)conf;
    return 0;
}

/*
 * root path; alias path. Both are one field, so that the inner one replaces the outer as a whole.
 */
int core_set_root(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct document_root *root = slv_conf_alloc(cf, sizeof *root);
    struct str path = slv_conf_arg(cf, 1);
    const struct location *l = cf->block->where == SLV_IN_LOCATION ? cf->block->data : NULL;

    if (c->root)
        return slv_conf_error(cf, 0, "\"%s\" directive is duplicate, \"%s\" directive was "
                              "specified earlier", d->name, c->root->alias ? "alias" : "root");
    root->alias = strcmp(d->name, "alias") == 0;
    /* There is no part of the path that the name of such a location stands for. */
    if (root->alias && l && l->kind == LOCATION_NAMED)
        return slv_conf_error(cf, 0, "the \"alias\" directive cannot be used inside the named "
                              "location");
    while (!root->alias && path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    if (!memchr(path.p, '$', path.n))
        path = slv_conf_path(cf, path, false);
    root->text = slv_template_compile(cf, 1, path);
    if (root->alias && l) {
        root->regex = l->kind == LOCATION_REGEX;
        /* The length of an expression says nothing about what it matches. */
        root->replaced = root->regex ? 0 : l->text.n;
    }
    if (!root->text)
        return -1;
    c->root = root;
    return 0;
}

/* Compiles arguments first … last and appends them to a list. */
static int add_texts(struct slv_conf *cf, struct text_list *list, size_t first, size_t last)
{
    struct slv_template **more;

    more = slv_conf_alloc(cf, (list->count + last - first + 1) * sizeof *more);
    if (list->count)
        memcpy(more, list->texts, list->count * sizeof *more);
    list->texts = more;
    for (size_t i = first; i <= last; i++) {
        list->texts[list->count] = slv_template_compile(cf, i, slv_conf_arg(cf, i));
        if (!list->texts[list->count++])
            return -1;
    }
    return 0;
}

/* index file … */
int core_set_texts(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct text_list **field = (struct text_list **)(void *)((char *)conf + d->offset);

    if (!*field)
        *field = slv_conf_alloc(cf, sizeof **field);
    return add_texts(cf, *field, 1, slv_conf_count(cf) - 1);
}

/* Three digits in a range; 0 where it is something else. */
static int status_of(struct str s, int min, int max)
{
    uint64_t n;

    if (s.n != 3 || digits_parse(s, &n) || n < (uint64_t)min || n > (uint64_t)max)
        return 0;
    return (int)n;
}

/* try_files file … uri | =code */
int core_set_try_files(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    size_t last = slv_conf_count(cf) - 1;
    struct str end = slv_conf_arg(cf, last);

    (void)d;
    c->try_files = slv_conf_alloc(cf, sizeof *c->try_files);
    if (end.n && end.p[0] == '=') {
        c->try_files->status = status_of(str_from(end, 1), 100, 999);
        if (!c->try_files->status)
            return slv_conf_error(cf, last, "invalid code \"%.*s\"", STR_ARG(end));
        last--;
    }
    c->try_files->directories = slv_conf_alloc(cf, last * sizeof(bool));
    for (size_t i = 1; i <= last; i++)
        c->try_files->directories[i - 1] = str_ends(slv_conf_arg(cf, i), STR("/"));
    return add_texts(cf, c->try_files, 1, last);
}

/* error_page code … [=[response]] uri */
int core_set_error_page(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct error_page *page = slv_conf_alloc(cf, sizeof *page), **end = &c->error_pages;
    size_t last = slv_conf_count(cf) - 1;
    struct str answer = slv_conf_arg(cf, last - 1);

    (void)d;
    page->answer_status = -1;
    if (answer.n && answer.p[0] == '=') {
        page->answer_status = 0;
        if (answer.n > 1) {
            page->answer_status = status_of(str_from(answer, 1), 100, 599);
            if (!page->answer_status)
                return slv_conf_error(cf, last - 1, "invalid value \"%.*s\"", STR_ARG(answer));
        }
        if (last - 1 < 2)
            return slv_conf_error(cf, 0, "invalid number of arguments in \"error_page\" directive");
    } else {
        last++;
    }
    page->statuses = slv_conf_alloc(cf, (last - 1) * sizeof *page->statuses);
    for (size_t i = 1; i < last - 1; i++) {
        struct str word = slv_conf_arg(cf, i);
        int status = status_of(word, 300, 599);

        if (!status || status == 499)
            return slv_conf_error(cf, i, "value \"%.*s\" must be between 300 and 599",
                                  STR_ARG(word));
        page->statuses[page->count++] = status;
    }
    last = slv_conf_count(cf) - 1;
    page->target = slv_template_compile(cf, last, slv_conf_arg(cf, last));
    if (!page->target)
        return -1;
    while (*end)
        end = &(*end)->next;
    *end = page;
    return 0;
}

/* return code [text] | code URL | URL. The first one of a block holds. */
int core_set_return(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct str first = slv_conf_arg(cf, 1);
    struct return_rule *rule = slv_conf_alloc(cf, sizeof *rule);
    size_t text = slv_conf_count(cf) > 2 ? 2 : 0;

    (void)d;
    rule->status = status_of(first, 200, 999);
    if (!rule->status) {
        if (text || !(str_starts(first, STR("http://")) || str_starts(first, STR("https://"))
                      || str_starts(first, STR("$scheme"))))
            return slv_conf_error(cf, 1, "invalid return code \"%.*s\"", STR_ARG(first));
        rule->status = 302;
        text = 1;
    }
    if (text) {
        rule->text = slv_template_compile(cf, text, slv_conf_arg(cf, text));
        if (!rule->text)
            return -1;
    }
    if (!c->return_rule)
        c->return_rule = rule;
    return 0;
}

/* internal */
int core_set_internal(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)cf;
    (void)d;
    ((struct core_conf *)conf)->internal = true;
    return 0;
}

/* Frees a table of media types. */
static void free_types(void *types)
{
    table_free(types);
}

/* One line of types: a media type and its extensions. */
static int add_type(struct slv_conf *cf, void *arg)
{
    struct table *types = arg;
    struct str *type = slv_conf_alloc(cf, sizeof *type);

    *type = slv_conf_str(cf, slv_conf_arg(cf, 0));
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct str extension = slv_conf_str(cf, slv_conf_arg(cf, i));
        char *p = (char *)(uintptr_t)extension.p;

        for (size_t k = 0; k < extension.n; k++)
            p[k] = str_lower(p[k]);
        if (table_get(types, extension))
            slv_conf_warn(cf, i, "duplicate extension \"%.*s\", content type: \"%.*s\"",
                          STR_ARG(extension), STR_ARG(*type));
        table_set(types, extension, type);
    }
    return 0;
}

/* types { … }: replaces the table of the block around it. */
int core_set_types(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;

    (void)d;
    if (!c->types) {
        c->types = slv_conf_alloc(cf, sizeof *c->types);
        slv_conf_on_free(cf, free_types, c->types);
    }
    return slv_conf_entries(cf, add_type, c->types);
}

/* expires [modified] time | @time | epoch | max | off */
int core_set_expires(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct expires *e = slv_conf_alloc(cf, sizeof *e);
    bool modified = slv_conf_count(cf) > 2;
    struct str word = slv_conf_arg(cf, modified ? 2 : 1), time = word;
    bool minus = false;
    int64_t ms;

    (void)d;
    c->expires = e;
    if (modified && !str_eq(slv_conf_arg(cf, 1), STR("modified")))
        return slv_conf_error(cf, 1, "invalid parameter \"%.*s\"", STR_ARG(slv_conf_arg(cf, 1)));
    if (!modified && str_eq(word, STR("off")))
        return 0;
    if (!modified && (str_eq(word, STR("epoch")) || str_eq(word, STR("max")))) {
        e->kind = word.n == 3 ? EXPIRES_MAX : EXPIRES_EPOCH;
        return 0;
    }
    e->kind = modified ? EXPIRES_MODIFIED : EXPIRES_AFTER;
    if (!modified && time.n && time.p[0] == '@') {
        e->kind = EXPIRES_DAILY;
        time = str_from(time, 1);
    } else if (time.n && (time.p[0] == '-' || time.p[0] == '+')) {
        minus = time.p[0] == '-';
        time = str_from(time, 1);
    }
    if (slv_parse_ms(time, &ms) || (e->kind == EXPIRES_DAILY && ms >= 86400000))
        return slv_conf_error(cf, modified ? 2 : 1, "invalid value \"%.*s\"", STR_ARG(word));
    e->seconds = minus ? -(ms / 1000) : ms / 1000;
    return 0;
}

/* add_header name value [always] */
int core_set_add_header(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct added_header *h = slv_conf_alloc(cf, sizeof *h), **end = &c->add_headers;
    struct str name = slv_conf_arg(cf, 1);

    (void)d;
    if (!token_valid(name))
        return slv_conf_error(cf, 1, "invalid header name \"%.*s\"", STR_ARG(name));
    if (slv_conf_count(cf) > 3 && !str_eq(slv_conf_arg(cf, 3), STR("always")))
        return slv_conf_error(cf, 3, "invalid parameter \"%.*s\"", STR_ARG(slv_conf_arg(cf, 3)));
    h->name = slv_conf_str(cf, name);
    h->always = slv_conf_count(cf) > 3;
    h->value = slv_template_compile(cf, 2, slv_conf_arg(cf, 2));
    if (!h->value)
        return -1;
    while (*end)
        end = &(*end)->next;
    *end = h;
    return 0;
}

/* large_client_header_buffers number size */
int core_set_large_buffers(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    uint64_t count;
    int64_t size;

    (void)d;
    if (digits_parse(slv_conf_arg(cf, 1), &count) || count == 0 || count > 1024)
        return slv_conf_error(cf, 1, "invalid number \"%.*s\", it must be from 1 to 1024",
                              STR_ARG(slv_conf_arg(cf, 1)));
    if (slv_parse_size(slv_conf_arg(cf, 2), &size) || size < 256 || size > 1024 * 1024)
        return slv_conf_error(cf, 2, "invalid size \"%.*s\", it must be from 256 to 1m",
                              STR_ARG(slv_conf_arg(cf, 2)));
    c->large_buffers.count = (int64_t)count;
    c->large_buffers.size = size;
    return 0;
}

/* max_ranges number */
int core_set_max_ranges(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct core_conf *c = conf;
    struct str word = slv_conf_arg(cf, 1);
    uint64_t n;

    (void)d;
    c->max_ranges = -1;
    if (str_eq(word, STR("-1")))
        return 0;
    if (digits_parse(word, &n) || n > 1000000)
        return slv_conf_error(cf, 1, "invalid number \"%.*s\"", STR_ARG(word));
    c->max_ranges = (int64_t)n;
    return 0;
}

/* limit_except method … { … } */
int core_set_limit_except(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    static const struct {
        struct str name;
        unsigned bits;
    } methods[] = {
        { STR_INIT("GET"), 1u << SLV_GET | 1u << SLV_HEAD }, { STR_INIT("HEAD"), 1u << SLV_HEAD },
        { STR_INIT("POST"), 1u << SLV_POST },                { STR_INIT("PUT"), 1u << SLV_PUT },
        { STR_INIT("DELETE"), 1u << SLV_DELETE },
        { STR_INIT("OPTIONS"), 1u << SLV_OPTIONS },
        { STR_INIT("PATCH"), 1u << SLV_PATCH },
    };
    struct core_conf *c = conf;
    struct limit_except *l = slv_conf_alloc(cf, sizeof *l);

    (void)d;
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        unsigned bits = 0;

        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
            if (str_ieq(methods[k].name, slv_conf_arg(cf, i)))
                bits = methods[k].bits;
        if (!bits)
            return slv_conf_error(cf, i, "invalid method \"%.*s\"", STR_ARG(slv_conf_arg(cf, i)));
        l->methods |= bits;
    }
    c->limit_except = l;
    l->block = conf_open(cf, SLV_IN_LIMIT_EXCEPT, NULL);
    return 0;
}
