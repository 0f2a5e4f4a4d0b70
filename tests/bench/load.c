/*
 * load: a load generator for the benchmarks: one process, epoll, over loopback.
 *
 *   load [options] HEADFILE        sends the bytes of HEADFILE as the request, again and again
 *   load idle [options] HEADFILE   one request on each connection, then holds them until stdin ends
 *
 * Each answer is checked: its status and the length of its body. What is not as expected, cut off
 * or never comes counts as an error. The result is one line of JSON on stdout.
 *
 * With -w the connections are opened and warmed up first, then `ready` is printed and the load
 * starts with a line on stdin; afterwards they stay open until stdin ends. So whoever started this
 * program can read the server's CPU time with nothing but requests between the two readings.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192
/* The start of a head can be kept from read to read, hence the room before what is read. */
#define BUF_SIZE (HEAD_MAX + 1024 * 1024)
#define EVENTS_MAX 256
#define BUCKETS 2048
#define ERRORS_MAX 10000
/* Connections opened at a time, well under any server's accept queue. */
#define OPEN_WIDTH 64
#define WARM_SECONDS 30
/* How long the last answers may take after the time is up. */
#define GRACE_SECONDS 3
#define SECOND UINT64_C(1000000000)

struct conn {
    int fd;                     /* -1: not open */
    unsigned waiting;           /* answers still to come */
    size_t body_left;           /* of the answer being read */
    char *kept;                 /* the start of a head whose end has not come yet */
    size_t kept_len;
    size_t unsent;              /* of the batch of requests; its end is the end of `batch` */
    unsigned batch;             /* requests in the batch */
    uint64_t sent_at;
    bool active;
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
    bool one_shot, wait, idle;
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
static char *request;           /* `pipeline` copies of the request */
static size_t request_len;
static char buf[BUF_SIZE];
static struct head memo;

/* The phase that runs: what is left to send, how far connections are taken into use. */
static uint64_t to_send, stop_at;
static long next_conn, active;
static bool once;

static uint64_t done, errors, reopened, latency_max, last_done;
static uint64_t histogram[BUCKETS];
static char first_error[160];

/* The monotonic clock in nanoseconds. */
static uint64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* Says why and ends with status 1. */
static void
die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Counts errors and keeps the text of the first. */
static void __attribute__((format(printf, 2, 3)))
fail(uint64_t n, const char *format, ...)
{
    va_list ap;

    errors += n;
    if (first_error[0] != '\0')
        return;
    va_start(ap, format);
    vsnprintf(first_error, sizeof(first_error), format, ap);
    va_end(ap);
}

/* Buckets of 100 ns, wider with size: 32 to each doubling, so 3 % exact. */
static void
histogram_add(uint64_t ns)
{
    uint64_t v = ns / 100;
    unsigned e = v < 64 ? 0 : 58u - (unsigned)__builtin_clzll(v);
    uint64_t i = (uint64_t)e * 32 + (v >> e);

    histogram[i < BUCKETS ? i : BUCKETS - 1]++;
    if (ns > latency_max)
        latency_max = ns;
}

/* Returns the latency in microseconds under which the share `q` of all answers came. */
static double
quantile(double q)
{
    uint64_t seen = 0, want = (uint64_t)((double)done * q);

    for (unsigned i = 0; i < BUCKETS; i++) {
        unsigned e = i < 64 ? 0 : i / 32 - 1;

        seen += histogram[i];
        if (seen > want)
            return (double)((uint64_t)(i - e * 32) << e) / 10;
    }
    return 0;
}

/* Closes a connection's socket. */
static void
conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->kept);
    c->fd = -1;
    c->kept = NULL;
    c->kept_len = c->body_left = c->unsent = 0;
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
    return true;
}

/* Sends what is left of the batch. Returns 0 when all is sent, 1 when the rest has to wait until
 * the socket is writable, -1 when the connection broke. */
static int
conn_send(struct conn *c)
{
    const char *end = request + c->batch * request_len;
    ssize_t n = send(c->fd, end - c->unsent, c->unsent, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN ? 1 : -1;
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
    int r;

    c->sent_at = now_ns();
    if (to_send == 0 || c->sent_at >= stop_at || errors > ERRORS_MAX || (fresh && !conn_open(c))) {
        conn_rest(c);
        return;
    }
    c->batch = to_send < (uint64_t)opt.pipeline ? (unsigned)to_send : (unsigned)opt.pipeline;
    to_send -= c->batch;
    c->waiting = c->batch;
    c->unsent = c->batch * request_len;
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
        p += n;
        c->body_left -= n;
        in_body = c->body_left != 0;
        if (in_body)
            break;
        c->waiting--;
        done++;
        histogram_add(now - c->sent_at);
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
        reopened++;
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
    ssize_t n = recv(c->fd, buf + c->kept_len, (size_t)opt.read_size, 0);

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
    if (c->waiting != 0 || opt.one_shot || memo.closes)
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
    if (c->fd >= 0 && events & EPOLLOUT && c->unsent != 0) {
        int r = conn_send(c);

        if (r < 0) {
            conn_broke(c, strerror(errno));
            return;
        }
        if (r == 0)
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(c);
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
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
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

/* Reads the request and lays `pipeline` copies of it side by side. */
static void
load_request(const char *path)
{
    FILE *f = fopen(path, "r");

    if (f == NULL)
        die(path);
    request_len = fread(buf, 1, HEAD_MAX, f);
    fclose(f);
    request = malloc(request_len * (size_t)opt.pipeline);
    if (request == NULL || request_len == 0)
        die(path);
    for (long i = 0; i < opt.pipeline; i++)
        memcpy(request + (size_t)i * request_len, buf, request_len);
}

/* The line of JSON. */
static void
print_result(double seconds)
{
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"max_us\": %.1f, \"reopened\": %llu, \"head_bytes\": %zu, "
           "\"first_error\": \"%s\"}\n",
           (unsigned long long)done, seconds, (unsigned long long)errors, quantile(0.5),
           quantile(0.99), (double)latency_max / 1000, (unsigned long long)reopened, memo.len,
           first_error);
    fflush(stdout);
}

/* Reads stdin to its end, or to the end of a line. */
static void
wait_for_stdin(bool line)
{
    char ch;

    while (read(STDIN_FILENO, &ch, 1) == 1 && !(line && ch == '\n'))
        continue;
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
            "            HEADFILE\n"
            "  -b  how many bytes to read at a time (262144)\n"
            "  -1  a connection for each request (the request must say Connection: close)\n"
            "  -w  print `ready` when warm, start at a line on stdin, end with stdin\n");
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
    while ((ch = getopt(argc, argv, "p:c:s:n:k:b:1wS:L:")) != -1) {
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
        default: usage();
        }
    }
    if (optind != argc - 1 || opt.port <= 0 || opt.connections <= 0 || opt.pipeline <= 0 ||
        opt.pipeline > 1024 || opt.read_size <= 0 || opt.read_size > BUF_SIZE - HEAD_MAX ||
        opt.seconds <= 0 || opt.seconds > 3600 || (opt.one_shot && (opt.pipeline > 1 || opt.idle)))
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
    done = reopened = latency_max = 0;
    memset(histogram, 0, sizeof(histogram));
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    uint64_t start;

    signal(SIGPIPE, SIG_IGN);
    load_request(parse_options(argc, argv));
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
        print_result((double)(now_ns() - start) / SECOND);
        hold();
        return errors != 0;
    }
    if (opt.wait) {
        puts("ready");
        fflush(stdout);
        wait_for_stdin(true);
    }
    start = now_ns();
    drive(opt.connections, opt.count, opt.seconds, false);
    print_result((double)((last_done > start ? last_done : now_ns()) - start) / SECOND);
    if (opt.wait)
        wait_for_stdin(false);
    return errors != 0;
}
