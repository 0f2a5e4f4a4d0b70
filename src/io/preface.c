/*
 * preface.c - the header of the PROXY protocol in front of a connection.
 *
 * The socket is looked into first, then as much is read as belongs to the header. That is one call
 * more than to read on and to hand over what was too much, but then every transport would have to
 * take bytes from two places, for ever. Listeners without the parameter pay for neither.
 */
#include "io/preface.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "conn/proxy_protocol.h"
#include "core/core_conf.h"
#include "core/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* How much of a broken header the log shows. */
#define SHOWN_MAX 32

struct preface {
    unsigned magic;
#define PREFACE_MAGIC 0x94ef0ce5u
    struct proxy_parser parser;
};

struct preface *preface_new(const struct conn *c)
{
    const struct listen_addr *at;
    struct preface *p;

    CAST_OBJ(at, c->listen, LISTEN_ADDR_MAGIC);
    if (!at->proxy_protocol)
        return NULL;
    p = mem_zalloc(sizeof *p);
    p->magic = PREFACE_MAGIC;
    return p;
}

void preface_free(struct preface **pp)
{
    struct preface *p;

    TAKE_OBJ(p, pp, PREFACE_MAGIC);
    p->magic = 0;
    free(p);
}

/* struct log_context: who has come, and where. */
static size_t describe(void *arg, char *buf, size_t size)
{
    const struct conn *c;
    const struct listen_addr *at;
    char peer[ADDR_TEXT_MAX];
    int n;

    CAST_OBJ(c, arg, CONN_MAGIC);
    CAST_OBJ(at, c->listen, LISTEN_ADDR_MAGIC);
    n = snprintf(buf, size, ", client: %.*s, server: %.*s", (int)addr_text(&c->peer, peer), peer,
                 STR_ARG(at->text));
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/*
 * The connection ends here, and the log says why and what there was instead of a header; more came
 * behind what the parser has seen.
 */
static void fail(const struct preface *p, struct conn *c, enum close_reason reason,
                 const char *what, struct str more)
{
    struct log_context context = { .number = c->number, .describe = describe, .arg = c };
    const struct listen_addr *at;
    int shown = p->parser.seen < SHOWN_MAX ? p->parser.seen : SHOWN_MAX;

    CAST_OBJ(at, c->listen, LISTEN_ADDR_MAGIC);
    if (more.n > (size_t)(SHOWN_MAX - shown))
        more.n = (size_t)(SHOWN_MAX - shown);
    /* A NUL ends what is shown, as in all of version 2. */
    if (memchr(p->parser.head, '\0', (size_t)shown))
        more.n = 0;
    log_line(core_error_log(core_conf_of(at->fallback->block)), &context, SLV_LOG_INFO, 0,
             "broken header of the PROXY protocol: %s; it begins with \"%.*s%.*s\"", what, shown,
             (const char *)p->parser.head, STR_ARG(more));
    conn_fail(c, reason);
}

/* read() failed or met the end. */
static void lost(const struct preface *p, struct conn *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* Whoever looks whether the port is open says nothing, and that is no mistake. */
    if (n < 0 && errno != ECONNRESET && errno != EPIPE)
        conn_fail(c, CLOSE_IO);
    else if (p->parser.seen == 0)
        conn_fail(c, CLOSE_CLIENT_CLOSED);
    else
        fail(p, c, CLOSE_PROXY_HEADER, "the client closed within it", STR(""));
}

bool preface_read(struct preface *p, int fd, struct conn *c, char *scratch)
{
    enum proxy_event event;
    size_t used;
    ssize_t n;

    CHECK_OBJ(p, PREFACE_MAGIC);
    AN(c->proxied == NULL);
    n = recv(fd, scratch, PREFACE_SCRATCH, MSG_PEEK);
    if (n <= 0) {
        lost(p, c, n);
        return false;
    }
    event = proxy_feed(&p->parser, scratch, (size_t)n, &used);
    if (event == PROXY_BAD) {
        fail(p, c, CLOSE_PROXY_HEADER, p->parser.why,
             (struct str){ scratch + used, (size_t)n - used });
        return false;
    }
    n = recv(fd, scratch, used, 0);
    if (n < 0 || (size_t)n != used) {
        conn_fail(c, CLOSE_IO);
        return false;
    }
    if (event == PROXY_MORE)
        return false;
    if (p->parser.said.source.family != ADDR_NONE) {
        c->proxied = mem_alloc(sizeof *c->proxied);
        *c->proxied = p->parser.said;
    }
    return true;
}

void preface_expired(const struct preface *p, struct conn *c)
{
    CHECK_OBJ(p, PREFACE_MAGIC);
    fail(p, c, CLOSE_HEADER_TIMEOUT, "it is not complete in time", STR(""));
}
