/*
 * module.h - the module interface.
 *
 * A module is a shared object with one exported symbol, selvage_module. The server loads it
 * before it forks (load_module), checks magic, ABI version and size, and refuses with a reason
 * what does not fit. What a module does is switched on by its directives.
 *
 * ABI history, newest first. A change that a module built earlier would notice bumps the major
 * number, an addition the minor one.
 *   2026-11-26  3.0  hub.h: struct slv_hub_subscriber is larger, news() may be missing, and the
 *                    connection has its turn without slv_wake()
 *   2026-11-26  2.0  hub.h: slv_hub_subscribe() knows the client, struct slv_hub_most,
 *                    slv_hub_refused(), SLV_HUB_CHANNEL_LIMIT, SLV_HUB_CLIENT_LIMIT
 *   2026-11-26  1.4  hub.h: types of messages, slv_hub_post(), slv_hub_post_forget(), SLV_HUB_AWAY.
 *                    Modules have to be compiled again
 *   2026-11-26  1.3  upgrade.h with slv_upgrade(), websocket.h, slv_offer(), slv_offered(); hub.h:
 *                    channels; timer.h: timers; status.h: figures; hooks body and drain;
 *                    slv_request_body(), slv_on_end(), slv_write_chunk(), slv_cut(),
 *                    slv_close_after(). Modules have to be compiled again
 *   2026-11-26  1.2  network.h: slv_network_parse(), slv_network_has(); slv_request_peer() gives
 *                    the client's address where a trusted proxy has named it
 *   2026-11-26  1.1  slv_build_afford(), slv_build_earlier(), slv_build_earlier_body(),
 *                    slv_build_keep(), slv_build_had(), slv_build_redirect(), slv_build_adopt(),
 *                    slv_build_refines(), slv_build_each(), slv_build_again(),
 *                    slv_image_there(), slv_image_number(), slv_image_current(); struct
 *                    slv_prebuilt has fields, origin and incomplete; hooks image and admits,
 *                    slv_build_admits(); slv_image_answer() answers with error pages, too.
 *                    Modules have to be compiled again
 *   2026-11-21  1.0  first version
 */
#ifndef SELVAGE_MODULE_H
#define SELVAGE_MODULE_H

#include <selvage/conf.h>
#include <selvage/hub.h>
#include <selvage/request.h>
#include <selvage/snapshot.h>
#include <selvage/timer.h>
#include <selvage/upgrade.h>

#define SLV_ABI_MAJOR 3
#define SLV_ABI_MINOR 0
#define SLV_MODULE_MAGIC 0x53656c76u

/* Log levels as nginx's. */
enum slv_level {
    SLV_LOG_EMERG = 1,
    SLV_LOG_ALERT,
    SLV_LOG_CRIT,
    SLV_LOG_ERROR,
    SLV_LOG_WARN,
    SLV_LOG_NOTICE,
    SLV_LOG_INFO,
    SLV_LOG_DEBUG
};

struct slv_module {
    /* First, because they protect the rest. */
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    uint32_t size;                 /* sizeof(struct slv_module) of the module's build */

    const char *name;              /* also the base name of its file */
    const char *version;
    const struct slv_directive *directives; /* ended by a NULL name; may be NULL */
    /* of its conf struct per http, server and location block; 0: none */
    size_t conf_size;

    /* All hooks may be NULL. */

    /*
     * After load, before the file's directives are applied: add variables. 0, or -1 after an
     * error.
     */
    int (*load)(struct slv_conf *cf);

    /*
     * After inheritance, once for each block of its own (http, server, location): check and
     * complete conf. 0, or -1 after slv_conf_error().
     */
    int (*finish)(struct slv_conf *cf, void *conf);

    /*
     * Access phase: may this request go on? SLV_DECLINED (no opinion), SLV_DONE (yes), or a status:
     * 401 or 403, judged together with the other modules' by "satisfy". Asked only in blocks where,
     * or around which, a directive of the module stands; a module without directives always.
     */
    int (*access)(struct slv_request *r, const void *conf);

    /*
     * Would the content hook answer for that path (decoded, begins with '/')? Asked by try_files
     * before the file system is. Must be cheap.
     */
    bool (*has)(struct slv_request *r, const void *conf, struct str path);

    /*
     * Content phase, in the order of the server's list: SLV_DECLINED, SLV_DONE, SLV_LATER or a
     * status, which the core turns into an error page.
     */
    int (*content)(struct slv_request *r, const void *conf);

    /*
     * In the builder, a process of its own without privileges, before a generation starts to serve:
     * make the answers that workers share, with slv_build_add() (snapshot.h). 0, or -1 after
     * slv_log().
     */
    int (*build)(struct slv_build *b, void *conf);

    /*
     * How the image of a host is to be kept; conf is the struct of its server block. options holds
     * the defaults.
     */
    void (*image)(const void *conf, struct slv_image_options *options);

    /*
     * In each worker after the fork and the drop of privileges. 0; -1 makes the worker exit with
     * status 2, which the master does not try again.
     */
    int (*worker_start)(void);
    void (*worker_stop)(void);

    /*
     * In the builder: would the content hook serve that file (absolute, NUL behind it) for r, as
     * far as rules about files go, those about symbolic links for one? What one module refuses is
     * left out of images.
     */
    bool (*admits)(struct slv_request *r, const void *conf, struct str file);

    /*
     * After the access phase, if a body follows the head: how many bytes of it are to be kept for
     * slv_request_body(); 0: none. A longer one is answered with 413, and client_max_body_size
     * holds in any case. The content hook is called when all of it is there.
     */
    int64_t (*body)(struct slv_request *r, const void *conf);

    /*
     * This worker accepts no more connections: answers that would not end by themselves are to be
     * brought to an end within window milliseconds. successor: another worker serves in its place.
     */
    void (*drain)(bool successor, int64_t window);
};

/* What every module puts first. */
#define SLV_MODULE_HEADER \
    .magic = SLV_MODULE_MAGIC, .abi_major = SLV_ABI_MAJOR, .abi_minor = SLV_ABI_MINOR, \
    .size = sizeof(struct slv_module)

/*
 * The module's conf struct for the location that serves the request; never NULL if conf_size > 0.
 */
SLV_API const void *slv_request_conf(const struct slv_request *r, const struct slv_module *m);

/* Writes to the error log; r may be NULL. error is an errno value or 0. */
SLV_API void slv_log(const struct slv_request *r, enum slv_level level, int error,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- Modules that build on modules ----------------------------------------------------------- */

/*
 * From the load hook: other modules may use this table of functions; its header says what is behind
 * the name, and its version is part of the name. 0, or -1 after an error: the name is taken.
 */
SLV_API int slv_offer(struct slv_conf *cf, const char *name, const void *table);

/* What was offered under that name; NULL: nothing was. From setters and the finish hook. */
SLV_API const void *slv_offered(const struct slv_conf *cf, const char *name);

/* ---- What the core knows of the location that serves a request ------------------------------ */

/*
 * The file that the path names below root or alias: absolute, NUL behind it. In slv_alloc()
 * memory.
 */
SLV_API struct str slv_request_file(struct slv_request *r, struct str path);

/*
 * The document root (or alias) of the location, evaluated; and the length of the path that it
 * replaces.
 */
SLV_API struct str slv_request_root(struct slv_request *r, size_t *replaced);

/* The media type for a file name by "types" and "default_type"; with charset where one applies. */
SLV_API struct str slv_request_type(struct slv_request *r, struct str filename);

/*
 * The client's address in network order, the peer's or the one that a trusted proxy named: returns
 * its length, 4 or 16 (an IPv4-mapped address is 4), or 0 where it has none, as on a UNIX-domain
 * socket.
 */
SLV_API int slv_request_peer(const struct slv_request *r, uint8_t ip[16]);

/*
 * The names of the location's "index", evaluated: at most max go to names, views as from
 * slv_template_text(). Returns how many did.
 */
SLV_API size_t slv_request_index(struct slv_request *r, struct str *names, size_t max);

/* An access hook has found out who it is: $remote_user. user must live in slv_alloc() memory. */
SLV_API void slv_set_remote_user(struct slv_request *r, struct str user);

/* "log_not_found" of the location: is a file that is not there worth a line in the error log? */
SLV_API bool slv_log_not_found(const struct slv_request *r);

/* "satisfy any" holds: a refusal of one access hook is not yet the last word. */
SLV_API bool slv_satisfy_any(const struct slv_request *r);

#endif
