/*
 * head.h - the part of a response head that changes with the second: status line, Date, Connection.
 *
 * One small span per status and keep-alive choice, formatted at most once a second, shared by all
 * responses of the worker. The clock is told to it.
 */
#ifndef SLV_HEAD_H
#define SLV_HEAD_H

#include <selvage/str.h>

#include <time.h>

/* The wall clock as of this turn; cheap when the second has not changed. */
void head_clock(time_t now);

/* What head_clock() was told last. */
time_t head_now(void);

/*
 * "HTTP/1.1 200 OK" to the end of "Connection: …", each line with its CRLF. Valid until
 * head_clock() moves, which is after this turn of the loop. Unknown statuses have an empty reason
 * phrase and share one text: *shared says that it holds until the next call only.
 */
struct str head_start(int status, bool keep_alive, bool *shared);

/* The reason phrase; "" for a status that is not in the table. */
struct str head_reason(int status);

#endif
