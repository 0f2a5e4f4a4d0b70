/*
 * tls_text.c - what can be told about an encrypted connection: the variables $ssl_*.
 */
#include "io/tls_ssl.h"

#include "base/arena.h"
#include "base/check.h"

#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct str not_found = { NULL, 0 };
static const char hex_digits[] = "0123456789abcdef";

/* A text of OpenSSL's; NULL: there is none. */
static struct str text_of(const char *s)
{
    return s ? str_of(s) : not_found;
}

/* What has been written into a BIO, in the arena; frees the BIO. */
static struct str take_bio(BIO *bio, struct arena *arena)
{
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    struct str s = n > 0 ? arena_str(arena, (struct str){ text, (size_t)n }) : not_found;

    BIO_free(bio);
    return s;
}

/* A BIO that gathers in memory. */
static BIO *memory_bio(void)
{
    BIO *bio = BIO_new(BIO_s_mem());

    AN(bio != NULL);
    return bio;
}

/* Bytes as hexadecimal digits. */
static struct str hex(struct arena *arena, const unsigned char *bytes, size_t n)
{
    char *text = arena_alloc(arena, 2 * n + 1);

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = hex_digits[bytes[i] >> 4];
        text[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    return (struct str){ text, 2 * n };
}

/* "0xc02b" */
#define NUMBER_MAX sizeof "0xffff"

/* The name of a cipher; an unknown one has its number, in room. */
static const char *cipher_name(SSL *ssl, const unsigned char *raw, char room[NUMBER_MAX])
{
    const SSL_CIPHER *known = SSL_CIPHER_find(ssl, raw);

    if (known)
        return SSL_CIPHER_get_name(known);
    snprintf(room, NUMBER_MAX, "0x%02x%02x", raw[0], raw[1]);
    return room;
}

/*
 * $ssl_ciphers: what the client offers; unknown ones as numbers. A hello has room for many
 * thousands, so the text is measured first and then written once.
 */
static struct str ciphers(SSL *ssl, struct arena *arena)
{
    char room[NUMBER_MAX], *text, *end;
    unsigned char *raw;
    size_t n, size = 0;

    /* Numbers of two bytes, or three in a hello of SSLv2 form, which nobody sends any more. */
    if (SSL_get0_raw_cipherlist(ssl, NULL) != 2)
        return not_found;
    n = SSL_get0_raw_cipherlist(ssl, &raw);
    for (size_t i = 0; i + 1 < n; i += 2)
        size += strlen(cipher_name(ssl, raw + i, room)) + 1;
    if (!size)
        return not_found;
    end = text = arena_alloc(arena, size);
    for (size_t i = 0; i + 1 < n; i += 2) {
        end = stpcpy(end, cipher_name(ssl, raw + i, room));
        *end++ = ':';
    }
    return (struct str){ text, size - 1 };
}

/* The name of a group. */
static struct str group_name(struct arena *arena, int nid)
{
    if (nid & TLSEXT_nid_unknown)
        return arena_printf(arena, "0x%04x", nid & 0xffff);
    return text_of(OBJ_nid2sn(nid));
}

/* $ssl_curves: the groups that the client offers. */
static struct str curves(SSL *ssl, struct arena *arena)
{
    int nids[64], n = (int)SSL_get1_curves(ssl, NULL);
    struct str list = not_found;

    if (n <= 0 || n > (int)(sizeof nids / sizeof nids[0]))
        return not_found;
    SSL_get1_curves(ssl, nids);
    for (int i = 0; i < n; i++)
        list = arena_printf(arena, "%.*s%s%.*s", STR_ARG(list), list.p ? ":" : "",
                            STR_ARG(group_name(arena, nids[i])));
    return list;
}

/* $ssl_session_id */
static struct str session_id(const SSL *ssl, struct arena *arena)
{
    const SSL_SESSION *session = SSL_get0_session(ssl);
    unsigned n = 0;
    const unsigned char *id = session ? SSL_SESSION_get_id(session, &n) : NULL;

    return id && n ? hex(arena, id, n) : not_found;
}

/* $ssl_alpn_protocol */
static struct str alpn(const SSL *ssl, struct arena *arena)
{
    const unsigned char *name;
    unsigned n;

    SSL_get0_alpn_selected(ssl, &name, &n);
    return n ? arena_str(arena, (struct str){ (const char *)name, n }) : not_found;
}

/* ---- The client's certificate ---------------------------------------------------------------- */

/* $ssl_client_verify */
static struct str client_verify(const struct tls *t, const X509 *cert, struct arena *arena)
{
    long result = SSL_get_verify_result(t->ssl);

    if (t->server->tls->verify == TLS_VERIFY_OFF || !cert)
        return STR("NONE");
    if (result == X509_V_OK)
        return STR("SUCCESS");
    return arena_printf(arena, "FAILED:%s", X509_verify_cert_error_string(result));
}

/* A distinguished name as RFC 2253 writes it. */
static struct str dn(const X509_NAME *name, struct arena *arena)
{
    BIO *bio = memory_bio();

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    return take_bio(bio, arena);
}

/* $ssl_client_serial */
static struct str serial(X509 *cert, struct arena *arena)
{
    BIO *bio = memory_bio();

    i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(cert));
    return take_bio(bio, arena);
}

/* $ssl_client_fingerprint: SHA-1 of the whole, which names it and proves nothing. */
static struct str fingerprint(const X509 *cert, struct arena *arena)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    return X509_digest(cert, EVP_sha1(), digest, &n) == 1 ? hex(arena, digest, n) : not_found;
}

/* $ssl_client_raw_cert: PEM. */
static struct str raw_cert(X509 *cert, struct arena *arena)
{
    BIO *bio = memory_bio();

    PEM_write_bio_X509(bio, cert);
    return take_bio(bio, arena);
}

/* $ssl_client_cert: each line but the first behind a tab, for a field of a message. */
static struct str folded_cert(X509 *cert, struct arena *arena)
{
    struct str raw = raw_cert(cert, arena);
    char *text = arena_alloc(arena, 2 * raw.n + 1);
    size_t n = 0;

    while (raw.n && raw.p[raw.n - 1] == '\n')
        raw.n--;
    for (size_t i = 0; i < raw.n; i++) {
        text[n++] = raw.p[i];
        if (raw.p[i] == '\n')
            text[n++] = '\t';
    }
    return (struct str){ text, n };
}

/* $ssl_client_escaped_cert: percent-encoded. */
static struct str escaped_cert(X509 *cert, struct arena *arena)
{
    static const char upper[] = "0123456789ABCDEF";
    struct str raw = raw_cert(cert, arena);
    char *text = arena_alloc(arena, 3 * raw.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        unsigned char b = (unsigned char)raw.p[i];

        if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9')
            || b == '-' || b == '.' || b == '_' || b == '~') {
            text[n++] = (char)b;
            continue;
        }
        text[n++] = '%';
        text[n++] = upper[b >> 4];
        text[n++] = upper[b & 15];
    }
    return (struct str){ text, n };
}

/* $ssl_client_v_start, $ssl_client_v_end */
static struct str date(const ASN1_TIME *when, struct arena *arena)
{
    BIO *bio = memory_bio();

    ASN1_TIME_print(bio, when);
    return take_bio(bio, arena);
}

/* $ssl_client_v_remain: whole days. */
static struct str remaining(const X509 *cert, struct arena *arena)
{
    int days, seconds;

    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
        return not_found;
    return arena_printf(arena, "%d", days < 0 || seconds < 0 ? 0 : days);
}

/* Those that are about the client's certificate. */
static struct str about_client(const struct tls *t, enum tls_text what, struct arena *arena)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);

    if (what == TLS_TEXT_CLIENT_VERIFY)
        return client_verify(t, cert, arena);
    if (!cert)
        return not_found;
    switch (what) {
    case TLS_TEXT_CLIENT_S_DN:
        return dn(X509_get_subject_name(cert), arena);
    case TLS_TEXT_CLIENT_I_DN:
        return dn(X509_get_issuer_name(cert), arena);
    case TLS_TEXT_CLIENT_SERIAL:
        return serial(cert, arena);
    case TLS_TEXT_CLIENT_FINGERPRINT:
        return fingerprint(cert, arena);
    case TLS_TEXT_CLIENT_CERT:
        return folded_cert(cert, arena);
    case TLS_TEXT_CLIENT_RAW_CERT:
        return raw_cert(cert, arena);
    case TLS_TEXT_CLIENT_ESCAPED_CERT:
        return escaped_cert(cert, arena);
    case TLS_TEXT_CLIENT_V_START:
        return date(X509_get0_notBefore(cert), arena);
    case TLS_TEXT_CLIENT_V_END:
        return date(X509_get0_notAfter(cert), arena);
    case TLS_TEXT_CLIENT_V_REMAIN:
        return remaining(cert, arena);
    default:
        return not_found;
    }
}

struct str tls_text(const struct tls *t, enum tls_text what, struct arena *arena)
{
    CHECK_OBJ(t, TLS_MAGIC);
    AN(t->ssl != NULL && what < TLS_TEXT_COUNT);
    switch (what) {
    case TLS_TEXT_PROTOCOL:
        return text_of(SSL_get_version(t->ssl));
    case TLS_TEXT_CIPHER:
        return text_of(SSL_get_cipher_name(t->ssl));
    case TLS_TEXT_CIPHERS:
        return ciphers(t->ssl, arena);
    case TLS_TEXT_CURVE:
        return group_name(arena, (int)SSL_get_negotiated_group(t->ssl));
    case TLS_TEXT_CURVES:
        return curves(t->ssl, arena);
    case TLS_TEXT_SERVER_NAME:
        return text_of(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
    case TLS_TEXT_ALPN:
        return alpn(t->ssl, arena);
    case TLS_TEXT_SESSION_ID:
        return session_id(t->ssl, arena);
    case TLS_TEXT_SESSION_REUSED:
        return SSL_session_reused(t->ssl) ? STR("r") : STR(".");
    case TLS_TEXT_EARLY_DATA:
        return not_found;
    default:
        return about_client(t, what, arena);
    }
}
