/*
 * test_prebuilt.c - from a document root to answers: a configuration, its images, requests in
 * bytes.
 *
 * The images are built in this process. Requests go through the HTTP/1 adapter as they do in a
 * worker; what comes out is compared as text.
 */
#include "base/mem.h"
#include "conn/conn.h"
#include "core/dispatch.h"
#include "core/images.h"
#include "core/module.h"
#include "http/h1.h"
#include "http/head.h"

#include "suite.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct slv_module selvage_module, module_static;

const struct slv_module *const linked_modules[] = { &selvage_module, &module_static, NULL };

#define MTIME 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW 1770000000

static char dir[64];                   /* of the test; owns all files below it */
static struct config *config;
static char answer[512 * 1024];        /* of the last request */
static size_t answer_size;

/* ---- Files and configurations ---------------------------------------------------------------- */

/* Writes a file below the test's directory, with the time MTIME. */
static void put_bytes(const char *name, const void *data, size_t size)
{
    struct timespec times[2] = { { MTIME, 0 }, { MTIME, 0 } };
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    /* Also called outside a test, where CUnit's asserts must not be used. */
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || futimens(fd, times) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    close(fd);
}

/* The same for a text. */
static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* A text that compresses well. */
static const char *long_text(void)
{
    static char text[20001];

    if (!text[0])
        for (int i = 0; i < 20000; i++)
            text[i] = "<p>warp and weft</p>\n"[i % 21];
    return text;
}

/* Reports of the configuration go to standard output as TAP comments. */
static void report_line(void *arg, enum slv_level level, const char *text, const char *detail)
{
    (void)arg;
    (void)level;
    printf("# %s\n# %s\n", text, detail);
}

/* Loads a configuration whose server block has these lines; NULL where it is refused. */
static struct config *load(const char *server)
{
    struct conf_report report = { .write = report_line };
    char path[80], text[4096];
    struct config_source source = { .file = path, .prefix = dir };

    snprintf(path, sizeof path, "%s/selvage.conf", dir);
    snprintf(text, sizeof text,
             "error_log stderr crit;\nevents { }\nhttp { access_log off;\n"
             "types { text/html html; text/css css; image/png png; }\n"
             "server { listen 8080; server_name example.com; root %s/www;\n%s\n} }\n", dir, server);
    put("selvage.conf", text);
    return config_load(&source, &report);
}

/* Drops the configuration at hand. */
static void drop(void)
{
    if (config)
        config_free(&config);
}

/* Builds all images as master and builder do. Returns what images_build() did. */
static int make_images(struct config *c)
{
    uint64_t number = 6;
    int rc;

    images_prepare(c);
    CU_ASSERT(images_next(c, NULL) != NULL);
    for (struct slv_image *i = images_next(c, NULL); i; i = images_next(c, i))
        CU_ASSERT_FATAL(image_begin(c, i, ++number) == 0);
    rc = images_build(c, INT64_MAX, NULL, NULL);
    for (struct slv_image *i = images_next(c, NULL); i; i = images_next(c, i)) {
        struct image_version *made;

        CU_ASSERT(image_take(i, &made) == (rc == 0 ? IMAGE_MADE : IMAGE_FAILED));
        if (!made)
            continue;
        image_use(i, made);
        image_version_unref(&made);
    }
    return rc;
}

/* Loads, builds and maps. Returns what images_build() did. */
static int serve(const char *server)
{
    int rc;

    drop();
    config = load(server);
    CU_ASSERT_FATAL(config != NULL);
    config->generation = 7;
    rc = make_images(config);
    CU_ASSERT(images_map(config) == 0);
    core_use(config);
    head_clock(NOW);
    return rc;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Takes what a connection wants to write, ranges of files included. */
static void drain(struct conn *c)
{
    const struct outq_span *file;
    struct iovec iov[16];
    size_t n;

    while ((n = conn_output(c, iov, 16, &file)) > 0 || file) {
        size_t sent = 0;

        for (size_t i = 0; i < n; i++) {
            CU_ASSERT_FATAL(answer_size + iov[i].iov_len < sizeof answer);
            memcpy(answer + answer_size, iov[i].iov_base, iov[i].iov_len);
            answer_size += iov[i].iov_len;
            sent += iov[i].iov_len;
        }
        if (n == 0) {
            CU_ASSERT_FATAL(answer_size + file->size < sizeof answer);
            sent = (size_t)pread(file->fd, answer + answer_size, file->size, file->offset);
            answer_size += sent;
        }
        conn_sent(c, sent, 0);
    }
}

/* A connection to the server. */
static struct conn *connect_to(void)
{
    const struct listen_addr *addr = config->sockets->addrs;
    static const struct h1_limits limits = {
        .header_timeout = 5000, .body_timeout = 5000, .keepalive_timeout = 5000,
        .conn.send_timeout = 5000,
        .header_buffer = 8192, .header_buffers = 4, .keepalive_requests = 1000
    };
    struct conn *c = conn_new(&h1_adapter, h1_new(&core_hooks, &limits, 0), 0);

    c->listen = addr;
    return c;
}

/* Sends bytes and collects the answer. */
static void exchange_bytes(struct conn *c, const char *text)
{
    char input[4096];
    size_t n = strlen(text);

    CU_ASSERT_FATAL(n < sizeof input);
    memcpy(input, text, n);
    answer_size = 0;
    conn_received(c, input, n, 0);
    drain(c);
    conn_settle(c);
    answer[answer_size] = '\0';
}

/* One request with some header fields; returns the status. */
static int ask(const char *method, const char *path, const char *fields)
{
    struct conn *c = connect_to();
    char text[2048];
    int status = 0;

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: example.com\r\n%s\r\n", method, path,
             fields);
    exchange_bytes(c, text);
    conn_free(&c);
    sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

/* GET. */
static int get(const char *path, const char *fields)
{
    return ask("GET", path, fields);
}

/* The value of a field of the answer, up to its line end; NULL where it has none. */
static const char *field(const char *name)
{
    static char value[512];
    const char *end = strstr(answer, "\r\n\r\n"), *p = answer;

    while (end && (p = strstr(p, "\r\n")) != NULL && p < end) {
        size_t n = strlen(name);

        p += 2;
        if (strncasecmp(p, name, n) != 0 || p[n] != ':')
            continue;
        p += n + 1;
        while (*p == ' ')
            p++;
        n = (size_t)(strstr(p, "\r\n") - p);
        snprintf(value, sizeof value, "%.*s", (int)n, p);
        return value;
    }
    return NULL;
}

/* The field has that value. */
static bool says(const char *name, const char *value)
{
    const char *v = field(name);

    return v && value ? strcmp(v, value) == 0 : !v && !value;
}

/* The body of the answer. */
static struct str body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");

    if (!end)
        return STR("");
    end += 4;
    return (struct str){ end, answer_size - (size_t)(end - answer) };
}

/* The answer came from an image: its entity-tag is a hash, where that of static has a dash. */
static bool from_image(void)
{
    const char *etag = field("ETag");

    return etag && strlen(etag) == 34 && !strchr(etag, '-');
}

/* The gzip body of the answer decompresses to a text. */
static bool unzips_to(const char *text)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    char *out = malloc(100000);
    size_t n = 0;
    bool good = libdeflate_gzip_decompress(d, body().p, body().n, out, 100000, &n)
        == LIBDEFLATE_SUCCESS && str_eq((struct str){ out, n }, str_of(text));

    libdeflate_free_decompressor(d);
    free(out);
    return good;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

/* Makes the directory and the files that most tests use. */
static int set_up(void)
{
    char from[128], to[128];

    strcpy(dir, "/tmp/test_prebuilt.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    put("www/index.html", long_text());
    put("www/copy.html", long_text());
    put("www/short.html", "hello");
    put("www/pixel.png", long_text());
    put("www/empty.css", "");
    put("www/.well-known/thing.html", "thing");
    put("www/sub/index.html", "sub");
    put("www/bare/page.html", "page");
    put("www/off/page.html", "off");
    put("www/baked/page.html", "baked");
    put("www/by/request.html", "by request");
    put("other/a.html", "other a");
    put("other/deep/b.html", "other b");
    put("secret.html", "secret");
    snprintf(from, sizeof from, "%s/www/link.html", dir);
    if (symlink("short.html", from) != 0)
        return 1;
    snprintf(from, sizeof from, "%s/www/out.html", dir);
    snprintf(to, sizeof to, "%s/secret.html", dir);
    if (symlink(to, from) != 0)
        return 1;
    snprintf(from, sizeof from, "%s/www/sub/loop", dir);
    return symlink("..", from) != 0;
}

/* Removes the files. */
static int tear_down(void)
{
    char command[128];

    drop();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}

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
        const char *accept;
        bool gzip;
    } rows[] = {
        { "Accept-Encoding: gzip\r\n", true },
        { "Accept-Encoding: gzip, deflate, br, zstd\r\n", true },
        { "Accept-Encoding: br, *\r\n", true },
        { "Accept-Encoding: x-gzip\r\n", true },
        { "Accept-Encoding: identity;q=0\r\n", false },
        { "Accept-Encoding: identity;q=0, *\r\n", true },
        { "Accept-Encoding: gzip;q=0\r\n", false },
        { "Accept-Encoding: gzip;q=0.1, identity;q=0.9\r\n", false },
        { "Accept-Encoding: br\r\n", false },
        { "Accept-Encoding: agzipper\r\n", false },
        { "Accept-Encoding:\r\n", false },
        { "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", true },
        { "", false }
    };

    CU_ASSERT(serve("prebuilt on;") == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SUITE_CHECK(get("/index.html", rows[i].accept) == 200 && from_image(), "%s",
                    rows[i].accept);
        SUITE_CHECK(says("Vary", "Accept-Encoding"), "%s", rows[i].accept);
        SUITE_CHECK(says("Content-Encoding", rows[i].gzip ? "gzip" : NULL), "%s", rows[i].accept);
        if (rows[i].gzip)
            SUITE_CHECK(unzips_to(long_text()), "%s", rows[i].accept);
        else
            SUITE_CHECK(str_eq(body(), str_of(long_text())), "%s", rows[i].accept);
    }
    CU_ASSERT(get("/short.html", "Accept-Encoding: gzip\r\n") == 200);
    CU_ASSERT(says("Content-Encoding", NULL) && says("Vary", "Accept-Encoding"));
    CU_ASSERT(get("/pixel.png", "Accept-Encoding: gzip\r\n") == 200);
    CU_ASSERT(says("Content-Encoding", NULL) && says("Vary", NULL) && from_image());
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
    CU_ASSERT(get("/index.html", fields) == 200 && unzips_to(long_text()));

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

/* The same files make the same image. */
static void test_determinism(void)
{
    const struct snapshot *s;
    size_t size;
    char *first;

    CU_ASSERT(serve("prebuilt on;") == 0);
    s = &config->servers->image->current->snapshot;
    size = (size_t)s->header->size;
    first = malloc(size);
    CU_ASSERT_FATAL(first != NULL);
    memcpy(first, s->base, size);
    CU_ASSERT(s->header->generation == 7);
    CU_ASSERT(serve("prebuilt on;") == 0);
    s = &config->servers->image->current->snapshot;
    CU_ASSERT_FATAL(s->header->size == size);
    CU_ASSERT(memcmp(first + sizeof *s->header, s->base + sizeof *s->header,
                     size - sizeof *s->header) == 0);
    free(first);
}

/* An image that would be too large is refused, and its host is served from disk. */
static void test_too_large(void)
{
    CU_ASSERT(serve("prebuilt on; prebuilt_max_size 4k;") == -1);
    CU_ASSERT(config->servers->image->current == NULL);
    CU_ASSERT(get("/short.html", "") == 200 && !from_image());
}

/* Nobody wants an image where nothing is on; what is on in a location is enough. */
static void test_wishes(void)
{
    drop();
    config = load("prebuilt off;");
    CU_ASSERT_FATAL(config != NULL);
    images_prepare(config);
    CU_ASSERT(images_next(config, NULL) == NULL && config->servers->image == NULL);
    CU_ASSERT(serve("location /sub/ { prebuilt on; }") == 0);
    CU_ASSERT(get("/sub/", "") == 200 && from_image());
    CU_ASSERT(get("/short.html", "") == 200 && !from_image());
}

/* An image that was not finished is given up. */
static void test_unfinished(void)
{
    struct image_version *made;
    struct slv_image *image;

    drop();
    config = load("prebuilt on;");
    CU_ASSERT_FATAL(config != NULL);
    images_prepare(config);
    image = images_next(config, NULL);
    CU_ASSERT_FATAL(image != NULL && config->servers->image == image);
    CU_ASSERT_FATAL(image_begin(config, image, 1) == 0);
    CU_ASSERT(image_take(image, &made) == IMAGE_FAILED && !made);
    CU_ASSERT(image->current == NULL && image->target == NULL);
    CU_ASSERT(images_map(config) == 0);
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
        { "determinism", test_determinism }, { "too large", test_too_large },
        { "wishes", test_wishes }, { "unfinished", test_unfinished },
        { "no allocation", test_no_allocation }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "prebuilt", set_up, tear_down, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("prebuilt", suites);
}
