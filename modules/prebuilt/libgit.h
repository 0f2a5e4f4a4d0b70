/*
 * libgit.h - libgit2, loaded when it is needed. Empty in a build without it.
 */
#ifndef PREBUILT_LIBGIT_H
#define PREBUILT_LIBGIT_H

#ifdef HAVE_LIBGIT2

#include <git2.h>

/* What is used of it. */
#define LIBGIT_FUNCTIONS(X) \
    X(git_libgit2_init) X(git_libgit2_shutdown) X(git_libgit2_opts) X(git_error_last) \
    X(git_repository_open_ext) X(git_repository_free) X(git_repository_odb) X(git_odb_free) \
    X(git_odb_read_header) X(git_reference_dwim) X(git_reference_peel) X(git_reference_free) \
    X(git_object_free) X(git_object_id) X(git_oid_tostr) X(git_oid_equal) X(git_commit_time) \
    X(git_commit_tree) X(git_tree_lookup) X(git_tree_free) X(git_tree_id) \
    X(git_tree_entrycount) X(git_tree_entry_byindex) X(git_tree_entry_bypath) \
    X(git_tree_entry_free) X(git_tree_entry_name) X(git_tree_entry_id) \
    X(git_tree_entry_filemode) X(git_blob_lookup) X(git_blob_free) X(git_blob_rawcontent) \
    X(git_blob_rawsize)

/* The functions, valid between libgit_load() and libgit_unload(). */
#define LIBGIT_POINTER(name) __typeof__(&name) name;
struct libgit {
    LIBGIT_FUNCTIONS(LIBGIT_POINTER)
};
extern struct libgit lib;

/* Loads it and makes it ready, for the image of a host. 0; -1 after slv_log(). */
int libgit_load(const char *host);
void libgit_unload(void);

#endif

#endif
