/*
 * test_realip.c - whom a request is from: addresses, and who is believed about them.
 */
#include "test_realip.h"

#include "fake_request.h"

#include "conn/proxy_protocol.h"
#include "core/core_conf.h"
#include "core/module.h"
#include "core/realip.h"

#include <stdio.h>
#include <unistd.h>

const struct slv_module *const linked_modules[] = { NULL };

/* Messages of the configuration. */
static char messages[4096];

/* struct conf_report: write */
static void report_line(void *arg, enum slv_level level, const char *text, const char *detail)
{
    size_t used = strlen(messages);

    (void)arg, (void)level, (void)detail;
    snprintf(messages + used, sizeof messages - used, "%s\n", text);
}

/* Reads a configuration whose http block begins with these lines; NULL where it is refused. */
static struct config *load(const char *http, const char *server)
{
    struct conf_report report = { .write = report_line };
    char text[2048];
    struct config_source source = { .file = "/c", .prefix = "/tmp/", .text = text };

    messages[0] = '\0';
    snprintf(text, sizeof text,
             "error_log stderr crit; events { } http { access_log off; %s server { %s } }", http,
             server);
    return config_load(&source, &report);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

/* What stands in header fields. */
static void test_peers(void)
{
    static const struct {
        const char *text, *read;   /* NULL: refused */
    } rows[] = {
        { "192.0.2.1", "192.0.2.1:0" }, { "192.0.2.1:80", "192.0.2.1:80" },
        { "192.0.2.1:65535", "192.0.2.1:65535" }, { "2001:db8::1", "[2001:db8::1]:0" },
        { "[2001:db8::1]", "[2001:db8::1]:0" }, { "[2001:db8::1]:80", "[2001:db8::1]:80" },
        { "::ffff:192.0.2.1", "192.0.2.1:0" }, { "[::ffff:192.0.2.1]:8", "192.0.2.1:8" },
        { "::", "[::]:0" }, { "", NULL }, { ":", NULL }, { "[", NULL }, { "[]", NULL },
        { "unknown", NULL }, { "192.0.2.1:", NULL }, { "192.0.2.1:0", NULL },
        { "192.0.2.1:65536", NULL }, { "192.0.2.1:080", NULL }, { "192.0.2.1:8x", NULL },
        { "192.0.2", NULL }, { "192.0.2.256", NULL }, { "[192.0.2.1]:80", NULL },
        { "[2001:db8::1", NULL }, { "[2001:db8::1]80", NULL }, { "[2001:db8::1]:", NULL },
        { "[2001:db8::1]:0", NULL }, { "2001:db8::1]:80", NULL }, { "\"[2001:db8::1]\"", NULL },
        { "unix:", NULL }, { "_hidden", NULL }, { "fe80::1%eth0", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[ADDR_TEXT_MAX] = "";
        struct addr a;
        int rc = addr_parse_peer(str_of(rows[i].text), &a);

        if (rc == 0)
            addr_text_port(&a, text);
        SUITE_CHECK(rows[i].read ? rc == 0 && strcmp(text, rows[i].read) == 0 : rc == -1,
                    "%s: %d, %s", rows[i].text, rc, text);
    }
    CU_ASSERT_EQUAL(addr_parse_peer((struct str){ "192.0.2.1\0", 10 }, &(struct addr){ 0 }), -1);
}

/* ---- Who is believed ------------------------------------------------------------------------ */

#define XFF "real_ip_header X-Forwarded-For; "
#define ALL "set_real_ip_from 0.0.0.0/0; set_real_ip_from ::/0; "
#define NET "set_real_ip_from 192.0.2.0/24; set_real_ip_from 2001:db8:1::/48; "
#define DEEP "real_ip_recursive on; "

/* A request from 192.0.2.1:4242. */
struct row {
    const char *conf, *fields, *client;
};

static const struct row rows[] = {
    { "", "X-Real-IP: 203.0.113.9\r\n", "192.0.2.1:4242" },
    { NET, "", "192.0.2.1:4242" },
    { NET, "X-Real-IP: 203.0.113.9\r\n", "203.0.113.9:0" },
    { NET, "x-real-ip: 203.0.113.9:1234\r\n", "203.0.113.9:1234" },
    { NET, "X-Real-IP: [2001:db8::9]:1234\r\n", "[2001:db8::9]:1234" },
    { NET, "X-Forwarded-For: 203.0.113.9\r\n", "192.0.2.1:4242" },
    { NET, "X-Real-IP: nonsense\r\n", "192.0.2.1:4242" },
    { NET, "X-Real-IP:\r\n", "192.0.2.1:4242" },
    /* Others than those that are trusted are not asked. */
    { "set_real_ip_from 198.51.100.0/24; ", "X-Real-IP: 203.0.113.9\r\n", "192.0.2.1:4242" },
    { "set_real_ip_from unix:; ", "X-Real-IP: 203.0.113.9\r\n", "192.0.2.1:4242" },
    { "set_real_ip_from ::/0; ", "X-Real-IP: 203.0.113.9\r\n", "192.0.2.1:4242" },
    { "set_real_ip_from 192.0.2.1; ", "X-Real-IP: 203.0.113.9\r\n", "203.0.113.9:0" },
    /* A list: the last word is the one that the trusted peer has written. */
    { NET XFF, "X-Forwarded-For: 198.51.100.5, 203.0.113.9\r\n", "203.0.113.9:0" },
    { NET XFF, "X-Forwarded-For: 198.51.100.5,203.0.113.9 ,\t,\r\n", "203.0.113.9:0" },
    { NET XFF, "X-Forwarded-For: 203.0.113.9, unknown\r\n", "192.0.2.1:4242" },
    { NET XFF, "X-Forwarded-For: 198.51.100.5\r\nX-Forwarded-For: 203.0.113.9\r\n",
      "203.0.113.9:0" },
    { NET XFF, "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7:0" },
    { NET XFF, "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For:\r\n", "203.0.113.9:0" },
    { NET "real_ip_header CF-Connecting-IP; ", "CF-Connecting-IP: 203.0.113.9\r\n",
      "203.0.113.9:0" },
    /* Recursion: as long as those who have been found are trusted. */
    { NET XFF DEEP, "X-Forwarded-For: 198.51.100.5, 203.0.113.9, 192.0.2.7\r\n", "203.0.113.9:0" },
    { NET XFF DEEP, "X-Forwarded-For: 198.51.100.5, 203.0.113.9\r\nX-Forwarded-For: 192.0.2.7\r\n",
      "203.0.113.9:0" },
    { NET XFF DEEP, "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 2001:db8:1::7, 192.0.2.7\r\n",
      "203.0.113.9:0" },
    { NET XFF DEEP, "X-Forwarded-For: 192.0.2.8, 192.0.2.7\r\n", "192.0.2.8:0" },
    { NET XFF DEEP, "X-Forwarded-For: nonsense, 192.0.2.7\r\n", "192.0.2.7:0" },
    { NET XFF DEEP, "X-Forwarded-For: 203.0.113.9, unknown, 192.0.2.7\r\n", "192.0.2.7:0" },
    { ALL XFF DEEP, "X-Forwarded-For: 198.51.100.5, 203.0.113.9, 192.0.2.7\r\n", "198.51.100.5:0" },
    { "set_real_ip_from 198.51.100.0/24; " XFF DEEP, "X-Forwarded-For: 203.0.113.9\r\n",
      "192.0.2.1:4242" },
};

/* Loads conf, and expects a client for a request with fields whose connection spoke for proxied. */
static void expect(const struct row *row, enum addr_family family, const char *proxied)
{
    struct config *config = load(row->conf, "");
    char head[512], text[ADDR_TEXT_MAX];
    struct proxied said = { 0 };
    struct fake_request *f;

    if (!SUITE_CHECK(config != NULL, "%s: %s", row->conf, messages))
        return;
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", row->fields);
    f = fake_request_new(config, head);
    f->conn.peer.family = (uint8_t)family;
    if (proxied && SUITE_CHECK(addr_parse_peer(str_of(proxied), &said.source) == 0, "%s", proxied))
        f->conn.proxied = &said;
    f->ctx.block = config->servers->block;
    f->ctx.core = core_conf_of(f->ctx.block);
    realip_find(f->r);
    addr_text_port(f->ctx.client, text);
    SUITE_CHECK(strcmp(text, row->client) == 0, "%s%s: %s", row->conf, row->fields, text);
    /* Once found, it stays found. */
    realip_find(f->r);
    addr_text_port(f->ctx.client, text);
    SUITE_CHECK(strcmp(text, row->client) == 0, "%s%s: then %s", row->conf, row->fields, text);
    fake_request_free(&f);
    config_free(&config);
}

/* Header fields. */
static void test_fields(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(&rows[i], ADDR_V4, NULL);
}

/* Peers at other sockets; and a PROXY header, which is believed as little as a field. */
static void test_peer_kinds(void)
{
#define PROXY "real_ip_header proxy_protocol; "
    static const struct {
        struct row row;
        enum addr_family family;
        const char *proxied;
    } more[] = {
        { { "set_real_ip_from unix:; ", "X-Real-IP: 203.0.113.9\r\n", "203.0.113.9:0" }, ADDR_UNIX,
          NULL },
        { { ALL, "X-Real-IP: 203.0.113.9\r\n", "unix:" }, ADDR_UNIX, NULL },
        { { "set_real_ip_from unix:; " XFF DEEP, "X-Forwarded-For: 198.51.100.5, 203.0.113.9\r\n",
            "203.0.113.9:0" }, ADDR_UNIX, NULL },
        { { "set_real_ip_from unix:; " ALL, "X-Real-IP: 203.0.113.9\r\n", "vsock:16908480:4242" },
          ADDR_VSOCK, NULL },
        { { NET PROXY, "", "203.0.113.9:1234" }, ADDR_V4, "203.0.113.9:1234" },
        { { NET PROXY, "X-Real-IP: 198.51.100.5\r\n", "203.0.113.9:1234" }, ADDR_V4,
          "203.0.113.9:1234" },
        { { NET PROXY, "Proxy_Protocol: 198.51.100.5\r\n", "192.0.2.1:4242" }, ADDR_V4, NULL },
        { { NET, "", "192.0.2.1:4242" }, ADDR_V4, "203.0.113.9:1234" },
        { { PROXY, "", "192.0.2.1:4242" }, ADDR_V4, "203.0.113.9:1234" },
        { { "set_real_ip_from 198.51.100.0/24; " PROXY, "", "192.0.2.1:4242" }, ADDR_V4,
          "203.0.113.9:1234" },
        { { "set_real_ip_from unix:; " PROXY, "", "[2001:db8::9]:1234" }, ADDR_UNIX,
          "[2001:db8::9]:1234" },
    };

    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        expect(&more[i].row, more[i].family, more[i].proxied);
}

/* A request that a builder makes up has no connection, so nobody to believe. */
static void test_no_connection(void)
{
    struct config *config = load(NET, "");
    struct fake_request *f;

    CU_ASSERT_FATAL(config != NULL);
    f = fake_request_new(config, "GET / HTTP/1.1\r\nX-Real-IP: 203.0.113.9\r\n\r\n");
    f->x->conn = NULL;
    f->ctx.client = NULL;
    f->ctx.core = core_conf_of(config->servers->block);
    realip_find(f->r);
    CU_ASSERT_PTR_NULL(f->ctx.client);
    fake_request_free(&f);
    config_free(&config);
}

/* ---- The configuration ---------------------------------------------------------------------- */

/* What is refused, and in which words. */
static void test_refused(void)
{
    static const struct {
        const char *http, *message;
    } bad[] = {
        { "set_real_ip_from all;", "invalid parameter \"all\", it must be an address, a network" },
        { "set_real_ip_from localhost;", "invalid parameter \"localhost\"" },
        { "set_real_ip_from 192.0.2.0/33;", "invalid parameter \"192.0.2.0/33\"" },
        { "real_ip_header \"X Y\";", "it must be the name of a header field or" },
        { "real_ip_recursive yes;", "real_ip_recursive" },
        { "real_ip_header a; real_ip_header b;", "\"real_ip_header\" directive is duplicate" },
        { "set_real_ip_from 192.0.2.1/24; nonsense;", "low address bits of 192.0.2.1/24" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct config *config = load(bad[i].http, "");

        SUITE_CHECK(config == NULL, "%s", bad[i].http);
        SUITE_CHECK(strstr(messages, bad[i].message) != NULL, "%s: %s", bad[i].http, messages);
        if (config)
            config_free(&config);
    }
}

/* The flag of the address with that text; -1: there is none. */
static int flag_of(const struct config *config, const char *text)
{
    for (const struct listen_socket *s = config->sockets; s; s = s->next)
        for (const struct listen_addr *a = s->addrs; a; a = a->next)
            if (str_eq(a->text, str_of(text)))
                return a->proxy_protocol;
    return -1;
}

/* listen … proxy_protocol belongs to an address, not to its socket; any line may say it. */
static void test_listen(void)
{
    struct config *config = load("server { listen 8081; listen [::]:8080; }"
                                 "server { listen 8081 proxy_protocol backlog=5; }"
                                 "server { listen 8081; listen 127.0.0.1:8081; }",
                                 "listen 8080 proxy_protocol; listen unix:/tmp/x proxy_protocol;");

    CU_ASSERT_FATAL(config != NULL);
    CU_ASSERT_EQUAL(flag_of(config, "0.0.0.0:8080"), 1);
    CU_ASSERT_EQUAL(flag_of(config, "[::]:8080"), 0);
    CU_ASSERT_EQUAL(flag_of(config, "0.0.0.0:8081"), 1);
    CU_ASSERT_EQUAL(flag_of(config, "127.0.0.1:8081"), 0);
    CU_ASSERT_EQUAL(flag_of(config, "unix:/tmp/x"), 1);
    config_free(&config);
}

int main(void)
{
    CU_TestInfo addresses[] = { { "written by others", test_peers }, CU_TEST_INFO_NULL };
    CU_TestInfo believed[] = {
        { "fields", test_fields },
        { "peers and PROXY headers", test_peer_kinds },
        { "no connection", test_no_connection },
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo configuration[] = {
        { "refused", test_refused }, { "listen", test_listen }, CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        { "address", NULL, NULL, NULL, NULL, addresses },
        { "PROXY header", NULL, NULL, NULL, NULL, proxy_tests },
        { "real ip", NULL, NULL, NULL, NULL, believed },
        { "configuration", NULL, NULL, NULL, NULL, configuration },
        CU_SUITE_INFO_NULL,
    };

    return suite_main("real ip", suites);
}
