/*
 * test_tls_text.c - what can be told of a handshake, however much the client says in it.
 */
#include "base/arena.h"
#include "io/tls_ssl.h"
#include "suite.h"
#include "test_tls.h"

#include <stdlib.h>
#include <string.h>

/* As many ciphers as a hello of one record has room for, nearly. */
#define MANY 8000

/* A hello of TLS 1.2 that offers MANY ciphers: one that is known, and others. Its size. */
static size_t make_hello(unsigned char *hello)
{
    unsigned char *p = hello + 5 + 4;
    size_t size;

    memset(hello, 0, 5 + 4 + 2 + 32 + 1);
    *p++ = 3;
    *p++ = 3;
    p += 32 + 1;
    *p++ = 2 * MANY >> 8;
    *p++ = 2 * MANY & 255;
    for (unsigned i = 0; i < MANY; i++) {
        unsigned number = i ? 0x7000 + i : 0xc02b;

        *p++ = (unsigned char)(number >> 8);
        *p++ = (unsigned char)number;
    }
    *p++ = 1;
    *p++ = 0;
    size = (size_t)(p - hello);
    memcpy(hello, (unsigned char[]){ 22, 3, 1 }, 3);
    hello[3] = (unsigned char)((size - 5) >> 8);
    hello[4] = (unsigned char)(size - 5);
    hello[5] = 1;
    hello[7] = (unsigned char)((size - 9) >> 8);
    hello[8] = (unsigned char)(size - 9);
    return size;
}

/* The list of ciphers costs memory by its length, and not by the square of it. */
static void test_ciphers(void)
{
    unsigned char *hello = malloc(2 * MANY + 256);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct tls t = { .magic = TLS_MAGIC, .ssl = SSL_new(ctx) };
    BIO *in = BIO_new(BIO_s_mem());
    struct arena arena;
    struct str text;

    CU_ASSERT_FATAL(hello && in && t.ssl);
    arena_init(&arena, 4096);
    SSL_set_bio(t.ssl, in, BIO_new(BIO_s_mem()));
    BIO_write(in, hello, (int)make_hello(hello));
    /* There is no certificate for it, but what was offered is known. */
    CU_ASSERT(SSL_accept(t.ssl) != 1);
    text = tls_text(&t, TLS_TEXT_CIPHERS, &arena);
    CU_ASSERT(str_starts(text, STR("ECDHE-ECDSA-AES128-GCM-SHA256:0x7001:0x7002:")));
    CU_ASSERT_EQUAL(text.n, strlen("ECDHE-ECDSA-AES128-GCM-SHA256") + (MANY - 1) * 7);
    CU_ASSERT(text.n > 6 && memcmp(text.p + text.n - 7, ":0x8f3f", 7) == 0);
    SUITE_CHECK(arena_held(&arena) < 2 * text.n + 8192, "%zu bytes for %zu", arena_held(&arena),
                text.n);
    arena_free(&arena);
    SSL_free(t.ssl);
    SSL_CTX_free(ctx);
    free(hello);
}

CU_TestInfo tls_text_tests[] = {
    { "ciphers", test_ciphers },
    CU_TEST_INFO_NULL
};
