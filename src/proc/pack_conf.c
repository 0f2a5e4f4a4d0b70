/*
 * pack_conf.c - selvage-pack: from options to the virtual host whose image is wanted.
 *
 * For a directory the options become a configuration as somebody would write it, which then goes
 * the way of all configurations. So nothing here knows what a directive means, and mistakes are
 * reported as everywhere. What the options say stands around the server block, where texts of
 * --directive inside it win.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/images.h"
#include "core/server.h"
#include "core/version.h"
#include "proc/report.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_SHOWN 10             /* hosts that a message counts up */

/* ---- A configuration of one's own ------------------------------------------------------------ */

/* Writes a word in quotes. */
static void put_word(FILE *out, struct str word)
{
    putc('"', out);
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] == '"' || word.p[i] == '\\')
            putc('\\', out);
        putc(word.p[i], out);
    }
    putc('"', out);
}

/* Writes a directive with one argument, if there is one. */
static void put_line(FILE *out, const char *directive, const char *argument)
{
    if (!argument)
        return;
    fprintf(out, "    %s ", directive);
    put_word(out, str_of(argument));
    fputs(";\n", out);
}

/* Writes the parts of a list as words; they are separated by commas or spaces. */
static void put_words(FILE *out, const char *list, size_t size)
{
    const char *end = list + size;

    while (list < end) {
        size_t n = strcspn(list, ", ");

        if (n > (size_t)(end - list))
            n = (size_t)(end - list);
        if (n > 0) {
            putc(' ', out);
            put_word(out, (struct str){ list, n });
        }
        list += n + 1;
    }
}

/* Writes --error-page. 0; -1 after saying what is wrong with it. */
static int put_error_page(FILE *out, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text || !equals[1]) {
        pack_say("--error-page \"%s\" should be like 404=/404.html", text);
        return -1;
    }
    fputs("    error_page", out);
    put_words(out, text, (size_t)(equals - text));
    putc(' ', out);
    put_word(out, str_of(equals + 1));
    fputs(";\n", out);
    return 0;
}

/* The name of the host: what the directory is called, where that may be a name. */
static struct str host_of(const char *directory)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *slash = strrchr(directory, '/');

    AN(slash != NULL);
    return slash[1] && strspn(slash + 1, good) == strlen(slash + 1) ? str_of(slash + 1)
                                                                    : STR("directory");
}

/* The configuration as a text from the heap; NULL after saying what is wrong. */
static char *make_text(const struct pack_options *o, const char *directory, const char *types)
{
    char *text = NULL, threads[24];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int rc = 0;

    AN(out != NULL);
    fputs("events { }\nhttp {\n    access_log off;\n    default_type application/octet-stream;\n"
          "    prebuilt on;\n", out);
    put_line(out, "include", types);
    put_line(out, "root", directory);
    put_line(out, "charset", o->charset);
    put_line(out, "prebuilt_max_file", o->max_file);
    put_line(out, "prebuilt_max_size", o->max_size);
    snprintf(threads, sizeof threads, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    /* Nobody else is to be served meanwhile. */
    put_line(out, "prebuilt_threads", o->threads ? o->threads : threads);
    if (o->index) {
        fputs("    index", out);
        put_words(out, o->index, strlen(o->index));
        fputs(";\n", out);
    }
    for (size_t i = 0; i < o->error_pages.count; i++)
        rc |= put_error_page(out, o->error_pages.list[i]);
    fprintf(out, "    server {\n        server_name %.*s;\n", STR_ARG(host_of(directory)));
    for (size_t i = 0; i < o->directives.count; i++)
        fprintf(out, "%s\n", o->directives.list[i]);
    fputs("    }\n}\n", out);
    AN(fclose(out) == 0 && text != NULL);
    if (rc == 0)
        return text;
    free(text);
    return NULL;
}

/* The file of media types, from the heap; NULL after saying that there is none. */
static char *find_types(const struct pack_options *o)
{
    const char *slash = strrchr(SELVAGE_CONF_PATH, '/');
    char path[PATH_MAX], *real;

    if (o->types)
        snprintf(path, sizeof path, "%s", o->types);
    else
        snprintf(path, sizeof path, "%s/%.*smime.types",
                 SELVAGE_CONF_PATH[0] == '/' ? "" : o->prefix ? o->prefix : SELVAGE_PREFIX,
                 slash ? (int)(slash + 1 - SELVAGE_CONF_PATH) : 0, SELVAGE_CONF_PATH);
    real = realpath(path, NULL);
    if (real && access(real, R_OK) == 0)
        return real;
    pack_say("the media types in %s cannot be read: %s%s", path, strerror(errno),
             o->types ? "" : "; name a file with --types");
    free(real);
    return NULL;
}

/* The directory, absolute, from the heap; NULL after saying what is wrong with it. */
static char *find_directory(const char *name)
{
    char *real = realpath(name, NULL);
    struct stat st;

    if (!real || stat(real, &st) != 0) {
        pack_say("%s: %s", name, strerror(errno));
    } else if (!S_ISDIR(st.st_mode)) {
        pack_say("%s is not a directory", name);
    } else if (strchr(real, '$')) {
        /* There is no way to write one in "root". */
        pack_say("%s: the path of a directory must not have a \"$\" in it", real);
    } else {
        return real;
    }
    free(real);
    return NULL;
}

/* Loads what the options for a directory amount to. */
static struct config *configure_directory(const struct pack_options *o)
{
    struct conf_report report = { .write = report_plain };
    char *directory = find_directory(o->directory), *types = directory ? find_types(o) : NULL;
    char *text = types ? make_text(o, directory, types) : NULL;
    struct config_source source = { .prefix = o->prefix ? o->prefix : ".", .text = text,
                                    .file = "the configuration that the options amount to" };
    struct config *config = text ? config_load(&source, &report) : NULL;

    free(text);
    free(types);
    free(directory);
    return config;
}

/* ---- A configuration of the server ----------------------------------------------------------- */

/* Loads the file of -c, which is below the current directory as all that is named here. */
static struct config *configure_file(const struct pack_options *o)
{
    struct conf_report report = { .write = report_plain };
    char *file = realpath(o->config, NULL);
    struct config_source source = { .prefix = o->prefix, .file = file };
    struct config *config = NULL;

    if (file)
        config = config_load(&source, &report);
    else
        pack_say("%s: %s", o->config, strerror(errno));
    free(file);
    return config;
}

/* Loads a configuration. */
struct config *pack_configure(const struct pack_options *o)
{
    AN(!o->config != !o->directory);
    return o->config ? configure_file(o) : configure_directory(o);
}

/* One of the host's names is this. */
static bool is_called(const struct server *s, const char *host)
{
    for (const struct server_name *name = s->names; name; name = name->next)
        if (str_ieq(name->text, str_of(host)))
            return true;
    return false;
}

/* Some host wants an image. */
static bool wants_any(const struct config *config)
{
    for (const struct server *s = config->servers; s; s = s->next)
        if (images_module(config, s))
            return true;
    return false;
}

/* Says that no host will do, and which would. */
static void say_no_host(const struct pack_options *o, const struct config *config, bool known)
{
    unsigned shown = 0;

    if (known)
        pack_say("\"%s\" in %s has \"prebuilt on\" nowhere", o->host, o->config);
    else if (o->host)
        pack_say("no virtual host of %s is called \"%s\"", o->config, o->host);
    else if (!wants_any(config))
        pack_say("no virtual host of %s has \"prebuilt on\"", o->config);
    else
        pack_say("several virtual hosts of %s have \"prebuilt on\", choose one with -s",
                 o->config);
    for (const struct server *s = config->servers; s && shown < NAMES_SHOWN; s = s->next)
        if (images_module(config, s)) {
            fprintf(stderr, "%s%.*s", shown++ ? ", " : "with \"prebuilt on\" there are: ",
                    STR_ARG(server_name(s)));
        }
    if (shown)
        fputs(shown == NAMES_SHOWN ? ", ...\n" : "\n", stderr);
}

/* Chooses the host. */
struct server *pack_host(const struct pack_options *o, const struct config *config)
{
    struct server *found = NULL;
    bool known = false, several = false;

    CHECK_OBJ(config, CONFIG_MAGIC);
    for (struct server *s = config->servers; s; s = s->next) {
        if (o->host && !is_called(s, o->host))
            continue;
        known = known || o->host;
        if (!images_module(config, s))
            continue;
        several = several || found;
        found = s;
    }
    if (found && !several)
        return found;
    if (!o->directory && !(several && o->host))
        say_no_host(o, config, known);
    else if (several)
        pack_say("several virtual hosts called \"%s\" in %s have \"prebuilt on\"", o->host,
                 o->config);
    else
        pack_say("--directive switches \"prebuilt\" off everywhere");
    return NULL;
}
