/*
 * relay_redis.c - the process that joins the hub to a Redis server.
 *
 * One connection sends letters, and one waits for what is new in the log.
 */
#include "proc/relay.h"

#include "base/check.h"
#include "core/hub_outbox.h"
#include "proc/clock.h"
#include "proc/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_WITHIN 5000         /* ms, for a letter, and for a word beyond READ_WAITS */
#define READ_WAITS 3000            /* ms that the server lets us wait for news */
#define READ_COUNT "128"           /* messages at a time */
#define RETRY_FIRST 100            /* ms; doubled every time */
#define RETRY_LAST 5000
#define CLAIM_PAUSE 50             /* ms */
#define FLUSH_WITHIN 1500          /* ms, at the end */
#define PLACE_TRIES 40
#define PLACE_PAUSE 5              /* ms */

/* The script remembers the outcome of the last 1024 letters, so fewer may be under way. */
#define LETTERS_MAX 512
#define LETTERS_BYTES ((size_t)8 << 20)

/* How long the server keeps counters of channels and machines that nobody uses: a week, in ms. */
#define KEEP_COUNTERS "604800000"

/* A stream's id is milliseconds and a counter; it is kept in 64 bits. */
#define CURSOR_BITS 20

static const char script[] =
    "local slot = ARGV[1] % 1024\n"
    "local had = redis.call('HGET', KEYS[3], slot)\n"
    "if had then\n"
    "  local number, id = string.match(had, '^(%d+):(%d+)$')\n"
    "  if number == ARGV[1] then return id end\n"
    "end\n"
    "if redis.call('EXISTS', KEYS[2]) == 0 then\n"
    "  local t = redis.call('TIME')\n"
    "  redis.call('SET', KEYS[2], string.format('%.0f', t[1] * 1000000 + t[2]))\n"
    "end\n"
    "redis.call('INCR', KEYS[2])\n"
    "local id = redis.call('GET', KEYS[2])\n"
    "redis.call('PEXPIRE', KEYS[2], ARGV[7])\n"
    "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[8], '*', 'channel', ARGV[2], 'id', id,\n"
    "  'kind', ARGV[3], 'event', ARGV[4], 'type', ARGV[5], 'data', ARGV[6])\n"
    "redis.call('HSET', KEYS[3], slot, ARGV[1] .. ':' .. id)\n"
    "redis.call('PEXPIRE', KEYS[3], ARGV[7])\n"
    "return id\n";

struct relay {
    unsigned magic;
#define RELAY_MAGIC 0x4e1a7001u
    struct hub *hub;
    const struct hub_backend *conf;
    struct hub_bounds bounds;
    int words;
    uint64_t server;               /* which log the cursor is of */
    redisContext *sender, *reader; /* NULL: not connected */
    char sha[41];                  /* of the script */
    char log[80], from[128];       /* keys */
    uint64_t at;                   /* where the next letter to be sent is; 0: the oldest */
    size_t letters, bytes;         /* under way */
    ms_t heard;                    /* when the sender was last answered, or asked first */
    ms_t asked;                    /* when news was asked for */
    ms_t retry_at, retry_pause;
    bool complained;               /* the master was told that the server is away */
};

static volatile sig_atomic_t ending;

/* SIGTERM: send what there is, then end. */
static void on_term(int signo)
{
    (void)signo;
    ending = 1;
}

/* Says a line for the master's log. A master that does not listen any more is gone. */
static void __attribute__((format(printf, 3, 4))) say(const struct relay *r, const char *level,
                                                     const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    if (dprintf(r->words, "%s %s\n", level, text) < 0)
        exit(EXIT_SUCCESS);
}

/* The server as people would name it. */
static const char *name(const struct relay *r)
{
    static char text[160];

    if (r->conf->path.n)
        snprintf(text, sizeof text, "unix:%s", r->conf->path.p);
    else
        snprintf(text, sizeof text, "%s:%u", r->conf->host.p, r->conf->port);
    return text;
}

/* Closes both connections. Letters under way will be sent again. */
static void hang_up(struct relay *r)
{
    if (r->sender)
        redisFree(r->sender);
    if (r->reader)
        redisFree(r->reader);
    r->sender = r->reader = NULL;
    r->at = 0;
    r->letters = r->bytes = 0;
}

/* The server is away: says so once, and when to try again. */
static void lose(struct relay *r, const char *why)
{
    hub_outbox_link(r->hub, false);
    if (!r->complained)
        say(r, "error", "the Redis server %s is away, publications are refused until it is back: "
            "%s", name(r), why);
    r->complained = true;
    hang_up(r);
    r->retry_at = clock_now() + r->retry_pause;
    r->retry_pause = r->retry_pause * 2 < RETRY_LAST ? r->retry_pause * 2 : RETRY_LAST;
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* Leaves the script with the server. */
static bool load_script(struct relay *r, const char **why)
{
    const char *load[] = { "SCRIPT", "LOAD", script };
    redisReply *reply = redis_ask(r->sender, why, 3, load);
    bool good = reply && reply->type == REDIS_REPLY_STRING && reply->len == 40;

    if (good)
        memcpy(r->sha, reply->str, 41);
    else if (reply)
        *why = "it does not answer to SCRIPT LOAD as Redis does";
    if (reply)
        freeReplyObject(reply);
    return good;
}

/* The text of an answer or of a part of one; "" where it is none, as from what is no Redis. */
static const char *text_of(const redisReply *reply)
{
    return reply->str ? reply->str : "";
}

/* The id of a stream's entry in 64 bits; *ms: its first part. */
static uint64_t parse_entry(const char *text, int64_t *ms)
{
    char *end;
    uint64_t first = strtoull(text, &end, 10);
    uint64_t second = *end == '-' ? strtoull(end + 1, NULL, 10) : 0;
    uint64_t last = (UINT64_C(1) << CURSOR_BITS) - 1;

    *ms = (int64_t)first;
    return first << CURSOR_BITS | (second < last ? second : last);
}

/* A log that ends before our place in it has lost something: it is read anew. */
static bool check_log(struct relay *r, const char **why)
{
    const char *last[] = { "XREVRANGE", r->log, "+", "-", "COUNT", "1" };
    redisReply *reply = redis_ask(r->sender, why, 6, last);
    uint64_t cursor = hub_cursor(r->hub, r->server), end = 0;
    int64_t ms;

    if (!reply)
        return false;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->elements)
        end = parse_entry(text_of(reply->element[0]->element[0]), &ms);
    freeReplyObject(reply);
    if (cursor > end) {
        say(r, "warn", "the Redis server %s has lost messages that were there before, its log is "
            "read from the beginning", name(r));
        hub_set_cursor(r->hub, r->server, 0);
    }
    return true;
}

/* Asks for what is new in the log. */
static void ask_for_news(struct relay *r)
{
    uint64_t cursor = hub_cursor(r->hub, r->server);
    char wait[16], from[48];

    snprintf(wait, sizeof wait, "%d", READ_WAITS);
    snprintf(from, sizeof from, "%" PRIu64 "-%" PRIu64, cursor >> CURSOR_BITS,
             cursor & ((UINT64_C(1) << CURSOR_BITS) - 1));
    AN(redisAppendCommand(r->reader, "XREAD COUNT " READ_COUNT " BLOCK %s STREAMS %s %s", wait,
                          r->log, from) == REDIS_OK);
    r->asked = clock_now();
}

/* Makes both connections. */
static void link_up(struct relay *r)
{
    const char *why = "no answer";

    r->sender = redis_open(r->conf, &why);
    r->reader = r->sender ? redis_open(r->conf, &why) : NULL;
    if (!r->reader || !load_script(r, &why) || !check_log(r, &why)) {
        lose(r, why);
        return;
    }
    redis_unblock(r->sender);
    redis_unblock(r->reader);
    r->heard = clock_now();
    r->retry_pause = RETRY_FIRST;
    r->complained = false;
    ask_for_news(r);
    hub_outbox_link(r->hub, true);
    say(r, "notice", "channels are shared by the Redis server %s", name(r));
}

/* ---- Letters --------------------------------------------------------------------------------- */

/* Puts one into the connection's buffer. */
static void send_letter(struct relay *r, const struct hub_letter *l)
{
    char number[24], messages[24], id[SLV_HUB_NAME_MAX + 80];
    const struct slv_hub_post *p = &l->post;
    int id_size = snprintf(id, sizeof id, "%s:id:%.*s", r->conf->prefix.p, STR_ARG(p->channel));
    int number_size = snprintf(number, sizeof number, "%" PRIu64, l->number);
    int messages_size = snprintf(messages, sizeof messages, "%u", r->conf->messages);
    const char *kind = p->kind == SLV_HUB_TEXT ? "t" : "b";
    const char *argv[] = {
        "EVALSHA", r->sha, "3", r->log, id, r->from, number, p->channel.p, kind, p->event.p,
        p->type.p, p->data.p, KEEP_COUNTERS, messages
    };
    const size_t sizes[] = {
        7, 40, 1, strlen(r->log), (size_t)id_size, strlen(r->from), (size_t)number_size,
        p->channel.n, 1, p->event.n, p->type.n, p->data.n, sizeof KEEP_COUNTERS - 1,
        (size_t)messages_size
    };

    AN(redisAppendCommandArgv(r->sender, sizeof argv / sizeof *argv, argv, sizes) == REDIS_OK);
    if (!r->letters)
        r->heard = clock_now();
    r->letters++;
    r->bytes += p->data.n;
}

/* Sends what may be sent. False: the connection is broken. */
static bool send_letters(struct relay *r)
{
    struct hub_letter letter;
    int done = 0;

    while (r->letters < LETTERS_MAX && r->bytes < LETTERS_BYTES
           && hub_outbox_next(r->hub, &r->at, &letter))
        send_letter(r, &letter);
    return redisBufferWrite(r->sender, &done) == REDIS_OK;
}

/* Is that error one of the server's state, that will pass, and not the letter's? */
static bool will_pass(const char *error)
{
    static const char *const states[] = {
        "LOADING", "READONLY", "NOSCRIPT", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN",
        "NOREPLICAS", "NOAUTH", "MISCONF"
    };

    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strncmp(error, states[i], strlen(states[i])) == 0)
            return true;
    return false;
}

/* Takes the answer to the oldest letter. False: the server is in no state to take letters. */
static bool take_answer(struct relay *r, const redisReply *reply)
{
    uint64_t id = HUB_LETTER_REFUSED;

    if (reply->type == REDIS_REPLY_STRING && reply->str[0] >= '1' && reply->str[0] <= '9')
        id = strtoull(reply->str, NULL, 10);
    else if (reply->type == REDIS_REPLY_ERROR && will_pass(reply->str))
        return false;
    else
        say(r, "error", "the Redis server %s refuses a message: %s", name(r),
            reply->type == REDIS_REPLY_ERROR ? reply->str : "its answer is no number");
    AN(r->letters > 0);
    r->letters--;
    r->heard = clock_now();
    if (!r->letters)
        r->bytes = 0;
    hub_outbox_settle(r->hub, id);
    return true;
}

/* Takes what the sender has been answered. */
static void hear_answers(struct relay *r)
{
    redisReply *reply = NULL;
    char why[200];

    if (redisBufferRead(r->sender) != REDIS_OK) {
        lose(r, r->sender->errstr);
        return;
    }
    while (redisGetReplyFromReader(r->sender, (void **)&reply) == REDIS_OK && reply) {
        bool good = r->letters && take_answer(r, reply);

        snprintf(why, sizeof why, "%s", good ? "" : r->letters ? reply->str
                                        : "it answers what nobody has asked");
        freeReplyObject(reply);
        reply = NULL;
        if (!good) {
            lose(r, why);
            return;
        }
    }
}

/* ---- News ------------------------------------------------------------------------------------ */

/* The value of a field of an entry. */
static struct str field(const redisReply *fields, const char *wanted)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(text_of(fields->element[i]), wanted) == 0)
            return (struct str){ text_of(fields->element[i + 1]), fields->element[i + 1]->len };
    return (struct str){ "", 0 };
}

/* Milliseconds since 1970. */
static int64_t wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Puts an entry of the log into the hub. */
static void place(struct relay *r, const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    struct slv_hub_post post = {
        .channel = field(fields, "channel"), .event = field(fields, "event"),
        .type = field(fields, "type"), .data = field(fields, "data"),
        .kind = str_eq(field(fields, "kind"), STR("b")) ? SLV_HUB_BINARY : SLV_HUB_TEXT
    };
    uint64_t id = strtoull(field(fields, "id").p, NULL, 10);
    enum slv_hub_result result = SLV_HUB_LATER;
    int64_t ms;
    uint64_t cursor = parse_entry(text_of(entry->element[0]), &ms);

    for (int i = 0; i < PLACE_TRIES && result == SLV_HUB_LATER; i++) {
        result = hub_place_message(r->hub, &post, id, ms, &r->bounds, wall_clock());
        if (result == SLV_HUB_LATER)
            poll(NULL, 0, PLACE_PAUSE);
    }
    /* Subscribers will be told of the gap by the next message of the channel. */
    if (result != SLV_HUB_OK)
        say(r, "warn", "a message of the channel \"%.*s\" is left out, because %s",
            (int)(post.channel.n < SLV_HUB_NAME_MAX ? post.channel.n : SLV_HUB_NAME_MAX),
            post.channel.p,
            result == SLV_HUB_FULL ? "hub_channels is too small"
            : result == SLV_HUB_TOO_LARGE ? "hub_size is too small"
            : result == SLV_HUB_LATER ? "a worker lags too far behind" : "it is none of ours");
    hub_set_cursor(r->hub, r->server, cursor);
}

/* Takes the answer to ask_for_news(); it has none where nothing has happened. */
static void take_news(struct relay *r, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *stream = reply->element[i];

        for (size_t k = 0; stream->elements == 2 && k < stream->element[1]->elements; k++) {
            const redisReply *entry = stream->element[1]->element[k];

            if (entry->elements == 2 && entry->element[1]->type == REDIS_REPLY_ARRAY)
                place(r, entry);
        }
    }
}

/* Takes what the reader has been answered. */
static void hear_news(struct relay *r)
{
    redisReply *reply = NULL;
    char why[200] = "";

    if (redisBufferRead(r->reader) != REDIS_OK) {
        lose(r, r->reader->errstr);
        return;
    }
    if (redisGetReplyFromReader(r->reader, (void **)&reply) != REDIS_OK)
        snprintf(why, sizeof why, "%s", r->reader->errstr);
    if (reply && reply->type == REDIS_REPLY_ERROR)
        snprintf(why, sizeof why, "%s", reply->str);
    else if (reply)
        take_news(r, reply);
    if (!why[0] && reply)
        ask_for_news(r);
    if (reply)
        freeReplyObject(reply);
    if (why[0])
        lose(r, why);
}

/* ---- The process ----------------------------------------------------------------------------- */

/* FNV-1a over what makes a log another one. */
static uint64_t server_of(const struct hub_backend *b)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s %s %u %u %s", b->host.n ? b->host.p : "",
                     b->path.n ? b->path.p : "", b->port, b->database, b->prefix.p);
    uint64_t hash = UINT64_C(14695981039346656037);

    for (int i = 0; i < n && i < (int)sizeof text - 1; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Milliseconds until something has to be done. */
static int patience(const struct relay *r)
{
    ms_t now = clock_now(), at = r->retry_at;

    if (r->sender) {
        at = r->asked + READ_WAITS + ANSWER_WITHIN;
        if (r->letters && r->heard + ANSWER_WITHIN < at)
            at = r->heard + ANSWER_WITHIN;
    }
    return at > now ? (int)(at - now) : 0;
}

/* Has the server been silent for too long? */
static bool is_silent(const struct relay *r)
{
    ms_t now = clock_now();

    return now >= r->asked + READ_WAITS + ANSWER_WITHIN
        || (r->letters && now >= r->heard + ANSWER_WITHIN);
}

/* Waits, and does what is to be done. limit: ms, or -1. */
static void turn(struct relay *r, int limit)
{
    struct pollfd fds[4] = {
        { .fd = r->words },
        { .fd = hub_outbox_fd(r->hub), .events = POLLIN },
        { .fd = r->sender ? r->sender->fd : -1, .events = POLLIN },
        { .fd = r->reader ? r->reader->fd : -1, .events = POLLIN },
    };
    int wait = patience(r), done = 0;

    if (r->sender && r->letters)
        fds[2].events |= redisBufferWrite(r->sender, &done) != REDIS_OK || !done ? POLLOUT : 0;
    if (r->reader && redisBufferWrite(r->reader, &done) == REDIS_OK && !done)
        fds[3].events |= POLLOUT;
    if (poll(fds, 4, limit >= 0 && limit < wait ? limit : wait) < 0)
        return;
    if (fds[0].revents)
        exit(EXIT_SUCCESS);
    if (fds[1].revents)
        hub_outbox_take_wake(r->hub);
    if (!r->sender) {
        if (clock_now() >= r->retry_at)
            link_up(r);
        if (!r->sender)
            return;
    }
    if (fds[2].revents & ~POLLOUT)
        hear_answers(r);
    if (r->sender && fds[3].revents & ~POLLOUT)
        hear_news(r);
    if (r->sender && is_silent(r))
        lose(r, "it does not answer");
    else if (r->sender && !send_letters(r))
        lose(r, r->sender->errstr);
}

/* Waits until no other process sends what is in the outbox. */
static void claim(struct relay *r)
{
    while (!hub_outbox_claim(r->hub)) {
        struct pollfd words = { .fd = r->words };

        if (ending || poll(&words, 1, CLAIM_PAUSE) > 0)
            exit(EXIT_SUCCESS);
    }
}

/* Sends what is left, for some time. */
static void flush(struct relay *r)
{
    ms_t until = clock_now() + FLUSH_WITHIN;
    struct hub_letter letter;
    uint64_t at = 0;

    while (r->sender && clock_now() < until && hub_outbox_next(r->hub, &at, &letter)) {
        turn(r, (int)(until - clock_now()));
        at = 0;
    }
    hang_up(r);
}

_Noreturn void relay_run(struct hub *h, const struct hub_backend *server,
                         const struct hub_bounds *bounds, int words)
{
    struct sigaction term = { .sa_handler = on_term };
    struct relay r = {
        .magic = RELAY_MAGIC, .hub = h, .conf = server, .words = words, .bounds = *bounds,
        .retry_pause = RETRY_FIRST, .server = server_of(server)
    };

    CHECK_OBJ(&r, RELAY_MAGIC);
    sigaction(SIGTERM, &term, NULL);
    signal(SIGPIPE, SIG_IGN);
    snprintf(r.log, sizeof r.log, "%s:log", r.conf->prefix.p);
    snprintf(r.from, sizeof r.from, "%s:from:%s", r.conf->prefix.p, hub_outbox_origin(h));
    claim(&r);
    while (!ending)
        turn(&r, -1);
    flush(&r);
    exit(EXIT_SUCCESS);
}
