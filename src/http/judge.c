/*
 * judge.c - is a head whose lines are known one that may be served?
 */
#include "http/judge.h"

#include "base/check.h"
#include "http/token.h"

/* Names of the fields that the server looks at, by a small perfect-enough hash of their ends. */
static enum slv_known_header known_header(struct str name)
{
    static const struct str names[] = {
#define X(id, text) STR_INIT(text),
        SLV_KNOWN_HEADERS(X)
#undef X
    };
    static uint8_t bucket[64], chain[SLV_H_COUNT + 1];
    static bool ready;
#define NAME_HASH(s) \
    (((s).n * 5 + (unsigned char)(s).p[0] + 7u * (unsigned char)(s).p[(s).n - 1]) & 63)

    if (!ready) {
        for (uint8_t i = 0; i < SLV_H_COUNT; i++) {
            size_t h = NAME_HASH(names[i]);

            chain[i + 1] = bucket[h];
            bucket[h] = (uint8_t)(i + 1);
        }
        ready = true;
    }
    for (uint8_t i = bucket[NAME_HASH(name)]; i; i = chain[i])
        if (str_eq(names[i - 1], name))
            return (enum slv_known_header)(i - 1);
    return SLV_H_COUNT;
#undef NAME_HASH
}

/* Finds the known fields. Host twice is refused (RFC 9112 section 3.2). 0 or -1. */
static int find_known(struct exchange *x)
{
    struct slv_request *r = &x->req;

    for (size_t i = 0; i < r->header_count; i++) {
        enum slv_known_header known = known_header(x->fields[i].name);

        if (known == SLV_H_COUNT)
            continue;
        if (!r->known[known])
            r->known[known] = (uint8_t)(i + 1);
        else if (known == SLV_H_HOST)
            return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        else
            x->repeated |= UINT32_C(1) << known;
    }
    return 0;
}

/* Target and Host (RFC 9112 section 3.2). */
static int judge_target(struct exchange *x)
{
    struct slv_request *r = &x->req;
    struct str host = slv_header_in(r, SLV_H_HOST), port;
    char *lower;

    if (r->method == SLV_CONNECT)
        return exchange_refuse(x, 405, CLOSE_NOT_IMPLEMENTED);
    if (target_parse(r->raw_target, r->method == SLV_OPTIONS, x->target))
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    if (!host.p && r->version >= 11)
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    if (x->target->form == TARGET_ABSOLUTE) {
        if (host.p && !target_host_valid(host))
            return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
        host = x->target->authority;
    }
    r->host = (struct str){ "", 0 };
    if (host.n == 0)
        return 0;
    lower = arena_alloc(&x->arena, host.n + 1);
    if (target_host_split(host, lower, host.n + 1, &r->host, &port))
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    return 0;
}

/* Transfer-Encoding: the one coding that we have is chunked, once (RFC 9112 section 6.1). */
static int judge_coding(struct exchange *x)
{
    unsigned chunked = 0;

    for (size_t i = 0; i < x->req.header_count; i++) {
        struct str list = x->fields[i].value, coding;
        unsigned codings = 0;

        if (!str_eq(x->fields[i].name, STR("transfer-encoding")))
            continue;
        while (token_list_next(&list, &coding)) {
            codings++;
            if (!str_ieq(coding, STR("chunked")))
                return exchange_refuse(x, 501, CLOSE_NOT_IMPLEMENTED);
            chunked++;
        }
        if (codings == 0)
            return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    }
    if (chunked != 1 || x->req.version < 11 || x->req.known[SLV_H_CONTENT_LENGTH])
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    x->req.content_length = -1;
    x->body_expected = true;
    return 0;
}

/*
 * Content-Length and Transfer-Encoding. llhttp has refused repeated and malformed lengths
 * already.
 */
static int judge_framing(struct exchange *x)
{
    struct str length = slv_header_in(&x->req, SLV_H_CONTENT_LENGTH);
    uint64_t n = 0;

    if (x->req.known[SLV_H_TRANSFER_ENCODING])
        return judge_coding(x);
    if (length.p && digits_parse(length, &n))
        return exchange_refuse(x, 400, CLOSE_BAD_REQUEST);
    if (n > INT64_MAX)
        return exchange_refuse(x, 413, CLOSE_BODY_TOO_LARGE);
    x->req.content_length = (int64_t)n;
    x->body_expected = n > 0;
    return 0;
}

/* Any field of that known name has the token in its list. */
static bool any_list_has(const struct exchange *x, enum slv_known_header h, struct str token)
{
    size_t i = x->req.known[h];
    struct str name;

    if (!i)
        return false;
    if (token_list_has(x->fields[i - 1].value, token))
        return true;
    if (!(x->repeated & UINT32_C(1) << h))
        return false;
    for (name = x->fields[i - 1].name; i < x->req.header_count; i++)
        if (str_eq(x->fields[i].name, name) && token_list_has(x->fields[i].value, token))
            return true;
    return false;
}

/* Connection (W-25..29: token lists, any case), Upgrade and Expect. */
static int judge_connection(struct exchange *x)
{
    struct str expect = slv_header_in(&x->req, SLV_H_EXPECT);
    struct str connection = slv_header_in(&x->req, SLV_H_CONNECTION);
    bool repeated = x->repeated & UINT32_C(1) << SLV_H_CONNECTION;
    bool listed = connection.p != NULL;

    /* What browsers say, word for word, says nothing new of HTTP/1.1. */
    if (x->req.version >= 11 && !repeated && str_eq(connection, STR("keep-alive")))
        listed = false;
    x->wants_close = listed && any_list_has(x, SLV_H_CONNECTION, STR("close"));
    if (x->req.version < 11) {
        if (!listed || !any_list_has(x, SLV_H_CONNECTION, STR("keep-alive")))
            x->wants_close = true;
        return 0;
    }
    x->upgrade = listed && x->req.known[SLV_H_UPGRADE]
        && any_list_has(x, SLV_H_CONNECTION, STR("upgrade"));
    if (!expect.p)
        return 0;
    if (!str_ieq(expect, STR("100-continue")))
        return exchange_refuse(x, 417, CLOSE_BAD_REQUEST);
    x->expect_continue = x->body_expected;
    return 0;
}

/*
 * The known fields are found only now: a name is not compared directly after it was written,
 * because the processor would have to wait for its bytes.
 */
int judge_head(struct exchange *x)
{
    return find_known(x) || judge_target(x) || judge_framing(x) || judge_connection(x) ? -1 : 0;
}
