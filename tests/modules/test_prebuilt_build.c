/*
 * test_prebuilt_build.c - from a document root to an image: what is made, what is taken over.
 */
#include "prebuilt_kit.h"

#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The image of the configuration at hand. */
static const struct snapshot *image(void)
{
    CU_ASSERT_FATAL(config->servers->image != NULL && config->servers->image->current != NULL);
    return &config->servers->image->current->snapshot;
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

/* Removes a directory and all below it. */
static void drop_directory(const char *name)
{
    char command[160];

    snprintf(command, sizeof command, "rm -r %s/%s", dir, name);
    CU_ASSERT(system(command) == 0);
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
    /* Not to be compressed by every other test. */
    drop_directory("www/window");
}

/* The image does not depend on how many threads there are, nor on whether there are any. */
static void test_threads(void)
{
    char name[64], *data = malloc(30000), *first;
    size_t size;

    CU_ASSERT_FATAL(data != NULL);
    for (unsigned i = 0; i < 30; i++) {
        fill(data, 200 * i, i, i);
        snprintf(name, sizeof name, "www/many/%u/%u.css", i % 7, i);
        put_bytes(name, data, 200 * i);
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
    drop_directory("www/many");
    free(first);
}

/* Loads a configuration and prepares its images without building them. */
static void prepare(const char *server)
{
    drop();
    config = load(server);
    CU_ASSERT_FATAL(config != NULL);
    images_prepare(config);
}

/* Two images answer alike, and know the same of the files. */
static bool alike(const struct made *a, const struct made *b)
{
    size_t head = sizeof(struct snapshot_header);

    return a->size == b->size && a->size > head
        && memcmp((char *)a->base + head, (char *)b->base + head, a->size - head) == 0
        && memcmp(a->snapshot.header->content, b->snapshot.header->content, 16) == 0;
}

/* Where somebody waits, what takes long is made for 256 KiB and put off beyond. */
static void test_quick(void)
{
    struct made quick, again, whole, anew, idle;
    unsigned slow = 0, fast = 0, with = 0;
    const struct snapshot_entry *e = NULL;
    char name[64], *data = malloc(75000);

    CU_ASSERT_FATAL(data != NULL);
    for (unsigned i = 0; i < 6; i++) {
        fill(data, 75000, 1, i);
        snprintf(name, sizeof name, "www/haste/%u.css", i);
        put_bytes(name, data, 75000);
    }
    free(data);
    prepare("location /haste/ { prebuilt on; }");
    CU_ASSERT_FATAL(make(&quick, NULL, false, IMAGE_QUICK) == 0);
    while ((e = snapshot_next(&quick.snapshot, e)) != NULL) {
        if (e->kind != SNAPSHOT_FILE)
            continue;
        fast += variant(e, CODING_GZIP) != NULL;
        slow += variant(e, CODING_BR) != NULL && variant(e, CODING_ZSTD) != NULL;
        with += (e->flags & SNAPSHOT_PUT_OFF) != 0;
    }
    CU_ASSERT(fast == 6 && slow == 3 && with == 3);
    CU_ASSERT(quick.put_off == 3 && quick.snapshot.header->put_off == 3);
    CU_ASSERT(make(&again, NULL, false, IMAGE_QUICK) == 0 && alike(&quick, &again));
    /* Nobody waits for what was put off: the next build in haste has nothing to do. */
    unmake(&again);
    CU_ASSERT(make(&again, &quick, true, IMAGE_QUICK) == 0 && again.unchanged && again.size == 0);
    CU_ASSERT(make(&whole, &quick, true, IMAGE_THOROUGH) == 0 && whole.put_off == 0);
    CU_ASSERT(make(&anew, NULL, false, IMAGE_THOROUGH) == 0);
    CU_ASSERT(alike(&whole, &anew));
    CU_ASSERT(make(&idle, &anew, true, IMAGE_QUICK) == 0 && idle.unchanged && idle.size == 0);
    drop_directory("www/haste");
    unmake(&quick);
    unmake(&again);
    unmake(&whole);
    unmake(&anew);
}

/* Refining makes of an image what a thorough build would have made, and does not look at files. */
static void test_refined(void)
{
    struct made quick, anew, fine, idle;
    char name[64], *data = malloc(150000);

    CU_ASSERT_FATAL(data != NULL);
    for (unsigned i = 0; i < 4; i++) {
        fill(data, 150000, 1, i);
        snprintf(name, sizeof name, "www/haste/%u.css", i);
        put_bytes(name, data, 150000);
        snprintf(name, sizeof name, "www/haste/%u/index.html", i);
        put_bytes(name, data, i < 2 ? 150000 : 100 * i);
    }
    put("www/haste/picture.png", "a picture");
    prepare("error_page 404 /haste/0/index.html; location /haste/ { prebuilt on; }");
    CU_ASSERT_FATAL(make(&quick, NULL, false, IMAGE_QUICK) == 0 && quick.put_off > 0);
    CU_ASSERT_FATAL(make(&anew, NULL, false, IMAGE_THOROUGH) == 0 && anew.put_off == 0);
    /* Half of the next version of the site. */
    put("www/haste/0.css", "");
    put("www/haste/new.css", long_text());
    drop_directory("www/haste/1");
    CU_ASSERT(make(&fine, &quick, true, IMAGE_SHARE) == 0 && fine.put_off == 0);
    CU_ASSERT(files_read == 0 && alike(&fine, &anew));
    CU_ASSERT(make(&idle, &fine, true, IMAGE_SHARE) == 0 && idle.unchanged);
    drop_directory("www/haste");
    unmake(&quick);
    unmake(&anew);
    unmake(&fine);
    unmake(&idle);
    free(data);
}

/* What has not changed is not read, nor compressed, nor written. */
static void test_unchanged(void)
{
    struct made first, next;
    char path[128];

    prepare("prebuilt on;");
    clock_ahead = 10;
    CU_ASSERT_FATAL(make(&first, NULL, false, IMAGE_THOROUGH) == 0);
    CU_ASSERT(files_read > 10 && threads_started > 0 && !first.unchanged);
    CU_ASSERT(make(&next, &first, true, IMAGE_THOROUGH) == 0);
    CU_ASSERT(next.unchanged && next.size == 0 && files_read == 0 && threads_started == 0);
    /* The same with the heads made anew. */
    CU_ASSERT(make(&next, &first, false, IMAGE_THOROUGH) == 0);
    CU_ASSERT(next.unchanged && next.size == 0 && files_read == 0 && threads_started == 0);
    /* Only the change time is another one: the bytes decide. */
    snprintf(path, sizeof path, "%s/www/index.html", dir);
    CU_ASSERT(chmod(path, 0600) == 0);
    CU_ASSERT(make(&next, &first, true, IMAGE_THOROUGH) == 0);
    CU_ASSERT(next.unchanged && files_read == 1 && threads_started == 0);
    CU_ASSERT(chmod(path, 0644) == 0);
    unmake(&first);
    /* Files that were young when the image was begun may have changed without a trace. */
    clock_ahead = 0;
    put("www/young.html", "young");
    CU_ASSERT_FATAL(make(&first, NULL, false, IMAGE_THOROUGH) == 0);
    CU_ASSERT(make(&next, &first, true, IMAGE_THOROUGH) == 0);
    CU_ASSERT(next.unchanged && files_read > 0);
    unmake(&first);
}

/* Changes some file. */
static void change(int step)
{
    struct timespec times[2] = { { MTIME + 5, 0 }, { MTIME + 5, 0 } };
    char path[128], to[128];
    int rc = 0;

    snprintf(path, sizeof path, "%s/www/change/b.css", dir);
    snprintf(to, sizeof to, "%s/www/change/moved.css", dir);
    switch (step) {
    case 0:
        put("www/change/b.css", long_text() + 200);
        break;
    case 1:
        put("www/change/aa.css", long_text() + 300);
        break;
    case 2:
        rc = utimensat(AT_FDCWD, path, times, 0);
        break;
    case 3:
        rc = rename(path, to);
        break;
    case 4:
        rc = unlink(to);
        break;
    case 5:
        put("www/change/d.css", long_text());
        break;
    default:
        put("www/change/a.css", "short now");
    }
    CU_ASSERT(rc == 0);
}

/* Changes of every kind: what comes of them is what a build from nothing makes. */
static void test_incremental(void)
{
    static const char *const confs[] = {
        "prebuilt on;", "prebuilt on; add_header X-New yes;", "prebuilt on; charset off;",
        "prebuilt on; location ~ html$ { prebuilt off; }", "prebuilt on;"
    };
    struct made last, next, anew;

    clock_ahead = 10;
    put("www/change/a.css", long_text());
    put("www/change/b.css", long_text() + 100);
    put("www/change/c.css", long_text() + 5000);
    put("www/change/d.css", "plain");
    prepare("prebuilt on;");
    CU_ASSERT_FATAL(make(&last, NULL, false, IMAGE_THOROUGH) == 0);
    for (int step = 0; step < 7; step++) {
        change(step);
        CU_ASSERT_FATAL(make(&next, &last, true, IMAGE_THOROUGH) == 0);
        SUITE_CHECK(!next.unchanged && files_read == (step != 4), "step %d: %u files read", step,
                    files_read);
        /* A file that was moved or copied is known by its bytes. */
        SUITE_CHECK((threads_started > 0) == (step < 2), "step %d", step);
        CU_ASSERT_FATAL(make(&anew, NULL, false, IMAGE_THOROUGH) == 0);
        SUITE_CHECK(alike(&next, &anew), "step %d", step);
        unmake(&anew);
        unmake(&last);
        last = next;
    }
    for (size_t i = 1; i < sizeof confs / sizeof confs[0]; i++) {
        prepare(confs[i]);
        CU_ASSERT_FATAL(make(&next, &last, false, IMAGE_THOROUGH) == 0);
        /* From the last but one nothing of pages is left to be taken over. */
        SUITE_CHECK(i == 4 || (files_read == 0 && threads_started == 0), "%s", confs[i]);
        CU_ASSERT_FATAL(make(&anew, NULL, false, IMAGE_THOROUGH) == 0);
        SUITE_CHECK(alike(&next, &anew), "%s", confs[i]);
        unmake(&anew);
        unmake(&last);
        last = next;
    }
    unmake(&last);
    clock_ahead = 0;
}

/* Of equal files one is compressed, and none if the earlier image has such a file anywhere. */
static void test_twins(void)
{
    static const char *const names[] = { "a.css", "b.css", "c.wasm", "d.html", "sub/e.js" };
    struct made first, next, anew;
    char name[64], from[128], to[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, "www/twins/%s", names[i]);
        put(name, long_text() + 400);
    }
    prepare("location /twins/ { types { text/html html; text/css css js; application/wasm wasm; }"
            " prebuilt on; }");
    clock_ahead = 10;
    CU_ASSERT_FATAL(make(&first, NULL, false, IMAGE_THOROUGH) == 0);
    /* For brotli, wasm is something else than text. */
    SUITE_CHECK(compressed == 2, "%u", compressed);
    /* A directory that was moved, a file that was renamed, one that was copied. */
    snprintf(from, sizeof from, "%s/www/twins/sub", dir);
    snprintf(to, sizeof to, "%s/www/twins/moved", dir);
    CU_ASSERT(rename(from, to) == 0);
    snprintf(from, sizeof from, "%s/www/twins/b.css", dir);
    snprintf(to, sizeof to, "%s/www/twins/z.css", dir);
    CU_ASSERT(rename(from, to) == 0);
    put("www/twins/0.html", long_text() + 400);
    CU_ASSERT_FATAL(make(&next, &first, true, IMAGE_THOROUGH) == 0);
    SUITE_CHECK(compressed == 0 && threads_started == 0, "%u", compressed);
    CU_ASSERT_FATAL(make(&anew, NULL, false, IMAGE_THOROUGH) == 0);
    CU_ASSERT(alike(&next, &anew));
    unmake(&anew);
    unmake(&first);
    /* Two that are new and equal, and one that is like others, but not of their kind. */
    put("www/twins/new.html", long_text() + 500);
    put("www/twins/new.js", long_text() + 500);
    put("www/twins/0.wasm", long_text() + 400);
    CU_ASSERT_FATAL(make(&first, &next, true, IMAGE_THOROUGH) == 0);
    SUITE_CHECK(compressed == 2, "%u", compressed);
    CU_ASSERT_FATAL(make(&anew, NULL, false, IMAGE_THOROUGH) == 0);
    SUITE_CHECK(compressed == 3, "%u", compressed);
    CU_ASSERT(alike(&first, &anew));
    unmake(&anew);
    unmake(&next);
    unmake(&first);
    clock_ahead = 0;
    drop_directory("www/twins");
}

/* Bodies wait for equal ones within bounds: not the largest ones, and not for ever. */
static void test_twins_bounds(void)
{
    static const struct {
        const char *name;
        size_t mib;
        char first;
    } files[] = {
        { "a0", 8, '0' }, { "a1", 8, '1' }, { "a2", 8, '2' }, { "a3", 8, '3' }, { "a4", 8, '4' },
        { "b0", 8, '0' }, { "b4", 8, '4' }, { "c0", 9, '0' }, { "c1", 9, '0' }
    };
    char name[64], *data = malloc(9u << 20);
    struct made made;

    CU_ASSERT_FATAL(data != NULL);
    memset(data, 'a', 9u << 20);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        data[0] = files[i].first;
        snprintf(name, sizeof name, "www/bounds/%s.css", files[i].name);
        put_bytes(name, data, files[i].mib << 20);
    }
    free(data);
    prepare("location /bounds/ { prebuilt on; prebuilt_max_file 9m; }");
    CU_ASSERT_FATAL(make(&made, NULL, false, IMAGE_QUICK) == 0);
    /* "a0" was forgotten for "a4", which was there for "b4". */
    SUITE_CHECK(compressed == 8, "%u", compressed);
    unmake(&made);
    drop_directory("www/bounds");
}

/* The page table gets an image in slices, and then there is no more to do. */
static void test_warm(void)
{
    const struct image_version *v;
    unsigned slices = 0;

    CU_ASSERT(serve("prebuilt on;") == 0);
    v = config->servers->image->current;
    CU_ASSERT(v->warmed == 0);
    while (images_warm(config, 4096))
        slices++;
    /* A kernel that cannot do it is asked once. */
    CU_ASSERT((slices == 0 && v->warmed == UINT64_MAX)
              || (slices >= v->warmed / 4096 && slices <= v->size / 4096 + 3));
    CU_ASSERT(slices == 0 || v->warmed + 16384 > v->size);
    CU_ASSERT(!images_warm(config, 4096) && get("/index.html", "") == 200 && from_image());
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

/* Runs the suite. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "determinism", test_determinism }, { "variants", test_variants },
        { "window", test_window },
        { "threads", test_threads }, { "quick", test_quick },
        { "refined", test_refined }, { "unchanged", test_unchanged },
        { "incremental", test_incremental }, { "twins", test_twins },
        { "bounds of twins", test_twins_bounds }, { "too large", test_too_large },
        { "warm", test_warm },
        { "wishes", test_wishes }, { "unfinished", test_unfinished }, CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "building", set_up, tear_down, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("prebuilt_build", suites);
}
