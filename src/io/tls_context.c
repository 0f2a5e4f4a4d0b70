/*
 * tls_context.c - from the directives to a context of OpenSSL, in the master.
 */
#include "io/tls_ssl.h"

#include "base/check.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <limits.h>
#include <stdlib.h>

/*
 * Not OpenSSL's own list: a client may choose from it, and finite fields of 8,192 bits cost a
 * hundred times as much here as there.
 */
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
#define CURVES_AUTO "X25519MLKEM768:X25519:P-256:P-384"
#else
#define CURVES_AUTO "X25519:P-256:P-384"
#endif

/* One context while it is made. */
struct making {
    struct conf *conf;
    const struct tls_conf *tls;
    const struct conf_node *place; /* for what no directive is to blame for */
    struct tls_context *c;
    struct tls_passwords passwords;
    EVP_MD_CTX *seed;              /* of the rules for clients' certificates */
};

/* A step that fails only for want of memory. */
static void must(int done)
{
    AN(done == 1);
}

/* Reports what OpenSSL did not like about a directive. Always -1. */
static int refuse(const struct making *m, const struct tls_word *word, const char *what)
{
    conf_message(m->conf, SLV_LOG_EMERG, word ? word->node : m->place, 1, "%s%s%.*s%s failed: %s",
                 what, word ? " \"" : "", word ? (int)word->text.n : 0, word ? word->text.p : "",
                 word ? "\"" : "", tls_reason());
    return -1;
}

/* Protocol versions, options, modes. */
static int set_basics(const struct making *m)
{
    SSL_CTX *ctx = m->c->ctx;
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_SINGLE_ECDH_USE
                     | SSL_OP_SINGLE_DH_USE;

    if (m->tls->prefer_server_ciphers)
        options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
    if (!m->tls->session_tickets)
        options |= SSL_OP_NO_TICKET;
    SSL_CTX_set_options(ctx, options);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* Without tickets 1.3 would send ids of sessions that are kept nowhere. */
    if (!m->tls->session_tickets && SSL_CTX_set_num_tickets(ctx, 0) != 1)
        return refuse(m, NULL, "SSL_CTX_set_num_tickets()");
    if (SSL_CTX_set_min_proto_version(ctx, m->tls->protocols & TLS_V1_2 ? TLS1_2_VERSION
                                                                        : TLS1_3_VERSION) != 1
        || SSL_CTX_set_max_proto_version(ctx, m->tls->protocols & TLS_V1_3 ? TLS1_3_VERSION
                                                                           : TLS1_2_VERSION) != 1)
        return refuse(m, NULL, "setting the protocol versions");
    return 0;
}

/* Ciphers and curves. */
static int set_ciphers(const struct making *m)
{
    const struct tls_word *ciphers = m->tls->ciphers, *curves = m->tls->curves;

    if (SSL_CTX_set_cipher_list(m->c->ctx, ciphers->text.p) != 1)
        return refuse(m, ciphers, "ssl_ciphers");
    m->c->curves = str_eq(curves->text, STR("auto")) ? CURVES_AUTO : curves->text.p;
    if (SSL_CTX_set1_curves_list(m->c->ctx, m->c->curves) != 1)
        return refuse(m, curves, "ssl_ecdh_curve");
    return 0;
}

/* Finite-field Diffie-Hellman, for those who ask for such ciphers. */
static int set_dhparam(const struct making *m)
{
    const struct tls_word *file = m->tls->dhparam;
    EVP_PKEY *dh;
    size_t size;
    char *text;
    BIO *bio;

    if (!file)
        return 0;
    text = tls_read_file(m->conf, file, "ssl_dhparam", &size);
    if (!text)
        return -1;
    bio = BIO_new_mem_buf(text, (int)size);
    AN(bio != NULL);
    ERR_clear_error();
    dh = PEM_read_bio_Parameters(bio, NULL);
    BIO_free(bio);
    OPENSSL_free(text);
    if (dh && SSL_CTX_set0_tmp_dh_pkey(m->c->ctx, dh) == 1)
        return 0;
    EVP_PKEY_free(dh);
    conf_message(m->conf, SLV_LOG_EMERG, file->node, 1,
                 "\"%.*s\" holds no usable Diffie-Hellman parameters: %s", STR_ARG(file->text),
                 tls_reason());
    return -1;
}

/* ssl_conf_command: last, because it may say otherwise than all the rest. */
static int run_commands(const struct making *m)
{
    SSL_CONF_CTX *cc;
    int result = 0;

    if (!m->tls->commands)
        return 0;
    cc = SSL_CONF_CTX_new();
    AN(cc != NULL);
    SSL_CONF_CTX_set_ssl_ctx(cc, m->c->ctx);
    SSL_CONF_CTX_set_flags(cc, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER
                               | SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS);
    for (const struct tls_word *w = m->tls->commands; w; w = w->next) {
        ERR_clear_error();
        if (SSL_CONF_cmd(cc, w->text.p, w->value.p) <= 0) {
            conf_message(m->conf, SLV_LOG_EMERG, w->node, 1,
                         "SSL_CONF_cmd(\"%.*s\", \"%.*s\") failed: %s", STR_ARG(w->text),
                         STR_ARG(w->value), tls_reason());
            result = -1;
        }
        if (str_ieq(w->text, STR("Ciphersuites")))
            m->c->ciphersuites = w->value.p;
        if (str_ieq(w->text, STR("Groups")) || str_ieq(w->text, STR("Curves")))
            m->c->curves = w->value.p;
    }
    if (SSL_CONF_CTX_finish(cc) != 1 && !result)
        result = refuse(m, m->tls->commands, "ssl_conf_command");
    SSL_CONF_CTX_free(cc);
    SSL_CTX_clear_options(m->c->ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    /* Old versions stay out, whatever was said. */
    if (SSL_CTX_get_min_proto_version(m->c->ctx) < TLS1_2_VERSION)
        SSL_CTX_set_min_proto_version(m->c->ctx, TLS1_2_VERSION);
    return result;
}

/* ---- Clients' certificates ------------------------------------------------------------------- */

/* struct ssl_st: the handshake goes on; tls_judge_client() looks at the outcome. */
static int verified(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

/*
 * Reads a file of certificates or lists of revoked ones into a store. sent: and names the issuers.
 */
static int load_store(const struct making *m, const struct tls_word *file, const char *what,
                      bool sent)
{
    X509_STORE *store = SSL_CTX_get_cert_store(m->c->ctx);
    STACK_OF(X509_INFO) *all;
    size_t size;
    char *text;
    BIO *bio;
    int count = 0;

    if (!file)
        return 0;
    text = tls_read_file(m->conf, file, what, &size);
    if (!text)
        return -1;
    /* A change in here ends the sessions that were begun under other rules. */
    must(EVP_DigestUpdate(m->seed, text, size));
    bio = BIO_new_mem_buf(text, (int)size);
    AN(bio != NULL);
    ERR_clear_error();
    all = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
    for (int i = 0; all && i < sk_X509_INFO_num(all); i++) {
        const X509_INFO *info = sk_X509_INFO_value(all, i);

        count += info->x509 && X509_STORE_add_cert(store, info->x509) == 1;
        count += info->crl && X509_STORE_add_crl(store, info->crl) == 1;
        if (sent && info->x509)
            SSL_CTX_add_client_CA(m->c->ctx, info->x509);
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    BIO_free(bio);
    OPENSSL_free(text);
    return count ? 0 : refuse(m, file, what);
}

/* ssl_verify_client and what it looks at. */
static int set_verify(const struct making *m)
{
    const struct tls_conf *t = m->tls;

    m->c->verify = (enum tls_verify)t->verify;
    if (t->verify == TLS_VERIFY_OFF)
        return 0;
    SSL_CTX_set_verify(m->c->ctx, SSL_VERIFY_PEER, verified);
    SSL_CTX_set_verify_depth(m->c->ctx, (int)t->verify_depth);
    if (load_store(m, t->client_certificate, "ssl_client_certificate", true)
        || load_store(m, t->trusted_certificate, "ssl_trusted_certificate", false)
        || load_store(m, t->crl, "ssl_crl", false))
        return -1;
    if (t->crl)
        X509_STORE_set_flags(SSL_CTX_get_cert_store(m->c->ctx),
                             X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

/* ---- Tickets --------------------------------------------------------------------------------- */

/* Takes a key apart: 48 or 80 bytes, as nginx has them. */
static void parse_ticket_key(struct tls_ticket_key *key, const char *bytes, size_t size)
{
    memcpy(key->name, bytes, 16);
    if (size == 48) {
        key->bits = 128;
        memcpy(key->aes, bytes + 16, 16);
        memcpy(key->hmac, bytes + 32, 16);
    } else {
        key->bits = 256;
        memcpy(key->hmac, bytes + 16, 32);
        memcpy(key->aes, bytes + 48, 32);
    }
}

/* ssl_session_ticket_key file; … */
static int load_ticket_keys(const struct making *m)
{
    size_t count = 0, size;

    for (const struct tls_word *w = m->tls->ticket_keys; w; w = w->next)
        count++;
    if (!count)
        return 0;
    m->c->ticket_keys = mem_zalloc(count * sizeof *m->c->ticket_keys);
    for (const struct tls_word *w = m->tls->ticket_keys; w; w = w->next) {
        char *bytes = tls_read_file(m->conf, w, "ssl_session_ticket_key", &size);

        if (!bytes)
            return -1;
        if (size == 48 || size == 80)
            parse_ticket_key(&m->c->ticket_keys[m->c->ticket_key_count++], bytes, size);
        else
            conf_message(m->conf, SLV_LOG_EMERG, w->node, 1,
                         "\"%.*s\" has %zu bytes, a ticket key must have 48 or 80",
                         STR_ARG(w->text), size);
        OPENSSL_clear_free(bytes, size + 1);
        if (size != 48 && size != 80)
            return -1;
    }
    return 0;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* One pair. 0, or -1 after a message. */
static int load_pair(const struct making *m, struct tls_pair *p, const struct tls_word *w,
                     const struct tls_word *key)
{
    struct tls_material material;
    struct tls_refusal why;

    /* What is changed while it is read is looked at again. */
    tls_pair_changed(p);
    if (tls_read_pair(p, &m->passwords, &material, &why)) {
        conf_message(m->conf, SLV_LOG_EMERG, why.key ? key->node : w->node, 1, "%s", why.text);
        return -1;
    }
    tls_pair_set(p, &material);
    ERR_clear_error();
    if (tls_pairs_use(m->c)) {
        conf_message(m->conf, SLV_LOG_EMERG, w->node, 1, "cannot load certificate \"%.*s\": %s",
                     STR_ARG(w->text), tls_reason());
        return -1;
    }
    return 0;
}

/* Certificates with their keys. All are tried, so that all that is wrong is told. */
static int load_pairs(struct making *m)
{
    const struct tls_word *key = m->tls->keys;
    struct tls_context *c = m->c;
    int result = 0;

    if (m->tls->password_file) {
        m->passwords.text = tls_read_file(m->conf, m->tls->password_file, "ssl_password_file",
                                          &m->passwords.size);
        if (!m->passwords.text)
            return -1;
    }
    for (const struct tls_word *w = m->tls->certificates; w; w = w->next)
        c->pair_count++;
    c->pairs = mem_zalloc(c->pair_count * sizeof *c->pairs);
    c->pair_count = 0;
    for (const struct tls_word *w = m->tls->certificates; w; w = w->next, key = key->next) {
        struct tls_pair *p = &c->pairs[c->pair_count];

        *p = (struct tls_pair){
            .magic = TLS_PAIR_MAGIC, .context = c, .number = (unsigned)c->pair_count++,
            .files = { w->text.p, key->text.p,
                       m->tls->stapling_file ? m->tls->stapling_file->text.p : NULL },
            .warned = INT_MAX, .ask_at = MS_NEVER
        };
        if (load_pair(m, p, w, key))
            result = -1;
    }
    tls_passwords_free(&m->passwords);
    return result ? result : tls_staples_begin(m->conf, c, m->place);
}

/* What sessions must have in common to be resumed, besides the name of the virtual host. */
static void begin_seed(const struct making *m)
{
    int rules[] = { m->tls->verify, (int)m->tls->verify_depth };

    AN(m->seed != NULL);
    must(EVP_DigestInit_ex(m->seed, EVP_sha256(), NULL));
    must(EVP_DigestUpdate(m->seed, rules, sizeof rules));
}

/* struct tls_backend: release */
static void release(void *arg)
{
    struct tls_context *c;

    CAST_OBJ(c, arg, TLS_CONTEXT_MAGIC);
    SSL_CTX_free(c->ctx);
    X509_STORE_free(c->trusted);
    tls_pairs_free(c);
    if (c->ticket_keys)
        explicit_bzero(c->ticket_keys, c->ticket_key_count * sizeof *c->ticket_keys);
    free(c->ticket_keys);
    c->magic = 0;
    free(c);
}

/* struct tls_backend: make */
static struct tls_context *make(struct conf *conf, const struct tls_conf *tls,
                                const struct conf_node *place)
{
    struct tls_context *c = mem_zalloc(sizeof *c);
    struct making m = { .conf = conf, .tls = tls, .place = place, .c = c };
    bool good;

    c->magic = TLS_CONTEXT_MAGIC;
    c->conf = tls;
    c->reject = tls->reject_handshake;
    c->record_max = tls->buffer_size > (int64_t)TLS_RECORD_MAX ? TLS_RECORD_MAX
                                                               : (size_t)tls->buffer_size;
    ERR_clear_error();
    c->ctx = SSL_CTX_new(TLS_server_method());
    m.seed = EVP_MD_CTX_new();
    if (!c->ctx) {
        refuse(&m, NULL, "SSL_CTX_new()");
        good = false;
    } else {
        begin_seed(&m);
        /* All of them, so that all mistakes are told. */
        good = !set_basics(&m);
        good = !load_pairs(&m) && good;
        good = !set_ciphers(&m) && good;
        good = !set_dhparam(&m) && good;
        good = !set_verify(&m) && good;
        good = !load_ticket_keys(&m) && good;
        good = !run_commands(&m) && good;
        tls_set_callbacks(c->ctx);
        must(EVP_DigestFinal_ex(m.seed, c->seed, NULL));
    }
    EVP_MD_CTX_free(m.seed);
    if (good)
        return c;
    release(c);
    return NULL;
}

/* struct tls_backend: linked */
static void linked(const struct config *config)
{
    for (size_t i = 0; i < config->tls_context_count; i++) {
        CHECK_OBJ(config->tls_contexts[i], TLS_CONTEXT_MAGIC);
        config->tls_contexts[i]->index = i;
    }
    tls_pairs_mark_first(config);
}

/* struct tls_backend: identify */
static void identify(struct server *s)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const struct listen_line *line = s->lines;
    uint8_t digest[EVP_MAX_MD_SIZE];

    CHECK_OBJ(s->tls, TLS_CONTEXT_MAGIC);
    AN(md != NULL);
    must(EVP_DigestInit_ex(md, EVP_sha256(), NULL));
    must(EVP_DigestUpdate(md, s->tls->seed, sizeof s->tls->seed));
    must(EVP_DigestUpdate(md, s->name.p, s->name.n));
    /* Servers without a name are told apart by where they listen. */
    if (!s->name.n)
        must(EVP_DigestUpdate(md, line->text.p, line->text.n));
    must(EVP_DigestFinal_ex(md, digest, NULL));
    memcpy(s->tls_id, digest, sizeof s->tls_id);
    EVP_MD_CTX_free(md);
}

/* struct tls_backend: each_certificate */
static void each_certificate(const struct config *config,
                             void (*each)(void *arg, const char *file, const char *names,
                                          int64_t end), void *arg)
{
    char names[512];

    for (const struct tls_pair *p = tls_pair_next_first(config, NULL); p;
         p = tls_pair_next_first(config, p)) {
        tls_pair_names(p, names, sizeof names);
        each(arg, p->files[TLS_FILE_CERTIFICATE], names, p->not_after);
    }
}

void tls_forget(const struct config *config)
{
    for (const struct server *s = config->servers; s; s = s->next) {
        if (!s->tls)
            continue;
        CHECK_OBJ(s->tls, TLS_CONTEXT_MAGIC);
        SSL_CTX_free(s->tls->ctx);
        s->tls->ctx = NULL;
        for (size_t i = 0; i < s->tls->pair_count; i++) {
            EVP_PKEY_free(s->tls->pairs[i].key);
            s->tls->pairs[i].key = NULL;
        }
        if (s->tls->ticket_keys)
            explicit_bzero(s->tls->ticket_keys,
                           s->tls->ticket_key_count * sizeof *s->tls->ticket_keys);
    }
    explicit_bzero(&tls_ticket_ring, sizeof tls_ticket_ring);
}

const struct tls_backend tls_backend = {
    .make = make,
    .release = release,
    .linked = linked,
    .identify = identify,
    .each_certificate = each_certificate,
};
