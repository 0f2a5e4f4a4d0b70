/*
 * variable.h - $variables: a registry by name, values by index.
 *
 * Names are resolved while the configuration is read; a request looks values up by index and keeps
 * what it has found (but for volatile ones). Names know no case. A name may be used before the
 * directive that defines it; variables_resolve() then says which names nobody defined.
 */
#ifndef SLV_VARIABLE_H
#define SLV_VARIABLE_H

#include "core/config.h"
#include "core/context.h"

/* Made by config_load() before anything is applied; the core's own variables are in it. */
struct variables *variables_new(struct arena *arena);

/*
 * Adds one that "set", a capture group or "map" makes; returns its index. Again the same name:
 * the same, and the newer getter holds. get NULL: keep the getter there is; without one the
 * variable is empty until variable_set(), and a request that reads it before says so in the error
 * log. Returns -1 where the name belongs to the core or to a module ("the duplicate … variable").
 */
int variables_add(struct variables *v, struct str name, slv_getter *get, void *arg,
                  bool volatile_value);

/* The index of a name, resolving the prefixes (arg_, http_, modules' …); -1: unknown. */
int variables_index(struct variables *v, struct str name);

/*
 * The same for a name in word arg of the directive at hand, which may be defined later: never -1.
 * What nobody defines is reported there by variables_resolve().
 */
int variables_refer(struct slv_conf *cf, size_t arg, struct str name);

/*
 * After conf_inherit(), which applies defaults, and before conf_free_tree(): finds what was
 * mentioned before it was defined. 0, or -1 after a message for each place that names an unknown
 * variable.
 */
int variables_resolve(struct conf *c);

size_t variables_count(const struct variables *v);

/*
 * The value for a request; .p NULL: not found. Valid as long as the request's views; what is kept
 * for later calls does not depend on them.
 */
struct str variable_value(struct slv_request *r, int index);

/* Gives a variable a value, in slv_alloc() memory, for the rest of this request (set, captures). */
void variable_set(struct slv_request *r, int index, struct str value);

/* A word of the form "$name": the name without the dollar. -1 after slv_conf_error(). */
int variable_name_arg(struct slv_conf *cf, size_t arg, struct str *name);

/* Directives: set (server, location), map (http). Setter functions for the core's tables. */
slv_setter variable_set_directive;   /* set $name value; field: struct variable_sets * */
slv_setter variable_map_directive;   /* map source $name { … }, a raw block; no field */

/* Runs the "set" directives of a block, in order. sets: what the setter stored, or NULL. */
struct variable_sets;
void variable_sets_run(struct slv_request *r, const struct variable_sets *sets);

/*
 * The core's own variables (variables_core.c, variables_client.c): tables ended by a NULL name. A
 * name that ends in '_' is a prefix.
 */
struct variable_core {
    const char *name;
    slv_getter *get;
    bool volatile_value;
    void (*set)(struct slv_request *r, struct str value); /* for "set"; NULL: fixed */
};
extern const struct variable_core variables_core[], variables_client[];

/* Writes n with at least width digits so that it ends before end; returns its first byte. */
static inline char *variable_put_number(char *end, uint64_t n, int width)
{
    for (; n > 0 || width > 0; n /= 10, width--)
        *--end = (char)('0' + n % 10);
    return end;
}

#endif
