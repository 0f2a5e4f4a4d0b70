/*
 * regex.c - regular expressions of the configuration.
 */
#include "core/regex.h"

#include "core/variable.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * What one match may cost: steps back in either engine, and memory. A pattern that backtracks
 * without end meets the first after some 10 ms; sane patterns need a few dozen steps per byte.
 */
#define MATCH_STEPS 400000
#define MATCH_HEAP_KIB 4096
#define JIT_STACK_MIN 32768
#define JIT_STACK_MAX 524288

struct group_name {
    int variable;
    unsigned group;
};

struct slv_regex {
    unsigned magic;
#define REGEX_MAGIC 0x4e9e8cafu
    pcre2_code *code;
    struct str pattern;
    unsigned groups;
    struct group_name *names;
    size_t name_count;
};

/* Shared by all patterns: one match at a time. */
static pcre2_match_data *match_data;
static unsigned match_groups;
static pcre2_match_context *match_limits;

/* Gives the compiled pattern back. */
static void release(void *code)
{
    pcre2_code_free(code);
}

/* Makes what matching needs, large enough for a pattern with so many groups. */
static void reserve_match(unsigned groups)
{
    pcre2_jit_stack *stack;

    if (!match_limits) {
        match_limits = pcre2_match_context_create(NULL);
        AN(match_limits != NULL);
        pcre2_set_match_limit(match_limits, MATCH_STEPS);
        pcre2_set_heap_limit(match_limits, MATCH_HEAP_KIB);
        /* Without one, JIT code makes do with the 32 KiB that it finds on the machine stack. */
        stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
        if (stack)
            pcre2_jit_stack_assign(match_limits, NULL, stack);
    }
    if (match_data && groups <= match_groups)
        return;
    pcre2_match_data_free(match_data);
    match_groups = groups < 9 ? 9 : groups;
    match_data = pcre2_match_data_create(match_groups + 1, NULL);
    AN(match_data != NULL);
}

/* Makes variables of the named groups. 0, or -1 after an error. */
static int add_names(struct slv_conf *cf, size_t arg, struct slv_regex *re)
{
    struct config *config;
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;

    CAST_OBJ(config, cf->conf->owner, CONFIG_MAGIC);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &count);
    if (count == 0)
        return 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &table);
    re->names = slv_conf_alloc(cf, count * sizeof *re->names);
    for (; re->name_count < count; re->name_count++, table += size) {
        struct group_name *n = &re->names[re->name_count];
        struct str name = str_of((const char *)table + 2);

        n->group = (unsigned)table[0] << 8 | table[1];
        n->variable = variables_add(config->variables, name, NULL, NULL, false);
        if (n->variable < 0)
            return slv_conf_error(cf, arg, "the duplicate \"%.*s\" variable", STR_ARG(name));
    }
    return 0;
}

/* Compiles a pattern; its named groups become variables. */
struct slv_regex *slv_regex_compile(struct slv_conf *cf, size_t arg, struct str pattern,
                                    bool caseless)
{
    struct slv_regex *re = slv_conf_alloc(cf, sizeof *re);
    uint32_t groups = 0;
    char text[128];
    PCRE2_SIZE at;
    int error;

    re->magic = REGEX_MAGIC;
    re->pattern = pattern = slv_conf_str(cf, pattern);
    re->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, caseless ? PCRE2_CASELESS : 0,
                             &error, &at, NULL);
    if (!re->code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        if (at >= pattern.n)
            slv_conf_error(cf, arg, "pcre2_compile() failed: %s in \"%.*s\"", text,
                           STR_ARG(pattern));
        else
            slv_conf_error(cf, arg, "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", text,
                           STR_ARG(pattern), STR_ARG(str_from(pattern, at)));
        return NULL;
    }
    slv_conf_on_free(cf, release, re->code);
    /* It fails where memory must not be executable; then the interpreter does the same, slower. */
    pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    re->groups = groups;
    reserve_match(groups);
    return add_names(cf, arg, re) == 0 ? re : NULL;
}

/* Keeps the groups of the match that has just succeeded, by number and by name. */
static void keep_captures(const struct slv_regex *re, struct str subject, struct slv_request *r,
                          int matched)
{
    struct context *ctx = context_of(r);
    struct captures *c = ctx->captures;
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(match_data);
    unsigned count = (unsigned)matched;
    char *copy;

    if (!c)
        c = ctx->captures = slv_alloc(r, sizeof *c);
    c->count = 1;
    c->subject = (struct str){ NULL, 0 };
    c->ovector[0] = c->ovector[1] = UINT32_MAX;
    if (re->groups == 0)
        return;
    AN(subject.n < UINT32_MAX);
    copy = slv_alloc(r, subject.n + 1);
    memcpy(copy, subject.p, subject.n);
    copy[subject.n] = '\0';
    c->subject = (struct str){ copy, subject.n };
    c->count = count < 10 ? count : 10;
    for (unsigned i = 0; i < 2 * c->count; i++)
        c->ovector[i] = ovector[i] == PCRE2_UNSET ? UINT32_MAX : (uint32_t)ovector[i];
    for (size_t i = 0; i < re->name_count; i++) {
        unsigned g = re->names[i].group;
        bool set = g < count && ovector[2 * g] != PCRE2_UNSET;
        struct str value = { NULL, 0 };

        if (set)
            value = (struct str){ copy + ovector[2 * g], ovector[2 * g + 1] - ovector[2 * g] };
        variable_set(r, re->names[i].variable, value);
    }
}

/* Tries a subject. */
bool slv_regex_match(const struct slv_regex *re, struct str subject, struct slv_request *r)
{
    int matched;

    CHECK_OBJ(re, REGEX_MAGIC);
    AN(match_data != NULL && re->groups <= match_groups);
    if (!subject.p)
        subject = STR("");
    matched = pcre2_match(re->code, (PCRE2_SPTR)subject.p, subject.n, 0, 0, match_data,
                          match_limits);
    if (matched == PCRE2_ERROR_NOMATCH)
        return false;
    if (matched < 0) {
        slv_log(r, SLV_LOG_ERROR, 0, "pcre2_match() failed: %d on \"%.*s\" using \"%.*s\"", matched,
                STR_ARG(subject), STR_ARG(re->pattern));
        if (r)
            context_of(r)->match_failed = true;
        return false;
    }
    AN(matched > 0);
    if (r)
        keep_captures(re, subject, r, matched);
    return true;
}

/* Counts the groups of a pattern. */
unsigned regex_groups(const struct slv_regex *re)
{
    CHECK_OBJ(re, REGEX_MAGIC);
    return re->groups;
}

/* The pattern as it was written. */
struct str regex_pattern(const struct slv_regex *re)
{
    CHECK_OBJ(re, REGEX_MAGIC);
    return re->pattern;
}
