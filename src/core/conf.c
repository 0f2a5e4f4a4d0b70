/*
 * conf.c - applies the tree: every directive is checked against the tables, then its setter runs.
 */
#include "core/conf_engine.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- The engine's own state ------------------------------------------------------------------ */

struct conf_engine *conf_engine(struct conf *c)
{
    if (c->engine) {
        CHECK_OBJ(c->engine, CONF_ENGINE_MAGIC);
        return c->engine;
    }
    AN(c->arena != NULL && c->report != NULL);
    arena_init(&c->tree.arena, 64 * 1024);
    list_init(&c->tree.files);
    c->tree.top = NULL;
    c->engine = mem_zalloc(sizeof *c->engine);
    c->engine->magic = CONF_ENGINE_MAGIC;
    c->engine->due_end = &c->engine->due;
    c->main = arena_zalloc(c->arena, sizeof *c->main);
    c->main->where = SLV_IN_MAIN;
    return c->engine;
}

void conf_engine_reserve(struct conf *c)
{
    struct conf_engine *e = conf_engine(c);
    const struct slv_module **list;
    void **confs;
    size_t count = c->modules.count, room;

    if (count < e->room)
        return;
    AN(count == e->room);
    room = e->room ? e->room * 2 : 16;
    e->tables = mem_resize(e->tables, room, sizeof *e->tables);
    memset(e->tables + count, 0, (room - count) * sizeof *e->tables);
    /* Both outlive the engine; what growing leaves behind in the arena is small. */
    list = arena_zalloc(c->arena, room * sizeof *list);
    confs = arena_zalloc(c->arena, room * sizeof *confs);
    if (count) {
        memcpy(list, c->modules.list, count * sizeof *list);
        memcpy(confs, c->main->confs, count * sizeof *confs);
    }
    c->modules.list = list;
    c->main->confs = confs;
    e->room = room;
}

/* Ends what every block keeps until the tree goes; it points into the tree. */
static void forget_blocks(struct conf_block *b)
{
    for (; b; b = b->next) {
        b->set = NULL;
        b->node = NULL;
        forget_blocks(b->children);
    }
}

void conf_free_tree(struct conf *c)
{
    struct conf_engine *e = c->engine;

    if (!e)
        return;
    CHECK_OBJ(e, CONF_ENGINE_MAGIC);
    forget_blocks(c->main);
    table_free(&e->names);
    table_free(&e->files);
    for (size_t i = 0; i < c->modules.count; i++)
        free(e->tables[i].fields);
    free(e->tables);
    free(e->words);
    free(e->bytes);
    e->magic = 0;
    free(e);
    c->engine = NULL;
    arena_free(&c->tree.arena);
    c->tree.top = NULL;
    list_init(&c->tree.files);
}

/* ---- Modules --------------------------------------------------------------------------------- */

/* Says that two modules want the same directive. */
static int refuse_directive(struct slv_conf *cf, const struct slv_module *m, const char *name,
                            const char *owner)
{
    return slv_conf_error(cf, 0, "directive \"%s\" of module \"%s\" is already a directive of "
                          "module \"%s\"", name, m->name, owner);
}

/* May the module be added? built_in: two may share a name in different contexts. */
static int check_module(struct slv_conf *cf, const struct slv_module *m, bool built_in)
{
    struct conf *c = cf->conf;
    const struct slv_directive *d = m->directives;
    int rc = 0;

    for (size_t i = 0; i < c->modules.count; i++)
        if (strcmp(c->modules.list[i]->name, m->name) == 0)
            return slv_conf_error(cf, 0, "module \"%s\" is already loaded", m->name);
    for (; d && d->name; d++) {
        const struct conf_known *k = table_get(&c->engine->names, str_of(d->name));

        if (strcmp(d->name, "include") == 0)
            rc = refuse_directive(cf, m, d->name, "core");
        for (; k; k = k->next)
            if (!built_in || (k->directive->where & d->where)) {
                rc = refuse_directive(cf, m, d->name, c->modules.list[k->module]->name);
                break;
            }
    }
    return rc;
}

/* The field that a directive sets; two directives with one offset have one field. */
static size_t add_field(struct conf_table *t, const struct slv_directive *d)
{
    size_t i;

    for (i = 0; i < t->field_count; i++)
        if (t->fields[i].offset == d->offset)
            break;
    if (i == t->field_count) {
        t->fields = mem_resize(t->fields, i + 1, sizeof *t->fields);
        t->fields[t->field_count++] = (struct conf_field){ d->offset, d->size, false };
    }
    AN(t->fields[i].size == d->size);
    if (d->flags & SLV_NOT_INHERITED)
        t->fields[i].private = true;
    return i;
}

/* Puts one directive into the tables. */
static void add_directive(struct conf *c, size_t module, const struct slv_directive *d)
{
    struct conf_table *t = &c->engine->tables[module];
    struct conf_known *k = arena_zalloc(&c->tree.arena, sizeof *k), *first;

    AN(d->set != NULL && d->where != 0 && d->min_args <= d->max_args);
    AN(d->offset + d->size <= c->modules.list[module]->conf_size || d->size == 0);
    AN(d->fallback == NULL || d->size > 0);
    k->directive = d;
    k->module = module;
    k->field = d->size ? add_field(t, d) : CONF_NO_FIELD;
    t->outer |= (d->where & CONF_OUTER) != 0;
    t->outer_fields |= (d->where & CONF_OUTER) != 0 && d->size;
    first = table_add(&c->engine->names, str_of(d->name), k);
    if (first) {
        for (const struct conf_known *other = first; other; other = other->next)
            AN((other->directive->where & d->where) == 0);
        k->next = first->next;
        first->next = k;
    }
}

int conf_add_module(struct conf *c, const struct slv_module *m, struct slv_conf *cf)
{
    struct slv_conf own = { .magic = SLV_CONF_MAGIC, .conf = c };
    bool built_in = cf == NULL;
    size_t module;

    conf_engine(c);
    own.block = c->main;
    if (!cf)
        cf = &own;
    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    AN(m->magic == SLV_MODULE_MAGIC && m->name != NULL);
    AN(!built_in || !c->main->children);
    /* The blocks that are open have no place for another conf struct. */
    if (c->main->children)
        return slv_conf_error(cf, 0, "\"%.*s\" directive is specified too late, after \"%.*s\"",
                              STR_ARG(slv_conf_arg(cf, 0)),
                              STR_ARG(c->main->children->node->words[0].text));
    if (check_module(cf, m, built_in) < 0)
        return -1;
    conf_engine_reserve(c);
    module = c->modules.count++;
    c->modules.list[module] = m;
    for (const struct slv_directive *d = m->directives; d && d->name; d++)
        add_directive(c, module, d);
    if (m->load && m->load(cf) < 0) {
        c->engine->tables[module].failed = true;
        return -1;
    }
    return 0;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* What a block keeps until it is resolved; made when it is first needed. */
static struct conf_set *set_of(struct conf *c, struct conf_block *b)
{
    if (!b->set)
        b->set = arena_zalloc(&c->tree.arena, sizeof *b->set);
    return b->set;
}

/* The module's struct of a block; made when the first of its directives is met there. */
static void *conf_of(struct conf *c, struct conf_block *b, size_t module)
{
    size_t size = c->modules.list[module]->conf_size;

    if (size == 0)
        return NULL;
    if (!b->confs)
        b->confs = arena_zalloc(c->arena, c->modules.count * sizeof *b->confs);
    if (!b->confs[module])
        b->confs[module] = arena_zalloc(c->arena, size);
    return b->confs[module];
}

/* Remembers that a directive was met in this block. Returns where it was met before, or NULL. */
static const struct conf_node *mark_seen(struct conf *c, struct conf_block *b,
                                         const struct conf_known *known,
                                         const struct conf_node *node)
{
    const struct slv_directive *d = known->directive;
    struct conf_set *set;
    struct conf_seen *seen;

    if ((d->flags & SLV_REPEATS) && known->field == CONF_NO_FIELD)
        return NULL;
    set = set_of(c, b);
    for (seen = set->seen; seen; seen = seen->next)
        if (seen->known == known)
            return d->flags & SLV_REPEATS ? NULL : seen->node;
    seen = arena_alloc(&c->tree.arena, sizeof *seen);
    *seen = (struct conf_seen){ set->seen, known, node };
    set->seen = seen;
    return NULL;
}

/* ---- Directives ------------------------------------------------------------------------------ */

int conf_call_setter(struct conf *c, struct conf_block *block, const struct conf_known *known,
                     const struct conf_node *node, void *conf)
{
    const struct slv_directive *d = known->directive;
    struct slv_conf cf = {
        .magic = SLV_CONF_MAGIC, .conf = c, .block = block, .node = node, .directive = d
    };
    unsigned errors = c->report->errors;

    if (d->set(&cf, d, conf) == 0)
        return 0;
    c->engine->tables[known->module].failed = true;
    if (c->report->errors == errors)
        conf_message(c, SLV_LOG_EMERG, node, 0, "\"%s\" directive failed", d->name);
    return -1;
}

/* Does the directive fit its table entry? Reports where it does not. */
static bool check_form(struct conf *c, const struct conf_node *node,
                       const struct slv_directive *d)
{
    bool opens = (d->flags & (SLV_OPENS_BLOCK | SLV_RAW_BLOCK)) != 0;
    size_t args = node->count - 1;

    AN(node->count > 0);
    if (opens && !node->block) {
        conf_message(c, SLV_LOG_EMERG, node, 0, "directive \"%s\" has no opening \"{\"", d->name);
        return false;
    }
    if (!opens && node->block) {
        conf_message(c, SLV_LOG_EMERG, node, 0, "directive \"%s\" is not terminated by \";\"",
                     d->name);
        return false;
    }
    if (args < d->min_args || (d->max_args != SLV_ARGS_ANY && args > d->max_args)) {
        conf_report_count(c, node, d);
        return false;
    }
    return true;
}

/* Applies one directive in a block. */
static void apply_node(struct conf *c, struct conf_block *b, const struct conf_node *node)
{
    const struct conf_known *first = table_get(&c->engine->names, node->words[0].text);
    const struct conf_known *known = first;
    struct conf_block *scope = conf_scope(b);
    const struct conf_node *before;

    while (known && !(known->directive->where & b->where))
        known = known->next;
    if (!first) {
        conf_report_unknown(c, node, b->where);
        return;
    }
    if (!known) {
        if (!c->engine->damaged)
            conf_report_misplaced(c, node, first);
        return;
    }
    before = mark_seen(c, scope, known, node);
    if (!check_form(c, node, known->directive)) {
        c->engine->tables[known->module].failed = true;
        return;
    }
    if (before) {
        c->engine->tables[known->module].failed = true;
        if (!c->engine->damaged)
            conf_message(c, SLV_LOG_EMERG, node, 0,
                         "\"%s\" directive is duplicate, first at %.*s:%u",
                         known->directive->name, STR_ARG(before->file->name),
                         before->words[0].line);
        return;
    }
    conf_call_setter(c, b, known, node, conf_of(c, scope, known->module));
}

struct conf_block *conf_open(struct slv_conf *cf, unsigned where, void *data)
{
    struct conf *c = cf->conf;
    struct conf_block *b, *parent = cf->block;
    struct conf_set *set;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    AN(where != 0 && (where & (where - 1)) == 0);
    b = arena_zalloc(c->arena, sizeof *b);
    b->parent = parent;
    b->where = where;
    b->node = cf->node;
    b->data = data;
    set = set_of(c, parent);
    if (set->last_child)
        set->last_child->next = b;
    else
        parent->children = b;
    set->last_child = b;
    for (const struct conf_node *node = cf->node->children; node; node = node->next)
        apply_node(c, b, node);
    return b;
}

int conf_apply(struct conf *c)
{
    unsigned errors;

    conf_engine(c);
    errors = c->report->errors;
    for (const struct conf_node *node = c->tree.top; node; node = node->next)
        apply_node(c, c->main, node);
    return c->report->errors > errors ? -1 : 0;
}

int slv_conf_entries(struct slv_conf *cf, int (*entry)(struct slv_conf *cf, void *arg), void *arg)
{
    struct slv_conf at = *cf;
    int rc = 0;

    CHECK_OBJ(cf, SLV_CONF_MAGIC);
    if (!cf->node)
        return 0;
    for (at.node = cf->node->children; at.node; at.node = at.node->next) {
        if (at.node->block)
            rc = slv_conf_error(&at, 0, "unexpected \"{\" in \"%.*s\" block",
                                STR_ARG(cf->node->words[0].text));
        else if (entry(&at, arg) < 0)
            rc = -1;
    }
    return rc;
}
