/*
 * conf.h - directives: how a module says what may stand in the configuration file, and what it
 * means.
 *
 * A module describes its directives in a table. The server parses the file into a tree, checks
 * every directive against the tables (name, context, number of arguments) and then calls the
 * setters, so that all mistakes of a file are reported in one run.
 *
 * Each block (http, server, location) has at most one conf struct per module, zeroed when it is
 * made. A directive names the field that it sets by offset and size. After the whole file has
 * been read, fields that a block did not set are copied from the block around it, and what nobody
 * set gets the directive's default; blocks that set nothing share the struct of the block around
 * them. So the meaning of inheritance is the same everywhere: the innermost value wins, as a
 * whole.
 */
#ifndef SELVAGE_CONF_H
#define SELVAGE_CONF_H

#include <selvage/request.h>

struct slv_conf;
struct slv_directive;

/* Contexts, as a set. */
enum {
    SLV_IN_MAIN = 1 << 0,
    SLV_IN_EVENTS = 1 << 1,
    SLV_IN_HTTP = 1 << 2,
    SLV_IN_SERVER = 1 << 3,
    SLV_IN_LOCATION = 1 << 4,
    SLV_IN_LIMIT_EXCEPT = 1 << 5,
    SLV_IN_ANY_HTTP = SLV_IN_HTTP | SLV_IN_SERVER | SLV_IN_LOCATION
};

/* Directive flags. */
enum {
    SLV_REPEATS = 1 << 0,          /* may be given several times in one block */
    SLV_NOT_INHERITED = 1 << 1,    /* has a meaning only in the block where it stands */
    SLV_OPENS_BLOCK = 1 << 2,      /* ends with { ... } instead of ; */
    SLV_RAW_BLOCK = 1 << 3         /* its block holds free entries: see slv_conf_entries() */
};

#define SLV_ARGS_ANY 255

/*
 * Applies one directive to conf, the module's struct of the block. Returns 0, or -1 after
 * slv_conf_error(); the run then goes on to find the next mistake.
 */
typedef int slv_setter(struct slv_conf *cf, const struct slv_directive *d, void *conf);

struct slv_directive {
    const char *name;
    unsigned where;                /* SLV_IN_* */
    unsigned char min_args, max_args; /* without the name; SLV_ARGS_ANY: no limit */
    unsigned flags;
    const char *usage;             /* the arguments as the manual writes them, for messages */
    slv_setter *set;
    size_t offset, size;           /* the field of the conf struct; size 0: none */
    const char *fallback;          /* the default as it would be written; NULL: zero bytes */
    const void *extra;             /* for the setter: see each */
};

/* offset and size in one word. */
#define SLV_FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)

/* ---- Ready setters -------------------------------------------------------------------------- */

SLV_API slv_setter slv_set_flag;   /* on | off                   -> bool */
SLV_API slv_setter slv_set_number; /* decimal                    -> int64_t; extra: bounds */
SLV_API slv_setter slv_set_size;   /* 8k 1m 1g                   -> int64_t, bytes; extra: bounds */
SLV_API slv_setter slv_set_ms;     /* 500ms 5s 1m30s             -> int64_t, milliseconds */
SLV_API slv_setter slv_set_string; /* one argument as it is      -> struct str, in config memory */
SLV_API slv_setter slv_set_path;   /* a file, below the prefix   -> struct str, absolute, NUL */
SLV_API slv_setter slv_set_enum;   /* one word of a list         -> int; extra: struct slv_word[] */
SLV_API slv_setter slv_set_template; /* text with $variables     -> struct slv_template * */

struct slv_bounds {
    int64_t min, max;
};

struct slv_word {
    const char *word;              /* NULL ends the list */
    int value;
};

/* ---- For setters of one's own --------------------------------------------------------------- */

/* Arguments of the directive at hand; 0 is its name. */
SLV_API size_t slv_conf_count(const struct slv_conf *cf);
SLV_API struct str slv_conf_arg(const struct slv_conf *cf, size_t i);

/* The context (one of SLV_IN_*) of the block in which the directive stands. */
SLV_API unsigned slv_conf_where(const struct slv_conf *cf);

/*
 * Reports a mistake in argument number arg (the caret points there) and counts it. Always returns
 * -1, so that a setter can end with it. The text says what was found and what was expected.
 */
SLV_API int slv_conf_error(struct slv_conf *cf, size_t arg, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reports something doubtful; the configuration stays valid. */
SLV_API void slv_conf_warn(struct slv_conf *cf, size_t arg, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory that lives as long as this configuration. */
SLV_API void *slv_conf_alloc(struct slv_conf *cf, size_t size);            /* zero-filled */
SLV_API struct str slv_conf_str(struct slv_conf *cf, struct str s);      /* a copy, NUL */
SLV_API void slv_conf_on_free(struct slv_conf *cf, void (*release)(void *), void *object);

/* Parse one value; 0, or -1 without a message. */
SLV_API int slv_parse_size(struct str s, int64_t *bytes);
SLV_API int slv_parse_ms(struct str s, int64_t *ms);

/* name made absolute: below the prefix, or below the directory of the configuration file. */
SLV_API struct str slv_conf_path(struct slv_conf *cf, struct str name, bool beside_config);

/*
 * The entries of a raw block, in order: each is a list of words. entry() is called with cf
 * standing on the entry, so that slv_conf_arg() and slv_conf_error() speak of it. Returns 0, or
 * -1 if any entry did.
 */
SLV_API int slv_conf_entries(struct slv_conf *cf, int (*entry)(struct slv_conf *cf, void *arg),
                             void *arg);

/* ---- Variables ------------------------------------------------------------------------------ */

/* Text with $variables, compiled once. NULL on a mistake, after slv_conf_error(). */
struct slv_template;
SLV_API struct slv_template *slv_template_compile(struct slv_conf *cf, size_t arg, struct str text);

/* The text for this request, in slv_alloc() memory or a view; valid until the hook returns. */
SLV_API struct str slv_template_text(struct slv_request *r, const struct slv_template *t);

/* Where the template holds no variable: its text; else .p is NULL. */
SLV_API struct str slv_template_literal(const struct slv_template *t);

/*
 * Gets the value of a variable for a request: a view that lives as long as the request's views, or
 * slv_alloc() memory; .p NULL means "not found" (logged as "-").
 */
typedef struct str slv_getter(struct slv_request *r, void *arg);

/*
 * Adds a variable, "name" without the dollar. A name that ends in '_' is a prefix: all variables
 * that begin with it come here, and slv_variable_rest() tells the rest. volatile_value: never
 * cached. Returns 0, or -1 where the name is taken.
 */
SLV_API int slv_add_variable(struct slv_conf *cf, struct str name, slv_getter *get, void *arg,
                             bool volatile_value);

/*
 * From a getter of a prefix: the name behind it, as "host" of $http_host. Valid until it returns.
 */
SLV_API struct str slv_variable_rest(const struct slv_request *r);

/* A PCRE2 pattern. NULL after slv_conf_error(). Named groups become variables. */
struct slv_regex;
SLV_API struct slv_regex *slv_regex_compile(struct slv_conf *cf, size_t arg, struct str pattern,
                                            bool caseless);
/* Matches; when request is given, its captures ($1..$9, named groups) are set from this match. */
SLV_API bool slv_regex_match(const struct slv_regex *re, struct str subject, struct slv_request *r);

#endif
