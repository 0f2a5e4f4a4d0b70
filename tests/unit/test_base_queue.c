/*
 * test_base_queue.c - what waits to be written.
 */
#include "test_base.h"

#include "base/mem.h"
#include "base/outq.h"

#include <stdio.h>
#include <stdlib.h>

/* What waits, as text; a file range as "<fd@offset+size>". */
static const char *waiting(const struct outq *q)
{
    static char text[4096];
    struct iovec iov[64];
    const struct outq_span *file = outq_file(q);
    size_t n = 0, count = outq_iov(q, iov, 64);

    text[0] = '\0';
    if (file)
        snprintf(text, sizeof text, "<%d@%lld+%llu>", file->fd, (long long)file->offset,
                 (unsigned long long)file->size);
    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", i ? "|" : "",
                              (int)iov[i].iov_len, (char *)iov[i].iov_base);
    return text;
}

/* An owner that counts its release. */
static void release(void *owner)
{
    ++*(int *)owner;
}

/* Spans in order, any partial amount, positions. */
static void test_spans(void)
{
    struct outq q = { 0 };
    struct iovec iov[2];

    CU_ASSERT_TRUE(outq_empty(&q));
    CU_ASSERT_STRING_EQUAL(waiting(&q), "");
    outq_add(&q, "abc", 3, OUTQ_HELD);
    outq_add(&q, "", 0, OUTQ_HELD);
    outq_add(&q, "de", 2, OUTQ_TRANSIENT);
    outq_add_copy(&q, "fghi", 4);
    outq_add_copy(&q, "", 0);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "abc|de|fghi");
    CU_ASSERT_EQUAL(outq_iov(&q, iov, 2), 2);
    CU_ASSERT_EQUAL(outq_waiting(&q), 9);
    outq_advance(&q, 0);
    outq_advance(&q, 1);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "bc|de|fghi");
    outq_advance(&q, 5);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "ghi");
    CU_ASSERT_EQUAL(outq_sent(&q), 6);
    CU_ASSERT_EQUAL(outq_end(&q), 9);
    outq_advance(&q, 3);
    CU_ASSERT_TRUE(outq_empty(&q));
    CU_ASSERT_EQUAL(outq_waiting(&q), 0);
    outq_free(&q);
    CU_ASSERT_EQUAL(outq_sent(&q), 9);
}

/* A file stands alone at the front, and memory before it is seen first. */
static void test_files(void)
{
    struct outq q = { 0 };
    int released = 0;

    outq_add(&q, "head", 4, OUTQ_HELD);
    outq_add_file(&q, 7, 100, 50, release, &released);
    outq_add(&q, "tail", 4, OUTQ_HELD);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "head");
    CU_ASSERT_PTR_NULL(outq_file(&q));
    outq_advance(&q, 4);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "<7@100+50>");
    outq_advance(&q, 20);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "<7@120+30>");
    CU_ASSERT_EQUAL(released, 0);
    outq_advance(&q, 30);
    CU_ASSERT_EQUAL(released, 1);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "tail");
    outq_add_file(&q, 7, 0, 0, release, &released);
    CU_ASSERT_EQUAL(released, 2);
    outq_add_file(&q, 8, 0, 5, NULL, NULL);
    outq_free(&q);
    CU_ASSERT_EQUAL(outq_sent(&q), outq_end(&q));
}

/* Each owner is told once: when its span leaves, is dropped, or was empty. */
static void test_owners(void)
{
    struct outq q = { 0 };
    int released[4] = { 0 };

    outq_add_owned(&q, "abc", 3, release, &released[0]);
    outq_add_owned(&q, "", 0, release, &released[1]);
    outq_add_owned(&q, "def", 3, release, &released[2]);
    outq_add_owned(&q, "ghi", 3, release, &released[3]);
    outq_add_owned(&q, "for ever", 8, NULL, NULL);
    CU_ASSERT(released[0] == 0 && released[1] == 1);
    outq_advance(&q, 2);
    CU_ASSERT_EQUAL(released[0], 0);
    outq_advance(&q, 2);
    CU_ASSERT(released[0] == 1 && released[2] == 0);
    outq_drop(&q);
    CU_ASSERT(released[0] == 1 && released[1] == 1 && released[2] == 1 && released[3] == 1);
    CU_ASSERT_TRUE(outq_empty(&q));
    CU_ASSERT_EQUAL(outq_sent(&q), outq_end(&q));
    outq_free(&q);
}

/* The end of a turn: transient bytes are copied once, the rest stays where it is. */
static void test_settle(void)
{
    struct outq q = { 0 };
    char transient[] = "transient", held[] = "held";
    struct iovec iov[3];
    unsigned long calls;

    outq_add(&q, transient, 9, OUTQ_TRANSIENT);
    outq_add(&q, held, 4, OUTQ_HELD);
    outq_advance(&q, 5);
    outq_settle(&q);
    memset(transient, '?', 9);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "ient|held");
    CU_ASSERT_EQUAL(outq_iov(&q, iov, 3), 2);
    CU_ASSERT_PTR_EQUAL(iov[1].iov_base, held);
    calls = mem_calls();
    outq_settle(&q);
    CU_ASSERT_EQUAL(mem_calls(), calls);
    CU_ASSERT_STRING_EQUAL(waiting(&q), "ient|held");
    outq_advance(&q, 8);
    outq_settle(&q);
    CU_ASSERT_PTR_NULL(q.spans);
    outq_settle(&q);
    outq_free(&q);
}

/* Many spans: the ring grows while it is turned round, and nothing is lost or out of order. */
static void test_ring(void)
{
    struct outq q = { 0 };
    static char bytes[10000];
    size_t in = 0, out = 0;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 26);
    while (out < sizeof bytes) {
        struct iovec iov[7];
        size_t n;

        for (int k = 0; k < 5 && in < sizeof bytes; k++, in++)
            outq_add(&q, &bytes[in], 1, OUTQ_HELD);
        n = outq_iov(&q, iov, in < sizeof bytes ? 3 : 7);
        for (size_t k = 0; k < n; k++)
            if (*(char *)iov[k].iov_base != (char)('a' + (out + k) % 26))
                SUITE_CHECK(false, "at %zu", out + k);
        outq_advance(&q, n);
        out += n;
    }
    CU_ASSERT_TRUE(outq_empty(&q));
    CU_ASSERT_EQUAL(outq_sent(&q), sizeof bytes);
    outq_free(&q);
}

/* Rings of the usual size go round between queues without the heap. */
static void test_shelf(void)
{
    struct outq q = { 0 }, r = { 0 };
    unsigned long calls;

    outq_add(&q, "a", 1, OUTQ_HELD);
    outq_advance(&q, 1);
    outq_settle(&q);
    calls = mem_calls();
    for (int i = 0; i < 100; i++) {
        struct outq *which = i % 2 ? &q : &r;

        outq_add(which, "a", 1, OUTQ_HELD);
        outq_advance(which, 1);
        outq_settle(which);
    }
    CU_ASSERT_EQUAL(mem_calls(), calls);
    CU_ASSERT_EQUAL(outq_sent(&r), 50);
    outq_free(&q);
    outq_free(&r);
}

CU_TestInfo queue_tests[] = {
    { "spans", test_spans },
    { "files", test_files },
    { "owners", test_owners },
    { "settle", test_settle },
    { "ring", test_ring },
    { "shelf", test_shelf },
    CU_TEST_INFO_NULL
};
