/*
 * test_log.c - error log lines, log files and their reopening, the stamp of a second.
 */
#include "base/log.h"
#include "base/stamp.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96], moved[96];
static char seen[16384];

/* A directory of its own for the files of this program. */
static int begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/test_log.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/error.log", dir);
    snprintf(moved, sizeof moved, "%s/error.log.1", dir);
    return 0;
}

/* Removes it. */
static int end(void)
{
    unlink(path);
    unlink(moved);
    return rmdir(dir);
}

/* What a file holds. */
static const char *contents(const char *name)
{
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, seen, sizeof seen - 1);

    seen[n < 0 ? 0 : n] = '\0';
    if (fd >= 0)
        close(fd);
    return seen;
}

/* A line without its time, in which "@" stands for "PID#PID:". */
static bool line_is(const char *line, const char *expected)
{
    char want[4096], who[64];
    const char *at = strchr(expected, '@');

    snprintf(who, sizeof who, "%ld#%ld:", (long)getpid(), (long)getpid());
    snprintf(want, sizeof want, "%.*s%s%s", (int)(at - expected), expected, who, at + 1);
    return strlen(line) > 20 && strcmp(line + 20, want) == 0;
}

/* The fixed context of these tests. */
static size_t describe(void *arg, char *buf, size_t size)
{
    return (size_t)snprintf(buf, size, ", client: %s", (const char *)arg);
}

/* A log of one file. */
static struct log open_log(enum slv_level level)
{
    struct log_file *failed = NULL;
    struct log log = { .level = level, .file = log_file_get(path) };

    CU_ASSERT_EQUAL_FATAL(log_files_open(&failed), 0);
    return log;
}

/* The parts of a line. */
static void test_lines(void)
{
    static const struct {
        uint64_t number;
        const char *client;
        enum slv_level level;
        int error;
        const char *text, *expected;
    } rows[] = {
        { 0, NULL, SLV_LOG_ERROR, 0, "plain", "[error] @ plain\n" },
        { 0, NULL, SLV_LOG_EMERG, ENOENT, "open() \"/x\" failed",
          "[emerg] @ open() \"/x\" failed (2: No such file or directory)\n" },
        { 12, "192.0.2.1", SLV_LOG_ERROR, ENOENT, "open() \"/x\" failed",
          "[error] @ *12 open() \"/x\" failed (2: No such file or directory), "
          "client: 192.0.2.1\n" },
        { 1, "c", SLV_LOG_WARN, 0, "a", "[warn] @ *1 a, client: c\n" },
        { 0, NULL, SLV_LOG_ALERT, 0, "", "[alert] @ \n" },
        { 0, NULL, SLV_LOG_CRIT, 0, "a\nb\r\t\x1b[2J\x7f",
          "[crit] @ a\\x0Ab\\x0D\\x09\\x1B[2J\\x7F\n" },
        { 0, "c\n2026/01/01 00:00:00 [error] forged", SLV_LOG_NOTICE, 0, "a",
          "[notice] @ a, client: c\\x0A2026/01/01 00:00:00 [error] forged\n" },
        { 0, NULL, SLV_LOG_INFO, 0, "gr\xc3\xbc\xc3\x9f \\ \"q\"",
          "[info] @ gr\xc3\xbc\xc3\x9f \\ \"q\"\n" },
        { 0, NULL, SLV_LOG_DEBUG, 0, "100%", "[debug] @ 100%\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log log = open_log(SLV_LOG_DEBUG);
        struct log_context context = { .number = rows[i].number,
                                       .describe = rows[i].client ? describe : NULL,
                                       .arg = (void *)(uintptr_t)rows[i].client };

        errno = EBUSY;
        log_line(&log, &context, rows[i].level, rows[i].error, "%s", rows[i].text);
        CU_ASSERT_EQUAL(errno, EBUSY);
        SUITE_CHECK(line_is(contents(path), rows[i].expected), "row %zu: %s", i, seen);
        log_file_drop(log.file);
        unlink(path);
    }
}

/* Too long a text is cut, and what follows it still has room. */
static void test_long_lines(void)
{
    static const char bytes[] = { 'a', '\n' };
    struct log_context context = { .number = 5, .describe = describe, .arg = (void *)"192.0.2.1" };
    char text[6000];

    for (size_t i = 0; i < sizeof bytes; i++) {
        struct log log = open_log(SLV_LOG_DEBUG);
        size_t n;

        memset(text, bytes[i], sizeof text - 1);
        text[sizeof text - 1] = '\0';
        log_line(&log, &context, SLV_LOG_ERROR, ENOENT, "%s", text);
        n = strlen(contents(path));
        CU_ASSERT(n > 1400 && n <= 2048);
        CU_ASSERT_PTR_NOT_NULL(strstr(seen, "... (2: No such file or directory), "
                                            "client: 192.0.2.1\n"));
        context.arg = text;
        log_line(&log, &context, SLV_LOG_ERROR, 0, "short");
        CU_ASSERT(strlen(contents(path)) - n <= 2048);
        CU_ASSERT_STRING_EQUAL(seen + strlen(seen) - 4, "...\n");
        context.arg = (void *)"192.0.2.1";
        log_file_drop(log.file);
        unlink(path);
    }
}

/* Which levels are written where. */
static void test_levels(void)
{
    struct log error = open_log(SLV_LOG_ERROR), info = error;

    info.level = SLV_LOG_INFO;
    info.next = &error;
    CU_ASSERT(log_wants(&error, SLV_LOG_ERROR));
    CU_ASSERT_FALSE(log_wants(&error, SLV_LOG_WARN));
    CU_ASSERT(log_wants(&info, SLV_LOG_INFO));
    CU_ASSERT(log_wants(NULL, SLV_LOG_WARN));
    CU_ASSERT_FALSE(log_wants(NULL, SLV_LOG_NOTICE));
    log_line(&info, NULL, SLV_LOG_DEBUG, 0, "none");
    CU_ASSERT_STRING_EQUAL(contents(path), "");
    log_line(&info, NULL, SLV_LOG_NOTICE, 0, "once");
    log_line(&info, NULL, SLV_LOG_CRIT, 0, "twice");
    contents(path);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, "once\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(strstr(seen, "twice\n") + 1, "twice\n"));
    log_set_default(&error);
    log_error(0, "to the default");
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(path), "to the default\n"));
    log_set_default(NULL);
    CU_ASSERT_EQUAL(log_level_of(STR("emerg")), SLV_LOG_EMERG);
    CU_ASSERT_EQUAL(log_level_of(STR("debug")), SLV_LOG_DEBUG);
    CU_ASSERT_EQUAL(log_level_of(STR("Error")), 0);
    CU_ASSERT_EQUAL(log_level_of(STR("")), 0);
    log_file_drop(error.file);
    unlink(path);
}

/* Standard error gets the short form, and each line once. */
static void test_standard_error(void)
{
    struct log closed = { .level = SLV_LOG_INFO, .file = log_file_get("/nonexistent/log") };
    struct log standard = { .level = SLV_LOG_INFO, .file = log_file_get(NULL) };
    int kept = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);

    CU_ASSERT_FATAL(fd >= 0 && kept >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    log_warn(0, "early");
    log_notice(0, "silent");
    log_line(&closed, NULL, SLV_LOG_EMERG, 0, "nowhere else");
    log_line(&closed, NULL, SLV_LOG_INFO, 0, "lost");
    log_set_stderr(SLV_LOG_NOTICE);
    log_line(&closed, NULL, SLV_LOG_NOTICE, 0, "asked for");
    log_set_stderr(SLV_LOG_EMERG);
    log_line(&standard, NULL, SLV_LOG_EMERG, 0, "whole");
    log_set_stderr((enum slv_level)0);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fd);
    contents(path);
    CU_ASSERT(strncmp(seen, "selvage: [warn] early\nselvage: [emerg] nowhere else\n"
                            "selvage: [notice] asked for\n2", 79) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, ": whole\n"));
    CU_ASSERT_PTR_NULL(strstr(seen, "] whole\n"));
    CU_ASSERT_EQUAL(standard.file->fd, STDERR_FILENO);
    log_file_drop(standard.file);
    log_file_drop(closed.file);
    unlink(path);
}

static int calls, called_with;

/* Notes a call. */
static void note(int fd)
{
    calls++;
    called_with = fd;
}

/* Files are shared by path, and closed with the last user. */
static void test_files(void)
{
    struct log_file *a = log_file_get(path), *b = log_file_get(path), *failed = NULL, *bad;
    struct stat st;
    mode_t mask = umask(022);
    int fd;

    CU_ASSERT_PTR_EQUAL(a, b);
    CU_ASSERT_EQUAL(a->fd, -1);
    CU_ASSERT_EQUAL(log_files_open(&failed), 0);
    fd = a->fd;
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CU_ASSERT(fcntl(fd, F_GETFL) & O_APPEND);
    CU_ASSERT(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0640);
    umask(mask);
    calls = 0;
    log_files_each(note);
    CU_ASSERT(calls == 1 && called_with == fd);
    log_file_drop(b);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
    bad = log_file_get("/nonexistent/log");
    CU_ASSERT(log_files_open(&failed) == -1 && errno == ENOENT);
    CU_ASSERT_PTR_EQUAL(failed, bad);
    log_file_drop(bad);
    log_file_drop(a);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1);
    unlink(path);
}

/* After a rotation, lines go to a new file under the old descriptor. */
static void test_reopen(void)
{
    struct log log = open_log(SLV_LOG_ERROR);
    struct stat st;
    int fd = log.file->fd;

    log_line(&log, NULL, SLV_LOG_ERROR, 0, "first");
    CU_ASSERT_EQUAL_FATAL(rename(path, moved), 0);
    log_line(&log, NULL, SLV_LOG_ERROR, 0, "second");
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(moved), "second\n"));
    calls = 0;
    log_files_reopen((int)getuid(), (int)getgid(), note);
    CU_ASSERT(calls == 1 && called_with == fd && log.file->fd == fd);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CU_ASSERT(stat(path, &st) == 0 && st.st_uid == getuid() && (st.st_mode & 0777) == 0640);
    log_line(&log, NULL, SLV_LOG_ERROR, 0, "third");
    CU_ASSERT(line_is(contents(path), "[error] @ third\n"));

    /* A link whose target is not there is not followed: the old file stays in use. */
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(symlink("/tmp/test_log.nowhere", path), 0);
    log_set_default(&log);
    calls = 0;
    log_files_reopen(-1, -1, note);
    CU_ASSERT(calls == 0 && log.file->fd == fd && fstat(fd, &st) == 0 && st.st_nlink == 0);
    CU_ASSERT(access("/tmp/test_log.nowhere", F_OK) != 0);
    log_set_default(NULL);
    log_file_drop(log.file);
    unlink(path);
}

/* The three texts of a second, in several zones. */
static void test_stamp(void)
{
    static const struct {
        const char *zone;
        time_t second;
        const char *error_log, *access_log, *iso8601;
    } rows[] = {
        { "UTC0", 1795256120, "2026/11/21 10:15:20", "21/Nov/2026:10:15:20 +0000",
          "2026-11-21T10:15:20+00:00" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", 1783591200, "2026/07/09 12:00:00",
          "09/Jul/2026:12:00:00 +0200", "2026-07-09T12:00:00+02:00" },
        { "NST3:30", 0, "1969/12/31 20:30:00", "31/Dec/1969:20:30:00 -0330",
          "1969-12-31T20:30:00-03:30" },
    };
    struct stamp s;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("TZ", rows[i].zone, 1);
        tzset();
        stamp_make(&s, rows[i].second);
        SUITE_CHECK(strcmp(s.error_log, rows[i].error_log) == 0, "%s", s.error_log);
        SUITE_CHECK(strcmp(s.access_log, rows[i].access_log) == 0, "%s", s.access_log);
        SUITE_CHECK(strcmp(s.iso8601, rows[i].iso8601) == 0, "%s", s.iso8601);
    }
    unsetenv("TZ");
    tzset();
    CU_ASSERT(labs((long)(stamp_now()->second - time(NULL))) <= 1);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo lines[] = {
        { "lines", test_lines }, { "long lines", test_long_lines }, { "levels", test_levels },
        { "standard error", test_standard_error }, CU_TEST_INFO_NULL
    };
    CU_TestInfo files[] = {
        { "files", test_files }, { "reopening", test_reopen }, { "stamp", test_stamp },
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "lines", begin, end, NULL, NULL, lines }, { "files", begin, end, NULL, NULL, files },
        CU_SUITE_INFO_NULL
    };

    return suite_main("log", suites);
}
