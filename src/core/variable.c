/*
 * variable.c - the registry of variables, and their values for a request.
 */
#include "core/variable.h"

#include "base/mem.h"

#include <stdlib.h>

/* Variables that are made of variables that are made of …: beyond this it is taken for a circle. */
#define EVALUATION_DEPTH 32

struct variable {
    unsigned magic;
#define VARIABLE_MAGIC 0x7a21ab1eu
    struct str name;               /* lower case; of a prefix with its '_' */
    struct str rest;               /* of the name, behind the prefix whose getter it has */
    slv_getter *get;               /* NULL: mentioned, but not defined so far */
    void *arg;
    void (*set)(struct slv_request *r, struct str value);
    int index;                     /* -1: nobody asked for it */
    bool volatile_value;
    bool changeable;               /* made by the configuration, which may make it again */
    struct variable *next;         /* of the prefixes */
};

/* A place that named a variable before it was defined. */
struct mention {
    struct mention *next;
    struct variable *variable;
    const struct conf_node *node;
    size_t arg;
};

struct variables {
    unsigned magic;
#define VARIABLES_MAGIC 0x7a21ab57u
    struct arena *arena;
    struct table by_name;
    struct variable **list;        /* by index; from the heap */
    size_t count, room;
    struct variable *prefixes;
    struct mention *mentions, **mentions_end;
};

/* What is being evaluated: a worker does one thing at a time, so one stack is enough. */
static const struct variable *evaluating[EVALUATION_DEPTH];
static size_t evaluation_depth;

/* Frees what is not in the arena. */
static void release(void *object)
{
    struct variables *v;

    CAST_OBJ(v, object, VARIABLES_MAGIC);
    table_free(&v->by_name);
    free(v->list);
    v->magic = 0;
}

/* The variable of a name, made where there is none; names are kept in lower case. */
static struct variable *find_or_make(struct variables *v, struct str name)
{
    struct variable *var;
    char *lower;

    CHECK_OBJ(v, VARIABLES_MAGIC);
    AN(name.n > 0);
    lower = arena_cstr(v->arena, name);
    for (size_t i = 0; i < name.n; i++)
        lower[i] = str_lower(lower[i]);
    name.p = lower;
    var = table_get(&v->by_name, name);
    if (var)
        return var;
    var = arena_zalloc(v->arena, sizeof *var);
    *var = (struct variable){ .magic = VARIABLE_MAGIC, .name = name, .index = -1 };
    table_add(&v->by_name, name, var);
    return var;
}

/* Gives a variable its index. */
static int index_of(struct variables *v, struct variable *var)
{
    CHECK_OBJ(var, VARIABLE_MAGIC);
    if (var->index >= 0)
        return var->index;
    if (v->count == v->room) {
        v->room = v->room ? v->room * 2 : 32;
        v->list = mem_resize(v->list, v->room, sizeof *v->list);
    }
    var->index = (int)v->count;
    v->list[v->count++] = var;
    return var->index;
}

/* Makes a variable of the longest prefix that its name begins with. */
static bool take_prefix(const struct variables *v, struct variable *var)
{
    const struct variable *best = NULL;

    for (const struct variable *p = v->prefixes; p; p = p->next)
        if (var->name.n > p->name.n && str_starts(var->name, p->name)
            && (!best || p->name.n > best->name.n))
            best = p;
    if (!best)
        return false;
    var->get = best->get;
    var->arg = best->arg;
    var->rest = str_from(var->name, best->name.n);
    var->volatile_value = best->volatile_value;
    var->changeable = true;
    return true;
}

/* Adds a variable of the core or of a module. NULL where the name is taken. */
static struct variable *define(struct variables *v, struct str name, slv_getter *get, void *arg,
                               bool volatile_value)
{
    struct variable *var = find_or_make(v, name);

    if (var->get)
        return NULL;
    var->get = get;
    var->arg = arg;
    var->volatile_value = volatile_value;
    if (name.p[name.n - 1] == '_') {
        var->next = v->prefixes;
        v->prefixes = var;
    }
    return var;
}

/* Defines a table of the core's own. */
static void define_all(struct variables *v, const struct variable_core *table)
{
    for (const struct variable_core *c = table; c->name; c++) {
        struct variable *var = define(v, str_of(c->name), c->get, NULL, c->volatile_value);

        AN(var != NULL);
        var->set = c->set;
        var->changeable = c->set != NULL;
    }
}

/* Makes the registry with the variables of the core in it. */
struct variables *variables_new(struct arena *arena)
{
    struct variables *v = arena_zalloc(arena, sizeof *v);

    v->magic = VARIABLES_MAGIC;
    v->arena = arena;
    v->mentions_end = &v->mentions;
    arena_on_free(arena, release, v);
    define_all(v, variables_core);
    define_all(v, variables_client);
    return v;
}

/* The registry of the configuration that is being read. */
static struct variables *registry(const struct conf *c)
{
    const struct config *config;

    CAST_OBJ(config, c->owner, CONFIG_MAGIC);
    CHECK_OBJ(config->variables, VARIABLES_MAGIC);
    return config->variables;
}

/* Adds a module's variable or prefix. */
int slv_add_variable(struct slv_conf *cf, struct str name, slv_getter *get, void *arg,
                     bool volatile_value)
{
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    AN(get != NULL);
    return define(registry(cf->conf), name, get, arg, volatile_value) ? 0 : -1;
}

/* Getter of a variable that "set" would have given a value, had it come by. */
static struct str get_unset(struct slv_request *r, void *arg)
{
    const struct variable *var;

    CAST_OBJ(var, arg, VARIABLE_MAGIC);
    slv_log(r, SLV_LOG_WARN, 0, "using uninitialized \"%.*s\" variable", STR_ARG(var->name));
    return STR("");
}

/* Adds one that the configuration makes. */
int variables_add(struct variables *v, struct str name, slv_getter *get, void *arg,
                  bool volatile_value)
{
    struct variable *var = find_or_make(v, name);

    if (var->get && (!var->changeable || (get && var->set)))
        return -1;
    var->changeable = true;
    if (get) {
        var->get = get;
        var->arg = arg;
        var->volatile_value = volatile_value;
    } else if (!var->get && !take_prefix(v, var)) {
        var->get = get_unset;
        var->arg = var;
    }
    return index_of(v, var);
}

/* Finds a name that must be known by now. */
int variables_index(struct variables *v, struct str name)
{
    struct variable *var = find_or_make(v, name);

    return var->get || take_prefix(v, var) ? index_of(v, var) : -1;
}

/* Finds a name that may become known later. */
int variables_refer(struct slv_conf *cf, size_t arg, struct str name)
{
    struct variables *v = registry(cf->conf);
    struct variable *var = find_or_make(v, name);
    struct mention *m;

    if (!var->get) {
        m = arena_zalloc(v->arena, sizeof *m);
        *m = (struct mention){ .variable = var, .node = cf->node, .arg = arg };
        *v->mentions_end = m;
        v->mentions_end = &m->next;
    }
    return index_of(v, var);
}

/* Resolves what was mentioned before it was defined. */
int variables_resolve(struct conf *c)
{
    struct variables *v = registry(c);
    int result = 0;

    for (const struct mention *m = v->mentions; m; m = m->next) {
        struct variable *var = m->variable;

        if (var->get || take_prefix(v, var))
            continue;
        /* Ours tells another server's version; saying so saves a look into the manual. */
        conf_message(c, SLV_LOG_EMERG, m->node, m->arg, "unknown \"%.*s\" variable%s",
                     STR_ARG(var->name),
                     str_eq(var->name, STR("nginx_version")) ? ", use $selvage_version" : "");
        result = -1;
    }
    v->mentions = NULL;
    v->mentions_end = &v->mentions;
    return result;
}

/* Counts the variables that have an index. */
size_t variables_count(const struct variables *v)
{
    CHECK_OBJ(v, VARIABLES_MAGIC);
    return v->count;
}

/* The registry of the configuration that serves a request. */
static const struct variables *registry_of(const struct context *ctx)
{
    CHECK_OBJ(ctx->config, CONFIG_MAGIC);
    CHECK_OBJ(ctx->config->variables, VARIABLES_MAGIC);
    return ctx->config->variables;
}

/* Keeps a value for the rest of the request. */
static void keep(struct slv_request *r, struct context *ctx, int index, struct str value)
{
    size_t count = registry_of(ctx)->count;

    if (!ctx->variables) {
        ctx->variables = slv_alloc(r, count * sizeof *ctx->variables);
        ctx->variable_known = slv_alloc(r, count);
        memset(ctx->variable_known, 0, count);
    }
    ctx->variables[index] = value;
    ctx->variable_known[index] = 1;
}

/*
 * A value that can be kept: views into the message are copied, because the message may be moved
 * between two turns, and nobody tells us where to.
 */
static struct str keepable(struct slv_request *r, const struct exchange *x, struct str value)
{
    char *copy;

    if (!value.p || x->head_moved)
        return value;
    if (x->head_size && (uintptr_t)value.p - (uintptr_t)x->head >= x->head_size)
        return value;
    copy = slv_alloc(r, value.n + 1);
    memcpy(copy, value.p, value.n);
    copy[value.n] = '\0';
    return (struct str){ copy, value.n };
}

/* Calls a variable's getter, unless it is in the middle of being called. */
static struct str evaluate(struct slv_request *r, const struct variable *var)
{
    bool circle = evaluation_depth == EVALUATION_DEPTH;
    struct str value;

    AN(var->get != NULL);
    for (size_t i = 0; i < evaluation_depth && !circle; i++)
        circle = evaluating[i] == var;
    if (circle) {
        slv_log(r, SLV_LOG_ERROR, 0, "cycle while evaluating variable \"%.*s\"",
                STR_ARG(var->name));
        return (struct str){ NULL, 0 };
    }
    evaluating[evaluation_depth++] = var;
    value = var->get(r, var->arg);
    evaluation_depth--;
    AN(evaluating[evaluation_depth] == var);
    return value;
}

/* Looks a value up, or makes it. */
struct str variable_value(struct slv_request *r, int index)
{
    struct context *ctx = context_of(r);
    const struct variables *v = registry_of(ctx);
    const struct variable *var;
    struct str value;

    AN(index >= 0 && (size_t)index < v->count);
    if (ctx->variable_known && ctx->variable_known[index])
        return ctx->variables[index];
    var = v->list[index];
    value = evaluate(r, var);
    if (var->volatile_value)
        return value;
    value = keepable(r, ctx->x, value);
    keep(r, ctx, index, value);
    return value;
}

/* Gives a variable a value for this request. */
void variable_set(struct slv_request *r, int index, struct str value)
{
    struct context *ctx = context_of(r);
    const struct variables *v = registry_of(ctx);

    AN(index >= 0 && (size_t)index < v->count);
    if (v->list[index]->set)
        v->list[index]->set(r, value);
    else
        keep(r, ctx, index, value);
}

/* Tells the getter of a prefix which variable was asked for. */
struct str slv_variable_rest(const struct slv_request *r)
{
    (void)r;
    AN(evaluation_depth > 0);
    return evaluating[evaluation_depth - 1]->rest;
}

/* Reads a word of the form "$name". */
int variable_name_arg(struct slv_conf *cf, size_t arg, struct str *name)
{
    struct str word = slv_conf_arg(cf, arg);
    size_t i = 1;

    /* $1 … are captures, so that a name cannot begin with a digit. */
    while (i < word.n && word.p[0] == '$'
           && (word.p[i] == '_' || (str_lower(word.p[i]) >= 'a' && str_lower(word.p[i]) <= 'z')
               || (i > 1 && word.p[i] >= '0' && word.p[i] <= '9')))
        i++;
    if (word.n < 2 || i < word.n)
        return slv_conf_error(cf, arg, "invalid variable name \"%.*s\"", STR_ARG(word));
    *name = str_from(word, 1);
    return 0;
}
