/*
 * files.h - which file a path names.
 */
#ifndef SLV_FILES_H
#define SLV_FILES_H

#include "core/context.h"

/* The file below root or alias, absolute, NUL behind it, in the request's memory; .p NULL: none. */
struct str files_name(struct slv_request *r, struct str path);

/* root or alias, evaluated, and how many bytes of the path it stands for. */
struct str files_root(struct slv_request *r, size_t *replaced);

/* try_files: there is a file (or the directory that is asked for), or a module has it. */
bool files_exist(struct slv_request *r, struct str path, bool directory);

/* The media type by name; with its charset. */
struct str files_type(struct slv_request *r, struct str filename);

#endif
