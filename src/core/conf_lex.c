/*
 * conf_lex.c - from the bytes of the configuration files to a tree of directives.
 *
 * The grammar is nginx's. nginx ends at the first mistake; here the directive with the mistake is
 * dropped and reading goes on, so that one run finds them all. Where braces do not match, nobody
 * can say any more what belongs where; then the tree is marked as damaged, and whoever reads it
 * keeps quiet about things that are only in the wrong place.
 */
#include "core/conf_engine.h"

#include "base/mem.h"

enum token { TOKEN_WORD, TOKEN_SEMICOLON, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END };

/* White space between words. */
static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

/* The place of the byte that is read next. */
static struct conf_spot here(const struct conf_lexer *lx)
{
    AN(lx->at >= lx->line_start && lx->at <= lx->end);
    return (struct conf_spot){ lx->file, lx->line, (unsigned)(lx->at - lx->line_start) + 1 };
}

/* Reports a character that cannot stand where it stands. */
static void report_unexpected(struct conf_lexer *lx)
{
    struct conf_spot spot = here(lx);
    int n = 1;

    while (lx->at + n < lx->end && n < 4 && ((unsigned char)lx->at[n] & 0xc0) == 0x80)
        n++;
    conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &spot, "unexpected \"%.*s\"", n, lx->at);
}

/* Reports whatever is said about one place. */
static void report_here(struct conf_lexer *lx, const struct conf_spot *spot, const char *text)
{
    conf_report_at(lx->c, SLV_LOG_EMERG, spot, spot, "%s", text);
}

/* The structure of the tree cannot be trusted; the text of -g stands apart and has none. */
static void mark_damaged(struct conf_lexer *lx)
{
    if (!lx->globals)
        lx->engine->damaged = true;
}

/* Gives the rest of the file up. */
static void give_up(struct conf_lexer *lx)
{
    AN(!lx->over);
    lx->over = true;
    lx->at = lx->end;
    mark_damaged(lx);
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* Makes room for n more bytes of words; tells where they go. */
static char *word_bytes(struct conf_lexer *lx, size_t n)
{
    struct conf_engine *e = lx->engine;

    AN(n <= CONF_WORD_MAX + 1);
    if (lx->used + n > e->byte_room) {
        e->byte_room = (lx->used + n) * 2;
        e->bytes = mem_resize(e->bytes, e->byte_room, 1);
    }
    return e->bytes + lx->used;
}

/* Copies raw to out without its escapes; returns how many bytes that gave. */
static size_t unescape(struct str raw, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        char ch = raw.p[i], next = i + 1 < raw.n ? raw.p[i + 1] : '\0';

        if (ch == '\\' && next && strchr("\"'\\trn", next)) {
            ch = next == 't' ? '\t' : next == 'r' ? '\r' : next == 'n' ? '\n' : next;
            i++;
        } else if (ch == '\\' && i + 1 < raw.n) {
            out[n++] = ch;
            ch = raw.p[++i];
        }
        out[n++] = ch;
    }
    return n;
}

/* Adds a word to the directive at hand. */
static void add_word(struct conf_lexer *lx, struct str raw, const struct conf_spot *spot,
                     bool quoted)
{
    struct conf_engine *e = lx->engine;
    char *out = word_bytes(lx, raw.n + 1);
    size_t n = unescape(raw, out);

    AN(n <= raw.n);
    out[n] = '\0';
    if (lx->count == e->word_room) {
        e->word_room = e->word_room ? e->word_room * 2 : 16;
        e->words = mem_resize(e->words, e->word_room, sizeof *e->words);
    }
    /* The bytes may still move: until the node is made, only the length of the text counts. */
    e->words[lx->count++] = (struct conf_word){ { NULL, n }, spot->line, spot->column, quoted };
    lx->used += n + 1;
}

/* Steps over a backslash and what it protects. */
static void skip_escape(struct conf_lexer *lx)
{
    AN(*lx->at == '\\');
    if (++lx->at == lx->end)
        return;
    if (*lx->at++ == '\n') {
        lx->line++;
        lx->line_start = lx->at;
    }
}

/* Reads a word without quotes around it; at stands on its first byte. */
static void read_bare(struct conf_lexer *lx)
{
    struct conf_spot spot = here(lx);
    const char *start = lx->at;
    bool dollar = false;           /* "${" is a variable and opens no block */
    struct str raw;

    while (lx->at < lx->end) {
        char ch = *lx->at;

        if (ch == '\\') {
            dollar = false;
            skip_escape(lx);
            continue;
        }
        if (ch == ';' || is_blank(ch) || (ch == '{' && !dollar))
            break;
        dollar = ch == '$' || (ch == '{' && dollar);
        lx->at++;
    }
    raw = (struct str){ start, (size_t)(lx->at - start) };
    if (raw.n < CONF_WORD_MAX) {
        add_word(lx, raw, &spot, false);
        return;
    }
    if (!lx->bad)
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &spot,
                       "too long parameter \"%.10s...\" started", start);
    lx->bad = true;
    add_word(lx, (struct str){ start, 10 }, &spot, false);
}

/* What may follow a closing quote: an end, or the parenthesis of if ("$a" = "b"). */
static void check_behind_quote(struct conf_lexer *lx)
{
    if (lx->at == lx->end || is_blank(*lx->at) || strchr(";{)}", *lx->at))
        return;
    if (!lx->bad)
        report_unexpected(lx);
    lx->bad = true;
}

/* Reads a word in quotes; at stands on the opening one. */
static void read_quoted(struct conf_lexer *lx)
{
    struct conf_spot spot = here(lx);
    char quote = *lx->at++;
    const char *start = lx->at;

    AN(quote == '"' || quote == '\'');
    while (lx->at < lx->end && *lx->at != quote) {
        if (*lx->at == '\\') {
            skip_escape(lx);
            continue;
        }
        if (*lx->at++ == '\n') {
            lx->line++;
            lx->line_start = lx->at;
        }
    }
    if ((size_t)(lx->at - start) >= CONF_WORD_MAX) {
        /* Behind a quote that somebody forgot, inside and outside are swapped. */
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &spot, "too long parameter, probably missing "
                       "terminating \"%c\" character", quote);
        give_up(lx);
        return;
    }
    if (lx->at == lx->end) {
        lx->open_quote = spot;
        add_word(lx, (struct str){ start, 0 }, &spot, true);
        return;
    }
    add_word(lx, (struct str){ start, (size_t)(lx->at - start) }, &spot, true);
    lx->at++;
    check_behind_quote(lx);
}

/* Reads up to the next word or mark. */
static enum token next_token(struct conf_lexer *lx)
{
    while (lx->at < lx->end) {
        switch (*lx->at) {
        case '\n':
            lx->line++;
            lx->line_start = ++lx->at;
            break;
        case ' ':
        case '\t':
        case '\r':
            lx->at++;
            break;
        case '#':
            lx->at = memchr(lx->at, '\n', (size_t)(lx->end - lx->at));
            if (!lx->at)
                lx->at = lx->end;
            break;
        case ';':
            return TOKEN_SEMICOLON;
        case '{':
            return TOKEN_OPEN;
        case '}':
            return TOKEN_CLOSE;
        case '"':
        case '\'':
            read_quoted(lx);
            return lx->over ? TOKEN_END : TOKEN_WORD;
        default:
            read_bare(lx);
            return TOKEN_WORD;
        }
    }
    return TOKEN_END;
}

/* ---- Directives ------------------------------------------------------------------------------ */

/* The words read so far as a node, in tree memory. */
static struct conf_node *make_node(struct conf_lexer *lx, bool block)
{
    struct arena *a = &lx->c->tree.arena;
    size_t table = lx->count * sizeof(struct conf_word);
    struct conf_node *node;
    char *bytes;

    AN(lx->count > 0);
    node = arena_alloc(a, sizeof *node + table + lx->used);
    *node = (struct conf_node){
        .file = lx->file, .words = (struct conf_word *)(void *)(node + 1), .count = lx->count,
        .block = block
    };
    bytes = (char *)node->words + table;
    memcpy(node->words, lx->engine->words, table);
    memcpy(bytes, lx->engine->bytes, lx->used);
    for (size_t i = 0; i < node->count; i++) {
        node->words[i].text.p = bytes;
        bytes += node->words[i].text.n + 1;
    }
    return node;
}

/* Forgets the directive at hand. */
static void start_directive(struct conf_lexer *lx)
{
    lx->count = lx->used = 0;
    lx->bad = false;
}

/* Its name, as long as it is being read. */
static struct str directive_name(const struct conf_lexer *lx)
{
    AN(lx->count > 0);
    return (struct str){ lx->engine->bytes, lx->engine->words[0].text.n };
}

/* The place where it began. */
static struct conf_spot directive_spot(const struct conf_lexer *lx)
{
    AN(lx->count > 0);
    return (struct conf_spot){ lx->file, lx->engine->words[0].line, lx->engine->words[0].column };
}

/* Ends a name that goes into a message, so that a message stays readable. */
static int brief(struct str name)
{
    return name.n > 100 ? 100 : (int)name.n;
}

/* A directive is complete: puts it into the tree. */
static void end_directive(struct conf_lexer *lx)
{
    struct conf_level *level = &lx->levels[lx->level];
    struct conf_node *node;

    if (!lx->bad && !level->ignored) {
        node = make_node(lx, false);
        start_directive(lx);
        if (str_eq(node->words[0].text, STR("include"))) {
            conf_include(lx, node);
        } else {
            *level->tail = node;
            level->tail = &node->next;
        }
    }
    start_directive(lx);
}

/* "{": the directive at hand opens a block. */
static void open_block(struct conf_lexer *lx)
{
    struct conf_level *level = &lx->levels[lx->level], *inner = level + 1;
    struct conf_spot spot = here(lx);

    if (lx->globals) {
        report_here(lx, &spot, "block directives are not supported in -g option");
        give_up(lx);
        return;
    }
    if (lx->blocks + lx->level == CONF_NEST_MAX) {
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &spot,
                       "blocks are nested deeper than %d levels", CONF_NEST_MAX);
        give_up(lx);
        return;
    }
    *inner = (struct conf_level){
        .name = STR(""), .spot = spot, .ignored = level->ignored || lx->bad
    };
    if (lx->count == 0) {
        report_unexpected(lx);
        inner->ignored = true;
    } else if (!inner->ignored && str_eq(directive_name(lx), STR("include"))) {
        spot = directive_spot(lx);
        report_here(lx, &spot, "directive \"include\" is not terminated by \";\"");
        inner->ignored = true;
    }
    if (lx->count > 0)
        inner->spot = directive_spot(lx);
    if (!inner->ignored) {
        struct conf_node *node = make_node(lx, true);

        *level->tail = node;
        level->tail = &node->next;
        inner->tail = &node->children;
        inner->name = node->words[0].text;
    }
    lx->level++;
    lx->at++;
    start_directive(lx);
}

/* "}": closes a block, or stands where none can be closed. */
static void close_block(struct conf_lexer *lx)
{
    struct conf_spot spot = here(lx);

    if (lx->count > 0) {
        struct str name = directive_name(lx);

        if (!lx->bad)
            conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &spot, "unexpected \"}\", directive "
                           "\"%.*s\" at line %u is not terminated by \";\"", brief(name), name.p,
                           lx->engine->words[0].line);
        end_directive(lx);
    } else if (lx->level == 0) {
        report_unexpected(lx);
    }
    if (lx->level == 0)
        mark_damaged(lx);
    else
        lx->level--;
    lx->at++;
}

/* The text ended: was that the place for it? */
static void end_of_text(struct conf_lexer *lx)
{
    const struct conf_level *level = &lx->levels[lx->level];
    struct conf_spot spot = here(lx), began;

    if (lx->over)
        return;
    if (lx->count == 0 && lx->level == 0)
        return;
    if (lx->level > 0 || lx->open_quote.line)
        mark_damaged(lx);
    if (lx->count == 0) {
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &level->spot, "unexpected end of file, "
                       "expecting \"}\", the block%s%.*s%s opened at line %u is not closed",
                       level->name.n ? " \"" : "", brief(level->name), level->name.p,
                       level->name.n ? "\"" : "", level->spot.line);
        return;
    }
    began = directive_spot(lx);
    if (lx->open_quote.line)
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &lx->open_quote, "unexpected end of %s, the "
                       "quote opened at line %u is not closed",
                       lx->globals ? "parameter, expecting \";\""
                                   : "file, expecting \";\" or \"}\"",
                       lx->open_quote.line);
    else if (lx->globals)
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &began, "unexpected end of parameter, "
                       "expecting \";\"");
    else
        conf_report_at(lx->c, SLV_LOG_EMERG, &spot, &began, "unexpected end of file, expecting "
                       "\";\" or \"}\", directive \"%.*s\" at line %u is not terminated",
                       brief(directive_name(lx)), directive_name(lx).p, began.line);
}

void conf_lex(struct conf_lexer *lx)
{
    enum token token;

    if (str_starts(lx->file->text, STR("\xef\xbb\xbf")))
        lx->line_start = lx->at += 3;
    while ((token = next_token(lx)) != TOKEN_END) {
        switch (token) {
        case TOKEN_SEMICOLON:
            if (lx->count == 0)
                report_unexpected(lx);
            else
                end_directive(lx);
            lx->at++;
            break;
        case TOKEN_OPEN:
            open_block(lx);
            break;
        case TOKEN_CLOSE:
            close_block(lx);
            break;
        default:
            break;
        }
    }
    end_of_text(lx);
}
