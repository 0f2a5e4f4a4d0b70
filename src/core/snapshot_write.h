/*
 * snapshot_write.h - what the rooms of the writer of images share.
 *
 *   snapshot_stream.c   the bytes of the file, one behind the other, and the sum over them
 *   snapshot_bodies.c   which bodies are there already
 *   snapshot_mirror.c   what is as it was: the beginning of most images
 *   snapshot_write.c    entries, index and the end
 */
#ifndef SLV_CORE_SNAPSHOT_WRITE_H
#define SLV_CORE_SNAPSHOT_WRITE_H

#include "base/check.h"
#include "core/snapshot.h"

#include <stdint.h>

/* Bytes that were taken over from the earlier image in one piece. */
struct snapshot_piece {
    uint64_t from;                 /* where they lie there */
    uint64_t at, size;
};

/* A file that grows at its end. A part of its writer. */
struct snapshot_stream {
    int fd;
    uint64_t end;                  /* of what has been written, buffer and run included */
    char *buffer;                  /* what is not in the file yet */
    size_t buffered;
    const struct snapshot *previous; /* the earlier image, or NULL */
    int previous_fd;               /* its file; -1: there is only the mapping */
    const char *run;               /* where it goes on as the new one does; NULL: nowhere */
    size_t run_size;               /* bytes behind the buffer that are not in the file either */
    struct snapshot_piece *pieces; /* in the order in which they lie in both, mostly */
    size_t piece_count, piece_room;
    uint64_t taken;                /* nothing from there on in the earlier image is in here */
    void *sum;                     /* XXH3_state_t: over all behind the header */
    const char *reason;            /* of the first failure, or NULL */
    int error;
};

/* The first bytes are the place of the header. */
void stream_init(struct snapshot_stream *s, int fd);
void stream_free(struct snapshot_stream *s);
void stream_previous(struct snapshot_stream *s, const struct snapshot *previous, int fd);

/* Notes why the image cannot be written; the first reason stays. Always -1. */
int stream_fail(struct snapshot_stream *s, const char *reason, int error);

/* Appends bytes; *at is where they came to lie. 0; -1 after stream_fail(), as all that follow. */
int stream_put(struct snapshot_stream *s, const void *data, size_t size, uint64_t *at);

/* The earlier image has the same bytes up to that offset: they are put. */
void stream_follow(struct snapshot_stream *s, uint64_t end);

/* Brings everything into the file. */
int stream_flush(struct snapshot_stream *s);

/* Writes over the first bytes, which the sum leaves out. */
int stream_put_header(struct snapshot_stream *s, const struct snapshot_header *h);

/* Makes the file empty. */
int stream_empty(struct snapshot_stream *s);

/* The sum so far, low half first. To be called after stream_flush(). */
void stream_sum(const struct snapshot_stream *s, uint64_t out[2]);

/* The offset in the earlier image of bytes that lie there; 0: they do not. */
uint64_t stream_previous_offset(const struct snapshot_stream *s, const char *p);

/* Where the earlier image has what lies at an offset of this one; 0: it came from elsewhere. */
uint64_t stream_origin(const struct snapshot_stream *s, uint64_t at);

/*
 * These bytes lie at that offset. They are compared, not trusted to a hash: a hash is not made to
 * resist somebody who wants two files to have the same one, and whoever may put files into a
 * document root must not be able to replace other files of it.
 */
bool stream_has(struct snapshot_stream *s, struct str bytes, uint64_t at);

/* A body that has been written. */
struct snapshot_stored {
    uint64_t hash[2];
    uint64_t offset, size;         /* size 0: a free place in the table */
};

/*
 * The bodies that there are. In the table are all that did not come from the earlier image; those
 * that did enter it late, because mostly nobody asks.
 */
struct snapshot_bodies {
    struct snapshot_stored *table; /* open addressing, at most half full; NULL: empty */
    uint64_t count, room;
    uint64_t entered;              /* entries before this offset are in the table, too */
    unsigned scans;                /* look-ups that went without it */
};

struct snapshot_writer {
    unsigned magic;
#define SNAPSHOT_WRITER_MAGIC 0x3717e5a9u
    uint64_t max_size;
    struct snapshot_stream stream;

    bool mirrors;                  /* all entries so far are records of the earlier image, which
                                      stand for them: there is neither a copy nor an index */
    uint64_t mirror_size;          /* of all records there */
    const struct snapshot_entry *mirror_last; /* the last one with texts of its own; or NULL */

    char *entries;                 /* the records */
    size_t entries_size, entries_room;
    uint64_t count;
    struct snapshot_slot *slots;
    uint64_t slot_count;
    uint32_t probes;
    uint64_t type_at, extra_at;    /* the last two texts, which mostly come again */
    struct str type, extra;        /* their bytes; owned */

    struct snapshot_bodies bodies;
    uint64_t shared;
    struct snapshot_source *sources;
    uint32_t source_count, source_room;
};

/* A record that was added. */
static inline struct snapshot_entry *writer_entry(const struct snapshot_writer *w, uint64_t at)
{
    void *p = w->entries + at;

    AN(!w->mirrors && at < w->entries_size && at % 8 == 0);
    return p;
}

/* ---- snapshot_mirror.c: each is false where the writer has to go on by itself ---------------- */

/* What snapshot_take() and snapshot_add() do. */
bool mirror_take(struct snapshot_writer *w, const struct snapshot_entry *e,
                 const struct snapshot_source *source);
bool mirror_add(struct snapshot_writer *w, const struct snapshot_new_entry *e);

/* Adds a record of these variants, which have been put. */
bool mirror_add_record(struct snapshot_writer *w, const struct snapshot_entry *e, struct str path,
                       const struct snapshot_variant *variants);

/* Puts the heads of a page and fills in where they lie; its record is to follow. */
bool mirror_add_heads(struct snapshot_writer *w, struct str key,
                      const struct snapshot_new_variant *heads, struct snapshot_variant *variants,
                      size_t count);

/* The record of a path that has been added, or NULL. Only while the writer mirrors. */
const struct snapshot_entry *mirror_find(const struct snapshot_writer *w, struct str path);

/* All that was added is the earlier image, from its beginning to its end. */
bool mirror_whole(const struct snapshot_writer *w);

/* ---- snapshot_bodies.c ----------------------------------------------------------------------- */

/*
 * Writes head and body of a variant, one behind the other if the body is new, and fills in
 * variants[before], which is its place in the list of the entry's. 0 or -1.
 */
int bodies_put(struct snapshot_writer *w, const struct snapshot_new_variant *from,
               struct snapshot_variant *variants, size_t before);

#endif
