/*
 * redis.h - a connection to a Redis server, until it is up.
 *
 * What these say is wrong is a text that the next call may overwrite.
 */
#ifndef SLV_REDIS_H
#define SLV_REDIS_H

#include "core/config.h"

struct redisContext;
struct redisReply;

/* Opens one that blocks, with the user, the password and the database. NULL: *why says why not. */
struct redisContext *redis_open(const struct hub_backend *b, const char **why);

/* A command with its answer. NULL: *why says what is wrong. */
struct redisReply *redis_ask(struct redisContext *c, const char **why, int argc, const char **argv);

/* From now on its calls do not block. */
void redis_unblock(struct redisContext *c);

#endif
