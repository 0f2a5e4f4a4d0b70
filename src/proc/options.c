/*
 * options.c - the command line, as nginx's.
 */
#include "proc/options.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/version.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An option that takes a text. */
struct valued {
    char letter;
    const char *needs;             /* how the message calls what is missing */
    size_t offset;
};

static const struct valued valued[] = {
    { 's', "parameter", offsetof(struct options, signal) },
    { 'p', "directory name", offsetof(struct options, prefix) },
    { 'e', "file name", offsetof(struct options, error_log) },
    { 'c', "file name", offsetof(struct options, file) },
    { 'g', "parameter", offsetof(struct options, globals) },
};

static const char *const signal_words[] = { "stop", "quit", "reopen", "reload" };

/* Is this one of the words of -s? */
static bool is_signal(const char *word)
{
    for (size_t i = 0; i < sizeof signal_words / sizeof *signal_words; i++)
        if (strcmp(word, signal_words[i]) == 0)
            return true;
    return false;
}

/* Takes an option without a text. False: there is no such option. */
static bool take_flag(struct options *o, char letter)
{
    switch (letter) {
    case '?':
    case 'h':
        o->help = o->version = true;
        return true;
    case 'v':
        o->version = true;
        return true;
    case 'V':
        o->version = o->configure = true;
        return true;
    case 't':
        o->test = true;
        return true;
    case 'T':
        o->test = o->dump = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    default:
        return false;
    }
}

/* The option with a text of that letter, or NULL. */
static const struct valued *valued_of(char letter)
{
    for (size_t i = 0; i < sizeof valued / sizeof *valued; i++)
        if (valued[i].letter == letter)
            return &valued[i];
    return NULL;
}

/* Takes one argument: letters up to the first that has a text, which may be the next argument. */
static int take_argument(struct options *o, int *i, int argc, char *const argv[], char *why)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const struct valued *v = valued_of(*p);
        const char *text = p + 1;

        if (!v && take_flag(o, *p))
            continue;
        if (!v) {
            snprintf(why, OPTIONS_WHY_MAX, "invalid option: \"%c\"", *p);
            return -1;
        }
        if (!*text)
            text = *i + 1 < argc ? argv[++*i] : "";
        if (!*text) {
            snprintf(why, OPTIONS_WHY_MAX, "option \"-%c\" requires %s", v->letter, v->needs);
            return -1;
        }
        if (v->letter == 's' && !is_signal(text)) {
            snprintf(why, OPTIONS_WHY_MAX, "invalid option: \"-s %s\"", text);
            return -1;
        }
        memcpy((char *)o + v->offset, &text, sizeof text);
        return 0;
    }
    return 0;
}

int options_parse(struct options *o, int argc, char *const argv[], char why[OPTIONS_WHY_MAX])
{
    memset(o, 0, sizeof *o);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-wait") == 0) {
            o->no_wait = true;
            continue;
        }
        if (strcmp(argv[i], "--nginx") == 0) {
            if (i + 1 == argc) {
                snprintf(why, OPTIONS_WHY_MAX, "option \"--nginx\" requires file name");
                return -1;
            }
            o->nginx = argv[++i];
            continue;
        }
        if (!o->ctl && strcmp(argv[i], "ctl") == 0) {
            o->ctl = &argv[i + 1];
            continue;
        }
        /* From its first word on it is a command for a running server, not ours to judge. */
        if (o->ctl && (argv[i][0] != '-' || strcmp(argv[i], "--help") == 0)) {
            o->ctl = &argv[i];
            return 0;
        }
        /* A lone "-" would start a server where somebody meant something else. */
        if (argv[i][0] != '-' || !argv[i][1] || argv[i][1] == '-') {
            snprintf(why, OPTIONS_WHY_MAX, "invalid option: \"%s\"", argv[i]);
            return -1;
        }
        if (take_argument(o, &i, argc, argv, why) != 0)
            return -1;
    }
    if (o->nginx && !o->test) {
        snprintf(why, OPTIONS_WHY_MAX, "option \"--nginx\" goes with \"-t\"");
        return -1;
    }
    /* Options, but no command. */
    if (o->ctl)
        o->ctl = &argv[argc];
    return 0;
}

/* The text of -h. */
static void show_help(FILE *out)
{
    fprintf(out,
            "Usage: selvage [-?hvVtTq] [-s signal] [--no-wait] [-p prefix]\n"
            "               [-e filename] [-c filename] [-g directives]\n"
            "       selvage [-p prefix] [-c filename] [-g directives] ctl command\n"
            "\n"
            "Options:\n"
            "  -?,-h         : this help\n"
            "  -v            : show version and exit\n"
            "  -V            : show version and configure options then exit\n"
            "  -t            : test configuration and exit\n"
            "  --nginx file  : with -t, list what of an nginx configuration would not work\n"
            "  -T            : test configuration, dump it and exit\n"
            "  -q            : suppress non-error messages during configuration testing\n"
            "  -s signal     : send signal to a master process: stop, quit, reopen, reload\n"
            "  --no-wait     : do not wait until a reload has succeeded or was refused\n"
            "  -p prefix     : set prefix path (default: %s)\n"
            "  -e filename   : set error log file (default: %s)\n"
            "  -c filename   : set configuration file (default: %s)\n"
            "  -g directives : set global directives out of configuration file\n"
            "  ctl command   : ask the running server for something: selvage ctl help\n"
            "\n", SELVAGE_PREFIX "/", SELVAGE_ERROR_LOG_PATH, SELVAGE_CONF_PATH);
}

void options_show(const struct options *o, FILE *out)
{
    if (o->version)
        fprintf(out, "selvage version: selvage/%s\n", SELVAGE_VERSION);
    if (o->help)
        show_help(out);
}

/* Joins a directory that ends with '/' and a name, unless that is absolute. */
static char *below(const char *directory, const char *name)
{
    size_t room = strlen(directory) + strlen(name) + 2;
    char *path = mem_alloc(room);

    snprintf(path, room, "%s%s", name[0] == '/' ? "" : directory, name);
    return path;
}

char *options_prefix(const struct options *o)
{
    const char *given = o->prefix ? o->prefix : SELVAGE_PREFIX;
    char *real = realpath(given, NULL), *prefix;
    size_t room;

    /* What cannot be resolved is left as it is: opening what lies below tells why. */
    if (!real)
        real = mem_strdup(given);
    room = strlen(real) + 2;
    prefix = mem_alloc(room);
    snprintf(prefix, room, "%s%s", real, real[strlen(real) - 1] == '/' ? "" : "/");
    free(real);
    return prefix;
}

char *options_file(const struct options *o, const char *prefix)
{
    AN(prefix[0] != '\0');
    return below(prefix, o->file ? o->file : SELVAGE_CONF_PATH);
}

char *options_error_log(const struct options *o, const char *prefix)
{
    const char *name = o->error_log ? o->error_log : SELVAGE_ERROR_LOG_PATH;

    return strcmp(name, "stderr") == 0 ? NULL : below(prefix, name);
}
