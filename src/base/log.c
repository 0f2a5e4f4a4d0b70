/*
 * log.c - lines of the error log.
 */
#include "base/log.h"

#include "base/check.h"
#include "base/stamp.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINE_SIZE 2048             /* the longest line, its newline included */
#define CONTEXT_ROOM 512           /* of it, for the context: no text crowds it out */
#define ERROR_ROOM 96              /* and for the system's error */
#define NAME_MAX_SIZE 31           /* bytes of the program's name */

static const char *const level_names[] = {
    [SLV_LOG_EMERG] = "emerg", [SLV_LOG_ALERT] = "alert", [SLV_LOG_CRIT] = "crit",
    [SLV_LOG_ERROR] = "error", [SLV_LOG_WARN] = "warn", [SLV_LOG_NOTICE] = "notice",
    [SLV_LOG_INFO] = "info", [SLV_LOG_DEBUG] = "debug",
};

static const struct log *default_log;
static enum slv_level stderr_level;
static const char *program = "selvage";

/* A line being put together; once it is cut, nothing more goes in. */
struct line {
    char text[LINE_SIZE];
    size_t used;
    bool cut;
};

/* Sets where lines without a log of their own go. */
void log_set_default(const struct log *log)
{
    default_log = log;
}

/* Sets which lines standard error gets besides. */
void log_set_stderr(enum slv_level level)
{
    stderr_level = level;
}

/* Sets what lines on standard error begin with. */
void log_set_name(const char *name)
{
    AN(name != NULL && strlen(name) <= NAME_MAX_SIZE);
    program = name;
}

/* Finds a level by its word. */
enum slv_level log_level_of(struct str word)
{
    for (int i = SLV_LOG_EMERG; i <= SLV_LOG_DEBUG; i++)
        if (str_eq(word, str_of(level_names[i])))
            return (enum slv_level)i;
    return (enum slv_level)0;
}

/* Says whether a line of a level would be written anywhere. */
bool log_wants(const struct log *log, enum slv_level level)
{
    log = log ? log : default_log;
    if (level <= stderr_level || (!log && level <= SLV_LOG_WARN))
        return true;
    for (; log; log = log->next)
        if (level <= log->level)
            return true;
    return false;
}

/* Adds bytes up to limit, control bytes as \xHH; what does not fit ends the line with "...". */
static void add_escaped(struct line *l, size_t limit, const char *p, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";

    AN(limit <= LINE_SIZE - sizeof "...\n");
    for (size_t i = 0; i < n && !l->cut; i++) {
        unsigned char u = (unsigned char)p[i];
        bool plain = u >= ' ' && u != 0x7f;

        if (l->used + (plain ? 1 : 4) > limit) {
            memcpy(l->text + l->used, "...", 3);
            l->used += 3;
            l->cut = true;
        } else if (plain) {
            l->text[l->used++] = p[i];
        } else {
            memcpy(l->text + l->used, (char[]){ '\\', 'x', digits[u >> 4], digits[u & 15] }, 4);
            l->used += 4;
        }
    }
}

/* Adds the text of the message, and what the system says. */
static void add_message(struct line *l, bool context, int error, const char *format, va_list args)
{
    size_t limit = LINE_SIZE - sizeof "...\n" - (context ? CONTEXT_ROOM : 0);
    char raw[LINE_SIZE];
    int n = vsnprintf(raw, sizeof raw, format, args);

    AN(n >= 0);
    add_escaped(l, limit - (error ? ERROR_ROOM : 0), raw,
                (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1);
    /* A text that had to be cut is still followed by the error and the context, which have room. */
    l->cut = false;
    if (error) {
        n = snprintf(raw, sizeof raw, " (%d: %s)", error, strerror(error));
        add_escaped(l, limit, raw, (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1);
        l->cut = false;
    }
}

/* Writes to one descriptor in one call. There is nobody left to tell where that fails. */
static void put(int fd, const struct iovec *iov, int count)
{
    ssize_t n;

    do
        n = writev(fd, iov, count);
    while (n < 0 && errno == EINTR);
}

/* Writes a line to all files of the log, and to standard error where it is wanted there. */
static void put_line(const struct log *log, enum slv_level level, struct line *l, size_t message)
{
    struct iovec whole = { l->text, l->used };
    bool on_stderr = false, somewhere = false;
    char head[NAME_MAX_SIZE + sizeof ": [notice] "];
    int n;

    for (; log; log = log->next) {
        if (level > log->level || log->file->fd < 0)
            continue;
        put(log->file->fd, &whole, 1);
        somewhere = true;
        on_stderr = on_stderr || !log->file->path;
    }
    if (on_stderr || (level > stderr_level && (somewhere || level > SLV_LOG_WARN)))
        return;
    n = snprintf(head, sizeof head, "%s: [%s] ", program, level_names[level]);
    put(STDERR_FILENO,
        (struct iovec[]){ { head, (size_t)n }, { l->text + message, l->used - message } }, 2);
}

/* Puts a line together and writes it. */
void log_vline(const struct log *log, const struct log_context *context, enum slv_level level,
               int error, const char *format, va_list args)
{
    int errno_kept = errno, n;
    char described[LINE_SIZE];
    struct line l;
    size_t message;

    AN(level >= SLV_LOG_EMERG && level <= SLV_LOG_DEBUG);
    log = log ? log : default_log;
    if (!log_wants(log, level))
        return;
    l.cut = false;
    n = snprintf(l.text, sizeof l.text, "%s [%s] %ld#%ld: ", stamp_now()->error_log,
                 level_names[level], (long)getpid(), (long)getpid());
    l.used = (size_t)n;
    if (context && context->number)
        l.used += (size_t)snprintf(l.text + l.used, sizeof l.text - l.used, "*%llu ",
                                   (unsigned long long)context->number);
    message = l.used;
    add_message(&l, context && context->describe, error, format, args);
    if (context && context->describe) {
        size_t size = context->describe(context->arg, described, sizeof described);

        /* As from snprintf(): it may tell more than it could write. */
        if (size > sizeof described)
            size = sizeof described - 1;
        add_escaped(&l, LINE_SIZE - sizeof "...\n", described, size);
    }
    l.text[l.used++] = '\n';
    AN(l.used <= sizeof l.text);
    put_line(log, level, &l, message);
    errno = errno_kept;
}

/* The same with the arguments in place. */
void log_line(const struct log *log, const struct log_context *context, enum slv_level level,
              int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_vline(log, context, level, error, format, args);
    va_end(args);
}
