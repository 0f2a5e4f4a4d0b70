/*
 * snapshot.h - the prebuilt image: its format, its writer, its reader.
 *
 * An image is one immutable run of bytes, in a sealed memfd or in a file. All numbers are little
 * endian, all structs are 8-aligned, and all offsets are 64-bit and count from the image's first
 * byte unless their comment says otherwise. Version 2:
 *
 *     header     256 bytes: magic, sizes, checksums, and the table of the sections that follow
 *     BYTES      heads, bodies and small texts; equal bodies lie there once. A body follows the
 *                head of the first variant that has it, so that both leave as one span
 *     ENTRIES    one record per path: struct snapshot_entry, the path, padding to 8, the variants
 *     INDEX      a power of two of 8-byte slots, at most half of them used: linear probing from the
 *                low bits of the path's XXH3-64; a slot holds the upper 32 bits as a tag, so that
 *                a record is touched only when it is almost certainly the one
 *     SOURCES    for builders, not for answers: what the files looked like that entries were made
 *                of, so that the next build need not read those which have not changed
 *
 * Sections of unknown kind are skipped by a reader. A key that does not begin with '/' cannot be
 * asked for by a client: that is the room for error pages ("404 /404.html").
 *
 * The same entries in the same order make the same bytes, whether they were made anew or taken over
 * from an earlier image; only the header's numbers and times and SOURCES differ.
 */
#ifndef SLV_CORE_SNAPSHOT_H
#define SLV_CORE_SNAPSHOT_H

#include <selvage/str.h>

#include "http/negotiate.h"

#include <stdint.h>

#define SNAPSHOT_VERSION 2
#define SNAPSHOT_VARIANTS_MAX CODING_MAX
#define SNAPSHOT_SECTIONS_MAX 5
#define SNAPSHOT_PATH_MAX 65535u
#define SNAPSHOT_NO_DATE INT64_MIN

/* The first bytes of every image: not text, and damaged by whatever rewrites line ends. */
#define SNAPSHOT_MARK "\x8fSLVIMG\n"

enum snapshot_section_kind {
    SNAPSHOT_BYTES = 1, SNAPSHOT_ENTRIES, SNAPSHOT_INDEX, SNAPSHOT_SOURCES
};

/* What an entry is. A reader passes over kinds that it does not know. */
enum snapshot_kind {
    SNAPSHOT_FILE,                 /* a file, or a directory by its index: in variants */
    SNAPSHOT_REDIRECT,             /* a directory without its slash: extra is the path to go to, as
                                      it stands in a URI. The core makes the answer, because
                                      Location names what the client used */
    SNAPSHOT_ERROR_PAGE            /* answers with its status, unconditionally; the key is the
                                      status, a space and the path of the page */
};

/* Bits of an entry's flags. */
enum {
    SNAPSHOT_VARY = 1 << 0,        /* has, or could have had, variants in several codings */
    SNAPSHOT_PUT_OFF = 1 << 1      /* lacks variants that a thorough build would make */
};

struct snapshot_section {
    uint32_t kind;                 /* enum snapshot_section_kind */
    uint32_t reserved;             /* 0 */
    uint64_t offset, size;
};

struct snapshot_header {
    char mark[8];                  /* SNAPSHOT_MARK, without its NUL */
    uint32_t version;
    uint32_t header_size;          /* of this struct */
    uint64_t size;                 /* of the image */
    uint64_t generation;
    int64_t began;                 /* milliseconds since the epoch: before a file was read */
    int64_t built;                 /* likewise: when all was written */
    uint64_t entries;              /* records, and slots in use */
    uint64_t slots;                /* a power of two */
    uint32_t probes;               /* slots to look at for a path, at most */
    uint32_t sections;             /* entries of section[] in use */
    uint64_t put_off;              /* files that lack variants which a thorough build would make */
    uint64_t content[2];           /* XXH3-128 of BYTES, ENTRIES and INDEX, low half first: images
                                      with the same one answer alike */
    uint64_t sum[2];               /* the same of all behind the header */
    struct snapshot_section section[SNAPSHOT_SECTIONS_MAX];
    uint64_t reserved[2];          /* 0 */
    uint64_t header_sum;           /* XXH3-64 of the header before this field */
};

/* Free where entry is 0. */
struct snapshot_slot {
    uint32_t tag;                  /* hash >> 32 */
    uint32_t entry;                /* 1 + offset in ENTRIES / 8 */
};

/* One representation of an entry. */
struct snapshot_variant {
    uint64_t head;                 /* header fields and blank line of the full answer */
    uint64_t brief;                /* the same for 304 */
    uint64_t body, body_size;
    uint64_t hash[2];              /* XXH3-128 of the body */
    uint32_t head_size, brief_size;
    uint16_t etag_at;              /* where in brief the entity-tag stands; size 0: it has none */
    uint8_t etag_size;
    uint8_t coding;                /* enum coding */
    uint32_t reserved;             /* 0 */
};

/* Followed by the path, zero bytes up to a multiple of 8, and the variants, identity first. */
struct snapshot_entry {
    uint32_t size;                 /* of the whole record */
    uint32_t path_size;
    uint16_t status;
    uint8_t kind;                  /* enum snapshot_kind */
    uint8_t variants;              /* 1 to SNAPSHOT_VARIANTS_MAX, each coding once */
    uint32_t source;               /* 1 + its place in SOURCES; 0: not made of a file */
    int64_t modified;              /* seconds since the epoch, or SNAPSHOT_NO_DATE */
    uint64_t type;                 /* the media type, where a head is made anew (ranges) */
    uint64_t extra;                /* likewise: fields that the location would not add by itself */
    uint16_t type_size;
    uint16_t flags;
    uint32_t extra_size;
};

/* What a file looked like when it was read: with the same values it is the same file. */
struct snapshot_source {
    uint64_t device, inode, size;
    int64_t modified, changed;     /* seconds since the epoch */
    uint32_t modified_ns, changed_ns;
};

_Static_assert(sizeof(struct snapshot_source) == 48, "sources are part of the format");
_Static_assert(sizeof(struct snapshot_header) == 256, "the header is part of the format");
_Static_assert(sizeof(struct snapshot_variant) == 64, "variants are part of the format");
_Static_assert(sizeof(struct snapshot_entry) == 48, "entries are part of the format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "images are little endian");

/* ---- Reading --------------------------------------------------------------------------------- */

/* A checked image: a plain value of views. Whoever mapped the bytes unmaps them. */
struct snapshot {
    unsigned magic;
#define SNAPSHOT_MAGIC 0x5a9b0751u
    uint32_t probes;
    uint64_t mask;                 /* slots - 1 */
    const char *base;
    const char *entries;           /* the ENTRIES section */
    const struct snapshot_slot *slots;
    const struct snapshot_source *sources; /* of files that entries were made of */
    uint64_t source_count;
    const struct snapshot_header *header;
};

/*
 * Looks at every offset and size once, so that nothing which snapshot_find() hands out leads
 * outside.
 * base: 8-aligned, size bytes that cannot change any more (a sealed memfd; never a plain file).
 * whole: also compare the checksum of the contents, for images that came from elsewhere; reads it
 * all. Returns 0 with *out set, or -1 with *reason (a constant) saying what is wrong.
 */
int snapshot_check(const void *base, size_t size, bool whole, struct snapshot *out,
                   const char **reason);

/*
 * The same for an image that somebody else has checked and that could not change since: looks at
 * the header and the places of the sections, not at each entry.
 */
int snapshot_open(const void *base, size_t size, bool whole, struct snapshot *out,
                  const char **reason);

/* The same for the header alone: enough to tell a finished image from a torso. 0 or -1. */
int snapshot_check_header(const struct snapshot_header *h, uint64_t size, const char **reason);

/* The entry of a path, or NULL. Allocates nothing; views last as long as the mapping. */
const struct snapshot_entry *snapshot_find(const struct snapshot *s, struct str path);

/*
 * Walks all entries in the order in which they were added: NULL gives the first, NULL is returned
 * behind the last.
 */
const struct snapshot_entry *snapshot_next(const struct snapshot *s,
                                           const struct snapshot_entry *e);

/* What the file looked like that an entry was made of; NULL where it was made of none. */
static inline const struct snapshot_source *snapshot_source(const struct snapshot *s,
                                                            const struct snapshot_entry *e)
{
    return e->source ? &s->sources[e->source - 1] : NULL;
}

uint64_t snapshot_hash(struct str path);
uint64_t snapshot_header_sum(const struct snapshot_header *h);

/* The path of an entry. */
static inline struct str snapshot_path(const struct snapshot_entry *e)
{
    return (struct str){ (const char *)(e + 1), e->path_size };
}

/* Bytes from the start of a record to its variants. */
static inline size_t snapshot_variants_at(uint32_t path_size)
{
    return (sizeof(struct snapshot_entry) + (size_t)path_size + 7) & ~(size_t)7;
}

/* The variants of an entry: e->variants of them. */
static inline const struct snapshot_variant *snapshot_variants(const struct snapshot_entry *e)
{
    const void *p = (const char *)e + snapshot_variants_at(e->path_size);

    return p;
}

/* A text or body of the image. */
static inline struct str snapshot_text(const struct snapshot *s, uint64_t offset, uint64_t size)
{
    return (struct str){ s->base + offset, size };
}

/* ---- Writing --------------------------------------------------------------------------------- */

struct snapshot_writer;

/* A variant to be written. */
struct snapshot_new_variant {
    enum coding coding;
    struct str head, brief;
    struct str etag;               /* a part of brief, or empty */
    struct str body;
    const uint64_t *hash;          /* of the body, where it is known; NULL: it is computed */
};

/*
 * An entry to be written. All views are read before snapshot_add() returns, but for those of the
 * earlier image.
 */
struct snapshot_new_entry {
    struct str path;
    enum snapshot_kind kind;
    unsigned status, flags;
    int64_t modified;
    struct str type, extra;
    const struct snapshot_source *source; /* NULL: not made of a file */
    const struct snapshot_new_variant *variants; /* identity first, each coding once */
    size_t count;
};

/* What has been written so far. */
struct snapshot_stats {
    uint64_t entries;
    uint64_t shared;               /* bodies that were there already */
    uint64_t size;                 /* the image if it were finished now, bytes */
};

/*
 * Writes into fd from offset 0 on; fd stays the caller's. max_size: of the finished image; may be
 * changed later. The result is on the heap and goes back with snapshot_writer_free(), finished or
 * not.
 */
struct snapshot_writer *snapshot_writer_new(int fd, uint64_t max_size);
void snapshot_writer_limit(struct snapshot_writer *w, uint64_t max_size);

/*
 * An earlier image, which must stay mapped as long as w. Bytes that are given to the writer from
 * there are not copied one by one: as long as they follow each other there, they go over in one
 * piece. fd: its file, from which they are then read, because that is faster than from the mapping;
 * or -1. To be called before the first entry.
 */
void snapshot_writer_previous(struct snapshot_writer *w, const struct snapshot *previous, int fd);
void snapshot_writer_free(struct snapshot_writer **w);

/* The path has been added. */
bool snapshot_has(const struct snapshot_writer *w, struct str path);

/* Adds an entry whose path is new. 0; or -1, and the writer is good for nothing any more. */
int snapshot_add(struct snapshot_writer *w, const struct snapshot_new_entry *e);

/* Adds a new path that answers exactly as one that was added before. 0 or -1 likewise. */
int snapshot_add_alias(struct snapshot_writer *w, struct str path, struct str of);

/*
 * Adds an entry of the earlier image under its path, which must be new, as it is; source: what its
 * file looks like now, or NULL. 0 or -1 likewise.
 */
int snapshot_take(struct snapshot_writer *w, const struct snapshot_entry *e,
                  const struct snapshot_source *source);

/*
 * Adds an entry of another kind under key with the bodies of one that was added before: heads has
 * head and brief for each of its variants. 0 or -1 likewise.
 */
int snapshot_add_page(struct snapshot_writer *w, struct str key, struct str of, unsigned status,
                      const struct snapshot_new_variant *heads);

/* The entry of a path that has been added, with its variants, until the next one is; or NULL. */
const struct snapshot_entry *snapshot_added(const struct snapshot_writer *w, struct str path);

/* What the header is to say of the image. */
struct snapshot_stamp {
    uint64_t generation;
    int64_t began, built;          /* milliseconds since the epoch */
    uint64_t put_off;
};

/*
 * Writes entries, index, sources and, last of all, the header: until then the file begins with zero
 * bytes and no reader takes it. Where the earlier image has the same contents and as much was put
 * off in it, the file is left empty instead and *unchanged is set. 0 or -1.
 */
int snapshot_finish(struct snapshot_writer *w, const struct snapshot_stamp *stamp,
                    bool *unchanged);

/* Why a call failed: a constant text; *error is set to an errno value or 0. */
const char *snapshot_writer_reason(const struct snapshot_writer *w, int *error);

void snapshot_writer_stats(const struct snapshot_writer *w, struct snapshot_stats *out);

/* XXH3-128 of bytes, low half first: what the entity-tag of a body is made of. */
void snapshot_body_hash(struct str body, uint64_t out[2]);

#endif
