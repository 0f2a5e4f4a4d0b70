/*
 * tls_conf.c - the directives about TLS, and which servers share a context.
 */
#include "core/tls_conf.h"

#include "base/check.h"

/* What a setter of words makes of the first argument. */
enum word_kind { WORD_TEXT = 1, WORD_FILE };

/* One word, at the end of a list. */
static struct tls_word *add_word(struct slv_conf *cf, struct tls_word **list)
{
    struct tls_word *w = slv_conf_alloc(cf, sizeof *w);

    while (*list)
        list = &(*list)->next;
    w->node = cf->node;
    w->text = slv_conf_str(cf, slv_conf_arg(cf, 1));
    *list = w;
    return w;
}

/* A file: what nginx also takes there and this server does not is refused. */
static int check_file(struct slv_conf *cf, const struct slv_directive *d, struct str text)
{
    static const struct str foreign[] = { STR_INIT("engine:"), STR_INIT("data:"),
                                          STR_INIT("store:") };

    if (memchr(text.p, '$', text.n))
        return slv_conf_error(cf, 1, "variables are not supported in \"%s\": certificates and keys "
                              "are read once, by the master process", d->name);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (str_starts(text, foreign[i]))
            return slv_conf_error(cf, 1, "\"%.*s\" is not supported in \"%s\", it must name a file",
                                  STR_ARG(foreign[i]), d->name);
    if (!text.n)
        return slv_conf_error(cf, 1, "\"%s\" names no file", d->name);
    return 0;
}

/* A text or the name of a file, by d->extra; several make a list. */
static int set_word(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct tls_word **list = (void *)((char *)conf + d->offset), *w;
    enum word_kind kind = *(const enum word_kind *)d->extra;

    AN(d->size == sizeof *list);
    if (kind == WORD_FILE && check_file(cf, d, slv_conf_arg(cf, 1)))
        return -1;
    w = add_word(cf, list);
    if (kind == WORD_FILE)
        w->text = slv_conf_path(cf, w->text, true);
    return 0;
}

/* ssl_conf_command name value */
static int set_command(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct tls_conf *tls = conf;

    (void)d;
    add_word(cf, &tls->commands)->value = slv_conf_str(cf, slv_conf_arg(cf, 2));
    return 0;
}

/* ssl_protocols version … */
static int set_protocols(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    static const struct { struct str word; int bit; } known[] = {
        { STR_INIT("TLSv1.2"), TLS_V1_2 }, { STR_INIT("TLSv1.3"), TLS_V1_3 },
        { STR_INIT("TLSv1.1"), 0 }, { STR_INIT("TLSv1"), 0 }, { STR_INIT("SSLv3"), 0 },
        { STR_INIT("SSLv2"), 0 },
    };
    struct tls_conf *tls = conf;

    (void)d;
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct str word = slv_conf_arg(cf, i);
        size_t k = 0;

        while (k < sizeof known / sizeof known[0] && !str_ieq(word, known[k].word))
            k++;
        if (k == sizeof known / sizeof known[0])
            return slv_conf_error(cf, i, "invalid value \"%.*s\" in \"ssl_protocols\" directive, "
                                  "it must be \"TLSv1.2\" or \"TLSv1.3\"", STR_ARG(word));
        if (!known[k].bit)
            slv_conf_warn(cf, i, "\"%.*s\" is not spoken, nothing below TLSv1.2 is",
                          STR_ARG(word));
        tls->protocols |= known[k].bit;
    }
    if (!tls->protocols)
        return slv_conf_error(cf, 1, "\"ssl_protocols\" leaves no version: \"TLSv1.2\" or "
                              "\"TLSv1.3\" must be among them");
    return 0;
}

/* The name and the size of shared:NAME:SIZE, or the sessions of builtin:SIZE. */
static bool cache_is_sane(struct str word)
{
    const char *colon;
    int64_t size;

    if (str_eq(word, STR("off")) || str_eq(word, STR("none")) || str_eq(word, STR("builtin")))
        return true;
    if (str_starts(word, STR("builtin:")))
        return !slv_parse_size(str_from(word, 8), &size) && size > 0;
    if (!str_starts(word, STR("shared:")))
        return false;
    word = str_from(word, 7);
    colon = word.n ? memchr(word.p, ':', word.n) : NULL;
    if (!colon || colon == word.p)
        return false;
    return !slv_parse_size(str_from(word, (size_t)(colon + 1 - word.p)), &size) && size >= 8192;
}

/* ssl_session_cache off | none | [builtin[:size]] [shared:name:size] */
static int set_session_cache(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct tls_conf *tls = conf;

    (void)d;
    for (size_t i = 1; i < slv_conf_count(cf); i++) {
        struct str word = slv_conf_arg(cf, i);

        if (!cache_is_sane(word))
            return slv_conf_error(cf, i, "invalid session cache \"%.*s\", it must be \"off\", "
                                  "\"none\", \"builtin[:size]\" or \"shared:name:size\" with at "
                                  "least 8k", STR_ARG(word));
    }
    add_word(cf, &tls->session_cache);
    return 0;
}

/* ssl_early_data on | off */
static int set_early_data(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    const struct tls_conf *tls = conf;

    if (slv_set_flag(cf, d, conf))
        return -1;
    if (tls->early_data)
        slv_conf_warn(cf, 1, "\"ssl_early_data\" has no effect: a replay to another worker could "
                      "not be told, so requests wait for the end of the handshake");
    return 0;
}

/* ssl_stapling_responder http://… */
static int set_responder(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    if (!str_starts(slv_conf_arg(cf, 1), STR("http://")))
        return slv_conf_error(cf, 1, "invalid URL \"%.*s\" in \"ssl_stapling_responder\" "
                              "directive, it must begin with \"http://\"",
                              STR_ARG(slv_conf_arg(cf, 1)));
    return set_word(cf, d, conf);
}

static const struct slv_word verify_words[] = {
    { "off", TLS_VERIFY_OFF }, { "on", TLS_VERIFY_ON }, { "optional", TLS_VERIFY_OPTIONAL },
    { "optional_no_ca", TLS_VERIFY_OPTIONAL_NO_CA }, { NULL, 0 },
};
static const struct slv_bounds depth_bounds = { 0, 100 };
static const struct slv_bounds record_bounds = { 512, 1024 * 1024 };
static const enum word_kind as_text = WORD_TEXT, as_file = WORD_FILE;

#define SERVERS (SLV_IN_HTTP | SLV_IN_SERVER)
#define FIELD(member) SLV_FIELD(struct tls_conf, member)

/* A flag with its default. */
#define FLAG(word, member, preset) \
    { word, SERVERS, 1, 1, 0, "on | off", slv_set_flag, FIELD(member), preset, NULL }

/* The name of one file, or of several. */
#define FILES(word, flags, member) \
    { word, SERVERS, 1, 1, flags, "file", set_word, FIELD(member), NULL, &as_file }

static const struct slv_directive directives[] = {
    FILES("ssl_certificate", SLV_REPEATS, certificates),
    FILES("ssl_certificate_key", SLV_REPEATS, keys),
    FILES("ssl_password_file", 0, password_file),
    FILES("ssl_dhparam", 0, dhparam),
    FILES("ssl_client_certificate", 0, client_certificate),
    FILES("ssl_trusted_certificate", 0, trusted_certificate),
    FILES("ssl_crl", 0, crl),
    FILES("ssl_session_ticket_key", SLV_REPEATS, ticket_keys),
    { "ssl_protocols", SERVERS, 1, SLV_ARGS_ANY, 0, "[TLSv1.2] [TLSv1.3]", set_protocols,
      FIELD(protocols), "TLSv1.2 TLSv1.3", NULL },
    { "ssl_ciphers", SERVERS, 1, 1, 0, "ciphers", set_word, FIELD(ciphers),
      "ECDHE+AESGCM:ECDHE+CHACHA20", &as_text },
    { "ssl_ecdh_curve", SERVERS, 1, 1, 0, "auto | curve[:curve ...]", set_word, FIELD(curves),
      "auto", &as_text },
    { "ssl_conf_command", SERVERS, 2, 2, SLV_REPEATS, "name value", set_command, FIELD(commands),
      NULL, NULL },
    FLAG("ssl_prefer_server_ciphers", prefer_server_ciphers, "on"),
    { "ssl_session_cache", SERVERS, 1, 2, 0,
      "off | none | [builtin[:size]] [shared:name:size]", set_session_cache, FIELD(session_cache),
      "none", NULL },
    { "ssl_session_timeout", SERVERS, 1, 1, 0, "time", slv_set_ms, FIELD(session_timeout), "4h",
      NULL },
    FLAG("ssl_session_tickets", session_tickets, "on"),
    { "ssl_buffer_size", SERVERS, 1, 1, 0, "size", slv_set_size, FIELD(buffer_size), "16k",
      &record_bounds },
    { "ssl_verify_client", SERVERS, 1, 1, 0, "off | on | optional | optional_no_ca", slv_set_enum,
      FIELD(verify), "off", verify_words },
    { "ssl_verify_depth", SERVERS, 1, 1, 0, "number", slv_set_number, FIELD(verify_depth), "1",
      &depth_bounds },
    FLAG("ssl_reject_handshake", reject_handshake, "off"),
    FLAG("ssl_stapling", stapling, "off"),
    FLAG("ssl_stapling_verify", stapling_verify, "off"),
    FILES("ssl_stapling_file", 0, stapling_file),
    { "ssl_stapling_responder", SERVERS, 1, 1, 0, "url", set_responder, FIELD(stapling_responder),
      NULL, &as_text },
    { "ssl_stapling_cache", SERVERS, 1, 1, 0, "path", slv_set_path, FIELD(stapling_cache),
      SELVAGE_CACHE_PATH, NULL },
    { "ssl_early_data", SERVERS, 1, 1, 0, "on | off", set_early_data, FIELD(early_data), "off",
      NULL },
    { 0 },
};

const struct slv_module tls_module = {
    SLV_MODULE_HEADER,
    .name = "tls",
    .version = "",
    .directives = directives,
    .conf_size = sizeof(struct tls_conf),
};

/* ---- Contexts -------------------------------------------------------------------------------- */

/* Appends the words of a list to a key. */
static struct str key_words(struct arena *arena, struct str key, const struct tls_word *w)
{
    for (; w; w = w->next)
        key = arena_printf(arena, "%.*s\n%.*s %.*s", STR_ARG(key), STR_ARG(w->text),
                           STR_ARG(w->value));
    return arena_printf(arena, "%.*s\n;", STR_ARG(key));
}

/* All that makes a difference between two contexts, as a text. */
static struct str key_of(struct arena *arena, const struct tls_conf *t)
{
    const struct tls_word *const lists[] = {
        t->certificates, t->keys, t->password_file, t->dhparam, t->commands, t->ticket_keys,
        t->ciphers, t->curves, t->client_certificate, t->trusted_certificate, t->crl,
        t->stapling_file, t->stapling_responder,
    };
    struct str key = arena_printf(arena, "%d %d %d %d %d %d %d %lld %lld %lld %.*s", t->protocols,
                                  t->verify, t->prefer_server_ciphers, t->session_tickets,
                                  t->reject_handshake, t->stapling, t->stapling_verify,
                                  (long long)t->verify_depth, (long long)t->buffer_size,
                                  (long long)t->session_timeout, STR_ARG(t->stapling_cache));

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        key = key_words(arena, key, lists[i]);
    return key;
}

/* How many. */
static size_t count_words(const struct tls_word *w)
{
    size_t n = 0;

    for (; w; w = w->next)
        n++;
    return n;
}

/* Certificates and keys must be there, in pairs. */
static int check_pairs(struct conf *conf, const struct tls_conf *t, const struct listen_line *line)
{
    size_t certificates = count_words(t->certificates), keys = count_words(t->keys);

    if (!certificates && t->reject_handshake)
        return 0;
    if (!certificates) {
        conf_message(conf, SLV_LOG_EMERG, line->node, 0,
                     "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive");
        return -1;
    }
    if (keys == certificates)
        return 0;
    conf_message(conf, SLV_LOG_EMERG, t->certificates->node, 0,
                 "%zu \"ssl_certificate\" but %zu \"ssl_certificate_key\" directives are in force, "
                 "each certificate needs its key", certificates, keys);
    return -1;
}

/* What clients' certificates are checked against. */
static int check_verify(struct conf *conf, const struct tls_conf *t, const struct listen_line *line)
{
    if (t->verify == TLS_VERIFY_OFF || t->verify == TLS_VERIFY_OPTIONAL_NO_CA
        || t->client_certificate || t->trusted_certificate)
        return 0;
    conf_message(conf, SLV_LOG_EMERG, line->node, 0,
                 "no \"ssl_client_certificate\" or \"ssl_trusted_certificate\" for "
                 "\"ssl_verify_client\"");
    return -1;
}

/* The first line of a server that is about an address with TLS; NULL: it has none. */
static const struct listen_line *tls_line(const struct server *s)
{
    const struct listen_line *line = s->lines;

    while (line && !line->at->tls)
        line = line->next;
    return line;
}

/* What stapling looks at. */
static int check_stapling(struct conf *conf, const struct tls_conf *t)
{
    if (!t->stapling_file || !t->certificates || !t->certificates->next)
        return 0;
    conf_message(conf, SLV_LOG_EMERG, t->stapling_file->node, 0,
                 "\"ssl_stapling_file\" is for one certificate, but %zu are in force",
                 count_words(t->certificates));
    return -1;
}

/* A new context, the last in the configuration. NULL after messages. */
static struct tls_context *make_context(struct conf *conf, struct config *config,
                                        const struct tls_conf *t, const struct listen_line *line,
                                        const struct tls_backend *backend)
{
    struct tls_context *context = backend->make(conf, t, line->node);

    if (!context)
        return NULL;
    arena_on_free(conf->arena, backend->release, context);
    if (!config->tls_contexts)
        config->tls_contexts = arena_alloc(conf->arena, config->server_count
                                                            * sizeof(struct tls_context *));
    AN(config->tls_context_count < config->server_count);
    config->tls_contexts[config->tls_context_count++] = context;
    return context;
}

/* A context for a server: one that is there, or a new one. */
static int link_server(struct conf *conf, struct config *config, struct table *contexts,
                       struct server *s, const struct listen_line *line,
                       const struct tls_backend *backend)
{
    const struct tls_conf *t = tls_conf_of(s->block);
    struct str key;

    if (check_pairs(conf, t, line) || check_verify(conf, t, line) || check_stapling(conf, t))
        return -1;
    if (!t->session_tickets && t->session_cache && !str_eq(t->session_cache->text, STR("none"))
        && !str_eq(t->session_cache->text, STR("off")))
        conf_message(conf, SLV_LOG_WARN, t->session_cache->node, 0,
                     "sessions are resumed by tickets alone: with \"ssl_session_tickets off\" "
                     "every handshake is a full one");
    if (!backend)
        return 0;
    key = key_of(conf->arena, t);
    s->tls = table_get(contexts, key);
    if (!s->tls) {
        s->tls = make_context(conf, config, t, line, backend);
        if (!s->tls)
            return -1;
        table_set(contexts, key, s->tls);
    }
    backend->identify(s);
    return 0;
}

int tls_link(struct conf *conf, struct config *config, const struct tls_backend *backend)
{
    struct table contexts = { 0 };
    int result = 0;

    for (struct server *s = config->servers; s; s = s->next) {
        const struct listen_line *line = tls_line(s);
        int64_t timeout;

        if (!line)
            continue;
        timeout = tls_conf_of(s->block)->session_timeout;
        if (timeout > config->tls_session_timeout)
            config->tls_session_timeout = timeout;
        if (link_server(conf, config, &contexts, s, line, backend))
            result = -1;
    }
    table_free(&contexts);
    if (backend && result == 0) {
        config->tls = backend;
        backend->linked(config);
    }
    return result;
}
