/*
 * test_conf.h - what the sources of the program test_conf share.
 *
 * One program tests the configuration engine with modules made up for it: "web" with directives of
 * every kind, and "extra" beside it. Each source exports its tests, and test_conf.c runs them all.
 */
#ifndef SLV_TEST_CONF_H
#define SLV_TEST_CONF_H

#include "suite.h"

#include "core/conf_engine.h"

enum { MODE_OFF, MODE_EXACT, MODE_BEFORE };

/* The conf structs of the modules "web" and "extra". */
struct web {
    struct str user, root, index, status, note, file;
    int64_t max, timeout, level, workers, checked;
    int mode;
    bool sendfile;
    unsigned entries, words;
};

struct extra {
    struct str colour;
    struct str shade;
    unsigned finished;
};

/* What hooks noticed; emptied by bench_open(). */
extern struct sample_seen {
    unsigned finished, released, where[16]; /* finish calls of "web", and the contexts of them */
    const char *refuse;            /* the finish hook refuses this root */
} seen;

/* Modules to be added in tests; "rival" wants what "extra" has, "outer" the same in main only. */
extern const struct slv_module rival_module, outer_module, late_module;

/* A configuration under test, and what was said about it. */
struct bench {
    struct arena arena;
    struct conf_report report;
    struct conf conf;
    char text[16384], detail[4096]; /* the messages, each with its newline; the detail lines */
    int rc;                        /* of all steps together */
};

/* A text and the messages or detail lines that it must give. */
struct row {
    const char *text, *expected;
};

/* Makes an empty configuration with the modules of this program. */
void bench_open(struct bench *b);

/* Gives everything back. */
void bench_close(struct bench *b);

/* bench_open(), then takes a text through all steps. globals: as of -g, or NULL. */
void bench_text(struct bench *b, struct str text, const char *globals);

/* The block number n below another, counted from 0. It must be there. */
struct conf_block *child(struct conf_block *b, unsigned n);

/* The struct of "web" for a block. */
const struct web *web_of(const struct conf_block *b);

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo tree_tests[], value_tests[], inherit_tests[], file_tests[];

/* Make and remove the files of file_tests. */
int file_tests_begin(void);
int file_tests_end(void);

#endif
