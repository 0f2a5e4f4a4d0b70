/*
 * conf_report.c - messages about the configuration.
 *
 * The wording is nginx's, because people search for it and tools match it; what helps further (a
 * hint, the line, a caret) comes behind or below it.
 */
#include "core/conf_engine.h"

#include <stdio.h>

#define SHOWN_MAX 100              /* bytes of a source line that are shown */
#define SHOWN_BEFORE 60            /* of them before the caret, when the line has to be cut */
#define GUESS_MAX 48               /* longer words are not guessed at */

/* ---- The source line and its caret ----------------------------------------------------------- */

/* The text of a line, without its end and without a byte order mark. */
static struct str source_line(struct conf_engine *e, const struct conf_file *file, unsigned line)
{
    struct str s = file->text;
    size_t at = 0;
    unsigned n = 1;
    const char *end;

    if (e->near_file == file && e->near_line <= line) {
        at = e->near_offset;
        n = e->near_line;
    }
    for (; n < line; n++) {
        const char *feed = at < s.n ? memchr(s.p + at, '\n', s.n - at) : NULL;

        if (!feed)
            return (struct str){ "", 0 };
        at = (size_t)(feed - s.p) + 1;
    }
    e->near_file = file;
    e->near_line = line;
    e->near_offset = at;
    s = str_from(s, at);
    if (line == 1 && str_starts(s, STR("\xef\xbb\xbf")))
        s = str_from(s, 3);
    end = s.n ? memchr(s.p, '\n', s.n) : NULL;
    if (end)
        s.n = (size_t)(end - s.p);
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* Part of a UTF-8 sequence, but not its beginning. */
static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Cuts a long line around column (0-based); tells where the part begins. */
static struct str cut_line(struct str line, size_t column, size_t *begin)
{
    size_t from, to;

    *begin = 0;
    if (line.n <= SHOWN_MAX)
        return line;
    from = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;
    if (from > line.n - SHOWN_MAX)
        from = line.n - SHOWN_MAX;
    to = from + SHOWN_MAX;
    /* Whole characters; three steps, because not everything is UTF-8 that looks like it. */
    for (int i = 0; i < 3 && from > 0 && is_continuation(line.p[from]); i++)
        from--;
    for (int i = 0; i < 3 && to < line.n && is_continuation(line.p[to]); i++)
        to++;
    *begin = from;
    return (struct str){ line.p + from, to - from };
}

/* The source line and the caret line; "" where there is nothing to show. In tree memory. */
static const char *make_detail(struct conf *c, const struct conf_spot *spot)
{
    struct str line = source_line(c->engine, spot->file, spot->line), shown;
    size_t column = spot->column - 1, begin;
    char *out, *p;

    AN(spot->line > 0 && spot->column > 0);
    if (line.n == 0)
        return "";
    if (column > line.n)
        column = line.n;
    shown = cut_line(line, column, &begin);
    out = p = arena_alloc(&c->tree.arena, 2 * (shown.n + 8) + 4);
    if (begin > 0)
        p = (char *)memcpy(p, "...", 3) + 3;
    /* A terminal must not act on what somebody wrote into a file. */
    for (size_t i = 0; i < shown.n; i++)
        *p++ = ((unsigned char)shown.p[i] < ' ' && shown.p[i] != '\t') || shown.p[i] == 0x7f
            ? '?' : shown.p[i];
    if (begin + shown.n < line.n)
        p = (char *)memcpy(p, "...", 3) + 3;
    *p++ = '\n';
    if (begin > 0)
        p = (char *)memset(p, ' ', 3) + 3;
    AN(column >= begin && column <= begin + shown.n);
    for (size_t i = begin; i < column; i++)
        if (!is_continuation(line.p[i]))
            *p++ = line.p[i] == '\t' ? '\t' : ' ';
    memcpy(p, "^\n", 3);
    return out;
}

/* ---- Messages -------------------------------------------------------------------------------- */

void conf_report_list(struct conf *c, enum slv_level level, const struct conf_spot *place,
                      const struct conf_spot *shown, const char *format, va_list args)
{
    struct arena *a;
    struct str text;

    conf_engine(c);
    AN(c->report != NULL);
    if (level <= SLV_LOG_ERROR)
        c->report->errors++;
    else
        c->report->warnings++;
    if (!c->report->write)
        return;
    a = &c->tree.arena;
    text = arena_vprintf(a, format, args);
    if (place)
        text = arena_printf(a, "%.*s in %.*s:%u", STR_ARG(text), STR_ARG(place->file->name),
                            place->line);
    /* One line, whatever was quoted in it. */
    for (char *p = (char *)text.p; p < text.p + text.n; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    c->report->write(c->report->arg, level, text.p, shown ? make_detail(c, shown) : "");
}

void conf_report_at(struct conf *c, enum slv_level level, const struct conf_spot *place,
                    const struct conf_spot *shown, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    conf_report_list(c, level, place, shown, format, args);
    va_end(args);
}

struct conf_spot conf_spot_of(const struct conf_node *node, size_t arg)
{
    const struct conf_word *word;

    AN(node->count > 0);
    word = &node->words[arg < node->count ? arg : node->count - 1];
    return (struct conf_spot){ node->file, word->line, word->column };
}

/* A message about a node, or about nothing in particular where it is NULL. */
static void message_list(struct conf *c, enum slv_level level, const struct conf_node *node,
                         size_t arg, const char *format, va_list args)
{
    struct conf_spot spot;

    if (node) {
        spot = conf_spot_of(node, arg);
        c->report->subject = node->words[0].text;
    }
    conf_report_list(c, level, node ? &spot : NULL, node ? &spot : NULL, format, args);
    c->report->subject = (struct str){ NULL, 0 };
}

void conf_message(struct conf *c, enum slv_level level, const struct conf_node *node, size_t arg,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    message_list(c, level, node, arg, format, args);
    va_end(args);
}

int slv_conf_error(struct slv_conf *cf, size_t arg, const char *format, ...)
{
    va_list args;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    va_start(args, format);
    message_list(cf->conf, SLV_LOG_EMERG, cf->node, arg, format, args);
    va_end(args);
    return -1;
}

void slv_conf_warn(struct slv_conf *cf, size_t arg, const char *format, ...)
{
    va_list args;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    va_start(args, format);
    message_list(cf->conf, SLV_LOG_WARN, cf->node, arg, format, args);
    va_end(args);
}

struct str conf_place(struct conf *c, const struct conf_node *node)
{
    AN(node->count > 0);
    return arena_printf(c->arena, "%.*s:%u", STR_ARG(node->file->name), node->words[0].line);
}

/* ---- Did you mean ---------------------------------------------------------------------------- */

/*
 * Slips between two words, each a letter too many, missing, wrong or swapped with its neighbour;
 * more than limit: limit + 1.
 */
static unsigned slips(struct str a, struct str b, unsigned limit)
{
    unsigned char rows[3][GUESS_MAX + 1];
    unsigned char *before = rows[0], *above = rows[1], *row = rows[2], *spare;

    AN(a.n <= GUESS_MAX && b.n <= GUESS_MAX);
    if (a.n > b.n + limit || b.n > a.n + limit)
        return limit + 1;
    for (size_t j = 0; j <= b.n; j++)
        before[j] = above[j] = (unsigned char)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned least = row[0] = (unsigned char)i;

        for (size_t j = 1; j <= b.n; j++) {
            unsigned d = above[j - 1] + (str_lower(a.p[i - 1]) != str_lower(b.p[j - 1]));

            if (d > above[j] + 1u)
                d = above[j] + 1u;
            if (d > row[j - 1] + 1u)
                d = row[j - 1] + 1u;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1]
                && d > before[j - 2] + 1u)
                d = before[j - 2] + 1u;
            row[j] = (unsigned char)d;
            if (d < least)
                least = d;
        }
        if (least > limit)
            return limit + 1;
        spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b.n] > limit ? limit + 1 : above[b.n];
}

void conf_guess_offer(struct conf_guess *guess, const char *candidate)
{
    struct str name = str_of(candidate);
    unsigned limit = guess->word.n < 4 ? 1 : 2, d;

    AN(candidate != NULL);
    if (guess->word.n < 2 || guess->word.n > GUESS_MAX || name.n > GUESS_MAX)
        return;
    if (guess->best && guess->distance < limit)
        limit = guess->distance;
    d = slips(guess->word, name, limit);
    if (d > limit || (guess->best && d == guess->distance))
        return;
    guess->best = candidate;
    guess->distance = d;
}

/* Offers all directives that are allowed in one of the contexts, in the order of loading. */
static void guess_directive(const struct conf *c, unsigned where, struct conf_guess *guess)
{
    for (size_t i = 0; i < c->modules.count; i++) {
        const struct slv_directive *d = c->modules.list[i]->directives;

        for (; d && d->name; d++)
            if (d->where & where)
                conf_guess_offer(guess, d->name);
    }
    conf_guess_offer(guess, "include");
}

void conf_report_unknown(struct conf *c, const struct conf_node *node, unsigned where)
{
    struct str name = node->words[0].text;
    struct conf_guess here = { .word = name }, anywhere = { .word = name };

    if (conf_is_nginx_directive(name)) {
        conf_message(c, SLV_LOG_EMERG, node, 0,
                     "\"%.*s\" is a directive of nginx that selvage does not have", STR_ARG(name));
        return;
    }
    /* What fits here wins over what is a little nearer but would be refused next. */
    guess_directive(c, where, &here);
    guess_directive(c, ~0u, &anywhere);
    if (!here.best)
        here = anywhere;
    if (here.best)
        conf_message(c, SLV_LOG_EMERG, node, 0, "unknown directive \"%.*s\", did you mean \"%s\"?",
                     STR_ARG(name), here.best);
    else
        conf_message(c, SLV_LOG_EMERG, node, 0, "unknown directive \"%.*s\"", STR_ARG(name));
}

/* ---- Checks against the tables --------------------------------------------------------------- */

void conf_report_misplaced(struct conf *c, const struct conf_node *node,
                           const struct conf_known *known)
{
    static const char *const names[] = {
        "main", "events", "http", "server", "location", "limit_except"
    };
    unsigned where = 0;
    char allowed[80];
    size_t n = 0;

    for (; known; known = known->next)
        where |= known->directive->where;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (where & 1u << i)
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", names[i]);
    AN(n > 0 && n < sizeof allowed);
    conf_message(c, SLV_LOG_EMERG, node, 0,
                 "\"%.*s\" directive is not allowed here (allowed in: %s)",
                 STR_ARG(node->words[0].text), allowed);
}

void conf_report_count(struct conf *c, const struct conf_node *node,
                       const struct slv_directive *d)
{
    size_t got = node->count - 1, arg = got < d->min_args ? 0 : d->max_args + 1u;
    const char *end = node->block ? " { ... }" : ";";
    bool usage = d->usage && d->usage[0];
    char expected[40];

    if (d->max_args == 0)
        snprintf(expected, sizeof expected, "none");
    else if (d->max_args == SLV_ARGS_ANY)
        snprintf(expected, sizeof expected, "%u or more", d->min_args);
    else if (d->max_args == d->min_args)
        snprintf(expected, sizeof expected, "%u", d->min_args);
    else
        snprintf(expected, sizeof expected, "%u %s %u", d->min_args,
                 d->max_args == d->min_args + 1 ? "or" : "to", d->max_args);
    conf_message(c, SLV_LOG_EMERG, node, arg,
                 "invalid number of arguments in \"%s\" directive (expected %s, got %zu)"
                 "%s%s%s%s%s", d->name, expected, got, usage ? ", usage: " : "",
                 usage ? d->name : "", usage ? " " : "", usage ? d->usage : "", usage ? end : "");
}
