/*
 * tls.c - the engine: bytes of the wire in and out of OpenSSL, through memory of the worker.
 */
#include "io/tls_ssl.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/core_conf.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * What a fresh connection may send before it hears from the client (RFC 6928, less what records
 * add). A record that is longer cannot be read until a round trip later, so a long answer begins
 * with records of a segment each; what fits as a whole arrives as a whole.
 */
#define FIRST_FLIGHT 13500
#define SMALL_RECORD 1300

/* After such a pause the kernel begins with a small window again, ms. */
#define IDLE_PAUSE 1000

/* Room for what OpenSSL writes in a turn: a batch with its records' overhead. */
#define OUT_ROOM (TLS_BATCH + 32 * 1024)

struct tls_worker tls_worker;

/* ---- The BIO --------------------------------------------------------------------------------- */

/* BIO_meth_set_write_ex(): never blocks, because the caller bounds what is encrypted. */
static int bio_write(BIO *bio, const char *data, size_t size, size_t *written)
{
    struct tls_worker *w = &tls_worker;

    (void)bio;
    if (w->out_size + size > w->out_room) {
        w->out_room = (w->out_size + size) * 2;
        w->out = mem_resize(w->out, w->out_room, 1);
    }
    memcpy(w->out + w->out_size, data, size);
    w->out_size += size;
    *written = size;
    return 1;
}

/* BIO_meth_set_read_ex() */
static int bio_read(BIO *bio, char *data, size_t size, size_t *got)
{
    struct tls_worker *w = &tls_worker;

    BIO_clear_retry_flags(bio);
    *got = size < w->in_left ? size : w->in_left;
    if (!*got) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(data, w->in_at, *got);
    w->in_at += *got;
    w->in_left -= *got;
    return 1;
}

/* BIO_meth_set_ctrl() */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP || command == BIO_CTRL_PUSH
        || command == BIO_CTRL_POP;
}

void tls_worker_start(void)
{
    struct tls_worker *w = &tls_worker;

    AN(w->bio == NULL);
    w->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "selvage");
    AN(w->method != NULL);
    BIO_meth_set_write_ex(w->method, bio_write);
    BIO_meth_set_read_ex(w->method, bio_read);
    BIO_meth_set_ctrl(w->method, bio_ctrl);
    w->bio = BIO_new(w->method);
    AN(w->bio != NULL);
    BIO_set_init(w->bio, 1);
    w->in = mem_alloc(TLS_READ_MAX);
    w->record = mem_alloc(TLS_RECORD_MAX);
    w->file = mem_alloc(TLS_BATCH);
    w->out_room = OUT_ROOM;
    w->out = mem_alloc(w->out_room);
    /* A worker without a master has nobody who gives it keys. */
    if (!tls_ticket_ring.count)
        tls_tickets_rotate();
}

void tls_worker_stop(void)
{
    struct tls_worker *w = &tls_worker;

    if (!w->bio)
        return;
    BIO_free(w->bio);
    BIO_meth_free(w->method);
    free(w->in);
    free(w->record);
    free(w->file);
    free(w->out);
    *w = (struct tls_worker){ 0 };
}

/*
 * Forgets what OpenSSL has noted and nobody has asked for, or it would be taken for what comes
 * next. Clearing wipes all 16 places each time; looking first saves nearly all of that.
 */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

/* ---- A connection ---------------------------------------------------------------------------- */

struct tls *tls_new(const struct listen_addr *at, ms_t deadline)
{
    struct tls *t = mem_zalloc(sizeof *t);

    CHECK_OBJ(at, LISTEN_ADDR_MAGIC);
    AN(tls_worker.bio != NULL);
    t->magic = TLS_MAGIC;
    t->at = at;
    t->server = at->fallback;
    t->deadline = deadline;
    return t;
}

void tls_free(struct tls **pt)
{
    struct tls *t;

    TAKE_OBJ(t, pt, TLS_MAGIC);
    SSL_free(t->ssl);
    free(t->rest);
    t->magic = 0;
    free(t);
}

void tls_begin(struct tls *t)
{
    const struct tls_context *c = t->at->fallback->tls;

    CHECK_OBJ(t, TLS_MAGIC);
    CHECK_OBJ(c, TLS_CONTEXT_MAGIC);
    AN(t->stage == TLS_WAITS);
    t->ssl = SSL_new(c->ctx);
    /* For want of memory only. */
    AN(t->ssl != NULL);
    SSL_set_app_data(t->ssl, t);
    BIO_up_ref(tls_worker.bio);
    BIO_up_ref(tls_worker.bio);
    SSL_set0_rbio(t->ssl, tls_worker.bio);
    SSL_set0_wbio(t->ssl, tls_worker.bio);
    SSL_set_accept_state(t->ssl);
    t->stage = TLS_SHAKES;
}

const struct server *tls_server(const struct tls *t)
{
    CHECK_OBJ(t, TLS_MAGIC);
    return t->server;
}

/* ---- The handshake --------------------------------------------------------------------------- */

void tls_log_failure(struct tls *t, const struct conn *c, const char *what, const char *reason,
                     const char *when)
{
    char client[ADDR_TEXT_MAX];

    t->logged = true;
    client[addr_text(&c->peer, client)] = '\0';
    log_line(core_error_log(core_conf_of(t->server->block)),
             &(struct log_context){ .number = c->number }, SLV_LOG_INFO, 0,
             "%s (%s) while %s, client: %s, server: %.*s", what, reason, when, client,
             STR_ARG(t->at->text));
}

/* Which of our reasons is one of OpenSSL's? */
static enum close_reason reason_of(const struct tls *t, unsigned long error)
{
    if (t->rejected)
        return CLOSE_TLS_REJECTED;
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return CLOSE_TLS_MALFORMED;
    if (ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET)
        return CLOSE_TLS_ALERT;
    switch (ERR_GET_REASON(error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_INAPPROPRIATE_FALLBACK:
        return CLOSE_TLS_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return CLOSE_TLS_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return CLOSE_TLS_ALPN;
    default:
        return CLOSE_TLS_MALFORMED;
    }
}

/* OpenSSL has given up. */
static enum tls_took failed(struct tls *t, const struct conn *c)
{
    unsigned long error = ERR_peek_error();

    tls_worker.in_left = 0;
    if (t->stage == TLS_OPEN) {
        t->why = CLOSE_TLS_ERROR;
        tls_log_failure(t, c, "SSL_read() failed", tls_reason(), "reading client request");
    } else {
        t->why = (uint8_t)reason_of(t, error);
        tls_log_failure(t, c, "SSL_do_handshake() failed", tls_reason(), "SSL handshaking");
    }
    t->stage = TLS_OVER;
    return TLS_TOOK_FAILED;
}

/* Goes on with the handshake. True: it is over. */
static bool shake(struct tls *t, bool *broken)
{
    int rc = SSL_accept(t->ssl);

    *broken = rc != 1 && SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ;
    if (rc != 1)
        return false;
    t->stage = TLS_OPEN;
    t->shaken = true;
    metrics_add(SSL_session_reused(t->ssl) ? COUNTER_TLS_RESUMED : COUNTER_TLS_FULL, 1);
    return true;
}

enum tls_took tls_take(struct tls *t, const struct conn *c, char *buf, size_t room, size_t *got)
{
    bool broken;
    size_t n;

    CHECK_OBJ(t, TLS_MAGIC);
    AN(t->stage == TLS_SHAKES || t->stage == TLS_OPEN);
    *got = 0;
    forget_errors();
    if (t->stage == TLS_SHAKES && !shake(t, &broken))
        return broken ? failed(t, c) : TLS_TOOK;
    while (*got < room && SSL_read_ex(t->ssl, buf + *got, room - *got, &n) == 1) {
        *got += n;
        /* Asked once more, it would allocate a buffer only to see that there is nothing. */
        if (!tls_worker.in_left && !SSL_has_pending(t->ssl))
            return TLS_TOOK;
    }
    /* Read sizes are such that all of it has room: nothing waits in OpenSSL for another turn. */
    AN(*got < room);
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return tls_worker.in_left ? failed(t, c) : TLS_TOOK;
    case SSL_ERROR_ZERO_RETURN:
        tls_worker.in_left = 0;
        return TLS_TOOK_END;
    default:
        return failed(t, c);
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Milliseconds of a clock that costs no system call. */
static uint64_t coarse_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * How long the next record is, with left bytes waiting for it. Of long ones the odd one goes first:
 * it has an answer's head in front of the body's first bytes, which have to be copied together, and
 * all that follow are whole records from where they lie.
 */
static size_t record_size(const struct tls *t, size_t left)
{
    size_t max = t->server->tls->record_max;

    if (t->flight < FIRST_FLIGHT && t->flight + left > FIRST_FLIGHT && max > SMALL_RECORD)
        return left < SMALL_RECORD ? left : SMALL_RECORD;
    return left % max ? left % max : max;
}

/*
 * The next size bytes of the spans: where they lie if they lie together, else gathered. at and
 * done say how far the spans have been used.
 */
static const char *gather(const struct iovec *iov, size_t *at, size_t *done, size_t size)
{
    const char *together = (const char *)iov[*at].iov_base + *done;
    size_t have = 0;

    if (iov[*at].iov_len - *done >= size) {
        *done += size;
        return together;
    }
    AN(size <= TLS_RECORD_MAX);
    while (have < size) {
        size_t n = iov[*at].iov_len - *done;

        if (n > size - have)
            n = size - have;
        memcpy(tls_worker.record + have, (const char *)iov[*at].iov_base + *done, n);
        have += n;
        *done += n;
        if (*done == iov[*at].iov_len && have < size) {
            (*at)++;
            *done = 0;
        }
    }
    return tls_worker.record;
}

/*
 * Encrypts size bytes: one record, or several where the client has asked for short ones (RFC 6066
 * section 4).
 */
static int put_whole(struct tls *t, const char *data, size_t size)
{
    size_t n;

    for (; size; data += n, size -= n) {
        if (SSL_write_ex(t->ssl, data, size, &n) == 1)
            continue;
        log_error(0, "SSL_write() failed: %s", tls_reason());
        t->stage = TLS_OVER;
        return -1;
    }
    return 0;
}

ssize_t tls_put(struct tls *t, const struct iovec *iov, size_t count)
{
    uint64_t now = coarse_now();
    size_t total = 0, put = 0, at = 0, done = 0;

    CHECK_OBJ(t, TLS_MAGIC);
    AN(t->stage == TLS_OPEN);
    for (size_t i = 0; i < count; i++)
        total += iov[i].iov_len;
    if (now - t->wrote >= IDLE_PAUSE)
        t->flight = 0;
    t->wrote = now;
    forget_errors();
    while (put < total && put < TLS_BATCH) {
        size_t size = record_size(t, total - put);

        while (done == iov[at].iov_len) {
            at++;
            done = 0;
        }
        if (put_whole(t, gather(iov, &at, &done, size), size) != 0)
            return -1;
        put += size;
        if (t->flight < FIRST_FLIGHT)
            t->flight += (uint32_t)size;
    }
    return (ssize_t)put;
}

void tls_goodbye(struct tls *t)
{
    CHECK_OBJ(t, TLS_MAGIC);
    if (t->stage == TLS_OPEN) {
        SSL_shutdown(t->ssl);
        forget_errors();
    }
    t->stage = TLS_OVER;
}

/* ---- Clients' certificates ------------------------------------------------------------------- */

/* What optional_no_ca lets pass: nobody here can vouch for it. */
static bool unknown_issuer(long result)
{
    return result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        || result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        || result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        || result == X509_V_ERR_CERT_UNTRUSTED
        || result == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

int tls_judge_client(const struct tls *t, const struct conn *c)
{
    enum tls_verify verify;
    char client[ADDR_TEXT_MAX];
    long result;

    CHECK_OBJ(t, TLS_MAGIC);
    verify = t->server->tls->verify;
    if (verify == TLS_VERIFY_OFF)
        return 0;
    result = SSL_get_verify_result(t->ssl);
    client[addr_text(&c->peer, client)] = '\0';
    if (result != X509_V_OK && !(verify == TLS_VERIFY_OPTIONAL_NO_CA && unknown_issuer(result))) {
        log_info(0, "client SSL certificate verify error: (%ld:%s), client: %s", result,
                 X509_verify_cert_error_string(result), client);
        return 495;
    }
    if (verify == TLS_VERIFY_ON && !SSL_get0_peer_certificate(t->ssl)) {
        log_info(0, "client sent no required SSL certificate, client: %s", client);
        return 496;
    }
    return 0;
}
