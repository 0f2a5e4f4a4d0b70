/*
 * pack_make.c - selvage-pack: makes an image.
 *
 * It is written beside its place and put there by renaming when it is complete and on disk, so that
 * whoever reads the place finds an old image or a new one and nothing else.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/mem.h"
#include "core/images.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file that is being written. */
struct output {
    const char *path;              /* where it is to be */
    char *temporary;               /* where it is */
    int fd;
};

/* What a signal has to remove; NULL: nothing. Set while the file is there. */
static const char *volatile unfinished;

static const int fatal_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };

/* ---- The file -------------------------------------------------------------------------------- */

/* Removes the file. */
static void remove_unfinished(void)
{
    if (unfinished)
        unlink(unfinished);
    unfinished = NULL;
}

/* The same, and ends as if nobody had caught the signal. */
static void on_signal(int number)
{
    remove_unfinished();
    signal(number, SIG_DFL);
    raise(number);
}

/*
 * Has the file removed however this program ends: out of memory, for one, or by a signal, unless
 * whoever started it wants that ignored.
 */
static void clean_up_behind(void)
{
    struct sigaction action = { .sa_handler = on_signal }, old;

    atexit(remove_unfinished);
    for (size_t i = 0; i < sizeof fatal_signals / sizeof fatal_signals[0]; i++)
        if (sigaction(fatal_signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(fatal_signals[i], &action, NULL);
}

/* Makes the file. 0; -1 after saying why not. */
static int output_open(struct output *out, const char *path)
{
    size_t room = strlen(path) + sizeof ".tmp-" + 20;

    *out = (struct output){ .path = path, .temporary = mem_alloc(room) };
    snprintf(out->temporary, room, "%s.tmp-%ld", path, (long)getpid());
    clean_up_behind();
    out->fd = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out->fd < 0) {
        pack_say("%s cannot be made: %s", out->temporary, strerror(errno));
        free(out->temporary);
        return -1;
    }
    unfinished = out->temporary;
    return 0;
}

/* Has the renaming itself on disk; where that is impossible, it comes there by itself later. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = mem_strdup(slash ? path : ".");
    int fd;

    if (slash)
        directory[slash == path ? 1 : slash - path] = '\0';
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(directory);
}

/* Puts the file into its place. 0; -1 after saying why not. */
static int output_finish(struct output *out)
{
    if (fsync(out->fd) != 0) {
        pack_say("%s: writing it to disk failed: %s", out->temporary, strerror(errno));
        return -1;
    }
    if (rename(out->temporary, out->path) != 0) {
        pack_say("%s cannot be put into its place: %s", out->path, strerror(errno));
        return -1;
    }
    unfinished = NULL;
    sync_directory(out->path);
    return 0;
}

/* Gives the file up, unless it is in its place. */
static void output_close(struct output *out)
{
    AN(out->fd >= 0 && out->temporary != NULL);
    close(out->fd);
    remove_unfinished();
    free(out->temporary);
}

/* ---- The image ------------------------------------------------------------------------------- */

static uint64_t counted;

/* Counts what will probably become an answer. */
static int count_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)path;
    (void)st;
    (void)ftw;
    counted += kind == FTW_F || kind == FTW_SL;
    return 0;
}

/* How many files there are in a directory; links to directories are not followed. */
static uint64_t count_files(const char *directory)
{
    counted = 0;
    return nftw(directory, count_one, 32, FTW_PHYS) == 0 ? counted : 0;
}

/* When the image is said to have been built, in milliseconds; 0: now. -1 after saying why not. */
static int build_time(int64_t *built)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    long long seconds;

    *built = 0;
    if (!text || !*text)
        return 0;
    errno = 0;
    seconds = strtoll(text, &end, 10);
    if (*end || errno || seconds < 0 || seconds > INT64_MAX / 1000) {
        pack_say("SOURCE_DATE_EPOCH \"%s\" is no number of seconds", text);
        return -1;
    }
    /* 0 would mean the present; nobody can tell a millisecond of 1970 from the next one. */
    *built = seconds ? seconds * 1000 : 1;
    return 0;
}

/* Builds the image of a host into the file. 0; -1 after saying why not. */
static int build(const struct pack_options *o, const struct config *config, struct server *host,
                 const struct output *out)
{
    struct slv_image image = {
        .magic = SLV_IMAGE_MAGIC, .module = images_module(config, host), .server = host,
        .name = server_name(host)
    };
    struct image_job job = {
        .config = config, .image = &image, .fd = out->fd, .effort = IMAGE_THOROUGH,
        .portable = true,
        .progress = pack_progress_said, .added = pack_progress_added
    };
    struct pack_progress *progress;
    uint64_t total;
    int rc;

    AN(image.module != NULL && host->image == NULL);
    if (build_time(&job.built) != 0)
        return -1;
    total = o->directory && !o->quiet ? count_files(o->directory) : 0;
    job.arg = progress = pack_progress_begin(total, o->quiet);
    rc = image_build(&job);
    pack_progress_end(&progress, rc == 0);
    if (rc != 0)
        pack_say("%s was not made", out->path);
    return rc;
}

/* Makes an image. */
int pack_make(const struct pack_options *o)
{
    struct config *config = pack_configure(o);
    struct server *host = config ? pack_host(o, config) : NULL;
    struct output out;
    int status = PACK_FAILED;

    if (host && output_open(&out, o->output) == 0) {
        if (build(o, config, host, &out) == 0 && output_finish(&out) == 0)
            status = PACK_GOOD;
        output_close(&out);
    }
    if (config)
        config_free(&config);
    return status;
}
