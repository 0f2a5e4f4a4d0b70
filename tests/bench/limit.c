/*
 * limit: the least a server can do, as a yardstick for selvage.
 *
 *   limit raw   PORT DIR   looks for the blank line and writes constant bytes: the first file of
 *                          DIR (by name), which holds a whole answer, head and body
 *   limit parse PORT DIR   parses the head with llhttp, looks the path up in a hash table, compares
 *                          If-None-Match, looks for gzip in Accept-Encoding where there is a coded
 *                          answer, and writes two spans: one with the status line and Date, one
 *                          with the rest of the head and the body
 *
 * DIR/200/PATH, DIR/304/PATH and DIR/coded/PATH hold whole answers, so that what is sent is byte
 * for byte what another server said; only Date is of this second.
 *
 * With a certificate and its key behind DIR either of them speaks TLS, as limit_tls.c does.
 *
 * What both share is what the kernel makes necessary: libev on epoll, one read per wake-up, one
 * write for all answers to what was read, a read directly after accept. There are no timeouts, no
 * limits, no log: a real server pays for those, and the distance to this program is what it pays.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <ftw.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "limit.h"

#define SCRATCH_SIZE 65536
#define BATCH_MAX 64
#define HEADERS_MAX 64
#define TABLE_SIZE 32768
#define ACCEPT_MAX 16

/* A borrowed piece of memory. */
struct view {
    const char *p;
    size_t len;
};

/* One client. The watcher is first, so that a watcher is a connection. */
struct conn {
    ev_io io;
    struct ssl_st *tls;         /* NULL: plain */
    char *in;                   /* the start of a request whose end has not come yet */
    char *out;                  /* what the socket would not take */
    uint32_t in_len;
    uint32_t out_len;
    uint32_t out_off;
    bool closing;               /* close when everything is written */
};

/* What a form of the server does with input: queue answers, return how many bytes were used up. */
typedef size_t feed_fn(struct conn *c, const char *data, size_t len);

/* One file with everything that does not change from second to second. */
struct page {
    struct view path;
    struct view rest[3];        /* for each form: headers after Date, blank line, body */
    struct view etag;           /* of the form that has a 304 */
};

/* The forms of an answer, and the folders they are in. */
enum form { FORM_200, FORM_304, FORM_CODED, FORM_COUNT };

/* Where an answer begins: all answers of one form have the same bytes there, but for the date. */
struct start {
    char bytes[160];
    size_t len;
    size_t date;                /* where in it */
};

/* The request being parsed: views into the bytes that were read. */
struct request {
    struct view path;
    struct view name[HEADERS_MAX];
    struct view value[HEADERS_MAX];
    unsigned names;
    bool keep_alive;
};

static struct ev_loop *loop;
static feed_fn *feed;
static char scratch[SCRATCH_SIZE];
static struct iovec batch[BATCH_MAX];
static int batch_len;

static struct view constant;            /* raw: the answer, many times over where it is small */
static size_t constant_one;             /* length of one answer */
static size_t constant_copies;
static bool constant_closes;

static struct page *table[TABLE_SIZE];  /* parse: path to page, open addressing */
static size_t pages;
static size_t root_len;
static llhttp_t parser;
static struct request req;
static struct start starts[FORM_COUNT];
static time_t starts_second;

void
die(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Zeroed memory, or the end. */
static void *
xalloc(size_t size)
{
    void *p = calloc(1, size);

    if (p == NULL)
        die("memory");
    return p;
}

/* Closes the descriptor and forgets the client. */
static void
conn_free(struct conn *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    if (c->tls != NULL)
        tls_free(c->tls);
    free(c->in);
    free(c->out);
    free(c);
}

/* Watches for the other direction. libev wants the watcher stopped while it is changed. */
static void
conn_watch(struct conn *c, int events)
{
    ev_io_stop(loop, &c->io);
    ev_io_modify(&c->io, events);
    ev_io_start(loop, &c->io);
}

/* Keeps what the socket did not take of the batch. A copy, because the first span changes every
 * second; rare, because socket buffers are larger than what one client has open here. */
static void
keep_output(struct conn *c, size_t skip)
{
    size_t total = 0, at = c->out_len;

    for (int i = 0; i < batch_len; i++)
        total += batch[i].iov_len;
    c->out = realloc(c->out, c->out_len + total - skip);
    if (c->out == NULL)
        die("memory");
    for (int i = 0; i < batch_len; i++) {
        size_t n = batch[i].iov_len < skip ? batch[i].iov_len : skip;

        memcpy(c->out + at, (char *)batch[i].iov_base + n, batch[i].iov_len - n);
        at += batch[i].iov_len - n;
        skip -= n;
    }
    c->out_len = (uint32_t)at;
}

/* Writes the batch in one call. False when the client is gone. */
static bool
flush(struct conn *c)
{
    size_t total = 0;
    ssize_t n = 0;

    if (c->tls != NULL) {
        batch[0] = tls_seal(c->tls, batch, batch_len, c->closing);
        batch_len = batch[0].iov_len != 0;
    }
    if (batch_len == 0)
        return true;
    for (int i = 0; i < batch_len; i++)
        total += batch[i].iov_len;
    if (c->out_len == 0) {
        /* write is a little cheaper than writev of one span */
        n = batch_len == 1 ? write(c->io.fd, batch[0].iov_base, batch[0].iov_len)
                           : writev(c->io.fd, batch, batch_len);
        if (n < 0 && errno != EAGAIN) {
            batch_len = 0;
            return false;
        }
        n = n < 0 ? 0 : n;
    }
    if ((size_t)n < total)
        keep_output(c, (size_t)n);
    batch_len = 0;
    return true;
}

/* Puts one answer of one or two spans into the batch. */
static void
answer(struct conn *c, struct view a, struct view b)
{
    if (batch_len + 2 > BATCH_MAX && !flush(c))
        c->closing = true;
    batch[batch_len++] = (struct iovec){(char *)a.p, a.len};
    if (b.len != 0)
        batch[batch_len++] = (struct iovec){(char *)b.p, b.len};
}

/* Keeps the start of a request until the rest of it arrives. */
static bool
keep_input(struct conn *c, const char *data, size_t len)
{
    if (len >= SCRATCH_SIZE)
        return false;
    free(c->in);
    c->in = NULL;
    c->in_len = (uint32_t)len;
    if (len != 0) {
        c->in = xalloc(len);
        memcpy(c->in, data, len);
    }
    return true;
}

/* Reads once, answers every whole request in what came. False when the client is gone or done. */
static bool
conn_read(struct conn *c)
{
    size_t had = c->in_len, used;
    ssize_t n = c->tls != NULL ? tls_read(c->tls, c->io.fd, scratch + had, SCRATCH_SIZE - had)
                               : read(c->io.fd, scratch + had, SCRATCH_SIZE - had);

    if (n < 0)
        return errno == EAGAIN && flush(c);
    if (n == 0)
        return false;
    if (had != 0)
        memcpy(scratch, c->in, had);
    used = feed(c, scratch, had + (size_t)n);
    if (used != had + (size_t)n || had != 0)
        if (!keep_input(c, scratch + used, had + (size_t)n - used))
            return false;
    if (!flush(c))
        return false;
    return c->out_len != 0 || !c->closing;
}

/* Writes what an earlier write left over. False when the client is gone or done. */
static bool
conn_write(struct conn *c)
{
    ssize_t n = write(c->io.fd, c->out + c->out_off, c->out_len - c->out_off);

    if (n < 0)
        return errno == EAGAIN;
    c->out_off += (uint32_t)n;
    if (c->out_off < c->out_len)
        return true;
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_off = 0;
    if (!c->closing)
        conn_watch(c, EV_READ);
    return !c->closing;
}

/* A connection is readable or writable again. */
static void
on_conn(struct ev_loop *l, ev_io *w, int events)
{
    struct conn *c = (struct conn *)w;
    bool ok;

    (void)l;
    if (events & EV_WRITE) {
        ok = conn_write(c);
    } else {
        ok = conn_read(c);
        if (ok && c->out_len != 0)
            conn_watch(c, EV_WRITE);
    }
    if (!ok) {
        batch_len = 0;
        conn_free(c);
    }
}

/* Accepts and reads at once: the listener's TCP_DEFER_ACCEPT means that a request is there already,
 * and a connection that ends with its first answer never has to enter the epoll set. */
static void
on_accept(struct ev_loop *l, ev_io *w, int events)
{
    (void)l;
    (void)events;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *c;

        if (fd < 0)
            return;
        c = xalloc(sizeof(*c));
        ev_io_init(&c->io, on_conn, fd, EV_READ);
        c->tls = tls_new();
        if (!conn_read(c)) {
            batch_len = 0;
            conn_free(c);
            continue;
        }
        if (c->out_len != 0)
            ev_io_set(&c->io, fd, EV_WRITE);
        ev_io_start(loop, &c->io);
    }
}

/* raw: every blank line is a request. Answers to pipelined requests are one span where they fit. */
static size_t
feed_raw(struct conn *c, const char *data, size_t len)
{
    const char *p = data, *end;
    size_t due = 0;

    while ((end = memmem(p, len - (size_t)(p - data), "\r\n\r\n", 4)) != NULL && !c->closing) {
        p = end + 4;
        due++;
        c->closing = constant_closes;
    }
    while (due > 0) {
        size_t n = due < constant_copies ? due : constant_copies;

        answer(c, (struct view){constant.p, n * constant_one}, (struct view){NULL, 0});
        due -= n;
    }
    return (size_t)(p - data);
}

/* FNV-1a: short, and good enough for paths. */
static uint32_t
hash(struct view v)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < v.len; i++)
        h = (h ^ (unsigned char)v.p[i]) * 16777619u;
    return h;
}

/* Returns the slot of a path: its page, or the empty slot where it would go. */
static struct page **
find(struct view path)
{
    uint32_t i = hash(path);

    for (;; i++) {
        struct page **slot = &table[i % TABLE_SIZE];

        if (*slot == NULL)
            return slot;
        if ((*slot)->path.len == path.len && memcmp((*slot)->path.p, path.p, path.len) == 0)
            return slot;
    }
}

/* Writes the date into the spans that carry it, at most once a second. */
static void
refresh_starts(void)
{
    char date[40];
    struct tm tm;
    time_t now = (time_t)ev_now(loop);
    size_t n;

    if (now == starts_second)
        return;
    starts_second = now;
    gmtime_r(&now, &tm);
    n = strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    for (int f = 0; f < FORM_COUNT; f++)
        if (starts[f].len != 0)
            memcpy(starts[f].bytes + starts[f].date, date, n);
}

/* llhttp: part of the target. */
static int
on_url(llhttp_t *p, const char *at, size_t len)
{
    (void)p;
    req.path = (struct view){at, len};
    return 0;
}

/* llhttp: part of a field name. */
static int
on_name(llhttp_t *p, const char *at, size_t len)
{
    (void)p;
    if (req.names == HEADERS_MAX)
        return -1;
    req.value[req.names] = (struct view){at, 0};
    req.name[req.names++] = (struct view){at, len};
    return 0;
}

/* llhttp: part of a field value. */
static int
on_value(llhttp_t *p, const char *at, size_t len)
{
    (void)p;
    req.value[req.names - 1] = (struct view){at, len};
    return 0;
}

/* Stops the parser between two requests, so that each is answered before the next is read. */
static int
on_complete(llhttp_t *p)
{
    req.keep_alive = llhttp_should_keep_alive(p) != 0;
    return HPE_PAUSED;
}

/* The value of a field of the request; empty where it has none. */
static struct view
field(const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < req.names; i++)
        if (req.name[i].len == len && strncasecmp(req.name[i].p, name, len) == 0)
            return req.value[i];
    return (struct view){"", 0};
}

/* Chooses the form of the answer; what the page has no choice of is not asked for. */
static enum form
choose(const struct page *page)
{
    struct view v;

    if (page->etag.len != 0) {
        v = field("if-none-match");
        if (v.len == page->etag.len && memcmp(v.p, page->etag.p, v.len) == 0)
            return FORM_304;
    }
    if (page->rest[FORM_CODED].len != 0) {
        v = field("accept-encoding");
        if (memmem(v.p, v.len, "gzip", 4) != NULL)
            return FORM_CODED;
    }
    return FORM_200;
}

/* Answers the request that was just parsed. */
static void
respond(struct conn *c)
{
    static const struct view none = {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45};
    const struct page *page = *find(req.path);
    enum form f;

    if (!req.keep_alive)
        c->closing = true;
    if (page == NULL || parser.method != HTTP_GET) {
        answer(c, none, (struct view){NULL, 0});
        return;
    }
    f = choose(page);
    refresh_starts();
    answer(c, (struct view){starts[f].bytes, starts[f].len}, page->rest[f]);
}

/* parse: llhttp over each request. A request whose end is missing is parsed again from its start
 * when more has come, so one parser serves all connections and an idle one holds none. */
static size_t
feed_parse(struct conn *c, const char *data, size_t len)
{
    size_t used = 0;

    llhttp_reset(&parser);
    while (used < len && !c->closing) {
        enum llhttp_errno err;

        req.names = 0;
        err = llhttp_execute(&parser, data + used, len - used);
        if (err == HPE_OK)
            return used;
        if (err != HPE_PAUSED) {
            c->closing = true;
            break;
        }
        used = (size_t)(llhttp_get_error_pos(&parser) - data);
        respond(c);
        llhttp_resume(&parser);
    }
    return c->closing ? len : used;
}

/* Reads a whole file behind `room` free bytes. */
static char *
slurp(const char *path, size_t size, size_t room)
{
    char *buf = xalloc(room + size + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die(path);
    for (size_t got = 0; got < size;) {
        ssize_t n = read(fd, buf + room + got, size - got);

        if (n <= 0)
            die(path);
        got += (size_t)n;
    }
    close(fd);
    return buf;
}

/* Keeps what answers of one form begin with, up to the end of the line with Date, and makes sure
 * that it is the same for all. Returns how long that is. */
static size_t
learn_start(struct start *s, const char *path, const char *answer_bytes)
{
    const char *date = strstr(answer_bytes, "\r\nDate: "), *end;
    size_t at, len;

    errno = EBADMSG;
    if (date == NULL || (end = strstr(date + 2, "\r\n")) == NULL)
        die(path);
    at = (size_t)(date - answer_bytes) + 8;
    len = (size_t)(end - answer_bytes) + 2;
    if (len > sizeof(s->bytes) || (s->len != 0 && (s->len != len || s->date != at ||
                                                   memcmp(s->bytes, answer_bytes, at) != 0)))
        die(path);
    memcpy(s->bytes, answer_bytes, len);
    s->date = at;
    s->len = len;
    return len;
}

/* Returns the page of a path, a new one if need be. */
static struct page *
page_of(const char *path)
{
    struct page **slot = find((struct view){path, strlen(path)});

    if (*slot != NULL)
        return *slot;
    errno = E2BIG;
    if (++pages > TABLE_SIZE / 2)
        die(path);
    *slot = xalloc(sizeof(**slot));
    (*slot)->path = (struct view){strdup(path), strlen(path)};
    return *slot;
}

/* parse: takes in the answer that a file holds; called by nftw. */
static int
load_answer(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    static const char *const folder[FORM_COUNT] = {"/200/", "/304/", "/coded/"};
    size_t size = (size_t)st->st_size, len;
    char *bytes, *etag, *eol;
    struct page *page;

    (void)ftw;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    for (int f = 0; f < FORM_COUNT; f++) {
        if (strncmp(path + root_len, folder[f], strlen(folder[f])) != 0)
            continue;
        page = page_of(path + root_len + strlen(folder[f]) - 1);
        bytes = slurp(path, size, 0);
        len = learn_start(&starts[f], path, bytes);
        page->rest[f] = (struct view){bytes + len, size - len};
        etag = f == FORM_304 ? strcasestr(bytes, "\r\nETag: ") : NULL;
        eol = etag != NULL ? strstr(etag + 8, "\r\n") : NULL;
        if (eol != NULL)
            page->etag = (struct view){etag + 8, (size_t)(eol - etag) - 8};
    }
    return 0;
}

/* raw: takes the first file of the folder as the answer to everything. */
static void
load_constant(const char *root)
{
    struct dirent **names;
    int n = scandir(root, &names, NULL, alphasort);
    char *path;
    struct stat st;

    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", root, names[i]->d_name) < 0 || stat(path, &st) != 0)
            die(root);
        constant_one = (size_t)st.st_size;
        constant_copies = constant_one < SCRATCH_SIZE ? SCRATCH_SIZE / constant_one : 1;
        constant = (struct view){slurp(path, constant_one, (constant_copies - 1) * constant_one),
                                 constant_copies * constant_one};
        for (size_t k = 0; k + 1 < constant_copies; k++)
            memcpy((char *)constant.p + k * constant_one,
                   constant.p + (constant_copies - 1) * constant_one, constant_one);
        constant_closes = strcasestr(constant.p, "\r\nconnection: close\r\n") != NULL;
        return;
    }
    fprintf(stderr, "limit: no file in %s\n", root);
    exit(1);
}

/* A listening socket on loopback. */
static int
listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        die("bind");
    /* accepted sockets inherit TCP_NODELAY, which saves a call for each */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof(one));
    if (listen(fd, 4096) != 0)
        die("listen");
    return fd;
}

/* parse: loads the answers and sets the parser up. */
static void
setup_parse(const char *root)
{
    static llhttp_settings_t settings;

    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_message_complete = on_complete;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    root_len = strlen(root);
    while (root_len > 1 && root[root_len - 1] == '/')
        root_len--;
    if (nftw(root, load_answer, 16, FTW_PHYS) != 0)
        die(root);
    feed = feed_parse;
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    ev_io listener;

    if ((argc != 4 && argc != 6) ||
        (strcmp(argv[1], "raw") != 0 && strcmp(argv[1], "parse") != 0)) {
        fprintf(stderr, "usage: limit raw|parse PORT DIR [CERTIFICATE KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop == NULL)
        die("libev");
    if (strcmp(argv[1], "raw") == 0) {
        load_constant(argv[3]);
        feed = feed_raw;
    } else {
        setup_parse(argv[3]);
    }
    if (argc == 6)
        tls_setup(argv[4], argv[5]);
    ev_io_init(&listener, on_accept, listen_on(atoi(argv[2])), EV_READ);
    ev_io_start(loop, &listener);
    ev_run(loop, 0);
    return 0;
}
