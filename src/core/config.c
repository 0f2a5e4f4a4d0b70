/*
 * config.c - one generation of the configuration: read, checked, linked.
 */
#include "core/config.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/core_conf.h"
#include "core/error_log.h"
#include "core/images.h"
#include "core/module.h"
#include "core/server.h"
#include "core/tls_conf.h"
#include "core/variable.h"
#include "core/version.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

/* Large enough to be a mapping of its own, which goes back to the system when a generation ends. */
#define CONFIG_ARENA (256 * 1024)

/* Places in the list of modules; config_load() puts them there. */
enum { PROCESS_INDEX, CORE_INDEX, TLS_INDEX, LINKED_INDEX };

const struct core_conf *core_conf_of(const struct conf_block *block)
{
    return block->confs[CORE_INDEX];
}

const struct tls_conf *tls_conf_of(const struct conf_block *block)
{
    return block->confs[TLS_INDEX];
}

/* A path of the command line, absolute; relative ones are below the prefix. */
static struct str absolute(struct arena *arena, struct str prefix, const char *path)
{
    if (path[0] == '/')
        return arena_str(arena, str_of(path));
    return arena_printf(arena, "%.*s%s", STR_ARG(prefix), path);
}

/* The prefix with its '/', absolute. */
static struct str make_prefix(struct arena *arena, const char *prefix)
{
    char *real = realpath(prefix, NULL);
    struct str s = arena_printf(arena, "%s%s", real ? real : prefix,
                                str_ends(str_of(real ? real : prefix), STR("/")) ? "" : "/");

    free(real);
    return s;
}

/* The core's tables, then what is linked in. */
static int add_modules(struct conf *c)
{
    if (conf_add_module(c, &process_module, NULL) || conf_add_module(c, &core_module, NULL)
        || conf_add_module(c, &tls_module, NULL))
        return -1;
    for (size_t i = 0; linked_modules[i]; i++)
        if (conf_add_module(c, linked_modules[i], NULL))
            return -1;
    return 0;
}

/* The order in which content hooks are asked: loaded modules first, they are there on purpose. */
static void order_content(struct config *config)
{
    const struct conf_modules *m = &config->modules;
    size_t linked = LINKED_INDEX;

    config->content = arena_alloc(&config->arena, m->count * sizeof *config->content);
    while (linked_modules[linked - LINKED_INDEX])
        linked++;
    for (size_t i = linked; i < m->count; i++)
        if (m->list[i]->content)
            config->content[config->content_count++] = i;
    for (size_t i = LINKED_INDEX; i < linked; i++)
        if (m->list[i]->content)
            config->content[config->content_count++] = i;
}

/* Without "user", workers of a server that is started as root are nobody, as in nginx. */
static void default_user(struct process_conf *process)
{
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;

    process->uid = nobody ? (int64_t)nobody->pw_uid : -1;
    process->gid = nobody ? (int64_t)nobody->pw_gid : -1;
}

/* What the main context says, with what the command line says and defaults where nobody does. */
static void take_process(struct config *config, struct conf *c, const struct config_source *source)
{
    const char *path = source->error_log ? source->error_log : SELVAGE_ERROR_LOG_PATH;
    bool to_stderr = strcmp(path, "stderr") == 0;
    int64_t limit;

    config->process = c->main->confs[PROCESS_INDEX];
    AN(config->process != NULL);
    /* Who is sent away last still needs time to say goodbye. */
    limit = config->process->worker_shutdown_timeout;
    if (config->process->drain_window > limit - limit / 4)
        config->process->drain_window = limit - limit / 4;
    if (!config->process->user.n)
        default_user(config->process);
    if (!config->process->error_log)
        config->process->error_log =
            error_log_new(config, to_stderr ? (struct str){ NULL, 0 }
                                            : absolute(&config->arena, config->prefix, path),
                          SLV_LOG_ERROR);
}

/* Blocks without a log of their own use that of the main context. */
static void default_logs(struct config *config, const struct conf_block *block)
{
    struct core_conf *core = block->confs[CORE_INDEX];

    if (core && !core->error_log)
        core->error_log = config->process->error_log;
    for (const struct conf_block *b = block->children; b; b = b->next)
        default_logs(config, b);
}

/* All steps, each of which reports what it finds. 0 or -1. */
static int load(struct config *config, struct conf *c, const struct config_source *source)
{
    int result = add_modules(c);

    if (source->text)
        result |= conf_read_given(c, source->file, str_of(source->text), source->globals, false);
    else
        result |= conf_read(c, config->file.p, source->globals);
    /* A file that is not well formed has a tree that misleads. */
    if (result)
        return -1;
    if (conf_apply(c))
        result = -1;
    config->modules = c->modules;
    if (vhosts_link(c, config))
        result = -1;
    if (conf_inherit(c))
        result = -1;
    if (variables_resolve(c))
        result = -1;
    if (result || tls_link(c, config, source->tls))
        return -1;
    take_process(config, c, source);
    if (config->http)
        default_logs(config, config->http);
    order_content(config);
    return 0;
}

struct config *config_load(const struct config_source *source, struct conf_report *report)
{
    struct config *config = mem_zalloc(sizeof *config);
    struct conf c = { 0 };
    int result;

    config->magic = CONFIG_MAGIC;
    arena_init(&config->arena, CONFIG_ARENA);
    config->prefix = make_prefix(&config->arena, source->prefix ? source->prefix : SELVAGE_PREFIX);
    config->file = absolute(&config->arena, config->prefix,
                            source->file ? source->file : SELVAGE_CONF_PATH);
    config->servers_end = &config->servers;
    config->variables = variables_new(&config->arena);
    c.arena = &config->arena;
    c.report = report;
    c.prefix = config->prefix;
    c.owner = config;
    result = load(config, &c, source);
    if (!result && source->dump)
        conf_dump(&c, source->dump);
    conf_free_tree(&c);
    if (result)
        config_free(&config);
    return config;
}

void config_free(struct config **pconfig)
{
    struct config *config;

    TAKE_OBJ(config, pconfig, CONFIG_MAGIC);
    images_free(config);
    config->magic = 0;
    arena_free(&config->arena);
    free(config);
}
