/*
 * source.h - where the files of a host come from, if not from the root of its server block.
 */
#ifndef PREBUILT_SOURCE_H
#define PREBUILT_SOURCE_H

#include "prebuilt.h"

/* What prebuilt_source says. In config memory. */
struct prebuilt_source {
    struct str path;               /* of a directory, an image or a repository: absolute, NUL */
    struct str branch;             /* of a repository; .p NULL: it is none */
    struct str heads, packed;      /* of a repository: where its branches are told */
};

/*
 * source_git.c: adds the answers for all files of a branch. 0; -1 after slv_log() where the branch
 * cannot be read wholly or the image cannot grow.
 */
int source_git_walk(struct builder *w, const struct prebuilt_source *s);

/* This build can do that. */
bool source_has_git(void);

#endif
