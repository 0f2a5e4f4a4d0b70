/*
 * main.c - the program: reads its arguments and does one of four things.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/tls.h"
#include "proc/about.h"
#include "proc/ctl.h"
#include "proc/master.h"
#include "proc/options.h"
#include "proc/report.h"
#include "proc/signaller.h"
#include "proc/survey.h"
#include "proc/title.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies of the arguments, ended by NULL: the originals give way to the title. */
static char **copy_args(int argc, char *const argv[])
{
    char **args = mem_zalloc(((size_t)argc + 1) * sizeof *args);

    for (int i = 0; i < argc; i++)
        args[i] = mem_strdup(argv[i]);
    return args;
}

/* Gives them back. */
static void free_args(char **args)
{
    for (size_t i = 0; args[i]; i++)
        free(args[i]);
    free(args);
}

/* -t, -T: looks at the configuration and touches nothing. */
static int test(const struct options *o, struct config_source *source)
{
    struct conf_report report = { .write = report_plain };
    struct config *config;

    if (o->dump)
        source->dump = stdout;
    config = config_load(source, &report);
    if (!config) {
        fprintf(stderr, "selvage: configuration file %s test failed\n", source->file);
        return EXIT_FAILURE;
    }
    if (!o->quiet)
        fprintf(stderr, "selvage: the configuration file %s syntax is ok\n"
                        "selvage: configuration file %s test is successful\n",
                config->file.p, config->file.p);
    config_free(&config);
    return EXIT_SUCCESS;
}

/* -t --nginx: names in the file are below its own directory, as they are for nginx. */
static int survey(const struct options *o, struct config_source *source)
{
    char *file = realpath(o->nginx, NULL);
    int status;

    if (!file) {
        fprintf(stderr, "selvage: realpath() \"%s\" failed (%d: %s)\n", o->nginx, errno,
                strerror(errno));
        return EXIT_FAILURE;
    }
    source->file = file;
    status = survey_run(source);
    free(file);
    return status;
}

/* -s */
static int send_signal(const struct options *o, const struct config_source *source)
{
    struct conf_report report = { .write = report_plain };
    struct config *config = config_load(source, &report);
    int status;

    if (!config)
        return EXIT_FAILURE;
    status = signaller_run(config, o->signal, !o->no_wait);
    log_set_default(NULL);
    config_free(&config);
    return status;
}

/* Does what the options say. */
static int run(const struct options *o, char **args)
{
    char *prefix = options_prefix(o), *file = options_file(o, prefix);
    char *error_log = options_error_log(o, prefix);
    struct config_source source = {
        .file = file, .prefix = prefix, .globals = o->globals, .error_log = o->error_log
    };
    int status;

    /* Whoever only looks for the pid file in it needs no key, and may not be able to read one. */
    if (o->test || (!o->ctl && !o->signal))
        source.tls = &tls_backend;
    AN(args[0] != NULL);
    if (o->nginx)
        status = survey(o, &source);
    else if (o->test)
        status = test(o, &source);
    else if (o->ctl)
        status = ctl_run(&source, o->ctl);
    else if (o->signal)
        status = send_signal(o, &source);
    else
        status = master_run(&source, args, error_log);
    free(prefix);
    free(file);
    free(error_log);
    return status;
}

int main(int argc, char **argv)
{
    char why[OPTIONS_WHY_MAX], **args;
    struct options o;
    int status;

    if (argc < 1)
        return EXIT_FAILURE;
    /*
     * Fixed, so that it does not grow: the large blocks of a configuration are then mappings of
     * their own, and go back to the system with it. Without this every reload would leave its heap
     * behind.
     */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    args = copy_args(argc, argv);
    title_init(argc, argv);
    if (options_parse(&o, argc, args, why) != 0) {
        fprintf(stderr, "selvage: %s\n", why);
        status = EXIT_FAILURE;
    } else {
        options_show(&o, stderr);
        if (o.configure)
            about_show(stderr);
        status = o.version && !o.test ? EXIT_SUCCESS : run(&o, args);
    }
    free_args(args);
    return status;
}
