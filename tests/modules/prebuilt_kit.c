/*
 * prebuilt_kit.c - a document root, its configuration and image, and requests in bytes.
 */
#include "prebuilt_kit.h"

#include "base/mem.h"
#include "core/dispatch.h"
#include "core/module.h"
#include "http/h1.h"
#include "http/head.h"

#include "suite.h"

#include <brotli/decode.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zstd.h>

extern const struct slv_module selvage_module, module_static;

const struct slv_module *const linked_modules[] = { &selvage_module, &module_static, NULL };

#define NOW 1770000000

bool no_threads;
unsigned threads_started, files_read, compressed;
int64_t clock_ahead;

/* ---- What stands before the library's -------------------------------------------------------- */

/* Counts threads and refuses them. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (no_threads)
        return EAGAIN;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    threads_started++;
    return real(thread, attr, run, arg);
}

/* Counts files that are opened in a directory. */
int openat(int at, const char *name, int flags, ...)
{
    files_read += !(flags & O_DIRECTORY);
    return (int)syscall(SYS_openat, at, name, flags, 0);
}

/* What openat() is called in a build with _FORTIFY_SOURCE. */
int __openat_2(int at, const char *name, int flags);

/* The same. */
int __openat_2(int at, const char *name, int flags)
{
    return openat(at, name, flags, 0);
}

/* Counts bodies that are compressed, whichever thread does it. */
size_t libdeflate_gzip_compress(struct libdeflate_compressor *c, const void *from, size_t size,
                                void *to, size_t room)
{
    size_t (*real)(struct libdeflate_compressor *, const void *, size_t, void *, size_t);

    *(void **)&real = dlsym(RTLD_NEXT, "libdeflate_gzip_compress");
    __atomic_add_fetch(&compressed, 1, __ATOMIC_RELAXED);
    return real(c, from, size, to, room);
}

/* Goes before the world, so that files have not been touched for a while. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_REALTIME)
        now->tv_sec += clock_ahead;
    return rc;
}

char dir[64];
struct config *config;
char reply[512 * 1024];
size_t reply_size;

/* ---- Files and configurations ---------------------------------------------------------------- */

/* Writes a file below the test's directory, with the time MTIME. */
void put_bytes(const char *name, const void *data, size_t size)
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
void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* A text that compresses well. */
const char *long_text(void)
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
struct config *load(const char *server)
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
void drop(void)
{
    if (config)
        config_free(&config);
}

/* Builds all images as master and builder do. Returns what images_build() did. */
int make_images(struct config *c)
{
    uint64_t number = 6;
    int rc;

    images_prepare(c);
    CU_ASSERT(images_next(c, NULL) != NULL);
    for (struct slv_image *i = images_next(c, NULL); i; i = images_next(c, i))
        CU_ASSERT_FATAL(image_begin(c, i, ++number) == 0);
    rc = images_build(c, IMAGE_THOROUGH, NULL, NULL);
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
int serve(const char *server)
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

/* Builds an image for the host at hand. */
int make(struct made *m, const struct made *previous, bool same_config, enum image_effort effort)
{
    struct image_job job = {
        .config = config, .image = config->servers->image, .number = 9,
        .fd = memfd_create("made", MFD_CLOEXEC), .same_config = same_config,
        .previous = previous ? &previous->snapshot : NULL,
        .previous_fd = previous ? previous->fd : -1,
        .effort = effort
    };
    const char *reason = NULL;
    struct stat st;

    *m = (struct made){ 0 };
    files_read = threads_started = compressed = 0;
    if (image_build(&job) != 0) {
        close(job.fd);
        return -1;
    }
    m->unchanged = job.unchanged;
    m->put_off = job.put_off;
    CU_ASSERT_FATAL(fstat(job.fd, &st) == 0);
    m->size = (size_t)st.st_size;
    if (m->size > 0) {
        m->base = mmap(NULL, m->size, PROT_READ, MAP_SHARED, job.fd, 0);
        CU_ASSERT_FATAL(m->base != MAP_FAILED);
        CU_ASSERT(snapshot_check(m->base, m->size, true, &m->snapshot, &reason) == 0);
    }
    m->fd = job.fd;
    return 0;
}

/* Gives it back. */
void unmake(struct made *m)
{
    if (m->base)
        munmap(m->base, m->size);
    m->base = NULL;
    if (m->fd > 0)
        close(m->fd);
    m->fd = 0;
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
            CU_ASSERT_FATAL(reply_size + iov[i].iov_len < sizeof reply);
            memcpy(reply + reply_size, iov[i].iov_base, iov[i].iov_len);
            reply_size += iov[i].iov_len;
            sent += iov[i].iov_len;
        }
        if (n == 0) {
            CU_ASSERT_FATAL(reply_size + file->size < sizeof reply);
            sent = (size_t)pread(file->fd, reply + reply_size, file->size, file->offset);
            reply_size += sent;
        }
        conn_sent(c, sent, 0);
    }
}

/* A connection to the server. */
struct conn *connect_to(void)
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
void exchange_bytes(struct conn *c, const char *text)
{
    char input[4096];
    size_t n = strlen(text);

    CU_ASSERT_FATAL(n < sizeof input);
    memcpy(input, text, n);
    reply_size = 0;
    conn_received(c, input, n, 0);
    drain(c);
    conn_settle(c);
    reply[reply_size] = '\0';
}

/* One request with some header fields; returns the status. */
int ask(const char *method, const char *path, const char *fields)
{
    struct conn *c = connect_to();
    char text[2048];
    int status = 0;

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: example.com\r\n%s\r\n", method, path,
             fields);
    exchange_bytes(c, text);
    conn_free(&c);
    sscanf(reply, "HTTP/1.1 %d", &status);
    return status;
}

/* GET. */
int get(const char *path, const char *fields)
{
    return ask("GET", path, fields);
}

/* The value of a field of the reply, up to its line end; NULL where it has none. */
const char *field(const char *name)
{
    static char value[512];
    const char *end = strstr(reply, "\r\n\r\n"), *p = reply;

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
bool says(const char *name, const char *value)
{
    const char *v = field(name);

    return v && value ? strcmp(v, value) == 0 : !v && !value;
}

/* The body of the answer. */
struct str body(void)
{
    const char *end = strstr(reply, "\r\n\r\n");

    if (!end)
        return STR("");
    end += 4;
    return (struct str){ end, reply_size - (size_t)(end - reply) };
}

/* The answer came from an image: its entity-tag is a hash, where that of static has a dash. */
bool from_image(void)
{
    const char *etag = field("ETag");

    return etag && strlen(etag) == 34 && !strchr(etag, '-');
}

/* Decompresses the body of the reply, whatever its coding is. */
static size_t decode(const char *coding, char *out, size_t room)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t n = 0;

    if (strcmp(coding, "gzip") == 0) {
        if (libdeflate_gzip_decompress(d, body().p, body().n, out, room, &n) != LIBDEFLATE_SUCCESS)
            n = 0;
    } else if (strcmp(coding, "br") == 0) {
        n = room;
        if (BrotliDecoderDecompress(body().n, (const uint8_t *)body().p, &n, (uint8_t *)out)
            != BROTLI_DECODER_RESULT_SUCCESS)
            n = 0;
    } else if (strcmp(coding, "zstd") == 0) {
        n = ZSTD_decompress(out, room, body().p, body().n);
        n = ZSTD_isError(n) ? 0 : n;
    }
    libdeflate_free_decompressor(d);
    return n;
}

bool decodes_to(const char *text)
{
    const char *coding = field("Content-Encoding");
    char *out;
    bool good;

    if (!coding)
        return str_eq(body(), str_of(text));
    out = malloc(200000);
    good = str_eq((struct str){ out, decode(coding, out, 200000) }, str_of(text));
    free(out);
    return good;
}

/* Makes the directory and the files that most tests use. */
int set_up(void)
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
int tear_down(void)
{
    char command[128];

    drop();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}
