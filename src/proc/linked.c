/*
 * linked.c - the modules that are part of a program: the one list that knows them by name.
 */
#include "core/module.h"

extern const struct slv_module module_access, module_auth_basic, module_signed_token,
    module_status, module_static, module_autoindex, module_prebuilt;

const struct slv_module *const linked_modules[] = {
    &module_access,
    &module_auth_basic,
    &module_signed_token,
    &module_status,
    &module_static,
    &module_autoindex,
#ifdef SLV_LINK_PREBUILT
    /* selvage-pack is made for it, and runs where no module is installed. */
    &module_prebuilt,
#endif
    NULL,
};
