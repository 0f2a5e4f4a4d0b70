/*
 * listing.h - a directory as a page: pure functions over a list of entries.
 */
#ifndef SLV_AUTOINDEX_LISTING_H
#define SLV_AUTOINDEX_LISTING_H

#include <selvage/str.h>

#include <stdint.h>
#include <time.h>

enum listing_kind { LISTING_DIRECTORY, LISTING_FILE, LISTING_OTHER };

struct listing_entry {
    struct str name;
    enum listing_kind kind;
    time_t mtime;
    int64_t size;
};

struct listing_style {
    bool exact_size;               /* bytes, not "3M" */
    bool local_time;               /* in the server's time zone, not in UTC; HTML only */
};

/* Bytes on the heap that grow. Starts as zeros; p is freed by the holder. */
struct listing_text {
    char *p;
    size_t n, room;
};

/* Directories first, then by name, byte by byte. */
void listing_sort(struct listing_entry *entries, size_t count);

/*
 * The page for the directory that is reached as path, as nginx writes it: programs that read
 * nginx's listings read these. Names of more than 50 characters are cut; they count as UTF-8 where
 * they are that.
 */
void listing_html(struct listing_text *out, struct str path, const struct listing_entry *entries,
                  size_t count, const struct listing_style *style);

/* The same as a JSON array of objects. What is not UTF-8 in a name becomes U+FFFD. */
void listing_json(struct listing_text *out, const struct listing_entry *entries, size_t count);

#endif
