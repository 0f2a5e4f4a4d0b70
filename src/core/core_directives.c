/*
 * core_directives.c - the table of the http core's directives, and what follows from them.
 */
#include "core/core_conf.h"

#include "base/check.h"
#include "conn/conn.h"
#include "core/error_log.h"
#include "core/version.h"
#include "http/conditional.h"

static const struct slv_word ims_words[] = {
    { "off", IMS_OFF }, { "exact", IMS_EXACT }, { "before", IMS_BEFORE }, { NULL, 0 },
};

static const struct slv_word token_words[] = {
    { "off", TOKENS_OFF }, { "on", TOKENS_ON }, { NULL, 0 },
};

static const struct slv_word satisfy_words[] = {
    { "all", SATISFY_ALL }, { "any", SATISFY_ANY }, { NULL, 0 },
};

static const struct slv_bounds natural = { 0, INT64_MAX };
static const struct slv_bounds buffer_bounds = { 256, 1024 * 1024 };

#define EVERYWHERE SLV_IN_ANY_HTTP
#define SERVERS (SLV_IN_HTTP | SLV_IN_SERVER)
#define INSIDE (SLV_IN_SERVER | SLV_IN_LOCATION)
#define FIELD(member) SLV_FIELD(struct core_conf, member)
#define NO_FIELD 0, 0

/* A flag with its default. */
#define FLAG(word, contexts, member, preset) \
    { word, contexts, 1, 1, 0, "on | off", slv_set_flag, FIELD(member), preset, NULL }

/* A time. */
#define TIME(word, contexts, member, preset) \
    { word, contexts, 1, 1, 0, "time", slv_set_ms, FIELD(member), preset, NULL }

/* Sizes of nginx's internal tables: accepted, because ours grow as they need. */
#define SIZING(word) \
    { word, EVERYWHERE, 1, 1, 0, "size", core_set_accepted, NO_FIELD, NULL, NULL }

static const struct slv_directive directives[] = {
    { "server", SLV_IN_HTTP, 0, 0, SLV_OPENS_BLOCK | SLV_REPEATS, "{ ... }", server_directive,
      NO_FIELD, NULL, NULL },
    { "listen", SLV_IN_SERVER, 1, SLV_ARGS_ANY, SLV_REPEATS,
      "address[:port] | port | unix:path | vsock:cid:port [parameter ...]", listen_directive,
      NO_FIELD, NULL, NULL },
    { "server_name", SLV_IN_SERVER, 1, SLV_ARGS_ANY, SLV_REPEATS, "name ...",
      server_name_directive, NO_FIELD, NULL, NULL },
    { "location", INSIDE, 1, 2, SLV_OPENS_BLOCK | SLV_REPEATS,
      "[ = | ~ | ~* | ^~ ] uri { ... } | @name { ... }", location_directive, NO_FIELD, NULL, NULL },
    { "limit_except", SLV_IN_LOCATION, 1, SLV_ARGS_ANY, SLV_OPENS_BLOCK | SLV_NOT_INHERITED,
      "method ... { ... }", core_set_limit_except, FIELD(limit_except), NULL, NULL },

    { "root", EVERYWHERE, 1, 1, 0, "path", core_set_root, FIELD(root), "html", NULL },
    { "alias", SLV_IN_LOCATION, 1, 1, 0, "path", core_set_root, FIELD(root), NULL, NULL },
    { "index", EVERYWHERE, 1, SLV_ARGS_ANY, SLV_REPEATS, "file ...", core_set_texts, FIELD(index),
      "index.html", NULL },
    { "try_files", INSIDE, 2, SLV_ARGS_ANY, SLV_NOT_INHERITED, "file ... uri | =code",
      core_set_try_files, FIELD(try_files), NULL, NULL },
    { "error_page", EVERYWHERE, 2, SLV_ARGS_ANY, SLV_REPEATS, "code ... [=[response]] uri",
      core_set_error_page, FIELD(error_pages), NULL, NULL },
    { "return", INSIDE, 1, 2, SLV_NOT_INHERITED | SLV_REPEATS, "code [text] | code URL | URL",
      core_set_return, FIELD(return_rule), NULL, NULL },
    { "set", INSIDE, 2, 2, SLV_NOT_INHERITED | SLV_REPEATS, "$variable value",
      variable_set_directive, FIELD(sets), NULL, NULL },
    { "internal", SLV_IN_LOCATION, 0, 0, SLV_NOT_INHERITED, "", core_set_internal,
      FIELD(internal), NULL, NULL },
    { "acme_challenge_dir", SERVERS, 1, 1, 0, "path | off", acme_set_directory,
      FIELD(acme_directory), "off", NULL },
    { "map", SLV_IN_HTTP, 2, 2, SLV_OPENS_BLOCK | SLV_RAW_BLOCK | SLV_REPEATS,
      "string $variable { ... }", variable_map_directive, NO_FIELD, NULL, NULL },

    { "types", EVERYWHERE, 0, 0, SLV_OPENS_BLOCK | SLV_RAW_BLOCK | SLV_REPEATS, "{ ... }",
      core_set_types, FIELD(types), NULL, NULL },
    { "default_type", EVERYWHERE, 1, 1, 0, "mime-type", slv_set_string, FIELD(default_type),
      "text/plain", NULL },
    { "charset", EVERYWHERE, 1, 1, 0, "charset | off", slv_set_string, FIELD(charset), "utf-8",
      NULL },
    { "expires", EVERYWHERE, 1, 2, 0, "[modified] time | epoch | max | off", core_set_expires,
      FIELD(expires), NULL, NULL },
    { "add_header", EVERYWHERE, 2, 3, SLV_REPEATS, "name value [always]", core_set_add_header,
      FIELD(add_headers), NULL, NULL },
    FLAG("etag", EVERYWHERE, etag, "on"),
    { "if_modified_since", EVERYWHERE, 1, 1, 0, "off | exact | before", slv_set_enum,
      FIELD(if_modified_since), "exact", ims_words },
    { "max_ranges", EVERYWHERE, 1, 1, 0, "number", core_set_max_ranges, FIELD(max_ranges), "-1",
      NULL },
    { "server_tokens", EVERYWHERE, 1, 1, 0, "on | off", slv_set_enum, FIELD(server_tokens), "on",
      token_words },
    FLAG("merge_slashes", SERVERS, merge_slashes, "on"),
    FLAG("absolute_redirect", EVERYWHERE, absolute_redirect, "on"),
    FLAG("port_in_redirect", EVERYWHERE, port_in_redirect, "on"),
    FLAG("server_name_in_redirect", EVERYWHERE, server_name_in_redirect, "off"),
    FLAG("log_not_found", EVERYWHERE, log_not_found, "on"),
    { "satisfy", EVERYWHERE, 1, 1, 0, "all | any", slv_set_enum, FIELD(satisfy), "all",
      satisfy_words },
    { "set_real_ip_from", EVERYWHERE, 1, 1, SLV_REPEATS, "address | network | unix:",
      realip_set_from, FIELD(real_ip_from), NULL, NULL },
    { "real_ip_header", EVERYWHERE, 1, 1, 0, "field | proxy_protocol", realip_set_header,
      FIELD(real_ip_header), "X-Real-IP", NULL },
    FLAG("real_ip_recursive", EVERYWHERE, real_ip_recursive, "off"),

    { "access_log", EVERYWHERE | SLV_IN_LIMIT_EXCEPT, 1, SLV_ARGS_ANY, SLV_REPEATS,
      "path [format [buffer=size] [flush=time] [if=condition]] | off", access_log_directive,
      FIELD(access_logs), NULL, NULL },
    { "log_format", SLV_IN_HTTP, 2, SLV_ARGS_ANY, SLV_REPEATS,
      "name [escape=default|json|none] string ...", access_log_format_directive, NO_FIELD, NULL,
      NULL },
    { "error_log", EVERYWHERE, 1, 2, SLV_REPEATS, "file | stderr [level]", error_log_directive,
      FIELD(error_log), NULL, NULL },

    TIME("keepalive_timeout", EVERYWHERE, keepalive_timeout, "5s"),
    { "keepalive_requests", EVERYWHERE, 1, 1, 0, "number", slv_set_number,
      FIELD(keepalive_requests), "1000", &natural },
    TIME("client_header_timeout", SERVERS, client_header_timeout, "5s"),
    TIME("client_body_timeout", EVERYWHERE, client_body_timeout, "30s"),
    TIME("send_timeout", EVERYWHERE, send_timeout, "60s"),
    TIME("lingering_time", EVERYWHERE, lingering_time, "5s"),
    { "client_max_body_size", EVERYWHERE, 1, 1, 0, "size", slv_set_size,
      FIELD(client_max_body_size), "1m", &natural },
    { "client_header_buffer_size", SERVERS, 1, 1, 0, "size", slv_set_size,
      FIELD(client_header_buffer_size), "1k", &buffer_bounds },
    { "large_client_header_buffers", SERVERS, 2, 2, 0, "number size", core_set_large_buffers,
      FIELD(large_buffers), "4 8k", NULL },
    FLAG("lingering_close", EVERYWHERE, lingering_close, "on"),
    FLAG("reset_timedout_connection", EVERYWHERE, reset_timedout_connection, "off"),
    FLAG("tcp_nodelay", EVERYWHERE, tcp_nodelay, "on"),
    FLAG("tcp_nopush", EVERYWHERE, tcp_nopush, "off"),
    FLAG("sendfile", EVERYWHERE, sendfile, "on"),

    SIZING("types_hash_max_size"),
    SIZING("types_hash_bucket_size"),
    SIZING("server_names_hash_max_size"),
    SIZING("server_names_hash_bucket_size"),
    SIZING("variables_hash_max_size"),
    SIZING("variables_hash_bucket_size"),
    SIZING("map_hash_max_size"),
    SIZING("map_hash_bucket_size"),
    { 0 },
};

/* Completes a block's struct: the limits that the connection is given. */
static int finish(struct slv_conf *cf, void *conf)
{
    struct core_conf *c = conf;
    struct config *config = cf->conf->owner;
    int64_t buffer = c->large_buffers.size;

    if (!c->access_logs) {
        if (!config->access_default)
            config->access_default = access_log_default(cf, STR(SELVAGE_HTTP_LOG_PATH));
        c->access_logs = config->access_default;
    }
    if (buffer < c->client_header_buffer_size)
        buffer = c->client_header_buffer_size;
    c->limits = (struct h1_limits){
        .header_timeout = c->client_header_timeout,
        .body_timeout = c->client_body_timeout,
        .keepalive_timeout = c->keepalive_timeout,
        .conn.send_timeout = c->send_timeout,
        .conn.lingering_time = c->lingering_close ? c->lingering_time : 0,
        .body_max = c->client_max_body_size,
        .header_buffer = (size_t)buffer,
        .header_buffers = (size_t)c->large_buffers.count,
        .keepalive_requests = c->keepalive_requests > UINT32_MAX
            ? UINT32_MAX : (unsigned)c->keepalive_requests,
        .conn.options = (uint8_t)((c->sendfile ? 0 : CONN_NO_SENDFILE)
                             | (c->tcp_nodelay ? 0 : CONN_NO_DELAY_OFF)
                             | (c->tcp_nopush ? CONN_CORK : 0)
                             | (c->reset_timedout_connection ? CONN_RESET_ON_TIMEOUT : 0)),
    };
    return 0;
}

const struct slv_module core_module = {
    SLV_MODULE_HEADER,
    .name = "core",
    .version = "",
    .directives = directives,
    .conf_size = sizeof(struct core_conf),
    .finish = finish,
};
