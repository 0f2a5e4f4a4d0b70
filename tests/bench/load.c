/*
 * load: a load generator for the benchmarks: one process, epoll, over loopback.
 *
 *   load [options] HEADFILE        sends the bytes of HEADFILE as the request, again and again
 *   load idle [options] HEADFILE   one request on each connection, then holds them until stdin ends
 *
 * Each answer is checked: its status and the length of its body. What is not as expected, cut off
 * or never comes counts as an error. The result is one line of JSON on stdout. With -f each request
 * has a target of its own, with -g each body must be a page of one generation (see load_check.c)
 * that is not older than the one before it on the same connection.
 *
 * With -w the connections are opened and warmed up first, then `ready` is printed and the load
 * starts with a line on stdin; afterwards they stay open until stdin ends. So whoever started this
 * program can read the server's CPU time with nothing but requests between the two readings. A
 * second line, or the end of stdin, ends the load early.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

/* The start of a head can be kept from read to read, hence the room before what is read. */
#define BUF_SIZE (HEAD_MAX + 1024 * 1024)
#define EVENTS_MAX 256
#define ERRORS_MAX 10000
/* Connections opened at a time, well under any server's accept queue. */
#define OPEN_WIDTH 64
#define WARM_SECONDS 30
/* How long the last answers may take after the time is up. */
#define GRACE_SECONDS 3

struct conn {
    int fd;                     /* -1: not open */
    struct io *io;              /* NULL: plain */
    unsigned waiting;           /* answers still to come */
    size_t body_left;           /* of the answer being read */
    char *kept;                 /* the start of a head whose end has not come yet */
    size_t kept_len;
    const char *out;            /* what is left to send of the batch of requests */
    size_t unsent;
    char *own;                  /* the batch, where it is this connection's own */
    struct target target;       /* of its last request */
    struct check check;
    uint64_t sent_at;
    bool active;
    bool closes;                /* the last answer announced it */
};

/* What a head says. The last one is remembered: heads differ once a second only, by their Date. */
struct head {
    char bytes[HEAD_MAX];
    size_t len;
    size_t body;
    int status;
    bool closes;
};

static struct {
    int port, status;
    long connections, pipeline, body, read_size;
    double seconds;
    uint64_t count;
    const char *targets;
    bool one_shot, wait, idle, generations, tls, tls12, resume;
} opt = {
    .status = 200,
    .connections = 64,
    .pipeline = 1,
    .body = -1,
    .read_size = 256 * 1024,
    .seconds = 1,
    .count = UINT64_MAX,
};

static struct conn *conns;
static int epfd;
static char buf[BUF_SIZE];
static struct head memo;

/* The phase that runs: what is left to send, how far connections are taken into use. */
static uint64_t to_send, stop_at;
static long next_conn, active;
static bool once;

static uint64_t last_done;

/* Closes a connection's socket. */
static void
conn_close(struct conn *c)
{
    io_close(&c->io);
    if (c->fd >= 0)
        close(c->fd);
    free(c->kept);
    c->fd = -1;
    c->kept = NULL;
    c->kept_len = c->body_left = c->unsent = 0;
    c->check.generation = 0;
    c->closes = false;
}

/* Tells epoll what a connection waits for. */
static void
watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = c};

    if (epoll_ctl(epfd, op, c->fd, &ev) != 0)
        die("epoll_ctl");
}

/* Opens a connection without waiting for it. False when that fails at once. */
static bool
conn_open(struct conn *c)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    int one = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 && errno != EINPROGRESS) {
        fail(1, "connect: %s", strerror(errno));
        conn_close(c);
        return false;
    }
    c->io = io_open(c->fd);
    return true;
}

/* Sends what is left of the batch. Returns 0 when all is sent, 1 when the rest has to wait until
 * the socket is writable, -1 when the connection broke. */
static int
conn_send(struct conn *c)
{
    ssize_t n = io_send(c->io, c->fd, c->out, c->unsent);

    if (n < 0)
        return errno == EAGAIN ? 1 : -1;
    c->out += n;
    c->unsent -= (size_t)n;
    return c->unsent != 0;
}

static void conn_next(struct conn *c);

/* Takes the next connection into use, where there is one. */
static void
use_next(void)
{
    while (next_conn < opt.connections) {
        struct conn *c = &conns[next_conn++];

        c->active = true;
        active++;
        conn_next(c);
        if (c->active)
            return;
    }
}

/* The connection has nothing more to do in this phase. */
static void
conn_rest(struct conn *c)
{
    if (c->active) {
        c->active = false;
        active--;
    }
}

/* Gives up the answers a broken connection owes. */
static void
conn_broke(struct conn *c, const char *why)
{
    fail(c->waiting != 0 ? c->waiting : 1, "%s", why);
    c->waiting = 0;
    conn_close(c);
    if (c->active)
        conn_next(c);
}

/* Sends the next batch of requests, or lets the connection rest when the phase is over. */
static void
conn_next(struct conn *c)
{
    bool fresh = c->fd < 0;
    unsigned batch;
    int r;

    c->sent_at = now_ns();
    if (to_send == 0 || c->sent_at >= stop_at || stats.errors > ERRORS_MAX ||
        (fresh && !conn_open(c))) {
        conn_rest(c);
        return;
    }
    batch = to_send < (uint64_t)opt.pipeline ? (unsigned)to_send : (unsigned)opt.pipeline;
    to_send -= batch;
    c->waiting = batch;
    c->unsent = requests_make(&c->own, batch, &c->out, &c->target);
    r = conn_send(c);
    if (r < 0) {
        fail(c->waiting, "send: %s", strerror(errno));
        c->waiting = 0;
        conn_close(c);
        conn_rest(c);
        return;
    }
    if (fresh)
        watch(c, EPOLL_CTL_ADD, EPOLLIN | (r ? EPOLLOUT : 0));
    else if (r)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* Sends more of what is left. */
static void
send_more(struct conn *c)
{
    int r = conn_send(c);

    if (r < 0)
        conn_broke(c, strerror(errno));
    else
        watch(c, EPOLL_CTL_MOD, EPOLLIN | (r && !io_waits_for_server(c->io) ? EPOLLOUT : 0));
}

/* Reads the status and the two headers that matter out of a head; false when it is none. */
static bool
head_parse(const char *p, size_t len)
{
    const char *line = p, *end = p + len - 2, *eol;
    bool have_length = false;

    if (len < 16 || len > HEAD_MAX || memcmp(p, "HTTP/1.1 ", 9) != 0)
        return false;
    memcpy(memo.bytes, p, len);
    memo.len = len;
    memo.status = atoi(p + 9);
    memo.body = 0;
    memo.closes = false;
    while ((eol = memchr(line, '\r', (size_t)(end - line))) != NULL) {
        size_t n = (size_t)(eol - line);

        if (n > 15 && strncasecmp(line, "content-length:", 15) == 0) {
            memo.body = strtoul(line + 15, NULL, 10);
            have_length = true;
        } else if (n >= 17 && strncasecmp(line, "connection: close", 17) == 0) {
            memo.closes = true;
        }
        line = eol + 2;
    }
    if (memo.status == 304 || memo.status == 204)
        memo.body = 0;
    else if (!have_length)
        memo.len = 0;
    return memo.len != 0;
}

/* Takes one head from the input. Returns its length, 0 when it is not complete, -1 when bad. */
static long
take_head(struct conn *c, const char *p, size_t len)
{
    if (memo.len == 0 || len < memo.len || memcmp(p, memo.bytes, memo.len) != 0) {
        const char *blank = memmem(p, len, "\r\n\r\n", 4);

        if (blank == NULL)
            return len > HEAD_MAX ? -1 : 0;
        if (!head_parse(p, (size_t)(blank + 4 - p))) {
            memo.len = 0;
            return -1;
        }
    }
    if (memo.status != opt.status || (opt.body >= 0 && memo.body != (size_t)opt.body))
        fail(1, "status %d with %zu bytes", memo.status, memo.body);
    c->body_left = memo.body;
    c->closes = memo.closes;
    if (opt.generations)
        check_begin(&c->check, memo.body);
    return (long)memo.len;
}

/* Counts the answers in the input. Returns false when it is not HTTP. */
static bool
take_answers(struct conn *c, const char *p, size_t len, uint64_t now)
{
    const char *end = p + len;
    bool in_body = c->body_left != 0;

    while (p < end || in_body) {
        size_t n;

        if (!in_body) {
            long head = c->waiting != 0 ? take_head(c, p, (size_t)(end - p)) : -1;

            if (head < 0)
                return false;
            if (head == 0)
                break;
            p += head;
        }
        n = c->body_left < (size_t)(end - p) ? c->body_left : (size_t)(end - p);
        if (opt.generations)
            check_bytes(&c->check, c->target, p, n);
        p += n;
        c->body_left -= n;
        in_body = c->body_left != 0;
        if (in_body)
            break;
        c->waiting--;
        stats_answer(now - c->sent_at);
        last_done = now;
    }
    free(c->kept);
    c->kept = NULL;
    c->kept_len = (size_t)(end - p);
    if (c->kept_len != 0) {
        c->kept = malloc(c->kept_len);
        if (c->kept == NULL)
            die("memory");
        memcpy(c->kept, p, c->kept_len);
    }
    return true;
}

/* The server closed: expected after the answer to a last request, an error while some are due. */
static void
conn_eof(struct conn *c)
{
    if (c->waiting != 0) {
        conn_broke(c, "closed before an answer");
        return;
    }
    if (!opt.one_shot)
        stats.reopened++;
    conn_close(c);
    if (c->active && once)
        conn_rest(c);
    else if (c->active)
        conn_next(c);
}

/* Reads and judges answers. */
static void
on_readable(struct conn *c)
{
    ssize_t n = io_recv(c->io, c->fd, buf + c->kept_len, (size_t)opt.read_size);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) {
        conn_broke(c, strerror(errno));
        return;
    }
    if (n == 0) {
        conn_eof(c);
        return;
    }
    memcpy(buf, c->kept != NULL ? c->kept : "", c->kept_len);
    if (!take_answers(c, buf, c->kept_len + (size_t)n, now_ns())) {
        conn_broke(c, "not an answer");
        return;
    }
    /* with one request a connection, its end is the server's close */
    if (c->waiting != 0 || opt.one_shot || c->closes)
        return;
    if (once)
        conn_rest(c);
    else
        conn_next(c);
}

/* One event of one connection. */
static void
on_event(struct conn *c, uint32_t events)
{
    if (c->fd >= 0 && c->unsent != 0 && (events & EPOLLOUT || io_waits_for_server(c->io)))
        send_more(c);
    if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(c);
}

/* Reads stdin to its end, or to the end of a line. False when it has ended. */
static bool
wait_for_stdin(bool line)
{
    char ch;
    ssize_t n;

    while ((n = read(STDIN_FILENO, &ch, 1)) == 1 && !(line && ch == '\n'))
        continue;
    return n == 1;
}

/* Watches stdin, or no longer. A file cannot be watched and need not. */
static void
watch_stdin(bool on)
{
    struct epoll_event ev = {.events = EPOLLIN};

    (void)epoll_ctl(epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, STDIN_FILENO, &ev);
}

/* The word to stop. */
static void
on_stdin(void)
{
    stop_at = now_ns();
    wait_for_stdin(true);
    watch_stdin(false);
}

/* Runs one phase: `width` connections at once, until `count` requests are sent or the time is up,
 * and all answers are there. With `one_each` a connection sends one batch and the next follows. */
static void
drive(long width, uint64_t count, double seconds, bool one_each)
{
    struct epoll_event events[EVENTS_MAX];

    once = one_each;
    to_send = count;
    stop_at = now_ns() + (uint64_t)(seconds * (double)SECOND);
    next_conn = 0;
    while (active < width && next_conn < opt.connections)
        use_next();
    while (active > 0) {
        int n = epoll_wait(epfd, events, EVENTS_MAX, 100);
        long was = active;

        if (n <= 0 && now_ns() > stop_at + GRACE_SECONDS * SECOND)
            break;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                on_stdin();
            else
                on_event(events[i].data.ptr, events[i].events);
        }
        for (; once && was > active; was--)
            use_next();
    }
    for (long i = 0; i < opt.connections; i++) {
        if (!conns[i].active)
            continue;
        if (conns[i].waiting != 0)
            fail(conns[i].waiting, "no answer in time");
        conns[i].waiting = 0;
        conn_close(&conns[i]);
        conn_rest(&conns[i]);
    }
}

/* idle: holds the connections until stdin ends, then says how many the server had closed. */
static void
hold(void)
{
    long closed = 0;
    char ch;

    wait_for_stdin(false);
    for (long i = 0; i < opt.connections; i++)
        if (conns[i].fd < 0 || recv(conns[i].fd, &ch, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
            errno != EAGAIN)
            closed++;
    printf("{\"closed\": %ld}\n", closed);
}

/* How to call it. */
static void
usage(void)
{
    fprintf(stderr,
            "usage: load [idle] -p PORT [-c CONNECTIONS] [-s SECONDS] [-n COUNT]\n"
            "            [-k PIPELINED] [-b READSIZE] [-1] [-w] [-S STATUS] [-L BODYLENGTH]\n"
            "            [-f TARGETS [-g]] [-t | -T] [-2] HEADFILE\n"
            "  -b  how many bytes to read at a time (262144)\n"
            "  -1  a connection for each request (the request must say Connection: close)\n"
            "  -w  print `ready` when warm, start at a line on stdin, end with stdin\n"
            "  -f  a file of targets, one a line: each request has one of them, at random\n"
            "  -g  each body is a page of one generation; no connection goes back\n"
            "  -t  TLS 1.3; -2: TLS 1.2; -T: connections are resumed where there is a ticket\n");
    exit(2);
}

/* Reads the arguments. */
static const char *
parse_options(int argc, char **argv)
{
    int ch;

    if (argc > 1 && strcmp(argv[1], "idle") == 0) {
        opt.idle = true;
        argc--;
        argv++;
    }
    while ((ch = getopt(argc, argv, "p:c:s:n:k:b:1wS:L:f:gtT2")) != -1) {
        switch (ch) {
        case 'p': opt.port = atoi(optarg); break;
        case 'c': opt.connections = atol(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'n': opt.count = strtoull(optarg, NULL, 10); break;
        case 'k': opt.pipeline = atol(optarg); break;
        case 'b': opt.read_size = atol(optarg); break;
        case '1': opt.one_shot = true; break;
        case 'w': opt.wait = true; break;
        case 'S': opt.status = atoi(optarg); break;
        case 'L': opt.body = atol(optarg); break;
        case 'f': opt.targets = optarg; break;
        case 'g': opt.generations = true; break;
        case 't': opt.tls = true; break;
        case 'T': opt.tls = opt.resume = true; break;
        case '2': opt.tls = opt.tls12 = true; break;
        default: usage();
        }
    }
    if (optind != argc - 1 || opt.port <= 0 || opt.connections <= 0 || opt.pipeline <= 0 ||
        opt.pipeline > 1024 || opt.read_size <= 0 || opt.read_size > BUF_SIZE - HEAD_MAX ||
        opt.seconds <= 0 || opt.seconds > 3600 ||
        (opt.one_shot && (opt.pipeline > 1 || opt.idle)) ||
        (opt.generations && (opt.targets == NULL || opt.pipeline > 1)))
        usage();
    return argv[optind];
}

/* Opens all connections and has one batch answered on each, then forgets the figures. */
static void
warm_up(void)
{
    drive(OPEN_WIDTH, UINT64_MAX, WARM_SECONDS, true);
    if (opt.idle)
        return;
    stats_reset();
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    const char *head;
    uint64_t start;

    signal(SIGPIPE, SIG_IGN);
    head = parse_options(argc, argv);
    if (opt.tls)
        io_setup(opt.tls12, opt.resume);
    requests_read(head, opt.targets, (size_t)opt.pipeline);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epfd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)opt.connections, sizeof(*conns));
    if (conns == NULL || epfd < 0)
        die("setup");
    for (long i = 0; i < opt.connections; i++)
        conns[i].fd = -1;
    start = now_ns();
    if (!opt.one_shot)
        warm_up();
    if (opt.idle) {
        stats_print((double)(now_ns() - start) / SECOND, memo.len);
        hold();
        return stats.errors != 0;
    }
    if (opt.wait) {
        puts("ready");
        fflush(stdout);
        wait_for_stdin(true);
    }
    if (opt.wait)
        watch_stdin(true);
    start = now_ns();
    drive(opt.connections, opt.count, opt.seconds, false);
    stats_print((double)((last_done > start ? last_done : now_ns()) - start) / SECOND, memo.len);
    if (opt.wait)
        wait_for_stdin(false);
    return stats.errors != 0;
}
