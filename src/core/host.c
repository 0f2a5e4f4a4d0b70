/*
 * host.c - the functions that modules may call: each a thin door to the room that does the work.
 */
#include "base/check.h"
#include "base/metrics.h"
#include "conn/conn.h"
#include "core/answer.h"
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/driver.h"
#include "core/error_log.h"
#include "core/files.h"
#include "http/h1.h"
#include "http/negotiate.h"
#include "http/respond.h"
#include "http/token.h"

#include <sys/random.h>

static const struct core_driver *driver;
static void *driver_arg;

struct str slv_header_find(const struct slv_request *r, struct str name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq(r->headers[i].name, name))
            return r->headers[i].value;
    return (struct str){ NULL, 0 };
}

void *slv_alloc(struct slv_request *r, size_t size)
{
    return arena_alloc(&exchange_of(r)->arena, size);
}

struct str slv_printf(struct slv_request *r, const char *format, ...)
{
    va_list args;
    struct str s;

    va_start(args, format);
    s = arena_vprintf(&exchange_of(r)->arena, format, args);
    va_end(args);
    return s;
}

void slv_header_out(struct slv_request *r, struct str name, struct str value)
{
    respond_header(exchange_of(r), name, value);
}

/* An answer may be given now. */
static bool unanswered(const struct exchange *x)
{
    return x->conn && (x->answer == ANSWER_NONE || x->answer == ANSWER_LATER);
}

int slv_respond(struct slv_request *r, const struct slv_response *response)
{
    struct exchange *x = exchange_of(r);
    bool later;

    if (!unanswered(x)) {
        if (response->body.release)
            response->body.release(response->body.owner);
        return -1;
    }
    later = x->answer == ANSWER_LATER;
    core_finish(r, answer(r, response));
    if (later)
        h1_wake(x);
    return SLV_DONE;
}

int slv_respond_text(struct slv_request *r, int status, struct str content_type, struct str text)
{
    struct slv_response response = {
        .status = status,
        .content_type = content_type,
        .no_ranges = true,
        .body = { .kind = SLV_BODY_MEM, .data = text.p, .size = (int64_t)text.n },
    };

    return slv_respond(r, &response);
}

int slv_redirect(struct slv_request *r, int status, struct str location)
{
    struct exchange *x = exchange_of(r);
    bool later;

    if (!unanswered(x))
        return -1;
    x->location_out = answer_location(r, arena_str(&x->arena, location));
    later = x->answer == ANSWER_LATER;
    answer_builtin(r, status);
    if (later)
        h1_wake(x);
    return SLV_DONE;
}

int slv_respond_wire(struct slv_request *r, const struct slv_wire *wire)
{
    struct exchange *x = exchange_of(r);

    if (!unanswered(x)) {
        if (wire->release)
            wire->release(wire->owner);
        return -1;
    }
    respond_wire(x, wire);
    return SLV_DONE;
}

bool slv_upgrade_offered(const struct slv_request *r, struct str token)
{
    const struct exchange *x = exchange_of(r);

    return x->upgrade && token_list_has(exchange_list(x, SLV_H_UPGRADE), token);
}

int slv_upgrade(struct slv_request *r, const struct slv_protocol *protocol, void *state)
{
    static const struct slv_response none = { .status = 101 };
    struct exchange *x = exchange_of(r);
    bool later;

    AN(protocol != NULL && state != NULL);
    if (!unanswered(x) || !slv_upgrade_offered(r, str_of(protocol->name)))
        return -1;
    later = x->answer == ANSWER_LATER;
    answer_fields(r, &none, 101);
    respond_upgrade(x, protocol, state);
    metrics_add(COUNTER_UPGRADES, 1);
    if (later)
        h1_wake(x);
    return SLV_DONE;
}

/* A number below a bound that nobody can foresee; where the kernel has none to give, 0. */
static uint64_t random_below(uint64_t bound)
{
    uint64_t number = 0;

    if (bound == 0 || getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        return 0;
    return number % bound;
}

int64_t slv_drain_delay(const struct slv_request *r)
{
    return (int64_t)random_below((uint64_t)context_of(r)->config->process->drain_window);
}

void slv_write(struct slv_request *r, const void *data, size_t size)
{
    respond_write(exchange_of(r), data, size);
}

void slv_write_chunk(struct slv_request *r, struct str chunk, struct str data)
{
    respond_write_chunk(exchange_of(r), chunk, data);
}

void slv_close_after(struct slv_request *r)
{
    struct exchange *x = exchange_of(r);

    x->close_after = true;
    x->keep_alive = false;
}

void slv_cut(struct slv_request *r)
{
    struct exchange *x = exchange_of(r);

    AN(x->answer == ANSWER_STREAMING);
    slv_log(r, SLV_LOG_INFO, 0, "client is too slow, it is cut off");
    conn_fail(x->conn, CLOSE_SLOW);
    h1_wake(x);
}

void slv_on_end(struct slv_request *r, void (*release)(void *object), void *object)
{
    arena_on_free(&exchange_of(r)->arena, release, object);
}

struct str slv_request_body(const struct slv_request *r)
{
    const struct request_body *body = context_of(r)->body;

    return body ? (struct str){ body->data, body->size } : (struct str){ NULL, 0 };
}

void core_drive(const struct core_driver *d, void *arg)
{
    driver = d;
    driver_arg = arg;
}

void slv_timer_set(struct slv_timer *t, int64_t ms)
{
    AN(driver != NULL && t->fire != NULL);
    driver->timer_set(driver_arg, t, ms);
}

int64_t slv_now(void)
{
    AN(driver != NULL);
    return driver->now(driver_arg);
}

void slv_end(struct slv_request *r)
{
    respond_end(exchange_of(r));
}

void slv_wake(struct slv_request *r)
{
    h1_wake(exchange_of(r));
}

int slv_internal_redirect(struct slv_request *r, struct str path, struct str args)
{
    return core_redirect(r, path, args);
}

const void *slv_request_conf(const struct slv_request *r, const struct slv_module *m)
{
    const struct context *ctx = context_of(r);
    const struct conf_modules *modules = &ctx->config->modules;

    for (size_t i = 0; i < modules->count; i++)
        if (modules->list[i] == m)
            return ctx->block->confs[i];
    return NULL;
}

void slv_log(const struct slv_request *r, enum slv_level level, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_log_request(r, level, error, format, args);
    va_end(args);
}

struct str slv_request_file(struct slv_request *r, struct str path)
{
    return files_name(r, path);
}

struct str slv_request_root(struct slv_request *r, size_t *replaced)
{
    return files_root(r, replaced);
}

struct str slv_request_type(struct slv_request *r, struct str filename)
{
    return files_type(r, filename);
}

size_t slv_request_index(struct slv_request *r, struct str *names, size_t max)
{
    const struct text_list *index = context_of(r)->core->index;
    size_t n = 0;

    while (index && n < index->count && n < max) {
        names[n] = slv_template_text(r, index->texts[n]);
        n++;
    }
    return n;
}

void slv_set_remote_user(struct slv_request *r, struct str user)
{
    context_of(r)->remote_user = user;
}

int slv_request_peer(const struct slv_request *r, uint8_t ip[16])
{
    const struct addr *client = context_of(r)->client;

    if (!client || (client->family != ADDR_V4 && client->family != ADDR_V6))
        return 0;
    memcpy(ip, client->ip, 16);
    return client->family == ADDR_V4 ? 4 : 16;
}

int slv_negotiate_order(const struct slv_request *r, const enum slv_coding *order, size_t count)
{
    struct str accept = exchange_list(exchange_of(r), SLV_H_ACCEPT_ENCODING);
    enum coding choices[SLV_CODING_COUNT], picked;
    struct codings wanted;
    unsigned available = 0;

    AN(count <= SLV_CODING_COUNT);
    for (size_t i = 0; i < count; i++) {
        choices[i] = (enum coding)order[i];
        available |= 1u << order[i];
    }
    negotiate_encoding(accept, accept.p != NULL, &wanted);
    picked = negotiate_pick(&wanted, available, choices, count);
    return picked == CODING_MAX ? -1 : (int)picked;
}

int slv_negotiate(const struct slv_request *r, unsigned available)
{
    static const enum slv_coding best[] = { SLV_CODING_BR, SLV_CODING_ZSTD, SLV_CODING_GZIP,
                                            SLV_CODING_IDENTITY };
    enum slv_coding order[SLV_CODING_COUNT];
    size_t n = 0;

    for (size_t i = 0; i < SLV_CODING_COUNT; i++)
        if (available & 1u << best[i])
            order[n++] = best[i];
    return slv_negotiate_order(r, order, n);
}

bool slv_satisfy_any(const struct slv_request *r)
{
    return context_of(r)->core->satisfy == SATISFY_ANY;
}

bool slv_log_not_found(const struct slv_request *r)
{
    return context_of(r)->core->log_not_found;
}
