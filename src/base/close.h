/*
 * close.h - the reasons for which connections end, as an enum.
 */
#ifndef SLV_CLOSE_H
#define SLV_CLOSE_H

#include "base/tbl/close.h"

#include <stdbool.h>

enum close_reason {
#define X(id, token, is_error, words) CLOSE_##id,
    CLOSE_REASONS(X)
#undef X
    CLOSE_COUNT
};

/* The token of logs and counters, such as "idle_timeout". */
const char *close_token(enum close_reason reason);

/* Words for people. */
const char *close_words(enum close_reason reason);

/* It counts as an error: somebody did something wrong, or something broke. */
bool close_is_error(enum close_reason reason);

#endif
