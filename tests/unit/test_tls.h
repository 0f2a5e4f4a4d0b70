/*
 * test_tls.h - the suites of test_tls.
 */
#ifndef SLV_TEST_TLS_H
#define SLV_TEST_TLS_H

#include "suite.h"

extern CU_TestInfo tls_conf_tests[];
extern CU_TestInfo tls_pair_tests[];
extern CU_TestInfo tls_text_tests[];

#endif
