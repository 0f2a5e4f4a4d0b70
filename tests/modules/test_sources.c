/*
 * test_sources.c - prebuilt_source: files from another directory, from an image, from a repository.
 *
 * Repositories are written object by object, so that they hold what no git would make.
 */
#include "prebuilt_kit.h"

#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes a symbolic link below the test's directory. */
static void put_link(const char *name, const char *target)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CU_ASSERT(symlink(target, path) == 0);
}

/* A GET is answered from the image with that text. */
static bool gives(const char *path, const char *text)
{
    return get(path, "") == 200 && from_image() && str_eq(body(), str_of(text));
}

/* A GET is answered from below the root with that text. */
static bool from_disk(const char *path, const char *text)
{
    return get(path, "") == 200 && !from_image() && str_eq(body(), str_of(text));
}

/* ---- Directories ----------------------------------------------------------------------------- */

/* Files of the source stand for those of the root; locations decide. */
static void test_directory(void)
{
    put("source/index.html", "from source");
    put("source/sub/index.html", "sub of source");
    put("source/off/page.html", "off of source");
    put("source/img/a.html", "never seen");
    put("source/baked/page.html", "baked of source");
    put("source/only.css", "only there");
    put_link("source/inside.html", "sub/index.html");
    put_link("source/outside.html", "../secret.html");
    CU_ASSERT(serve("prebuilt on; prebuilt_source source;"
                    "location /off/ { prebuilt off; }"
                    "location /img/ { alias other/; }"
                    "location /baked/ { add_header X-Baked yes; charset off; }"
                    "location = /only.css { expires 1h; }") == 0);
    CU_ASSERT(gives("/", "from source") && gives("/index.html", "from source"));
    CU_ASSERT(gives("/sub/", "sub of source") && gives("/inside.html", "sub of source"));
    CU_ASSERT(gives("/baked/page.html", "baked of source"));
    CU_ASSERT(says("X-Baked", "yes") && says("Content-Type", "text/html"));
    CU_ASSERT(gives("/only.css", "only there") && says("Cache-Control", "max-age=3600"));
    CU_ASSERT(gives("/img/a.html", "other a"));
    CU_ASSERT(from_disk("/off/page.html", "off") && from_disk("/short.html", "hello"));
    CU_ASSERT(get("/outside.html", "") == 404);
}

/* The root need not be there, and may depend on the request. */
static void test_root(void)
{
    CU_ASSERT(serve("prebuilt off; location / { prebuilt on; } prebuilt_source source/;"
                    "location /deep/ { root other; prebuilt on; }") == 0);
    CU_ASSERT(gives("/", "from source") && gives("/deep/b.html", "other b"));
    CU_ASSERT(serve("prebuilt on; prebuilt_source source;"
                    "location /sub/ { root /no/where; }") == 0);
    CU_ASSERT(gives("/", "from source") && get("/sub/index.html", "") == 404);
}

/* What names no source, or one that goes away. */
static void test_directory_mistakes(void)
{
    char path[256];

    drop();
    CU_ASSERT(load("prebuilt on; prebuilt_source nowhere;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source /dev/null;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source source source;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source source; prebuilt_source source;") == NULL);
    CU_ASSERT(load("location / { prebuilt_source source; }") == NULL);
    put("gone/index.html", "gone");
    config = load("prebuilt on; prebuilt_source gone;");
    CU_ASSERT_FATAL(config != NULL);
    snprintf(path, sizeof path, "%s/gone/index.html", dir);
    CU_ASSERT(unlink(path) == 0);
    snprintf(path, sizeof path, "%s/gone", dir);
    CU_ASSERT(rmdir(path) == 0);
    CU_ASSERT(make_images(config) == -1);
}

/* ---- Images ---------------------------------------------------------------------------------- */

/* The image at hand, on the heap. */
static char *take_image(size_t *size)
{
    const struct snapshot *s = &config->servers->image->current->snapshot;
    char *copy;

    *size = (size_t)s->header->size;
    copy = malloc(*size);
    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, s->base, *size);
    return copy;
}

/* An image answers as the files did that it was made of, under the number of its new home. */
static void test_image(void)
{
    size_t size;
    char *image;

    CU_ASSERT(serve("prebuilt on; prebuilt_source source; add_header X-Baked yes;") == 0);
    image = take_image(&size);
    put_bytes("site.slv", image, size);
    free(image);
    put("source/index.html", "changed");
    CU_ASSERT(serve("prebuilt on; prebuilt_source site.slv;"
                    "location /off/ { prebuilt off; }") == 0);
    CU_ASSERT(config->servers->image->current->snapshot.header->generation == 7);
    CU_ASSERT(gives("/", "from source") && says("X-Baked", "yes"));
    CU_ASSERT(gives("/sub/", "sub of source"));
    CU_ASSERT(from_disk("/off/page.html", "off") && from_disk("/short.html", "hello"));
    put("source/index.html", "from source");
}

/* An image that holds what is being served already is no news. */
static void test_image_again(void)
{
    struct made first, second;

    CU_ASSERT(serve("prebuilt on; prebuilt_source site.slv;") == 0);
    CU_ASSERT(make(&first, NULL, true, IMAGE_THOROUGH) == 0 && !first.unchanged);
    CU_ASSERT(make(&second, &first, true, IMAGE_THOROUGH) == 0 && second.unchanged && !second.base);
    unmake(&second);
    unmake(&first);
}

/* Whatever is wrong with an image, it is refused. */
static void test_image_mistakes(void)
{
    struct stat st;
    char path[256], *image;
    size_t size;

    CU_ASSERT(serve("prebuilt on; prebuilt_source source;") == 0);
    image = take_image(&size);
    for (size_t at = 0; at < size; at += 64) {
        image[at] ^= 0x10;
        put_bytes("bad.slv", image, size);
        SUITE_CHECK(serve("prebuilt on; prebuilt_source bad.slv;") == -1, "flipped at %zu", at);
        CU_ASSERT(from_disk("/short.html", "hello"));
        image[at] ^= 0x10;
        put_bytes("bad.slv", image, at);
        SUITE_CHECK(serve("prebuilt on; prebuilt_source bad.slv;") == -1, "cut at %zu", at);
    }
    put_bytes("bad.slv", image, size);
    CU_ASSERT(serve("prebuilt on; prebuilt_source bad.slv; prebuilt_max_size 1k;") == -1);
    CU_ASSERT(serve("prebuilt on; prebuilt_source bad.slv;") == 0);
    free(image);
    /* A file that only its owner may read, or that has become a fifo, must not stop anybody. */
    snprintf(path, sizeof path, "%s/bad.slv", dir);
    drop();
    config = load("prebuilt on; prebuilt_source bad.slv;");
    CU_ASSERT_FATAL(config != NULL);
    CU_ASSERT(unlink(path) == 0 && mkfifo(path, 0600) == 0 && stat(path, &st) == 0);
    CU_ASSERT(make_images(config) == -1);
}

/* ---- Repositories ---------------------------------------------------------------------------- */

#ifdef HAVE_LIBGIT2

#include <git2.h>

#define COMMITTED 1234567890       /* Fri, 13 Feb 2009 23:31:30 GMT */

/* A tree being written: raw bytes of the object. */
struct raw_tree {
    char bytes[2048];
    size_t size;
};

static git_repository *repository;
static git_odb *objects;

/* Opens a new repository below the test's directory. */
static void new_repository(const char *name, bool bare)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CU_ASSERT_FATAL(git_repository_init(&repository, path, bare) == 0);
    CU_ASSERT_FATAL(git_repository_odb(&objects, repository) == 0);
}

/* Closes it. */
static void close_repository(void)
{
    git_odb_free(objects);
    git_repository_free(repository);
}

/* Writes an object. */
static git_oid put_object(git_object_t type, const void *data, size_t size)
{
    git_oid id;

    CU_ASSERT_FATAL(git_odb_write(&id, objects, data, size, type) == 0);
    return id;
}

/* Adds an entry to a tree. */
static void add_entry(struct raw_tree *t, const char *mode, const char *name, git_oid id)
{
    int n = snprintf(t->bytes + t->size, sizeof t->bytes - t->size, "%s %s", mode, name);

    t->size += (size_t)n + 1;
    CU_ASSERT_FATAL(t->size + sizeof id.id < sizeof t->bytes);
    memcpy(t->bytes + t->size, id.id, sizeof id.id);
    t->size += sizeof id.id;
}

/* Adds a file, or with the mode 120000 a link. */
static void add_blob(struct raw_tree *t, const char *mode, const char *name, const char *text)
{
    add_entry(t, mode, name, put_object(GIT_OBJECT_BLOB, text, strlen(text)));
}

/* Writes a tree. */
static git_oid put_tree(const struct raw_tree *t)
{
    return put_object(GIT_OBJECT_TREE, t->bytes, t->size);
}

/* Puts a commit of a tree at the tip of a branch. */
static void commit(const char *branch, git_oid tree, long long when)
{
    char text[512], hash[GIT_OID_HEXSZ + 1], name[64];
    git_reference *reference;
    git_oid id;

    git_oid_tostr(hash, sizeof hash, &tree);
    snprintf(text, sizeof text, "tree %s\nauthor A <a@example.org> %lld +0000\n"
             "committer A <a@example.org> %lld +0000\n\nweave\n", hash, when, when);
    id = put_object(GIT_OBJECT_COMMIT, text, strlen(text));
    snprintf(name, sizeof name, "refs/heads/%s", branch);
    CU_ASSERT_FATAL(git_reference_create(&reference, repository, name, &id, 1, NULL) == 0);
    git_reference_free(reference);
}

/* A small site. */
static git_oid small_tree(const char *index)
{
    struct raw_tree top = { .size = 0 }, sub = { .size = 0 };

    add_blob(&sub, "100644", "index.html", "sub of git");
    add_blob(&sub, "100755", "run.css", "executable");
    add_blob(&top, "100644", "index.html", index);
    add_blob(&top, "100644", "long.html", long_text());
    add_entry(&top, "40000", "sub", put_tree(&sub));
    return put_tree(&top);
}

/* A branch of a bare repository and of one with a working tree. */
static void test_git(void)
{
    new_repository("bare.git", true);
    commit("main", small_tree("main of git"), COMMITTED);
    commit("feature/x", small_tree("feature of git"), COMMITTED + 1);
    close_repository();
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:bare.git#main;"
                    "location /sub/ { add_header X-Sub yes; }") == 0);
    CU_ASSERT(gives("/", "main of git"));
    CU_ASSERT(says("Last-Modified", "Fri, 13 Feb 2009 23:31:30 GMT"));
    CU_ASSERT(says("Content-Type", "text/html; charset=utf-8"));
    CU_ASSERT(gives("/sub/", "sub of git") && says("X-Sub", "yes"));
    CU_ASSERT(gives("/sub/run.css", "executable") && from_disk("/short.html", "hello"));
    CU_ASSERT(get("/long.html", "Accept-Encoding: gzip\r\n") == 200);
    CU_ASSERT(says("Content-Encoding", "gzip") && decodes_to(long_text()));
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:bare.git#feature/x;") == 0);
    CU_ASSERT(gives("/index.html", "feature of git"));
    CU_ASSERT(says("Last-Modified", "Fri, 13 Feb 2009 23:31:31 GMT"));

    new_repository("work", false);
    commit("main", small_tree("worked on"), COMMITTED);
    close_repository();
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:work#main;") == 0);
    CU_ASSERT(gives("/", "worked on"));
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:work/.git#main;") == 0);
    CU_ASSERT(gives("/", "worked on"));
}

/* The variant of a path in a coding. */
static const struct snapshot_variant *variant(const struct made *m, const char *path,
                                              enum coding coding)
{
    const struct snapshot_entry *e = snapshot_find(&m->snapshot, str_of(path));

    CU_ASSERT_FATAL(e != NULL);
    for (unsigned i = 0; i < e->variants; i++)
        if (snapshot_variants(e)[i].coding == coding)
            return &snapshot_variants(e)[i];
    CU_FAIL_FATAL("no such variant");
    return NULL;
}

/* Another commit has another time, but its blobs are known by their names. */
static void test_git_again(void)
{
    struct made first, second, third;

    new_repository("again.git", true);
    commit("main", small_tree("one"), COMMITTED);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:again.git#main;") == 0);
    CU_ASSERT(make(&first, NULL, true, IMAGE_THOROUGH) == 0 && !first.unchanged);
    CU_ASSERT(make(&second, &first, true, IMAGE_THOROUGH) == 0 && second.unchanged);
    unmake(&second);
    commit("main", small_tree("two"), COMMITTED + 60);
    close_repository();
    /* In haste and beyond what haste allows, variants are there that were made before. */
    CU_ASSERT(make(&third, &first, true, IMAGE_QUICK) == 0 && !third.unchanged);
    CU_ASSERT(third.put_off == 0);
    CU_ASSERT(snapshot_find(&third.snapshot, STR("/long.html"))->modified == COMMITTED + 60);
    CU_ASSERT(memcmp(variant(&first, "/long.html", CODING_BR)->hash,
                     variant(&third, "/long.html", CODING_BR)->hash, 16) == 0);
    CU_ASSERT(memcmp(variant(&first, "/index.html", CODING_IDENTITY)->hash,
                     variant(&third, "/index.html", CODING_IDENTITY)->hash, 16) != 0);
    unmake(&third);
    unmake(&first);
}

/* Symbolic links are followed as the kernel would, but never out of the tree. */
static void test_git_links(void)
{
    struct raw_tree top = { .size = 0 }, a = { .size = 0 }, b = { .size = 0 };

    new_repository("links.git", true);
    /* a/b/page.html, a/b/up.html -> ../beside.html, a/beside.html, and links at the top. */
    add_blob(&b, "100644", "page.html", "page");
    add_blob(&b, "120000", "up.html", "../beside.html");
    add_blob(&b, "120000", "loop", "../..");
    add_entry(&a, "40000", "b", put_tree(&b));
    add_blob(&a, "100644", "beside.html", "beside");
    add_entry(&top, "40000", "a", put_tree(&a));
    add_blob(&top, "120000", "abs.html", "/etc/hostname");
    add_blob(&top, "120000", "chain.html", "second.html");
    add_blob(&top, "120000", "dangling.html", "nowhere.html");
    add_blob(&top, "120000", "deep", "a/b");
    add_blob(&top, "120000", "file.html", "./a//b/../b/page.html");
    add_blob(&top, "120000", "knot.html", "knot.html");
    add_blob(&top, "120000", "escape.html", "a/../../secret.html");
    add_blob(&top, "120000", "second.html", "deep/page.html");
    add_blob(&top, "120000", "through.html", "a/beside.html/x");
    commit("main", put_tree(&top), COMMITTED);
    close_repository();
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:links.git#main;") == 0);
    CU_ASSERT(gives("/file.html", "page") && gives("/deep/page.html", "page"));
    CU_ASSERT(gives("/chain.html", "page") && gives("/second.html", "page"));
    /* Relative to where the link really lies, not to the way that led there. */
    CU_ASSERT(gives("/deep/up.html", "beside") && gives("/a/b/up.html", "beside"));
    CU_ASSERT(get("/abs.html", "") == 404 && get("/escape.html", "") == 404);
    CU_ASSERT(get("/dangling.html", "") == 404 && get("/knot.html", "") == 404);
    CU_ASSERT(get("/through.html", "") == 404 && get("/a/b/loop/file.html", "") == 404);
}

/* What no file can be made of is left out; the rest of the site is there. */
static void test_git_oddities(void)
{
    struct raw_tree top = { .size = 0 }, deep[70];
    git_oid id;

    memset(deep, 0, sizeof deep);
    new_repository("odd.git", true);
    add_blob(&deep[0], "100644", "page.html", "too deep");
    for (int i = 1; i < 70; i++)
        add_entry(&deep[i], "40000", "d", put_tree(&deep[i - 1]));
    add_blob(&top, "100644", "..", "up");
    add_blob(&top, "100644", "a/b.html", "slash");
    add_entry(&top, "40000", "d", put_tree(&deep[69]));
    add_blob(&top, "100644", "large.css", long_text());
    git_oid_fromstr(&id, "0123456789012345678901234567890123456789");
    add_entry(&top, "160000", "module", id);
    add_blob(&top, "100644", "page.html", "page");
    commit("main", put_tree(&top), -5);
    close_repository();
    CU_ASSERT(serve("prebuilt on; prebuilt_max_file 10k;"
                    "prebuilt_source git:odd.git#main;") == 0);
    CU_ASSERT(gives("/page.html", "page") && says("Last-Modified", NULL));
    CU_ASSERT(config->servers->image->current->snapshot.header->entries == 1);
}

/* What cannot be read wholly makes no image. */
static void test_git_mistakes(void)
{
    struct raw_tree top = { .size = 0 };
    git_oid id;

    drop();
    CU_ASSERT(load("prebuilt on; prebuilt_source git:bare.git;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source git:bare.git#;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source \"git:#main\";") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source git:;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source git:nowhere#main;") == NULL);
    CU_ASSERT(load("prebuilt on; prebuilt_source git:www/short.html#main;") == NULL);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:bare.git#other;") == -1);
    CU_ASSERT(from_disk("/short.html", "hello"));
    /* It is not looked for in the directories around it. */
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:work/.git/objects#main;") == -1);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:www#main;") == -1);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:bare.git#main; prebuilt_max_size 8k;") == -1);

    new_repository("torn.git", true);
    git_oid_fromstr(&id, "0123456789012345678901234567890123456789");
    add_blob(&top, "100644", "index.html", "there");
    add_entry(&top, "100644", "missing.html", id);
    commit("blob", put_tree(&top), COMMITTED);
    top.size = 0;
    add_blob(&top, "100644", "index.html", "there");
    add_entry(&top, "40000", "missing", id);
    commit("tree", put_tree(&top), COMMITTED);
    commit("top", id, COMMITTED);
    close_repository();
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:torn.git#blob;") == -1);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:torn.git#tree;") == -1);
    CU_ASSERT(serve("prebuilt on; prebuilt_source git:torn.git#top;") == -1);
}

#else

/* A build without libgit2 says so. */
static void test_no_git(void)
{
    drop();
    CU_ASSERT(load("prebuilt on; prebuilt_source git:bare.git#main;") == NULL);
}

#endif

/* Runs the suite. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "directory", test_directory }, { "root", test_root },
        { "directory mistakes", test_directory_mistakes }, { "image", test_image },
        { "image again", test_image_again }, { "image mistakes", test_image_mistakes },
#ifdef HAVE_LIBGIT2
        { "git", test_git }, { "git again", test_git_again },
        { "git links", test_git_links },
        { "git oddities", test_git_oddities }, { "git mistakes", test_git_mistakes },
#else
        { "no git", test_no_git },
#endif
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "sources", set_up, tear_down, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };
    int rc;

#ifdef HAVE_LIBGIT2
    git_libgit2_init();
#endif
    rc = suite_main("sources", suites);
#ifdef HAVE_LIBGIT2
    git_libgit2_shutdown();
#endif
    return rc;
}
