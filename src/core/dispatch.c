/*
 * dispatch.c - the way of a request through the core.
 */
#include "core/dispatch.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conn/conn.h"
#include "core/access_log.h"
#include "core/acme.h"
#include "core/answer.h"
#include "core/core_conf.h"
#include "core/files.h"
#include "core/location.h"
#include "core/realip.h"
#include "core/server.h"
#include "core/variable.h"
#include "http/h1.h"
#include "http/respond.h"

#include <stdlib.h>

/* Internal redirects of one request. */
#define REDIRECTS_MAX 10

/* Room for the body of a request, at first. */
#define BODY_FIRST (64 * 1024)

static const struct config *config_in_use;

void core_use(const struct config *config)
{
    CHECK_OBJ(config, CONFIG_MAGIC);
    config_in_use = config;
}

/* A block speaks for the request from now on. */
static void enter_block(struct context *ctx, const struct conf_block *block)
{
    ctx->block = block;
    ctx->core = core_conf_of(block);
    ctx->logs = ctx->core->access_logs;
    ctx->x->limits = &ctx->core->limits;
}

/* The core's context of an exchange, at a server. */
static struct context *context_new(struct exchange *x, const struct config *config,
                                   const struct server *server)
{
    struct context *ctx = arena_zalloc(&x->message, sizeof *ctx);

    ctx->magic = CONTEXT_MAGIC;
    ctx->x = x;
    ctx->config = config;
    ctx->server = server;
    ctx->client = x->conn ? &x->conn->peer : NULL;
    x->app = ctx;
    enter_block(ctx, server->block);
    return ctx;
}

/* http_hooks: begin */
static void on_begin(struct exchange *x)
{
    const struct listen_addr *addr;

    CAST_OBJ(addr, x->conn->listen, LISTEN_ADDR_MAGIC);
    context_new(x, config_in_use, addr->fallback);
}

/* Decodes the path of the target. 0, or 400. */
static int decode_path(struct context *ctx)
{
    struct exchange *x = ctx->x;
    struct str raw = x->target->path;
    bool merge = ctx->core->merge_slashes;
    ssize_t n;
    char *out;

    x->req.args = x->target->args;
    if (x->target->form == TARGET_ASTERISK || target_is_plain(raw, merge)) {
        x->req.path = raw;
        return 0;
    }
    out = arena_alloc(&x->arena, raw.n + 1);
    n = target_decode(raw, out, raw.n, merge);
    if (n < 0)
        return 400;
    out[n] = '\0';
    x->req.path = (struct str){ out, (size_t)n };
    return 0;
}

/* return: a text, a redirect, a status, or a closed connection. */
static int run_return(struct slv_request *r, const struct return_rule *rule)
{
    struct str text = { "", 0 };
    int status = rule->status;

    if (rule->text)
        text = slv_template_text(r, rule->text);
    if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
        if (rule->text)
            return slv_redirect(r, status, text);
        return status;
    }
    if ((!rule->text && status >= 400) || status == 444)
        return status;
    text = arena_str(&exchange_of(r)->arena, text);
    return slv_respond_text(r, status, text.n ? files_type(r, r->path) : text, text);
}

/* The method is one that the location's limit_except speaks of. */
static bool method_limited(const struct slv_request *r, const struct context *ctx)
{
    const struct limit_except *except = ctx->core->limit_except;

    return except && !(except->methods & 1u << r->method);
}

/* set and return of the block at hand. */
static int run_rewrite(struct slv_request *r, struct context *ctx)
{
    /* As with nginx the inner block has neither: an answer from here would pass by its rules. */
    if (method_limited(r, ctx))
        return SLV_DECLINED;
    if (ctx->core->sets)
        variable_sets_run(r, ctx->core->sets);
    return ctx->core->return_rule ? run_return(r, ctx->core->return_rule) : SLV_DECLINED;
}

/* Access hooks with the confs of a block; "satisfy" joins their words. */
static int run_access(struct slv_request *r, struct context *ctx)
{
    const struct conf_block *block = ctx->block;
    bool any = ctx->core->satisfy == SATISFY_ANY;
    int refusal = SLV_DECLINED;

    realip_find(r);
    if (method_limited(r, ctx)) {
        block = ctx->core->limit_except->block;
        ctx->logs = core_conf_of(block)->access_logs;
    }
    for (size_t i = 0; i < block->access_count; i++) {
        size_t index = block->access[i];
        int result = ctx->config->modules.list[index]->access(r, block->confs[index]);

        if (result == SLV_DECLINED)
            continue;
        if (any && result == SLV_DONE)
            return SLV_DECLINED;
        if (!any && result != SLV_DONE)
            return result;
        /* Of several refusals the one that asks for a name is the more useful. */
        if (result != SLV_DONE && refusal != 401)
            refusal = result;
    }
    return refusal;
}

/* The body that is announced is beyond the location's client_max_body_size. */
static bool body_too_large(const struct context *ctx)
{
    int64_t max = ctx->x->limits->body_max;

    if (ctx->internal || !max || ctx->x->req.content_length <= max)
        return false;
    ctx->x->reason = CLOSE_BODY_TOO_LARGE;
    return true;
}

/*
 * From the server block, which has been entered, to the end of the access phase. A status or
 * SLV_DECLINED: go on.
 */
static int run_phases(struct slv_request *r, struct context *ctx)
{
    int result = run_rewrite(r, ctx);

    if (result != SLV_DECLINED)
        return result;
    ctx->match_failed = false;
    const struct conf_block *location = server_route(ctx->server, r->path, r);

    /* The location that was not found may be the one that forbids. */
    if (ctx->match_failed)
        return 500;
    if (location != ctx->server->block)
        enter_block(ctx, location);
    if (body_too_large(ctx))
        return 413;
    if (location != ctx->server->block) {
        if (ctx->core->internal && !ctx->internal)
            return 404;
        result = run_rewrite(r, ctx);
        if (result != SLV_DECLINED)
            return result;
    }
    return run_access(r, ctx);
}

/* OPTIONS * asks about the server as a whole. */
static int answer_asterisk(struct slv_request *r)
{
    slv_header_out(r, STR("Allow"), STR("GET, HEAD, OPTIONS"));
    return slv_respond_text(r, 200, STR(""), STR(""));
}

/*
 * What the encryption says of a request for this server: a status that refuses it, or 0. A client
 * that was shown the certificate of one server, and was asked for its own by the rules of that,
 * must not reach another by naming it in Host.
 */
static int judge_tls(const struct conn *c, const struct server *server)
{
    if (c->refuse_with)
        return c->refuse_with;
    if (((const struct server *)c->tls)->tls == server->tls)
        return 0;
    metrics_add(COUNTER_MISDIRECTED, 1);
    return 421;
}

/* Gives the body of the request back. */
static void drop_body(void *arg)
{
    struct request_body *body;

    CAST_OBJ(body, arg, REQUEST_BODY_MAGIC);
    free(body->data);
}

/* Asks the modules whether the body is to be kept. 413, or SLV_DECLINED: go on. */
static int plan_body(struct slv_request *r, struct context *ctx)
{
    const struct config *config = ctx->config;
    int64_t max = 0;

    for (size_t i = 0; i < config->modules.count; i++) {
        const struct slv_module *m = config->modules.list[i];
        int64_t wanted = m->body ? m->body(r, ctx->block->confs[i]) : 0;

        if (wanted > max)
            max = wanted;
    }
    if (!max)
        return SLV_DECLINED;
    if (r->content_length > max) {
        ctx->x->reason = CLOSE_BODY_TOO_LARGE;
        return 413;
    }
    ctx->body = arena_zalloc(&ctx->x->arena, sizeof *ctx->body);
    ctx->body->magic = REQUEST_BODY_MAGIC;
    ctx->body->max = max;
    arena_on_free(&ctx->x->arena, drop_body, ctx->body);
    return SLV_DECLINED;
}

/* http_hooks: headers */
static void on_headers(struct exchange *x)
{
    struct context *ctx = context_of(&x->req);
    struct slv_request *r = &x->req;
    const struct server *server = vhosts_find(x->conn->listen, r->host, r);
    int result;

    if (server != ctx->server) {
        ctx->server = server;
        enter_block(ctx, server->block);
    }
    realip_find(r);
    result = ctx->match_failed ? 500 : decode_path(ctx);
    if (!result && (x->conn->tls || x->conn->refuse_with))
        result = judge_tls(x->conn, server);
    if (!result)
        result = ctx->core->acme_directory.n ? acme_answer(r, ctx->core->acme_directory)
                                             : SLV_DECLINED;
    if (result == SLV_DECLINED)
        result = x->target->form == TARGET_ASTERISK ? answer_asterisk(r) : run_phases(r, ctx);
    if (result == SLV_DECLINED && x->body_expected)
        result = plan_body(r, ctx);
    if (result != SLV_DECLINED)
        core_finish(r, result);
}

/* try_files: the first that exists becomes the path; the last word is where to go otherwise. */
static int run_try_files(struct slv_request *r, struct context *ctx)
{
    const struct text_list *list = ctx->core->try_files;
    size_t files = list->status ? list->count : list->count - 1;
    struct str path, args = STR("");

    for (size_t i = 0; i < files; i++) {
        path = slv_template_text(r, list->texts[i]);
        if (!files_exist(r, path, list->directories[i]))
            continue;
        /* The slash only said what is meant: what is there decides about a redirect to it. */
        path.n -= list->directories[i] && path.n > 1;
        r->path = arena_str(&ctx->x->arena, path);
        return SLV_DECLINED;
    }
    if (list->status)
        return list->status;
    path = slv_template_text(r, list->texts[files]);
    if (path.n && path.p[0] == '/') {
        const char *mark = memchr(path.p, '?', path.n);

        if (mark) {
            args = str_from(path, (size_t)(mark + 1 - path.p));
            path.n = (size_t)(mark - path.p);
        }
    }
    return core_redirect(r, path, args);
}

/* The content hooks in the order of the modules. */
static int run_content(struct slv_request *r, struct context *ctx)
{
    const struct config *config = ctx->config;
    struct str name;

    for (size_t i = 0; i < config->content_count; i++) {
        size_t index = config->content[i];
        int result = config->modules.list[index]->content(r, ctx->block->confs[index]);

        if (result != SLV_DECLINED)
            return result;
    }
    if (!r->path.n || r->path.p[r->path.n - 1] != '/')
        return 404;
    name = files_name(r, r->path);
    slv_log(r, SLV_LOG_ERROR, 0, "directory index of \"%.*s\" is forbidden", STR_ARG(name));
    return 403;
}

/* From try_files on. */
static int run_handlers(struct slv_request *r, struct context *ctx)
{
    int result = SLV_DECLINED;

    if (ctx->core->try_files)
        result = run_try_files(r, ctx);
    return result == SLV_DECLINED ? run_content(r, ctx) : result;
}

int core_redirect(struct slv_request *r, struct str path, struct str args)
{
    struct context *ctx = context_of(r);
    int result;

    if (ctx->redirects++ >= REDIRECTS_MAX) {
        slv_log(r, SLV_LOG_ERROR, 0, "rewrite or internal redirection cycle while internally "
                "redirecting to \"%.*s\"", STR_ARG(path));
        return 500;
    }
    ctx->internal = true;
    if (path.n && path.p[0] == '@') {
        const struct location *l = table_get(&ctx->server->routes->named, path);

        if (!l) {
            slv_log(r, SLV_LOG_ERROR, 0, "could not find named location \"%.*s\"", STR_ARG(path));
            return 500;
        }
        enter_block(ctx, l->block);
        result = run_rewrite(r, ctx);
        if (result == SLV_DECLINED)
            result = run_access(r, ctx);
        return result == SLV_DECLINED ? run_handlers(r, ctx) : result;
    }
    r->path = arena_str(&ctx->x->arena, path);
    if (args.p)
        r->args = arena_str(&ctx->x->arena, args);
    enter_block(ctx, ctx->server->block);
    result = run_phases(r, ctx);
    return result == SLV_DECLINED ? run_handlers(r, ctx) : result;
}

/* http_hooks: request */
static void on_request(struct exchange *x)
{
    core_finish(&x->req, run_handlers(&x->req, context_of(&x->req)));
}

/* Room for n more bytes of the body. What was announced is believed up to a point. */
static void grow_body(struct request_body *body, size_t n, int64_t announced)
{
    size_t room = body->room ? body->room * 2 : BODY_FIRST;

    if (body->size + n <= body->room)
        return;
    if (!body->room && announced > 0 && announced < BODY_FIRST)
        room = (size_t)announced;
    if (room < body->size + n)
        room = body->size + n;
    body->data = mem_resize(body->data, room, 1);
    body->room = room;
}

/* http_hooks: body */
static void on_body(struct exchange *x, const char *data, size_t n)
{
    struct request_body *body = context_of(&x->req)->body;

    if (!body || !n)
        return;
    CHECK_OBJ(body, REQUEST_BODY_MAGIC);
    if (n > (uint64_t)body->max - body->size) {
        x->reason = CLOSE_BODY_TOO_LARGE;
        core_finish(&x->req, 413);
        return;
    }
    grow_body(body, n, x->req.content_length);
    memcpy(body->data + body->size, data, n);
    body->size += n;
}

/* http_hooks: refuse. A head that was not understood has no path that could choose a location. */
static void on_refuse(struct exchange *x, int status)
{
    struct context *ctx = context_of(&x->req);

    if (!x->req.path.p)
        x->req.path = STR("/");
    if (!x->req.host.p)
        x->req.host = STR("");
    ctx->x->close_after = true;
    slv_log(&x->req, SLV_LOG_INFO, 0, "client sent a request that is refused with %d: %s", status,
            close_words(x->reason == CLOSE_NONE ? CLOSE_HANDLER : x->reason));
    core_finish(&x->req, status);
}

/* http_hooks: moved. Nobody holds the context between two turns but the exchange. */
static void on_moved(struct exchange *x, bool packed)
{
    struct context *ctx = context_of(&x->req);

    if (packed)
        x->app = memcpy(arena_alloc(&x->message, sizeof *ctx), ctx, sizeof *ctx);
}

/* http_hooks: done */
static void on_done(struct exchange *x)
{
    struct context *ctx = context_of(&x->req);

    AN(!ctx->logged);
    ctx->logged = true;
    metrics_add(COUNTER_REQUESTS, 1);
    metrics_add(COUNTER_SENT, exchange_sent(x));
    if (x->status >= 100 && x->status < 600)
        metrics_add((enum counter)(COUNTER_STATUS_1XX + x->status / 100 - 1), 1);
    if (ctx->logs)
        access_log_request(&x->req, ctx->logs);
}

void core_finish(struct slv_request *r, int result)
{
    struct exchange *x = exchange_of(r);

    AN(result != SLV_DECLINED);
    if (result == SLV_LATER && x->answer == ANSWER_NONE)
        x->answer = ANSWER_LATER;
    /* SLV_DONE without an answer is the adapter's to notice: it becomes a 500. */
    if (result >= 100)
        answer_status(r, result);
}

struct slv_request *request_make(const struct config *config, const struct server *server,
                                 struct str path)
{
    struct exchange *x = exchange_new(&core_hooks, &core_conf_of(server->block)->limits, 0);
    struct context *ctx = context_new(x, config, server);
    const struct conf_block *location;

    x->body_done = true;
    x->req.method = SLV_GET;
    x->req.method_name = STR("GET");
    x->req.version = 11;
    x->req.path = path;
    x->req.raw_target = path;
    x->req.args = STR("");
    x->req.host = server_name(server);
    location = server_route(server, path, &x->req);
    if (location != server->block)
        enter_block(ctx, location);
    return &x->req;
}

void request_unmake(struct slv_request **r)
{
    struct exchange *x = exchange_of(*r);

    *r = NULL;
    exchange_free(&x);
}

struct str request_head_fields(struct slv_request *r, const struct slv_response *response)
{
    struct exchange *x = exchange_of(r);

    answer_fields(r, response, response->status);
    x->content_length_out = respond_bodiless(response->status) ? -1 : response->body.size;
    return respond_fields(x, FRAMING_LENGTH);
}

const struct http_hooks core_hooks = {
    .begin = on_begin,
    .headers = on_headers,
    .body = on_body,
    .request = on_request,
    .refuse = on_refuse,
    .moved = on_moved,
    .app_size = sizeof(struct context),
    .done = on_done,
};
