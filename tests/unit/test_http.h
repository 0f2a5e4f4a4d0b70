/*
 * test_http.h - what the sources of the program test_http share.
 *
 * One program tests the pure units of src/http, rule by rule, as tables of input and outcome. Each
 * source exports the tests of its units, and test_http.c runs them all.
 */
#ifndef SLV_TEST_HTTP_H
#define SLV_TEST_HTTP_H

#include "suite.h"

#include <selvage/str.h>

/* A str of a literal, short enough for a row of a table. */
#define S(lit) STR_INIT(lit)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* 1994-11-06 08:49:37, the example of RFC 9110; and a present to judge two-digit years by. */
#define EXAMPLE_TIME 784111777
#define NOW_2026 1770000000

/* The bytes of s lie within those of whole. */
static inline bool inside(struct str s, struct str whole)
{
    return s.p >= whole.p && s.p + s.n <= whole.p + whole.n;
}

/* The tests of each unit, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo target_tests[];
extern CU_TestInfo date_tests[];
extern CU_TestInfo conditional_tests[];
extern CU_TestInfo negotiate_tests[];

#endif
