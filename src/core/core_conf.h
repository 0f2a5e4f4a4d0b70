/*
 * core_conf.h - what the core's own directives say, per http, server and location block.
 */
#ifndef SLV_CORE_CORE_CONF_H
#define SLV_CORE_CORE_CONF_H

#include "core/access_log.h"
#include "core/config.h"
#include "core/context.h"
#include "core/variable.h"

/* index, try_files: a list of texts with variables. */
struct text_list {
    struct slv_template **texts;
    size_t count;
    bool *directories;             /* try_files: the text ends with '/', so a directory is meant */
    int status;                    /* try_files: its last word was =status; 0: it is a text */
};

/* error_page: what answers for some statuses. In order; the first that names the status holds. */
struct error_page {
    struct error_page *next;
    int *statuses;
    size_t count;
    int answer_status;             /* "=code"; 0: "=", take the page's; -1: keep the error's */
    struct slv_template *target;   /* a path, a URI or @name */
};

/* return: a status with a text or a URI. */
struct return_rule {
    int status;
    struct slv_template *text;     /* NULL: none */
};

/* add_header */
struct added_header {
    struct added_header *next;
    struct str name;
    struct slv_template *value;
    bool always;
};

/* root, alias */
struct document_root {
    struct slv_template *text;
    bool alias;
    size_t replaced;               /* alias: bytes of the path that it stands for */
    bool regex;                    /* alias in a location given by a regular expression */
};

enum expires_kind { EXPIRES_OFF, EXPIRES_EPOCH, EXPIRES_MAX, EXPIRES_AFTER, EXPIRES_MODIFIED,
                    EXPIRES_DAILY };

/* expires */
struct expires {
    enum expires_kind kind;
    int64_t seconds;               /* AFTER, MODIFIED: from then; DAILY: of the day */
};

/* limit_except: other methods are judged by the access directives of this block. */
struct limit_except {
    unsigned methods;              /* bit set of 1 << enum slv_method that are not limited */
    struct conf_block *block;
};

enum { TOKENS_OFF, TOKENS_ON };
enum { SATISFY_ALL, SATISFY_ANY };

struct core_conf {
    struct document_root *root;
    struct text_list *index, *try_files;
    struct error_page *error_pages;
    struct return_rule *return_rule;
    bool internal;
    struct table *types;
    struct str default_type;
    struct str charset;            /* "off": none is said */
    struct expires *expires;
    struct added_header *add_headers;
    bool etag;
    int if_modified_since;         /* enum ims_mode */
    int64_t max_ranges;            /* -1: no limit */
    int server_tokens;
    bool merge_slashes, absolute_redirect, port_in_redirect, server_name_in_redirect;
    bool log_not_found;
    int satisfy;
    struct real_ip_trust *real_ip_from; /* proxies that are believed; NULL: none */
    struct real_ip_source *real_ip_header;
    bool real_ip_recursive;
    struct str acme_directory;     /* acme_challenge_dir, absolute; .n 0: none */
    struct limit_except *limit_except;
    struct variable_sets *sets;
    struct access_logs *access_logs;
    struct log *error_log;

    int64_t keepalive_timeout, client_header_timeout, client_body_timeout, send_timeout;
    int64_t keepalive_requests, client_max_body_size, client_header_buffer_size;
    struct large_buffers {
        int64_t count, size;
    } large_buffers;
    bool lingering_close, reset_timedout_connection, tcp_nodelay, tcp_nopush, sendfile;
    int64_t lingering_time;

    /* Made of the above when the configuration is complete. */
    struct h1_limits limits;
};

/* The error log of a block; NULL: the default one. */
static inline const struct log *core_error_log(const struct core_conf *core)
{
    return core->error_log;
}

/* The tables of main, events and of the http core, as modules of their own. */
extern const struct slv_module process_module;
extern const struct slv_module core_module;

/* The core's conf struct of a block. */
const struct core_conf *core_conf_of(const struct conf_block *block);

/* ---- Setters, by the room that holds them --------------------------------------------------- */

/* core_setters.c */
slv_setter core_set_root, core_set_texts, core_set_error_page, core_set_return, core_set_internal,
    core_set_types, core_set_expires, core_set_add_header,
    core_set_large_buffers, core_set_max_ranges, core_set_limit_except, core_set_try_files,
    core_set_accepted;
/* realip.c */
slv_setter realip_set_from, realip_set_header;
/* listen_conf.c */
slv_setter listen_directive;
/* server.c */
slv_setter server_directive, server_name_directive;
/* location.c */
slv_setter location_directive;
/* acme.c */
slv_setter acme_set_directory;
/* process_conf.c */
slv_setter process_set_http, process_set_events, process_set_load_module;

#endif
