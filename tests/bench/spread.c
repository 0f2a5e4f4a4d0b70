/*
 * spread: the least that a server can do to hand a message to many, as a yardstick for selvage.
 *
 *   spread PORT     GET /ws and GET /sse subscribe, POST publishes its body, all else gets 200
 *
 * For each subscriber and message it does one send() of the same few bytes, and nothing else: no
 * channels, no history, no limits, no time-outs, no slow readers. What comes in is believed to be
 * a whole request of fan.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUBSCRIBERS_MAX 65536
#define ROOM 65536

static int subscribers[SUBSCRIBERS_MAX];
static size_t count;
static bool events;             /* subscribers read an event stream, not WebSocket */
static char in[ROOM], out[ROOM + 32];

/* Ends the program when it cannot do its work. */
static void
die(const char *what)
{
    perror(what);
    exit(1);
}

/* Sends a short answer. */
static void
say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        die("send");
}

/* A frame without a mask (RFC 6455 section 5.2), or an event as one chunk. Returns its size. */
static size_t
frame(const char *data, size_t n)
{
    size_t at = 2;

    if (events)
        return (size_t)snprintf(out, sizeof(out), "%zx\r\ndata: %.*s\n\n\r\n", n + 8, (int)n, data);
    out[0] = (char)0x81;
    out[1] = (char)(n < 126 ? n : 126);
    if (n >= 126) {
        out[at++] = (char)(n >> 8);
        out[at++] = (char)n;
    }
    memcpy(out + at, data, n);
    return at + n;
}

/* Reads the rest of the body, and hands it to all. */
static void
publish(int fd, size_t have)
{
    const char *body = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "content-length:");
    size_t size, wanted;

    if (body == NULL || length == NULL)
        die("a request that fan does not send");
    wanted = (size_t)(body + 4 - in) + (size_t)atol(length + sizeof("content-length:") - 1);
    while (have < wanted && wanted < sizeof(in)) {
        ssize_t n = recv(fd, in + have, sizeof(in) - have, 0);

        have += n > 0 ? (size_t)n : 0;
    }
    size = frame(body + 4, wanted - (size_t)(body + 4 - in));
    for (size_t i = 0; i < count; i++)
        send(subscribers[i], out, size, MSG_NOSIGNAL);
    say(fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
}

/* Answers a request. The key of the handshake is always the one of RFC 6455 section 1.3. */
static void
answer(int fd)
{
    ssize_t n = recv(fd, in, sizeof(in) - 1, 0);

    if (n <= 0) {
        close(fd);
        return;
    }
    in[n] = '\0';
    if (strncmp(in, "POST ", 5) == 0) {
        publish(fd, (size_t)n);
        return;
    }
    events = strncmp(in, "GET /sse", 8) == 0;
    if (strncmp(in, "GET /ws", 7) == 0)
        say(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    else if (events)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
    else
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if ((events || in[5] == 'w') && count < SUBSCRIBERS_MAX)
        subscribers[count++] = fd;
}

/* A listening socket on loopback. */
static int
listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 4096) != 0)
        die("listen");
    return fd;
}

/* Waits for what comes on a socket. */
static void
watch(int epfd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl");
}

int
main(int argc, char **argv)
{
    struct epoll_event ready[64];
    struct rlimit files;
    int epfd = epoll_create1(EPOLL_CLOEXEC), listener, one = 1;

    if (argc != 2) {
        fprintf(stderr, "usage: spread PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    listener = listen_on(atoi(argv[1]));
    watch(epfd, listener);
    for (;;) {
        int n = epoll_wait(epfd, ready, 64, -1);

        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;

            if (fd != listener) {
                answer(fd);
            } else if ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                watch(epfd, fd);
            }
        }
    }
}
