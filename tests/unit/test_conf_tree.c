/*
 * test_conf_tree.c - from bytes and files to the tree.
 */
#include "test_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The tree -------------------------------------------------------------------------------- */

/* How bytes become words. */
static void test_words(void)
{
    static const struct {
        const char *text;
        size_t count;
        const char *words[4];
    } rows[] = {
        { "a b;", 2, { "a", "b" } },
        { "a\tb\r\nc;", 3, { "a", "b", "c" } },
        { "a;", 1, { "a" } },
        { "a \"b c\" 'd;}';", 3, { "a", "b c", "d;}" } },
        { "a \"\" '';", 3, { "a", "", "" } },
        { "a b\"c\"d;", 2, { "a", "b\"c\"d" } },
        { "a b#c;", 2, { "a", "b#c" } },
        { "a #b\nc;", 2, { "a", "c" } },
        { "a b}c;", 2, { "a", "b}c" } },
        { "a \"b\\\"\\'\\\\\\t\\r\\n\\q\\d\";", 2, { "a", "b\"'\\\t\r\n\\q\\d" } },
        { "a 'b\\'c\"d';", 2, { "a", "b'c\"d" } },
        { "a b\\ c\\;\\{\\n\\\"d;", 2, { "a", "b\\ c\\;\\{\n\"d" } },
        { "a \\#b;", 2, { "a", "\\#b" } },
        { "a \\\\\\\\d;", 2, { "a", "\\\\d" } },
        { "a ${b}c;", 2, { "a", "${b}c" } },
        { "a x${b}${c};", 2, { "a", "x${b}${c}" } },
        { "a ${{;", 2, { "a", "${{" } },
        { "a $b;", 2, { "a", "$b" } },
        { "a ~ ^/x$;", 3, { "a", "~", "^/x$" } },
        { "if (\"$a\" = \"b\");", 4, { "if", "(\"$a\"", "=", "b" } },
        { "a 'b' );", 3, { "a", "b", ")" } },
        { "a 'b');", 3, { "a", "b", ")" } },
        { "a \"b\nc\";", 2, { "a", "b\nc" } },
        { "a {", 1, { "a" } },
        { "a $b{", 2, { "a", "$b" } },
        { "a ~ \"^/a{2}$\" {", 3, { "a", "~", "^/a{2}$" } },
    };
    struct bench b;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct conf_node *node;

        bench_open(&b);
        conf_read_text(&b.conf, "c", str_of(rows[i].text), NULL);
        node = b.conf.tree.top;
        SUITE_CHECK(node && (node->count == rows[i].count || rows[i].count == 4), "%s",
                    rows[i].text);
        for (size_t j = 0; node && j < rows[i].count; j++)
            SUITE_CHECK(str_eq(node->words[j].text, str_of(rows[i].words[j])), "%s: word %zu: %s",
                        rows[i].text, j, node->words[j].text.p);
        bench_close(&b);
    }
}

/* Lines, columns and the shape of the tree. */
static void test_places(void)
{
    const struct conf_node *node;
    struct bench b;

    bench_open(&b);
    CU_ASSERT(conf_read_text(&b.conf, "c", STR("\n a 'b\n' c\n{\n d; e {} }\nf;"), NULL) == 0);
    node = b.conf.tree.top;
    CU_ASSERT(node->count == 3 && node->block && node->next && !node->next->next);
    CU_ASSERT(node->words[0].line == 2 && node->words[0].column == 2 && !node->words[0].quoted);
    CU_ASSERT(node->words[1].line == 2 && node->words[1].column == 4 && node->words[1].quoted);
    CU_ASSERT(node->words[2].line == 3 && node->words[2].column == 3);
    CU_ASSERT(node->words[2].text.p[1] == '\0');
    CU_ASSERT(node->next->words[0].line == 6 && !node->next->block);
    node = node->children;
    CU_ASSERT(node && !node->block && node->words[0].line == 5 && !node->children);
    CU_ASSERT(node->next && node->next->block && !node->next->children && !node->next->next);
    CU_ASSERT(str_eq(conf_place(&b.conf, node), STR("c:5")));
    bench_close(&b);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static char dir[] = "/tmp/selvage-test-conf-XXXXXX";

/* Writes a file below the test directory. */
static void put(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    AN(f != NULL);
    fputs(text, f);
    fclose(f);
}

/* Takes a file below the test directory through all steps; its path goes out of the messages. */
static void bench_file(struct bench *b, const char *name)
{
    char path[128], *p;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    bench_open(b);
    b->rc |= conf_read(&b->conf, path, NULL);
    b->rc |= conf_apply(&b->conf);
    b->rc |= conf_inherit(&b->conf);
    while ((p = strstr(b->text, dir)))
        memmove(p, p + strlen(dir), strlen(p + strlen(dir)) + 1);
}

/* Files and masks, and what is wrong with them. */
static void test_include(void)
{
    static const struct row rows[] = {
        { "events {}\ninclude none;\n",
          "open() \"/none\" failed (2: No such file or directory) in /main:2\n" },
        { "include none*;\ninclude [x]none; include ?none;\n", "" },
        { "include .;", "read() \"/.\" failed (21: Is a directory) in /main:1\n" },
        { "include user;\nhttp { include server; }\n", "" },
        { "http { types { include types; } }\n", "" },
        { "include user; include user;",
          "\"user\" directive is duplicate, first at /user:1 in /user:1\n" },
        { "include b*.inc;", "unknown directive \"b1\" in /b1.inc:1\n"
          "unknown directive \"b2\" in /b2.inc:1\n" },
        { "http {\ninclude open;\n}\n", "unexpected end of file, expecting \"}\", the block "
          "\"server\" opened at line 1 is not closed in /open:2\n" },
        { "http {\ninclude close;\n", "unexpected \"}\" in /close:1\nunexpected end of file, "
          "expecting \"}\", the block \"http\" opened at line 1 is not closed in /main:3\n" },
        { "include loop;",
          "\"/loop\" cannot be included here, because it is being read already in /loop2:1\n" },
        { "include main;",
          "\"/main\" cannot be included here, because it is being read already in /main:1\n" },
        { "include deep0;", "files are included deeper than 16 levels in /deep15:1\n" },
    };
    struct bench b;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put("main", rows[i].text);
        bench_file(&b, "main");
        SUITE_CHECK(strcmp(b.text, rows[i].expected) == 0, "%s: %s", rows[i].text, b.text);
        bench_close(&b);
    }
    bench_file(&b, "nothing");
    CU_ASSERT_STRING_EQUAL(b.text, "open() \"/nothing\" failed (2: No such file or directory)\n");
    CU_ASSERT(b.rc < 0);
    bench_close(&b);
}

/* What is included stands where include stood, in raw blocks too. */
static void test_include_place(void)
{
    struct bench b;

    put("main", "http { types { a b; include types; c; } max 2; include server;"
        " server { max 5; } }");
    bench_file(&b, "main");
    CU_ASSERT_STRING_EQUAL(b.text, "");
    if (b.rc == 0) {
        struct conf_block *http = child(b.conf.main, 0);

        CU_ASSERT(web_of(http)->entries == 4 && web_of(http)->words == 9);
        CU_ASSERT(web_of(child(http, 0))->max == 3 && web_of(child(http, 1))->max == 5);
    }
    bench_close(&b);
}

/* Every file once, as nginx -T shows them. */
static void test_dump(void)
{
    char *text = NULL, expected[1024];
    size_t size;
    struct bench b;
    FILE *f = open_memstream(&text, &size);

    AN(f != NULL);
    put("main", "include b*.inc;\ninclude b1.inc; include none*;\ninclude user;");
    bench_file(&b, "main");
    conf_dump(&b.conf, f);
    fclose(f);
    snprintf(expected, sizeof expected,
             "# configuration file %s/main:\n"
             "include b*.inc;\ninclude b1.inc; include none*;\ninclude user;\n"
             "# configuration file %s/b1.inc:\nb1;\n\n# configuration file %s/b2.inc:\nb2;\n"
             "# configuration file %s/user:\nuser a b;\n\n", dir, dir, dir, dir);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
    bench_close(&b);
}

/* Makes the files that the tests include. */
int file_tests_begin(void)
{
    char name[16], text[32];

    if (!mkdtemp(dir))
        return -1;
    put("user", "user a b;\n");
    put("server", "server { max 3; }\n");
    put("types", "\"~^/x\" 1;\ntext/html html htm shtml;\n");
    put("b1.inc", "b1;\n");
    put("b2.inc", "b2;");
    put("open", "server {\n");
    put("close", "}\n");
    put("loop", "include loop2;\n");
    put("loop2", "include loop;\n");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "deep%d", i);
        snprintf(text, sizeof text, "include deep%d;", i + 1);
        put(name, text);
    }
    return 0;
}

/* Removes the test directory. */
int file_tests_end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

CU_TestInfo tree_tests[] = {
    { "words", test_words }, { "places", test_places }, CU_TEST_INFO_NULL
};

CU_TestInfo file_tests[] = {
    { "include", test_include }, { "include in place", test_include_place },
    { "dump", test_dump }, CU_TEST_INFO_NULL
};
