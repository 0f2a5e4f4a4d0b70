/*
 * deflate.c - permessage-deflate: compressed messages.
 */
#include "deflate.h"

#include <stdlib.h>
#include <zlib.h>

/* Of a z_stream for each direction, as zconf.h estimates them; inflate's window is 2^bits. */
#define INFLATE_BASE 8192
#define DEFLATE_BASE 6144

/* Streams for inflating that are kept for the next message. */
#define SHELF 8

/* Output is asked for in steps of this size. */
#define STEP 4096

static int64_t held;
static z_stream *inflate_shelf[SHELF];
static size_t inflate_shelved;
static z_stream *deflate_shared[16];   /* by window bits; 8: see new_deflate() */

struct deflate {
    struct deflate_terms terms;
    int64_t memory;                /* the worker's budget */
    int64_t cost;                  /* what is reserved of it for the connection's life */
    z_stream *out;                 /* NULL: the worker's, or not yet needed */
    z_stream *in;                  /* NULL between two messages without takeover */
    bool in_counted;               /* in is taken from the budget for one message */
};

/* Memory or the end of the worker. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

void bytes_reserve(struct bytes *b, size_t n)
{
    size_t room = b->room * 2;

    if (b->n + n <= b->room)
        return;
    if (room < b->n + n)
        room = b->n + n;
    b->p = must(realloc(b->p, room));
    b->room = room;
}

void bytes_add(struct bytes *b, const char *data, size_t n)
{
    if (!n)
        return;
    bytes_reserve(b, n);
    memcpy(b->p + b->n, data, n);
    b->n += n;
}

void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){ NULL, 0, 0 };
}

/* ---- The budget ----------------------------------------------------------------------------- */

/* zlib's own advice: small windows go with small hash tables. */
static int level_of(int window)
{
    return window >= 15 ? 8 : window - 7 > 1 ? window - 7 : 1;
}

/* Bytes of a stream that compresses. */
static int64_t deflate_cost(int window)
{
    return DEFLATE_BASE + ((int64_t)1 << (window + 2)) + ((int64_t)1 << (level_of(window) + 9));
}

/* Bytes of one that does the opposite. */
static int64_t inflate_cost(int window)
{
    return INFLATE_BASE + ((int64_t)1 << window);
}

/* Bytes that a connection with these terms holds on to. */
static int64_t terms_cost(const struct deflate_terms *t)
{
    return (t->server_takeover ? deflate_cost(t->server_window) : 0)
        + (t->client_takeover ? inflate_cost(t->client_window) : 0);
}

int64_t deflate_held(void)
{
    return held;
}

/* ---- Streams -------------------------------------------------------------------------------- */

/*
 * A stream that inflates. Senders that use zlib take 9 bits where 8 were agreed, and nothing is
 * lost by letting them.
 */
static z_stream *take_inflate(int window)
{
    int bits = window < 9 ? 9 : window;
    z_stream *z;

    if (inflate_shelved) {
        z = inflate_shelf[--inflate_shelved];
        inflateReset2(z, -bits);
        return z;
    }
    z = must(calloc(1, sizeof *z));
    if (inflateInit2(z, -bits) != Z_OK)
        abort();
    return z;
}

/* Puts it back. */
static void give_inflate(z_stream *z)
{
    if (inflate_shelved < SHELF) {
        inflate_shelf[inflate_shelved++] = z;
        return;
    }
    inflateEnd(z);
    free(z);
}

/*
 * A stream that compresses. zlib has no window of 8 bits: with its smallest one and only runs of
 * equal bytes it never points back further than one byte, which is within any window.
 */
static z_stream *new_deflate(int window)
{
    z_stream *z = must(calloc(1, sizeof *z));
    int bits = window < 9 ? 9 : window;

    if (deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, level_of(bits),
                     window < 9 ? Z_RLE : Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    return z;
}

/* The stream for a message of this connection. */
static z_stream *deflate_of(struct deflate *d)
{
    z_stream **z = d->terms.server_takeover ? &d->out : &deflate_shared[d->terms.server_window];

    if (!*z)
        *z = new_deflate(d->terms.server_window);
    return *z;
}

void deflate_clear(void)
{
    while (inflate_shelved) {
        z_stream *z = inflate_shelf[--inflate_shelved];

        inflateEnd(z);
        free(z);
    }
    for (size_t i = 0; i < sizeof deflate_shared / sizeof *deflate_shared; i++) {
        if (deflate_shared[i])
            deflateEnd(deflate_shared[i]);
        free(deflate_shared[i]);
        deflate_shared[i] = NULL;
    }
}

struct deflate *deflate_new(const struct deflate_terms *terms,
                            const struct deflate_settings *settings)
{
    struct deflate *d = must(calloc(1, sizeof *d));

    d->terms = *terms;
    d->memory = settings->memory;
    d->cost = terms_cost(terms);
    held += d->cost;
    return d;
}

/* The message at hand is over: its stream goes back, unless it is the connection's. */
static void end_input(struct deflate *d)
{
    if (!d->in || (d->terms.client_takeover && !d->in_counted))
        return;
    give_inflate(d->in);
    d->in = NULL;
    held -= d->in_counted ? inflate_cost(d->terms.client_window) : 0;
    d->in_counted = false;
}

void deflate_free(struct deflate **pd)
{
    struct deflate *d = *pd;

    if (!d)
        return;
    *pd = NULL;
    d->terms.client_takeover = false;
    end_input(d);
    if (d->out) {
        deflateEnd(d->out);
        free(d->out);
    }
    held -= d->cost;
    free(d);
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* Inflates bytes into out. */
static enum inflate_result run_inflate(z_stream *z, const char *data, size_t n, size_t max,
                                       struct bytes *out)
{
    int result;

    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)n;
    do {
        /* One byte beyond the limit tells that there is more. */
        size_t step = max + 1 - out->n < STEP ? max + 1 - out->n : STEP;

        bytes_reserve(out, step);
        if (out->room - out->n > step)
            step = out->room - out->n < max + 1 - out->n ? out->room - out->n : max + 1 - out->n;
        z->next_out = (Bytef *)out->p + out->n;
        z->avail_out = (uInt)step;
        result = inflate(z, Z_SYNC_FLUSH);
        out->n += step - z->avail_out;
        if (out->n > max)
            return INFLATE_FULL;
        /*
         * A block said that it was the last one, which a sender may do (RFC 7692 section 7.2.3.4).
         * What follows is another stream for zlib, but looks back into the same window.
         */
        if (result == Z_STREAM_END)
            inflateResetKeep(z);
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return INFLATE_BAD;
    } while (z->avail_in || !z->avail_out);
    return INFLATE_OK;
}

enum inflate_result deflate_read(struct deflate *d, const char *data, size_t n, bool ends,
                                 size_t max, struct bytes *out)
{
    static const char tail[] = { 0, 0, (char)0xff, (char)0xff };
    enum inflate_result result;

    if (!d->in) {
        if (!d->terms.client_takeover) {
            if (held + inflate_cost(d->terms.client_window) > d->memory)
                return INFLATE_MEMORY;
            d->in_counted = true;
            held += inflate_cost(d->terms.client_window);
        }
        d->in = take_inflate(d->terms.client_window);
    }
    result = n ? run_inflate(d->in, data, n, max, out) : INFLATE_OK;
    if (result == INFLATE_OK && ends) {
        result = run_inflate(d->in, tail, sizeof tail, max, out);
        end_input(d);
    }
    return result;
}

void deflate_write(struct deflate *d, const char *data, size_t n, struct bytes *out)
{
    z_stream *z = deflate_of(d);
    size_t bound = deflateBound(z, (uLong)n) + 16;

    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)n;
    do {
        bytes_reserve(out, bound);
        z->next_out = (Bytef *)out->p + out->n;
        z->avail_out = (uInt)(out->room - out->n);
        if (deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR)
            abort();
        out->n = out->room - z->avail_out;
        bound = STEP;
    } while (!z->avail_out);
    /* The end of a flush is left out, and put back by the peer. */
    out->n -= 4;
    if (!d->terms.server_takeover)
        deflateReset(z);
}

/* ---- What is agreed ------------------------------------------------------------------------- */

/* Bytes of a token (RFC 9110 section 5.6.2). */
static bool is_token_byte(char b)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
        || (b && strchr(marks, b));
}

/* Takes a token from the front of rest. */
static struct str take_token(struct str *rest)
{
    struct str token = { rest->p, 0 };

    while (token.n < rest->n && is_token_byte(rest->p[token.n]))
        token.n++;
    *rest = str_trim(str_from(*rest, token.n));
    return token;
}

/* Takes a token or a quoted token: without its quotes they mean the same (RFC 6455 section 9.1). */
static struct str take_value(struct str *rest)
{
    struct str value;

    if (!rest->n || rest->p[0] != '"')
        return take_token(rest);
    *rest = str_from(*rest, 1);
    value = take_token(rest);
    if (!rest->n || rest->p[0] != '"')
        return (struct str){ NULL, 0 };
    *rest = str_trim(str_from(*rest, 1));
    return value;
}

/* 8 to 15 without leading zeros; 0: it is not. */
static int8_t window_bits(struct str value)
{
    if (value.n == 1 && (value.p[0] == '8' || value.p[0] == '9'))
        return (int8_t)(value.p[0] - '0');
    if (value.n == 2 && value.p[0] == '1' && value.p[1] >= '0' && value.p[1] <= '5')
        return (int8_t)(10 + value.p[1] - '0');
    return 0;
}

/* What one offer asks for. */
struct offer {
    bool ours, bad;                /* it is permessage-deflate; it cannot be accepted */
    bool server_plain, client_plain; /* no context takeover */
    bool server_said, client_said; /* window bits are named */
    int8_t server_window, client_window;
};

/* Notes a parameter of an offer; unknown, repeated or wrong ones spoil it (RFC 7692 section 7). */
static void note_parameter(struct offer *o, struct str name, bool valued, struct str value)
{
    bool *said;

    if (str_ieq(name, STR("server_no_context_takeover"))) {
        said = &o->server_plain;
        o->bad = o->bad || valued;
    } else if (str_ieq(name, STR("client_no_context_takeover"))) {
        said = &o->client_plain;
        o->bad = o->bad || valued;
    } else if (str_ieq(name, STR("server_max_window_bits"))) {
        said = &o->server_said;
        o->server_window = window_bits(value);
        o->bad = o->bad || !o->server_window;
    } else if (str_ieq(name, STR("client_max_window_bits"))) {
        said = &o->client_said;
        o->client_window = valued ? window_bits(value) : MAX_WBITS;
        o->bad = o->bad || !o->client_window;
    } else {
        o->bad = true;
        return;
    }
    o->bad = o->bad || *said;
    *said = true;
}

/* Reads one offer of the list. 0, or -1 where it is malformed. */
static int read_offer(struct str *rest, struct offer *o)
{
    struct str name = take_token(rest);

    *o = (struct offer){ .ours = str_ieq(name, STR("permessage-deflate")) };
    if (!name.n)
        return -1;
    while (rest->n && rest->p[0] == ';') {
        struct str parameter, value = { NULL, 0 };
        bool valued;

        *rest = str_trim(str_from(*rest, 1));
        parameter = take_token(rest);
        if (!parameter.n)
            return -1;
        valued = rest->n && rest->p[0] == '=';
        if (valued) {
            *rest = str_trim(str_from(*rest, 1));
            value = take_value(rest);
            if (!value.n)
                return -1;
        }
        note_parameter(o, parameter, valued, value);
    }
    return rest->n && rest->p[0] != ',' ? -1 : 0;
}

/* Accepts an offer with what the settings and the budget allow. */
static void accept_offer(const struct offer *o, const struct deflate_settings *s,
                         struct deflate_terms *t)
{
    *t = (struct deflate_terms){
        .agreed = true,
        .server_takeover = s->takeover && !o->server_plain,
        .client_takeover = s->takeover && !o->client_plain,
        .server_window = (int8_t)s->window,
        .client_window = MAX_WBITS,
    };
    if (o->server_said && o->server_window < t->server_window)
        t->server_window = o->server_window;
    t->say_server_window = o->server_said || t->server_window < MAX_WBITS;
    /* It can only be told to use less if it has said that it understands that. */
    if (o->client_said) {
        t->client_window = o->client_window < s->window ? o->client_window : (int8_t)s->window;
        t->say_client_window = t->client_window < MAX_WBITS;
    }
    if (held + terms_cost(t) > s->memory)
        t->server_takeover = t->client_takeover = false;
}

int deflate_negotiate(struct str value, const struct deflate_settings *settings,
                      struct deflate_terms *terms)
{
    struct str rest = str_trim(value);

    while (rest.n) {
        struct offer offer;

        if (rest.p[0] == ',') {
            rest = str_trim(str_from(rest, 1));
            continue;
        }
        if (read_offer(&rest, &offer) != 0)
            return -1;
        if (offer.ours && !offer.bad && settings->enabled && !terms->agreed)
            accept_offer(&offer, settings, terms);
    }
    return 0;
}

/* Appends to the answer. */
static size_t say(char *answer, size_t n, struct str text)
{
    memcpy(answer + n, text.p, text.n);
    return n + text.n;
}

/* Appends a number of bits. */
static size_t say_bits(char *answer, size_t n, int bits)
{
    if (bits >= 10)
        answer[n++] = '1';
    answer[n++] = (char)('0' + bits % 10);
    return n;
}

size_t deflate_answer(const struct deflate_terms *t, char answer[DEFLATE_ANSWER_MAX])
{
    size_t n = say(answer, 0, STR("permessage-deflate"));

    if (!t->server_takeover)
        n = say(answer, n, STR("; server_no_context_takeover"));
    if (!t->client_takeover)
        n = say(answer, n, STR("; client_no_context_takeover"));
    if (t->say_server_window)
        n = say_bits(answer, say(answer, n, STR("; server_max_window_bits=")), t->server_window);
    if (t->say_client_window)
        n = say_bits(answer, say(answer, n, STR("; client_max_window_bits=")), t->client_window);
    return n;
}
