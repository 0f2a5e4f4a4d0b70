/*
 * test_options.c - the command line: what is taken, and what is said about the rest.
 */
#include "proc/options.h"
#include "suite.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX 8

/* What an argument list amounts to, in one line: letters of flags, then texts. */
static void describe(const struct options *o, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s%s%s%s s=%s p=%s e=%s c=%s g=%s", o->help ? "h" : "",
             o->version ? "v" : "", o->configure ? "V" : "", o->test ? "t" : "",
             o->dump ? "T" : "", o->quiet ? "q" : "", o->no_wait ? "n" : "",
             o->signal ? o->signal : "", o->prefix ? o->prefix : "",
             o->error_log ? o->error_log : "", o->file ? o->file : "",
             o->globals ? o->globals : "");
}

/* Runs the parser on the words of a row. */
static void parse(const char *const words[], struct options *o, int *rc, char *why)
{
    char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t)"selvage" };
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    why[0] = '\0';
    *rc = options_parse(o, argc, argv, why);
}

/* "ctl": options may stand before and behind it; from its first word on all is the command's. */
static void test_ctl(void)
{
    static const struct {
        const char *words[ARGS_MAX + 1];
        const char *file, *first;
        size_t count;
    } rows[] = {
        { { "ctl" }, NULL, NULL, 0 },
        { { "ctl", "help" }, NULL, "help", 1 },
        { { "ctl", "--help" }, NULL, "--help", 1 },
        { { "-c", "a", "ctl", "prebuilt", "list", "-" }, "a", "prebuilt", 3 },
        { { "ctl", "-c", "a", "prebuilt", "list" }, "a", "prebuilt", 2 },
        { { "ctl", "status", "-c", "a" }, NULL, "status", 3 },
        { { "ctl", "-c", "a" }, "a", NULL, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t)"selvage" }, why[OPTIONS_WHY_MAX];
        struct options o;
        size_t count = 0;
        int argc = 1;

        for (; rows[i].words[argc - 1]; argc++)
            argv[argc] = (char *)(uintptr_t)rows[i].words[argc - 1];
        SUITE_CHECK(options_parse(&o, argc, argv, why) == 0 && o.ctl, "%zu: %s", i, why);
        while (o.ctl && o.ctl[count])
            count++;
        SUITE_CHECK(count == rows[i].count, "%zu: %zu words", i, count);
        SUITE_CHECK(!count || strcmp(o.ctl[0], rows[i].first) == 0, "%zu: %s", i, o.ctl[0]);
        SUITE_CHECK(rows[i].file ? o.file && strcmp(o.file, rows[i].file) == 0 : !o.file, "%zu", i);
    }
}

/* What is taken. */
static void test_taken(void)
{
    static const struct {
        const char *words[ARGS_MAX + 1];
        const char *result;
    } rows[] = {
        { { NULL }, " s= p= e= c= g=" },
        { { "-?" }, "hv s= p= e= c= g=" },
        { { "-h" }, "hv s= p= e= c= g=" },
        { { "-v" }, "v s= p= e= c= g=" },
        { { "-V" }, "vV s= p= e= c= g=" },
        { { "-t" }, "t s= p= e= c= g=" },
        { { "-T" }, "tT s= p= e= c= g=" },
        { { "-tq" }, "tq s= p= e= c= g=" },
        { { "-t", "-q", "-v" }, "vtq s= p= e= c= g=" },
        { { "-c", "a b" }, " s= p= e= c=a b g=" },
        { { "-ca" }, " s= p= e= c=a g=" },
        { { "-tca" }, "t s= p= e= c=a g=" },
        { { "-qtc", "a", "-p/x" }, "tq s= p=/x e= c=a g=" },
        { { "-c", "-t" }, " s= p= e= c=-t g=" },
        { { "-c", "a", "-c", "b" }, " s= p= e= c=b g=" },
        { { "-e", "stderr", "-g", "daemon off;" }, " s= p= e=stderr c= g=daemon off;" },
        { { "-s", "stop" }, " s=stop p= e= c= g=" },
        { { "-squit" }, " s=quit p= e= c= g=" },
        { { "-s", "reopen" }, " s=reopen p= e= c= g=" },
        { { "-s", "reload", "--no-wait" }, "n s=reload p= e= c= g=" },
    };
    char why[OPTIONS_WHY_MAX], text[256];
    struct options o;
    int rc;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse(rows[i].words, &o, &rc, why);
        describe(&o, text, sizeof text);
        SUITE_CHECK(rc == 0, "row %zu: %s", i, why);
        SUITE_CHECK(strcmp(text, rows[i].result) == 0, "row %zu: \"%s\"", i, text);
    }
}

/* What is refused, in nginx's words. */
static void test_refused(void)
{
    static const struct {
        const char *words[ARGS_MAX + 1];
        const char *why;
    } rows[] = {
        { { "--nginx", "a" }, "option \"--nginx\" goes with \"-t\"" },
        { { "-t", "--nginx" }, "option \"--nginx\" requires file name" },
        { { "-z" }, "invalid option: \"z\"" },
        { { "-tqx" }, "invalid option: \"x\"" },
        { { "-t", "conf" }, "invalid option: \"conf\"" },
        { { "-" }, "invalid option: \"-\"" },
        { { "" }, "invalid option: \"\"" },
        { { "--help" }, "invalid option: \"--help\"" },
        { { "--no-waiting" }, "invalid option: \"--no-waiting\"" },
        { { "-c" }, "option \"-c\" requires file name" },
        { { "-c", "" }, "option \"-c\" requires file name" },
        { { "-e" }, "option \"-e\" requires file name" },
        { { "-p" }, "option \"-p\" requires directory name" },
        { { "-tp" }, "option \"-p\" requires directory name" },
        { { "-g" }, "option \"-g\" requires parameter" },
        { { "-s" }, "option \"-s\" requires parameter" },
        { { "-s", "start" }, "invalid option: \"-s start\"" },
        { { "-sreload2" }, "invalid option: \"-s reload2\"" },
        { { "-t", "-c", "a", "-y" }, "invalid option: \"y\"" },
    };
    char why[OPTIONS_WHY_MAX];
    struct options o;
    int rc;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse(rows[i].words, &o, &rc, why);
        SUITE_CHECK(rc == -1, "row %zu is taken", i);
        SUITE_CHECK(strcmp(why, rows[i].why) == 0, "row %zu: %s", i, why);
    }
}

/* A message stays whole in its buffer, however long what was written. */
static void test_long(void)
{
    char why[OPTIONS_WHY_MAX], word[2000];
    const char *words[] = { word, NULL };
    struct options o;
    int rc;

    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    parse(words, &o, &rc, why);
    CU_ASSERT_EQUAL(rc, -1);
    CU_ASSERT_EQUAL(strlen(why), OPTIONS_WHY_MAX - 1);
}

/* Paths that follow from the options. */
static void test_paths(void)
{
    struct options o = { .prefix = "/", .file = "a/b.conf", .error_log = "stderr" };
    char *prefix = options_prefix(&o), *file = options_file(&o, prefix);
    char here[1024], *log = options_error_log(&o, prefix);

    CU_ASSERT_STRING_EQUAL(prefix, "/");
    CU_ASSERT_STRING_EQUAL(file, "/a/b.conf");
    CU_ASSERT_PTR_NULL(log);
    free(prefix);
    free(file);

    o = (struct options){ .prefix = ".", .file = "/etc/x.conf", .error_log = "e.log" };
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(here, sizeof here));
    prefix = options_prefix(&o);
    file = options_file(&o, prefix);
    log = options_error_log(&o, prefix);
    CU_ASSERT_NSTRING_EQUAL(prefix, here, strlen(here));
    CU_ASSERT_STRING_EQUAL(prefix + strlen(here), "/");
    CU_ASSERT_STRING_EQUAL(file, "/etc/x.conf");
    CU_ASSERT_NSTRING_EQUAL(log, prefix, strlen(prefix));
    CU_ASSERT_STRING_EQUAL(log + strlen(prefix), "e.log");
    free(prefix);
    free(file);
    free(log);

    /* A directory that is not there is named as it was written. */
    o = (struct options){ .prefix = "/nowhere/at/all/" };
    prefix = options_prefix(&o);
    CU_ASSERT_STRING_EQUAL(prefix, "/nowhere/at/all/");
    free(prefix);
}

/* Version and help, as tools look for them. */
static void test_show(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct options o = { .help = true, .version = true };

    options_show(&o, out);
    fclose(out);
    CU_ASSERT_NSTRING_EQUAL(text, "selvage version: selvage/", 25);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nUsage: selvage [-?hvVtTq] [-s signal]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  -g directives : set global directives"));
    free(text);
}

/* Runs the suites. */
int main(void)
{
    CU_TestInfo tests[] = {
        { "ctl", test_ctl }, { "taken", test_taken }, { "refused", test_refused },
        { "long words", test_long }, { "paths", test_paths }, { "texts", test_show },
        CU_TEST_INFO_NULL
    };
    CU_SuiteInfo suites[] = {
        { "options", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL
    };

    return suite_main("options", suites);
}
