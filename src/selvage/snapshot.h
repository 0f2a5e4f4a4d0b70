/*
 * snapshot.h - prebuilt images: a module's side of making them and answering from them.
 *
 * A virtual host may have one image: whole answers, made ahead of time, which all workers share.
 * The server keeps the format, the life of an image and the way a request is answered from it; a
 * module says which answers there are and what their bodies look like.
 *
 *   configuration   the module's finish hook calls slv_image_want() for each conf struct under
 *                   which a location answers from the image
 *   building        the module's build hook runs once for each host that wants an image, in a
 *                   process without privileges, before the configuration begins to serve; conf is
 *                   the module's struct of the server block. What the hook adds becomes the image
 *                   when it returns 0
 *   serving         the module's content hook calls slv_image_answer()
 *
 * Nobody sees half an image: workers get it when it is finished and can no longer change.
 */
#ifndef SELVAGE_SNAPSHOT_H
#define SELVAGE_SNAPSHOT_H

#include <selvage/request.h>

#include <time.h>

struct slv_conf;
struct slv_module;
struct slv_build;

/* ---- Configuration --------------------------------------------------------------------------- */

/*
 * From the finish hook of module m: blocks that have the struct conf answer from their host's
 * image. Blocks that share the struct are meant with it. Returns 0, or -1 after slv_conf_error()
 * where another module makes images already.
 */
SLV_API int slv_image_want(struct slv_conf *cf, const struct slv_module *m, const void *conf);

/* How the server is to keep the image of a host. */
struct slv_image_options {
    unsigned keep;                 /* earlier images to keep for a rollback */
    bool watch;                    /* build anew when the source changes */
    bool refine;                   /* make variants that take long, in the background */
    bool huge_pages;               /* ask the kernel for large pages */
    int64_t max_size;              /* bytes that an image may have */
    /*
     * Directories and files in which a change is to be noticed besides the directories that the
     * host's locations serve files from; absolute, NUL behind each.
     */
    struct str sources[4];
    size_t source_count;
};

/* ---- Building -------------------------------------------------------------------------------- */

/* A directory that a location serves files from; or a file, where the location is for one path. */
struct slv_tree {
    struct str dir;                /* absolute, ends with '/', NUL behind it */
    struct str path;               /* the path that it stands for; ends with '/' */
    bool single;                   /* both name one file instead, without '/' at the end */
    const void *conf;              /* the module's struct of the location */
    const char *obstacle;          /* why it cannot be walked; then dir is empty and path what the
                                      location is written with; NULL: it can */
};

/* The name of the host, for messages. Lives as long as b. */
SLV_API const char *slv_build_name(const struct slv_build *b);

/*
 * The directories that the host's locations serve files from, i from 0 on: false behind the last.
 * They may lie in one another and several may stand for one path, so each file must be looked up
 * with slv_build_request(): the location of its path may serve another file. Views live as long as
 * b.
 */
SLV_API bool slv_build_tree(const struct slv_build *b, size_t i, struct slv_tree *out);

/*
 * A GET of path that nobody sent, routed as a real one: its location tells by slv_request_conf(),
 * slv_request_file() and slv_request_type() how the path would be answered. path must outlive it.
 * Given back with slv_build_drop(), which nulls *r.
 */
SLV_API struct slv_request *slv_build_request(struct slv_build *b, struct str path);
SLV_API void slv_build_drop(struct slv_build *b, struct slv_request **r);

/*
 * Why answers of the request's location cannot be made ahead of time: something in them depends on
 * the request or on the time. NULL: they can. A constant text that continues "left out: ".
 */
SLV_API const char *slv_build_obstacle(struct slv_build *b, struct slv_request *r);

/*
 * Every module would serve that file (absolute, NUL behind it) for r: none has a rule about files
 * that keeps it out, as "disable_symlinks" may.
 */
SLV_API bool slv_build_admits(const struct slv_build *b, struct slv_request *r, struct str file);

/* One representation (RFC 9110 section 8.4.1 on codings). */
struct slv_variant {
    enum slv_coding coding;
    const void *data;
    size_t size;
};

/* What a file looks like: with the same values it is the same file, unchanged. */
struct slv_origin {
    uint64_t device, inode;
    int64_t size;
    struct timespec modified, changed; /* the latter is what users cannot set back */
};

/* The answer to GET and HEAD of a path. All views are read before slv_build_add() returns. */
struct slv_prebuilt {
    struct str path;               /* decoded, as $uri has it; at most 65535 bytes */
    struct timespec modified;      /* becomes Last-Modified */
    struct str content_type;       /* from slv_request_type(), or empty */
    struct str cache_control;      /* said where the location says none itself; may be empty */
    bool negotiated;               /* say "Vary: Accept-Encoding", also with one variant */
    const struct slv_variant *variants; /* identity first, each coding at most once */
    size_t count;
    struct str fields;             /* more fields of 200, each with CRLF; may be empty */
    const struct slv_origin *origin; /* of the file that it is made of; NULL: of none */
    bool incomplete;               /* variants were put off that a later build will make */
};

/*
 * Adds an answer with all that its location would put into the head: Server, add_header, expires,
 * ETag (strong, of the content of each variant), Last-Modified, and the shorter head of 304. Equal
 * bodies are kept once. The path must be new and its location without obstacle. Returns 0; -1 after
 * slv_log() when the image cannot grow, and then the hook should return -1 as well.
 */
SLV_API int slv_build_add(struct slv_build *b, const struct slv_prebuilt *p);

/*
 * Answers a new path, that of a directory, exactly as one that was added, its index file. Adds
 * nothing where the request has to go through the core: the two belong to different locations, or
 * "index" of the directory's has variables. 0 or -1 as above.
 */
SLV_API int slv_build_alias(struct slv_build *b, struct str path, struct str of);

/*
 * Answers a new path, that of a directory without its slash, with 301 to the same with it. The core
 * makes the answer, as it does for files on disk. Adds nothing where the root of its location
 * depends on the request. 0 or -1 as above.
 */
SLV_API int slv_build_redirect(struct slv_build *b, struct str path);

/* The path has been added. */
SLV_API bool slv_build_has(const struct slv_build *b, struct str path);

/*
 * May variants that take long to make be made of so many bytes? If so, they count. If not, somebody
 * waits for the image, and they are put off (slv_prebuilt.incomplete) until a later build. again:
 * an earlier image had these bytes, and they were put off then: nobody waits for them.
 */
SLV_API bool slv_build_afford(struct slv_build *b, size_t bytes, bool again);

/* An answer of an earlier image of this host, which was made of a file. Views live as long as b. */
struct slv_earlier {
    struct slv_origin origin;      /* as it was when it was read */
    bool settled;                  /* and had been left alone for some time then: where the origin
                                      is the same, the bytes are */
    bool same_config;              /* the configuration has not changed since */
    bool negotiated, incomplete;   /* as in struct slv_prebuilt */
    struct str content_type;
    struct slv_variant variants[SLV_CODING_COUNT]; /* identity first */
    size_t count;
};

/*
 * An answer of the earlier image with this body, whatever its path and type: of a file that was
 * moved or copied, perhaps. The bytes were compared. False: there is none.
 */
SLV_API bool slv_build_earlier_body(struct slv_build *b, struct str body, struct slv_earlier *out);

/* The earlier image has answers below a path (ends with '/') that were made of files. */
SLV_API bool slv_build_had(const struct slv_build *b, struct str path);

/* What the earlier image has for a path. False: nothing that was made of a file. */
SLV_API bool slv_build_earlier(struct slv_build *b, struct str path, struct slv_earlier *out);

/*
 * Adds the answer that the earlier image has for a path as it is, heads included, if they would be
 * made alike: the configuration, the media type and the file's modification time are the same.
 * origin: of the file now. 0, with *kept saying whether it was; -1 as with slv_build_add().
 */
SLV_API int slv_build_keep(struct slv_build *b, struct str path, struct str content_type,
                           const struct slv_origin *origin, bool *kept);

/*
 * The image is only to be refined: it gets the answers of the earlier one, in the same order, and
 * variants for those that lack them. Files are not looked at: they may have changed meanwhile.
 */
SLV_API bool slv_build_refines(const struct slv_build *b);

/* An answer of the earlier image that is to be had again. */
struct slv_again {
    struct str path;
    bool incomplete;               /* it lacks variants: slv_build_earlier() has the rest */
    bool alias;                    /* it is that of a file under another path */
    const void *entry;             /* the core's; NULL: before the first */
};

/* The next one. False: that was the last. */
SLV_API bool slv_build_each(struct slv_build *b, struct slv_again *at);

/* Adds it as it is, behind those that came before it. 0, or -1 as with slv_build_add(). */
SLV_API int slv_build_again(struct slv_build *b, const struct slv_again *at);

/*
 * Makes the image a copy of one in a file (selvage-pack makes them), which is verified whole:
 * instead of adding anything. max: bytes that it may have. 0; -1 after slv_log().
 */
SLV_API int slv_build_adopt(struct slv_build *b, const char *path, int64_t max);

/*
 * The most bytes that the image may have; without this call there is no limit. To be called first.
 */
SLV_API void slv_build_limit(struct slv_build *b, int64_t bytes);

/* Bytes of the image so far. */
SLV_API int64_t slv_build_size(const struct slv_build *b);

/* One line of progress: to the log and to whoever watches the build. Not more than one a second. */
SLV_API void slv_build_say(struct slv_build *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Serving --------------------------------------------------------------------------------- */

/*
 * Answers GET and HEAD from the image of the request's host: chooses the variant by Accept-Encoding
 * (the server's order between equals: br, zstd, gzip, identity; identity also where the client
 * accepts nothing that there is), applies preconditions (RFC 9110 section 13) to it, and ranges.
 * While an error page is being made it answers with the error's status, unconditionally.
 * Returns SLV_DONE; 412; or SLV_DECLINED for other methods, for paths that are not in the image,
 * and where the location that serves is not the one of the path. Never looks at the disk. Allocates
 * nothing for a plain request, HEAD or 304.
 */
SLV_API int slv_image_answer(struct slv_request *r);

/* The number of the image that answered, as `selvage ctl` calls it; 0: none did. */
SLV_API uint64_t slv_image_number(const struct slv_request *r);

/* The number of the image that answers for the request's host now; 0: there is none. */
SLV_API uint64_t slv_image_current(const struct slv_request *r);

/* There is an image of the request's host. */
SLV_API bool slv_image_there(const struct slv_request *r);

/* slv_image_answer() would find a file for that path in the image of the request's host. */
SLV_API bool slv_image_has(const struct slv_request *r, struct str path);

#endif
