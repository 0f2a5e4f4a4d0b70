/*
 * reply.c - reads answers off a connection's output, as a strict client would.
 */
#include "reply.h"

#include "http/token.h"

/* Takes a line off s, without its CRLF. 0, 1 where it is not complete, -1 where it is no line. */
static int take_line(struct str *s, struct str *line)
{
    const char *lf = s->n ? memchr(s->p, '\n', s->n) : NULL;
    size_t n = lf ? (size_t)(lf - s->p) : 0;

    if (!lf)
        return 1;
    if (n == 0 || lf[-1] != '\r')
        return -1;
    *line = (struct str){ s->p, n - 1 };
    *s = str_from(*s, n + 1);
    return line->n && memchr(line->p, '\r', line->n) ? -1 : 0;
}

/* "HTTP/1.1 200 OK" */
static int status_of(struct str line)
{
    const struct str start = STR("HTTP/1.1 ");
    int status = 0;

    if (!str_starts(line, start) || line.n < start.n + 4 || line.p[start.n + 3] != ' ')
        return -1;
    for (size_t i = start.n; i < start.n + 3; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return -1;
        status = status * 10 + (line.p[i] - '0');
    }
    return status >= 100 && status <= 599 ? status : -1;
}

/* What the fields said. */
struct fields {
    unsigned dates, connections, lengths, codings;
    uint64_t length;
};

/* Reads one field line. */
static int read_field(struct str line, struct fields *f, struct reply *r)
{
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    struct str name, value;

    if (!colon)
        return -1;
    name = (struct str){ line.p, (size_t)(colon - line.p) };
    value = str_trim(str_from(line, name.n + 1));
    if (!token_valid(name))
        return -1;
    if (str_ieq(name, STR("date"))) {
        f->dates++;
    } else if (str_ieq(name, STR("connection"))) {
        f->connections++;
        r->close = token_list_has(value, STR("close"));
        if (r->close == token_list_has(value, STR("keep-alive")))
            return -1;
    } else if (str_ieq(name, STR("content-length"))) {
        f->lengths++;
        return digits_parse(value, &f->length);
    } else if (str_ieq(name, STR("transfer-encoding"))) {
        f->codings++;
        return str_eq(value, STR("chunked")) ? 0 : -1;
    }
    return 0;
}

/* A chunk's size, in lower-case hex without leading zeros (H-22). */
static int chunk_size(struct str line, size_t *size)
{
    *size = 0;
    if (line.n == 0 || line.n > 8 || (line.n > 1 && line.p[0] == '0'))
        return -1;
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];

        if (c >= '0' && c <= '9')
            *size = *size * 16 + (size_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *size = *size * 16 + (size_t)(c - 'a') + 10;
        else
            return -1;
    }
    return 0;
}

/* Takes a chunked body off s. */
static enum reply_result take_chunks(struct str *s, struct reply *r)
{
    const char *begin = s->p;

    for (;;) {
        struct str line;
        size_t size = 0;
        int rc = take_line(s, &line);

        if (rc > 0)
            return REPLY_CUT;
        if (rc < 0 || chunk_size(line, &size))
            return REPLY_MALFORMED;
        if (s->n < size + 2)
            return REPLY_CUT;
        if (s->p[size] != '\r' || s->p[size + 1] != '\n')
            return REPLY_MALFORMED;
        *s = str_from(*s, size + 2);
        r->payload += size;
        if (size == 0)
            break;
    }
    r->body = (struct str){ begin, (size_t)(s->p - begin) };
    return REPLY_OK;
}

/* Takes the body off s. */
static enum reply_result take_body(struct str *s, const struct fields *f, struct reply *r)
{
    r->chunked = f->codings == 1;
    if (r->chunked)
        return take_chunks(s, r);
    r->body = *s;
    if (f->lengths == 1) {
        if (s->n < f->length)
            return REPLY_CUT;
        r->body.n = f->length;
    } else {
        r->to_the_end = true;
    }
    r->payload = r->body.n;
    *s = str_from(*s, r->body.n);
    return r->to_the_end && !r->close ? REPLY_MALFORMED : REPLY_OK;
}

/* Takes the next answer. */
enum reply_result reply_next(struct str *out, bool head_only, struct reply *r)
{
    struct str at = *out, line;
    struct fields f = { 0 };
    enum reply_result result;
    int rc;

    *r = (struct reply){ 0 };
    rc = take_line(&at, &line);
    if (rc)
        return rc > 0 ? REPLY_CUT : REPLY_MALFORMED;
    r->status = status_of(line);
    if (r->status < 0)
        return REPLY_MALFORMED;
    for (;;) {
        rc = take_line(&at, &line);
        if (rc)
            return rc > 0 ? REPLY_CUT : REPLY_MALFORMED;
        if (line.n == 0)
            break;
        if (read_field(line, &f, r))
            return REPLY_MALFORMED;
    }
    r->head = (struct str){ out->p, (size_t)(at.p - out->p) };
    r->body = (struct str){ at.p, 0 };
    if (f.lengths + f.codings > 1)
        return REPLY_MALFORMED;
    if (r->status >= 200 && (f.dates != 1 || f.connections != 1))
        return REPLY_MALFORMED;
    if (r->status < 200 || r->status == 204 || r->status == 304) {
        if (f.lengths + f.codings)
            return REPLY_MALFORMED;
        *out = at;
        return REPLY_OK;
    }
    result = head_only ? REPLY_OK : take_body(&at, &f, r);
    if (result == REPLY_OK)
        *out = at;
    return result;
}

/* The value of a field. */
struct str reply_field(const struct reply *r, struct str name)
{
    struct str at = r->head, line;

    while (take_line(&at, &line) == 0)
        if (line.n > name.n && line.p[name.n] == ':'
            && str_ieq((struct str){ line.p, name.n }, name))
            return str_trim(str_from(line, name.n + 1));
    return (struct str){ NULL, 0 };
}
