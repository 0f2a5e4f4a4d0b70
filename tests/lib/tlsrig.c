/*
 * tlsrig.c - a real session with TLS on one end of a socket pair, a client on the other.
 */
#include "tlsrig.h"

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "core/module.h"
#include "http/h1.h"
#include "io/loop_ev.h"
#include "io/session.h"
#include "memconn.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* No module is linked in. */
const struct slv_module *const linked_modules[] = { NULL };

char tlsrig_directory[64];
ms_t tlsrig_patience = 60000;

static struct session_host host;
static struct metrics before;      /* the reasons that had been counted */
static struct log_file nowhere_file = { .path = (char[]){ "/dev/null" }, .users = 1 };
static const struct log nowhere = { .level = SLV_LOG_DEBUG, .file = &nowhere_file };
static SSL_CTX *client_ctx;
static struct tlsrig *current;

/* ---- Certificates ---------------------------------------------------------------------------- */

/* Writes a key and a certificate; issuer NULL: signed by itself. Gives back both. */
static void make_pair(const char *name, EVP_PKEY **key, X509 **cert, X509 *issuer,
                      EVP_PKEY *issuer_key)
{
    char path[128];
    X509_NAME *subject;
    FILE *f;

    *cert = X509_new();
    X509_set_version(*cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(*cert), 4711);
    X509_gmtime_adj(X509_getm_notBefore(*cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(*cert), 86400);
    subject = X509_get_subject_name(*cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(*cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509_set_pubkey(*cert, *key);
    if (!issuer) {
        X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");

        X509_add_ext(*cert, ca, -1);
        X509_EXTENSION_free(ca);
    }
    AN(X509_sign(*cert, issuer_key ? issuer_key : *key, EVP_sha256()) > 0);
    snprintf(path, sizeof path, "%s%s.crt", tlsrig_directory, name);
    f = fopen(path, "w");
    PEM_write_X509(f, *cert);
    fclose(f);
    snprintf(path, sizeof path, "%s%s.key", tlsrig_directory, name);
    f = fopen(path, "w");
    PEM_write_PrivateKey(f, *key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

/* All of them. */
static void make_certificates(void)
{
    EVP_PKEY *ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048), *ca = EVP_EC_gen("P-256");
    EVP_PKEY *client = EVP_EC_gen("P-256");
    X509 *ec_cert, *rsa_cert, *ca_cert, *client_cert;

    make_pair("ec", &ec, &ec_cert, NULL, NULL);
    make_pair("rsa", &rsa, &rsa_cert, NULL, NULL);
    make_pair("ca", &ca, &ca_cert, NULL, NULL);
    make_pair("client", &client, &client_cert, ca_cert, ca);
    X509_free(ec_cert);
    X509_free(rsa_cert);
    X509_free(ca_cert);
    X509_free(client_cert);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ca);
    EVP_PKEY_free(client);
}

/* ---- The configuration ----------------------------------------------------------------------- */

/* struct conf_report: write */
static void take_message(void *arg, enum slv_level level, const char *text, const char *detail)
{
    struct memtext *messages = arg;

    (void)level;
    (void)detail;
    if (messages)
        memtext_printf(messages, "%s\n", text);
}

struct config *tlsrig_load(const char *text, struct memtext *messages)
{
    struct conf_report report = { .write = take_message, .arg = messages };
    struct memtext whole = { 0 };
    struct config_source source = {
        .file = "test.conf", .prefix = tlsrig_directory, .tls = &tls_backend
    };
    struct config *config;

    memtext_printf(&whole, "error_log /dev/null; events {} http { access_log off; ");
    for (; *text; text++) {
        if (*text == '@')
            memtext_printf(&whole, "%s", tlsrig_directory);
        else
            memtext_add(&whole, text, 1);
    }
    memtext_printf(&whole, " }");
    source.text = memtext_get(&whole);
    config = config_load(&source, &report);
    memtext_free(&whole);
    return config;
}

/* ---- The server's side ----------------------------------------------------------------------- */

/* struct session_host: closed */
static void on_closed(void *arg)
{
    (void)arg;
}

/* struct session_host: opened */
static void on_opened(struct conn *c, void *arg)
{
    (void)arg;
    current->opened = true;
    current->encrypted = c->tls != NULL;
    current->refuse_with = c->refuse_with;
    /* Where the application looks for itself. */
    c->listen = &current->app;
    conn_upgrade(c, &h1_adapter,
                 h1_new(&memapp_hooks, &current->limits, loop_now(host.loop)));
}

/* loop_before_wait() */
static void before_wait(void *arg)
{
    (void)arg;
}

int tlsrig_begin(void)
{
    snprintf(tlsrig_directory, sizeof tlsrig_directory, "/tmp/selvage-tls-XXXXXX");
    if (!mkdtemp(tlsrig_directory))
        return 1;
    strcat(tlsrig_directory, "/");
    nowhere_file.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_set_default(&nowhere);
    make_certificates();
    tls_worker_start();
    host = (struct session_host){
        .loop = loop_new(), .scratch = malloc(SESSION_SCRATCH),
        .file_scratch = malloc(SESSION_SCRATCH), .closed = on_closed, .opened = on_opened
    };
    list_init(&host.sessions);
    loop_before_wait(host.loop, before_wait, NULL);
    client_ctx = SSL_CTX_new(TLS_client_method());
    return 0;
}

int tlsrig_end(void)
{
    char command[128];

    SSL_CTX_free(client_ctx);
    tls_worker_stop();
    loop_free(&host.loop);
    free(host.scratch);
    free(host.file_scratch);
    log_set_default(NULL);
    close(nowhere_file.fd);
    snprintf(command, sizeof command, "rm -rf %s", tlsrig_directory);
    return system(command) == 0 ? 0 : 1;
}

enum close_reason tlsrig_reason(void)
{
    for (int i = 0; i < CLOSE_COUNT; i++)
        if (metrics_mine->closed[i] != before.closed[i])
            return (enum close_reason)i;
    return CLOSE_NONE;
}

/* ---- The client ------------------------------------------------------------------------------ */

void tlsrig_open(struct tlsrig *r, const struct config *config, void (*setup)(SSL *ssl))
{
    struct tls *tls;
    struct conn *c;
    int ends[2], small = 1;

    *r = (struct tlsrig){
        .at = config->sockets->addrs, .limits = memconn_limits, .budget = SIZE_MAX
    };
    AN(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    r->fd = ends[1];
    r->ssl = SSL_new(client_ctx);
    r->in = BIO_new(BIO_s_mem());
    r->out = BIO_new(BIO_s_mem());
    SSL_set_bio(r->ssl, r->in, r->out);
    SSL_set_connect_state(r->ssl);
    if (setup)
        setup(r->ssl);
    before = *metrics_mine;
    current = r;
    tls = tls_new(r->at, loop_now(host.loop) + tlsrig_patience);
    c = conn_new(&tls_adapter, tls, loop_now(host.loop));
    c->limits = &r->limits.conn;
    c->listen = r->at;
    session_start(&host, ends[0], tls, c);
}

void tlsrig_close(struct tlsrig *r)
{
    tlsrig_hang_up(r);
    sessions_abort(&host, CLOSE_ABORTED);
    /* Or its session would count as broken. */
    SSL_set_shutdown(r->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(r->ssl);
    memtext_free(&r->wire);
    memtext_free(&r->plain);
    memapp_free(&r->app);
}

/* Lets the server do what it can do now. */
static void serve(void)
{
    ev_run(loop_ev(host.loop), EVRUN_NOWAIT);
}

/* Moves what the client has written, a step of it. True: some. */
static bool move_up(struct tlsrig *r)
{
    char buf[4096];
    size_t size = r->step && r->step < sizeof buf ? r->step : sizeof buf;
    ssize_t sent;
    int n;

    if (r->fd < 0 || !r->budget || !BIO_ctrl_pending(r->out))
        return false;
    if (size > r->budget)
        size = r->budget;
    n = BIO_read(r->out, buf, (int)size);
    AN(n > 0);
    do {
        sent = send(r->fd, buf, (size_t)n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            serve();
    } while (sent < 0 && errno == EAGAIN);
    r->sent += (size_t)n;
    if (r->budget != SIZE_MAX)
        r->budget -= (size_t)n;
    return sent > 0;
}

/* Moves what the server has sent, a step of it. True: some. */
static bool move_down(struct tlsrig *r)
{
    char buf[4096];
    size_t size = r->step && r->step < sizeof buf ? r->step : sizeof buf;
    ssize_t n = r->fd < 0 || r->deaf ? -1 : recv(r->fd, buf, size, 0);

    if (!r->deaf && (n == 0 || (n < 0 && errno != EAGAIN)))
        r->server_ended = true;
    if (n <= 0)
        return false;
    memtext_add(&r->wire, buf, (size_t)n);
    AN(BIO_write(r->in, buf, (int)n) == (int)n);
    return true;
}

/* Lets the client look at what it got. True: it has read something. */
static bool look(struct tlsrig *r)
{
    char buf[16384];
    bool any = false;
    int n;

    if (r->broken)
        return false;
    ERR_clear_error();
    while ((n = SSL_read(r->ssl, buf, sizeof buf)) > 0) {
        memtext_add(&r->plain, buf, (size_t)n);
        any = true;
    }
    if (SSL_get_error(r->ssl, n) == SSL_ERROR_SSL) {
        r->broken = true;
        r->error = ERR_peek_error();
    }
    return any;
}

void tlsrig_pump(struct tlsrig *r)
{
    bool moved = true;

    current = r;
    while (moved) {
        moved = look(r);
        moved |= move_up(r);
        serve();
        moved |= move_down(r);
    }
}

void tlsrig_say(struct tlsrig *r, const void *data, size_t n)
{
    tlsrig_pump(r);
    AN(r->broken || SSL_write(r->ssl, data, (int)n) == (int)n);
    tlsrig_pump(r);
}

void tlsrig_ask(struct tlsrig *r, const char *request)
{
    tlsrig_say(r, request, strlen(request));
}

void tlsrig_raw(struct tlsrig *r, const void *data, size_t n)
{
    r->broken = true;
    AN(BIO_write(r->out, data, (int)n) == (int)n);
    tlsrig_pump(r);
}

void tlsrig_shut(struct tlsrig *r)
{
    shutdown(r->fd, SHUT_WR);
    tlsrig_pump(r);
}

void tlsrig_hang_up(struct tlsrig *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    current = r;
    for (int i = 0; i < 3; i++)
        serve();
}

void tlsrig_wait_end(struct tlsrig *r)
{
    current = r;
    while (host.count) {
        ev_run(loop_ev(host.loop), EVRUN_ONCE);
        move_down(r);
    }
    tlsrig_pump(r);
}

size_t tlsrig_records(const struct tlsrig *r, size_t *sizes, size_t max)
{
    const unsigned char *p = (const unsigned char *)r->wire.p;
    size_t left = r->wire.n, count = 0;

    while (left >= 5) {
        size_t n = (size_t)(p[3] << 8 | p[4]);

        if (p[0] == SSL3_RT_APPLICATION_DATA && count < max)
            sizes[count++] = n - (SSL_version(r->ssl) == TLS1_3_VERSION ? 17 : 24);
        if (n + 5 > left)
            break;
        p += n + 5;
        left -= n + 5;
    }
    return count;
}
