/*
 * suite.c - runs CUnit suites and speaks TAP.
 */
#include "suite.h"

#include <CUnit/TestRun.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned tests_done;

/* Prints the verdict on one test. */
static void verdict(bool ok, const char *suite, const char *test)
{
    printf("%s %u - %s: %s\n", ok ? "ok" : "not ok", ++tests_done, suite, test);
}

/* Prints text on one line whatever it holds. */
static void put_printable(const char *text)
{
    for (; *text; text++) {
        unsigned char u = (unsigned char)*text;

        if (u >= ' ' && u < 0x7f)
            putchar(u);
        else
            printf("\\x%02x", u);
    }
}

/* Reports a test that ran, with its failed asserts. */
static void on_test(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
    verdict(failures == NULL, suite->pName, test->pName);
    for (CU_pFailureRecord f = failures; f != NULL; f = f->pNext) {
        printf("# %s:%u: ", f->strFileName ? f->strFileName : "?", f->uiLineNumber);
        put_printable(f->strCondition ? f->strCondition : "?");
        putchar('\n');
    }
    fflush(stdout);
}

/* Reports the tests of a suite that could not start. */
static void on_init_failure(const CU_pSuite suite)
{
    for (CU_pTest test = suite->pTest; test != NULL; test = test->pNext)
        verdict(false, suite->pName, test->pName);
    printf("# %s: the suite's initialiser failed\n", suite->pName);
    fflush(stdout);
}

/* Reports a suite that did not end well. */
static void on_cleanup_failure(const CU_pSuite suite)
{
    printf("# %s: the suite's cleanup failed\n", suite->pName);
    fflush(stdout);
}

/* Records the outcome of one row of a table. */
bool suite_check(bool ok, const char *file, int line, const char *cond, const char *format, ...)
{
    char text[1024];
    va_list args;
    int used;

    if (ok) {
        CU_assertImplementation(CU_TRUE, (unsigned)line, cond, file, "", CU_FALSE);
        return true;
    }
    used = snprintf(text, sizeof text / 2, "%s: ", cond);
    if (used >= (int)sizeof text / 2)
        used = (int)sizeof text / 2 - 1;
    va_start(args, format);
    vsnprintf(text + used, sizeof text / 2, format, args);
    va_end(args);
    CU_assertImplementation(CU_FALSE, (unsigned)line, text, file, "", CU_FALSE);
    return false;
}

/* Registers, runs, reports. */
int suite_main(const char *name, CU_SuiteInfo *suites)
{
    unsigned planned = 0, failed;

    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        printf("Bail out! %s: %s\n", name, CU_get_error_msg());
        return EXIT_FAILURE;
    }
    for (CU_pSuite s = CU_get_registry()->pSuite; s != NULL; s = s->pNext)
        planned += s->uiNumberOfTests;
    printf("1..%u\n# %s\n", planned, name);
    fflush(stdout);

    tests_done = 0;
    CU_set_test_complete_handler(on_test);
    CU_set_suite_init_failure_handler(on_init_failure);
    CU_set_suite_cleanup_failure_handler(on_cleanup_failure);
    CU_run_all_tests();

    failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed()
        + CU_get_number_of_suites_failed() + CU_get_number_of_failure_records();
    printf("# %u of %u tests, %u asserts, %u failed\n", tests_done, planned,
        CU_get_number_of_asserts(), CU_get_number_of_failures());
    if (tests_done != planned || planned == 0)
        failed++;
    CU_cleanup_registry();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
