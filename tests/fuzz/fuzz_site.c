/*
 * fuzz_site.c - a whole site before hostile clients: the core, and the modules that read what a
 * client says (access rules, passwords, tokens, channels, WebSocket).
 *
 * The first four bytes say how, as in drive.h; the rest is what the peer sends. Wanted: no field of
 * an answer says more than one line, each connection comes to its end, and afterwards nobody
 * listens to a channel, no timer is set, and the hub is whole. A broken promise aborts.
 */
#include "core/core_conf.h"
#include "core/dispatch.h"
#include "core/driver.h"
#include "core/hub_worker.h"
#include "core/module.h"
#include "core/server.h"
#include "drive.h"
#include "reply.h"

#include <selvage/hub.h>
#include <selvage/timer.h>

#include <stdio.h>

enum {
    BIT_WAIT = 1 << 0,
    BIT_DRAIN = 1 << 1,
    BIT_RESET = 1 << 2,            /* a reset at the end, or else a FIN */
    BIT_LINGER = 1 << 3,           /* a minute before the end */
    BIT_OTHER = 1 << 4             /* a message of somebody else before it */
};

/* Channels and subscribers are few, so that their bounds are met. */
#define CHANNELS 4

extern const struct slv_module module_access, module_auth_basic, module_signed_token,
    module_stream, module_websocket;

const struct slv_module *const linked_modules[] = {
    &module_access, &module_auth_basic, &module_signed_token, &module_stream, &module_websocket,
    NULL
};

static const char site[] =
    "error_log stderr emerg; events { } http { access_log off; client_max_body_size 2k;"
    "large_client_header_buffers 4 2k; websocket_ping_interval 3s; websocket_deflate on;"
    "set_real_ip_from 192.0.2.0/24; real_ip_header X-Forwarded-For; real_ip_recursive on;"
    "map $http_x $mapped { default d; ~^(?<n>[a-z]+)/(.*)$ $n-$2; \"\" none; }"
    "server { listen 80; server_name localhost .example.org ~^(?<sub>.+)\\.net$;"
    "  add_header X-Field \"$http_x $arg_a $cookie_c $sub\";"
    "  location / { return 200 \"$remote_addr:$remote_port $remote_user $host $args $uri $mapped "
    "    $request_uri $content_type $content_length $cookie_c $arg_a $http_user_agent\\n\"; }"
    "  location /moved/ { return 302 $arg_to; }"
    "  location ~ ^/re/(.)(.*)\\.(.*)$ { return 301 /$3/$2?$args; }"
    "  location /try/ { try_files $arg_a /pub; }"
    "  location /inside/ { internal; publish c; } error_page 404 = /inside/404;"
    "  location /auth/ { auth_basic \"for $http_x\"; auth_basic_user_file /none/$arg_a;"
    "    publish c; }"
    "  location /token/ { signed_token $arg_t $arg_e; signed_token_secret 0123456789abcdef;"
    "    publish c; }"
    "  location /net/ { allow 203.0.113.0/24; allow 2001:db8::/32; deny all; publish c; }"
    "  location /pub { publish $arg_c; publish_event $http_x; publish_rate 3; }"
    "  location /sse { stream sse $arg_c; stream_subscribers 2; stream_max_age 20s; }"
    "  location /multipart { stream multipart $arg_c; }"
    "  location /chunked { stream chunked $arg_c; }"
    "  location /poll { stream longpoll $arg_c; stream_poll_timeout 2s; }"
    "  location /echo { websocket echo; websocket_max_message 1k; websocket_protocols a b;"
    "    websocket_origin same *.example.org ~^https://[a-z]+\\.com$; }"
    "  location /ws { websocket channel $arg_c publish rate=3; websocket_buffer 4k; }"
    "} server { listen 80; server_name two.example; return 444; } }";

static struct config *config;
static struct wheel wheel;
static size_t timers;              /* that are set */

/* ---- What a worker does -------------------------------------------------------------------- */

/* Where the wheel hangs a timer of a module. */
static struct wheel_entry *entry_of(struct slv_timer *t)
{
    return (struct wheel_entry *)(void *)t->room;
}

/* struct core_driver: timer_set */
static void timer_set(void *arg, struct slv_timer *t, int64_t ms)
{
    struct wheel_entry *e = entry_of(t);
    const struct memconn *m = arg;

    if (!e->link.next)
        wheel_entry_init(e);
    timers += (ms >= 0) - (e->deadline != MS_NEVER);
    wheel_set(&wheel, e, ms < 0 ? MS_NEVER : m->now + ms);
}

/* struct core_driver: now */
static int64_t now(void *arg)
{
    return ((const struct memconn *)arg)->now;
}

static const struct core_driver driver = { .timer_set = timer_set, .now = now };

/* wheel_turn(): one is due. */
static void fire(struct wheel_entry *e, void *arg)
{
    struct slv_timer *t = (void *)((char *)e - offsetof(struct slv_timer, room));

    (void)arg;
    timers--;
    t->fire(t);
}

/* News, timers, and what they lead to. */
static void work(struct memconn *m, struct hub *hub)
{
    wheel_turn(&wheel, m->now, fire, NULL);
    hub_woken(hub);
    memconn_flush(m);
    hub_turn_over();
}

/* struct conf_report: write. The site has no mistakes. */
static void report(void *arg, enum slv_level level, const char *text, const char *detail)
{
    (void)arg;
    fprintf(stderr, "%s\n%s", text, detail);
    promise(level > SLV_LOG_ERROR);
}

/* Once. */
static void begin(void)
{
    struct conf_report to = { .write = report };
    struct config_source source = { .file = "/site", .prefix = "/none/", .text = site };

    config = config_load(&source, &to);
    promise(config != NULL);
    core_use(config);
    for (size_t i = 0; linked_modules[i]; i++)
        promise(!linked_modules[i]->worker_start || linked_modules[i]->worker_start() == 0);
}

/* ---- One connection -------------------------------------------------------------------------- */

/*
 * The first answer parses, and what comes before it. Those behind it may be without a body, where
 * they answer HEAD, or be no HTTP any more.
 */
static void check_output(const struct memconn *m, bool head_only)
{
    struct str out = { m->out.p, m->out.n };
    struct reply r = { .status = 100 };

    while (out.n && r.status < 200 && !str_starts(out, STR("HTTP/1.1 101 "))) {
        enum reply_result result = reply_next(&out, head_only, &r);

        promise(result != REPLY_MALFORMED);
        if (result == REPLY_CUT)
            return;
    }
}

/* Runs a connection to its end. */
static void run(struct memconn *m, struct hub *hub, const struct drive *d, const char *data,
                size_t n)
{
    const struct listen_addr *at = config->servers->lines->at;

    memconn_serve(m, &core_hooks, &core_conf_of(at->fallback->block)->limits, at);
    m->c->peer = (struct addr){ .family = ADDR_V4, .port = 4242, .ip = { 192, 0, 2, 1 } };
    m->c->local = (struct addr){ .family = ADDR_V4, .port = 80, .ip = { 192, 0, 2, 2 } };
    wheel_init(&wheel, m->now);
    core_drive(&driver, m);
    drive_feed(m, d, data, n);
    work(m, hub);
    if (d->bits & BIT_OTHER) {
        static const struct slv_hub_post post = {
            .channel = STR_INIT("c"), .data = STR_INIT("said\r\nby others"), .event = STR_INIT("e")
        };
        uint64_t id;

        slv_hub_publish(&post, &id);
        work(m, hub);
    }
    for (int i = 0; i < ((d->bits & BIT_LINGER) ? 60 : 0) && m->c; i++) {
        memconn_wait(m, 1000);
        work(m, hub);
    }
    if (d->bits & BIT_RESET)
        memconn_reset(m);
    memconn_eof(m);
    work(m, hub);
    for (int i = 0; i < 200 && m->c; i++) {
        memconn_wait(m, 1000);
        work(m, hub);
    }
    memconn_reset(m);
    promise(m->c == NULL && m->reason != CLOSE_NONE);
    promise(timers == 0 && wheel_idle(&wheel));
    check_output(m, n > 4 && memcmp(data, "HEAD", 4) == 0);
    core_drive(NULL, NULL);
}

/* One input, with a hub of its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hub_bounds bounds = { .messages = 8, .bytes = 4096 };
    struct hub_options options = {
        .size = hub_least(CHANNELS, 1) + 8192, .channels = CHANNELS, .seats = 1
    };
    struct drive d;
    struct hub *hub;
    struct memconn m;

    if (size < DRIVE_SIZE)
        return 0;
    if (!config)
        begin();
    d = drive_read(data, BIT_WAIT, BIT_DRAIN);
    hub = hub_new(&options);
    promise(hub && hub_sit(hub, 0));
    hub_use(hub, &bounds);
    run(&m, hub, &d, (const char *)data + DRIVE_SIZE, size - DRIVE_SIZE);
    hub_unuse();
    promise(hub_flaw(hub) == NULL);
    hub_free(&hub);
    memconn_free(&m);
    return 0;
}
