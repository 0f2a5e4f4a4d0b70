/*
 * linked.c - the modules that are part of the server: the one list that knows them by name.
 */
#include "core/module.h"

extern const struct slv_module module_access, module_auth_basic, module_static,
    module_autoindex;

const struct slv_module *const linked_modules[] = {
    &module_access,
    &module_auth_basic,
    &module_static,
    &module_autoindex,
    NULL,
};
