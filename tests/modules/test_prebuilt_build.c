/*
 * test_prebuilt_build.c - from a document root to an image: what is made, what is taken over.
 */
#include "prebuilt_kit.h"

#include "suite.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static bool no_threads;
static unsigned threads_started;

/* Stands before the library's, so that threads can be counted and refused. */
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

/* The image of the configuration at hand. */
static const struct snapshot *image(void)
{
    CU_ASSERT_FATAL(config->servers->image != NULL);
    return &config->servers->image->snapshot;
}

/* A copy of the image's bytes; its size. */
static char *copy_image(size_t *size)
{
    char *copy;

    *size = (size_t)image()->header->size;
    copy = malloc(*size);
    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, image()->base, *size);
    return copy;
}

/* The image at hand is another one, but for its header. */
static bool same_image(const char *copy, size_t size)
{
    size_t head = sizeof(struct snapshot_header);

    return image()->header->size == size
        && memcmp(copy + head, image()->base + head, size - head) == 0;
}

/* The variant of an entry in a coding, or NULL. */
static const struct snapshot_variant *variant(const struct snapshot_entry *e, enum coding coding)
{
    for (unsigned i = 0; e && i < e->variants; i++)
        if (snapshot_variants(e)[i].coding == coding)
            return &snapshot_variants(e)[i];
    return NULL;
}

/* The same files make the same image. */
static void test_determinism(void)
{
    size_t size;
    char *first;

    CU_ASSERT(serve("prebuilt on;") == 0);
    CU_ASSERT(image()->header->generation == 7);
    first = copy_image(&size);
    CU_ASSERT(serve("prebuilt on;") == 0);
    CU_ASSERT(same_image(first, size));
    free(first);
}

/* Some bytes that compress to so many hundredths of them, more or less. */
static void fill(char *out, size_t size, unsigned hundredths, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245u + 12345u;
        out[i] = (seed >> 16) % 100 < hundredths ? (char)(seed >> 24) : 'a';
    }
}

/* The window that the decoder of a zstd frame needs (RFC 8878 section 3.1.1.1). */
static uint64_t zstd_window(struct str frame)
{
    const unsigned char *p = (const unsigned char *)frame.p;
    uint64_t base;

    CU_ASSERT_FATAL(frame.n > 14 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0);
    /* A single segment: its size, which is 1, 2, 4 or 8 bytes long, is the window. */
    if (p[4] & 0x20)
        switch (p[4] >> 6) {
        case 0:
            return p[5];
        case 1:
            return p[5] + p[6] * 256u + 256;
        default:
            return p[5] + p[6] * 256u + p[7] * 65536u + p[8] * 16777216ull;
        }
    base = UINT64_C(1) << (10 + (p[5] >> 3));
    return base + base / 8 * (p[5] & 7);
}

/* Every variant is worth its bytes, and those that are not are not there. */
static void test_variants(void)
{
    static const struct {
        size_t size;
        unsigned hundredths;
    } bodies[] = {
        { 0, 0 }, { 10, 0 }, { 63, 0 }, { 64, 0 }, { 200, 0 }, { 200, 60 }, { 1000, 20 },
        { 1000, 70 }, { 5000, 85 }, { 5000, 100 }, { 40000, 50 }, { 40000, 90 }, { 70000, 10 }
    };
    const struct snapshot_entry *e = NULL;
    unsigned counts[CODING_MAX] = { 0 };
    char name[64], *data = malloc(70000);

    CU_ASSERT_FATAL(data != NULL);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fill(data, bodies[i].size, bodies[i].hundredths, (unsigned)i);
        snprintf(name, sizeof name, "www/kinds/%zu.css", i);
        put_bytes(name, data, bodies[i].size);
    }
    free(data);
    CU_ASSERT(serve("prebuilt on;") == 0);
    while ((e = snapshot_next(image(), e)) != NULL) {
        const struct snapshot_variant *v = snapshot_variants(e), *gzip = variant(e, CODING_GZIP);

        for (unsigned i = 0; i < e->variants; i++) {
            counts[v[i].coding]++;
            if (i == 0)
                continue;
            SUITE_CHECK(v[i].body_size + 24 <= v[0].body_size - v[0].body_size / 10, "%.*s: %u",
                        STR_ARG(snapshot_path(e)), i);
            SUITE_CHECK(v[i].coding == CODING_GZIP || !gzip || v[i].body_size < gzip->body_size,
                        "%.*s: %u", STR_ARG(snapshot_path(e)), i);
        }
    }
    CU_ASSERT(counts[CODING_IDENTITY] > 13 && counts[CODING_GZIP] >= 5);
    CU_ASSERT(counts[CODING_BR] >= 5 && counts[CODING_ZSTD] >= 3);
    CU_ASSERT(snapshot_find(image(), STR("/kinds/2.css"))->variants == 1);
    CU_ASSERT(snapshot_find(image(), STR("/kinds/9.css"))->variants == 1);
}

/* A decoder of zstd needs no more than 8 MiB (RFC 9659), and knows the size of what will come. */
static void test_window(void)
{
    static const size_t sizes[] = { 3000, 300000, (9u << 20) + 5 };
    char name[64], *data = malloc(sizes[2]);
    struct str path;

    CU_ASSERT_FATAL(data != NULL);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = "all the same "[k / 4096 % 13];
        snprintf(name, sizeof name, "www/window/%zu.css", i);
        put_bytes(name, data, sizes[i]);
    }
    free(data);
    CU_ASSERT(serve("location /window/ { prebuilt on; }") == 0);
    for (size_t i = 0; i < 3; i++) {
        const struct snapshot_variant *v;
        uint64_t window;

        path = (struct str){ name, (size_t)snprintf(name, sizeof name, "/window/%zu.css", i) };
        v = variant(snapshot_find(image(), path), CODING_ZSTD);
        CU_ASSERT_FATAL(v != NULL);
        window = zstd_window(snapshot_text(image(), v->body, v->body_size));
        CU_ASSERT(i < 2 ? window == sizes[i] : window == 8u << 20);
    }
}

/* The image does not depend on how many threads there are, nor on whether there are any. */
static void test_threads(void)
{
    char name[64], *data = malloc(30000), *first;
    size_t size;

    CU_ASSERT_FATAL(data != NULL);
    for (unsigned i = 0; i < 60; i++) {
        fill(data, 500 * i, i, i);
        snprintf(name, sizeof name, "www/many/%u/%u.css", i % 7, i);
        put_bytes(name, data, 500 * i);
    }
    free(data);
    CU_ASSERT(serve("prebuilt on; prebuilt_threads 1;") == 0);
    first = copy_image(&size);
    threads_started = 0;
    CU_ASSERT(serve("prebuilt on; prebuilt_threads 5;") == 0);
    CU_ASSERT(threads_started == 5 && same_image(first, size));
    no_threads = true;
    CU_ASSERT(serve("prebuilt on; prebuilt_threads 5;") == 0);
    no_threads = false;
    CU_ASSERT(threads_started == 5 && same_image(first, size));
    drop();
    CU_ASSERT(load("prebuilt on; prebuilt_threads 257;") == NULL);
    free(first);
}

/* An image that would be too large is refused, and its host is served from disk. */
static void test_too_large(void)
{
    CU_ASSERT(serve("prebuilt on; prebuilt_max_size 4k;") == -1);
    CU_ASSERT(config->servers->image == NULL);
    CU_ASSERT(get("/short.html", "") == 200 && !from_image());
}

/* Nobody wants an image where nothing is on; what is on in a location is enough. */
static void test_wishes(void)
{
    drop();
    config = load("prebuilt off;");
    CU_ASSERT_FATAL(config != NULL);
    CU_ASSERT(!images_wanted(config));
    CU_ASSERT(images_prepare(config, NULL) == 0 && config->servers->image == NULL);
    drop();
    config = load("location /sub/ { prebuilt on; }");
    CU_ASSERT_FATAL(config != NULL);
    CU_ASSERT(images_wanted(config));
    drop();
    CU_ASSERT(serve("location /sub/ { prebuilt on; }") == 0);
    CU_ASSERT(get("/sub/", "") == 200 && from_image());
    CU_ASSERT(get("/short.html", "") == 200 && !from_image());
}

/* An image that was not finished is given up. */
static void test_unfinished(void)
{
    drop();
    config = load("prebuilt on;");
    CU_ASSERT_FATAL(config != NULL);
    CU_ASSERT(images_prepare(config, NULL) == 0 && config->servers->image != NULL);
    CU_ASSERT(images_check(config) == -1);
    CU_ASSERT(config->servers->image == NULL);
    CU_ASSERT(images_map(config) == 0);
}

/* Runs the suite. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "determinism", test_determinism }, { "variants", test_variants },
        { "window", test_window },
        { "threads", test_threads }, { "too large", test_too_large }, { "wishes", test_wishes },
        { "unfinished", test_unfinished }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "building", set_up, tear_down, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("prebuilt_build", suites);
}
