/*
 * ctl.c - "selvage ctl": a command for a running server.
 */
#include "proc/ctl.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/version.h"
#include "proc/asker.h"
#include "proc/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Shows the commands. */
static void show_help(void)
{
    fputs("Usage: selvage [-c filename] [-p prefix] [-g directives] ctl command\n"
          "\n"
          "Commands:\n"
          "  reload                              read the configuration anew, and wait for it\n"
          "  status                              show the server and its processes\n"
          "  metrics                             show counters, in the format of Prometheus\n"
          "  certificates                        show certificates, and when they end\n"
          "  channels                            show the channels of the hub\n"
          "  publish channel [--event name] [data | -]\n"
          "                                      publish a message, by default what comes on\n"
          "                                      standard input\n"
          "  prebuilt list [host]                show the images of each host\n"
          "  prebuilt build [host]               make them anew, and publish what has changed\n"
          "  prebuilt publish file [host]        publish an image made by selvage-pack\n"
          "  prebuilt rollback [host [number]]   publish the one before, or that of a number\n"
          "\n"
          "host is a name as \"list\" shows it; without it, or as \"-\", all hosts are meant.\n"
          "Exit status: 0 done, 1 refused or no server, 2 not a command. See selvage-ctl(8).\n",
          stdout);
}

/* Takes no notice: what is wrong with the file is not what was asked. */
static void hush(void *arg, enum slv_level level, const char *text, const char *detail)
{
    (void)arg;
    (void)level;
    (void)text;
    (void)detail;
}

/* The pid file of the server, from the heap. */
static char *pid_path(const struct config_source *source)
{
    struct conf_report report = { .write = hush };
    struct config *config = config_load(source, &report);
    const char *prefix = SELVAGE_PID_PATH[0] == '/' ? "" : source->prefix;
    size_t room = strlen(source->prefix) + sizeof SELVAGE_PID_PATH;
    char *path;

    if (config) {
        path = mem_strdup(config->process->pid.p);
        config_free(&config);
        return path;
    }
    path = mem_alloc(room);
    snprintf(path, room, "%s%s", prefix, SELVAGE_PID_PATH);
    fprintf(stderr, "selvage: [warn] the configuration cannot be read (selvage -t tells why), "
            "asking the server of \"%s\"\n", path);
    return path;
}

/*
 * The words, with the file of "prebuilt publish" as an absolute path: the server is in another
 * directory. *path is from the heap, or NULL.
 */
static char *const *with_path(char *const words[], char *changed[8], char **path)
{
    size_t n = 0;

    *path = NULL;
    while (words[n])
        n++;
    if (n < 3 || n > 7 || strcmp(words[0], "prebuilt") != 0 || strcmp(words[1], "publish") != 0)
        return words;
    *path = realpath(words[2], NULL);
    for (size_t i = 0; i <= n; i++)
        changed[i] = words[i];
    /* What cannot be resolved the server is to complain about, as about all other files. */
    if (*path)
        changed[2] = *path;
    return changed;
}

/* The words as one question, from the heap; NULL: it cannot be one. */
static char *join(char *const words[])
{
    char *text = mem_zalloc(CONTROL_QUESTION_MAX);
    size_t used = 0;

    for (size_t i = 0; words[i]; i++) {
        size_t n = strlen(words[i]);

        if (!n || strpbrk(words[i], " \n") || used + n + 2 >= CONTROL_QUESTION_MAX) {
            free(text);
            return NULL;
        }
        used += (size_t)sprintf(text + used, "%s%s", used ? " " : "", words[i]);
    }
    return text;
}

/* All of standard input, from the heap. */
static char *read_input(size_t *size)
{
    size_t room = 65536, n;
    char *text = mem_alloc(room);

    *size = 0;
    while ((n = fread(text + *size, 1, room - *size, stdin)) > 0) {
        *size += n;
        if (*size == room) {
            room *= 2;
            text = mem_resize(text, room, 1);
        }
    }
    return text;
}

/*
 * Takes "publish channel [--event name] [data | -]" apart: the question in three words at most, and
 * the data, from the heap. False: it is something else.
 */
static bool take_publish(char *const words[], char *question[4], struct str *data)
{
    size_t n = 0;
    char *text;

    if (strcmp(words[0], "publish") != 0 || !words[1])
        return false;
    question[0] = words[0];
    question[1] = words[1];
    question[2] = question[3] = NULL;
    words += 2;
    if (words[0] && words[1] && strcmp(words[0], "--event") == 0) {
        question[2] = words[1];
        words += 2;
    }
    if (words[0] && words[1])
        return false;
    if (words[0] && strcmp(words[0], "-") != 0) {
        text = mem_strdup(words[0]);
        n = strlen(text);
    } else {
        text = read_input(&n);
    }
    *data = (struct str){ text, n };
    return true;
}

int ctl_run(const struct config_source *source, char *const words[])
{
    int status = 2;
    char *question, *path, *file = NULL, *changed[8], *published[4];
    struct str data = { NULL, 0 };

    AN(words != NULL);
    if (!words[0] || strcmp(words[0], "help") == 0 || strcmp(words[0], "--help") == 0) {
        show_help();
        return words[0] ? EXIT_SUCCESS : 2;
    }
    if (take_publish(words, published, &data))
        question = join(published);
    else
        question = join(with_path(words, changed, &file));
    free(file);
    if (!question) {
        fprintf(stderr, "selvage: \"ctl\" takes a command in plain words, see selvage ctl help\n");
        free((char *)(uintptr_t)data.p);
        return status;
    }
    path = pid_path(source);
    if (!asker_ask_with(path, question, data, question, &status)) {
        fprintf(stderr, "selvage: no server answers at \"%s" CONTROL_SUFFIX "\" (%d: %s)\n", path,
                errno, strerror(errno));
        status = EXIT_FAILURE;
    }
    free(path);
    free(question);
    free((char *)(uintptr_t)data.p);
    return status;
}
