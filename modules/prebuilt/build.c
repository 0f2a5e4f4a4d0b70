/*
 * build.c - the build hook: from document roots to answers.
 *
 * Every directory that a location with "prebuilt on" serves files from is walked. Whatever is left
 * out is served from disk by "static".
 */
#include "prebuilt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGES_MAX 20            /* files named one by one as left out; the rest is counted */

/* How the summary says why something is left out. */
static const char *const reason_words[REASONS] = {
    [UNREADABLE] = "unreadable", [CHANGED] = "changed while being read",
    [TOO_LARGE] = "larger than prebuilt_max_file", [NO_FILE] = "neither file nor directory",
    [OUTSIDE] = "links out of the root", [LOOP] = "links to a directory around them",
    [TOO_LONG] = "names too long or too deep", [SUBMODULE] = "submodules",
    [GUARDED] = "kept out by \"disable_symlinks\"",
    [UNBUILDABLE] = "in locations that depend on the request",
    [TOO_MANY] = "too many directories behind links"
};

/* Memory that is there, or the process ends. */
void *prebuilt_need(void *p)
{
    if (!p) {
        slv_log(NULL, SLV_LOG_EMERG, ENOMEM, "building a prebuilt image failed");
        exit(EXIT_FAILURE);
    }
    return p;
}

/* Milliseconds that only go forward. */
static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds since it began. */
int64_t builder_elapsed(const struct builder *w)
{
    return now_ms() - w->began;
}

/* Notes that the file at hand is left out. */
void builder_leave_out(struct builder *w, enum reason reason, int error, const char *words)
{
    w->left_out[reason]++;
    if (w->messages++ < MESSAGES_MAX)
        slv_log(NULL, SLV_LOG_WARN, error, "prebuilt image for \"%s\": \"%s\" left out: %s",
                slv_build_name(w->b), w->file, words ? words : reason_words[reason]);
}

/* Says how far the build is. */
void builder_say_progress(struct builder *w)
{
    int64_t now = now_ms();

    if (now - w->said < 1000)
        return;
    w->said = now;
    slv_build_say(w->b, "building image for \"%s\": %lu files, %llu MiB", slv_build_name(w->b),
                  w->files, w->bytes >> 20);
}

/* An earlier tree that was walked contains this one, for the same paths. */
static bool is_covered(const struct builder *w, size_t at)
{
    struct slv_tree other;

    for (size_t i = 0; i < at && slv_build_tree(w->b, i, &other); i++) {
        const struct prebuilt_conf *conf = other.conf;
        struct str rest;

        if (!conf->on || other.obstacle || other.single || !str_starts(w->tree.path, other.path))
            continue;
        rest = str_from(w->tree.path, other.path.n);
        if (w->tree.dir.n == other.dir.n + rest.n && str_starts(w->tree.dir, other.dir)
            && str_ends(w->tree.dir, rest))
            return true;
    }
    return false;
}

/* Walks all trees. 0 or -1. */
static int walk_all(struct builder *w, const struct prebuilt_conf *host)
{
    if (host->source && source_walk(w, host->source) != 0)
        return -1;
    for (size_t i = 0; slv_build_tree(w->b, i, &w->tree); i++) {
        const struct prebuilt_conf *c = w->tree.conf;

        if (!c->on || is_covered(w, i) || source_covers(w, &w->tree))
            continue;
        /* What another tree has for the same path is to be seen by the next one. */
        if (walk_tree(w) != 0 || items_settle(w) != 0)
            return -1;
    }
    return 0;
}

/* Adds to a text, as far as there is room. */
__attribute__((format(printf, 3, 4)))
static void append(char *text, size_t room, const char *format, ...)
{
    size_t n = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + n, room - n, format, args);
    va_end(args);
}

/* Says what came of it. */
static void summarize(const struct builder *w)
{
    static const char *const names[SLV_CODING_COUNT] = { "", "gzip", "br", "zstd" };
    char text[512] = "";
    bool first = true;

    for (int c = SLV_CODING_IDENTITY + 1; c < SLV_CODING_COUNT; c++)
        append(text, sizeof text, ", %lu as %s with %llu", w->made[c], names[c], w->made_bytes[c]);
    if (w->read < w->files)
        append(text, sizeof text, ", %lu read", w->read);
    if (w->put_off)
        append(text, sizeof text, ", %lu without br and zstd for now", w->put_off);
    append(text, sizeof text, ", image of %lld bytes, in %lld ms",
           (long long)slv_build_size(w->b), (long long)builder_elapsed(w));
    for (int i = 0; i < REASONS; i++) {
        if (!w->left_out[i])
            continue;
        append(text, sizeof text, "%s %lu %s", first ? "; left out:" : ",", w->left_out[i],
               reason_words[i]);
        first = false;
    }
    slv_build_say(w->b, "image for \"%s\": %lu files and %lu directories, %llu bytes%s%s",
                  slv_build_name(w->b), w->files, w->directories, w->bytes,
                  slv_build_refines(w->b) ? " refined" : "", text);
}

/* Makes the image of all that there is to walk. 0 or -1. */
static int build_trees(struct builder *w, const struct prebuilt_conf *host)
{
    int rc;

    w->pool = pool_new((size_t)host->threads);
    slv_build_limit(w->b, host->max_size);
    rc = slv_build_refines(w->b) ? answer_refine(w) : walk_all(w, host);
    if (rc == 0)
        summarize(w);
    else if (w->file_size > 0)
        slv_log(NULL, SLV_LOG_ERROR, 0, "building the image for \"%s\" ended at \"%s\", after %lu "
                "files with %llu bytes; prebuilt_max_size is %lld bytes", slv_build_name(w->b),
                w->file, w->files, w->bytes, (long long)host->max_size);
    pool_free(&w->pool);
    items_forget(w);
    return rc;
}

/* The build hook. */
int prebuilt_build(struct slv_build *b, void *conf)
{
    struct builder *w = prebuilt_need(calloc(1, sizeof *w));
    const struct prebuilt_conf *host = conf;
    int rc;

    w->b = b;
    w->items_end = &w->items;
    w->began = w->said = now_ms();
    rc = source_is_image(host->source) && !slv_build_refines(b) ? source_adopt(w, host)
        : build_trees(w, host);
    free(w);
    return rc;
}
