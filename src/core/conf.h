/*
 * conf.h - the configuration engine: file -> tree -> checked directives -> conf structs.
 *
 * Knows grammar, tables, inheritance and diagnostics; knows no directive by name. Whoever owns a
 * block-opening directive (http, server, location …) calls conf_open() from its setter.
 *
 *   conf_read()     lexes the file with its includes into a tree; reports what is malformed
 *   conf_apply()    checks each node against the tables and calls the setters
 *   conf_inherit()  copies unset fields inwards, fills in defaults, calls the finish hooks
 *
 * Each step goes on after a mistake, so that one run reports them all. Mistakes are counted in
 * struct conf_report and written as nginx writes them, then the source line with a caret.
 */
#ifndef SLV_CORE_CONF_H
#define SLV_CORE_CONF_H

#include <selvage/module.h>

#include "base/arena.h"
#include "base/list.h"

#include <stdio.h>

/* Where mistakes go and how many there were. */
struct conf_report {
    /*
     * Called for each message. level SLV_LOG_EMERG (a mistake) or SLV_LOG_WARN; text is the one
     * line as nginx would write it ("… in FILE:LINE"), detail the source line and the caret line,
     * each ended by a newline, or "".
     */
    void (*write)(void *arg, enum slv_level level, const char *text, const char *detail);
    void *arg;
    unsigned errors, warnings;
    struct str subject;            /* during write: the directive it is about; .p NULL: of none */
};

/* A source file that was read; for -T and for the lines in messages. */
struct conf_file {
    struct link link;              /* in conf_tree.files, in the order of first opening */
    struct str name;               /* absolute, NUL behind it */
    struct str text;
};

struct conf_word {
    struct str text;               /* quotes and escapes resolved; in tree memory, NUL behind it */
    unsigned line, column;         /* 1-based place of its first byte */
    bool quoted;
};

/* A directive or an entry of a raw block. */
struct conf_node {
    struct conf_node *next;        /* sibling */
    struct conf_node *children;    /* of a block; NULL where it is empty */
    const struct conf_file *file;
    struct conf_word *words;
    size_t count;                  /* of words, the name included */
    bool block;                    /* ended with { … } */
};

struct conf_tree {
    struct arena arena;            /* owns nodes, words and texts */
    struct link files;
    struct conf_node *top;
};

/*
 * A context with its conf structs, one per module; shared with the parent where nothing is set.
 * Lives in config memory.
 */
struct conf_block {
    struct conf_block *parent;
    struct conf_block *children, *next; /* the blocks opened inside, in order; next sibling */
    unsigned where;                /* SLV_IN_* */
    void **confs;                  /* by module index */
    size_t *access;                /* modules whose access hook is asked here, in their order */
    size_t access_count;
    struct conf_set *set;          /* engine's own: which fields were set, until conf_inherit() */
    const struct conf_node *node;  /* the directive that opened it; valid while the tree lives */
    void *data;                    /* for the owner of the opening directive: struct server … */
};

/* The modules of a configuration, in order of loading; the core's own tables come first. */
struct conf_modules {
    const struct slv_module **list;
    size_t count;
};

/* Zeroed by its owner, who then sets arena, report, prefix and owner. */
struct conf {
    struct arena *arena;           /* config memory, outlives the tree */
    struct conf_tree tree;
    struct conf_modules modules;   /* grows while load_module directives are applied */
    struct conf_report *report;
    struct str prefix;             /* absolute, ends with '/' */
    struct str config_dir;         /* directory of the main file, ends with '/' */
    struct conf_block *main;       /* the outermost block */
    void *owner;                   /* struct config, for the core's setters */
    struct conf_engine *engine;    /* private to conf*.c */
};

/* What a setter gets: one directive being applied. */
struct slv_conf {
    unsigned magic;
#define SLV_CONF_MAGIC 0xc04f1234u
    struct conf *conf;
    struct conf_block *block;
    const struct conf_node *node;
    const struct slv_directive *directive;
};

/*
 * Reads path (absolute) and what it includes, then the words of globals (the -g option; may be
 * NULL) as if they stood at the end of the main context. Returns 0; -1 after reporting. c->arena,
 * c->report, c->prefix are set by the caller; conf_free_tree() frees what this makes.
 */
int conf_read(struct conf *c, const char *path, const char *globals);

/*
 * The same for a text in memory that is called name in messages. Relative names in it are below the
 * prefix. closed: opens no file, what "include" names is left out; for tests and fuzzing.
 */
int conf_read_given(struct conf *c, const char *name, struct str text, const char *globals,
                    bool closed);

/* conf_read_given(), closed. */
int conf_read_text(struct conf *c, const char *name, struct str text, const char *globals);

/*
 * Adds a module's tables. Refuses (with an error naming both) a directive that another module has
 * already, and any module once a block has been opened. Calls its load hook. cf: the load_module
 * directive; NULL for what is built in, where two modules may share a name in different contexts
 * (error_log). 0 or -1.
 */
int conf_add_module(struct conf *c, const struct slv_module *m, struct slv_conf *cf);

/* Applies the whole tree to c->main. 0, or -1 if there was any mistake. */
int conf_apply(struct conf *c);

/*
 * From the setter of a block-opening directive: makes the inner block and applies what stands in
 * it. The block is returned even where there were mistakes inside (they are counted).
 */
struct conf_block *conf_open(struct slv_conf *cf, unsigned where, void *data);

/*
 * Resolves inheritance for the whole tree, then calls finish hooks: outer block first. 0 or -1.
 * After it, confs[i] is never NULL for a module with a conf struct, in every block inside http.
 *
 * http inherits nothing from main. c->main has structs of the modules with directives for main or
 * events; finish is called there only for those that have a field to set there. cf->node of a
 * finish hook is the directive that opened the block; NULL in main.
 *
 * May be called after mistakes. Then the hooks of modules with a refused directive are left out,
 * and all of them where braces did not match: their complaints would only be echoes.
 */
int conf_inherit(struct conf *c);

/* Frees the tree and what only messages need. Config memory stays. */
void conf_free_tree(struct conf *c);

/* Writes all files as -T does: "# configuration file NAME:" and the text, to out. */
void conf_dump(const struct conf *c, FILE *out);

/*
 * A message about a node (word number arg, or the last one); the engine of slv_conf_error(). level
 * as in the report. node NULL: without a place.
 */
void conf_message(struct conf *c, enum slv_level level, const struct conf_node *node, size_t arg,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "FILE:LINE" of a node, in config memory. */
struct str conf_place(struct conf *c, const struct conf_node *node);

/* What is lost with a directive of nginx that does not work here. */
enum conf_nginx_weight { CONF_NGINX_SECURITY, CONF_NGINX_BEHAVIOUR, CONF_NGINX_COSMETIC };
enum conf_nginx_weight conf_nginx_weigh(struct str name);

/*
 * For "did you mean": the candidate that is nearest to what was written, if it is near enough to
 * have been meant (two slips at most, one in a short word). Start with a guess that has word set
 * and the rest zero, offer every candidate, then read best; NULL where none is near.
 */
struct conf_guess {
    struct str word;
    const char *best;
    unsigned distance;             /* of best */
};
void conf_guess_offer(struct conf_guess *guess, const char *candidate);

#endif
