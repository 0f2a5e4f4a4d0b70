/*
 * module.c - loading modules.
 */
#include "core/module.h"

#include "base/check.h"
#include "core/config.h"
#include "core/version.h"

#include <dlfcn.h>
#include <unistd.h>

/* The file: below the prefix, else where modules are installed. */
static struct str find_file(struct slv_conf *cf, struct str name)
{
    struct str path = slv_conf_path(cf, name, false);
    const char *slash = memrchr(path.p, '/', path.n);

    if (access(path.p, F_OK) == 0 || !str_starts(name, STR("modules/")))
        return path;
    return arena_printf(cf->conf->arena, "%s%s", SELVAGE_MODULE_DIR, slash);
}

/* Why a module cannot be used; NULL: it can. */
static const char *misfit(const struct slv_module *m, struct arena *arena)
{
    if (m->magic != SLV_MODULE_MAGIC)
        return "it is not a selvage module";
    if (m->abi_major != SLV_ABI_MAJOR || m->abi_minor > SLV_ABI_MINOR)
        return arena_printf(arena, "it was built for module abi %u.%u, this server has %d.%d",
                            m->abi_major, m->abi_minor, SLV_ABI_MAJOR, SLV_ABI_MINOR).p;
    if (m->size != sizeof(struct slv_module))
        return arena_printf(arena, "its struct slv_module has %u bytes instead of %zu", m->size,
                            sizeof(struct slv_module)).p;
    return m->name && *m->name ? NULL : "it has no name";
}

/*
 * The module's name is the base name of its file, so that messages name what the reader can find.
 */
static bool name_fits(const struct slv_module *m, struct str path)
{
    const char *slash = memrchr(path.p, '/', path.n);
    struct str base = slash ? str_from(path, (size_t)(slash + 1 - path.p)) : path;

    return str_starts(base, str_of(m->name)) && str_ends(base, STR(".so"))
        && base.n == strlen(m->name) + 3;
}

/* The file of that name would hold a module that is linked in. */
static bool is_linked(struct str path)
{
    for (size_t i = 0; linked_modules[i]; i++)
        if (name_fits(linked_modules[i], path))
            return true;
    return false;
}

int module_load(struct slv_conf *cf, struct str name, bool optional)
{
    struct str path = find_file(cf, name);
    const struct slv_module *m;
    const char *reason;
    void *handle;

    /* There are programs with more modules in them than the server, and they read its files. */
    if (is_linked(path))
        return 0;
    handle = dlopen(path.p, RTLD_NOW | RTLD_LOCAL);
    if (!handle && optional) {
        slv_conf_warn(cf, 1, "optional module \"%s\" is left out: %s", path.p, dlerror());
        return 0;
    }
    if (!handle)
        return slv_conf_error(cf, 1, "dlopen() \"%s\" failed (%s)", path.p, dlerror());
    m = dlsym(handle, "selvage_module");
    reason = m ? misfit(m, cf->conf->arena) : "it does not export selvage_module";
    if (!reason && !name_fits(m, path))
        reason = arena_printf(cf->conf->arena, "it calls itself \"%s\"", m->name).p;
    for (size_t i = 0; !reason && i < cf->conf->modules.count; i++)
        if (cf->conf->modules.list[i] == m)
            reason = "it is loaded already";
    if (reason) {
        dlclose(handle);
        return slv_conf_error(cf, 1, "module \"%s\" cannot be used: %s", path.p, reason);
    }
    return conf_add_module(cf->conf, m, cf);
}

/* A table of functions that one module has for the others. */
struct offer {
    struct offer *next;
    const char *name;
    const void *table;
};

const void *slv_offered(const struct slv_conf *cf, const char *name)
{
    const struct config *config = cf->conf->owner;

    for (const struct offer *o = config->offers; o; o = o->next)
        if (strcmp(o->name, name) == 0)
            return o->table;
    return NULL;
}

int slv_offer(struct slv_conf *cf, const char *name, const void *table)
{
    struct config *config = cf->conf->owner;
    struct offer *o;

    AN(name != NULL && table != NULL);
    if (slv_offered(cf, name))
        return slv_conf_error(cf, 1, "two modules offer \"%s\"", name);
    o = arena_alloc(&config->arena, sizeof *o);
    *o = (struct offer){ .next = config->offers, .name = name, .table = table };
    config->offers = o;
    return 0;
}
