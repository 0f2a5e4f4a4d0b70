/*
 * suite.h - the main of every CUnit program, and rows of tables as tests.
 *
 * A test program lists its suites and ends with
 *
 *     int main(void)
 *     {
 *         CU_TestInfo dates[] = { { "round trip", test_round_trip }, CU_TEST_INFO_NULL };
 *         CU_SuiteInfo suites[] = {
 *             { "date", NULL, NULL, NULL, NULL, dates }, CU_SUITE_INFO_NULL
 *         };
 *         return suite_main("http", suites);
 *     }
 */
#ifndef SLV_SUITE_H
#define SLV_SUITE_H

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <stdbool.h>

/*
 * Registers and runs the suites and prints TAP on standard output: "1..N", then per test
 * "ok n - suite: test" or "not ok n - suite: test" with a "# file:line: condition" for each failed
 * assert. Each line is flushed, so that a crash leaves fewer lines than the plan. The tests of a
 * suite whose initialiser fails count as failed.
 * name: printed as the headline. suites: ended by CU_SUITE_INFO_NULL.
 * Returns the exit status: EXIT_SUCCESS only if every test ran and every assert held.
 */
int suite_main(const char *name, CU_SuiteInfo *suites);

/*
 * Like CU_ASSERT, with a text in the manner of printf that says which row of a table failed. The
 * text is cut at 511 bytes; bytes that are not printable appear as \xNN.
 */
#define SUITE_CHECK(cond, ...) suite_check((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)

/* What SUITE_CHECK calls. Returns ok. */
bool suite_check(bool ok, const char *file, int line, const char *cond, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
