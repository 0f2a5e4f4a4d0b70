/*
 * fan: long-lived connections for the benchmarks: one process, epoll, over loopback.
 *
 *   fan echo [options] PATH              WebSocket messages that come back, one at a time
 *   fan ws|sse [options] PATH PUBPATH    subscribers, to whom messages are published by POST
 *   fan idle-ws|idle-sse [options] PATH  subscribers, held until stdin ends
 *
 * With -k a connection that the server ends is opened again at once, behind the last message that
 * came (?last_event_id=), and another line of JSON at the very end says how many were, and how long
 * it took from the first end to the last beginning.
 *
 * `ready` is printed when all connections are there; a line on stdin starts the load. A message
 * carries the time at which it was published, so that each subscriber measures its delay; it
 * counts as lost where it has not come to a subscriber some seconds after the last was sent. The
 * result is one line of JSON on stdout; then the connections stay open until stdin ends.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define BUF_SIZE (256 * 1024)
#define EVENTS_MAX 512
#define OPEN_WIDTH 64
#define PATIENCE (5 * SECOND)
/* In front of the time in a message: what a server adds around it does not look like this. */
#define MARK "~T:"
#define MARK_SIZE 3
#define STAMP_SIZE (MARK_SIZE + 16)
#define SIZE_MAX_OF_ALL 8192

enum state { CLOSED, OPENING, OPEN };

struct peer {
    int fd;
    enum state state;
    unsigned kept_len;
    char kept[STAMP_SIZE];      /* the start of a stamp whose end has not come yet */
    size_t owed;                /* echo: bytes of the message under way */
    uint64_t sent_at;
    uint64_t id;                /* -k: of the last message that came */
};

static struct {
    int port;
    long connections, burst, size;
    double seconds, rate;
    const char *path, *publish_path;
    bool echo, sse, idle, comes_back;
} opt = {.connections = 64, .burst = 1, .size = 125, .seconds = 1, .rate = 100};

static struct peer *peers;
static struct peer publisher;
static int epfd;
static long opened, broken;
static char buf[STAMP_SIZE + BUF_SIZE];
static uint64_t published, acknowledged, delivered, refused;
static bool running;

/* -k */
static struct {
    uint64_t ends, beginnings, first, last;
    bool publisher_leaves;
} returns;

/* Opens a socket and sends what begins it. */
static void
peer_open(struct peer *p, const char *request, size_t len)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
    int one = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        die("connect");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fcntl(p->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, p->fd, &ev) != 0)
        die("epoll");
    if (len != 0 && send(p->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    p->state = OPENING;
}

/* The request that begins a subscription, behind a message. Returns its size. */
static int
write_request(char *out, size_t room, uint64_t after)
{
    char query[48] = "";

    if (after != 0)
        snprintf(query, sizeof(query), "?last_event_id=%llu", (unsigned long long)after);
    return snprintf(out, room, opt.sse ? "GET %s%s HTTP/1.1\r\nHost: bench.example\r\n"
                                         "Accept: text/event-stream\r\n\r\n"
                                       : "GET %s%s HTTP/1.1\r\nHost: bench.example\r\n"
                                         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                         "Sec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                    opt.path, query,
                    opt.comes_back ? "Sec-WebSocket-Protocol: selvage.channel\r\n" : "");
}

/* -k: the server has ended the connection, as it should: again, from where it was. */
static void
peer_return(struct peer *p)
{
    char request[1024];

    if (returns.ends++ == 0)
        returns.first = now_ns();
    close(p->fd);
    p->kept_len = 0;
    peer_open(p, request, (size_t)write_request(request, sizeof(request), p->id));
}

/* The connection is of no more use. */
static void
peer_broke(struct peer *p, const char *why)
{
    fail(1, "%s", why);
    broken++;
    close(p->fd);
    p->state = CLOSED;
}

/* Sends one masked text message, to be echoed. */
static void
echo_send(struct peer *p)
{
    static char frame[8 + SIZE_MAX_OF_ALL];
    size_t head = opt.size < 126 ? 6 : 8;

    if (frame[0] == 0) {
        frame[0] = (char)0x81;
        frame[1] = (char)(0x80 | (opt.size < 126 ? opt.size : 126));
        if (opt.size >= 126) {
            frame[2] = (char)(opt.size >> 8);
            frame[3] = (char)opt.size;
        }
        memcpy(frame + head - 4, "mask", 4);
        for (long i = 0; i < opt.size; i++)
            frame[head + (size_t)i] = (char)('x' ^ "mask"[i % 4]);
    }
    p->owed = (size_t)opt.size + (opt.size < 126 ? 2 : 4);
    p->sent_at = now_ns();
    if (send(p->fd, frame, head + (size_t)opt.size, MSG_NOSIGNAL)
        != (ssize_t)(head + (size_t)opt.size))
        peer_broke(p, "send");
}

/* Bytes of an echo. */
static void
take_echo(struct peer *p, size_t n, bool go_on)
{
    if (n > p->owed) {
        peer_broke(p, "more came back than was sent");
        return;
    }
    p->owed -= n;
    if (p->owed != 0)
        return;
    stats_answer(now_ns() - p->sent_at);
    if (go_on)
        echo_send(p);
}

/* Finds the stamps of messages in what a subscriber got; n bytes at data, STAMP_SIZE before it. */
static void
take_messages(struct peer *p, char *data, size_t n, uint64_t now)
{
    char *at = data - p->kept_len, *end = data + n, *mark;

    memcpy(at, p->kept, p->kept_len);
    p->kept_len = 0;
    while ((mark = memmem(at, (size_t)(end - at), MARK, MARK_SIZE)) != NULL
           && end - mark >= STAMP_SIZE) {
        char digits[17] = "";

        memcpy(digits, mark + MARK_SIZE, 16);
        stats_answer(now - strtoull(digits, NULL, 16));
        delivered++;
        p->id++;
        at = mark + STAMP_SIZE;
    }
    if (opt.comes_back && !opt.sse && memmem(data, n, "\x03\xe9server", 8) != NULL) {
        peer_return(p);
        return;
    }
    if (mark == NULL && end - at >= MARK_SIZE)
        mark = end - (MARK_SIZE - 1);
    else if (mark == NULL)
        mark = at;
    p->kept_len = (unsigned)(end - mark);
    memcpy(p->kept, mark, p->kept_len);
}

/* -k: behind which message it begins, and whether that is where it was. */
static void
take_place(struct peer *p, const char *data, size_t n)
{
    const char *mark = opt.sse ? "\nid: " : "{\"after\":";
    const char *at = memmem(data, n, mark, strlen(mark));
    uint64_t id = at == NULL ? 0 : strtoull(at + strlen(mark), NULL, 10);

    if (id == 0 || (p->id != 0 && p->id != id))
        fail(1, "a connection does not begin where it was: %llu, not %llu",
             (unsigned long long)id, (unsigned long long)p->id);
    if (p->id != 0) {
        returns.beginnings++;
        returns.last = now_ns();
    }
    p->id = id;
}

/* The answer that begins a connection. */
static void
take_begin(struct peer *p, char *data, size_t n)
{
    const char *wanted = opt.sse ? "HTTP/1.1 200" : "HTTP/1.1 101";

    if (n < 12 || memcmp(data, wanted, 12) != 0) {
        fprintf(stderr, "%.*s\n", (int)(n < 300 ? n : 300), data);
        peer_broke(p, "refused");
        return;
    }
    p->state = OPEN;
    opened += p->id == 0;
    if (opt.comes_back) {
        take_place(p, data, n);
        take_messages(p, data, n, now_ns());
    }
}

/* Answers to what was published: a status line each, whatever else. */
static void
take_published(const char *data, size_t n)
{
    const char *at = data, *end = data + n;

    while ((at = memmem(at, (size_t)(end - at), "HTTP/1.1 ", 9)) != NULL && end - at > 9) {
        acknowledged++;
        refused += at[9] != '2';
        at += 9;
    }
    returns.publisher_leaves |= memmem(data, n, "Connection: close", 17) != NULL;
}

/* -k: the publisher's connection has been ended, or is to be. */
static void
publisher_return(void)
{
    returns.publisher_leaves = false;
    close(publisher.fd);
    peer_open(&publisher, NULL, 0);
    publisher.state = OPEN;
}

/* Something came. */
static void
on_readable(struct peer *p)
{
    ssize_t n = recv(p->fd, buf + STAMP_SIZE, BUF_SIZE, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n == 0 && opt.comes_back && p == &publisher && acknowledged == published)
        publisher_return();
    else if (n == 0 && opt.comes_back && p != &publisher)
        peer_return(p);
    else if (n <= 0)
        peer_broke(p, n == 0 ? "closed" : strerror(errno));
    else if (p == &publisher)
        take_published(buf + STAMP_SIZE, (size_t)n);
    else if (p->state == OPENING)
        take_begin(p, buf + STAMP_SIZE, (size_t)n);
    else if (opt.echo)
        take_echo(p, (size_t)n, running);
    else
        take_messages(p, buf + STAMP_SIZE, (size_t)n, now_ns());
}

/* Waits for events until then, at the latest; 0 where nothing came. */
static int
turn(uint64_t until)
{
    static struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns();
    int n = epoll_wait(epfd, events, EVENTS_MAX,
                       until > now ? (int)((until - now + 999999) / 1000000) : 0);

    for (int i = 0; i < n; i++)
        on_readable(events[i].data.ptr);
    return n;
}

/* Opens all subscribers, some at a time. */
static void
open_all(void)
{
    char request[1024];
    int len = write_request(request, sizeof(request), 0);
    uint64_t give_up = now_ns() + 30 * SECOND;

    for (long i = 0; i < opt.connections; i++) {
        peer_open(&peers[i], request, (size_t)len);
        while (i - opened - broken >= OPEN_WIDTH && now_ns() < give_up)
            turn(now_ns() + SECOND);
    }
    while (opened + broken < opt.connections && now_ns() < give_up)
        turn(now_ns() + SECOND);
    if (opened != opt.connections)
        die("not all connections were taken");
}

/* Publishes one burst: so many POST in one write. */
static void
publish(void)
{
    static char out[64 * (512 + SIZE_MAX_OF_ALL)];
    size_t len = 0;

    for (long i = 0; i < opt.burst; i++) {
        len += (size_t)sprintf(out + len, "POST %s HTTP/1.1\r\nHost: bench.example\r\n"
                               "Content-Type: text/plain\r\nContent-Length: %ld\r\n\r\n"
                               MARK "%016llx", opt.publish_path, opt.size,
                               (unsigned long long)now_ns());
        memset(out + len, 'x', (size_t)opt.size - STAMP_SIZE);
        len += (size_t)opt.size - STAMP_SIZE;
    }
    if (send(publisher.fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("publish");
    published += (uint64_t)opt.burst;
}

/* -k: the publisher waits for its answers, and changes the connection where it is asked to. */
static void
settle_publisher(void)
{
    uint64_t give_up = now_ns() + PATIENCE;

    while (acknowledged < published && now_ns() < give_up)
        turn(give_up);
    if (returns.publisher_leaves)
        publisher_return();
}

/* Publishes at the wanted rate, and waits for what is on its way. */
static void
run_fan(void)
{
    uint64_t start = now_ns(), end = start + (uint64_t)(opt.seconds * (double)SECOND);
    uint64_t gap = (uint64_t)((double)SECOND * (double)opt.burst / opt.rate), next = start;

    peer_open(&publisher, NULL, 0);
    publisher.state = OPEN;
    while (next < end) {
        while (now_ns() < next)
            turn(next);
        if (opt.comes_back)
            settle_publisher();
        publish();
        next += gap;
        turn(0);
    }
    end = now_ns() + PATIENCE;
    while ((delivered < published * (uint64_t)opt.connections || acknowledged < published)
           && now_ns() < end)
        turn(end);
    if (refused)
        fail(refused, "a message was refused");
    if (acknowledged < published)
        fail(published - acknowledged, "no answer to what was published");
    if (delivered != published * (uint64_t)opt.connections)
        fail(1, "%llu of %llu came", (unsigned long long)delivered,
             (unsigned long long)(published * (uint64_t)opt.connections));
}

/* Sends on every connection what comes back, until the time is up. */
static void
run_echo(void)
{
    uint64_t end = now_ns() + (uint64_t)(opt.seconds * (double)SECOND);

    for (long i = 0; i < opt.connections; i++)
        echo_send(&peers[i]);
    while (now_ns() < end)
        turn(end);
    running = false;
    while (turn(now_ns() + SECOND / 5) > 0)
        continue;
}

/* Reads stdin to the end of a line, or to its end. */
static void
wait_for_stdin(bool line)
{
    char ch;

    while (read(STDIN_FILENO, &ch, 1) == 1 && !(line && ch == '\n'))
        continue;
}

/* How to call it. */
static void
usage(void)
{
    fprintf(stderr, "usage: fan echo|idle-ws|idle-sse -p PORT [-c CONNECTIONS] [-s SECONDS]"
                    " [-m SIZE] PATH\n"
                    "       fan ws|sse -p PORT [-c CONNECTIONS] [-s SECONDS] [-m SIZE] [-r RATE]"
                    " [-b BURST] PATH PUBLISHPATH\n"
                    "  -r  messages a second (100); -b: so many at once (1); -k: comes back\n");
    exit(2);
}

/* Reads the arguments. */
static void
parse_options(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    int ch;

    opt.echo = strcmp(mode, "echo") == 0;
    opt.sse = strcmp(mode, "sse") == 0 || strcmp(mode, "idle-sse") == 0;
    opt.idle = strncmp(mode, "idle-", 5) == 0;
    if (!opt.echo && !opt.sse && !opt.idle && strcmp(mode, "ws") != 0)
        usage();
    argc--;
    argv++;
    while ((ch = getopt(argc, argv, "p:c:s:m:r:b:k")) != -1) {
        switch (ch) {
        case 'p': opt.port = atoi(optarg); break;
        case 'c': opt.connections = atol(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'm': opt.size = atol(optarg); break;
        case 'r': opt.rate = atof(optarg); break;
        case 'b': opt.burst = atol(optarg); break;
        case 'k': opt.comes_back = true; break;
        default: usage();
        }
    }
    if (opt.port <= 0 || opt.connections <= 0 || opt.seconds <= 0 || opt.size < STAMP_SIZE
        || opt.size > SIZE_MAX_OF_ALL || opt.rate <= 0 || opt.burst <= 0 || opt.burst > 64
        || argc - optind != (opt.echo || opt.idle ? 1 : 2))
        usage();
    opt.path = argv[optind];
    opt.publish_path = argv[optind + 1];
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    uint64_t start;

    signal(SIGPIPE, SIG_IGN);
    parse_options(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epfd = epoll_create1(EPOLL_CLOEXEC);
    peers = calloc((size_t)opt.connections, sizeof(*peers));
    if (peers == NULL || epfd < 0)
        die("setup");
    open_all();
    puts("ready");
    fflush(stdout);
    wait_for_stdin(!opt.idle);
    start = now_ns();
    running = true;
    if (opt.echo)
        run_echo();
    else if (!opt.idle)
        run_fan();
    stats_print((double)(now_ns() - start) / SECOND, 0);
    if (!opt.idle)
        wait_for_stdin(false);
    if (opt.comes_back)
        printf("{\"ends\":%llu,\"returns\":%llu,\"ms\":%llu}\n", (unsigned long long)returns.ends,
               (unsigned long long)returns.beginnings,
               (unsigned long long)((returns.last - returns.first) / 1000000));
    return stats.errors != 0;
}
