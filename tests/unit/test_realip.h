/*
 * test_realip.h - what the sources of the program test_realip share.
 */
#ifndef SLV_TEST_REALIP_H
#define SLV_TEST_REALIP_H

#include "suite.h"

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo proxy_tests[];

#endif
