/*
 * tls_staple.c - responses of OCSP, stapled to certificates: asked for, verified, kept, sent.
 */
#include "io/tls_ssl.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RESPONSE_MAX 65536         /* bytes */
#define ASK_WITHIN 10              /* seconds, for each request */
#define CLOCK_SKEW 300             /* seconds by which clocks may differ */
#define HOLDS_UNSAID 86400         /* seconds for which a response without an end is used */
#define LEAST_REST 10              /* seconds between two questions that were answered */

/* RFC 7633: the certificate demands the extension of that number in handshakes. */
#define STATUS_REQUEST 5

/* What a kept response begins with. */
#define KEPT "selvage-ocsp 1"

/* ---- Who is asked ---------------------------------------------------------------------------- */

/* The certificate of who has issued that of a pair, with a reference; NULL: it is not known. */
static X509 *issuer_of(const struct tls_pair *p)
{
    X509_STORE *store = p->context->trusted;
    X509_STORE_CTX *look;
    X509 *issuer = NULL;

    for (int i = 0; i < sk_X509_num(p->chain); i++) {
        issuer = sk_X509_value(p->chain, i);
        if (X509_check_issued(issuer, p->leaf) == X509_V_OK) {
            X509_up_ref(issuer);
            return issuer;
        }
    }
    if (!store)
        return NULL;
    look = X509_STORE_CTX_new();
    AN(look != NULL);
    if (X509_STORE_CTX_init(look, store, NULL, NULL) != 1
        || X509_STORE_CTX_get1_issuer(&issuer, look, p->leaf) != 1)
        issuer = NULL;
    X509_STORE_CTX_free(look);
    ERR_clear_error();
    return issuer;
}

/* The responder's URL, from OPENSSL_malloc(); NULL: none is named that can be asked. */
static char *url_of(const struct tls_pair *p)
{
    const struct tls_word *said = p->context->conf->stapling_responder;
    STACK_OF(OPENSSL_STRING) *urls;
    char *url = NULL;

    if (said)
        return OPENSSL_strdup(said->text.p);
    urls = X509_get1_ocsp(p->leaf);
    for (int i = 0; !url && i < sk_OPENSSL_STRING_num(urls); i++)
        if (strncasecmp(sk_OPENSSL_STRING_value(urls, i), "http://", 7) == 0)
            url = OPENSSL_strdup(sk_OPENSSL_STRING_value(urls, i));
    X509_email_free(urls);
    return url;
}

bool tls_staple_wanted(const struct tls_pair *p)
{
    X509 *issuer;
    char *url;
    bool wanted;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    if (!p->context->conf->stapling || p->files[TLS_FILE_STAPLE])
        return false;
    issuer = issuer_of(p);
    url = url_of(p);
    wanted = issuer && url;
    X509_free(issuer);
    OPENSSL_free(url);
    return wanted;
}

bool tls_staple_demanded(const struct tls_pair *p)
{
    TLS_FEATURE *features;
    bool demanded = false;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    features = X509_get_ext_d2i(p->leaf, NID_tlsfeature, NULL, NULL);
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
        demanded |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
    TLS_FEATURE_free(features);
    return demanded;
}

/* ---- What is said ---------------------------------------------------------------------------- */

/* The signature is that of the issuer, or of whom it has empowered, and these are trusted. */
static int check_signature(const struct tls_pair *p, OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *known = sk_X509_dup(p->chain);
    int good;

    AN(store != NULL && known != NULL);
    AN(X509_STORE_add_cert(store, issuer) == 1 && sk_X509_push(known, issuer) > 0);
    good = OCSP_basic_verify(basic, known, store, OCSP_PARTIAL_CHAIN) == 1;
    X509_STORE_free(store);
    if (good && p->context->conf->stapling_verify)
        good = OCSP_basic_verify(basic, known, p->context->trusted, 0) == 1;
    sk_X509_free(known);
    return good ? 0 : -1;
}

/* What a response says of the certificate. *when gets its times. 0, or -1 with why. */
static int judge(OCSP_BASICRESP *basic, OCSP_CERTID *id, struct tls_staple *when, char *why,
                 size_t size)
{
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    int status, reason;

    if (OCSP_resp_find_status(basic, id, &status, &reason, NULL, &from, &until) != 1) {
        snprintf(why, size, "it does not speak of this certificate");
        return -1;
    }
    if (status != V_OCSP_CERTSTATUS_GOOD) {
        snprintf(why, size, "the certificate is \"%s\"%s%s", OCSP_cert_status_str(status),
                 reason >= 0 ? ": " : "", reason >= 0 ? OCSP_crl_reason_str(reason) : "");
        return -1;
    }
    if (OCSP_check_validity(from, until, CLOCK_SKEW, -1) != 1) {
        snprintf(why, size, "%s", tls_reason());
        return -1;
    }
    when->from = tls_seconds(from);
    when->until = until ? tls_seconds(until) : (int64_t)time(NULL) + HOLDS_UNSAID;
    when->refresh = when->from + (when->until - when->from) / 2;
    if (when->refresh < (int64_t)time(NULL) + LEAST_REST)
        when->refresh = (int64_t)time(NULL) + LEAST_REST;
    return 0;
}

/* Whether a response is good for a pair. *staple gets its times. 0, or -1 with why. */
static int check_response(const struct tls_pair *p, OCSP_RESPONSE *response, X509 *issuer,
                          struct tls_staple *staple, char *why, size_t size)
{
    int status = OCSP_response_status(response), result = -1;
    OCSP_BASICRESP *basic;
    OCSP_CERTID *id;

    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        snprintf(why, size, "the responder says \"%s\"", OCSP_response_status_str(status));
        return -1;
    }
    basic = OCSP_response_get1_basic(response);
    id = OCSP_cert_to_id(NULL, p->leaf, issuer);
    AN(id != NULL);
    if (!basic || check_signature(p, basic, issuer))
        snprintf(why, size, "its signature cannot be verified: %s", tls_reason());
    else
        result = judge(basic, id, staple, why, size);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return result;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* A request for one certificate, in memory. */
static BIO *make_request(const struct tls_pair *p, X509 *issuer)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, p->leaf, issuer);
    BIO *bio = BIO_new(BIO_s_mem());

    AN(request != NULL && id != NULL && bio != NULL);
    AN(OCSP_request_add0_id(request, id) != NULL && i2d_OCSP_REQUEST_bio(bio, request) == 1);
    OCSP_REQUEST_free(request);
    return bio;
}

/*
 * Connects. NULL: OpenSSL notes why. OSSL_HTTP_transfer() would try again and again where nobody
 * listens.
 */
static BIO *connect_to(const char *host, const char *port)
{
    BIO *bio = BIO_new(BIO_s_connect());
    time_t end = time(NULL) + ASK_WITHIN;
    int rc;

    AN(bio != NULL);
    BIO_set_conn_hostname(bio, host);
    BIO_set_conn_port(bio, port);
    BIO_set_nbio(bio, 1);
    while ((rc = (int)BIO_do_connect(bio)) <= 0 && BIO_should_retry(bio))
        if (BIO_wait(bio, end, 100) <= 0)
            break;
    if (rc > 0)
        return bio;
    BIO_free_all(bio);
    return NULL;
}

/* Sends it. The response, or NULL with why. */
static OCSP_RESPONSE *send_request(const char *url, BIO *request, char *why, size_t size)
{
    char *host = NULL, *port = NULL, *path = NULL;
    OCSP_RESPONSE *response = NULL;
    BIO *answer = NULL, *bio = NULL;
    int ssl = 0;

    ERR_clear_error();
    if (OSSL_HTTP_parse_url(url, &ssl, NULL, &host, &port, NULL, &path, NULL, NULL) == 1 && !ssl)
        bio = connect_to(host, port);
    if (bio)
        answer = OSSL_HTTP_transfer(NULL, host, port, path, 0, NULL, NULL, bio, NULL, NULL, NULL,
                                    0, NULL, "application/ocsp-request", request,
                                    "application/ocsp-response", 1, RESPONSE_MAX, ASK_WITHIN, 0);
    if (answer)
        response = d2i_OCSP_RESPONSE_bio(answer, NULL);
    if (!response)
        snprintf(why, size, "%s", tls_reason());
    BIO_free(answer);
    BIO_free_all(bio);
    OPENSSL_free(host);
    OPENSSL_free(port);
    OPENSSL_free(path);
    return response;
}

int tls_staple_ask(const struct tls_pair *p, struct tls_staple *staple, char *why, size_t size)
{
    X509 *issuer = issuer_of(p);
    char *url = url_of(p), text[256];
    OCSP_RESPONSE *response;
    BIO *request;
    int result = -1, n;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    AN(issuer != NULL && url != NULL);
    *staple = (struct tls_staple){ .der = NULL };
    request = make_request(p, issuer);
    response = send_request(url, request, text, sizeof text);
    if (response && !check_response(p, response, issuer, staple, text, sizeof text)) {
        n = i2d_OCSP_RESPONSE(response, &staple->der);
        AN(n > 0);
        staple->size = (size_t)n;
        result = 0;
    }
    if (result)
        snprintf(why, size, "no good OCSP response for \"%s\" from \"%s\": %s",
                 p->files[TLS_FILE_CERTIFICATE], url, text);
    OCSP_RESPONSE_free(response);
    BIO_free(request);
    X509_free(issuer);
    OPENSSL_free(url);
    return result;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The pair whose certificate a handshake has chosen, or NULL. */
static const struct tls_pair *chosen(SSL *ssl, const struct tls_context *c)
{
    X509 *leaf = SSL_get_certificate(ssl);

    for (size_t i = 0; leaf && i < c->pair_count; i++)
        if (c->pairs[i].leaf == leaf)
            return &c->pairs[i];
    return NULL;
}

/* SSL_CTX_set_tlsext_status_cb() */
static int on_status(SSL *ssl, void *arg)
{
    const struct tls *t;
    const struct tls_pair *p;
    unsigned char *copy;

    (void)arg;
    CAST_OBJ(t, SSL_get_app_data(ssl), TLS_MAGIC);
    p = chosen(ssl, t->server->tls);
    if (!p || !p->staple.der || (int64_t)time(NULL) >= p->staple.until)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(p->staple.der, p->staple.size);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)p->staple.size);
    return SSL_TLSEXT_ERR_OK;
}

void tls_staple_set(struct tls_pair *p, const struct tls_staple *staple)
{
    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    OPENSSL_free(p->staple.der);
    p->staple = *staple;
}

/* ---- Keeping --------------------------------------------------------------------------------- */

/* The name of the file for a pair: by the certificate. False: it is too long. */
static bool name_kept(const struct tls_pair *p, const char *suffix, char name[PATH_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned size = 0;
    int n;

    AN(X509_digest(p->leaf, EVP_sha256(), digest, &size) == 1);
    for (unsigned i = 0; i < size; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
    n = snprintf(name, PATH_MAX, "%s/%s.ocsp%s", p->context->conf->stapling_cache.p, hex, suffix);
    return n > 0 && n < PATH_MAX;
}

/* Keeps the response of a pair over restarts. 0, or -1 with errno. */
static int keep(const struct tls_pair *p)
{
    char name[PATH_MAX], fresh[PATH_MAX];
    FILE *file;
    bool good;

    errno = ENAMETOOLONG;
    if (!name_kept(p, "", name) || !name_kept(p, ".new", fresh))
        return -1;
    if (mkdir(p->context->conf->stapling_cache.p, 0755) != 0 && errno != EEXIST)
        return -1;
    file = fopen(fresh, "we");
    if (!file)
        return -1;
    good = fprintf(file, KEPT " %lld %lld %lld %zu\n", (long long)p->staple.from,
                   (long long)p->staple.until, (long long)p->staple.refresh, p->staple.size) > 0
        && fwrite(p->staple.der, 1, p->staple.size, file) == p->staple.size;
    good = fclose(file) == 0 && good;
    if (good && rename(fresh, name) == 0)
        return 0;
    unlink(fresh);
    return -1;
}

int tls_staple_put(struct tls_pair *p, const unsigned char *der, size_t size, int64_t from,
                   int64_t until, int64_t refresh)
{
    struct tls_staple staple = { OPENSSL_memdup(der, size), size, from, until, refresh };

    AN(staple.der != NULL);
    tls_staple_set(p, &staple);
    return keep(p);
}

/* Reads what is kept. False: it is none, or has had its time. */
static bool read_kept(FILE *file, struct tls_staple *staple)
{
    long long from, until, refresh;
    size_t size;
    char newline;

    if (fscanf(file, KEPT " %lld %lld %lld %zu%c", &from, &until, &refresh, &size, &newline) != 5
        || newline != '\n' || !size || size > RESPONSE_MAX || until <= (long long)time(NULL))
        return false;
    staple->der = OPENSSL_malloc(size);
    AN(staple->der != NULL);
    staple->size = size;
    staple->from = from;
    staple->until = until;
    staple->refresh = refresh;
    if (fread(staple->der, 1, size, file) == size && getc(file) == EOF)
        return true;
    OPENSSL_free(staple->der);
    return false;
}

void tls_staple_recall(struct tls_pair *p)
{
    struct tls_staple staple;
    char name[PATH_MAX];
    FILE *file = name_kept(p, "", name) ? fopen(name, "re") : NULL;

    if (!file)
        return;
    if (read_kept(file, &staple))
        tls_staple_set(p, &staple);
    fclose(file);
}

void tls_staple_discard(const struct tls_pair *p)
{
    char name[PATH_MAX];

    if (p->context->conf->stapling && !p->files[TLS_FILE_STAPLE] && name_kept(p, "", name))
        unlink(name);
}

int tls_staple_read(struct tls_pair *p, char *why, size_t size)
{
    struct tls_staple staple = { .der = NULL };
    X509 *issuer = issuer_of(p);
    OCSP_RESPONSE *response = NULL;
    char *text = tls_slurp(p->files[TLS_FILE_STAPLE], &staple.size);
    const unsigned char *at = (const unsigned char *)text;
    int result = -1;

    if (!text)
        snprintf(why, size, "%s", strerror(errno));
    else if (!issuer)
        snprintf(why, size, "the certificate of its issuer is neither behind that in \"%s\" nor in "
                 "\"ssl_trusted_certificate\"", p->files[TLS_FILE_CERTIFICATE]);
    else if (!(response = d2i_OCSP_RESPONSE(NULL, &at, (long)staple.size)))
        snprintf(why, size, "%s", tls_reason());
    else
        result = check_response(p, response, issuer, &staple, why, size);
    OCSP_RESPONSE_free(response);
    X509_free(issuer);
    if (result) {
        OPENSSL_free(text);
        return -1;
    }
    staple.der = (unsigned char *)text;
    tls_staple_set(p, &staple);
    return 0;
}

/* ---- While the configuration is read --------------------------------------------------------- */

/* Who may sign: ssl_trusted_certificate, or whom the system trusts. 0, or -1 after a message. */
static int load_trusted(struct conf *conf, struct tls_context *c)
{
    const struct tls_word *file = c->conf->trusted_certificate;
    size_t size;
    char *text;
    BIO *bio;
    X509 *certificate;

    c->trusted = X509_STORE_new();
    AN(c->trusted != NULL);
    if (!file)
        return X509_STORE_set_default_paths(c->trusted) == 1 ? 0 : -1;
    text = tls_read_file(conf, file, "ssl_trusted_certificate", &size);
    if (!text)
        return -1;
    bio = BIO_new_mem_buf(text, (int)size);
    AN(bio != NULL);
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        X509_STORE_add_cert(c->trusted, certificate);
        X509_free(certificate);
    }
    ERR_clear_error();
    BIO_free(bio);
    OPENSSL_free(text);
    return 0;
}

/* What one pair has, or lacks. 0, or -1 after a message. */
static int begin(struct conf *conf, struct tls_pair *p, const struct conf_node *place)
{
    const struct tls_conf *t = p->context->conf;
    const char *file = p->files[TLS_FILE_CERTIFICATE];
    char why[512];

    if (t->stapling_file) {
        if (!tls_staple_read(p, why, sizeof why))
            return 0;
        conf_message(conf, SLV_LOG_EMERG, t->stapling_file->node, 1,
                     "cannot use \"ssl_stapling_file\" \"%.*s\": %s",
                     STR_ARG(t->stapling_file->text), why);
        return -1;
    }
    if (t->stapling && !tls_staple_wanted(p)) {
        X509 *issuer = issuer_of(p);

        conf_message(conf, SLV_LOG_WARN, place, 0, issuer
                     ? "\"ssl_stapling\" is ignored, the certificate \"%s\" names no OCSP responder"
                     : "\"ssl_stapling\" is ignored, the issuer of the certificate \"%s\" is "
                     "neither behind it nor in \"ssl_trusted_certificate\"", file);
        X509_free(issuer);
    } else if (t->stapling) {
        tls_staple_recall(p);
    }
    if (tls_staple_demanded(p) && !p->staple.der)
        conf_message(conf, SLV_LOG_WARN, place, 0, t->stapling
                     ? "the certificate \"%s\" demands an OCSP response, and there is none yet: "
                     "the first clients may refuse it"
                     : "the certificate \"%s\" demands an OCSP response, but there is no "
                     "\"ssl_stapling\": clients may refuse it", file);
    return 0;
}

int tls_staples_begin(struct conf *conf, struct tls_context *c, const struct conf_node *place)
{
    int result = 0;

    CHECK_OBJ(c, TLS_CONTEXT_MAGIC);
    if ((c->conf->stapling || c->conf->stapling_file) && load_trusted(conf, c))
        return -1;
    for (size_t i = 0; i < c->pair_count; i++)
        if (begin(conf, &c->pairs[i], place))
            result = -1;
    if (c->conf->stapling || c->conf->stapling_file)
        SSL_CTX_set_tlsext_status_cb(c->ctx, on_status);
    return result;
}
