/*
 * file.h - opening a file below a document root, with nginx's policies about symbolic links.
 */
#ifndef SLV_STATIC_FILE_H
#define SLV_STATIC_FILE_H

#include <selvage/str.h>

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* What a symbolic link in the name means. */
enum symlinks {
    SYMLINKS_FOLLOW,
    SYMLINKS_REFUSE,
    SYMLINKS_IF_OWNER              /* followed where link and target belong to the same user */
};

/*
 * How a name is opened. from: the beginning of the name that is trusted, as "from=" gives it; where
 * it is empty or the name begins otherwise, the whole name is looked at.
 */
struct symlink_rule {
    enum symlinks policy;
    struct str from;
};

enum file_kind { FILE_REGULAR, FILE_DIRECTORY, FILE_OTHER };

struct cached_file;

/*
 * What is known of a file. fd is open for regular files only. Where entry is set, the descriptor
 * belongs to the cache and stays open at least as long as the reference that the holder has.
 */
struct static_file {
    int fd;
    enum file_kind kind;
    int64_t size;
    time_t mtime;
    struct cached_file *entry;
};

/*
 * Opens the file (name has a NUL behind it) and looks at it. Returns 0, or -1 with errno; ELOOP
 * means that the rule does not let the name pass.
 */
int static_file_open(struct str name, const struct symlink_rule *rule, struct static_file *out);

/* Looks at it without opening it for reading; out->fd is -1. Otherwise the same. */
int static_file_stat(struct str name, const struct symlink_rule *rule, struct static_file *out);

/* The length of the name's beginning in which the rule looks for no links. */
size_t static_file_trusted(struct str name, const struct symlink_rule *rule);

/* Looks again at an open regular file: its size and time may have changed. 0, or -1 with errno. */
int static_file_refresh(struct static_file *f);

/* Gives a file back that is not the cache's. */
void static_file_close(struct static_file *f);

#endif
