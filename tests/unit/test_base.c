/*
 * test_base.c - the program, and the tests of strings, lists, addresses, reasons and last words.
 */
#include "test_base.h"

#include "base/addr.h"
#include "base/check.h"
#include "base/close.h"
#include "base/list.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Views: made, compared, cut. */
static void test_str(void)
{
    struct str s = STR("Content-Length");

    CU_ASSERT_EQUAL(s.n, 14);
    CU_ASSERT_TRUE(str_eq(STR(""), str_of(NULL)));
    CU_ASSERT_PTR_NULL(str_of(NULL).p);
    CU_ASSERT_TRUE(str_eq(str_of("ab"), STR("ab")));
    CU_ASSERT_FALSE(str_eq(STR("ab"), STR("aB")));
    CU_ASSERT_FALSE(str_eq(STR("ab"), STR("abc")));
    CU_ASSERT_TRUE(str_eq(STR("a\0b"), STR("a\0b")));
    CU_ASSERT_FALSE(str_eq(STR("a\0b"), STR("a\0c")));
    CU_ASSERT_TRUE(str_ieq(s, STR("cONTENT-lENGTH")));
    CU_ASSERT_FALSE(str_ieq(STR("["), STR("{")));
    CU_ASSERT_FALSE(str_ieq(STR("\xc4"), STR("\xe4")));
    CU_ASSERT_TRUE(str_starts(s, STR("Con")) && str_starts(s, STR("")) && str_starts(s, s));
    CU_ASSERT_FALSE(str_starts(STR("Con"), s) || str_starts(s, STR("con")));
    CU_ASSERT_TRUE(str_ends(s, STR("Length")) && str_ends(s, STR("")) && str_ends(s, s));
    CU_ASSERT_FALSE(str_ends(STR("gth"), s) || str_ends(s, STR("lengtH")));
    CU_ASSERT_TRUE(str_eq(str_from(s, 8), STR("Length")));
    CU_ASSERT_EQUAL(str_from(s, 14).n, 0);
    for (int c = 0; c < 256; c++)
        CU_ASSERT_EQUAL(str_lower((char)c), (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
}

/* OWS goes at both ends, other white space stays. */
static void test_trim(void)
{
    static const struct {
        struct str in, want;
    } rows[] = {
        { STR_INIT(""), STR_INIT("") }, { STR_INIT("a"), STR_INIT("a") },
        { STR_INIT(" \t"), STR_INIT("") }, { STR_INIT(" a b\t"), STR_INIT("a b") },
        { STR_INIT("\ta"), STR_INIT("a") }, { STR_INIT("a "), STR_INIT("a") },
        { STR_INIT("\r\na\v"), STR_INIT("\r\na\v") },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        SUITE_CHECK(str_eq(str_trim(rows[i].in), rows[i].want), "%zu", i);
}

/* An element of a list. */
struct item {
    int number;
    struct link link;
};

/* The numbers of a list as text. */
static const char *numbers(const struct link *head)
{
    static char text[64];
    size_t n = 0;

    text[0] = '\0';
    LIST_EACH(at, after, head)
        n += (size_t)snprintf(text + n, sizeof text - n, "%d", LIST_ITEM(at, struct item,
                                                                          link)->number);
    return text;
}

/* Order, removal anywhere, twice, and while the list is walked. */
static void test_list(void)
{
    struct link head;
    struct item items[5];

    list_init(&head);
    CU_ASSERT_TRUE(list_empty(&head));
    CU_ASSERT_STRING_EQUAL(numbers(&head), "");
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_add(&head, &items[i].link);
    }
    CU_ASSERT_STRING_EQUAL(numbers(&head), "01234");
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    CU_ASSERT_TRUE(list_empty(&items[2].link));
    CU_ASSERT_STRING_EQUAL(numbers(&head), "0134");
    list_remove(&items[0].link);
    list_remove(&items[4].link);
    CU_ASSERT_STRING_EQUAL(numbers(&head), "13");
    list_add(&head, &items[0].link);
    LIST_EACH(at, after, &head)
        if (LIST_ITEM(at, struct item, link)->number != 3)
            list_remove(at);
    CU_ASSERT_STRING_EQUAL(numbers(&head), "3");
    list_remove(&items[3].link);
    CU_ASSERT_TRUE(list_empty(&head));
}

/* Addresses from text and back, without and with their port. */
static void test_addr(void)
{
    static const struct {
        struct str in;
        const char *text, *with_port;  /* NULL: not an address */
    } rows[] = {
        { STR_INIT("192.0.2.1"), "192.0.2.1", "192.0.2.1:80" },
        { STR_INIT("0.0.0.0"), "0.0.0.0", "0.0.0.0:80" },
        { STR_INIT("::"), "::", "[::]:80" },
        { STR_INIT("2001:DB8:0:0::1"), "2001:db8::1", "[2001:db8::1]:80" },
        { STR_INIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80" },
        { STR_INIT(""), NULL, NULL }, { STR_INIT("192.0.2"), NULL, NULL },
        { STR_INIT("192.0.2.256"), NULL, NULL }, { STR_INIT("192.0.2.1:80"), NULL, NULL },
        { STR_INIT("192.0.2.1 "), NULL, NULL }, { STR_INIT("::1%lo"), NULL, NULL },
        { STR_INIT("[::1]"), NULL, NULL }, { STR_INIT("localhost"), NULL, NULL },
        { STR_INIT("192.0.2.1\0x"), NULL, NULL }, { STR_INIT("::1\0"), NULL, NULL },
        { STR_INIT("1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1"), NULL, NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr a = { 0 };
        char text[ADDR_TEXT_MAX] = "", with_port[ADDR_TEXT_MAX] = "";
        int rc = addr_parse(rows[i].in, &a);

        SUITE_CHECK(rc == (rows[i].text ? 0 : -1), "%zu", i);
        if (rc)
            continue;
        a.port = 80;
        SUITE_CHECK(addr_text(&a, text) == strlen(text) && strcmp(text, rows[i].text) == 0,
                    "%zu: %s", i, text);
        SUITE_CHECK(addr_text_port(&a, with_port) == strlen(with_port)
                    && strcmp(with_port, rows[i].with_port) == 0, "%zu: %s", i, with_port);
    }
}

/* The families that have no text of their own, and what makes two hosts the same. */
static void test_addr_families(void)
{
    struct addr v4 = { .family = ADDR_V4, .port = 1, .ip = { 10, 0, 0, 1, 99 } };
    struct addr v4_too = { .family = ADDR_V4, .port = 2, .ip = { 10, 0, 0, 1 } };
    struct addr v6 = { .family = ADDR_V6, .ip = { 10, 0, 0, 1 } };
    struct addr v6_too = { .family = ADDR_V6, .ip = { [0] = 10, [3] = 1, [15] = 1 } };
    struct addr other = { .family = ADDR_UNIX };
    char text[ADDR_TEXT_MAX];
    uint32_t cid = 4294967295u;

    CU_ASSERT_TRUE(addr_same_host(&v4, &v4_too));
    CU_ASSERT_FALSE(addr_same_host(&v4, &v6));
    CU_ASSERT_TRUE(addr_same_host(&v6, &v6));
    CU_ASSERT_FALSE(addr_same_host(&v6, &v6_too));
    addr_text_port(&other, text);
    CU_ASSERT_STRING_EQUAL(text, "unix:");
    other.family = ADDR_NONE;
    addr_text_port(&other, text);
    CU_ASSERT_STRING_EQUAL(text, "-");
    other.family = ADDR_VSOCK;
    other.port = 65535;
    memcpy(other.ip, &cid, sizeof cid);
    addr_text(&other, text);
    CU_ASSERT_STRING_EQUAL(text, "vsock:4294967295");
    addr_text_port(&other, text);
    CU_ASSERT_STRING_EQUAL(text, "vsock:4294967295:65535");
}

/* W-16, W-17: each reason has a token of its own, fit for logs and metrics, and words. */
static void test_close_reasons(void)
{
    for (unsigned i = 0; i < CLOSE_COUNT; i++) {
        const char *token = close_token((enum close_reason)i);

        SUITE_CHECK(token[0] && strspn(token, "abcdefghijklmnopqrstuvwxyz_") == strlen(token),
                    "%s", token);
        SUITE_CHECK(close_words((enum close_reason)i)[0] != '\0', "%s", token);
        for (unsigned k = 0; k < i; k++)
            SUITE_CHECK(strcmp(token, close_token((enum close_reason)k)) != 0, "%s", token);
    }
    CU_ASSERT_EQUAL(CLOSE_NONE, 0);
    CU_ASSERT_STRING_EQUAL(close_token(CLOSE_IDLE), "idle_timeout");
    CU_ASSERT_FALSE(close_is_error(CLOSE_NONE) || close_is_error(CLOSE_DONE)
                    || close_is_error(CLOSE_IDLE) || close_is_error(CLOSE_CLIENT_CLOSED));
    CU_ASSERT_TRUE(close_is_error(CLOSE_BAD_REQUEST) && close_is_error(CLOSE_ABORTED)
                   && close_is_error(CLOSE_HEADER_TIMEOUT) && close_is_error(CLOSE_IO));
}

/* Describes the work in hand; asked for more than fits, it fills what there is. */
static size_t describe_work(char *buf, size_t size)
{
    int n = snprintf(buf, size, "request: \"GET /x HTTP/1.1\"");

    return n < 0 ? 0 : (size_t)n;
}

/* A description that goes wrong itself. */
static size_t describe_badly(char *buf, size_t size)
{
    AN(buf == NULL || size == 0);
    return 0;
}

/* Objects for the checks. */
struct thing {
    unsigned magic;
#define THING_MAGIC 0x7418d3adu
};

/* What a child does: one broken invariant each. */
static void break_invariant(int which)
{
    static struct thing good = { THING_MAGIC }, bad = { 1 };
    void *any = &bad;
    struct thing *t = &good;

    panic_context(which == 4 ? describe_badly : which == 3 ? describe_work : NULL);
    if (which == 0)
        AN(1 + 1 == 3);
    else if (which == 1)
        CAST_OBJ(t, any, THING_MAGIC);
    else if (which == 2)
        NEVER("a place that no path may reach");
    else
        CHECK_OBJ(t, THING_MAGIC + 1);
}

/* Runs one in a child; what it wrote to the descriptor of last words, and how it ended. */
static int last_words_of(int which, char *text, size_t size)
{
    int status = 0, fds[2];
    ssize_t n;
    pid_t pid;

    text[0] = '\0';
    if (pipe(fds) != 0)
        return -1;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct rlimit no_core = { 0, 0 };

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        panic_to(fds[1]);
        break_invariant(which);
        _exit(0);
    }
    close(fds[1]);
    n = read(fds[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A broken invariant: last words on the given descriptor, then SIGABRT. */
static void test_panic(void)
{
    static const char *const words[][2] = {
        { "panic: 1 + 1 == 3 at ", "in break_invariant()\n" },
        { "panic: ((t))->magic == (", "in break_invariant()\n" },
        { "panic: a place that no path may reach at ", "in break_invariant()\n" },
        { "panic: (t)->magic == (", "in break_invariant(), request: \"GET /x HTTP/1.1\"\n" },
        { "panic: buf == NULL || size == 0 at ", "in describe_badly()\n" },
    };

    for (int i = 0; i < (int)COUNT(words); i++) {
        char text[2048];
        int status = last_words_of(i, text, sizeof text);
        size_t end = strlen(words[i][1]), n = strlen(text);

        SUITE_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%d: %d", i, status);
        SUITE_CHECK(strncmp(text, words[i][0], strlen(words[i][0])) == 0, "%d: %s", i, text);
        SUITE_CHECK(n > end && strcmp(text + n - end, words[i][1]) == 0, "%d: %s", i, text);
        SUITE_CHECK(strstr(text, "test_base.c:") != NULL, "%d: %s", i, text);
    }
}

/* What holds is evaluated once and does nothing else. */
static void test_checks_that_hold(void)
{
    struct thing t = { THING_MAGIC }, *taken, *from = &t;
    int evaluated = 0;

    AN(++evaluated);
    CU_ASSERT_EQUAL(evaluated, 1);
    TAKE_OBJ(taken, &from, THING_MAGIC);
    CU_ASSERT_PTR_EQUAL(taken, &t);
    CU_ASSERT_PTR_NULL(from);
}

/* Runs all suites. */
int main(void)
{
    CU_TestInfo small_tests[] = {
        { "views", test_str },
        { "white space", test_trim },
        { "list", test_list },
        { "addresses", test_addr },
        { "address families", test_addr_families },
        { "close reasons", test_close_reasons },
        { "last words", test_panic },
        { "checks that hold", test_checks_that_hold },
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "small", NULL, NULL, NULL, NULL, small_tests },
        { "memory", NULL, NULL, NULL, NULL, memory_tests },
        { "queue", NULL, NULL, NULL, NULL, queue_tests },
        { "wheel", NULL, NULL, NULL, NULL, wheel_tests },
        { "metrics", NULL, NULL, NULL, NULL, metrics_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("base", suites);
}
