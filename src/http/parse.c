/*
 * parse.c - bytes into a request: llhttp, and what RFC 9112 wants beyond it.
 */
#include "http/parse.h"

#include "base/check.h"
#include "http/judge.h"
#include "http/scan.h"
#include "http/token.h"

#include <llhttp.h>

/* A method is told apart from garbage by this many bytes. */
#define METHOD_MAX 32

/* Chunk extensions and trailers may take this much without a byte of payload in between. */
#define QUIET_MAX (16 * 1024)

struct parse {
    unsigned magic;
#define PARSE_MAGIC 0x9a45e001u
    llhttp_t ll;
    struct exchange *x;
    size_t size;                   /* of the head's bytes that are there now */
    size_t fed;                    /* of them, given to llhttp */
    size_t quiet;                  /* bytes of a chunked body since the last payload */
    const char *mark;              /* of the bytes being parsed, up to here quiet is up to date */
    bool head_done;
    bool trailers;                 /* the last chunk's size line has been passed */
    char last;                     /* the byte before those of the trailers that come next */
};

/* The parser behind llhttp's. */
static struct parse *parser_behind(llhttp_t *ll)
{
    struct parse *p;

    CAST_OBJ(p, ll->data, PARSE_MAGIC);
    return p;
}

/* The exchange behind llhttp's parser. */
static struct exchange *exchange_behind(llhttp_t *ll)
{
    return parser_behind(ll)->x;
}

/* Part of the target. */
static int on_url(llhttp_t *ll, const char *at, size_t n)
{
    struct str *target = &exchange_behind(ll)->req.raw_target;

    if (!target->p)
        target->p = at;
    target->n = (size_t)(at + n - target->p);
    return 0;
}

/* Part of a field name, of the head or of the trailers, which are dropped. */
static int on_header_field(llhttp_t *ll, const char *at, size_t n)
{
    struct parse *p = parser_behind(ll);
    struct exchange *x = p->x;
    struct slv_header *field;
    size_t count = x->req.header_count;

    if (p->head_done || n == 0)
        return 0;
    if (count) {
        struct str *last = &x->fields[count - 1].name;

        if (last->p + last->n == at) {
            last->n += n;
            return 0;
        }
    }
    field = exchange_add_field(x);
    if (!field) {
        exchange_refuse(x, 431, CLOSE_HEADER_TOO_LARGE);
        return HPE_USER;
    }
    *field = (struct slv_header){ { at, n }, { NULL, 0 } };
    return 0;
}

/* Part of a field value. What lies between two parts is judged by walk_head(). */
static int on_header_value(llhttp_t *ll, const char *at, size_t n)
{
    struct parse *p = parser_behind(ll);
    struct exchange *x = p->x;
    struct str *value;

    if (p->head_done || n == 0)
        return 0;
    if (x->req.header_count == 0) {
        exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        return HPE_USER;
    }
    value = &x->fields[x->req.header_count - 1].value;
    if (!value->p) {
        *value = (struct str){ at, n };
        return 0;
    }
    /* A gap: the value was folded over two lines, which llhttp joins and we refuse. */
    if (value->p + value->n != at) {
        exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        return HPE_USER;
    }
    value->n += n;
    return 0;
}

/* The method's number, for the methods that have a meaning here. */
static enum slv_method method_of(struct str name)
{
    static const struct {
        struct str name;
        enum slv_method method;
    } methods[] = {
        { STR_INIT("GET"), SLV_GET },         { STR_INIT("HEAD"), SLV_HEAD },
        { STR_INIT("POST"), SLV_POST },       { STR_INIT("PUT"), SLV_PUT },
        { STR_INIT("DELETE"), SLV_DELETE },   { STR_INIT("OPTIONS"), SLV_OPTIONS },
        { STR_INIT("PATCH"), SLV_PATCH },     { STR_INIT("CONNECT"), SLV_CONNECT },
        { STR_INIT("TRACE"), SLV_TRACE },
    };

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (str_eq(name, methods[i].name))
            return methods[i].method;
    return SLV_METHOD_OTHER;
}

/* Refuses the request line. */
static size_t bad_line(struct exchange *x)
{
    exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    return 0;
}

/*
 * Walks the request line: exactly one space on each side of the target, "HTTP/d.d", CRLF. Returns
 * the length of the line with its CRLF, or 0 after refusing.
 */
static size_t walk_line(struct exchange *x, const char *head, size_t size)
{
    static const struct str http = STR_INIT(" HTTP/");
    struct slv_request *r = &x->req;
    const char *lf = memchr(head, '\n', size), *end;
    struct str rest;

    if (!lf || lf == head || lf[-1] != '\r')
        return bad_line(x);
    r->line = (struct str){ head, (size_t)(lf - 1 - head) };
    if (r->line.n + 2 > x->limits->header_buffer) {
        exchange_refuse(x, 414, CLOSE_HEADER_TOO_LARGE);
        return 0;
    }
    end = head + r->method_name.n;
    if (r->raw_target.p != end + 1 || *end != ' ')
        return bad_line(x);
    rest = str_from(r->line, r->method_name.n + 1 + r->raw_target.n);
    if (rest.n != http.n + 3 || !str_starts(rest, http) || rest.p[http.n + 1] != '.')
        return bad_line(x);
    if (rest.p[http.n] != '1') {
        exchange_refuse(x, rest.p[http.n] == '0' ? 400 : 505, CLOSE_BAD_VERSION);
        return 0;
    }
    /* A later minor version is served as 1.1 (RFC 9110 section 2.5). */
    r->version = rest.p[http.n + 2] == '0' ? 10 : 11;
    return r->line.n + 2;
}

/* Refuses a field line. */
static const char *bad_field(struct exchange *x)
{
    exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    return NULL;
}

/*
 * Walks one field line at at: name, colon, white space, value, CRLF, as llhttp's views say and
 * nothing else. Returns the place behind it, or NULL after refusing.
 */
static const char *walk_field(struct exchange *x, struct slv_header *f, const char *at,
                              const char *end)
{
    const char *begin = at, *value;

    if (f->name.p != at || f->name.n == 0 || at + f->name.n >= end || at[f->name.n] != ':')
        return bad_field(x);
    value = blanks_skip(at + f->name.n + 1, end);
    if (f->value.n && f->value.p != value)
        return bad_field(x);
    at = blanks_skip(value + f->value.n, end);
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return bad_field(x);
    if ((size_t)(at - begin) + 2 > x->limits->header_buffer) {
        exchange_refuse(x, 431, CLOSE_HEADER_TOO_LARGE);
        return NULL;
    }
    f->value.p = value;
    while (f->value.n && is_blank(value[f->value.n - 1]))
        f->value.n--;
    /* In place: the bytes are the reader's own and may be changed. */
    ascii_lower((char *)(uintptr_t)f->name.p, f->name.p, f->name.n);
    return at + 2;
}

/* Walks all lines of the head and finds its end. */
static int walk_head(struct exchange *x, const char *head, size_t size)
{
    const char *end = head + size, *at;
    size_t line = walk_line(x, head, size);

    if (!line)
        return -1;
    at = head + line;
    for (size_t i = 0; i < x->req.header_count; i++) {
        at = walk_field(x, &x->fields[i], at, end);
        if (!at)
            return -1;
    }
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    x->head_size = (size_t)(at + 2 - head);
    if (x->head_size > x->limits->header_buffer * x->limits->header_buffers)
        return exchange_refuse(x, 431, CLOSE_HEADER_TOO_LARGE);
    return 0;
}

/*
 * llhttp has seen the end of the head. Pauses where a body follows, so that the application is
 * asked.
 */
static int on_headers_complete(llhttp_t *ll)
{
    struct exchange *x = exchange_behind(ll);
    struct parse *p = x->parse;

    p->head_done = true;
    if (walk_head(x, x->head, p->size) || judge_head(x))
        return -1;
    /* The core decides about upgrades; for llhttp this is a message like any other. */
    ll->upgrade = 0;
    return x->body_expected ? HPE_PAUSED : 0;
}

/* Bytes up to at were no payload. Chunk sizes, extensions and trailers are bounded like a field. */
static int count_quiet(struct exchange *x, const char *at)
{
    struct parse *p = x->parse;

    p->quiet += (size_t)(at - p->mark);
    p->mark = at;
    return p->quiet > QUIET_MAX ? exchange_refuse(x, 400, CLOSE_BAD_REQUEST) : 0;
}

/* The largest body that is taken; an answered request's is dropped, which h1.c bounds. 0: any. */
static int64_t body_max(const struct exchange *x)
{
    return x->answer == ANSWER_NONE || x->answer == ANSWER_LATER ? x->limits->body_max : 0;
}

/* Payload. */
static int on_body(llhttp_t *ll, const char *at, size_t n)
{
    struct exchange *x = exchange_behind(ll);

    if (n == 0)
        return 0;
    if (count_quiet(x, at))
        return HPE_USER;
    x->parse->quiet = 0;
    x->parse->mark = at + n;
    x->body_received += (int64_t)n;
    if (body_max(x) && x->body_received > body_max(x)) {
        exchange_refuse(x, 413, CLOSE_BODY_TOO_LARGE);
        return HPE_USER;
    }
    if (x->answer == ANSWER_NONE)
        x->hooks->body(x, at, n);
    return 0;
}

/* A chunk's size is known: too long a body is refused before it is read. */
static int on_chunk_header(llhttp_t *ll)
{
    struct exchange *x = exchange_behind(ll);
    int64_t max = body_max(x);

    if (ll->content_length == 0) {
        /* The last chunk: what follows is looked at byte by byte. */
        x->parse->trailers = true;
        x->parse->last = '\n';
        return HPE_PAUSED;
    }
    if (ll->content_length > INT64_MAX
        || (max && (int64_t)ll->content_length > max - x->body_received)) {
        exchange_refuse(x, 413, CLOSE_BODY_TOO_LARGE);
        return -1;
    }
    return 0;
}

/* The message has ended; what follows is the next one's. */
static int on_message_complete(llhttp_t *ll)
{
    exchange_behind(ll)->body_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_message_complete = on_message_complete,
};

void parse_begin(struct exchange *x)
{
    struct parse *p = arena_alloc(&x->message, sizeof *p);

    p->magic = PARSE_MAGIC;
    p->x = x;
    p->size = p->fed = p->quiet = 0;
    p->mark = NULL;
    p->head_done = p->trailers = false;
    x->parse = p;
    x->target = arena_zalloc(&x->message, sizeof *x->target);
}

/* The head is not plain: llhttp takes it from its first byte on. */
static void begin_llhttp(struct parse *p)
{
    llhttp_init(&p->ll, HTTP_REQUEST, &settings);
    p->ll.data = p;
    /* Any HTTP/d.d passes here, so that walk_line() can tell 505 from 400. */
#if LLHTTP_VERSION_MAJOR >= 9
    llhttp_set_lenient_version(&p->ll, 1);
#else
    p->ll.lenient_flags |= LENIENT_VERSION;
#endif
}

/*
 * The method, before llhttp sees it: a token and a space, so that an unknown method (501) can be
 * told from garbage (400) however the bytes arrive. PARSE_DONE: it is there.
 */
static enum parse_event scan_method(struct exchange *x, size_t size)
{
    size_t n = 0;

    while (n < size && n < METHOD_MAX && x->head[n] != ' ')
        n++;
    if (n && !token_valid((struct str){ x->head, n })) {
        exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        return PARSE_REFUSED;
    }
    if (n == METHOD_MAX) {
        exchange_refuse(x, 501, CLOSE_NOT_IMPLEMENTED);
        return PARSE_REFUSED;
    }
    if (n == size)
        return PARSE_MORE;
    if (n == 0) {
        exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        return PARSE_REFUSED;
    }
    x->req.method_name = (struct str){ x->head, n };
    x->req.method = method_of(x->req.method_name);
    return PARSE_DONE;
}

/* A refusal by llhttp, as a status. */
static enum parse_event refused(struct exchange *x, llhttp_errno_t error)
{
    if (error == HPE_INVALID_METHOD)
        exchange_refuse(x, 501, CLOSE_NOT_IMPLEMENTED);
    else if (error == HPE_PAUSED_H2_UPGRADE)
        exchange_refuse(x, 505, CLOSE_BAD_VERSION);
    else
        exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    return PARSE_REFUSED;
}

/* The head goes on; is it too long already? */
static enum parse_event check_growth(struct exchange *x, size_t size)
{
    const struct h1_limits *limits = x->limits;

    if (size > limits->header_buffer && !memchr(x->head, '\n', limits->header_buffer)) {
        exchange_refuse(x, 414, CLOSE_HEADER_TOO_LARGE);
        return PARSE_REFUSED;
    }
    if (size > limits->header_buffer * limits->header_buffers) {
        exchange_refuse(x, 431, CLOSE_HEADER_TOO_LARGE);
        return PARSE_REFUSED;
    }
    return PARSE_MORE;
}

/* parse_head(), but for what a refusal leaves behind. */
static enum parse_event take_head(struct exchange *x, size_t size)
{
    struct parse *p = x->parse;
    enum parse_event event;
    llhttp_errno_t error;

    if (!x->req.method_name.p) {
        event = scan_method(x, size);
        if (event != PARSE_DONE)
            return event;
    }
    if (p->fed == 0) {
        if (scan_head(x, size)) {
            p->head_done = x->body_done = true;
            return judge_head(x) ? PARSE_REFUSED : PARSE_DONE;
        }
        begin_llhttp(p);
    }
    p->size = size;
    error = llhttp_execute(&p->ll, x->head + p->fed, size - p->fed);
    p->fed = size;
    if (x->refusal)
        return PARSE_REFUSED;
    if (error == HPE_OK)
        return check_growth(x, size);
    if (error != HPE_PAUSED)
        return refused(x, error);
    AN(p->head_done);
    if (x->body_done)
        return PARSE_DONE;
    llhttp_resume(&p->ll);
    return PARSE_HEAD;
}

enum parse_event parse_head(struct exchange *x, size_t size)
{
    struct str *line = &x->req.line;
    enum parse_event event;
    const char *lf;

    CHECK_OBJ(x->parse, PARSE_MAGIC);
    AN(!x->parse->head_done && size > x->parse->fed);
    event = take_head(x, size);
    if (event == PARSE_REFUSED && !line->p) {
        /* The log shows what came, however little of a request line it is. */
        if (size > x->limits->header_buffer)
            size = x->limits->header_buffer;
        lf = memchr(x->head, '\n', size);
        *line = (struct str){ x->head, lf ? (size_t)(lf - x->head) : size };
        if (line->n && line->p[line->n - 1] == '\r')
            line->n--;
    }
    return event;
}

/*
 * Walks bytes of the trailers, which are dropped, as strictly as fields: llhttp would take a bare
 * LF for the end of the message, and a fold.
 */
static int walk_trailers(struct exchange *x, const char *at, const char *end)
{
    struct parse *p = x->parse;

    for (; at < end; p->last = *at++) {
        bool begins = p->last == '\n';

        if ((*at == '\n' && p->last != '\r')
            || (begins && (*at == ' ' || *at == '\t' || *at == ':')))
            return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    }
    return 0;
}

enum parse_event parse_body(struct exchange *x, const char *data, size_t n, size_t *used)
{
    struct parse *p = x->parse;
    const char *at = data, *end = data + n;
    llhttp_errno_t error;

    CHECK_OBJ(p, PARSE_MAGIC);
    AN(p->head_done && !x->body_done && n > 0);
    p->mark = data;
    *used = n;
    for (;;) {
        const char *stop = end;
        bool trailers = p->trailers;

        error = llhttp_execute(&p->ll, at, (size_t)(end - at));
        if (x->refusal)
            return PARSE_REFUSED;
        if (error == HPE_PAUSED)
            stop = llhttp_get_error_pos(&p->ll);
        else if (error != HPE_OK)
            return refused(x, error);
        AN(at <= stop && stop <= end);
        if (count_quiet(x, stop) || (trailers && walk_trailers(x, at, stop)))
            return PARSE_REFUSED;
        at = stop;
        if (error == HPE_OK)
            return PARSE_MORE;
        llhttp_resume(&p->ll);
        if (x->body_done || at == end)
            break;
    }
    *used = (size_t)(at - data);
    return x->body_done ? PARSE_DONE : PARSE_MORE;
}

/* A view follows the head from one place to another, if it lies in it. */
static void move_view(struct str *view, const char *from, size_t size, const char *to)
{
    if (view->p && view->p >= from && view->p <= from + size)
        view->p = to + (view->p - from);
}

void exchange_move(struct exchange *x, const char *to)
{
    const char *from = x->head;
    size_t size = x->head_size ? x->head_size : x->parse->fed;
    struct slv_request *r = &x->req;
    struct target *t = x->target;
    struct str *views[] = { &r->method_name, &r->line, &r->raw_target, &r->path, &r->args, &r->host,
                            &t->authority, &t->path, &t->args };

    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        move_view(views[i], from, size, to);
    for (size_t i = 0; i < r->header_count; i++) {
        move_view(&x->fields[i].name, from, size, to);
        move_view(&x->fields[i].value, from, size, to);
    }
    x->head = to;
}
