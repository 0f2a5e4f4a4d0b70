/*
 * conf_file.c - where the texts come from: the main file, what it includes, the command line.
 */
#include "core/conf_engine.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a descriptor to its end into tree memory. 0, or -1 with errno. */
static int read_all(struct conf *c, int fd, struct str *text)
{
    struct stat st;
    size_t room, n = 0;
    char *p;
    int error = 0;

    if (fstat(fd, &st) < 0)
        return -1;
    room = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
    p = mem_alloc(room);
    for (;;) {
        ssize_t got = read(fd, p + n, room - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            error = got < 0 ? errno : 0;
            break;
        }
        n += (size_t)got;
        if (n == room)
            p = mem_resize(p, room *= 2, 1);
    }
    if (!error)
        *text = arena_str(&c->tree.arena, (struct str){ p, n });
    free(p);
    errno = error;
    return error ? -1 : 0;
}

/*
 * The file of that path, read once however often it is included. NULL after reporting; node is the
 * include directive, or NULL.
 */
static const struct conf_file *open_file(struct conf *c, struct str path,
                                         const struct conf_node *node)
{
    struct conf_file *file = table_get(&c->engine->files, path);
    const char *what = "open";
    struct str text;
    int fd;

    if (file)
        return file;
    path = arena_str(&c->tree.arena, path);
    fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || read_all(c, fd, &text) < 0) {
        int error = errno;

        if (fd >= 0) {
            what = "read";
            close(fd);
        }
        conf_message(c, SLV_LOG_EMERG, node, 1, "%s() \"%s\" failed (%d: %s)", what, path.p, error,
                     strerror(error));
        return NULL;
    }
    close(fd);
    file = arena_zalloc(&c->tree.arena, sizeof *file);
    file->name = path;
    file->text = text;
    list_add(&c->tree.files, &file->link);
    table_set(&c->engine->files, path, file);
    return file;
}

/* Is it text? A NUL would end words early for everybody who uses them as C strings. */
static bool check_text(struct conf *c, const struct conf_file *file)
{
    const char *nul = file->text.n ? memchr(file->text.p, '\0', file->text.n) : NULL;
    struct conf_spot spot = { file, 1, 1 };

    if (!nul)
        return true;
    for (const char *p = file->text.p; p < nul; p++)
        spot.line += *p == '\n';
    conf_report_at(c, SLV_LOG_EMERG, &spot, NULL, "unexpected NUL byte, this is not a text file");
    return false;
}

/* Lexes a file into the tree at *tail, which moves on. */
static void lex_file(struct conf_lexer *lx, struct conf_node ***tail)
{
    lx->engine = conf_engine(lx->c);
    if (!check_text(lx->c, lx->file))
        return;
    lx->at = lx->line_start = lx->file->text.p;
    lx->end = lx->at + lx->file->text.n;
    lx->line = 1;
    lx->levels[0] = (struct conf_level){ .tail = *tail };
    conf_lex(lx);
    *tail = lx->levels[0].tail;
}

/* Lexes one included file into the block at hand. */
static void include_file(struct conf_lexer *lx, struct str path, const struct conf_node *node)
{
    struct conf_lexer *inner;
    const struct conf_file *file = open_file(lx->c, path, node);

    if (!file)
        return;
    for (const struct conf_lexer *outer = lx; outer; outer = outer->outer)
        if (outer->file == file) {
            conf_message(lx->c, SLV_LOG_EMERG, node, 1,
                         "\"%.*s\" cannot be included here, because it is being read already",
                         STR_ARG(path));
            return;
        }
    if (lx->includes == CONF_INCLUDE_MAX) {
        conf_message(lx->c, SLV_LOG_EMERG, node, 1, "files are included deeper than %d levels",
                     CONF_INCLUDE_MAX);
        return;
    }
    inner = mem_zalloc(sizeof *inner);
    *inner = (struct conf_lexer){
        .c = lx->c, .outer = lx, .file = file, .includes = lx->includes + 1,
        .blocks = lx->blocks + (unsigned)lx->level
    };
    lex_file(inner, &lx->levels[lx->level].tail);
    free(inner);
}

void conf_include(struct conf_lexer *lx, const struct conf_node *node)
{
    struct arena *a = &lx->c->tree.arena;
    struct str path;
    glob_t found;
    int rc;

    if (node->count != 2) {
        static const struct slv_directive d = {
            .name = "include", .min_args = 1, .max_args = 1, .usage = "file | mask"
        };

        conf_report_count(lx->c, node, &d);
        return;
    }
    if (lx->closed)
        return;
    path = node->words[1].text;
    if (path.n == 0 || path.p[0] != '/')
        path = arena_printf(a, "%.*s%.*s", STR_ARG(lx->c->config_dir), STR_ARG(path));
    if (!strpbrk(path.p, "*?[")) {
        include_file(lx, path, node);
        return;
    }
    rc = glob(path.p, 0, NULL, &found);
    if (rc == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            include_file(lx, arena_str(a, str_of(found.gl_pathv[i])), node);
    else if (rc != GLOB_NOMATCH)
        conf_message(lx->c, SLV_LOG_EMERG, node, 1, "glob() \"%.*s\" failed", STR_ARG(path));
    if (rc != GLOB_NOSPACE)
        globfree(&found);
}

/* Lexes the text of -g behind what is in the tree. */
static void read_globals(struct conf *c, const char *globals, bool closed,
                         struct conf_node ***tail)
{
    struct conf_file *file = arena_zalloc(&c->tree.arena, sizeof *file);
    struct conf_lexer *lx = mem_zalloc(sizeof *lx);

    /* Not in the list of files: -T shows files only. */
    file->name = STR("command line");
    file->text = arena_str(&c->tree.arena, str_of(globals));
    *lx = (struct conf_lexer){ .c = c, .file = file, .globals = true, .closed = closed };
    lex_file(lx, tail);
    free(lx);
}

/* Reads the main file and the globals. closed: opens no others. */
static int read_config(struct conf *c, const struct conf_file *file, const char *globals,
                       bool closed)
{
    unsigned errors = c->report->errors;
    struct conf_node **tail = &c->tree.top;
    struct conf_lexer *lx;

    while (*tail)
        tail = &(*tail)->next;
    if (file) {
        lx = mem_zalloc(sizeof *lx);
        *lx = (struct conf_lexer){ .c = c, .file = file, .closed = closed };
        lex_file(lx, &tail);
        free(lx);
    }
    if (globals)
        read_globals(c, globals, closed, &tail);
    return c->report->errors > errors || !file ? -1 : 0;
}

int conf_read(struct conf *c, const char *path, const char *globals)
{
    struct str name = str_of(path);
    const struct conf_file *file;
    size_t dir = name.n;

    AN(path[0] == '/');
    conf_engine(c);
    while (name.p[dir - 1] != '/')
        dir--;
    c->config_dir = arena_str(c->arena, (struct str){ path, dir });
    file = open_file(c, name, NULL);
    /* One that is just being written, mostly: to put it in force would end every site. */
    if (file && file->text.n == 0) {
        conf_report_at(c, SLV_LOG_EMERG, NULL, NULL, "the configuration file %s is empty", path);
        return -1;
    }
    return read_config(c, file, globals, false);
}

int conf_read_given(struct conf *c, const char *name, struct str text, const char *globals,
                    bool closed)
{
    struct conf_file *file;

    conf_engine(c);
    file = arena_zalloc(&c->tree.arena, sizeof *file);
    file->name = arena_str(&c->tree.arena, str_of(name));
    file->text = arena_str(&c->tree.arena, text);
    list_add(&c->tree.files, &file->link);
    if (!c->config_dir.p)
        c->config_dir = c->prefix;
    return read_config(c, file, globals, closed);
}

int conf_read_text(struct conf *c, const char *name, struct str text, const char *globals)
{
    return conf_read_given(c, name, text, globals, true);
}

const struct conf_node *conf_lex_default(struct conf *c, const struct slv_directive *d)
{
    struct conf_file *file = arena_zalloc(&c->tree.arena, sizeof *file);
    struct conf_lexer *lx = mem_zalloc(sizeof *lx);
    struct conf_node *node = NULL, **tail = &node;

    file->name = arena_printf(&c->tree.arena, "default of \"%s\"", d->name);
    file->text = arena_printf(&c->tree.arena, "%s %s;", d->name, d->fallback);
    *lx = (struct conf_lexer){ .c = c, .file = file, .closed = true };
    lex_file(lx, &tail);
    free(lx);
    AN(node != NULL && node->next == NULL && !node->block);
    return node;
}

void conf_dump(const struct conf *c, FILE *out)
{
    AN(c->engine != NULL);
    LIST_EACH(at, after, &c->tree.files) {
        const struct conf_file *file = LIST_ITEM(at, struct conf_file, link);

        fprintf(out, "# configuration file %.*s:\n", STR_ARG(file->name));
        fwrite(file->text.p, 1, file->text.n, out);
        fputc('\n', out);
    }
}
