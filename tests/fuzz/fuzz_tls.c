/*
 * fuzz_tls.c - a TLS port before a hostile client that has not yet agreed on anything.
 *
 * The first byte is how many bytes the server reads at a time, 0 for all there are. The second one
 * says what the rest is: 0 stands for bytes as they are, anything else for the body of a
 * ClientHello, which gets the heads of a record and of a message that are right for it. Wanted:
 * the connection ends, with a reason, and what the server says are records. A broken promise
 * aborts.
 */
#include "fuzz.h"
#include "tlsrig.h"

#include <string.h>

/* The heads of a record and of a message, and the longest body. */
#define HEADS 9
#define BODY_MAX 16000

static const char conf[] =
    "ssl_certificate @ec.crt; ssl_certificate_key @ec.key;"
    "server { listen 8443 ssl; server_name one.example; }"
    "server { listen 8443 ssl; server_name *.two.example; ssl_protocols TLSv1.2;"
    "  ssl_certificate @rsa.crt; ssl_certificate_key @rsa.key; }"
    "server { listen 8443 ssl; server_name ~^a+\\.b; ssl_verify_client on;"
    "  ssl_client_certificate @ca.crt; }"
    "server { listen 8443 ssl; server_name closed.example; ssl_reject_handshake on; }";

static struct config *config;

/* At the end of the run. */
static void end(void)
{
    config_free(&config);
    tlsrig_end();
}

/* Once. */
static void begin(void)
{
    promise(tlsrig_begin() == 0);
    config = tlsrig_load(conf, NULL);
    promise(config != NULL);
    atexit(end);
}

/* The server speaks in whole records of a kind that may come in a handshake. */
static void check_wire(const struct memtext *wire)
{
    const unsigned char *p = (const unsigned char *)wire->p;

    for (size_t left = wire->n; left;) {
        size_t size;

        promise(left >= 5 && p[0] >= 20 && p[0] <= 23 && p[1] == 3);
        size = 5 + ((size_t)p[3] << 8 | p[4]);
        promise(size <= left);
        p += size;
        left -= size;
    }
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char hello[HEADS + BODY_MAX] = { 0x16, 3, 1, 0, 0, 1, 0 };
    struct tlsrig r;

    if (size < 3 || size - 2 > BODY_MAX)
        return 0;
    if (!config)
        begin();
    tlsrig_open(&r, config, NULL);
    r.step = data[0];
    size -= 2;
    if (data[1] == 0) {
        tlsrig_raw(&r, data + 2, size);
    } else {
        hello[3] = (unsigned char)((size + 4) >> 8);
        hello[4] = (unsigned char)(size + 4);
        hello[7] = (unsigned char)(size >> 8);
        hello[8] = (unsigned char)size;
        memcpy(hello + HEADS, data + 2, size);
        tlsrig_raw(&r, hello, HEADS + size);
    }
    tlsrig_shut(&r);
    tlsrig_hang_up(&r);
    promise(tlsrig_reason() != CLOSE_NONE);
    /* Plain HTTP is answered in plain. */
    if (!(r.wire.n > 4 && memcmp(r.wire.p, "HTTP", 4) == 0))
        check_wire(&r.wire);
    tlsrig_close(&r);
    return 0;
}
