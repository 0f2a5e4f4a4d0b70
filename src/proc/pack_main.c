/*
 * pack_main.c - selvage-pack: its command line.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/version.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

/* What the program can do, as bits, so that an option can say where it belongs. */
enum task {
    TASK_DIRECTORY = 1 << 0,
    TASK_HOST = 1 << 1,
    TASK_CHECK = 1 << 2,
    TASK_LIST = 1 << 3,
    TASK_DIFF = 1 << 4,
    TASKS_MAKE = TASK_DIRECTORY | TASK_HOST
};

/* Long options without a letter. */
enum {
    OPTION_TYPES = 256, OPTION_CHARSET, OPTION_INDEX, OPTION_MAX_FILE, OPTION_MAX_SIZE,
    OPTION_THREADS, OPTION_ERROR_PAGE, OPTION_DIRECTIVE, OPTION_CHECK, OPTION_LIST, OPTION_DIFF,
    OPTION_JSON, OPTION_VERSION, OPTION_END
};

static const struct option long_options[] = {
    { "output", required_argument, NULL, 'o' },
    { "config", required_argument, NULL, 'c' },
    { "server", required_argument, NULL, 's' },
    { "prefix", required_argument, NULL, 'p' },
    { "types", required_argument, NULL, OPTION_TYPES },
    { "charset", required_argument, NULL, OPTION_CHARSET },
    { "index", required_argument, NULL, OPTION_INDEX },
    { "max-file", required_argument, NULL, OPTION_MAX_FILE },
    { "max-size", required_argument, NULL, OPTION_MAX_SIZE },
    { "threads", required_argument, NULL, OPTION_THREADS },
    { "error-page", required_argument, NULL, OPTION_ERROR_PAGE },
    { "directive", required_argument, NULL, OPTION_DIRECTIVE },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "list", no_argument, NULL, OPTION_LIST },
    { "diff", no_argument, NULL, OPTION_DIFF },
    { "json", no_argument, NULL, OPTION_JSON },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 }
};

/* Options that do not go with everything, and what messages say they go with. */
static const struct {
    int key;
    unsigned tasks;
    const char *words;
} belongs[] = {
    { 'o', TASKS_MAKE, "images that are made" },
    { 'p', TASKS_MAKE, "images that are made" },
    { 'c', TASK_HOST, "images that are made" },
    { 's', TASK_HOST, "-c" },
    { OPTION_TYPES, TASK_DIRECTORY, "a directory" },
    { OPTION_CHARSET, TASK_DIRECTORY, "a directory" },
    { OPTION_INDEX, TASK_DIRECTORY, "a directory" },
    { OPTION_MAX_FILE, TASK_DIRECTORY, "a directory" },
    { OPTION_MAX_SIZE, TASK_DIRECTORY, "a directory" },
    { OPTION_THREADS, TASK_DIRECTORY, "a directory" },
    { OPTION_ERROR_PAGE, TASK_DIRECTORY, "a directory" },
    { OPTION_DIRECTIVE, TASK_DIRECTORY, "a directory" },
    { OPTION_JSON, TASK_LIST, "--list" },
    { 'q', TASKS_MAKE | TASK_CHECK | TASK_DIFF, "tasks that say more than was asked for" }
};

/* The command line while it is being read. */
struct reading {
    struct pack_options o;
    enum task task;                /* 0: none was named */
    bool seen[OPTION_END];
};

/* A message on standard error. */
void pack_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("selvage-pack: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* The text of --help. */
static void show_help(void)
{
    printf("Usage: selvage-pack [options] -o IMAGE DIRECTORY\n"
           "       selvage-pack [options] -o IMAGE -c FILE [-s HOST]\n"
           "       selvage-pack --check IMAGE...\n"
           "       selvage-pack --list [--json] IMAGE\n"
           "       selvage-pack --diff OLD NEW\n"
           "\n"
           "Make and inspect prebuilt images of selvage.\n"
           "\n"
           "  -o, --output IMAGE   the file to be made\n"
           "  -c, --config FILE    make the image of a virtual host of this configuration\n"
           "  -s, --server HOST    by one of its names\n"
           "  -p, --prefix PREFIX  where relative paths of a configuration begin\n"
           "                       (default: %s)\n"
           "  -q, --quiet          show neither progress nor a summary\n"
           "\n"
           "For directories:\n"
           "      --types FILE     media types by file name (default: mime.types beside the\n"
           "                       default configuration file)\n"
           "      --charset CHARSET, --index NAMES\n"
           "      --max-file SIZE, --max-size SIZE, --threads NUMBER\n"
           "      --error-page CODES=PATH\n"
           "      --directive TEXT directives or locations for the server block\n"
           "\n"
           "      --check          verify images\n"
           "      --list           show what is in an image; --json: for machines\n"
           "      --diff           show what two images have different\n"
           "      --help, --version\n"
           "\n"
           "Exit status: 0 success, 1 failure, 2 wrong usage; of --diff: 0 the same, 1 different,\n"
           "2 trouble. selvage-pack(1) explains everything.\n", SELVAGE_PREFIX);
}

/* Says where to find more; the status of a command line that is wrong. */
static int point_to_help(void)
{
    fputs("Try \"selvage-pack --help\".\n", stderr);
    return PACK_USAGE;
}

/* Says what is wrong with the command line; the status for that. */
__attribute__((format(printf, 1, 2))) static int usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("selvage-pack: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return point_to_help();
}

/* Notes one more text. */
static void add_text(struct pack_texts *texts, const char *text)
{
    texts->list = mem_resize(texts->list, texts->count + 1, sizeof *texts->list);
    texts->list[texts->count++] = text;
}

/* Where the text of an option goes; NULL: it has none, or may be repeated. */
static const char **place_of(struct pack_options *o, int key)
{
    switch (key) {
    case 'o':
        return &o->output;
    case 'c':
        return &o->config;
    case 's':
        return &o->host;
    case 'p':
        return &o->prefix;
    case OPTION_TYPES:
        return &o->types;
    case OPTION_CHARSET:
        return &o->charset;
    case OPTION_INDEX:
        return &o->index;
    case OPTION_MAX_FILE:
        return &o->max_file;
    case OPTION_MAX_SIZE:
        return &o->max_size;
    case OPTION_THREADS:
        return &o->threads;
    default:
        return NULL;
    }
}

/* The task that an option names, or 0. */
static enum task task_of(int key)
{
    return key == OPTION_CHECK ? TASK_CHECK : key == OPTION_LIST ? TASK_LIST
        : key == OPTION_DIFF ? TASK_DIFF : (enum task)0;
}

/* What messages call an option. */
static const char *name_of(int key)
{
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == key)
            return o->name;
    NEVER("an option without a name");
}

/* Takes one option. 0, or the status to end with. */
static int take_option(struct reading *rd, int key)
{
    const char **place = place_of(&rd->o, key);

    AN(key > 0 && key < OPTION_END);
    if (task_of(key)) {
        if (rd->task && rd->task != task_of(key))
            return usage("only one of --check, --list and --diff can be done at a time");
        rd->task = task_of(key);
    } else if (place) {
        if (*place)
            return usage("--%s is given twice", name_of(key));
        if (!*optarg)
            return usage("a value is missing behind --%s", name_of(key));
        *place = optarg;
    } else if (key == OPTION_ERROR_PAGE) {
        add_text(&rd->o.error_pages, optarg);
    } else if (key == OPTION_DIRECTIVE) {
        add_text(&rd->o.directives, optarg);
    }
    rd->o.quiet = rd->o.quiet || key == 'q';
    rd->o.json = rd->o.json || key == OPTION_JSON;
    rd->seen[key] = true;
    return 0;
}

/* Judges operands and options once it is known what is to be done. 0 or a status. */
static int judge(struct reading *rd)
{
    struct pack_options *o = &rd->o;

    if (!rd->task)
        rd->task = o->config ? TASK_HOST : TASK_DIRECTORY;
    for (size_t i = 0; i < sizeof belongs / sizeof belongs[0]; i++)
        if (rd->seen[belongs[i].key] && !(rd->task & belongs[i].tasks))
            return usage("--%s goes only with %s", name_of(belongs[i].key), belongs[i].words);
    if (rd->task == TASK_HOST && o->image_count > 0)
        return usage("\"%s\" is too much: -c says where the files are", o->images[0]);
    if (rd->task == TASK_DIRECTORY && o->image_count != 1)
        return o->image_count ? usage("\"%s\" is too much: one directory makes one image",
                                      o->images[1])
            : usage("a directory or -c FILE is needed");
    if ((rd->task & TASKS_MAKE) && !o->output)
        return usage("-o IMAGE is needed");
    if (rd->task == TASK_CHECK && o->image_count == 0)
        return usage("--check needs an image");
    if (rd->task == TASK_LIST && o->image_count != 1)
        return usage("--list needs one image");
    if (rd->task == TASK_DIFF && o->image_count != 2)
        return usage("--diff needs two images");
    o->directory = rd->task == TASK_DIRECTORY ? o->images[0] : NULL;
    return 0;
}

/* Does what was asked for; the exit status. */
static int run(const struct reading *rd)
{
    switch (rd->task) {
    case TASK_DIRECTORY:
    case TASK_HOST:
        return pack_make(&rd->o);
    case TASK_CHECK:
        return pack_check(&rd->o);
    case TASK_LIST:
        return pack_list(&rd->o);
    case TASK_DIFF:
        return pack_diff(&rd->o);
    default:
        NEVER("a task that nobody does");
    }
}

int main(int argc, char **argv)
{
    static char name[] = "selvage-pack";
    struct reading rd = { .task = (enum task)0 };
    int key, status = 0;

    AN(argc > 0);
    /* What getopt_long() says begins like all else. */
    argv[0] = name;
    log_set_name(name);
    /* Where a limit for files is reached, writing is to fail with a reason. */
    signal(SIGXFSZ, SIG_IGN);
    while (status == 0 && (key = getopt_long(argc, argv, "o:c:s:p:qh", long_options, NULL)) != -1) {
        if (key == 'h') {
            show_help();
            return PACK_GOOD;
        }
        if (key == OPTION_VERSION) {
            printf("selvage-pack %s, images of version %u\n", SELVAGE_VERSION, SNAPSHOT_VERSION);
            return PACK_GOOD;
        }
        status = key == '?' ? point_to_help() : take_option(&rd, key);
    }
    rd.o.images = argv + optind;
    rd.o.image_count = (size_t)(argc - optind);
    if (status == 0)
        status = judge(&rd);
    if (status == 0)
        status = run(&rd);
    free(rd.o.error_pages.list);
    free(rd.o.directives.list);
    /* Lists and differences that could not be written are no success. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status < PACK_USAGE) {
        pack_say("writing to standard output failed: %s", strerror(errno));
        status = rd.task == TASK_DIFF ? PACK_TROUBLE : PACK_FAILED;
    }
    return status;
}
