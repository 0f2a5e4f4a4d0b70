/*
 * test_tls.c - TLS on a session: handshakes in all cuts, records, ends, and what goes wrong.
 */
#include "base/check.h"
#include "base/close.h"
#include "base/metrics.h"
#include "suite.h"
#include "test_tls.h"
#include "tlsrig.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static const char usual[] =
    "server { listen 8443 ssl; ssl_certificate @ec.crt; ssl_certificate_key @ec.key; }";

static const char get_root[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/* The usual configuration; the test fails without it. */
static struct config *load(const char *text)
{
    struct memtext messages = { 0 };
    struct config *config = tlsrig_load(text, &messages);

    SUITE_CHECK(config != NULL, "%s", memtext_get(&messages));
    AN(config != NULL);
    memtext_free(&messages);
    return config;
}

/* Speaks 1.2. */
static void only_12(SSL *ssl)
{
    SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
}

/* What the client has got ends with this. */
static bool got_end(const struct tlsrig *r, const char *end)
{
    size_t n = strlen(end);

    return r->plain.n >= n && memcmp(r->plain.p + r->plain.n - n, end, n) == 0;
}

/* How many answers with that status it has got. */
static unsigned answers(const struct tlsrig *r, const char *status)
{
    unsigned n = 0;

    for (const char *p = memtext_get(&r->plain); (p = strstr(p, status)); p++)
        n++;
    return n;
}

/* ---- Handshakes ------------------------------------------------------------------------------ */

/* Both versions, whole and in pieces of each small size. */
static void test_pieces(void)
{
    struct config *config = load(usual);

    for (size_t step = 0; step < 8; step++) {
        for (int v = 0; v < 2; v++) {
            struct tlsrig r;

            tlsrig_open(&r, config, v ? only_12 : NULL);
            r.step = step;
            tlsrig_ask(&r, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
            SUITE_CHECK(got_end(&r, "hello") && r.encrypted, "step %zu, %s: %s", step,
                        SSL_get_version(r.ssl), memtext_get(&r.plain));
            CU_ASSERT_EQUAL(SSL_version(r.ssl), v ? TLS1_2_VERSION : TLS1_3_VERSION);
            CU_ASSERT_EQUAL(r.refuse_with, 0);
            tlsrig_ask(&r, get_root);
            CU_ASSERT_TRUE(got_end(&r, "ok"));
            tlsrig_close(&r);
        }
    }
    config_free(&config);
}

/* The client goes away after each byte: always the same end, and counted. */
static void test_cut_everywhere(void)
{
    struct config *config = load(usual);

    for (int v = 0; v < 2; v++) {
        for (size_t cut = 0;; cut++) {
            uint64_t failed = metrics_mine->counter[COUNTER_TLS_FAILED];
            struct tlsrig r;
            bool whole;

            tlsrig_open(&r, config, v ? only_12 : NULL);
            r.budget = cut;
            tlsrig_pump(&r);
            whole = r.opened;
            tlsrig_hang_up(&r);
            if (!whole) {
                SUITE_CHECK(tlsrig_reason() == CLOSE_TLS_CUT
                            || tlsrig_reason() == CLOSE_CLIENT_CLOSED, "cut at %zu: %s", cut,
                            close_token(tlsrig_reason()));
                CU_ASSERT_EQUAL(metrics_mine->counter[COUNTER_TLS_FAILED], failed + 1);
            }
            tlsrig_close(&r);
            if (whole)
                break;
            AN(cut < 5000);
        }
    }
    config_free(&config);
}

/* Each byte of a ClientHello is changed: the handshake fails or not, and the server lives on. */
static void test_mangled(void)
{
    struct config *config = load(usual);
    unsigned refused = 0;

    for (size_t at = 0; at < 200; at++) {
        unsigned char hello[2048];
        struct tlsrig r;
        int n;

        tlsrig_open(&r, config, NULL);
        SSL_do_handshake(r.ssl);
        n = BIO_read(r.out, hello, sizeof hello);
        AN(n > 200);
        hello[at] ^= 0x15;
        tlsrig_raw(&r, hello, (size_t)n);
        tlsrig_hang_up(&r);
        refused += tlsrig_reason() >= CLOSE_TLS_VERSION && tlsrig_reason() <= CLOSE_TLS_MALFORMED;
        CU_ASSERT_NOT_EQUAL(tlsrig_reason(), CLOSE_NONE);
        tlsrig_close(&r);
    }
    CU_ASSERT_TRUE(refused > 20);
    config_free(&config);
}

/* Plain HTTP on the port is heard, marked, and answered without TLS; in all cuts. */
static void test_plain(void)
{
    struct config *config = load(usual);

    for (size_t step = 0; step < 4; step++) {
        uint64_t plain = metrics_mine->counter[COUNTER_TLS_PLAIN];
        struct tlsrig r;

        tlsrig_open(&r, config, NULL);
        r.step = step;
        tlsrig_raw(&r, get_root, sizeof get_root - 1);
        CU_ASSERT_TRUE(r.opened && !r.encrypted);
        CU_ASSERT_EQUAL(r.refuse_with, 497);
        CU_ASSERT_PTR_NOT_NULL(strstr(memtext_get(&r.wire), "HTTP/1.1 200"));
        CU_ASSERT_EQUAL(metrics_mine->counter[COUNTER_TLS_PLAIN], plain);
        tlsrig_close(&r);
    }
    config_free(&config);
}

/* ---- What goes wrong ------------------------------------------------------------------------- */

/* Speaks 1.0 and 1.1. */
static void old_version(SSL *ssl)
{
    SSL_set_security_level(ssl, 0);
    SSL_set_min_proto_version(ssl, TLS1_VERSION);
    SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
}

/* Speaks 1.2 with a cipher that is not among ours. */
static void weak_cipher(SSL *ssl)
{
    only_12(ssl);
    SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-SHA");
}

/* Has a group that is not among ours. */
static void strange_group(SSL *ssl)
{
    SSL_set1_groups_list(ssl, "P-521");
}

/* Offers a protocol that nobody speaks. */
static void strange_protocol(SSL *ssl)
{
    SSL_set_alpn_protos(ssl, (const unsigned char *)"\x03" "foo", 4);
}

/* Verifies our certificate, and knows no issuer. */
static void trusts_nobody(SSL *ssl)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

/* Asks for a host that is closed. */
static void unknown_name(SSL *ssl)
{
    SSL_set_tlsext_host_name(ssl, "other.example");
}

/* Each kind of failure has its reason, and the client is told by an alert before the end. */
static void test_reasons(void)
{
    static const char narrow[] =
        "ssl_certificate @ec.crt; ssl_certificate_key @ec.key; ssl_ecdh_curve X25519;"
        "server { listen 8443 ssl; server_name good.example; }"
        "server { listen 8443 ssl; server_name other.example; ssl_reject_handshake on; }";
    static const struct {
        const char *what;
        void (*setup)(SSL *ssl);
        enum close_reason reason;
        int alert;                 /* what the client hears; 0: it speaks itself */
    } rows[] = {
        { "an old version", old_version, CLOSE_TLS_VERSION, SSL_AD_PROTOCOL_VERSION },
        { "a weak cipher", weak_cipher, CLOSE_TLS_CIPHER, SSL_AD_HANDSHAKE_FAILURE },
        { "a group", strange_group, CLOSE_TLS_CIPHER, SSL_AD_HANDSHAKE_FAILURE },
        { "a protocol", strange_protocol, CLOSE_TLS_ALPN, SSL_AD_NO_APPLICATION_PROTOCOL },
        { "an alert", trusts_nobody, CLOSE_TLS_ALERT, 0 },
        { "a name", unknown_name, CLOSE_TLS_REJECTED, SSL_AD_UNRECOGNIZED_NAME },
    };
    struct config *config = load(narrow);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tlsrig r;

        tlsrig_open(&r, config, rows[i].setup);
        tlsrig_pump(&r);
        CU_ASSERT_TRUE(r.broken);
        if (rows[i].alert)
            SUITE_CHECK(ERR_GET_REASON(r.error) == SSL_AD_REASON_OFFSET + rows[i].alert,
                        "%s: %s", rows[i].what, ERR_reason_error_string(r.error));
        tlsrig_hang_up(&r);
        SUITE_CHECK(tlsrig_reason() == rows[i].reason, "%s: %s", rows[i].what,
                    close_token(tlsrig_reason()));
        tlsrig_close(&r);
    }
    config_free(&config);
}

/* A client that says nothing, or too little, is let go when the time is over. */
static void test_deadline(void)
{
    struct config *config = load(usual);

    tlsrig_patience = 1;
    for (size_t budget = 0; budget <= 100; budget += 100) {
        uint64_t failed = metrics_mine->counter[COUNTER_TLS_FAILED];
        struct tlsrig r;

        tlsrig_open(&r, config, NULL);
        r.budget = budget;
        tlsrig_pump(&r);
        tlsrig_wait_end(&r);
        CU_ASSERT_EQUAL(tlsrig_reason(), CLOSE_TLS_TIMEOUT);
        CU_ASSERT_EQUAL(metrics_mine->counter[COUNTER_TLS_FAILED], failed + 1);
        tlsrig_close(&r);
    }
    tlsrig_patience = 60000;
    config_free(&config);
}

/* A client of TLS 1.2 that wants another handshake does not get one. */
static void test_renegotiation(void)
{
    struct config *config = load(usual);
    uint64_t full;
    struct tlsrig r;

    tlsrig_open(&r, config, only_12);
    tlsrig_ask(&r, get_root);
    CU_ASSERT_TRUE(got_end(&r, "ok"));
    full = metrics_mine->counter[COUNTER_TLS_FULL];
    CU_ASSERT_EQUAL(SSL_renegotiate(r.ssl), 1);
    SSL_do_handshake(r.ssl);
    tlsrig_pump(&r);
    CU_ASSERT_EQUAL(ERR_GET_REASON(r.error), SSL_R_NO_RENEGOTIATION);
    CU_ASSERT_EQUAL(metrics_mine->counter[COUNTER_TLS_FULL], full);
    tlsrig_close(&r);
    config_free(&config);
}

/* A record that was changed on its way ends the connection: behind an alert there is nothing. */
static void test_bad_record(void)
{
    struct config *config = load(usual);
    unsigned char buf[512];
    struct tlsrig r;
    int n;

    tlsrig_open(&r, config, NULL);
    tlsrig_pump(&r);
    AN(SSL_write(r.ssl, get_root, sizeof get_root - 1) > 0);
    AN(SSL_write(r.ssl, get_root, sizeof get_root - 1) > 0);
    n = BIO_read(r.out, buf, sizeof buf);
    buf[n - 1] ^= 1;
    AN(BIO_write(r.out, buf, n) == n);
    tlsrig_pump(&r);
    CU_ASSERT_EQUAL(r.plain.n, 0);
    CU_ASSERT_EQUAL(ERR_GET_REASON(r.error), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    tlsrig_hang_up(&r);
    CU_ASSERT_EQUAL(tlsrig_reason(), CLOSE_TLS_ERROR);
    tlsrig_close(&r);
    config_free(&config);
}

/* ---- Bodies and records ---------------------------------------------------------------------- */

/* The client has got n bytes of what /file gives, at the end. */
static bool ends_like_file(const struct tlsrig *r, size_t n)
{
    if (r->plain.n <= n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (r->plain.p[r->plain.n - n + i] != memapp_pattern(i + 3))
            return false;
    return true;
}

/* Large bodies both ways through a socket that takes little, to a client that takes less. */
static void test_large(void)
{
    static const size_t steps[] = { 0, 4096, 1000, 37 };
    struct config *config = load(usual);
    size_t size = 300000;
    struct memtext request = { 0 };

    memtext_printf(&request, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", size);
    for (size_t i = 0; i < size; i++) {
        char c = memapp_pattern(i);

        memtext_add(&request, &c, 1);
    }
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            struct tlsrig r;

            tlsrig_open(&r, config, v ? only_12 : NULL);
            r.step = steps[i];
            tlsrig_say(&r, memtext_get(&request), request.n);
            SUITE_CHECK(r.plain.n > size && memcmp(r.plain.p + r.plain.n - size,
                                                   request.p + request.n - size, size) == 0,
                        "step %zu: %zu bytes", steps[i], r.plain.n);
            memtext_clear(&r.plain);
            tlsrig_ask(&r, "GET /file/200001 HTTP/1.1\r\nHost: x\r\n\r\n");
            SUITE_CHECK(ends_like_file(&r, 200001), "file, step %zu: %zu bytes", steps[i],
                        r.plain.n);
            tlsrig_close(&r);
        }
    }
    memtext_free(&request);
    config_free(&config);
}

/* Clears what has come, asks, and gives the records of the answer. */
static size_t ask(struct tlsrig *r, const char *request, size_t *sizes, size_t max)
{
    tlsrig_pump(r);
    memtext_clear(&r->wire);
    memtext_clear(&r->plain);
    tlsrig_ask(r, request);
    return tlsrig_records(r, sizes, max);
}

/*
 * A small answer is one record; a long one begins with small ones, and then they are large: the odd
 * one first, which the head is in.
 */
static void test_records(void)
{
    struct config *config = load(usual);

    for (int v = 0; v < 2; v++) {
        size_t sizes[128], n, small = 0, sum = 0;
        struct tlsrig r;

        tlsrig_open(&r, config, v ? only_12 : NULL);
        n = ask(&r, get_root, sizes, 128);
        CU_ASSERT_EQUAL(n, 1);
        CU_ASSERT_EQUAL(sizes[0], r.plain.n);
        n = ask(&r, "GET /big/9000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        SUITE_CHECK(n == 1 && sizes[0] == r.plain.n, "%zu records", n);
        n = ask(&r, "GET /big/100000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        for (size_t i = 0; i < n; i++) {
            small += sizes[i] <= 1300;
            sum += sizes[i];
        }
        CU_ASSERT_EQUAL(sum, r.plain.n);
        SUITE_CHECK(sizes[0] <= 1300 && small >= 3 && small <= 5 && n <= 12,
                    "%zu small ones of %zu", small, n);
        n = ask(&r, "GET /big/100000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        SUITE_CHECK(n == 7 && sizes[0] == r.plain.n % 16384, "%zu records, the first of %zu", n,
                    sizes[0]);
        for (size_t i = 1; i < n; i++)
            CU_ASSERT_EQUAL(sizes[i], 16384);
        /* More than is encrypted at a time: nothing else is odd. */
        n = ask(&r, "GET /big/300000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        SUITE_CHECK(n == r.plain.n / 16384 + 1 && sizes[0] == r.plain.n % 16384,
                    "%zu records, the first of %zu", n, sizes[0]);
        tlsrig_close(&r);
        /* What is left when the first flight is nearly over is less than a small one. */
        tlsrig_open(&r, config, v ? only_12 : NULL);
        ask(&r, "GET /big/9000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        n = ask(&r, "GET /big/4300 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 128);
        SUITE_CHECK(n == 4 && sizes[3] < 1300 && sizes[0] + sizes[1] + sizes[2] == 3900
                    && sizes[3] + 3900 == r.plain.n, "%zu records, the last of %zu", n,
                    sizes[n - 1]);
        tlsrig_close(&r);
    }
    config_free(&config);
}

/* Wants records of 512 bytes. */
static void short_records(SSL *ssl)
{
    only_12(ssl);
    SSL_set_tlsext_max_fragment_length(ssl, TLSEXT_max_fragment_length_512);
}

/* A client that cannot take long records gets short ones. */
static void test_short_records(void)
{
    struct config *config = load(usual);
    size_t sizes[256], n;
    struct tlsrig r;

    tlsrig_open(&r, config, short_records);
    n = ask(&r, "GET /big/50000 HTTP/1.1\r\nHost: x\r\n\r\n", sizes, 256);
    CU_ASSERT_TRUE(r.plain.n > 50000 && n > 90);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_TRUE(sizes[i] <= 512);
    tlsrig_close(&r);
    config_free(&config);
}

/* New keys again and again, from a client that does not look at what that makes us say. */
static void test_chatter(void)
{
    struct config *config = load(usual);
    struct tlsrig r;
    size_t rounds = 0;

    tlsrig_open(&r, config, NULL);
    r.limits.keepalive_timeout = MS_NEVER / 2;
    tlsrig_ask(&r, get_root);
    r.deaf = true;
    for (; rounds < 40000 && tlsrig_reason() == CLOSE_NONE; rounds++) {
        AN(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
        SSL_do_handshake(r.ssl);
        if (rounds % 64 == 0)
            tlsrig_pump(&r);
    }
    r.deaf = false;
    tlsrig_hang_up(&r);
    SUITE_CHECK(tlsrig_reason() == CLOSE_TLS_ERROR, "%s after %zu",
                close_token(tlsrig_reason()), rounds);
    tlsrig_close(&r);
    config_free(&config);
}

/* A connection at rest keeps no buffer; nothing of the worker's is left over. */
static void test_at_rest(void)
{
    struct config *config = load(usual);
    struct tlsrig r;

    tlsrig_open(&r, config, NULL);
    tlsrig_ask(&r, "GET /big/100000 HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_TRUE(r.plain.n > 100000);
    CU_ASSERT_EQUAL(tls_worker.in_left, 0);
    CU_ASSERT_EQUAL(tls_worker.out_size, 0);
    tlsrig_close(&r);
    config_free(&config);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* close_notify of the client is the end of its input: its request is answered, then ours comes. */
static void test_half_close(void)
{
    struct config *config = load(usual);
    struct tlsrig r;

    tlsrig_open(&r, config, NULL);
    tlsrig_pump(&r);
    AN(SSL_write(r.ssl, "GET /big/200000 HTTP/1.1\r\nHost: x\r\n\r\n", 38) == 38);
    SSL_shutdown(r.ssl);
    tlsrig_pump(&r);
    CU_ASSERT_TRUE(r.plain.n > 200000);
    CU_ASSERT_TRUE(SSL_get_shutdown(r.ssl) & SSL_RECEIVED_SHUTDOWN);
    CU_ASSERT_TRUE(r.server_ended);
    tlsrig_close(&r);
    config_free(&config);
}

/* The end of TCP without close_notify: a request is answered, half a body is none. */
static void test_truncated(void)
{
    struct config *config = load(usual);
    struct tlsrig r;

    tlsrig_open(&r, config, NULL);
    tlsrig_ask(&r, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
    tlsrig_shut(&r);
    CU_ASSERT_EQUAL(r.app.asked, 0);
    CU_ASSERT_EQUAL(tlsrig_reason(), CLOSE_CUT_REQUEST);
    tlsrig_close(&r);
    tlsrig_open(&r, config, NULL);
    tlsrig_ask(&r, get_root);
    tlsrig_shut(&r);
    CU_ASSERT_EQUAL(answers(&r, "HTTP/1.1 200"), 1);
    CU_ASSERT_TRUE(SSL_get_shutdown(r.ssl) & SSL_RECEIVED_SHUTDOWN);
    tlsrig_close(&r);
    config_free(&config);
}

/* The last bytes and close_notify reach a client that reads slowly, in all pieces. */
static void test_close(void)
{
    struct config *config = load(usual);

    for (size_t step = 0; step < 3000; step += 997) {
        struct tlsrig r;

        tlsrig_open(&r, config, NULL);
        r.step = step;
        tlsrig_ask(&r, "GET /big/100000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        CU_ASSERT_TRUE(r.plain.n > 100000);
        CU_ASSERT_TRUE(SSL_get_shutdown(r.ssl) & SSL_RECEIVED_SHUTDOWN);
        CU_ASSERT_TRUE(r.server_ended);
        CU_ASSERT_EQUAL(tlsrig_reason(), CLOSE_DONE);
        tlsrig_close(&r);
    }
    config_free(&config);
}

/* An answer that breaks off ends without close_notify: it must not look whole. */
static void test_broken_answer(void)
{
    struct config *config = load(usual);
    struct tlsrig r;

    tlsrig_open(&r, config, NULL);
    tlsrig_ask(&r, "GET /short/1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_TRUE(r.plain.n > 900);
    CU_ASSERT_FALSE(SSL_get_shutdown(r.ssl) & SSL_RECEIVED_SHUTDOWN);
    CU_ASSERT_TRUE(r.server_ended);
    tlsrig_close(&r);
    config_free(&config);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static SSL_SESSION *session;
static const char *name_asked;
static bool in_12;

/* Resumes session under name_asked. */
static void resuming(SSL *ssl)
{
    if (in_12)
        only_12(ssl);
    SSL_set_tlsext_host_name(ssl, name_asked);
    if (session)
        SSL_set_session(ssl, session);
}

/* Connects, keeps the session; true: it was resumed. */
static bool connect_as(const struct config *config, const char *name)
{
    struct tlsrig r;
    bool reused;

    name_asked = name;
    tlsrig_open(&r, config, resuming);
    tlsrig_ask(&r, get_root);
    CU_ASSERT_TRUE(got_end(&r, "ok"));
    reused = SSL_session_reused(r.ssl);
    SSL_SESSION_free(session);
    session = SSL_get1_session(r.ssl);
    tlsrig_close(&r);
    return reused;
}

/* Tickets are good at their own virtual host, also one rotation and one configuration later. */
static void test_resumption(void)
{
    static const char two[] =
        "ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
        "server { listen 8443 ssl; server_name one.example; }"
        "server { listen 8443 ssl; server_name two.example; }";
    struct config *config = load(two), *later = load(two);

    for (int v = 0; v < 2; v++) {
        in_12 = v;
        session = NULL;
        CU_ASSERT_FALSE(connect_as(config, "one.example"));
        CU_ASSERT_TRUE(connect_as(config, "one.example"));
        CU_ASSERT_TRUE(connect_as(later, "one.example"));
        tls_tickets_rotate();
        CU_ASSERT_TRUE(connect_as(config, "one.example"));
        tls_tickets_rotate();
        CU_ASSERT_TRUE(connect_as(config, "one.example"));
        tls_tickets_rotate();
        tls_tickets_rotate();
        CU_ASSERT_FALSE(connect_as(config, "one.example"));
        CU_ASSERT_FALSE(connect_as(config, "two.example"));
        CU_ASSERT_TRUE(connect_as(config, "two.example"));
        SSL_SESSION_free(session);
        session = NULL;
    }
    config_free(&config);
    config_free(&later);
}

/* Each virtual host says how long its sessions last, also one that is not the address's first. */
static void test_timeouts(void)
{
    struct config *config = load(
        "ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
        "server { listen 8443 ssl; server_name one.example; ssl_session_timeout 1d; }"
        "server { listen 8443 ssl; server_name two.example; ssl_session_timeout 5m; }");

    for (int v = 0; v < 2; v++) {
        in_12 = v;
        session = NULL;
        connect_as(config, "one.example");
        CU_ASSERT_EQUAL(SSL_SESSION_get_ticket_lifetime_hint(session), 86400);
        connect_as(config, "two.example");
        CU_ASSERT_EQUAL(SSL_SESSION_get_ticket_lifetime_hint(session), 300);
        SSL_SESSION_free(session);
        session = NULL;
    }
    config_free(&config);
}

/* Without tickets no session is resumed. */
static void test_no_tickets(void)
{
    struct config *config = load("ssl_session_tickets off; ssl_certificate @ec.crt;"
                                 "ssl_certificate_key @ec.key; server { listen 8443 ssl; }");

    for (int v = 0; v < 2; v++) {
        in_12 = v;
        CU_ASSERT_FALSE(connect_as(config, "x"));
        CU_ASSERT_FALSE(connect_as(config, "x"));
        SSL_SESSION_free(session);
        session = NULL;
    }
    config_free(&config);
}

/* ---- Virtual hosts and clients' certificates ------------------------------------------------- */

/* Asks for the second host, in other letters. */
static void wants_second(SSL *ssl)
{
    SSL_set_tlsext_host_name(ssl, "SECOND.example.");
}

/* Everything that the host says holds, not just its certificate. */
static void test_names(void)
{
    struct config *config = load(
        "server { listen 8443 ssl; ssl_certificate @ec.crt; ssl_certificate_key @ec.key; }"
        "server { listen 8443 ssl; server_name second.example; ssl_protocols TLSv1.2;"
        " ssl_certificate @rsa.crt; ssl_certificate_key @rsa.key; }");
    struct tlsrig r;

    tlsrig_open(&r, config, wants_second);
    tlsrig_ask(&r, get_root);
    CU_ASSERT_EQUAL(SSL_version(r.ssl), TLS1_2_VERSION);
    CU_ASSERT_EQUAL(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(r.ssl))),
                    EVP_PKEY_RSA);
    tlsrig_close(&r);
    tlsrig_open(&r, config, NULL);
    tlsrig_ask(&r, get_root);
    CU_ASSERT_EQUAL(SSL_version(r.ssl), TLS1_3_VERSION);
    tlsrig_close(&r);
    config_free(&config);
}

/* Has no cipher for ECDSA. */
static void only_rsa(SSL *ssl)
{
    only_12(ssl);
    SSL_set_cipher_list(ssl, "ECDHE-RSA-AES128-GCM-SHA256");
}

/* Two certificates of different kinds: each client gets the one that it can use. */
static void test_two_kinds(void)
{
    struct config *config = load(
        "server { listen 8443 ssl; ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
        " ssl_certificate @rsa.crt; ssl_certificate_key @rsa.key; }");
    static const int kinds[] = { EVP_PKEY_EC, EVP_PKEY_RSA };

    for (int i = 0; i < 2; i++) {
        struct tlsrig r;

        tlsrig_open(&r, config, i ? only_rsa : NULL);
        tlsrig_pump(&r);
        CU_ASSERT_EQUAL(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(r.ssl))),
                        kinds[i]);
        tlsrig_close(&r);
    }
    config_free(&config);
}

static const char *shown;

/* Shows the certificate of that name, or none. */
static void showing(SSL *ssl)
{
    char path[128];

    if (!shown)
        return;
    snprintf(path, sizeof path, "%s%s.crt", tlsrig_directory, shown);
    AN(SSL_use_certificate_file(ssl, path, SSL_FILETYPE_PEM) == 1);
    snprintf(path, sizeof path, "%s%s.key", tlsrig_directory, shown);
    AN(SSL_use_PrivateKey_file(ssl, path, SSL_FILETYPE_PEM) == 1);
}

/* What each kind of verification makes of each kind of client. */
static void test_clients(void)
{
    static const struct { const char *verify, *shown; unsigned refuse; } rows[] = {
        { "off", NULL, 0 },            { "off", "client", 0 },
        { "on", NULL, 496 },           { "on", "client", 0 },       { "on", "ec", 495 },
        { "optional", NULL, 0 },       { "optional", "client", 0 }, { "optional", "ec", 495 },
        { "optional_no_ca", NULL, 0 }, { "optional_no_ca", "client", 0 },
        { "optional_no_ca", "ec", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memtext text = { 0 };
        struct config *config;
        struct tlsrig r;

        memtext_printf(&text, "ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
                       "ssl_client_certificate @ca.crt; ssl_verify_client %s;"
                       "server { listen 8443 ssl; }", rows[i].verify);
        config = load(memtext_get(&text));
        shown = rows[i].shown;
        tlsrig_open(&r, config, showing);
        tlsrig_pump(&r);
        SUITE_CHECK(r.encrypted && r.refuse_with == rows[i].refuse, "%s, %s: %u", rows[i].verify,
                    shown ? shown : "none", r.refuse_with);
        tlsrig_close(&r);
        config_free(&config);
        memtext_free(&text);
    }
}

int main(void)
{
    CU_TestInfo handshakes[] = {
        { "in pieces", test_pieces }, { "cut everywhere", test_cut_everywhere },
        { "mangled", test_mangled }, { "plain HTTP", test_plain },
        { "names", test_names }, { "two kinds of certificates", test_two_kinds },
        { "clients' certificates", test_clients }, CU_TEST_INFO_NULL
    };
    CU_TestInfo failures[] = {
        { "reasons", test_reasons }, { "deadline", test_deadline },
        { "renegotiation", test_renegotiation }, { "bad record", test_bad_record },
        CU_TEST_INFO_NULL
    };
    CU_TestInfo data[] = {
        { "large bodies", test_large }, { "records", test_records },
        { "short records", test_short_records }, { "chatter", test_chatter },
        { "at rest", test_at_rest }, { "half-close", test_half_close },
        { "truncated", test_truncated }, { "orderly end", test_close },
        { "broken answer", test_broken_answer }, CU_TEST_INFO_NULL
    };
    CU_TestInfo sessions[] = {
        { "tickets", test_resumption }, { "timeouts", test_timeouts },
        { "no tickets", test_no_tickets }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "handshake", tlsrig_begin, tlsrig_end, NULL, NULL, handshakes },
        { "failure", tlsrig_begin, tlsrig_end, NULL, NULL, failures },
        { "data", tlsrig_begin, tlsrig_end, NULL, NULL, data },
        { "session", tlsrig_begin, tlsrig_end, NULL, NULL, sessions },
        { "configuration", tlsrig_begin, tlsrig_end, NULL, NULL, tls_conf_tests },
        { "pair", tlsrig_begin, tlsrig_end, NULL, NULL, tls_pair_tests },
        { "text", NULL, NULL, NULL, NULL, tls_text_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("tls", suites);
}
