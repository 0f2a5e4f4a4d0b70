/*
 * test_tls_pair.c - certificates that are replaced: read again, packed, unpacked, shown.
 */
#include "test_tls.h"

#include "base/check.h"
#include "suite.h"
#include "tlsrig.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF(rest) \
    "ssl_certificate @live.crt; ssl_certificate_key @live.key; server { listen 8443 ssl; }" rest

/* Copies one of the rig's files to the place where the configuration looks. */
static void copy(const char *from, const char *to)
{
    char path[128], text[8192];
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s%s", tlsrig_directory, from);
    f = fopen(path, "r");
    AN(f != NULL);
    n = fread(text, 1, sizeof text, f);
    fclose(f);
    snprintf(path, sizeof path, "%s%s", tlsrig_directory, to);
    f = fopen(path, "w");
    AN(f != NULL && fwrite(text, 1, n, f) == n);
    fclose(f);
}

/* Both files of a pair. */
static void deploy(const char *name)
{
    char from[32];

    snprintf(from, sizeof from, "%s.crt", name);
    copy(from, "live.crt");
    snprintf(from, sizeof from, "%s.key", name);
    copy(from, "live.key");
}

/* A configuration that must be right. */
static struct config *load(const char *text)
{
    struct config *config = tlsrig_load(text, NULL);

    AN(config != NULL);
    return config;
}

static const char *kinds;          /* signatures that the client takes; NULL: all */

/* A client that takes certificates of some kinds only. */
static void choosy(SSL *ssl)
{
    if (kinds)
        AN(SSL_set1_sigalgs_list(ssl, kinds) == 1);
}

/* The common name of the certificate that a new client is shown; "" where it fails. */
static const char *shown(const struct config *config, const char *sigalgs)
{
    static char name[64];
    struct tlsrig r;
    X509 *leaf;

    name[0] = '\0';
    kinds = sigalgs;
    tlsrig_open(&r, config, choosy);
    tlsrig_pump(&r);
    leaf = r.opened ? SSL_get0_peer_certificate(r.ssl) : NULL;
    if (leaf)
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);
    tlsrig_close(&r);
    return name;
}

/* Reads the first pair again, which must have the outcome. */
static void renew(const struct config *config, enum tls_renewal wanted, const char *words)
{
    struct tls_pair *p = tls_pair_next(config, NULL);
    char why[768] = "", warning[768] = "";
    enum tls_renewal got = tls_pair_renew(p, why, warning, sizeof why);

    SUITE_CHECK(got == wanted && strstr(why, words), "%d, not %d: %s", got, wanted, why);
    SUITE_CHECK(!warning[0], "a warning: %s", warning);
}

/* A new pair shows, a broken one does not. */
static void test_renew(void)
{
    struct config *config;
    struct tls_pair *p;

    deploy("ec");
    config = load(CONF(""));
    p = tls_pair_next(config, NULL);
    SUITE_CHECK(!tls_pair_changed(p), "changed though nobody has touched it");
    renew(config, TLS_PAIR_SAME, "");
    copy("client.crt", "live.crt");
    SUITE_CHECK(tls_pair_changed(p) && !tls_pair_changed(p), "a change is seen once");
    renew(config, TLS_PAIR_BROKEN, "live.key\" is not that of the certificate");
    SUITE_CHECK(strcmp(shown(config, NULL), "ec") == 0, "the old one: %s", shown(config, NULL));
    copy("client.key", "live.key");
    renew(config, TLS_PAIR_RENEWED, "");
    SUITE_CHECK(strcmp(shown(config, NULL), "client") == 0, "%s", shown(config, NULL));
    SUITE_CHECK(p->version == 1, "versions: %llu", (unsigned long long)p->version);
    config_free(&config);
}

/* Of a pair that has become one of another kind nothing is left. */
static void test_retype(void)
{
    struct config *config;

    deploy("ec");
    config = load(CONF(""));
    deploy("rsa");
    renew(config, TLS_PAIR_RENEWED, "");
    SUITE_CHECK(strcmp(shown(config, NULL), "rsa") == 0, "%s", shown(config, NULL));
    SUITE_CHECK(strcmp(shown(config, "ECDSA+SHA256"), "") == 0, "%s",
                shown(config, "ECDSA+SHA256"));
    deploy("client");
    renew(config, TLS_PAIR_RENEWED, "");
    SUITE_CHECK(strcmp(shown(config, NULL), "client") == 0, "%s", shown(config, NULL));
    config_free(&config);
}

/* Of two pairs of one kind the last is shown, whichever is new. */
static void test_two_of_a_kind(void)
{
    struct config *config;

    deploy("ec");
    config = load("ssl_certificate @live.crt; ssl_certificate_key @live.key;"
                  "ssl_certificate @client.crt; ssl_certificate_key @client.key;"
                  "server { listen 8443 ssl; }");
    SUITE_CHECK(strcmp(shown(config, NULL), "client") == 0, "%s", shown(config, NULL));
    deploy("ca");
    renew(config, TLS_PAIR_RENEWED, "");
    SUITE_CHECK(strcmp(shown(config, NULL), "client") == 0, "%s", shown(config, NULL));
    config_free(&config);
}

/* What the master packs a worker unpacks, whole and wiped; what is cut it refuses. */
static void test_pack(void)
{
    static const unsigned char response[] = "not looked into";
    struct config *master, *worker;
    struct tls_pair *p;
    unsigned char byte = 1;
    struct stat st;
    int fd;

    deploy("ec");
    master = load(CONF(""));
    worker = load(CONF(""));
    deploy("client");
    renew(master, TLS_PAIR_RENEWED, "");
    p = tls_pair_next(master, NULL);
    tls_staple_set(p, &(struct tls_staple){ OPENSSL_memdup(response, sizeof response),
                                            sizeof response, 1, 2, 3 });
    fd = tls_pair_pack(p);
    AN(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t n = st.st_size - 1; n > 0; n -= n > 100 ? 7 : 1) {
        int cut = tls_pair_pack(p);

        AN(ftruncate(cut, n) == 0);
        SUITE_CHECK(tls_pair_unpack(worker, cut) == -1, "cut to %ld of %ld bytes", (long)n,
                    (long)st.st_size);
        close(cut);
    }
    SUITE_CHECK(strcmp(shown(worker, NULL), "ec") == 0, "%s", shown(worker, NULL));
    SUITE_CHECK(tls_pair_unpack(worker, fd) == 0, "the whole");
    SUITE_CHECK(strcmp(shown(worker, NULL), "client") == 0, "%s", shown(worker, NULL));
    for (off_t i = 0; i < st.st_size && byte; i++)
        AN(pread(fd, &byte, 1, i) == 1 && byte == 0 && ++byte == 1);
    close(fd);
    p = tls_pair_next(worker, NULL);
    SUITE_CHECK(p->staple.size == sizeof response && p->staple.from == 1 && p->staple.until == 2
                && memcmp(p->staple.der, response, sizeof response) == 0, "the response");
    SUITE_CHECK(tls_pair_next(worker, p) == NULL && tls_pair_at(worker, 1, 0) == NULL, "one pair");
    config_free(&master);
    config_free(&worker);
}

/* A connection goes on with what it has begun with. */
static void test_connection(void)
{
    struct config *config;
    struct tlsrig r;

    deploy("ec");
    config = load(CONF(""));
    tlsrig_open(&r, config, NULL);
    tlsrig_pump(&r);
    deploy("client");
    renew(config, TLS_PAIR_RENEWED, "");
    tlsrig_ask(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    SUITE_CHECK(strstr(memtext_get(&r.plain), "HTTP/1.1 200"), "%s", memtext_get(&r.plain));
    tlsrig_close(&r);
    config_free(&config);
}

/* Responses are kept by certificate, and only while they hold. */
static void test_keep(void)
{
    static const unsigned char response[] = { 1, 0, '\n', 255 };
    static const struct { int64_t until; bool recalled; } rows[] = {
        { 1000, true }, { -1, false }
    };
    struct config *config;
    struct tls_pair *p;
    int64_t now = time(NULL);

    deploy("ec");
    config = load(CONF(" ssl_stapling_cache @kept;"));
    p = tls_pair_next(config, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SUITE_CHECK(tls_staple_put(p, response, sizeof response, now - 5, now + rows[i].until, now)
                    == 0, "put");
        tls_staple_set(p, &(struct tls_staple){ .der = NULL });
        tls_staple_recall(p);
        SUITE_CHECK((p->staple.der != NULL) == rows[i].recalled, "row %zu", i);
        SUITE_CHECK(!p->staple.der || (p->staple.size == sizeof response
                                       && memcmp(p->staple.der, response, sizeof response) == 0
                                       && p->staple.from == now - 5 && p->staple.refresh == now),
                    "what was put");
    }
    config_free(&config);
}

CU_TestInfo tls_pair_tests[] = {
    { "read again", test_renew }, { "another kind of key", test_retype },
    { "two of a kind", test_two_of_a_kind }, { "packed", test_pack },
    { "a connection", test_connection }, { "responses that are kept", test_keep },
    CU_TEST_INFO_NULL
};
