/*
 * redis.c - a connection to a Redis server: opened, introduced, asked first questions.
 *
 * These are blocking calls with a limit: until there is a connection there is nothing else to do.
 */
#include "proc/redis.h"

#include "base/check.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#define CONNECT_WITHIN 2000        /* ms, for each step */

redisReply *redis_ask(redisContext *c, const char **why, int argc, const char **argv)
{
    redisReply *reply = redisCommandArgv(c, argc, argv, NULL);
    static char text[200];

    if (!reply) {
        snprintf(text, sizeof text, "%s", c->errstr[0] ? c->errstr : "no answer");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(text, sizeof text, "%s: %s", argv[0], reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    if (!reply)
        *why = text;
    return reply;
}

/* Says who we are, and which database is meant. False: why says what is wrong. */
static bool introduce(const struct hub_backend *b, redisContext *c, const char **why)
{
    char number[24];
    redisReply *reply;

    if (b->password.n) {
        const char *named[] = { "AUTH", b->user.p, b->password.p };
        const char *plain[] = { "AUTH", b->password.p };

        reply = b->user.n ? redis_ask(c, why, 3, named) : redis_ask(c, why, 2, plain);
        if (!reply)
            return false;
        freeReplyObject(reply);
    }
    if (b->database) {
        const char *select[] = { "SELECT", number };

        snprintf(number, sizeof number, "%u", b->database);
        reply = redis_ask(c, why, 2, select);
        if (!reply)
            return false;
        freeReplyObject(reply);
    }
    return true;
}

redisContext *redis_open(const struct hub_backend *b, const char **why)
{
    struct timeval limit = { CONNECT_WITHIN / 1000, CONNECT_WITHIN % 1000 * 1000 };
    redisContext *c = b->path.n
        ? redisConnectUnixWithTimeout(b->path.p, limit)
        : redisConnectWithTimeout(b->host.p, (int)b->port, limit);
    static char text[160];

    AN(c != NULL);
    if (c->err) {
        snprintf(text, sizeof text, "%s", c->errstr);
        *why = text;
    } else if (redisSetTimeout(c, limit) == REDIS_OK && introduce(b, c, why)) {
        return c;
    }
    redisFree(c);
    return NULL;
}

void redis_unblock(redisContext *c)
{
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->flags &= ~REDIS_BLOCK;
}
