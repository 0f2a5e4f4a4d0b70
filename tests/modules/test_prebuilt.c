/*
 * test_prebuilt.c - answers from an image: a configuration, its images, requests in bytes.
 */
#include "prebuilt_kit.h"

#include "base/mem.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

/* GET and HEAD of a page: every field, and the body. */
static void test_plain(void)
{
    CU_ASSERT(serve("prebuilt on;") == 0);
    CU_ASSERT(get("/index.html", "") == 200);
    CU_ASSERT(from_image());
    CU_ASSERT(says("Content-Type", "text/html; charset=utf-8"));
    CU_ASSERT(says("Content-Length", "20000"));
    CU_ASSERT(says("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"));
    CU_ASSERT(says("Cache-Control", "max-age=60, must-revalidate"));
    CU_ASSERT(says("Vary", "Accept-Encoding"));
    CU_ASSERT(says("Accept-Ranges", "bytes"));
    CU_ASSERT(says("Connection", "keep-alive"));
    CU_ASSERT(says("Content-Encoding", NULL));
    CU_ASSERT(says("Expires", NULL));
    CU_ASSERT(field("Server") != NULL && field("Date") != NULL);
    CU_ASSERT(str_eq(body(), str_of(long_text())));

    CU_ASSERT(ask("HEAD", "/index.html", "") == 200);
    CU_ASSERT(says("Content-Length", "20000") && body().n == 0 && from_image());
    CU_ASSERT(get("/index.html?x=1", "") == 200 && from_image());
    CU_ASSERT(get("/empty.css", "") == 200);
    CU_ASSERT(says("Content-Length", "0") && body().n == 0 && from_image());
    CU_ASSERT(get("/missing.html", "") == 404);
    CU_ASSERT(ask("DELETE", "/index.html", "") == 405);
}

/* What is in the image, and what is left to static. */
static void test_contents(void)
{
    CU_ASSERT(serve("prebuilt on; prebuilt_max_file 10k;"
                    "location /off/ { prebuilt off; }"
                    "location /by/ { add_header X-Host $host; }") == 0);
    CU_ASSERT(get("/short.html", "") == 200 && from_image());
    CU_ASSERT(says("Vary", "Accept-Encoding"));
    CU_ASSERT(get("/link.html", "") == 200 && from_image() && str_eq(body(), STR("hello")));
    CU_ASSERT(get("/.well-known/thing.html", "") == 200 && from_image());
    CU_ASSERT(get("/sub/", "") == 200 && from_image() && str_eq(body(), STR("sub")));
    CU_ASSERT(get("/sub/index.html", "") == 200 && from_image());
    CU_ASSERT(get("/bare/", "") == 403);
    CU_ASSERT(get("/sub", "") == 301);
    CU_ASSERT(get("/index.html", "") == 200 && !from_image());
    CU_ASSERT(get("/", "") == 200 && !from_image());
    CU_ASSERT(get("/out.html", "") == 200 && !from_image());
    CU_ASSERT(get("/off/page.html", "") == 200 && !from_image());
    CU_ASSERT(get("/by/request.html", "") == 200 && !from_image());
    CU_ASSERT(says("X-Host", "example.com"));
    CU_ASSERT(get("/pixel.png", "") == 200 && !from_image());
}

/* Variants and the field that chooses them. */
static void test_negotiation(void)
{
    static const struct {
        const char *accept, *coding;   /* NULL: identity */
    } rows[] = {
        { "gzip", "gzip" },
        { "br", "br" },
        { "zstd", "zstd" },
        { "gzip, deflate, br, zstd", "br" },
        { "zstd, gzip", "zstd" },
        { "br;q=0.5, zstd;q=0.9, gzip;q=0.7", "zstd" },
        { "br;q=0.5, zstd;q=0.6, gzip;q=0.7", "gzip" },
        { "br;q=0, zstd;q=0, gzip", "gzip" },
        { "br;q=0, *", "zstd" },
        { "br;q=0, zstd;q=0, *;q=0.1", "gzip" },
        { "*", "br" },
        { "*;q=0", NULL },
        { "gzip, *;q=0", "gzip" },
        { "x-gzip", "gzip" },
        { "BR", "br" },
        { "identity;q=0", NULL },
        { "identity;q=0, *", "br" },
        { "identity;q=0, gzip;q=0.001", "gzip" },
        { "identity;q=0, deflate", NULL },
        { "identity", NULL },
        { "identity, gzip;q=0.5", NULL },
        { "gzip;q=0", NULL },
        { "gzip;q=0.1, identity;q=0.9", NULL },
        { "gzip;q=1.5, br;q=0.2", "br" },
        { "deflate", NULL },
        { "agzipper", NULL },
        { "", NULL },
        { "deflate\r\nAccept-Encoding: gzip", "gzip" },
        { NULL, NULL }
    };
    char fields[256];

    CU_ASSERT(serve("prebuilt on;") == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *accept = rows[i].accept;

        snprintf(fields, sizeof fields, "%s%s%s", accept ? "Accept-Encoding: " : "",
                 accept ? accept : "", accept ? "\r\n" : "");
        SUITE_CHECK(get("/index.html", fields) == 200 && from_image(), "%s", fields);
        SUITE_CHECK(says("Vary", "Accept-Encoding"), "%s", fields);
        SUITE_CHECK(says("Content-Encoding", rows[i].coding), "%s", fields);
        SUITE_CHECK(decodes_to(long_text()), "%s", fields);
        /* Too short to have variants, and no text at all: as it is, whatever the client says. */
        SUITE_CHECK(get("/short.html", fields) == 200, "%s", fields);
        SUITE_CHECK(says("Content-Encoding", NULL) && says("Vary", "Accept-Encoding"), "%s",
                    fields);
        SUITE_CHECK(get("/pixel.png", fields) == 200 && from_image(), "%s", fields);
        SUITE_CHECK(says("Content-Encoding", NULL) && says("Vary", NULL), "%s", fields);
    }
}

/* Entity-tags: one for each variant, equal for equal bytes. */
static void test_etags(void)
{
    char plain[64], zipped[64];

    CU_ASSERT(serve("prebuilt on;") == 0);
    get("/index.html", "");
    snprintf(plain, sizeof plain, "%s", field("ETag"));
    get("/index.html", "Accept-Encoding: gzip\r\n");
    snprintf(zipped, sizeof zipped, "%s", field("ETag"));
    CU_ASSERT(strcmp(plain, zipped) != 0);
    get("/copy.html", "");
    CU_ASSERT(says("ETag", plain));
    get("/", "");
    CU_ASSERT(says("ETag", plain));
    /* XXH3-128 of "hello", as xxhsum -H2 prints it on any machine. */
    get("/short.html", "");
    CU_ASSERT(says("ETag", "\"b5e9c1ad071b3e7fc779cfaa5e523818\""));
}

/* Preconditions. */
static void test_conditions(void)
{
    static const char same[] = "b5e9c1ad071b3e7fc779cfaa5e523818";
    static const struct {
        const char *format;            /* %s: the entity-tag's inside */
        int status;
    } rows[] = {
        { "If-None-Match: \"%s\"\r\n", 304 },
        { "If-None-Match: W/\"%s\"\r\n", 304 },
        { "If-None-Match: \"x\", \"%s\"\r\n", 304 },
        { "If-None-Match: \"x\"\r\nIf-None-Match: \"%s\"\r\n", 304 },
        { "If-None-Match: *\r\n", 304 },
        { "If-None-Match: \"x\"\r\n", 200 },
        { "If-None-Match: %s\r\n", 200 },
        { "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200 },
        { "If-Modified-Since: yesterday\r\n", 200 },
        { "If-Match: \"%s\"\r\n", 200 },
        { "If-Match: *\r\n", 200 },
        { "If-Match: W/\"%s\"\r\n", 412 },
        { "If-Match: \"x\"\r\n", 412 },
        { "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200 },
        { "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412 }
    };
    char fields[256];

    CU_ASSERT(serve("prebuilt on; add_header X-Baked yes;") == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int head = 0; head <= 1; head++) {
            /* The rows are constants of this table. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(fields, sizeof fields, rows[i].format, same);
#pragma GCC diagnostic pop
            SUITE_CHECK(ask(head ? "HEAD" : "GET", "/short.html", fields) == rows[i].status, "%s",
                        fields);
            if (rows[i].status != 304)
                continue;
            SUITE_CHECK(from_image() && body().n == 0, "%s", fields);
            SUITE_CHECK(says("Content-Type", NULL) && says("Content-Length", NULL), "%s", fields);
            SUITE_CHECK(says("Vary", "Accept-Encoding") && says("X-Baked", "yes"), "%s", fields);
            SUITE_CHECK(says("Cache-Control", "max-age=60, must-revalidate"), "%s", fields);
        }
}

/* Several ranges of a compressed variant: parts of its bytes, whatever they mean. */
static void test_multi_ranges(void)
{
    static const char *const codings[] = { "br", "zstd", "gzip" };
    char fields[256], whole[256];

    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        struct str found, all;
        size_t n;

        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\n", codings[i]);
        CU_ASSERT(get("/index.html", fields) == 200);
        n = body().n < sizeof whole ? body().n : sizeof whole;
        CU_ASSERT_FATAL(n > 20);
        memcpy(whole, body().p, n);
        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\nRange: bytes=0-3,10-14\r\n",
                 codings[i]);
        SUITE_CHECK(get("/index.html", fields) == 206 && says("Content-Encoding", codings[i]), "%s",
                    codings[i]);
        SUITE_CHECK(str_starts(str_of(field("Content-Type")), STR("multipart/byteranges; ")), "%s",
                    codings[i]);
        all = body();
        found.p = memmem(all.p, all.n, "\r\n\r\n", 4);
        CU_ASSERT_FATAL(found.p != NULL);
        CU_ASSERT(memcmp(found.p + 4, whole, 4) == 0);
        all = str_from(all, (size_t)(found.p + 8 - all.p));
        found.p = memmem(all.p, all.n, "\r\n\r\n", 4);
        CU_ASSERT_FATAL(found.p != NULL);
        CU_ASSERT(memcmp(found.p + 4, whole + 10, 5) == 0);
    }
}

/* Ranges are of the chosen variant and carry its entity-tag. */
static void test_ranges(void)
{
    char plain[64], zipped[64], fields[256], first[4];

    CU_ASSERT(serve("prebuilt on; add_header X-Baked yes;") == 0);
    get("/index.html", "");
    snprintf(plain, sizeof plain, "%s", field("ETag"));
    CU_ASSERT(get("/index.html", "Range: bytes=3-8\r\n") == 206);
    CU_ASSERT(says("Content-Range", "bytes 3-8/20000") && says("ETag", plain));
    CU_ASSERT(str_eq(body(), (struct str){ long_text() + 3, 6 }));
    CU_ASSERT(says("Vary", "Accept-Encoding") && says("X-Baked", "yes"));
    CU_ASSERT(says("Cache-Control", "max-age=60, must-revalidate"));
    CU_ASSERT(says("Content-Type", "text/html; charset=utf-8"));

    get("/index.html", "Accept-Encoding: gzip\r\n");
    snprintf(zipped, sizeof zipped, "%s", field("ETag"));
    memcpy(first, body().p, sizeof first);
    snprintf(fields, sizeof fields,
             "Accept-Encoding: gzip\r\nRange: bytes=0-3\r\nIf-Range: %s\r\n", zipped);
    CU_ASSERT(get("/index.html", fields) == 206);
    CU_ASSERT(says("Content-Encoding", "gzip") && says("ETag", zipped));
    CU_ASSERT(str_eq(body(), (struct str){ first, sizeof first }));
    snprintf(fields, sizeof fields,
             "Accept-Encoding: gzip\r\nRange: bytes=0-3\r\nIf-Range: %s\r\n", plain);
    CU_ASSERT(get("/index.html", fields) == 200 && decodes_to(long_text()));

    test_multi_ranges();
    CU_ASSERT(get("/index.html", "Accept-Encoding: gzip\r\nRange: bytes=90000-\r\n") == 416);
    CU_ASSERT(says("Content-Encoding", NULL) && field("Content-Range") != NULL);
    CU_ASSERT(ask("HEAD", "/index.html", "Range: bytes=0-3\r\n") == 200);
    snprintf(fields, sizeof fields, "Range: bytes=0-3\r\nIf-None-Match: %s\r\n", plain);
    CU_ASSERT(get("/index.html", fields) == 304);
}

/* The settings of a location are in the heads of its answers. */
static void test_settings(void)
{
    CU_ASSERT(serve("location / { prebuilt on; }"
                    "location /baked/ { prebuilt on; expires 1h; add_header X-Baked yes;"
                    " server_tokens off; charset off; }"
                    "location /sub/ { prebuilt on; add_header cache-control private; etag off; }"
                    "location /bare/ { prebuilt on; expires epoch; }") == 0);
    CU_ASSERT(get("/baked/page.html", "") == 200);
    CU_ASSERT(from_image() && says("X-Baked", "yes"));
    CU_ASSERT(says("Cache-Control", "max-age=3600") && says("Expires", NULL));
    CU_ASSERT(says("Server", "selvage") && says("Content-Type", "text/html"));
    CU_ASSERT(get("/sub/index.html", "") == 200);
    CU_ASSERT(says("Cache-Control", "private") && says("ETag", NULL));
    CU_ASSERT(says("Vary", "Accept-Encoding"));
    CU_ASSERT(get("/sub/", "") == 200 && says("Cache-Control", "private"));
    CU_ASSERT(get("/sub/index.html", "If-None-Match: \"x\"\r\n") == 200);
    CU_ASSERT(get("/bare/page.html", "") == 200);
    CU_ASSERT(from_image() && says("Cache-Control", "no-cache") && says("Expires", NULL));
}

/* Roots of locations, aliases, and locations for one path. */
static void test_roots(void)
{
    CU_ASSERT(serve("prebuilt on; location /img/ { alias other/; }"
                    "location /i { alias other; }"
                    "location = /one.html { alias other/a.html; }"
                    "location /deep/ { root other; }"
                    "location ~ ^/re/(.*) { alias other/$1; }"
                    "location /glued { alias other/; }") == 0);
    CU_ASSERT(get("/img/a.html", "") == 200 && from_image() && str_eq(body(), STR("other a")));
    CU_ASSERT(get("/img/deep/b.html", "") == 200 && from_image());
    CU_ASSERT(get("/i/a.html", "") == 200 && from_image() && str_eq(body(), STR("other a")));
    CU_ASSERT(get("/one.html", "") == 200 && from_image() && str_eq(body(), STR("other a")));
    CU_ASSERT(get("/deep/b.html", "") == 200 && from_image() && str_eq(body(), STR("other b")));
    CU_ASSERT(get("/re/a.html", "") == 200 && !from_image() && str_eq(body(), STR("other a")));
    CU_ASSERT(get("/gluedeep/b.html", "") == 404);
    CU_ASSERT(get("/short.html", "") == 200 && from_image());
}

/* A location inside one with an alias, where only the inner one is prebuilt. */
static void test_inherited_alias(void)
{
    CU_ASSERT(serve("location /img/ { alias other/;"
                    " location ~ \\.html$ { prebuilt on; } }") == 0);
    CU_ASSERT(get("/img/a.html", "") == 200 && from_image() && str_eq(body(), STR("other a")));
    CU_ASSERT(get("/short.html", "") == 200 && !from_image());
}

/* What came here by another way than its path does not get what the path has in the image. */
static void test_home(void)
{
    char text[1024];

    snprintf(text, sizeof text,
             "prebuilt on; error_page 403 = @other;"
             "location /off/ { return 403; }"
             "location @other { root %s/other; try_files /a.html =404; }"
             "location = /sub/index.html { return 401; }"
             "location /bare/ { try_files /short.html =404; }", dir);
    CU_ASSERT(serve(text) == 0);
    CU_ASSERT(get("/off/page.html", "") == 200);
    CU_ASSERT(!from_image());
    /* The index belongs to a location that refuses, so the directory must ask it. */
    CU_ASSERT(get("/sub/", "") == 401);
    /* try_files does not change the location, so the location's own root has to answer. */
    CU_ASSERT(get("/bare/x", "") == 200 && str_eq(body(), STR("hello")) && !from_image());
}

/* Cache-Control by path, and what pages will need. */
static void test_rules(void)
{
    static const struct {
        const char *path, *value, *link;
    } rows[] = {
        { "/short.html", "max-age=1", "</a.css>; rel=preload; as=style" },
        { "/SUB/x", NULL, NULL },
        { "/sub/index.html", "max-age=2", "</a.css>; rel=preload; as=style" },
        { "/sub/", "max-age=2", "</a.css>; rel=preload; as=style" },
        { "/empty.css", "max-age=60, must-revalidate", NULL },
        { "/pixel.png", NULL, NULL },
        { "/bare/page.html", "private", "</a.css>; rel=preload; as=style" },
        { "/off/page.html", "max-age=3", "</f.woff2>; rel=preload; as=font; crossorigin" }
    };
    static const char *const wrong[] = {
        "prebuilt_rule sub max-age=1;", "prebuilt_rule = /sub max-age=1;",
        "prebuilt_rule ~ ( max-age=1;", "prebuilt_rule / \"a\nb\";", "prebuilt_rule /;",
        "prebuilt_preload /a.css css;", "prebuilt_preload \"/a b\" style;",
        "prebuilt_preload \"/a>\" style;", "prebuilt_preload \"\" style;", "prebuilt maybe;"
    };

    CU_ASSERT(serve("prebuilt on; prebuilt_rule /sub/ max-age=2;"
                    "prebuilt_rule ~* ^/SHORT max-age=1; prebuilt_rule /short never;"
                    "prebuilt_rule ~ png$ \"\"; prebuilt_preload /a.css style;"
                    "location /bare/ { add_header Cache-Control private; }"
                    "location /off/ { prebuilt_rule /off/ max-age=3;"
                    " prebuilt_preload /f.woff2 font; }") == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (get(rows[i].path, "") == 404)
            continue;
        SUITE_CHECK(from_image() && says("Cache-Control", rows[i].value), "%s", rows[i].path);
        SUITE_CHECK(says("Link", rows[i].link), "%s", rows[i].path);
        /* A 304 says how long the answer stays fresh, but nothing of its contents. */
        SUITE_CHECK(get(rows[i].path, "If-None-Match: *\r\n") == 304, "%s", rows[i].path);
        SUITE_CHECK(says("Cache-Control", rows[i].value) && says("Link", NULL), "%s",
                    rows[i].path);
        if (get(rows[i].path, "Range: bytes=0-1\r\n") == 206)
            SUITE_CHECK(says("Cache-Control", rows[i].value), "%s", rows[i].path);
    }
    drop();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        SUITE_CHECK((config = load(wrong[i])) == NULL, "%s", wrong[i]);
}

/* Directories without their slash, for whatever name and query the client used. */
static void test_redirects(void)
{
    put("www/a b?/index.html", "odd");
    CU_ASSERT(serve("prebuilt only; location /off { absolute_redirect off; }"
                    "location /by { root $document_root; }"
                    "location /bare { try_files $uri $uri/page.html =404; }") == 0);
    CU_ASSERT(get("/sub", "") == 301);
    CU_ASSERT(says("Location", "http://example.com:8080/sub/"));
    CU_ASSERT(ask("HEAD", "/sub?a=b&c", "") == 301 && body().n == 0);
    CU_ASSERT(says("Location", "http://example.com:8080/sub/?a=b&c"));
    CU_ASSERT(get("/a%20b%3f", "") == 301);
    CU_ASSERT(says("Location", "http://example.com:8080/a%20b%3F/"));
    CU_ASSERT(get("/off", "If-None-Match: *\r\nRange: bytes=0-1\r\n") == 301);
    CU_ASSERT(says("Location", "/off/"));
    CU_ASSERT(ask("POST", "/sub", "Content-Length: 0\r\n") == 405);
    /* Where the root depends on the request there is nothing to be known. */
    CU_ASSERT(get("/by", "") == 404);
    /* try_files asks for files, and a directory is none. */
    CU_ASSERT(get("/bare", "") == 200 && str_eq(body(), STR("page")));
    CU_ASSERT(serve("prebuilt on;") == 0);
    CU_ASSERT(ask("POST", "/sub", "Content-Length: 0\r\n") == 301);
}

/* Nothing but the image answers. */
static void test_only(void)
{
    put("www/late.html", "before");
    CU_ASSERT(serve("prebuilt only; prebuilt_max_file 10k; location /off/ { prebuilt on; }") == 0);
    CU_ASSERT(get("/short.html", "") == 200 && from_image());
    put("www/later.html", "after");
    files_read = 0;
    CU_ASSERT(get("/later.html", "") == 404);
    CU_ASSERT(get("/index.html", "") == 404);
    CU_ASSERT(get("/bare/", "") == 404);
    CU_ASSERT(ask("DELETE", "/short.html", "") == 405 && says("Allow", "GET, HEAD"));
    CU_ASSERT(ask("POST", "/nothing", "Content-Length: 0\r\n") == 405);
    CU_ASSERT(ask("HEAD", "/nothing", "") == 404 && files_read == 0);
    put("www/off/later.html", "after");
    CU_ASSERT(get("/off/later.html", "") == 200 && !from_image());
    /* Without an image nobody can say what there is. */
    CU_ASSERT(serve("prebuilt only; prebuilt_max_size 4k;") == -1);
    CU_ASSERT(get("/short.html", "") == 503);
}

/* Error pages: ready for their status, in all variants, without conditions and ranges. */
static void test_error_pages(void)
{
    char etag[64], fields[256];

    put("www/404.html", long_text());
    put("www/made.html", long_text() + 500);
    CU_ASSERT(serve("prebuilt only; error_page 404 410 /404.html; error_page 403 =404 /404.html;"
                    "error_page 401 500 /made.html; error_page 402 = /made.html;"
                    "add_header X-Always yes always; add_header X-Good yes;"
                    "location = /gone { return 410; } location = /forbidden { return 403; }"
                    "location = /login { return 401; } location = /pay { return 402; }"
                    "location = /broken { error_page 404 /nothing.html; }"
                    "location = /404.html { internal; add_header X-Page yes always; }") == 0);
    CU_ASSERT(get("/nothing", "") == 404 && str_eq(body(), str_of(long_text())));
    CU_ASSERT(says("Content-Type", "text/html; charset=utf-8") && says("X-Page", "yes"));
    CU_ASSERT(says("ETag", NULL) && says("Last-Modified", NULL) && says("Accept-Ranges", NULL));
    CU_ASSERT(says("Cache-Control", NULL) && says("Vary", "Accept-Encoding"));
    CU_ASSERT(get("/nothing", "Accept-Encoding: br\r\n") == 404 && decodes_to(long_text()));
    CU_ASSERT(says("Content-Encoding", "br"));
    CU_ASSERT(get("/nothing", "Range: bytes=0-1\r\nIf-None-Match: *\r\n") == 404);
    CU_ASSERT(str_eq(body(), str_of(long_text())) && says("Content-Range", NULL));
    CU_ASSERT(ask("HEAD", "/nothing", "") == 404 && body().n == 0);
    CU_ASSERT(says("Content-Length", "20000"));
    CU_ASSERT(get("/gone", "") == 410 && says("X-Page", "yes"));
    CU_ASSERT(get("/forbidden", "Accept-Encoding: zstd\r\n") == 404 && decodes_to(long_text()));
    CU_ASSERT(get("/404.html", "") == 404 && says("X-Page", "yes"));
    CU_ASSERT(get("/login", "Accept-Encoding: gzip\r\n") == 401);
    CU_ASSERT(decodes_to(long_text() + 500) && says("X-Always", "yes") && says("X-Good", NULL));
    /* Its head is not ready, but its body is. */
    CU_ASSERT(get("/pay", "Accept-Encoding: br\r\n") == 200 && decodes_to(long_text() + 500));
    CU_ASSERT(says("Vary", "Accept-Encoding") && says("X-Good", "yes"));
    CU_ASSERT(get("/broken", "") == 404 && body().n < 400);
    /* A method that is refused has a field of its own. */
    CU_ASSERT(serve("prebuilt only; error_page 405 412 416 /made.html;") == 0);
    CU_ASSERT(ask("DELETE", "/short.html", "Accept-Encoding: zstd\r\n") == 405);
    CU_ASSERT(says("Allow", "GET, HEAD") && decodes_to(long_text() + 500));
    CU_ASSERT(get("/short.html", "Range: bytes=100-\r\n") == 416);
    CU_ASSERT(says("Content-Range", "bytes */5") && str_eq(body(), str_of(long_text() + 500)));
    CU_ASSERT(get("/short.html", "If-Match: \"x\"\r\n") == 412);
    CU_ASSERT(str_eq(body(), str_of(long_text() + 500)));
    /* The page itself answers as every file does. */
    CU_ASSERT(get("/made.html", "") == 200);
    snprintf(etag, sizeof etag, "%s", field("ETag"));
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", etag);
    CU_ASSERT(get("/made.html", fields) == 304);
}

/* disable_symlinks keeps out of the image what it keeps from being served. */
static void test_symlinks(void)
{
    CU_ASSERT(serve("prebuilt on; disable_symlinks on;") == 0);
    CU_ASSERT(get("/short.html", "") == 200 && from_image());
    CU_ASSERT(get("/link.html", "") == 403);
    CU_ASSERT(serve("prebuilt only; disable_symlinks on;") == 0);
    CU_ASSERT(get("/link.html", "") == 404);
    CU_ASSERT(serve("prebuilt only; disable_symlinks if_not_owner;") == 0);
    CU_ASSERT(get("/link.html", "") == 200 && from_image());
    CU_ASSERT(serve("prebuilt on; location = /link.html { disable_symlinks on; }") == 0);
    CU_ASSERT(get("/link.html", "") == 403 && get("/short.html", "") == 200 && from_image());
}

/* A warm connection is answered without a call of the allocator. */
static void test_no_allocation(void)
{
    static const char *const requests[] = {
        "GET /index.html HTTP/1.1\r\nHost: example.com\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n\r\n",
        "HEAD /index.html HTTP/1.1\r\nHost: example.com\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /short.html HTTP/1.1\r\nHost: example.com\r\n"
        "If-None-Match: \"b5e9c1ad071b3e7fc779cfaa5e523818\"\r\n\r\n"
    };
    struct conn *c;

    CU_ASSERT(serve("prebuilt on;") == 0);
    c = connect_to();
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        unsigned long before;

        for (int k = 0; k < 4; k++)
            exchange_bytes(c, requests[i]);
        before = mem_calls();
        for (int k = 0; k < 10; k++)
            exchange_bytes(c, requests[i]);
#if !defined(__SANITIZE_ADDRESS__)
        /* Below AddressSanitizer every object of an arena is a block of its own. */
        SUITE_CHECK(mem_calls() == before, "%lu calls for %s", mem_calls() - before,
                    requests[i]);
#else
        (void)before;
#endif
        CU_ASSERT(from_image());
    }
    conn_free(&c);
}

/* Runs the suite. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "plain", test_plain }, { "contents", test_contents },
        { "negotiation", test_negotiation }, { "entity-tags", test_etags },
        { "conditions", test_conditions }, { "ranges", test_ranges },
        { "settings", test_settings }, { "roots", test_roots },
        { "inherited alias", test_inherited_alias }, { "home", test_home },
        { "rules", test_rules }, { "redirects", test_redirects }, { "only", test_only },
        { "error pages", test_error_pages }, { "symbolic links", test_symlinks },
        { "no allocation", test_no_allocation }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "prebuilt", set_up, tear_down, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("prebuilt", suites);
}
