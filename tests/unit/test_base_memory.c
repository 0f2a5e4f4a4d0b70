/*
 * test_base_memory.c - the heap's wrappers, arenas and tables.
 */
#include "test_base.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/table.h"

#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Never NULL, zeroed where said, counted. */
static void test_mem(void)
{
    unsigned long calls = mem_calls();
    char *p = mem_alloc(0), *q = mem_zalloc(100), *s = mem_strdup("text");

    CU_ASSERT_PTR_NOT_NULL(p);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(q[i], 0);
    CU_ASSERT_STRING_EQUAL(s, "text");
    memcpy(q, "kept", 5);
    q = mem_resize(q, 1000, 10);
    CU_ASSERT_STRING_EQUAL(q, "kept");
    p = mem_resize(p, 0, 8);
    CU_ASSERT_PTR_NOT_NULL(p);
    CU_ASSERT_EQUAL(mem_calls(), calls + 5);
    free(p);
    free(q);
    free(s);
}

/* What cannot be had ends the process with status 1, and so does a product that overflows. */
static void test_mem_fatal(void)
{
    for (int which = 0; which < 3; which++) {
        int status = 0;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            fclose(stderr);
            if (which == 0)
                mem_resize(NULL, SIZE_MAX / 2, 3);
            else if (which == 1)
                mem_resize(NULL, SIZE_MAX, SIZE_MAX);
            else
                mem_alloc((size_t)PTRDIFF_MAX);
            _exit(0);
        }
        CU_ASSERT(waitpid(pid, &status, 0) == pid);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
}

/* Objects of all sizes: aligned, apart from each other, intact. */
static void test_arena_objects(void)
{
    struct arena a;
    unsigned char *objects[300];

    arena_init(&a, 256);
    for (size_t i = 0; i < COUNT(objects); i++) {
        objects[i] = i % 2 ? arena_alloc(&a, i) : arena_zalloc(&a, i);
        CU_ASSERT_PTR_NOT_NULL(objects[i]);
        CU_ASSERT_EQUAL((uintptr_t)objects[i] % alignof(max_align_t), 0);
        for (size_t k = 0; i % 2 == 0 && k < i; k++)
            CU_ASSERT_EQUAL(objects[i][k], 0);
        memset(objects[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < COUNT(objects); i++)
        for (size_t k = 0; k < i; k++)
            if (objects[i][k] != (i & 0xff))
                SUITE_CHECK(false, "object %zu was written over at %zu", i, k);
    CU_ASSERT(arena_held(&a) >= 299 * 300 / 2);
    arena_free(&a);
    CU_ASSERT_EQUAL(arena_held(&a), 0);
}

/* The first request of a fresh arena may be for nothing. */
static void test_arena_empty_object(void)
{
    struct arena a;
    char *one, *two;

    arena_init(&a, 64);
    one = arena_alloc(&a, 0);
    two = arena_alloc(&a, 0);
    CU_ASSERT_PTR_NOT_NULL(one);
    CU_ASSERT_PTR_NOT_NULL(two);
    CU_ASSERT_PTR_NOT_EQUAL(one, two);
    arena_free(&a);
}

/*
 * A reset keeps some blocks, so that the next use of the same size takes nothing from the heap; not
 * more than that, and none that are not needed where that is said.
 */
static void test_arena_reset(void)
{
    struct arena a;
    unsigned long calls;
    size_t held;

    arena_init(&a, 1024);
    for (int i = 0; i < 100; i++)
        arena_alloc(&a, 100);
    held = arena_held(&a);
    CU_ASSERT(held >= 10000);
    arena_reset(&a);
    CU_ASSERT(arena_held(&a) < held && arena_held(&a) <= 1024 + ARENA_SPARE + 5 * 64);
    calls = mem_calls();
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 8; k++)
            memset(arena_alloc(&a, 500), k, 500);
        arena_reset(&a);
    }
#if defined(__SANITIZE_ADDRESS__)
    CU_ASSERT_EQUAL(mem_calls() - calls, 400);
#else
    CU_ASSERT_EQUAL(mem_calls() - calls, 0);
#endif
    arena_alloc(&a, 100);
    arena_trim(&a);
    CU_ASSERT(arena_held(&a) <= 1024 + 64);
    arena_free(&a);
    arena_init(&a, 64);
    for (int i = 0; i < 3; i++) {
        memset(arena_alloc(&a, 40), i, 40);
        memset(arena_alloc(&a, 1500), i, 1500);
        memset(arena_alloc(&a, 3000), i, 3000);
        arena_reset(&a);
    }
    CU_ASSERT(arena_held(&a) <= 64 + ARENA_SPARE + 3 * 64);
    arena_free(&a);
    CU_ASSERT_EQUAL(arena_held(&a), 0);
    arena_init(&a, 64);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 1000));
    arena_free(&a);
}

/* Text: copied, formatted, with a NUL that is not counted. */
static void test_arena_text(void)
{
    struct arena a;
    struct str s;
    char long_text[3000];

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    arena_init(&a, 128);
    CU_ASSERT_STRING_EQUAL(arena_cstr(&a, STR("abc")), "abc");
    CU_ASSERT_STRING_EQUAL(arena_cstr(&a, (struct str){ NULL, 0 }), "");
    s = arena_str(&a, STR("a\0b"));
    CU_ASSERT(s.n == 3 && memcmp(s.p, "a\0b", 4) == 0);
    s = arena_printf(&a, "%d-%s", 42, "x");
    CU_ASSERT_TRUE(str_eq(s, STR("42-x")) && s.p[4] == '\0');
    s = arena_printf(&a, "%s", "");
    CU_ASSERT_EQUAL(s.n, 0);
    s = arena_printf(&a, "%s%s", long_text, long_text);
    CU_ASSERT_EQUAL(s.n, 2 * (sizeof long_text - 1));
    CU_ASSERT_EQUAL(s.p[s.n - 1], 'x');
    arena_free(&a);
}

static char order[8];

/* Notes that a cleanup ran, and that the arena's memory is still there. */
static void note_cleanup(void *object)
{
    strncat(order, object, 1);
}

/* Cleanups run once each, newest first, before the memory goes; at a reset and at the end. */
static void test_arena_cleanups(void)
{
    struct arena a;

    order[0] = '\0';
    arena_init(&a, 64);
    arena_on_free(&a, note_cleanup, arena_cstr(&a, STR("1")));
    arena_on_free(&a, note_cleanup, arena_cstr(&a, STR("2")));
    arena_on_free(&a, note_cleanup, arena_cstr(&a, STR("3")));
    arena_reset(&a);
    CU_ASSERT_STRING_EQUAL(order, "321");
    arena_on_free(&a, note_cleanup, arena_cstr(&a, STR("4")));
    arena_free(&a);
    CU_ASSERT_STRING_EQUAL(order, "3214");
    arena_free(&a);
    CU_ASSERT_STRING_EQUAL(order, "3214");
}

/* Keys in, keys out, more than a few; what is there stays, or is replaced where that is asked. */
static void test_table(void)
{
    struct table t = { 0 };
    static char keys[2000][8];
    int values[2000];

    CU_ASSERT_PTR_NULL(table_get(&t, STR("none")));
    for (int i = 0; i < 2000; i++) {
        size_t n = (size_t)snprintf(keys[i], sizeof keys[i], "k%d", i);

        CU_ASSERT_PTR_NULL(table_add(&t, (struct str){ keys[i], n }, &values[i]));
    }
    CU_ASSERT_EQUAL(t.used, 2000);
    CU_ASSERT(t.size >= 4000 && (t.size & (t.size - 1)) == 0);
    for (int i = 0; i < 2000; i++)
        CU_ASSERT_PTR_EQUAL(table_get(&t, str_of(keys[i])), &values[i]);
    CU_ASSERT_PTR_NULL(table_get(&t, STR("k2000")));
    CU_ASSERT_PTR_NULL(table_get(&t, STR("k")));
    CU_ASSERT_PTR_EQUAL(table_add(&t, STR("k7"), &values[8]), &values[7]);
    CU_ASSERT_PTR_EQUAL(table_get(&t, STR("k7")), &values[7]);
    table_set(&t, STR("k7"), &values[8]);
    CU_ASSERT_PTR_EQUAL(table_get(&t, STR("k7")), &values[8]);
    CU_ASSERT_EQUAL(t.used, 2000);
    table_set(&t, STR(""), &values[0]);
    CU_ASSERT_PTR_EQUAL(table_get(&t, STR("")), &values[0]);
    CU_ASSERT_PTR_EQUAL(table_get(&t, (struct str){ NULL, 0 }), &values[0]);
    CU_ASSERT_EQUAL(t.used, 2001);
    table_free(&t);
    CU_ASSERT_PTR_NULL(table_get(&t, STR("k7")));
    table_free(&t);
}

/* Bytes of every kind tell keys apart, and the hash depends on nothing else. */
static void test_table_keys(void)
{
    struct table t = { 0 };
    static char bytes[256];
    char copy;

    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        CU_ASSERT_PTR_NULL(table_add(&t, (struct str){ &bytes[i], 1 }, &bytes[i]));
    }
    for (int i = 0; i < 256; i++) {
        copy = (char)i;
        CU_ASSERT_PTR_EQUAL(table_get(&t, (struct str){ &copy, 1 }), &bytes[i]);
    }
    CU_ASSERT_PTR_NULL(table_add(&t, STR("a\0b"), bytes));
    CU_ASSERT_PTR_NULL(table_get(&t, STR("a\0c")));
    CU_ASSERT_EQUAL(table_hash(STR("host")), table_hash(str_from(STR("xhost"), 1)));
    CU_ASSERT_NOT_EQUAL(table_hash(STR("host")), table_hash(STR("hosu")));
    table_free(&t);
}

CU_TestInfo memory_tests[] = {
    { "heap", test_mem },
    { "heap, exhausted", test_mem_fatal },
    { "arena: objects", test_arena_objects },
    { "arena: an empty object", test_arena_empty_object },
    { "arena: reset", test_arena_reset },
    { "arena: text", test_arena_text },
    { "arena: cleanups", test_arena_cleanups },
    { "table", test_table },
    { "table: keys", test_table_keys },
    CU_TEST_INFO_NULL
};
