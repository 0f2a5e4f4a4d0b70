/*
 * libgit.c - libgit2, loaded when it is needed.
 *
 * That is where a branch is read: in the builder, which ends soon after. Linked in, it and the
 * libraries that it brings for the network would be in the master and in all workers.
 */
#include "libgit.h"

#ifdef HAVE_LIBGIT2

#include <selvage/module.h>

#include <dlfcn.h>

#define LIBRARY "libgit2.so." LIBGIT2_SOVERSION

struct libgit lib;

static const struct {
    const char *name;
    void *place;
} functions[] = {
#define ROW(name) { #name, &lib.name },
    LIBGIT_FUNCTIONS(ROW)
};

/* Finds the library and all functions in it. */
static bool find_functions(void)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; handle && i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(handle, functions[i].name);

        if (!function)
            return false;
        memcpy(functions[i].place, &function, sizeof function);
    }
    return handle != NULL;
}

/*
 * Loads the library. It looks at no configuration but the repository's own, because the environment
 * is that of whoever started the server. Nor does it ask who owns the repository: that question
 * protects people who come across one by chance, and here it was named on purpose.
 */
int libgit_load(const char *host)
{
    if (!find_functions()) {
        slv_log(NULL, SLV_LOG_ERROR, 0, "prebuilt image for \"%s\": %s cannot be loaded (%s)", host,
                LIBRARY, dlerror());
        return -1;
    }
    lib.git_libgit2_init();
    for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; level++)
        lib.git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    lib.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    return 0;
}

/* Frees what it keeps; its code stays. */
void libgit_unload(void)
{
    lib.git_libgit2_shutdown();
}

#endif
