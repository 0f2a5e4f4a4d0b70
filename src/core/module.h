/*
 * module.h - loading modules, and those that are linked in.
 */
#ifndef SLV_CORE_MODULE_H
#define SLV_CORE_MODULE_H

#include "core/conf.h"

/* Linked in, ended by NULL. They are asked after the loaded ones. */
extern const struct slv_module *const linked_modules[];

/*
 * Loads a module for the load_module directive at hand and adds its tables. Modules stay loaded as
 * long as the process, so that a generation that is draining keeps its code. 0, or -1 after
 * reporting the file and the reason. optional: what cannot be opened is a warning. What is linked
 * in is there already, whatever its file.
 */
int module_load(struct slv_conf *cf, struct str name, bool optional);

#endif
