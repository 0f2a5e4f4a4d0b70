/*
 * rules.c - what the configuration says about fields of answers: prebuilt_rule, prebuilt_preload.
 */
#include "prebuilt.h"

#include <stdio.h>

#define CACHE_CONTROL "max-age=60, must-revalidate"

/* Control characters would end the field. */
static bool is_field_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

/* prebuilt_rule [~|~*] pattern "value" */
int rules_set(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct prebuilt_conf *c = conf;
    struct prebuilt_rule *rule = slv_conf_alloc(cf, sizeof *rule), **end = &c->rules;
    size_t last = slv_conf_count(cf) - 1;
    struct str pattern = slv_conf_arg(cf, last - 1), value = slv_conf_arg(cf, last);
    struct str mark = last == 3 ? slv_conf_arg(cf, 1) : STR("");

    (void)d;
    if (!is_field_text(value))
        return slv_conf_error(cf, last, "the value of \"prebuilt_rule\" has control characters, it "
                              "must be that of a \"Cache-Control\" field");
    rule->value = slv_conf_str(cf, value);
    if (last == 3) {
        if (!str_eq(mark, STR("~")) && !str_eq(mark, STR("~*")))
            return slv_conf_error(cf, 1, "invalid operator \"%.*s\" in \"prebuilt_rule\" "
                                  "directive, it must be \"~\" or \"~*\"", STR_ARG(mark));
        rule->regex = slv_regex_compile(cf, 2, pattern, mark.n == 2);
        if (!rule->regex)
            return -1;
    } else if (!str_starts(pattern, STR("/"))) {
        return slv_conf_error(cf, 1, "invalid pattern \"%.*s\" in \"prebuilt_rule\" directive, it "
                              "must begin with \"/\" or stand behind \"~\" or \"~*\"",
                              STR_ARG(pattern));
    }
    rule->prefix = slv_conf_str(cf, pattern);
    while (*end)
        end = &(*end)->next;
    *end = rule;
    return 0;
}

/* prebuilt_preload uri as */
int rules_set_preload(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    static const struct str kinds[] = {
        STR_INIT("document"), STR_INIT("fetch"), STR_INIT("font"), STR_INIT("image"),
        STR_INIT("script"), STR_INIT("style"), STR_INIT("track"), STR_INIT("worker")
    };
    struct str *links = &((struct prebuilt_conf *)conf)->links;
    struct str uri = slv_conf_arg(cf, 1), as = slv_conf_arg(cf, 2), line;
    size_t kind = 0;
    char *text;

    (void)d;
    for (size_t i = 0; i < uri.n; i++)
        if ((unsigned char)uri.p[i] <= ' ' || uri.p[i] == 0x7f || strchr("<>\"", uri.p[i]))
            uri.n = 0;
    if (uri.n == 0)
        return slv_conf_error(cf, 1, "invalid URI \"%.*s\" in \"prebuilt_preload\" directive",
                              STR_ARG(slv_conf_arg(cf, 1)));
    while (kind < sizeof kinds / sizeof kinds[0] && !str_eq(as, kinds[kind]))
        kind++;
    if (kind == sizeof kinds / sizeof kinds[0])
        return slv_conf_error(cf, 2, "invalid kind \"%.*s\" in \"prebuilt_preload\" directive, it "
                              "must be \"document\", \"fetch\", \"font\", \"image\", \"script\", "
                              "\"style\", \"track\" or \"worker\"", STR_ARG(as));
    /* Browsers get fonts and data so that scripts may read them, and look for the same here. */
    line = str_eq(as, STR("font")) || str_eq(as, STR("fetch")) ? STR("; crossorigin\r\n")
                                                               : STR("\r\n");
    text = slv_conf_alloc(cf, links->n + uri.n + as.n + line.n + 32);
    links->n = (size_t)sprintf(text, "%.*sLink: <%.*s>; rel=preload; as=%.*s%.*s", STR_ARG(*links),
                               STR_ARG(uri), STR_ARG(as), STR_ARG(line));
    links->p = text;
    return 0;
}

/* The first rule that speaks of a path. */
struct str rules_cache_control(const struct prebuilt_conf *c, struct str path)
{
    for (const struct prebuilt_rule *rule = c->rules; rule; rule = rule->next)
        if (rule->regex ? slv_regex_match(rule->regex, path, NULL)
                        : str_starts(path, rule->prefix))
            return rule->value;
    return STR(CACHE_CONTROL);
}
