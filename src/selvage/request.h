/*
 * request.h - what a module sees of a request, and how it answers.
 *
 * A request belongs to the core. A module reads the fields below and never writes them. Views
 * into the message (names, values, target, path, args) are valid until the hook returns; a module
 * that answers later reads them again from the request, because the core may have moved the bytes
 * in between. Memory from slv_alloc() lives until the request has been answered and logged.
 */
#ifndef SELVAGE_REQUEST_H
#define SELVAGE_REQUEST_H

#include <selvage/str.h>

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Exported by the server to modules. */
#define SLV_API __attribute__((visibility("default")))

/* Request methods that have a meaning here (RFC 9110 section 9); the rest is SLV_METHOD_OTHER. */
enum slv_method {
    SLV_GET,
    SLV_HEAD,
    SLV_POST,
    SLV_PUT,
    SLV_DELETE,
    SLV_OPTIONS,
    SLV_PATCH,
    SLV_CONNECT,
    SLV_TRACE,
    SLV_METHOD_OTHER
};

/* Header fields that the server looks at; SLV_H_NONE is never present. */
#define SLV_KNOWN_HEADERS(X) \
    X(HOST, "host") \
    X(CONNECTION, "connection") \
    X(CONTENT_LENGTH, "content-length") \
    X(CONTENT_TYPE, "content-type") \
    X(TRANSFER_ENCODING, "transfer-encoding") \
    X(EXPECT, "expect") \
    X(UPGRADE, "upgrade") \
    X(TE, "te") \
    X(TRAILER, "trailer") \
    X(USER_AGENT, "user-agent") \
    X(REFERER, "referer") \
    X(COOKIE, "cookie") \
    X(ORIGIN, "origin") \
    X(AUTHORIZATION, "authorization") \
    X(ACCEPT, "accept") \
    X(ACCEPT_ENCODING, "accept-encoding") \
    X(RANGE, "range") \
    X(IF_RANGE, "if-range") \
    X(IF_MATCH, "if-match") \
    X(IF_NONE_MATCH, "if-none-match") \
    X(IF_MODIFIED_SINCE, "if-modified-since") \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since") \
    X(LAST_EVENT_ID, "last-event-id") \
    X(X_FORWARDED_FOR, "x-forwarded-for")

enum slv_known_header {
#define X(id, name) SLV_H_##id,
    SLV_KNOWN_HEADERS(X)
#undef X
    SLV_H_COUNT
};

struct slv_header {
    struct str name;               /* lower case in requests */
    struct str value;              /* without optional white space at its ends */
};

struct slv_request {
    unsigned magic;
#define SLV_REQUEST_MAGIC 0x51e4ea57u
    enum slv_method method;
    struct str method_name;        /* as sent */
    struct str line;               /* the request line as sent, without CRLF */
    struct str raw_target;         /* the request target as sent */
    struct str path;               /* decoded and normalised, begins with '/' ($uri) */
    struct str args;               /* behind the first '?', as sent ($args) */
    struct str host;               /* lower case, without port; empty where there is none */
    unsigned version;              /* 10 or 11 */
    const struct slv_header *headers;
    size_t header_count;           /* at most 128 */
    uint8_t known[SLV_H_COUNT];    /* 1 + index of the first such field in headers, 0: absent */
    int64_t content_length;        /* of the request body; -1: chunked, 0: none */
};

/* The value of a known header field; .p is NULL where it is absent. */
static inline struct str slv_header_in(const struct slv_request *r, enum slv_known_header h)
{
    return r->known[h] ? r->headers[r->known[h] - 1].value : (struct str){ NULL, 0 };
}

/* The value of the first field of that (lower case) name; .p is NULL where it is absent. */
SLV_API struct str slv_header_find(const struct slv_request *r, struct str name);

/* Memory that lives as long as the request. Never NULL. */
SLV_API void *slv_alloc(struct slv_request *r, size_t size);

/* Formatted text in such memory, with a NUL behind it that is not counted. */
SLV_API struct str slv_printf(struct slv_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Content codings ------------------------------------------------------------------------ */

enum slv_coding {
    SLV_CODING_IDENTITY,
    SLV_CODING_GZIP,
    SLV_CODING_BR,
    SLV_CODING_ZSTD,
    SLV_CODING_COUNT
};

/*
 * The coding that the client likes best (Accept-Encoding, RFC 9110 section 12.5.3) among those in
 * available, a set of 1u << SLV_CODING_*; between equals the smallest one usually is: br, zstd,
 * gzip, identity. -1 where it accepts none of them.
 */
SLV_API int slv_negotiate(const struct slv_request *r, unsigned available);

/* The same among the count codings of order, which comes first between equals. */
SLV_API int slv_negotiate_order(const struct slv_request *r, const enum slv_coding *order,
                                size_t count);

/* ---- Answering ------------------------------------------------------------------------------ */

/* What a content or access hook returns, besides an HTTP status from 300 to 599. */
enum {
    SLV_DECLINED = -1,             /* not mine: ask the next one */
    SLV_DONE = 0,                  /* the answer was given with one of the functions below */
    SLV_LATER = 1                  /* the answer will be given later; the module was heard */
};

/*
 * A body that is made while it is sent. The module embeds this as the first member of a struct of
 * its own. pull is called only while little is queued; it calls slv_write() and slv_end(), or
 * returns without either and calls slv_wake() when there is more. stop is called exactly once:
 * after the end (error 0) or when the connection is lost (error 1).
 */
struct slv_source {
    void (*pull)(struct slv_source *source, struct slv_request *r);
    void (*stop)(struct slv_source *source, struct slv_request *r, int error);
};

enum slv_body_kind {
    SLV_BODY_NONE,
    SLV_BODY_MEM,                  /* size bytes at data */
    SLV_BODY_FILE,                 /* size bytes of descriptor fd from offset on */
    SLV_BODY_SOURCE                /* pulled; size is the length, or -1 where it is not known */
};

/*
 * Exactly one kind. release(owner) is called exactly once, when the bytes have been written or
 * given up, and also when slv_respond() refuses; NULL where the bytes live in slv_alloc() memory
 * or for ever. So a pinned image, a refcounted blob, a heap block to be freed and an open file
 * are all said with the same two fields.
 */
struct slv_body {
    enum slv_body_kind kind;
    const char *data;
    int fd;
    int64_t offset;
    int64_t size;
    struct slv_source *source;
    void (*release)(void *owner);
    void *owner;
};

/*
 * A response whose head the core writes. The core adds Server, Date, Connection and framing,
 * applies conditional requests (304, 412) where etag or last_modified is given and status is 200,
 * and ranges (206, 416) where the body can be cut, then "expires" and "add_header" of the
 * location.
 */
struct slv_response {
    int status;
    struct str content_type;       /* empty: no such field. Charset is added by the core */
    struct str etag;               /* with its quotes, or empty */
    time_t last_modified;          /* 0: unknown */
    bool no_ranges;                /* the body must not be cut */
    struct slv_body body;
};

/* release(object) is called once when the request is over, answered or not. */
SLV_API void slv_on_end(struct slv_request *r, void (*release)(void *object), void *object);

/*
 * The whole body of the request, if the module's hook body asked for it and there is one: lives as
 * long as the request. Else empty.
 */
SLV_API struct str slv_request_body(const struct slv_request *r);

/*
 * Adds a response header field. Both views must outlive the request: literals or slv_alloc()
 * memory.
 */
SLV_API void slv_header_out(struct slv_request *r, struct str name, struct str value);

/*
 * Gives the answer. Returns 0, or -1 where one was given already (the body is released then too).
 */
SLV_API int slv_respond(struct slv_request *r, const struct slv_response *response);

/* Gives a short text as the answer; text must live in slv_alloc() memory or for ever. */
SLV_API int slv_respond_text(struct slv_request *r, int status, struct str content_type,
                             struct str text);

/*
 * Answers with a redirect to a path of this host or to an absolute URI (status 301, 302, 303,
 * 307, 308).
 */
SLV_API int slv_redirect(struct slv_request *r, int status, struct str location);

/*
 * The prebuilt form: the status line, Date and Connection are one small span that the worker keeps
 * ready; all that follows (the other header fields with the blank line, and the body) is borrowed
 * from wherever it lies. Nothing is copied, formatted or allocated. Where body == head +
 * head_size both leave as one span. For HEAD requests and statuses without a body the core drops
 * the body. release(owner) as in struct slv_body.
 */
struct slv_wire {
    int status;
    const char *head, *body;
    size_t head_size, body_size;
    void (*release)(void *owner);
    void *owner;
};
SLV_API int slv_respond_wire(struct slv_request *r, const struct slv_wire *wire);

/*
 * Copies bytes of a pulled body into the queue; slv_end() ends it. From pull or after slv_wake()
 * only.
 */
SLV_API void slv_write(struct slv_request *r, const void *data, size_t size);
SLV_API void slv_end(struct slv_request *r);

/*
 * The same for bytes that stay valid until the worker waits for events: they are copied only if the
 * socket does not take them. chunk is data as one chunk (RFC 9112 section 7.1), for connections
 * that want it so; data lies in it.
 */
SLV_API void slv_write_chunk(struct slv_request *r, struct str chunk, struct str data);

/* The connection ends after this answer, whatever its head may have said. */
SLV_API void slv_close_after(struct slv_request *r);

/*
 * Breaks a pulled answer off and ends the connection, because the client cannot keep up. The error
 * log and $close_reason say so.
 */
SLV_API void slv_cut(struct slv_request *r);

/* There is more to pull. May be called at any time while the source has not been stopped. */
SLV_API void slv_wake(struct slv_request *r);

/*
 * Starts the request anew at another path of this host, with its args ("?" not included; .p NULL
 * keeps the present ones). From a content hook only; the hook returns what this returns.
 */
SLV_API int slv_internal_redirect(struct slv_request *r, struct str path, struct str args);

#endif
