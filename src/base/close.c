/*
 * close.c - the reasons for which connections end.
 */
#include "base/close.h"

#include "base/check.h"

static const struct {
    const char *token, *words;
    bool is_error;
} reasons[] = {
#define X(id, token, is_error, words) { token, words, is_error },
    CLOSE_REASONS(X)
#undef X
};

const char *close_token(enum close_reason reason)
{
    AN(reason < CLOSE_COUNT);
    return reasons[reason].token;
}

const char *close_words(enum close_reason reason)
{
    AN(reason < CLOSE_COUNT);
    return reasons[reason].words;
}

bool close_is_error(enum close_reason reason)
{
    AN(reason < CLOSE_COUNT);
    return reasons[reason].is_error;
}
