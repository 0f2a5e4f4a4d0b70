/*
 * follow.c - a file that grows, as an answer that goes on.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a file is looked at, ms. */
#define LOOK_PAUSE 500

#define PIECE (16 * 1024)

struct follow {
    struct slv_source source;      /* first, see there */
    unsigned magic;
#define FOLLOW_MAGIC 0xf0110371u
    struct slv_request *r;
    struct stream_clock clock;
    int fd;
    off_t at;                      /* how far it has been read */
    bool ending;
};

/* The following of a source. */
static struct follow *follow_of(struct slv_source *source)
{
    struct follow *f = (struct follow *)(void *)source;

    if (f->magic != FOLLOW_MAGIC)
        abort();
    return f;
}

/* struct slv_source: pull */
static void pull(struct slv_source *source, struct slv_request *r)
{
    struct follow *f = follow_of(source);
    char piece[PIECE];
    ssize_t n = pread(f->fd, piece, sizeof piece, f->at);

    if (n > 0) {
        f->at += n;
        slv_write(r, piece, (size_t)n);
    } else if (n < 0 || f->ending) {
        if (stream_draining())
            slv_close_after(r);
        slv_end(r);
    }
}

/* struct slv_source: stop. What there is to do, release() does. */
static void stop(struct slv_source *source, struct slv_request *r, int error)
{
    (void)source;
    (void)r;
    (void)error;
}

/* struct slv_body: release. Also where the answer became another one, such as 412. */
static void release(void *owner)
{
    struct follow *f = owner;

    stream_clock_stop(&f->clock);
    close(f->fd);
    f->magic = 0;
}

/* The following of a clock. */
static struct follow *of_clock(struct stream_clock *c)
{
    return (struct follow *)(void *)((char *)c - offsetof(struct follow, clock));
}

/* struct stream_clock: beat. Looks whether there is more; a file that was cut begins anew. */
static void on_beat(struct stream_clock *c)
{
    struct follow *f = of_clock(c);
    struct stat st;

    if (fstat(f->fd, &st) == 0 && st.st_size != f->at) {
        if (st.st_size < f->at)
            f->at = 0;
        slv_wake(f->r);
    }
    c->beats = slv_now() + LOOK_PAUSE;
    stream_clock_set(c);
}

/* struct stream_clock: end */
static void on_end(struct stream_clock *c)
{
    struct follow *f = of_clock(c);

    f->ending = true;
    c->ends = c->beats = INT64_MAX;
    slv_wake(f->r);
}

/* A path that names nothing outside of where it seems to lead. */
static bool is_safe(struct str path)
{
    if (!path.n || path.p[0] != '/' || memchr(path.p, '\0', path.n))
        return false;
    for (size_t i = 0; i + 3 <= path.n; i++)
        if (memcmp(path.p + i, "/..", 3) == 0 && (i + 3 == path.n || path.p[i + 3] == '/'))
            return false;
    return true;
}

/* Opens the file. The descriptor, or minus a status. */
static int open_file(struct slv_request *r, struct str path)
{
    struct str name = slv_printf(r, "%.*s", STR_ARG(path));
    struct stat st;
    int fd;

    if (!is_safe(path))
        return -403;
    fd = open(name.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        slv_log(r, SLV_LOG_ERROR, errno, "open() \"%s\" failed", name.p);
        return errno == ENOENT || errno == ENOTDIR ? -404 : errno == EACCES ? -403 : -500;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -403;
    }
    return fd;
}

int stream_follow(struct slv_request *r, const struct stream_conf *c)
{
    struct follow *f = slv_alloc(r, sizeof *f);
    struct str path = slv_template_text(r, c->what.text);
    struct slv_response response = { .status = 200, .no_ranges = true };
    int fd = open_file(r, path);

    if (fd < 0)
        return -fd;
    *f = (struct follow){ .source = { pull, stop }, .magic = FOLLOW_MAGIC, .r = r, .fd = fd };
    f->clock.beat = on_beat;
    f->clock.end = on_end;
    f->clock.beats = slv_now() + LOOK_PAUSE;
    f->clock.ends = c->max_age ? slv_now() + c->max_age - stream_random(c->max_age / 5 + 1)
                               : INT64_MAX;
    stream_clock_start(&f->clock);
    stream_uncached(r);
    response.content_type = slv_request_type(r, path);
    response.body = (struct slv_body){
        .kind = SLV_BODY_SOURCE, .source = &f->source, .size = -1, .release = release, .owner = f
    };
    return slv_respond(r, &response);
}
