/*
 * process_conf.c - directives of the main and events contexts.
 */
#include "core/core_conf.h"

#include "base/check.h"
#include "core/error_log.h"
#include "core/module.h"
#include "core/version.h"
#include "http/token.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

/* http { … } */
int process_set_http(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct config *config = cf->conf->owner;

    (void)d;
    (void)conf;
    config->http = conf_open(cf, SLV_IN_HTTP, NULL);
    return 0;
}

/* events { … } */
int process_set_events(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)d;
    (void)conf;
    conf_open(cf, SLV_IN_EVENTS, NULL);
    return 0;
}

/* load_module file [optional] */
int process_set_load_module(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    bool optional = slv_conf_count(cf) > 2;

    (void)d;
    (void)conf;
    if (optional && !str_eq(slv_conf_arg(cf, 2), STR("optional")))
        return slv_conf_error(cf, 2, "invalid parameter \"%.*s\", it must be \"optional\"",
                              STR_ARG(slv_conf_arg(cf, 2)));
    return module_load(cf, slv_conf_arg(cf, 1), optional);
}

/* worker_processes number | auto */
static int set_processes(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct process_conf *p = conf;
    struct str word = slv_conf_arg(cf, 1);
    uint64_t n;

    (void)d;
    if (str_eq(word, STR("auto"))) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);

        p->worker_processes = cores > 0 ? cores : 1;
        return 0;
    }
    if (digits_parse(word, &n) || n == 0 || n > 1024)
        return slv_conf_error(cf, 1, "invalid value \"%.*s\", it must be \"auto\" or a number from "
                              "1 to 1024", STR_ARG(word));
    p->worker_processes = (int64_t)n;
    return 0;
}

/* user name [group] */
static int set_user(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct process_conf *p = conf;
    bool named = slv_conf_count(cf) > 2;
    const struct passwd *pw;
    const struct group *gr;

    (void)d;
    p->user = slv_conf_str(cf, slv_conf_arg(cf, 1));
    p->group = slv_conf_str(cf, slv_conf_arg(cf, named ? 2 : 1));
    if (geteuid() != 0) {
        slv_conf_warn(cf, 0, "the \"user\" directive makes sense only if the master process runs "
                      "with super-user privileges, ignored");
        p->user = p->group = (struct str){ "", 0 };
        return 0;
    }
    pw = getpwnam(p->user.p);
    if (!pw)
        return slv_conf_error(cf, 1, "getpwnam(\"%s\") failed", p->user.p);
    p->uid = pw->pw_uid;
    p->gid = pw->pw_gid;
    if (!named)
        return 0;
    gr = getgrnam(p->group.p);
    if (!gr)
        return slv_conf_error(cf, 2, "getgrnam(\"%s\") failed", p->group.p);
    p->gid = gr->gr_gid;
    return 0;
}

/* use method: there is one. */
static int set_use(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    (void)d;
    (void)conf;
    if (!str_eq(slv_conf_arg(cf, 1), STR("epoll")))
        return slv_conf_error(cf, 1, "invalid event type \"%.*s\", it must be \"epoll\"",
                              STR_ARG(slv_conf_arg(cf, 1)));
    return 0;
}

/* The number of an option. 0, or -1. */
static int take_number(struct str text, uint64_t most, unsigned *out)
{
    uint64_t n;

    if (digits_parse(text, &n) || n > most)
        return -1;
    *out = (unsigned)n;
    return 0;
}

/* host:port or unix:path. 0, or -1. */
static int take_address(struct slv_conf *cf, struct str text, struct hub_backend *b)
{
    const char *colon = memrchr(text.p, ':', text.n);

    if (text.n > 5 && memcmp(text.p, "unix:", 5) == 0) {
        b->path = slv_conf_str(cf, str_from(text, 5));
        return 0;
    }
    if (!colon || colon == text.p
        || take_number(str_from(text, (size_t)(colon + 1 - text.p)), 65535, &b->port) || !b->port)
        return -1;
    text.n = (size_t)(colon - text.p);
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = (struct str){ text.p + 1, text.n - 2 };
    b->host = slv_conf_str(cf, text);
    return 0;
}

/* An option of hub_backend, name=value. 0, or -1. */
static int take_option(struct slv_conf *cf, struct str text, struct hub_backend *b)
{
    const char *equals = memchr(text.p, '=', text.n);
    size_t n = equals ? (size_t)(equals - text.p) : 0;
    struct str name = { text.p, n }, value = equals ? str_from(text, n + 1) : STR("");

    if (!value.n)
        return -1;
    if (str_eq(name, STR("user")))
        b->user = slv_conf_str(cf, value);
    else if (str_eq(name, STR("password")))
        b->password = slv_conf_str(cf, value);
    else if (str_eq(name, STR("prefix")) && value.n <= 64 && slv_hub_name_ok(value))
        b->prefix = slv_conf_str(cf, value);
    else if (str_eq(name, STR("database")))
        return take_number(value, 65535, &b->database);
    else if (str_eq(name, STR("messages")))
        return take_number(value, UINT32_MAX, &b->messages) || !b->messages ? -1 : 0;
    else
        return -1;
    return 0;
}

/* hub_backend memory | redis address [name=value ...] */
static int set_hub_backend(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct hub_backend *b = &((struct process_conf *)conf)->hub_backend;
    struct str kind = slv_conf_arg(cf, 1);

    (void)d;
    if (str_eq(kind, STR("memory")) && slv_conf_count(cf) == 2)
        return 0;
    if (!str_eq(kind, STR("redis")) || slv_conf_count(cf) < 3)
        return slv_conf_error(cf, 1, "invalid backend \"%.*s\", it must be \"memory\" or \"redis\" "
                              "with an address", STR_ARG(kind));
#ifndef HAVE_HIREDIS
    return slv_conf_error(cf, 1, "\"hub_backend redis\" needs a selvage that was built with "
                          "hiredis");
#endif
    *b = (struct hub_backend){
        .is_redis = true, .prefix = STR("selvage"), .messages = 100000
    };
    if (take_address(cf, slv_conf_arg(cf, 2), b) != 0)
        return slv_conf_error(cf, 2, "invalid address \"%.*s\", it must be HOST:PORT or unix:PATH",
                              STR_ARG(slv_conf_arg(cf, 2)));
    for (size_t i = 3; i < slv_conf_count(cf); i++)
        if (take_option(cf, slv_conf_arg(cf, i), b) != 0)
            return slv_conf_error(cf, i, "invalid parameter \"%.*s\", it must be user=NAME, "
                                  "password=TEXT, database=NUMBER, prefix=NAME or "
                                  "messages=NUMBER", STR_ARG(slv_conf_arg(cf, i)));
    return 0;
}

static const struct slv_bounds connection_bounds = { 1, 10 * 1000 * 1000 };
static const struct slv_bounds hub_bounds = { 1024 * 1024, INT64_C(1) << 40 };
static const struct slv_bounds channel_bounds = { 1, 1024 * 1024 };
static const struct slv_bounds natural = { 0, INT64_MAX };
static const struct slv_bounds file_bounds = { 1, 1024 * 1024 * 1024 };

#define FIELD(member) SLV_FIELD(struct process_conf, member)
#define MAIN SLV_IN_MAIN
#define EVENTS SLV_IN_EVENTS

static const struct slv_directive directives[] = {
    { "http", MAIN, 0, 0, SLV_OPENS_BLOCK, "{ ... }", process_set_http, 0, 0, NULL, NULL },
    { "events", MAIN, 0, 0, SLV_OPENS_BLOCK, "{ ... }", process_set_events, 0, 0, NULL, NULL },
    { "load_module", MAIN, 1, 2, SLV_REPEATS, "file [optional]", process_set_load_module, 0, 0,
      NULL, NULL },
    { "user", MAIN, 1, 2, 0, "user [group]", set_user, 0, 0, NULL, NULL },
    { "worker_processes", MAIN, 1, 1, 0, "number | auto", set_processes, FIELD(worker_processes),
      "1", NULL },
    { "worker_rlimit_core", MAIN, 1, 1, 0, "size", slv_set_size, FIELD(worker_rlimit_core), "0",
      NULL },
    { "worker_rlimit_nofile", MAIN, 1, 1, 0, "number", slv_set_number,
      FIELD(worker_rlimit_nofile), NULL, &file_bounds },
    { "worker_shutdown_timeout", MAIN, 1, 1, 0, "time", slv_set_ms,
      FIELD(worker_shutdown_timeout), "60s", NULL },
    { "drain_window", MAIN, 1, 1, 0, "time", slv_set_ms, FIELD(drain_window), "10s", NULL },
    { "hub_size", MAIN, 1, 1, 0, "size", slv_set_size, FIELD(hub_size), "64m", &hub_bounds },
    { "hub_channels", MAIN, 1, 1, 0, "number", slv_set_number, FIELD(hub_channels), "4096",
      &channel_bounds },
    { "hub_backend", MAIN, 1, 7, 0, "memory | redis address [name=value ...]", set_hub_backend,
      FIELD(hub_backend), NULL, NULL },
    { "hub_history", MAIN, 1, 1, 0, "number", slv_set_number, FIELD(hub_history), "100",
      &natural },
    { "hub_history_time", MAIN, 1, 1, 0, "time", slv_set_ms, FIELD(hub_history_time), "1h", NULL },
    { "hub_history_size", MAIN, 1, 1, 0, "size", slv_set_size, FIELD(hub_history_size), "1m",
      &natural },
    { "pid", MAIN, 1, 1, 0, "file", slv_set_path, FIELD(pid), SELVAGE_PID_PATH, NULL },
    { "daemon", MAIN, 1, 1, 0, "on | off", slv_set_flag, FIELD(daemon), "on", NULL },
    { "master_process", MAIN, 1, 1, 0, "on | off", slv_set_flag, FIELD(master_process), "on",
      NULL },
    { "error_log", MAIN, 1, 2, SLV_REPEATS, "file | stderr [level]", error_log_directive,
      FIELD(error_log), NULL, NULL },
    { "worker_connections", EVENTS, 1, 1, 0, "number", slv_set_number, FIELD(worker_connections),
      "512", &connection_bounds },
    { "multi_accept", EVENTS, 1, 1, 0, "on | off", slv_set_flag, FIELD(multi_accept), "off", NULL },
    { "accept_mutex", EVENTS, 1, 1, 0, "on | off", slv_set_flag, FIELD(accept_mutex), "off", NULL },
    { "use", EVENTS, 1, 1, 0, "epoll", set_use, 0, 0, NULL, NULL },
    { 0 },
};

const struct slv_module process_module = {
    SLV_MODULE_HEADER,
    .name = "process",
    .version = "",
    .directives = directives,
    .conf_size = sizeof(struct process_conf),
};
