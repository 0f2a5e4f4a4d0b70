/*
 * conf_engine.h - what the files of the configuration engine share among themselves.
 *
 * conf_file.c finds the texts, conf_lex.c makes the tree of them, conf.c applies it, conf_inherit.c
 * resolves it, conf_report.c speaks.
 * Nobody else includes this.
 */
#ifndef SLV_CORE_CONF_ENGINE_H
#define SLV_CORE_CONF_ENGINE_H

#include "core/conf.h"

#include "base/check.h"
#include "base/table.h"

#include <stdarg.h>
#include <stdint.h>

#define CONF_WORD_MAX 4096         /* a parameter must be shorter than this, as in nginx */
#define CONF_NEST_MAX 64           /* blocks in blocks, over all included files */
#define CONF_INCLUDE_MAX 16        /* files in files */

/* All contexts that may set what a struct of main or of http holds. */
#define CONF_OUTER (SLV_IN_MAIN | SLV_IN_EVENTS)
#define CONF_INNER (SLV_IN_ANY_HTTP | SLV_IN_LIMIT_EXCEPT)

/* A place in a source file. */
struct conf_spot {
    const struct conf_file *file;
    unsigned line, column;         /* 1-based; bytes */
};

#define CONF_NO_FIELD SIZE_MAX

/* One entry of a module's directive table. */
struct conf_known {
    struct conf_known *next;       /* the same name in other contexts */
    const struct slv_directive *directive;
    size_t module;
    size_t field;                  /* in the module's fields, or CONF_NO_FIELD */
};

/* A member of a conf struct; two directives with the same offset share it. */
struct conf_field {
    size_t offset, size;
    bool private;                  /* SLV_NOT_INHERITED */
};

/* What the engine knows of a module, by module index. */
struct conf_table {
    struct conf_field *fields;
    size_t field_count;
    void *outer_defaults, *inner_defaults; /* nothing but defaults; made when first needed */
    bool outer;                    /* has directives for main or events */
    bool outer_fields;             /* and some of them have a field */
    bool failed;                   /* one of its directives was refused */
};

/* A directive that was met in a block: for "is duplicate" and for inheritance. */
struct conf_seen {
    struct conf_seen *next;
    const struct conf_known *known;
    const struct conf_node *node;
};

/* What a block needs only until it has been resolved. Most blocks have none. */
struct conf_set {
    struct conf_seen *seen;
    struct conf_block *last_child;
    void **heirs;                  /* by module: what children share if fields here are private */
    bool heirs_full;
};

/* A conf struct whose finish hook is to be called. */
struct conf_due {
    struct conf_due *next;
    struct conf_block *block;
    size_t module;
    void *conf;
};

/* Lives as long as the tree. */
struct conf_engine {
    unsigned magic;
#define CONF_ENGINE_MAGIC 0xc04fe1e1u
    struct table names;            /* directive name -> struct conf_known */
    struct table files;            /* path -> struct conf_file */
    struct conf_table *tables;     /* by module index */
    size_t room;                   /* of tables and of modules.list */
    struct conf_due *due, **due_end;
    bool damaged;                  /* braces do not match: what stands where is not known */

    /* The directive that is being lexed: its words, then their bytes. From the heap. */
    struct conf_word *words;
    size_t word_room;
    char *bytes;
    size_t byte_room;

    /* Where a line was last looked up, so that many messages do not cost the square of the file. */
    const struct conf_file *near_file;
    size_t near_offset;
    unsigned near_line;
};

/* An open block; level 0 is the file itself. */
struct conf_level {
    struct conf_node **tail;       /* where the next sibling goes */
    struct str name;
    struct conf_spot spot;         /* of the directive that opened it */
    bool ignored;                  /* of a directive that was refused: only its braces count */
};

/* Reads one text. */
struct conf_lexer {
    struct conf *c;
    struct conf_engine *engine;
    const struct conf_lexer *outer; /* the file that includes this one */
    const struct conf_file *file;
    const char *at, *end, *line_start;
    unsigned line;
    unsigned includes, blocks;     /* how deep outer is */
    bool globals;                  /* the text of -g: no blocks, and its own messages */
    bool closed;                   /* opens no other files */
    bool over;                     /* given up: what follows would only be misread */

    /* The directive at hand. */
    size_t count, used;            /* words and their bytes so far */
    bool bad;                      /* already complained about */
    struct conf_spot open_quote;   /* line 0: no quote is open */

    size_t level;
    struct conf_level levels[CONF_NEST_MAX + 1];
};

/* The engine of c; made with the tree and the main block at the first call. */
struct conf_engine *conf_engine(struct conf *c);

/* Room for one more module in tables, modules.list and main->confs. */
void conf_engine_reserve(struct conf *c);

/* The block that holds the structs for directives in b: events has none of its own. */
static inline struct conf_block *conf_scope(struct conf_block *b)
{
    return b->where == SLV_IN_EVENTS ? b->parent : b;
}

/*
 * A message: " in FILE:LINE" of place is added; shown is the spot under which the caret goes. Both
 * may be NULL.
 */
void conf_report_at(struct conf *c, enum slv_level level, const struct conf_spot *place,
                    const struct conf_spot *shown, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void conf_report_list(struct conf *c, enum slv_level level, const struct conf_spot *place,
                      const struct conf_spot *shown, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

/* The place of word number arg of a node, or of its last word. */
struct conf_spot conf_spot_of(const struct conf_node *node, size_t arg);

/* Says that nobody knows the directive of this node, and what it may have meant. */
void conf_report_unknown(struct conf *c, const struct conf_node *node, unsigned where);

/* Says that a directive does not belong into this block. */
void conf_report_misplaced(struct conf *c, const struct conf_node *node,
                           const struct conf_known *known);

/* Says how many arguments were expected. */
void conf_report_count(struct conf *c, const struct conf_node *node,
                       const struct slv_directive *d);

/* Calls the setter of known for a node that was checked. */
int conf_call_setter(struct conf *c, struct conf_block *block, const struct conf_known *known,
                     const struct conf_node *node, void *conf);

/* Reads all directives of the text between at and end. */
void conf_lex(struct conf_lexer *lx);

/* include FILE | MASK; - puts the directives of other files into the block at hand. */
void conf_include(struct conf_lexer *lx, const struct conf_node *node);

/* The default of a directive as if it had been written. */
const struct conf_node *conf_lex_default(struct conf *c, const struct slv_directive *d);

/* The directive names of nginx, sorted. */
extern const char *const conf_nginx_names[];
extern const size_t conf_nginx_count;
bool conf_is_nginx_directive(struct str name);

#endif
