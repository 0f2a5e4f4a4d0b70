/*
 * test_variable.h - what the sources of the program test_variable share: a configuration under
 * test.
 *
 * One made-up module, "sample", has the directives under test and two of its own: "text", whose
 * argument is compiled as a template, and "match", a regular expression.
 */
#ifndef SLV_TEST_VARIABLE_H
#define SLV_TEST_VARIABLE_H

#include "fake_request.h"
#include "suite.h"

#include "core/access_log.h"
#include "core/error_log.h"
#include "core/variable.h"

#define TEXTS_MAX 64

struct sample {
    struct slv_template *texts[TEXTS_MAX];
    size_t text_count;
    struct slv_regex *regex;
    struct variable_sets *sets;
    struct access_logs *logs;
    struct log *error_log;
};

struct bench {
    struct config config;
    struct conf_report report;
    struct conf conf;
    char text[8192];               /* the messages, each with its newline */
    int rc;                        /* of all steps together */
};

/* Reads what stands in an http block through all steps. */
void bench_open(struct bench *b, const char *http);
void bench_close(struct bench *b);

/* The sample module's struct of the http block. */
struct sample *bench_sample(const struct bench *b);

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo variable_tests[], map_tests[], access_log_tests[];

/* Make and remove the files of access_log_tests. */
int access_log_begin(void);
int access_log_end(void);

#endif
