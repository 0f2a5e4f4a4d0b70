/*
 * conf_inherit.c - unset fields are copied inwards, defaults filled in, finish hooks called.
 *
 * A block that sets nothing of a module gets no struct of its own but looks at the one around it,
 * so that ten thousand servers cost what their own directives cost. Where the block around has
 * private fields (SLV_NOT_INHERITED) set, its children must not see them: then there is an "heir",
 * the same struct without them, made once for all children that set nothing themselves.
 */
#include "core/conf_engine.h"

#include "base/mem.h"

#include <stdlib.h>

struct resolver {
    struct conf *c;
    bool *set;                     /* by field of the module at hand */
};

/* The module's struct with nothing but defaults, for main or for what is in http. */
static const void *defaults_of(struct conf *c, size_t module, struct conf_block *root)
{
    const struct slv_module *m = c->modules.list[module];
    struct conf_table *t = &c->engine->tables[module];
    bool outer = root->where == SLV_IN_MAIN;
    void **made = outer ? &t->outer_defaults : &t->inner_defaults;
    bool *done;

    if (*made)
        return *made;
    AN(m->conf_size > 0);
    *made = arena_zalloc(c->arena, m->conf_size);
    done = mem_zalloc(t->field_count * sizeof *done);
    for (const struct slv_directive *d = m->directives; d && d->name; d++) {
        struct conf_known *k = table_get(&c->engine->names, str_of(d->name));
        const struct conf_node *node;
        int rc;

        if (!d->fallback || !(d->where & (outer ? CONF_OUTER : CONF_INNER)))
            continue;
        while (k->directive != d)
            k = k->next;
        AN(k->field != CONF_NO_FIELD);
        if (done[k->field])
            continue;
        done[k->field] = true;
        node = conf_lex_default(c, d);
        AN(node->count > d->min_args && node->count - 1 <= d->max_args);
        rc = conf_call_setter(c, root, k, node, *made);
        /* A default that the module's own setter refuses is a mistake in the module. */
        AN(rc == 0);
    }
    free(done);
    return *made;
}

/* Which fields of a module were set in a block? Fills r->set. */
static void find_set(const struct resolver *r, const struct conf_block *b, size_t module)
{
    memset(r->set, 0, r->c->engine->tables[module].field_count * sizeof *r->set);
    if (!b->set)
        return;
    for (const struct conf_seen *s = b->set->seen; s; s = s->next)
        if (s->known->module == module && s->known->field != CONF_NO_FIELD)
            r->set[s->known->field] = true;
}

/* Did the block set a private field of this module? */
static bool sets_private(const struct resolver *r, const struct conf_block *b, size_t module)
{
    const struct conf_table *t = &r->c->engine->tables[module];

    if (!b->set)
        return false;
    for (const struct conf_seen *s = b->set->seen; s; s = s->next)
        if (s->known->module == module && s->known->field != CONF_NO_FIELD
            && t->fields[s->known->field].private)
            return true;
    return false;
}

/* Notes that the finish hook of a struct is due. */
static void add_due(const struct resolver *r, struct conf_block *b, size_t module, void *conf)
{
    struct conf_engine *e = r->c->engine;
    struct conf_due *due;

    AN(conf != NULL);
    if (!r->c->modules.list[module]->finish)
        return;
    due = arena_alloc(&r->c->tree.arena, sizeof *due);
    *due = (struct conf_due){ NULL, b, module, conf };
    *e->due_end = due;
    e->due_end = &due->next;
}

/*
 * Copies the fields that r->set does not name: from around, or where that is NULL or the field is
 * private, from the defaults.
 */
static void fill(const struct resolver *r, size_t module, void *conf, const void *around,
                 const void *defaults)
{
    const struct conf_table *t = &r->c->engine->tables[module];

    for (size_t i = 0; i < t->field_count; i++) {
        const struct conf_field *f = &t->fields[i];
        const void *from = around && !f->private ? around : defaults;

        if (!r->set[i])
            memcpy((char *)conf + f->offset, (const char *)from + f->offset, f->size);
    }
}

/* The outermost block that b inherits from: main for main, http for what is in it. */
static struct conf_block *root_of(struct conf_block *b)
{
    while (b->parent && !(b->parent->where & CONF_OUTER))
        b = b->parent;
    return b;
}

/* Where the heirs of a block are kept. */
static void **heirs_array(const struct resolver *r, struct conf_block *outer)
{
    size_t count = r->c->modules.count;

    if (!outer->set->heirs)
        outer->set->heirs = arena_zalloc(r->c->arena, count * sizeof *outer->set->heirs);
    return outer->set->heirs;
}

/* The struct for children of outer that set nothing of the module; b is the one that asks. */
static void *heir_of(const struct resolver *r, struct conf_block *outer, size_t module,
                     struct conf_block *b)
{
    struct conf *c = r->c;
    void **heirs;

    if (c->modules.list[module]->conf_size == 0)
        return NULL;
    AN(outer->confs != NULL && outer->confs[module] != NULL);
    if (!sets_private(r, outer, module))
        return outer->confs[module];
    heirs = heirs_array(r, outer);
    if (!heirs[module]) {
        heirs[module] = arena_zalloc(c->arena, c->modules.list[module]->conf_size);
        memset(r->set, 0, c->engine->tables[module].field_count * sizeof *r->set);
        fill(r, module, heirs[module], outer->confs[module],
             defaults_of(c, module, root_of(outer)));
        add_due(r, b, module, heirs[module]);
    }
    return heirs[module];
}

/* All structs for a block that sets nothing at all. */
static void **all_heirs(const struct resolver *r, struct conf_block *outer, struct conf_block *b)
{
    bool private = false;

    if (!outer->set)
        return outer->confs;
    for (size_t i = 0; i < r->c->modules.count && !private; i++)
        private = sets_private(r, outer, i);
    if (!private)
        return outer->confs;
    if (!outer->set->heirs_full) {
        for (size_t i = 0; i < r->c->modules.count; i++) {
            void *heir = heir_of(r, outer, i, b);

            heirs_array(r, outer)[i] = heir;
        }
        outer->set->heirs_full = true;
    }
    return outer->set->heirs;
}

/* main and http: every module's struct is made, and nothing comes from outside. */
static void resolve_root(const struct resolver *r, struct conf_block *b)
{
    struct conf *c = r->c;
    bool outer = b->where == SLV_IN_MAIN;

    if (!b->confs)
        b->confs = arena_zalloc(c->arena, c->modules.count * sizeof *b->confs);
    for (size_t i = 0; i < c->modules.count; i++) {
        const struct conf_table *t = &c->engine->tables[i];
        size_t size = c->modules.list[i]->conf_size;

        if (size == 0 || (outer && !t->outer))
            continue;
        if (!b->confs[i])
            b->confs[i] = arena_zalloc(c->arena, size);
        find_set(r, b, i);
        fill(r, i, b->confs[i], NULL, defaults_of(c, i, b));
        if (!outer || t->outer_fields)
            add_due(r, b, i, b->confs[i]);
    }
}

/* A block inside http. */
static void resolve_inner(const struct resolver *r, struct conf_block *b)
{
    struct conf *c = r->c;
    struct conf_block *outer = b->parent;

    if (!b->confs) {
        b->confs = all_heirs(r, outer, b);
        return;
    }
    for (size_t i = 0; i < c->modules.count; i++) {
        if (!b->confs[i]) {
            b->confs[i] = heir_of(r, outer, i, b);
            continue;
        }
        find_set(r, b, i);
        fill(r, i, b->confs[i], outer->confs[i], defaults_of(c, i, root_of(outer)));
        add_due(r, b, i, b->confs[i]);
    }
}

/* A directive of the module stands in the block. */
static bool stands_in(const struct conf_block *b, size_t module)
{
    if (!b->set)
        return false;
    for (const struct conf_seen *s = b->set->seen; s; s = s->next)
        if (s->known->module == module)
            return true;
    return false;
}

/* A directive of the module stands in the block or around it; or it needs none. */
static bool in_force(const struct conf *c, const struct conf_block *b, size_t module)
{
    const struct slv_directive *d = c->modules.list[module]->directives;

    if (!d || !d->name)
        return true;
    while (b && !stands_in(b, module))
        b = b->parent;
    return b != NULL;
}

/*
 * Notes whose access hooks are to be asked, so that a request pays for those that are in use. A
 * block that sets nothing of theirs shares the list of the one around it.
 */
static void list_access(const struct conf *c, struct conf_block *b)
{
    const struct conf_modules *m = &c->modules;
    bool own = root_of(b) == b;

    for (size_t i = 0; i < m->count && !own; i++)
        own = m->list[i]->access && stands_in(b, i);
    if (!own) {
        b->access = b->parent->access;
        b->access_count = b->parent->access_count;
        return;
    }
    b->access = arena_alloc(c->arena, m->count * sizeof *b->access);
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i]->access && in_force(c, b, i))
            b->access[b->access_count++] = i;
}

/* Resolves a block, then what is in it: the outer one must be complete before it is inherited. */
static void resolve(const struct resolver *r, struct conf_block *b)
{
    if (b->where == SLV_IN_EVENTS)
        b->confs = b->parent->confs;
    else if (root_of(b) == b)
        resolve_root(r, b);
    else
        resolve_inner(r, b);
    list_access(r->c, b);
    for (struct conf_block *inner = b->children; inner; inner = inner->next)
        resolve(r, inner);
    b->set = NULL;
}

/* Calls the finish hooks that are due. */
static void finish(struct conf *c)
{
    for (const struct conf_due *due = c->engine->due; due; due = due->next) {
        const struct slv_module *m = c->modules.list[due->module];
        unsigned errors = c->report->errors;
        struct slv_conf cf = {
            .magic = SLV_CONF_MAGIC, .conf = c, .block = due->block, .node = due->block->node
        };

        if (c->engine->tables[due->module].failed)
            continue;
        if (m->finish(&cf, due->conf) < 0 && c->report->errors == errors)
            conf_message(c, SLV_LOG_EMERG, due->block->node, 0,
                         "module \"%s\" refuses this configuration", m->name);
    }
}

int conf_inherit(struct conf *c)
{
    struct conf_engine *e = conf_engine(c);
    unsigned errors = c->report->errors;
    struct resolver r = { .c = c };
    size_t fields = 0;

    AN(e->due == NULL);
    for (size_t i = 0; i < c->modules.count; i++)
        if (e->tables[i].field_count > fields)
            fields = e->tables[i].field_count;
    r.set = mem_zalloc(fields * sizeof *r.set);
    resolve(&r, c->main);
    free(r.set);
    if (!e->damaged)
        finish(c);
    return c->report->errors > errors ? -1 : 0;
}
