/*
 * hello.c - an example of a module: it greets, counts, takes notes and talks.
 *
 *     location /hello { hello "Good day, $arg_name"; }
 *
 *     GET /hello?name=Ann     the text
 *     GET /hello?count=3      as many lines, one every tenth of a second
 *     POST /hello             the body is published to the channel "hello"
 *     a WebSocket             gets its messages back, behind the text
 */
#include <selvage/module.h>
#include <selvage/websocket.h>

#define NOTE_MAX 4096
#define COUNT_MAX 100
#define PAUSE_MS 100

extern SLV_API const struct slv_module selvage_module;

/* One for each block that says "hello". */
struct conf {
    struct slv_template *greeting; /* NULL: off */
};

/* NULL: websocket.so is not loaded. */
static const struct slv_ws_api *websockets;

/* struct slv_module: finish */
static int finish(struct slv_conf *cf, void *conf)
{
    (void)conf;
    websockets = slv_offered(cf, SLV_WS_API);
    return 0;
}

/* ---- GET with a count: a body that is made while it is sent ------------ */

/* Lives in the request's memory; the timer must be off before that goes. */
struct counter {
    struct slv_source source;      /* first, see struct slv_source */
    struct slv_timer timer;
    struct slv_request *r;
    unsigned said, most;
    bool due;
};

/* struct slv_timer: fire. There is something to pull. */
static void fire(struct slv_timer *timer)
{
    struct counter *c = (struct counter *)(void *)
        ((char *)timer - offsetof(struct counter, timer));

    c->due = true;
    slv_wake(c->r);
}

/* struct slv_source: pull. One line each time that the timer has fired. */
static void pull(struct slv_source *source, struct slv_request *r)
{
    struct counter *c = (struct counter *)(void *)source;
    struct str line;

    if (!c->due)
        return;
    c->due = false;
    line = slv_printf(r, "%u\n", ++c->said);
    slv_write(r, line.p, line.n);
    if (c->said == c->most)
        slv_end(r);
    else
        slv_timer_set(&c->timer, PAUSE_MS);
}

/* struct slv_source: stop. What there is to do, release() does. */
static void stop(struct slv_source *source, struct slv_request *r, int error)
{
    (void)source, (void)r, (void)error;
}

/* struct slv_body: release. Also where it was never pulled, as for HEAD. */
static void release(void *owner)
{
    struct counter *c = owner;

    slv_timer_set(&c->timer, -1);
}

/* Answers with lines that come one after the other. */
static int count(struct slv_request *r, unsigned most)
{
    struct counter *c = slv_alloc(r, sizeof *c);

    *c = (struct counter){ .source = { pull, stop }, .timer = { .fire = fire },
                           .r = r, .most = most, .due = true };
    slv_respond(r, &(struct slv_response){
        .status = 200, .content_type = STR("text/plain"),
        .body = { .kind = SLV_BODY_SOURCE, .source = &c->source, .size = -1,
                  .release = release, .owner = c } });
    return SLV_DONE;
}

/* ---- POST: a message for a channel ------------------------------------- */

/* struct slv_module: body. What is longer is answered with 413. */
static int64_t body(struct slv_request *r, const void *conf)
{
    const struct conf *c = conf;

    return c->greeting && r->method == SLV_POST ? NOTE_MAX : 0;
}

/* Publishes the body: who listens to the channel, in any worker, gets it. */
static int publish(struct slv_request *r)
{
    struct slv_hub_post post = { .channel = STR("hello"), .kind = SLV_HUB_TEXT,
                                 .data = slv_request_body(r), .rate = 10 };
    uint64_t id;
    enum slv_hub_result result = slv_hub_publish(&post, &id);

    if (result != SLV_HUB_OK)
        return slv_hub_refused(r, result);
    slv_log(r, SLV_LOG_INFO, 0, "hello: note %llu", (unsigned long long)id);
    slv_respond_text(r, 202, STR("text/plain"), STR("noted\n"));
    return SLV_DONE;
}

/* ---- WebSocket: a handler on the connections of another module --------- */

/* struct slv_ws_handler: on_open */
static void on_open(struct slv_ws *ws, void *arg)
{
    const struct conf *conf = arg;
    struct str text = slv_template_text(slv_ws_request(ws), conf->greeting);

    slv_ws_send(ws, SLV_WS_TEXT, text.p, text.n);
}

/* struct slv_ws_handler: on_message */
static void on_message(struct slv_ws *ws, void *arg, enum slv_ws_kind kind,
                       char *data, size_t n)
{
    (void)arg;
    slv_ws_send_back(ws, kind, data, n);
}

/* struct slv_ws_handler: on_close. Here a handler would free what it has. */
static void on_close(struct slv_ws *ws, void *arg, unsigned code,
                     struct str reason)
{
    (void)ws, (void)arg, (void)code, (void)reason;
}

static const struct slv_ws_handler handler = {
    on_open, on_message, NULL, on_close
};

/* ---- The module -------------------------------------------------------- */

/* The number behind "count=" in the query; 0: none that is in bounds. */
static unsigned count_of(const struct slv_request *r)
{
    unsigned n = 0;

    if (!str_starts(r->args, STR("count=")))
        return 0;
    for (size_t i = sizeof "count=" - 1; i < r->args.n && n <= COUNT_MAX; i++) {
        if (r->args.p[i] < '0' || r->args.p[i] > '9')
            return 0;
        n = n * 10 + (unsigned)(r->args.p[i] - '0');
    }
    return n <= COUNT_MAX ? n : 0;
}

/* struct slv_module: content */
static int content(struct slv_request *r, const void *conf)
{
    const struct conf *c = conf;
    unsigned most = count_of(r);
    struct str text;

    if (!c->greeting)
        return SLV_DECLINED;
    if (r->method == SLV_POST)
        return publish(r);
    if (r->method != SLV_GET && r->method != SLV_HEAD) {
        slv_header_out(r, STR("Allow"), STR("GET, HEAD, POST"));
        return 405;
    }
    if (websockets && slv_upgrade_offered(r, STR("websocket")))
        return websockets->accept(r, &handler, (void *)(uintptr_t)c);
    if (most)
        return count(r, most);
    text = slv_template_text(r, c->greeting);
    text = slv_printf(r, "%.*s\n", STR_ARG(text));
    slv_respond_text(r, 200, STR("text/plain"), text);
    return SLV_DONE;
}

static const struct slv_directive directives[] = {
    { "hello", SLV_IN_LOCATION, 1, 1, 0, "text", slv_set_template,
      SLV_FIELD(struct conf, greeting), NULL, NULL },
    { .name = NULL }
};

const struct slv_module selvage_module = {
    SLV_MODULE_HEADER, .name = "hello", .version = "1.0",
    .directives = directives, .conf_size = sizeof(struct conf),
    .finish = finish, .body = body, .content = content
};
