/*
 * variables_core.c - the core's own variables.
 *
 * None of them is kept with the request except $request_id: they are views, or cheap to make, and
 * some change while the request goes on.
 */
#include "core/variable.h"

#include "base/stamp.h"
#include "conn/conn.h"
#include "core/server.h"
#include "core/version.h"
#include "http/target.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static const struct str not_found = { NULL, 0 };

/* ---- Texts -------------------------------------------------------------------------------- */

#define NUMBER_SIZE 24             /* for 64 bits and a point */

/* A number in decimal; by hand, because several stand in each line of an access log. */
static struct str number(struct slv_request *r, uint64_t n, int width)
{
    char *end = (char *)slv_alloc(r, NUMBER_SIZE) + NUMBER_SIZE;
    char *text = variable_put_number(end, n, width);

    return (struct str){ text, (size_t)(end - text) };
}

/* Milliseconds as seconds with three decimals. */
static struct str seconds(struct slv_request *r, uint64_t ms)
{
    char *end = (char *)slv_alloc(r, NUMBER_SIZE) + NUMBER_SIZE;
    char *text = variable_put_number(end, ms % 1000, 3);

    *--text = '.';
    text = variable_put_number(text, ms / 1000, 1);
    return (struct str){ text, (size_t)(end - text) };
}

/* A copy in the request's memory. */
static struct str copied(struct slv_request *r, struct str s)
{
    char *copy = slv_alloc(r, s.n);

    memcpy(copy, s.p, s.n);
    return (struct str){ copy, s.n };
}

/* ---- Fields with a fixed name, and families of names ---------------------------------------- */

/* A name in a variable ('_' stands for '-') against one in a message, in any case. */
static bool same_field(struct str variable, struct str field)
{
    if (variable.n != field.n)
        return false;
    for (size_t i = 0; i < field.n; i++)
        if (variable.p[i] != (field.p[i] == '-' ? '_' : str_lower(field.p[i])))
            return false;
    return true;
}

/* One value out of several fields of a name, in a list as RFC 9110 section 5.3 joins them. */
static struct str join(struct slv_request *r, struct str list, struct str value, struct str glue)
{
    if (!list.p)
        return value.p ? value : STR("");
    return slv_printf(r, "%.*s%.*s%.*s", STR_ARG(list), STR_ARG(glue), STR_ARG(value));
}

/* $http_NAME */
static struct str get_http(struct slv_request *r, void *arg)
{
    struct str name = slv_variable_rest(r), list = not_found;
    struct str glue = str_eq(name, STR("cookie")) ? STR("; ") : STR(", ");

    (void)arg;
    for (size_t i = 0; i < r->header_count; i++)
        if (same_field(name, r->headers[i].name))
            list = join(r, list, r->headers[i].value, glue);
    return list;
}

/* $arg_NAME: as it was sent, of the first argument of that name with a '='. */
static struct str get_arg(struct slv_request *r, void *arg)
{
    struct str name = slv_variable_rest(r), rest = r->args;

    (void)arg;
    while (name.n > 0 && rest.n > 0) {
        const char *end = memchr(rest.p, '&', rest.n);
        struct str one = { rest.p, end ? (size_t)(end - rest.p) : rest.n };

        if (one.n > name.n && one.p[name.n] == '='
            && str_ieq((struct str){ one.p, name.n }, name))
            return str_from(one, name.n + 1);
        rest = str_from(rest, end ? one.n + 1 : one.n);
    }
    return not_found;
}

/* The value of a cookie in one Cookie field. */
static struct str find_cookie(struct str field, struct str name)
{
    while (field.n > 0) {
        const char *end = memchr(field.p, ';', field.n);
        struct str one = { field.p, end ? (size_t)(end - field.p) : field.n };
        const char *equals;

        field = str_from(field, end ? one.n + 1 : one.n);
        equals = one.n ? memchr(one.p, '=', one.n) : NULL;
        if (!equals || !str_ieq(str_trim((struct str){ one.p, (size_t)(equals - one.p) }), name))
            continue;
        one = str_from(one, (size_t)(equals - one.p) + 1);
        while (one.n && one.p[0] == ' ')
            one = str_from(one, 1);
        return one;
    }
    return not_found;
}

/* $cookie_NAME */
static struct str get_cookie(struct slv_request *r, void *arg)
{
    struct str name = slv_variable_rest(r), value = not_found;

    (void)arg;
    if (!r->known[SLV_H_COOKIE])
        return not_found;
    for (size_t i = r->known[SLV_H_COOKIE] - 1u; i < r->header_count && !value.p; i++)
        if (str_eq(r->headers[i].name, STR("cookie")))
            value = find_cookie(r->headers[i].value, name);
    return value;
}

/* Fields of the answer that the adapter writes itself. .p NULL where name is none of them. */
static struct str sent_by_adapter(struct slv_request *r, const struct exchange *x, struct str name)
{
    const struct { struct str name, value; } kept[] = {
        { STR("content_type"), x->content_type_out },
        { STR("last_modified"), x->last_modified_out },
        { STR("etag"), x->etag_out },
        { STR("location"), x->location_out },
    };

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (str_eq(name, kept[i].name) && kept[i].value.n > 0)
            return kept[i].value;
    if (x->status == 0)
        return not_found;
    if (str_eq(name, STR("content_length")) && x->content_length_out >= 0)
        return number(r, (uint64_t)x->content_length_out, 1);
    if (str_eq(name, STR("transfer_encoding")) && x->framing == FRAMING_CHUNKED)
        return STR("chunked");
    if (str_eq(name, STR("accept_ranges")) && x->accept_ranges_out)
        return STR("bytes");
    if (str_eq(name, STR("connection")))
        return x->status == 101 ? STR("upgrade") : x->keep_alive ? STR("keep-alive") : STR("close");
    return not_found;
}

/* $sent_http_NAME */
static struct str get_sent_http(struct slv_request *r, void *arg)
{
    const struct exchange *x = exchange_of(r);
    struct str name = slv_variable_rest(r), list = sent_by_adapter(r, x, name);

    (void)arg;
    if (list.p)
        return list;
    for (const struct header_out *h = x->headers_out; h; h = h->next)
        if (same_field(name, h->name))
            list = join(r, list, h->value, STR(", "));
    return list;
}

/* ---- The request ---------------------------------------------------------------------------- */

/* $args, $query_string */
static struct str get_args(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->args.n ? r->args : not_found;
}

/* set $args …; $uri and the file keep their meaning. */
static void set_args(struct slv_request *r, struct str value)
{
    r->args = value;
}

/* $is_args: what stands between $uri and $args. */
static struct str get_is_args(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->args.n ? STR("?") : STR("");
}

/* $uri, $document_uri */
static struct str get_uri(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->path.n ? r->path : not_found;
}

/* $request */
static struct str get_request(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->line.n ? r->line : not_found;
}

/* $request_method */
static struct str get_request_method(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->method_name.n ? r->method_name : not_found;
}

/* $request_uri: the target as sent, of an absolute one from its path on. */
static struct str get_request_uri(struct slv_request *r, void *arg)
{
    struct str raw = r->raw_target;
    struct target t;

    (void)arg;
    if (raw.n == 0)
        return not_found;
    if (raw.p[0] == '/' || target_parse(raw, r->method == SLV_OPTIONS, &t) != 0
        || t.form != TARGET_ABSOLUTE)
        return raw;
    /* The path of "http://host" and of "http://host?x" is not in the target. */
    if (t.path.p < raw.p || t.path.p >= raw.p + raw.n)
        return t.has_args ? slv_printf(r, "/?%.*s", STR_ARG(t.args)) : STR("/");
    return str_from(raw, (size_t)(t.path.p - raw.p));
}

/* $server_protocol */
static struct str get_server_protocol(struct slv_request *r, void *arg)
{
    (void)arg;
    return r->version == 11 ? STR("HTTP/1.1") : r->version == 10 ? STR("HTTP/1.0") : not_found;
}

/* $host: of the target, else of Host, else the server's name. */
static struct str get_host(struct slv_request *r, void *arg)
{
    const struct context *ctx = context_of(r);

    (void)arg;
    if (r->host.n)
        return r->host;
    return ctx->server ? server_name(ctx->server) : STR("");
}

/* The port that the client named; .n 0 where it named none. */
static struct str named_port(const struct slv_request *r)
{
    struct str host = slv_header_in(r, SLV_H_HOST);
    struct target t;

    if (r->raw_target.n && r->raw_target.p[0] != '/'
        && target_parse(r->raw_target, false, &t) == 0 && t.form == TARGET_ABSOLUTE)
        host = t.authority;
    for (size_t i = host.n; i > 0 && host.p[i - 1] != ']'; i--)
        if (host.p[i - 1] == ':')
            return str_from(host, i);
    return STR("");
}

/* $request_port */
static struct str get_request_port(struct slv_request *r, void *arg)
{
    (void)arg;
    return named_port(r);
}

/* $is_request_port */
static struct str get_is_request_port(struct slv_request *r, void *arg)
{
    (void)arg;
    return named_port(r).n ? STR(":") : STR("");
}

/* $content_length */
static struct str get_content_length(struct slv_request *r, void *arg)
{
    (void)arg;
    return slv_header_in(r, SLV_H_CONTENT_LENGTH);
}

/* $content_type */
static struct str get_content_type(struct slv_request *r, void *arg)
{
    (void)arg;
    return slv_header_in(r, SLV_H_CONTENT_TYPE);
}

/* $request_length */
static struct str get_request_length(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, (uint64_t)exchange_of(r)->received, 1);
}

/* $request_id: 32 hexadecimal digits. */
static struct str get_request_id(struct slv_request *r, void *arg)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    char *text = slv_alloc(r, 2 * sizeof bytes);

    (void)arg;
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return not_found;
    for (size_t i = 0; i < sizeof bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return (struct str){ text, 2 * sizeof bytes };
}

/* The value of a base64 digit, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/*
 * $remote_user: the one that was let in, else the name that the request claims, as nginx logs it.
 */
static struct str get_remote_user(struct slv_request *r, void *arg)
{
    const struct context *ctx = context_of(r);
    struct str field = slv_header_in(r, SLV_H_AUTHORIZATION);
    uint32_t bits = 0;
    size_t n = 0, have = 0;
    char *name;

    (void)arg;
    if (ctx->remote_user.p)
        return ctx->remote_user;
    if (field.n < 6 || !str_ieq((struct str){ field.p, 6 }, STR("Basic ")))
        return not_found;
    field = str_trim(str_from(field, 6));
    name = slv_alloc(r, field.n + 1);
    for (size_t i = 0; i < field.n && base64_value(field.p[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(field.p[i]);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        name[n] = (char)(bits >> have & 0xff);
        if (name[n] == ':')
            return n ? (struct str){ name, n } : not_found;
        n++;
    }
    return not_found;
}

/* ---- The connection ------------------------------------------------------------------------- */

/* $connection */
static struct str get_connection(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? number(r, c->number, 1) : not_found;
}

/* $connection_requests */
static struct str get_connection_requests(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? number(r, c->requests, 1) : not_found;
}

/* Seconds with three decimals since a monotonic moment. */
static struct str seconds_since(struct slv_request *r, ms_t moment)
{
    struct timespec t;
    ms_t ms;

    AN(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    ms = (ms_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 - moment;
    return seconds(r, ms < 0 ? 0 : (uint64_t)ms);
}

/* $connection_time */
static struct str get_connection_time(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c ? seconds_since(r, c->opened) : not_found;
}

/* $https: "on" over TLS, else empty. */
static struct str get_https(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c && c->tls ? STR("on") : STR("");
}

/* $scheme */
static struct str get_scheme(struct slv_request *r, void *arg)
{
    const struct conn *c = exchange_of(r)->conn;

    (void)arg;
    return c && c->tls ? STR("https") : STR("http");
}

/* Something about the encryption; without one there is nothing to tell. */
static struct str about_tls(struct slv_request *r, enum tls_text what)
{
    struct exchange *x = exchange_of(r);

    if (!x->conn || !x->conn->tls || !x->conn->driver->tls_text)
        return not_found;
    return x->conn->driver->tls_text(x->conn->driver_arg, what, &x->arena);
}

#define X(id, name) \
    /* $ssl_name */ \
    static struct str get_ssl_##name(struct slv_request *r, void *arg) \
    { \
        (void)arg; \
        return about_tls(r, TLS_TEXT_##id); \
    }
/* The getters of all of them. */
TLS_TEXTS(X)
#undef X

/* $pipe: "p" where the request came in before the one before it was answered. */
static struct str get_pipe(struct slv_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return STR(".");
}

/* ---- The answer ----------------------------------------------------------------------------- */

/* $status: three digits, 000 while there is none. */
static struct str get_status(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, (uint64_t)exchange_of(r)->status, 3);
}

/* $bytes_sent */
static struct str get_bytes_sent(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, exchange_sent(exchange_of(r)), 1);
}

/* $body_bytes_sent */
static struct str get_body_bytes_sent(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, exchange_body_sent(exchange_of(r)), 1);
}

/* $request_completion: "OK" when all of the answer has left. */
static struct str get_request_completion(struct slv_request *r, void *arg)
{
    const struct exchange *x = exchange_of(r);

    (void)arg;
    return x->answer == ANSWER_COMPLETE && x->reason == CLOSE_NONE ? STR("OK") : STR("");
}

/* $request_time: since the first byte. */
static struct str get_request_time(struct slv_request *r, void *arg)
{
    (void)arg;
    return seconds_since(r, exchange_of(r)->began);
}

/* $request_sojourn: milliseconds from the first byte to the start of the handler. */
static struct str get_request_sojourn(struct slv_request *r, void *arg)
{
    const struct exchange *x = exchange_of(r);

    (void)arg;
    if (x->handled == 0 || x->handled < x->began)
        return not_found;
    return number(r, (uint64_t)(x->handled - x->began), 1);
}

/* $close_reason: why the answer broke off or the connection ended with it. */
static struct str get_close_reason(struct slv_request *r, void *arg)
{
    enum close_reason reason = exchange_of(r)->reason;

    (void)arg;
    return reason == CLOSE_NONE ? not_found : str_of(close_token(reason));
}

/* ---- The server ----------------------------------------------------------------------------- */

/* $document_root */
static struct str get_document_root(struct slv_request *r, void *arg)
{
    size_t replaced;

    (void)arg;
    return slv_request_root(r, &replaced);
}

/* $realpath_root: without symbolic links. */
static struct str get_realpath_root(struct slv_request *r, void *arg)
{
    struct str root = get_document_root(r, arg), real;
    char *path;

    if (root.n == 0)
        return not_found;
    path = realpath(slv_printf(r, "%.*s", STR_ARG(root)).p, NULL);
    if (!path) {
        slv_log(r, SLV_LOG_CRIT, errno, "realpath() \"%.*s\" failed", STR_ARG(root));
        return not_found;
    }
    real = slv_printf(r, "%s", path);
    free(path);
    return real;
}

/* $request_filename */
static struct str get_request_filename(struct slv_request *r, void *arg)
{
    (void)arg;
    return slv_request_file(r, r->path);
}

/* $server_name */
static struct str get_server_name(struct slv_request *r, void *arg)
{
    const struct context *ctx = context_of(r);

    (void)arg;
    return ctx->server ? server_name(ctx->server) : not_found;
}

/* $hostname: in lower case; asked once, it does not change under a running server. */
static struct str get_hostname(struct slv_request *r, void *arg)
{
    static char name[HOST_NAME_MAX + 1];

    (void)r;
    (void)arg;
    if (name[0] == '\0') {
        if (gethostname(name, sizeof name - 1) != 0)
            return not_found;
        for (char *c = name; *c; c++)
            *c = str_lower(*c);
    }
    return str_of(name);
}

/* $pid */
static struct str get_pid(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, (uint64_t)getpid(), 1);
}

/* $generation: how many configurations were loaded before this one, and one. */
static struct str get_generation(struct slv_request *r, void *arg)
{
    (void)arg;
    return number(r, context_of(r)->config->generation, 1);
}

/* $selvage_version */
static struct str get_selvage_version(struct slv_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return STR(SELVAGE_VERSION);
}

/* $time_local */
static struct str get_time_local(struct slv_request *r, void *arg)
{
    (void)arg;
    return copied(r, str_of(stamp_now()->access_log));
}

/* $time_iso8601 */
static struct str get_time_iso8601(struct slv_request *r, void *arg)
{
    (void)arg;
    return copied(r, str_of(stamp_now()->iso8601));
}

/* $msec: seconds since 1970 with three decimals. */
static struct str get_msec(struct slv_request *r, void *arg)
{
    const struct stamp *s = stamp_now();

    (void)arg;
    return seconds(r, (uint64_t)s->second * 1000 + s->msec);
}

const struct variable_core variables_core[] = {
#define X(id, name) { "ssl_" #name, get_ssl_##name, true, NULL },
    TLS_TEXTS(X)
#undef X
    { "arg_", get_arg, true, NULL },
    { "args", get_args, true, set_args },
    { "body_bytes_sent", get_body_bytes_sent, true, NULL },
    { "bytes_sent", get_bytes_sent, true, NULL },
    { "close_reason", get_close_reason, true, NULL },
    { "connection", get_connection, true, NULL },
    { "connection_requests", get_connection_requests, true, NULL },
    { "connection_time", get_connection_time, true, NULL },
    { "content_length", get_content_length, true, NULL },
    { "content_type", get_content_type, true, NULL },
    { "cookie_", get_cookie, true, NULL },
    { "document_root", get_document_root, true, NULL },
    { "document_uri", get_uri, true, NULL },
    { "generation", get_generation, true, NULL },
    { "host", get_host, true, NULL },
    { "hostname", get_hostname, true, NULL },
    { "http_", get_http, true, NULL },
    { "https", get_https, true, NULL },
    { "is_args", get_is_args, true, NULL },
    { "is_request_port", get_is_request_port, true, NULL },
    { "msec", get_msec, true, NULL },
    { "pid", get_pid, true, NULL },
    { "pipe", get_pipe, true, NULL },
    { "query_string", get_args, true, NULL },
    { "realpath_root", get_realpath_root, true, NULL },
    { "remote_user", get_remote_user, true, NULL },
    { "request", get_request, true, NULL },
    { "request_completion", get_request_completion, true, NULL },
    { "request_filename", get_request_filename, true, NULL },
    { "request_id", get_request_id, false, NULL },
    { "request_length", get_request_length, true, NULL },
    { "request_method", get_request_method, true, NULL },
    { "request_port", get_request_port, true, NULL },
    { "request_sojourn", get_request_sojourn, true, NULL },
    { "request_time", get_request_time, true, NULL },
    { "request_uri", get_request_uri, true, NULL },
    { "scheme", get_scheme, true, NULL },
    { "selvage_version", get_selvage_version, true, NULL },
    { "sent_http_", get_sent_http, true, NULL },
    { "server_name", get_server_name, true, NULL },
    { "server_protocol", get_server_protocol, true, NULL },
    { "status", get_status, true, NULL },
    { "time_iso8601", get_time_iso8601, true, NULL },
    { "time_local", get_time_local, true, NULL },
    { "uri", get_uri, true, NULL },
    { NULL, NULL, false, NULL },
};
