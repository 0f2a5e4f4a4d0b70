/*
 * tls_select.c - what OpenSSL asks in a handshake: which host, which protocol, which ticket key.
 *
 * The host is chosen as soon as the ClientHello has been read, before OpenSSL looks at tickets,
 * versions or ciphers: then a ticket of another virtual host is not taken, and everything that a
 * server says about TLS is in force and not just its certificate.
 */
#include "io/tls_ssl.h"

#include "base/check.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* RFC 6066: one byte of type, two of length, the name. */
#define NAME_MAX_SIZE 255

/* What the servers of an address speak, best first, as RFC 7301 writes it. */
static const unsigned char protocols[] = "\x08http/1.1\x08http/1.0";

/* The connection that a callback is about. */
static struct tls *tls_of(const SSL *ssl)
{
    struct tls *t;

    CAST_OBJ(t, SSL_get_app_data(ssl), TLS_MAGIC);
    return t;
}

/* The host name in a server_name extension, in lower case, in buf; .n 0: there is none. */
static struct str asked_name(SSL *ssl, char buf[NAME_MAX_SIZE])
{
    const unsigned char *p;
    struct str name = { buf, 0 };
    size_t n, size;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1)
        return name;
    if (n < 5 || (size_t)(p[0] << 8 | p[1]) != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name)
        return name;
    size = (size_t)(p[3] << 8 | p[4]);
    if (size > n - 5 || size > NAME_MAX_SIZE || memchr(p + 5, 0, size))
        return name;
    for (size_t i = 0; i < size; i++)
        buf[i] = str_lower((char)p[5 + i]);
    name.n = size;
    /* "example.org." is the same host. */
    if (name.n && buf[name.n - 1] == '.')
        name.n--;
    return name;
}

/* What SSL_set_SSL_CTX() leaves as the first context had it. */
static int adopt(SSL *ssl, const struct tls_context *c)
{
    if (!SSL_set_SSL_CTX(ssl, c->ctx))
        return -1;
    SSL_clear_options(ssl, SSL_get_options(ssl) & ~SSL_CTX_get_options(c->ctx));
    SSL_set_options(ssl, SSL_CTX_get_options(c->ctx));
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(c->ctx), SSL_CTX_get_verify_callback(c->ctx));
    SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(c->ctx));
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(c->ctx));
    if (SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(c->ctx)) != 1
        || SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(c->ctx)) != 1)
        return -1;
    if (SSL_set_ciphersuites(ssl, c->ciphersuites ? c->ciphersuites
                                                  : TLS_DEFAULT_CIPHERSUITES) != 1)
        return -1;
    return SSL_set1_curves_list(ssl, c->curves) == 1 ? 0 : -1;
}

/*
 * Sessions are resumed where virtual host and name are the same: OpenSSL compares this with what
 * the ticket has. The name's part guards nothing but keeps $ssl_server_name right.
 */
static int set_session_id(SSL *ssl, const struct server *s, struct str name)
{
    unsigned char id[TLS_ID_SIZE + sizeof(uint32_t)];
    uint32_t hash = table_hash(name);

    memcpy(id, s->tls_id, TLS_ID_SIZE);
    memcpy(id + TLS_ID_SIZE, &hash, sizeof hash);
    return SSL_set_session_id_context(ssl, id, sizeof id) == 1 ? 0 : -1;
}

/* SSL_client_hello_cb_fn: chooses the virtual host, as a Host field would. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    struct tls *t = tls_of(ssl);
    const struct tls_context *c;
    char buf[NAME_MAX_SIZE];
    struct str name = asked_name(ssl, buf);

    (void)arg;
    t->server = vhosts_find(t->at, name, NULL);
    c = t->server->tls;
    CHECK_OBJ(c, TLS_CONTEXT_MAGIC);
    if (c->reject) {
        t->rejected = true;
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if ((c != t->at->fallback->tls && adopt(ssl, c)) || set_session_id(ssl, t->server, name)
        || (c->retyped && tls_pairs_give(ssl, c))) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/*
 * SSL_CTX_set_cert_cb(): a session begins. OpenSSL gives it the time of the context that the
 * connection began with, whatever host has been chosen since.
 */
static int on_session(SSL *ssl, void *arg)
{
    const struct tls_context *c = tls_of(ssl)->server->tls;
    SSL_SESSION *session = SSL_get_session(ssl);

    (void)arg;
    AN(session != NULL);
    SSL_SESSION_set_timeout(session, (long)(c->conf->session_timeout / 1000));
    return 1;
}

/* SSL_CTX_alpn_select_cb_func */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, protocols,
                              sizeof protocols - 1, in, in_size) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- Tickets --------------------------------------------------------------------------------- */

/* Ciphers are looked up by name, which is dear; once is enough. */
static const EVP_CIPHER *cipher_of(const struct tls_ticket_key *key)
{
    static EVP_CIPHER *aes128, *aes256;

    if (!aes256) {
        aes128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
        aes256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    }
    return key->bits == 128 ? aes128 : aes256;
}

/* Gives OpenSSL a key: for sealing if encrypt. */
static int use_key(const struct tls_ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, bool encrypt)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->hmac,
                                          key->bits == 128 ? 16 : 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()
    };

    if (EVP_CipherInit_ex(cipher, cipher_of(key), NULL, key->aes, iv, encrypt) != 1)
        return -1;
    return EVP_MAC_CTX_set_params(mac, params) == 1 ? 0 : -1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb() */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    const struct tls_context *c = tls_of(ssl)->server->tls;
    const struct tls_ticket_key *keys = c->ticket_keys ? c->ticket_keys : tls_ticket_ring.keys;
    size_t count = c->ticket_keys ? c->ticket_key_count : tls_ticket_ring.count, i = 0;

    if (!count)
        return 0;
    if (encrypt) {
        memcpy(name, keys[0].name, sizeof keys[0].name);
        if (RAND_bytes(iv, 16) != 1)
            return -1;
        return use_key(&keys[0], iv, cipher, mac, true) ? -1 : 1;
    }
    while (i < count && memcmp(name, keys[i].name, sizeof keys[i].name) != 0)
        i++;
    if (i == count)
        return 0;
    if (use_key(&keys[i], iv, cipher, mac, false))
        return -1;
    /* 2: and give a new one. Clients use a ticket of 1.3 once, so they always get another. */
    return i > 0 || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
}

void tls_set_callbacks(SSL_CTX *ctx)
{
    AN(ctx != NULL);
    SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
    SSL_CTX_set_cert_cb(ctx, on_session, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
