/*
 * test_base.h - what the sources of the program test_base share.
 */
#ifndef SLV_TEST_BASE_H
#define SLV_TEST_BASE_H

#include "suite.h"

#include <selvage/str.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo memory_tests[];
extern CU_TestInfo metrics_tests[];
extern CU_TestInfo queue_tests[];
extern CU_TestInfo wheel_tests[];

#endif
