/*
 * test_snapshot.c - the format of prebuilt images: what is written is found, what is damaged is
 * refused.
 */
#include "core/image_head.h"
#include "core/snapshot.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 100000u
#define NO_LIMIT ((uint64_t)1 << 40)

/* An image in private memory, so that tests may damage it. */
struct image {
    char *base;
    size_t size;
};

/* Reads a finished image back. */
static struct image load(int fd)
{
    struct image im = { NULL, 0 };
    struct stat st;

    CU_ASSERT_FATAL(fstat(fd, &st) == 0);
    im.size = (size_t)st.st_size;
    im.base = aligned_alloc(8, (im.size + 7) & ~(size_t)7);
    CU_ASSERT_FATAL(im.base != NULL);
    CU_ASSERT_FATAL(pread(fd, im.base, im.size, 0) == (ssize_t)im.size);
    return im;
}

/* A descriptor to write to. */
static int new_fd(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static const struct snapshot_source a_source = {
    .device = 1, .inode = 2, .size = 3, .modified = 4, .modified_ns = 5, .changed = 6,
    .changed_ns = 7
};

/* Adds a file with an identity variant and, where gzip is not NULL, a gzip variant. */
static int add(struct snapshot_writer *w, const char *path, const char *body, const char *gzip)
{
    struct str brief = STR("ETag: \"abc\"\r\n\r\n"), etag = { brief.p + 6, 5 };
    struct snapshot_new_variant v[2] = {
        { CODING_IDENTITY, STR("Content-Length: 1\r\n\r\n"), brief, etag, str_of(body), NULL },
        { CODING_GZIP, STR("Content-Encoding: gzip\r\n\r\n"), brief, etag, str_of(gzip), NULL }
    };
    struct snapshot_new_entry e = {
        .path = str_of(path), .status = 200, .modified = 784111777, .flags = SNAPSHOT_VARY,
        .type = STR("text/html"), .extra = STR("Vary: Accept-Encoding\r\n"),
        .variants = v, .count = gzip ? 2 : 1, .source = &a_source
    };

    return snapshot_add(w, &e);
}

/* Completes an image that has no earlier one. */
static int finish(struct snapshot_writer *w, uint64_t generation, int64_t built)
{
    struct snapshot_stamp stamp = { generation, built - 1, built, 0 };
    bool unchanged = true;
    int rc = snapshot_finish(w, &stamp, &unchanged);

    CU_ASSERT(!unchanged);
    return rc;
}

/* Adds a directory without its slash, which leads to another path. */
static int add_redirect(struct snapshot_writer *w, const char *path, const char *target)
{
    struct snapshot_new_variant v = { .head = STR("\r\n"), .brief = STR("\r\n"), .body = STR("") };
    struct snapshot_new_entry e = {
        .path = str_of(path), .kind = SNAPSHOT_REDIRECT, .status = 301,
        .modified = SNAPSHOT_NO_DATE, .type = STR(""), .extra = str_of(target), .variants = &v,
        .count = 1
    };

    return snapshot_add(w, &e);
}

/* A small image with everything in it. */
static struct image make_small(uint64_t generation)
{
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    const struct snapshot_new_variant heads[2] = {
        { .head = STR("A: b\r\n\r\n"), .brief = STR("\r\n") },
        { .head = STR("C: d\r\n\r\n"), .brief = STR("\r\n") }
    };
    struct image im;

    CU_ASSERT(add(w, "/index.html", "<p>hello</p>", "zipped") == 0);
    CU_ASSERT(add(w, "/copy.html", "<p>hello</p>", NULL) == 0);
    CU_ASSERT(add(w, "/empty", "", NULL) == 0);
    CU_ASSERT(snapshot_add_alias(w, STR("/"), STR("/index.html")) == 0);
    CU_ASSERT(add_redirect(w, "/sub", "/sub/") == 0);
    CU_ASSERT(snapshot_add_page(w, STR("404 /index.html"), STR("/index.html"), 404, heads) == 0);
    CU_ASSERT(finish(w, generation, 1000) == 0);
    snapshot_writer_free(&w);
    CU_ASSERT(w == NULL);
    im = load(fd);
    close(fd);
    return im;
}

/* Checks an image as a worker does. */
static int check(const struct image *im, bool whole, struct snapshot *s, const char **reason)
{
    return snapshot_check(im->base, im->size, whole, s, reason);
}

/* The entries that are no files, and what files looked like. */
static void check_kinds(const struct snapshot *s, const struct snapshot_variant *index)
{
    const struct snapshot_entry *e = snapshot_find(s, STR("/sub"));

    CU_ASSERT_FATAL(e != NULL);
    CU_ASSERT(e->kind == SNAPSHOT_REDIRECT && e->status == 301 && !snapshot_source(s, e));
    CU_ASSERT(str_eq(snapshot_text(s, e->extra, e->extra_size), STR("/sub/")));
    e = snapshot_find(s, STR("404 /index.html"));
    CU_ASSERT_FATAL(e != NULL && e->variants == 2);
    CU_ASSERT(e->kind == SNAPSHOT_ERROR_PAGE && e->status == 404);
    CU_ASSERT(e->modified == SNAPSHOT_NO_DATE && e->flags == SNAPSHOT_VARY);
    for (int i = 0; i < 2; i++) {
        const struct snapshot_variant *v = &snapshot_variants(e)[i];

        CU_ASSERT(v->body == index[i].body && v->body_size == index[i].body_size);
        CU_ASSERT(v->etag_size == 0 && v->coding == index[i].coding);
        CU_ASSERT(str_eq(snapshot_text(s, v->head, v->head_size),
                         i ? STR("C: d\r\n\r\n") : STR("A: b\r\n\r\n")));
    }
    e = snapshot_find(s, STR("/index.html"));
    CU_ASSERT_FATAL(e != NULL && snapshot_source(s, e) != NULL);
    CU_ASSERT(memcmp(snapshot_source(s, e), &a_source, sizeof a_source) == 0);
    CU_ASSERT(s->source_count == 3);
}

/* Everything that was written comes back. */
static void test_round_trip(void)
{
    struct image im = make_small(7);
    const struct snapshot_variant *v, *copy;
    const struct snapshot_entry *e;
    const char *reason = "";
    struct snapshot s;

    CU_ASSERT_FATAL(check(&im, true, &s, &reason) == 0);
    CU_ASSERT(s.header->began == 999 && s.header->put_off == 0);
    CU_ASSERT(s.header->generation == 7 && s.header->built == 1000 && s.header->entries == 6);
    e = snapshot_find(&s, STR("/index.html"));
    CU_ASSERT_FATAL(e != NULL);
    CU_ASSERT(str_eq(snapshot_path(e), STR("/index.html")));
    CU_ASSERT(e->status == 200 && e->modified == 784111777 && e->flags == SNAPSHOT_VARY);
    CU_ASSERT(str_eq(snapshot_text(&s, e->type, e->type_size), STR("text/html")));
    CU_ASSERT(str_eq(snapshot_text(&s, e->extra, e->extra_size), STR("Vary: Accept-Encoding\r\n")));
    CU_ASSERT_FATAL(e->variants == 2);
    v = snapshot_variants(e);
    CU_ASSERT(v[0].coding == CODING_IDENTITY && v[1].coding == CODING_GZIP);
    CU_ASSERT(str_eq(snapshot_text(&s, v[0].body, v[0].body_size), STR("<p>hello</p>")));
    CU_ASSERT(str_eq(snapshot_text(&s, v[1].body, v[1].body_size), STR("zipped")));
    CU_ASSERT(str_eq(snapshot_text(&s, v[1].head, v[1].head_size),
                     STR("Content-Encoding: gzip\r\n\r\n")));
    CU_ASSERT(str_eq(snapshot_text(&s, v[0].brief + v[0].etag_at, v[0].etag_size), STR("\"abc\"")));
    CU_ASSERT(v[0].head + v[0].head_size == v[0].body);

    e = snapshot_find(&s, STR("/copy.html"));
    CU_ASSERT_FATAL(e != NULL);
    copy = snapshot_variants(e);
    CU_ASSERT(copy->body == v[0].body && copy->head != v[0].head);
    CU_ASSERT(copy->hash[0] == v[0].hash[0] && copy->hash[1] == v[0].hash[1]);
    e = snapshot_find(&s, STR("/"));
    CU_ASSERT_FATAL(e != NULL);
    CU_ASSERT(snapshot_variants(e)->head == v[0].head && e->variants == 2);
    e = snapshot_find(&s, STR("/empty"));
    CU_ASSERT(e != NULL && snapshot_variants(e)->body_size == 0);
    check_kinds(&s, v);
    CU_ASSERT(snapshot_find(&s, STR("/index.htm")) == NULL);
    CU_ASSERT(snapshot_find(&s, STR("")) == NULL);
    free(im.base);
}

/* Entries come back in the order in which they were added. */
static void test_walk(void)
{
    static const struct str order[] = {
        STR_INIT("/index.html"), STR_INIT("/copy.html"), STR_INIT("/empty"), STR_INIT("/"),
        STR_INIT("/sub"), STR_INIT("404 /index.html")
    };
    struct image im = make_small(1);
    const struct snapshot_entry *e = NULL;
    const char *reason = "";
    struct snapshot s;

    CU_ASSERT_FATAL(check(&im, false, &s, &reason) == 0);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        e = snapshot_next(&s, e);
        CU_ASSERT_FATAL(e != NULL);
        CU_ASSERT(str_eq(snapshot_path(e), order[i]));
    }
    CU_ASSERT(snapshot_next(&s, e) == NULL);
    free(im.base);
}

/* The same input makes the same bytes; another generation changes the header alone. */
static void test_determinism(void)
{
    struct image a = make_small(1), b = make_small(1), c = make_small(2);
    size_t head = sizeof(struct snapshot_header);

    CU_ASSERT(a.size == b.size && memcmp(a.base, b.base, a.size) == 0);
    CU_ASSERT(a.size == c.size && memcmp(a.base + head, c.base + head, a.size - head) == 0);
    CU_ASSERT(memcmp(a.base, c.base, head) != 0);
    free(a.base);
    free(b.base);
    free(c.base);
}

/* An image without entries is an image. */
static void test_empty(void)
{
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    const char *reason = "";
    struct snapshot s;
    struct image im;

    CU_ASSERT(!snapshot_has(w, STR("/")));
    CU_ASSERT(finish(w, 1, 0) == 0);
    snapshot_writer_free(&w);
    im = load(fd);
    CU_ASSERT_FATAL(check(&im, true, &s, &reason) == 0);
    CU_ASSERT(snapshot_find(&s, STR("/")) == NULL);
    CU_ASSERT(snapshot_next(&s, NULL) == NULL);
    close(fd);
    free(im.base);
}

/* Writes the i-th path of the large image; kind 'm' names paths that are not in it. */
static struct str path_of(unsigned i, char kind, char out[64])
{
    return (struct str){ out, (size_t)snprintf(out, 64, "/%c/%u/page-%u.html", kind, i % 97, i) };
}

/* Fills a writer with MANY entries in a few bodies. */
static void add_many(struct snapshot_writer *w)
{
    char path[64], body[32];

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(body, sizeof body, "body %u", i % 1000);
        path_of(i, 'p', path);
        if (add(w, path, body, NULL) != 0) {
            CU_FAIL("an entry was refused");
            return;
        }
    }
}

/* All of many entries are found, and nothing else; equal bodies lie there once. */
static void test_many(void)
{
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    unsigned found = 0, wrong = 0, missed = 0;
    struct snapshot_stats stats;
    const char *reason = "";
    struct snapshot s;
    struct image im;
    char buf[64], body[32];

    add_many(w);
    snapshot_writer_stats(w, &stats);
    CU_ASSERT(stats.entries == MANY && stats.shared == MANY - 1000);
    CU_ASSERT(finish(w, 1, 0) == 0);
    snapshot_writer_free(&w);
    im = load(fd);
    close(fd);
    CU_ASSERT_FATAL(check(&im, true, &s, &reason) == 0);
    CU_ASSERT(s.header->slots >= 2u * MANY && s.probes < 64);
    for (unsigned i = 0; i < MANY; i++) {
        struct str path = path_of(i, 'p', buf);
        const struct snapshot_entry *e = snapshot_find(&s, path);
        const struct snapshot_variant *v = e ? snapshot_variants(e) : NULL;

        snprintf(body, sizeof body, "body %u", i % 1000);
        if (e && str_eq(snapshot_path(e), path))
            found++;
        if (!v || !str_eq(snapshot_text(&s, v->body, v->body_size), str_of(body)))
            wrong++;
        if (!snapshot_find(&s, path_of(i, 'm', buf)))
            missed++;
    }
    CU_ASSERT(found == MANY && wrong == 0 && missed == MANY);
    free(im.base);
}

/* Bodies above and below the buffer's size survive, and equal large ones lie there once. */
static void test_large_bodies(void)
{
    static const size_t sizes[] = { 1, 262143, 262144, 262145, 1000000 };
    char *body = malloc(1000001), path[64];
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    struct snapshot_stats stats;
    const char *reason = "";
    struct snapshot s;
    struct image im;

    CU_ASSERT_FATAL(body != NULL);
    for (size_t i = 0; i < 10; i++) {
        memset(body, 'a' + (int)(i % 5), 1000000);
        body[sizes[i % 5]] = '\0';
        path_of((unsigned)i, 'p', path);
        CU_ASSERT(add(w, path, body, NULL) == 0);
    }
    snapshot_writer_stats(w, &stats);
    CU_ASSERT(stats.shared == 5);
    CU_ASSERT(finish(w, 1, 0) == 0);
    snapshot_writer_free(&w);
    im = load(fd);
    close(fd);
    CU_ASSERT_FATAL(check(&im, true, &s, &reason) == 0);
    for (size_t i = 0; i < 10; i++) {
        const struct snapshot_entry *e = snapshot_find(&s, path_of((unsigned)i, 'p', path));
        struct str got;

        CU_ASSERT_FATAL(e != NULL);
        got = snapshot_text(&s, snapshot_variants(e)->body, snapshot_variants(e)->body_size);
        memset(body, 'a' + (int)(i % 5), 1000000);
        CU_ASSERT(str_eq(got, (struct str){ body, sizes[i % 5] }));
    }
    free(im.base);
    free(body);
}

/*
 * Makes the body of one of the copies, 1 KiB. Some come three times, one after the other or far
 * apart. A changed one is new, or that of one which comes later, or that of one which came before.
 */
static void make_body(char body[1025], unsigned i, bool changed)
{
    static const unsigned steps[] = { 0, 240, 1000 - 150 };
    unsigned of = changed ? (i + steps[i / 2 % 3]) % 1000 : i;

    memset(body, 'a' + (int)(of / 3 % 26), 1024);
    snprintf(body, 12, "%s %u", changed && of == i ? "new" : "old", of / 3 % 300);
    body[11] = '.';
}

/*
 * Writes 1,000 entries of 1 KiB. From an earlier image, in memory and in a file or not, those are
 * taken over whose numbers are not in changed; the others have another body.
 */
static struct image make_copies(const struct snapshot *previous, int from, unsigned changed,
                                bool *unchanged)
{
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    struct snapshot_stamp stamp = { 1, 2, 3, 0 };
    char path[64], body[1025] = "";
    struct image im;

    if (previous)
        snapshot_writer_previous(w, previous, from);
    for (unsigned i = 0; i < 1000; i++) {
        struct str name = path_of(i, 'p', path);

        make_body(body, i, changed && i % changed == 1);
        if (previous && !(changed && i % changed == 1))
            CU_ASSERT(snapshot_take(w, snapshot_find(previous, name), &a_source) == 0)
        else
            CU_ASSERT(add(w, path, body, NULL) == 0);
    }
    CU_ASSERT(snapshot_finish(w, &stamp, unchanged) == 0);
    snapshot_writer_free(&w);
    im = load(fd);
    close(fd);
    return im;
}

/* What is taken over makes the same image as what is made anew, long runs and short ones. */
static void test_take(void)
{
    static const unsigned steps[] = { 2, 7, 100, 201, 999 };
    bool unchanged = true;
    struct image first = make_copies(NULL, -1, 0, &unchanged), same;
    const char *reason = "";
    struct snapshot s;
    int fd = new_fd();

    CU_ASSERT(!unchanged && check(&first, true, &s, &reason) == 0);
    CU_ASSERT(pwrite(fd, first.base, first.size, 0) == (ssize_t)first.size);
    same = make_copies(&s, fd, 0, &unchanged);
    CU_ASSERT(unchanged && same.size == 0);
    free(same.base);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct image anew = make_copies(NULL, -1, steps[i], &unchanged);

        for (int k = 0; k < 2; k++) {
            struct image taken = make_copies(&s, k == 0 ? fd : -1, steps[i], &unchanged);

            SUITE_CHECK(!unchanged && anew.size == taken.size
                        && memcmp(anew.base, taken.base, anew.size) == 0, "every %u", steps[i]);
            free(taken.base);
        }
        free(anew.base);
    }
    free(first.base);
    close(fd);
}

/* Makes an image with entries of all kinds, one of which is as the variation says. */
static struct image make_variation(const struct snapshot *previous, int variation, bool *unchanged)
{
    struct snapshot_new_variant heads[2] = {
        { .head = STR("A: b\r\n\r\n"), .brief = STR("\r\n") },
        { .head = STR("C: d\r\n\r\n"), .brief = STR("\r\n") }
    };
    int fd = new_fd();
    struct snapshot_writer *w = snapshot_writer_new(fd, NO_LIMIT);
    struct snapshot_stamp stamp = { 1, 2, 3, 0 };
    struct image im;

    if (variation == 1)
        heads[1].head = STR("C: e\r\n\r\n");
    if (previous)
        snapshot_writer_previous(w, previous, -1);
    CU_ASSERT(!snapshot_has(w, STR("/a.html")));
    CU_ASSERT(add(w, "/a.html", "<p>a</p>", "zipped") == 0);
    CU_ASSERT(snapshot_has(w, STR("/a.html")) && !snapshot_has(w, STR("/b.html")));
    CU_ASSERT(add(w, "/b.html", "<p>a</p>", variation == 2 ? "zipp" : NULL) == 0);
    CU_ASSERT(snapshot_add_alias(w, STR("/"), variation == 3 ? STR("/b.html") : STR("/a.html"))
              == 0);
    CU_ASSERT(add_redirect(w, "/sub", variation == 4 ? "/sup/" : "/sub/") == 0);
    CU_ASSERT(add(w, "/empty", "", NULL) == 0);
    CU_ASSERT(snapshot_add_page(w, STR("404 /a.html"), STR("/a.html"), 404, heads) == 0);
    if (variation != 5)
        CU_ASSERT(add(w, "/z", "last", NULL) == 0);
    if (variation == 6)
        CU_ASSERT(add(w, "/zz", "more", NULL) == 0);
    CU_ASSERT(snapshot_has(w, STR("/empty")) && snapshot_added(w, STR("/sub")) != NULL);
    CU_ASSERT(snapshot_finish(w, &stamp, unchanged) == 0);
    snapshot_writer_free(&w);
    im = load(fd);
    close(fd);
    return im;
}

/* Wherever an image begins to differ from the earlier one, it is the one made from nothing. */
static void test_mirror(void)
{
    const char *reason = "";

    for (int from = 0; from <= 6; from++) {
        bool unchanged;
        struct image first = make_variation(NULL, from, &unchanged);
        struct snapshot s;

        CU_ASSERT_FATAL(check(&first, true, &s, &reason) == 0);
        for (int to = 0; to <= 6; to++) {
            struct image anew = make_variation(NULL, to, &unchanged);
            struct image next = make_variation(&s, to, &unchanged);

            SUITE_CHECK(unchanged == (from == to), "from %d to %d", from, to);
            SUITE_CHECK(unchanged ? next.size == 0 : next.size == anew.size
                        && memcmp(next.base, anew.base, anew.size) == 0, "from %d to %d", from, to);
            free(anew.base);
            free(next.base);
        }
        free(first.base);
    }
}

/* The limit on the whole image holds, with a reason, and the torso is no image. */
static void test_limit(void)
{
    int fd = new_fd(), error = -1;
    struct snapshot_writer *w = snapshot_writer_new(fd, 2000);
    const char *reason = "";
    struct snapshot s;
    char path[64];
    struct image im;
    unsigned i = 0;

    while (i < 100 && add(w, path_of(i, 'p', path).p, "body", NULL) == 0)
        i++;
    CU_ASSERT(i > 0 && i < 100);
    CU_ASSERT(strstr(snapshot_writer_reason(w, &error), "larger") != NULL && error == 0);
    CU_ASSERT(finish(w, 1, 0) == -1);
    snapshot_writer_free(&w);
    CU_ASSERT(ftruncate(fd, 4096) == 0);
    im = load(fd);
    CU_ASSERT(check(&im, false, &s, &reason) == -1);
    CU_ASSERT(strstr(reason, "not finished") != NULL);
    close(fd);
    free(im.base);
}

/* A descriptor that cannot be written is reported with its error. */
static void test_write_error(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), error = 0;
    struct snapshot_writer *w;

    CU_ASSERT_FATAL(fd >= 0);
    w = snapshot_writer_new(fd, NO_LIMIT);
    CU_ASSERT(finish(w, 1, 0) == -1);
    snapshot_writer_reason(w, &error);
    CU_ASSERT(error == EBADF);
    snapshot_writer_free(&w);
    close(fd);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

/* Recomputes the header's checksum, so that a check behind it is what refuses. */
static void seal_header(struct image *im)
{
    struct snapshot_header *h = (void *)im->base;

    h->header_sum = snapshot_header_sum(h);
}

/*
 * Sets size bytes at an offset to those of value, mends the header, and says whether it is refused.
 */
static bool refused(size_t at, size_t size, uint64_t value, bool mend)
{
    struct image im = make_small(1);
    const char *reason = NULL;
    struct snapshot s;
    int rc;

    CU_ASSERT_FATAL(at + size <= im.size && size <= sizeof value);
    memcpy(im.base + at, &value, size);
    if (mend)
        seal_header(&im);
    rc = check(&im, false, &s, &reason);
    CU_ASSERT(rc == 0 || reason != NULL);
    free(im.base);
    return rc != 0;
}

#define HEADER_FIELD(member) \
    { #member, offsetof(struct snapshot_header, member), \
      sizeof(((struct snapshot_header *)0)->member) }

/* Each field of the header that matters, with values that it must not have. */
static void test_header_fields(void)
{
    static const struct {
        const char *name;
        size_t at, size;
    } fields[] = {
        HEADER_FIELD(version), HEADER_FIELD(header_size), HEADER_FIELD(size),
        HEADER_FIELD(entries), HEADER_FIELD(slots), HEADER_FIELD(sections),
        HEADER_FIELD(section[0].kind), HEADER_FIELD(section[0].offset),
        HEADER_FIELD(section[0].size), HEADER_FIELD(section[1].kind),
        HEADER_FIELD(section[1].offset), HEADER_FIELD(section[1].size),
        HEADER_FIELD(section[2].kind), HEADER_FIELD(section[2].offset),
        HEADER_FIELD(section[2].size)
    };
    static const uint64_t values[] = {
        UINT64_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 32, 0x7fffffffu, 99
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++)
            if (fields[i].size == 8 || values[k] <= UINT32_MAX)
                SUITE_CHECK(refused(fields[i].at, fields[i].size, values[k], true), "%s = %llx",
                            fields[i].name, (unsigned long long)values[k]);
    /* Without its sources, entries that have one lead outside. */
    CU_ASSERT(refused(offsetof(struct snapshot_header, section[3].kind), 4, 99, true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, section[3].size), 8, 96, true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, section[3].size), 8, 143, true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, section[3].kind), 4, SNAPSHOT_BYTES, true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, probes), 4, UINT32_MAX, true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, slots), 8, 0, true));
    CU_ASSERT(refused(0, 1, 'x', true));
    CU_ASSERT(refused(offsetof(struct snapshot_header, generation), 8, 2, false));
    CU_ASSERT(!refused(offsetof(struct snapshot_header, generation), 8, 2, true));
}

#define ENTRY_FIELD(member) \
    { #member, offsetof(struct snapshot_entry, member), \
      sizeof(((struct snapshot_entry *)0)->member) }
#define VARIANT_FIELD(member) \
    { #member, first_variant + offsetof(struct snapshot_variant, member), \
      sizeof(((struct snapshot_variant *)0)->member) }

/* Each offset and size of a record, with values that lead outside. */
static void test_entry_fields(void)
{
    const size_t first_variant = snapshot_variants_at(sizeof "/index.html" - 1);
    const struct {
        const char *name;
        size_t at, size;
    } fields[] = {
        ENTRY_FIELD(size), ENTRY_FIELD(path_size), ENTRY_FIELD(status), ENTRY_FIELD(variants),
        ENTRY_FIELD(type), ENTRY_FIELD(extra), ENTRY_FIELD(type_size), ENTRY_FIELD(extra_size),
        ENTRY_FIELD(source),
        VARIANT_FIELD(head), VARIANT_FIELD(brief), VARIANT_FIELD(body), VARIANT_FIELD(body_size),
        VARIANT_FIELD(head_size), VARIANT_FIELD(brief_size), VARIANT_FIELD(etag_at),
        VARIANT_FIELD(etag_size), VARIANT_FIELD(coding)
    };
    static const uint64_t values[] = {
        UINT64_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 40, UINT32_MAX - 7, 65535, 255
    };
    struct image im = make_small(1);
    size_t base = ((struct snapshot_header *)(void *)im.base)->section[1].offset;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            uint64_t most = fields[i].size == 8 ? UINT64_MAX
                : (UINT64_C(1) << fields[i].size * 8) - 1;

            /* A smaller number may still be a place inside: only what lies far off must fail. */
            if (values[k] <= most && (values[k] > im.size || values[k] == most))
                SUITE_CHECK(refused(base + fields[i].at, fields[i].size, values[k], false),
                            "%s = %llx", fields[i].name, (unsigned long long)values[k]);
        }
    free(im.base);
}

/* Slots that lead outside or between records are refused. */
static void test_slots(void)
{
    struct image im = make_small(1);
    const struct snapshot_header *h = (void *)im.base;
    size_t at = h->section[2].offset;
    const struct snapshot_slot *slots = (void *)(im.base + at);

    for (uint64_t i = 0; i < h->slots; i++) {
        size_t field = at + i * sizeof *slots + offsetof(struct snapshot_slot, entry);

        if (slots[i].entry == 0) {
            CU_ASSERT(refused(field, 4, 1, false));
            continue;
        }
        CU_ASSERT(refused(field, 4, slots[i].entry + 1, false));
        CU_ASSERT(refused(field, 4, UINT32_MAX, false));
        CU_ASSERT(refused(field, 4, 0, false));
    }
    free(im.base);
}

/* Every cut is refused, and so is every changed byte when the whole is compared. */
static void test_damage(void)
{
    struct image im = make_small(1);
    const char *reason = "";
    struct snapshot s;
    unsigned taken = 0;

    for (size_t n = 0; n < im.size; n++)
        taken += snapshot_check(im.base, n, false, &s, &reason) == 0;
    CU_ASSERT(taken == 0);
    for (size_t i = 0; i < im.size; i++) {
        im.base[i] ^= 0x20;
        taken += check(&im, true, &s, &reason) == 0;
        im.base[i] ^= 0x20;
    }
    CU_ASSERT(taken == 0);
    CU_ASSERT(check(&im, true, &s, &reason) == 0);
    free(im.base);
}

/* ---- Heads ----------------------------------------------------------------------------------- */

/* What goes in and what comes out, field by field. */
static void test_heads(void)
{
    static const struct {
        const char *fields, *cache_control;
        enum coding coding;
        bool negotiated, drop_expires;
        const char *full, *brief, *extra;
    } rows[] = {
        { "Server: s\r\nContent-Type: t\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n", "",
          CODING_IDENTITY, false, false,
          "Server: s\r\nContent-Type: t\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n",
          "Server: s\r\nETag: \"e\"\r\n\r\n", "" },
        { "ETag: \"e\"\r\n\r\n", "no-store", CODING_GZIP, true, false,
          "ETag: \"e\"\r\nCache-Control: no-store\r\nVary: Accept-Encoding\r\n"
          "Content-Encoding: gzip\r\n\r\n",
          "ETag: \"e\"\r\nCache-Control: no-store\r\nVary: Accept-Encoding\r\n\r\n",
          "Cache-Control: no-store\r\nVary: Accept-Encoding\r\n" },
        { "cache-control: private\r\nVary: Origin, accept-encoding\r\nETag: \"e\"\r\n\r\n",
          "no-store", CODING_IDENTITY, true, false,
          "cache-control: private\r\nVary: Origin, accept-encoding\r\nETag: \"e\"\r\n\r\n",
          "cache-control: private\r\nVary: Origin, accept-encoding\r\nETag: \"e\"\r\n\r\n", "" },
        { "Vary: Origin\r\nETag: \"e\"\r\n\r\n", "", CODING_BR, true, false,
          "Vary: Origin\r\nETag: \"e\"\r\nVary: Accept-Encoding\r\nContent-Encoding: br\r\n\r\n",
          "Vary: Origin\r\nETag: \"e\"\r\nVary: Accept-Encoding\r\n\r\n",
          "Vary: Accept-Encoding\r\n" },
        { "Expires: then\r\nCache-Control: max-age=1\r\nETag: \"e\"\r\n\r\n", "", CODING_IDENTITY,
          false, true, "Cache-Control: max-age=1\r\nETag: \"e\"\r\n\r\n",
          "Cache-Control: max-age=1\r\nETag: \"e\"\r\n\r\n", "" },
        { "Expires: then\r\nETag: \"e\"\r\n\r\n", "", CODING_IDENTITY, false, true,
          "Expires: then\r\nETag: \"e\"\r\n\r\n", "Expires: then\r\nETag: \"e\"\r\n\r\n", "" }
    };
    struct image_head out;
    struct arena a;

    arena_init(&a, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image_head_input in = {
            .fields = str_of(rows[i].fields), .cache_control = str_of(rows[i].cache_control),
            .coding = rows[i].coding, .negotiated = rows[i].negotiated,
            .drop_expires = rows[i].drop_expires
        };

        image_head_make(&a, &in, &out);
        SUITE_CHECK(str_eq(out.full, str_of(rows[i].full)), "row %zu: %.*s", i, STR_ARG(out.full));
        SUITE_CHECK(str_eq(out.brief, str_of(rows[i].brief)), "row %zu: %.*s", i,
                    STR_ARG(out.brief));
        SUITE_CHECK(str_eq(out.extra, str_of(rows[i].extra)), "row %zu: %.*s", i,
                    STR_ARG(out.extra));
        SUITE_CHECK(str_eq(out.etag, STR("\"e\"")), "row %zu", i);
        SUITE_CHECK(out.etag.p > out.brief.p && out.etag.p < out.brief.p + out.brief.n, "row %zu",
                    i);
        arena_reset(&a);
    }
    arena_free(&a);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo image[] = {
        { "round trip", test_round_trip }, { "walk", test_walk },
        { "determinism", test_determinism }, { "empty", test_empty },
        { "many entries", test_many }, { "large bodies", test_large_bodies },
        { "taking over", test_take }, { "mirror", test_mirror }, { "limit", test_limit },
        { "write error", test_write_error }, CU_TEST_INFO_NULL
    };
    CU_TestInfo damage[] = {
        { "header fields", test_header_fields }, { "entry fields", test_entry_fields },
        { "slots", test_slots }, { "any byte", test_damage }, CU_TEST_INFO_NULL
    };
    CU_TestInfo heads[] = { { "fields", test_heads }, CU_TEST_INFO_NULL };
    CU_SuiteInfo suites[] = {
        { "image", NULL, NULL, NULL, NULL, image },
        { "damage", NULL, NULL, NULL, NULL, damage },
        { "heads", NULL, NULL, NULL, NULL, heads }, CU_SUITE_INFO_NULL
    };

    return suite_main("snapshot", suites);
}
