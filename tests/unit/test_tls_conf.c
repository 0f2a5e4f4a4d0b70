/*
 * test_tls_conf.c - the directives about TLS: what is refused, and with which words.
 */
#include "test_tls.h"

#include "base/check.h"
#include "suite.h"
#include "tlsrig.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR "ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
#define LISTEN "server { listen 8443 ssl; }"

/* Writes a file beside the certificates. */
static void write_file(const char *name, const void *data, size_t size)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s%s", tlsrig_directory, name);
    f = fopen(path, "w");
    AN(f != NULL && fwrite(data, 1, size, f) == size);
    fclose(f);
}

/* A key that needs a password, in sealed.key: ec.key again. */
static void write_sealed_key(void)
{
    char path[128];
    EVP_PKEY *key;
    FILE *f;

    snprintf(path, sizeof path, "%sec.key", tlsrig_directory);
    f = fopen(path, "r");
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    snprintf(path, sizeof path, "%ssealed.key", tlsrig_directory);
    f = fopen(path, "w");
    AN(PEM_write_PrivateKey(f, key, EVP_aes_256_cbc(), (const unsigned char *)"open sesame", 11,
                            NULL, NULL) == 1);
    fclose(f);
    EVP_PKEY_free(key);
}

/* Each mistake has its message. */
static void test_mistakes(void)
{
    static const struct { const char *conf, *message; } rows[] = {
        { LISTEN, "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive" },
        { "ssl_certificate @ec.crt;" LISTEN,
          "1 \"ssl_certificate\" but 0 \"ssl_certificate_key\"" },
        { PAIR "ssl_certificate_key @rsa.key; server { listen 8443 ssl; ssl_certificate @ec.crt; }",
          "1 \"ssl_certificate\" but 2 \"ssl_certificate_key\"" },
        { "ssl_certificate @none.crt; ssl_certificate_key @ec.key;" LISTEN,
          "none.crt\": No such file or directory in " },
        { "ssl_certificate @ec.key; ssl_certificate_key @ec.key;" LISTEN,
          "ec.key\": no start line in " },
        { "ssl_certificate @ec.crt; ssl_certificate_key @rsa.key;" LISTEN,
          "rsa.key\" is not that of the certificate " },
        { "ssl_certificate @ec.crt; ssl_certificate_key @none.key;" LISTEN,
          "cannot load certificate key \"" },
        { "ssl_certificate @ec.crt; ssl_certificate_key @ec.crt;" LISTEN,
          "cannot load certificate key \"" },
        { "ssl_certificate @; ssl_certificate_key @ec.key;" LISTEN, "Is a directory in " },
        { "ssl_certificate @torn.crt; ssl_certificate_key @ec.key;" LISTEN,
          "cannot load certificate \"" },
        { "ssl_certificate @ec.crt; ssl_certificate_key @sealed.key;" LISTEN,
          "it is encrypted, and there is no \"ssl_password_file\"" },
        { "ssl_certificate @ec.crt; ssl_certificate_key @sealed.key; ssl_password_file @wrong;"
          LISTEN, "it is encrypted, and no line of \"ssl_password_file\" is its password" },
        { PAIR "ssl_password_file @none;" LISTEN, "cannot load ssl_password_file " },
        { "ssl_certificate /etc/$ssl_server_name.crt;" LISTEN,
          "variables are not supported in \"ssl_certificate\"" },
        { "ssl_certificate_key data:$x;" LISTEN,
          "variables are not supported in \"ssl_certificate_key\"" },
        { "ssl_certificate_key engine:x:y;" LISTEN,
          "\"engine:\" is not supported in \"ssl_certificate_key\", it must name a file" },
        { PAIR "ssl_protocols TLSv1.4;" LISTEN, "invalid value \"TLSv1.4\" in \"ssl_protocols\"" },
        { PAIR "ssl_protocols TLSv1 TLSv1.1;" LISTEN, "\"ssl_protocols\" leaves no version" },
        { PAIR "ssl_ciphers nothing;" LISTEN, "ssl_ciphers \"nothing\" failed: no cipher match" },
        { PAIR "ssl_ecdh_curve nothing;" LISTEN, "ssl_ecdh_curve \"nothing\" failed" },
        { PAIR "ssl_dhparam @none;" LISTEN, "cannot load ssl_dhparam \"" },
        { PAIR "ssl_dhparam @ec.crt;" LISTEN, "holds no usable Diffie-Hellman parameters" },
        { PAIR "ssl_conf_command Nonsense x;" LISTEN,
          "SSL_CONF_cmd(\"Nonsense\", \"x\") failed: unknown cmd name" },
        { PAIR "ssl_conf_command Ciphersuites x;" LISTEN,
          "SSL_CONF_cmd(\"Ciphersuites\", \"x\") failed" },
        { PAIR "ssl_session_cache big;" LISTEN, "invalid session cache \"big\"" },
        { PAIR "ssl_session_cache shared:a;" LISTEN, "invalid session cache \"shared:a\"" },
        { PAIR "ssl_session_cache shared:a:1k;" LISTEN, "invalid session cache \"shared:a:1k\"" },
        { PAIR "ssl_session_timeout x;" LISTEN, "\"ssl_session_timeout\" directive invalid value" },
        { PAIR "ssl_session_ticket_key @wrong;" LISTEN,
          "has 6 bytes, a ticket key must have 48 or 80" },
        { PAIR "ssl_session_ticket_key @none;" LISTEN, "cannot load ssl_session_ticket_key \"" },
        { PAIR "ssl_buffer_size 100;" LISTEN, "value must be between 512 and 1048576" },
        { PAIR "ssl_verify_client maybe;" LISTEN,
          "invalid value \"maybe\" in \"ssl_verify_client\"" },
        { PAIR "ssl_verify_client on;" LISTEN,
          "no \"ssl_client_certificate\" or \"ssl_trusted_certificate\" for \"ssl_verify" },
        { PAIR "ssl_verify_client on; ssl_client_certificate @none;" LISTEN,
          "cannot load ssl_client_certificate \"" },
        { PAIR "ssl_verify_client on; ssl_client_certificate @wrong;" LISTEN,
          "ssl_client_certificate \"" },
        { PAIR "ssl_verify_client on; ssl_client_certificate @ca.crt; ssl_crl @wrong;" LISTEN,
          "ssl_crl \"" },
        { PAIR "ssl_verify_depth 1000;" LISTEN, "value must be between 0 and 100" },
        { PAIR "ssl_certificate @ec.crt; ssl_early_data perhaps;" LISTEN, "\"ssl_early_data\"" },
        { PAIR "server { listen 8443 sll; }", "invalid parameter \"sll\"" },
        { PAIR "location / { ssl_protocols TLSv1.3; }", "\"location\" directive is not allowed" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memtext messages = { 0 };
        struct config *config = tlsrig_load(rows[i].conf, &messages);

        SUITE_CHECK(!config && strstr(memtext_get(&messages), rows[i].message)
                    && strstr(memtext_get(&messages), "test.conf:"), "%s: %s", rows[i].conf,
                    memtext_get(&messages));
        if (config)
            config_free(&config);
        memtext_free(&messages);
    }
}

/* What is doubtful is said, and holds. */
static void test_warnings(void)
{
    static const struct { const char *conf, *message; } rows[] = {
        { PAIR "ssl_protocols TLSv1 TLSv1.1 TLSv1.2;" LISTEN, "\"TLSv1.1\" is not spoken" },
        { PAIR "ssl_early_data on;" LISTEN, "\"ssl_early_data\" has no effect" },
        { PAIR "ssl_session_tickets off; ssl_session_cache shared:a:10m;" LISTEN,
          "every handshake is a full one" },
        { PAIR LISTEN "server { listen 8443; server_name b; }",
          "\"ssl\" holds for all servers on 0.0.0.0:8443" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memtext messages = { 0 };
        struct config *config = tlsrig_load(rows[i].conf, &messages);

        SUITE_CHECK(config && strstr(memtext_get(&messages), rows[i].message), "%s: %s",
                    rows[i].conf, memtext_get(&messages));
        if (config)
            config_free(&config);
        memtext_free(&messages);
    }
}

/* What is right, and says nothing. */
static void test_right(void)
{
    static const char *const rows[] = {
        PAIR LISTEN,
        "server { listen 8443 ssl; ssl_reject_handshake on; }",
        PAIR "ssl_ciphers HIGH:!aNULL:!MD5; ssl_prefer_server_ciphers on;" LISTEN,
        PAIR "ssl_ecdh_curve X25519:prime256v1;" LISTEN,
        PAIR "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"
             "ssl_conf_command Options -SessionTicket;" LISTEN,
        PAIR "ssl_conf_command Options KTLS;" LISTEN,
        PAIR "ssl_session_cache builtin:1000 shared:SSL:10m; ssl_session_timeout 1d;" LISTEN,
        PAIR "ssl_session_cache off; ssl_session_tickets off;" LISTEN,
        PAIR "ssl_session_ticket_key @key48; ssl_session_ticket_key @key80;" LISTEN,
        "ssl_certificate @ec.crt; ssl_certificate_key @sealed.key;"
            "ssl_password_file @right;" LISTEN,
        PAIR "ssl_verify_client optional_no_ca;" LISTEN,
        PAIR "ssl_verify_client on; ssl_trusted_certificate @ca.crt; ssl_verify_depth 3;" LISTEN,
        /* Nobody listens with TLS, so nobody looks. */
        "ssl_certificate @none.crt; ssl_certificate_key @none.key; server { listen 8080; }",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memtext messages = { 0 };
        struct config *config = tlsrig_load(rows[i], &messages);

        SUITE_CHECK(config && !messages.n, "%s: %s", rows[i], memtext_get(&messages));
        if (config)
            config_free(&config);
        memtext_free(&messages);
    }
}

/* Servers that are told the same share a context, others do not; ids are those of the host. */
static void test_sharing(void)
{
    struct config *config = tlsrig_load(
        "server { listen 8443 ssl; server_name a;" PAIR "}"
        "server { listen 8443 ssl; server_name b;" PAIR "}"
        "server { listen 8443 ssl; server_name c;" PAIR "ssl_protocols TLSv1.3; }"
        "server { listen 8444 ssl; server_name a;" PAIR "}", NULL);
    const struct server *a, *b, *c, *again;

    AN(config != NULL && config->server_count == 4);
    a = config->servers;
    b = a->next;
    c = b->next;
    again = c->next;
    CU_ASSERT_PTR_NOT_NULL(a->tls);
    CU_ASSERT_PTR_EQUAL(a->tls, b->tls);
    CU_ASSERT_PTR_EQUAL(a->tls, again->tls);
    CU_ASSERT_PTR_NOT_EQUAL(a->tls, c->tls);
    CU_ASSERT_NOT_EQUAL(memcmp(a->tls_id, b->tls_id, TLS_ID_SIZE), 0);
    CU_ASSERT_EQUAL(memcmp(a->tls_id, again->tls_id, TLS_ID_SIZE), 0);
    CU_ASSERT_EQUAL(config->tls_session_timeout, 4 * 3600 * 1000);
    config_free(&config);
}

/* Keys in files are taken as nginx takes them. */
static void test_ticket_keys(void)
{
    struct config *config = tlsrig_load(PAIR "ssl_session_ticket_key @key48;"
                                        "ssl_session_ticket_key @key80;" LISTEN, NULL);
    const struct tls_context *c;

    AN(config != NULL);
    c = config->servers->tls;
    CU_ASSERT_EQUAL(c->ticket_key_count, 2);
    CU_ASSERT_EQUAL(c->ticket_keys[0].bits, 128);
    CU_ASSERT_EQUAL(c->ticket_keys[0].name[0], 1);
    CU_ASSERT_EQUAL(c->ticket_keys[0].aes[0], 17);
    CU_ASSERT_EQUAL(c->ticket_keys[0].hmac[0], 33);
    CU_ASSERT_EQUAL(c->ticket_keys[1].bits, 256);
    CU_ASSERT_EQUAL(c->ticket_keys[1].hmac[0], 17);
    CU_ASSERT_EQUAL(c->ticket_keys[1].aes[0], 49);
    tls_forget(config);
    CU_ASSERT_EQUAL(c->ticket_keys[1].aes[0], 0);
    CU_ASSERT_PTR_NULL(c->ctx);
    config_free(&config);
    tls_tickets_rotate();
}

/* The files that the rows above name. */
static void test_files(void)
{
    unsigned char key[80];

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)(i + 1);
    write_file("key48", key, 48);
    write_file("key80", key, 80);
    write_file("wrong", "sesame", 6);
    write_file("right", "first\nopen sesame\nthird\n", 24);
    write_file("torn.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n", 33);
    write_sealed_key();
    CU_PASS("written");
}

CU_TestInfo tls_conf_tests[] = {
    { "files for the others", test_files }, { "mistakes", test_mistakes },
    { "warnings", test_warnings }, { "right", test_right }, { "sharing", test_sharing },
    { "ticket keys", test_ticket_keys }, CU_TEST_INFO_NULL
};
