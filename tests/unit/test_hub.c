/*
 * test_hub.c - the hub in one process: names, frames, order, history, bounds, room.
 */
#include "test_hub.h"

#include "base/check.h"
#include "core/hub_shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const struct hub_bounds hub_unbounded = { 0 };
const struct slv_hub_most hub_any = { 0, 0 };

struct hub *hub_make(unsigned channels, size_t ring)
{
    struct hub_options o = { .channels = channels, .seats = 4 };
    struct hub *h;

    o.size = hub_least(channels, 4) + ring;
    h = hub_new(&o);
    CU_ASSERT_FATAL(h != NULL && hub_sit(h, 0));
    return h;
}

uint64_t hub_say(struct hub *h, const char *channel, const char *text,
                 enum slv_hub_result *result)
{
    struct slv_hub_post post = { .channel = str_of(channel), .data = str_of(text) };
    uint64_t id = 0;

    *result = hub_publish(h, &post, &hub_unbounded, 0, &id);
    return *result == SLV_HUB_OK ? id : 0;
}

/* Subscribes with a history of these bounds. */
static enum slv_hub_result join_within(struct hub *h, const char *channel, uint64_t after,
                                       const struct hub_bounds *bounds, struct hub_place *place)
{
    return hub_join(h, str_of(channel), after, 0, hub_any, bounds, 0, place);
}

struct hub_place hub_listen(struct hub *h, const char *channel, uint64_t after)
{
    struct hub_place place = { 0 };

    CU_ASSERT_FATAL(join_within(h, channel, after, &hub_unbounded, &place) == SLV_HUB_OK);
    return place;
}

/* Names that there may be. */
static void test_names(void)
{
    static const struct {
        const char *name;
        bool ok;
    } rows[] = {
        { "a", true }, { "room/1.2-3_4~5:6@7+8=9,0", true }, { "", false }, { "a b", false },
        { "a\n", false }, { "caf\xc3\xa9", false }, { "a\"", false }, { "<a>", false },
        { "a?b", false }, { "a%20", false }, { "a*", false },
    };
    char longest[SLV_HUB_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SUITE_CHECK(slv_hub_name_ok(str_of(rows[i].name)) == rows[i].ok, "%s", rows[i].name);
    CU_ASSERT_FALSE(slv_hub_name_ok((struct str){ "a\0b", 3 }));
    memset(longest, 'x', sizeof longest);
    CU_ASSERT(slv_hub_name_ok((struct str){ longest, SLV_HUB_NAME_MAX }));
    CU_ASSERT_FALSE(slv_hub_name_ok((struct str){ longest, SLV_HUB_NAME_MAX + 1 }));
}

/* The event of a message, without its id line. */
static struct str event_rest(const struct slv_hub_message *m)
{
    const char *end = memchr(m->sse.p, '\n', m->sse.n);

    CU_ASSERT_FATAL(end != NULL);
    CU_ASSERT(strtoull(m->sse.p + 4, NULL, 10) == m->id);
    return str_from(m->sse, (size_t)(end + 1 - m->sse.p));
}

/* Messages as events: lines, names, binary data. */
static void test_events(void)
{
    static const struct {
        struct str data, event;
        enum slv_hub_kind kind;
        const char *sse;
    } rows[] = {
        { STR_INIT("hello"), STR_INIT(""), SLV_HUB_TEXT, "data: hello\n\n" },
        { STR_INIT(""), STR_INIT(""), SLV_HUB_TEXT, "data: \n\n" },
        { STR_INIT("a\nb\r\nc\rd"), STR_INIT("news"), SLV_HUB_TEXT,
          "event: news\ndata: a\ndata: b\ndata: c\ndata: d\n\n" },
        { STR_INIT("end\n"), STR_INIT(""), SLV_HUB_TEXT, "data: end\ndata: \n\n" },
        { STR_INIT("\r\n\r\n"), STR_INIT(""), SLV_HUB_TEXT, "data: \ndata: \ndata: \n\n" },
        { STR_INIT("\r"), STR_INIT(""), SLV_HUB_TEXT, "data: \ndata: \n\n" },
        { STR_INIT("\0\xff"), STR_INIT("b"), SLV_HUB_BINARY, "event: b\ndata: AP8=\n\n" },
        { STR_INIT("foobar"), STR_INIT(""), SLV_HUB_BINARY, "data: Zm9vYmFy\n\n" },
        { STR_INIT("fooba"), STR_INIT(""), SLV_HUB_BINARY, "data: Zm9vYmE=\n\n" },
        { STR_INIT("f"), STR_INIT(""), SLV_HUB_BINARY, "data: Zg==\n\n" },
    };
    struct hub *h = hub_make(8, 65536);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slv_hub_post post = { .channel = STR("c"), .kind = rows[i].kind,
                                     .data = rows[i].data, .event = rows[i].event };
        struct slv_hub_message m;
        uint64_t id;

        CU_ASSERT_FATAL(hub_publish(h, &post, &hub_unbounded, 77, &id) == SLV_HUB_OK);
        CU_ASSERT_FATAL(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE);
        SUITE_CHECK(m.id == id && m.time == 77 && m.kind == rows[i].kind, "row %zu", i);
        SUITE_CHECK(str_eq(m.data, rows[i].data) && str_eq(m.event, rows[i].event), "row %zu", i);
        SUITE_CHECK(str_eq(event_rest(&m), str_of(rows[i].sse)), "row %zu: %.*s", i,
                    STR_ARG(m.sse));
        SUITE_CHECK(m.chunk.p + m.chunk.n == m.sse.p + m.sse.n + 2, "row %zu", i);
        SUITE_CHECK(strtoull(m.chunk.p, NULL, 16) == m.sse.n, "row %zu", i);
    }
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Messages as WebSocket frames (RFC 6455 section 5.2): the three forms of a length. */
static void test_frames(void)
{
    static const struct {
        size_t n;
        unsigned char head[10];
        size_t head_size;
    } rows[] = {
        { 0, { 0x81, 0 }, 2 }, { 125, { 0x81, 125 }, 2 }, { 126, { 0x81, 126, 0, 126 }, 4 },
        { 65535, { 0x81, 126, 0xff, 0xff }, 4 },
        { 65536, { 0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0 }, 10 },
    };
    struct hub *h = hub_make(8, 2 << 20);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    char *text = malloc(65536);

    CU_ASSERT_FATAL(text != NULL);
    memset(text, 'x', 65536);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slv_hub_post post = { .channel = STR("c"), .data = { text, rows[i].n } };
        struct slv_hub_message m;
        uint64_t id;

        CU_ASSERT_FATAL(hub_publish(h, &post, &hub_unbounded, 0, &id) == SLV_HUB_OK);
        CU_ASSERT_FATAL(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE);
        SUITE_CHECK(m.frame.n == rows[i].head_size + rows[i].n, "%zu", rows[i].n);
        SUITE_CHECK(memcmp(m.frame.p, rows[i].head, rows[i].head_size) == 0, "%zu", rows[i].n);
    }
    free(text);
    hub_free(&h);
}

/* What is no text. */
static void test_texts(void)
{
    static const struct {
        const char *data, *event;
        enum slv_hub_result result;
    } rows[] = {
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "", SLV_HUB_OK },
        { "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "", SLV_HUB_OK },
        { "\xc3", "", SLV_HUB_BAD_TEXT }, { "\x80", "", SLV_HUB_BAD_TEXT },
        { "\xc0\xaf", "", SLV_HUB_BAD_TEXT }, { "\xe0\x80\xaf", "", SLV_HUB_BAD_TEXT },
        { "\xed\xa0\x80", "", SLV_HUB_BAD_TEXT }, { "\xf4\x90\x80\x80", "", SLV_HUB_BAD_TEXT },
        { "\xf0\x80\x80\x80", "", SLV_HUB_BAD_TEXT }, { "\xe2\x82", "", SLV_HUB_BAD_TEXT },
        { "\xff", "", SLV_HUB_BAD_TEXT }, { "a", "b\nc", SLV_HUB_BAD_TEXT },
        { "a", "b\rc", SLV_HUB_BAD_TEXT }, { "a", "\xff", SLV_HUB_BAD_TEXT },
        { "a", "0123456789012345678901234567890123456789012345678901234567890123", SLV_HUB_OK },
        { "a", "01234567890123456789012345678901234567890123456789012345678901234",
          SLV_HUB_BAD_TEXT },
    };
    struct hub *h = hub_make(8, 65536);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slv_hub_post post = { .channel = STR("c"), .data = str_of(rows[i].data),
                                     .event = str_of(rows[i].event) };
        uint64_t id;

        SUITE_CHECK(hub_publish(h, &post, &hub_unbounded, 0, &id) == rows[i].result, "row %zu", i);
        post.kind = SLV_HUB_BINARY;
        post.event = STR("");
        SUITE_CHECK(hub_publish(h, &post, &hub_unbounded, 0, &id) == SLV_HUB_OK, "row %zu", i);
    }
    hub_free(&h);
}

/* Ids count up by one in each channel, and everybody reads all in that order. */
static void test_order(void)
{
    struct hub *h = hub_make(8, 65536);
    struct hub_place a = hub_listen(h, "a", SLV_HUB_NOW), late, from;
    struct slv_hub_message m;
    enum slv_hub_result result;
    uint64_t first = 0, id;

    CU_ASSERT(hub_next(h, &a, &m, NULL) == SLV_HUB_NOTHING);
    for (unsigned i = 0; i < 10; i++) {
        char text[8];

        snprintf(text, sizeof text, "%u", i);
        id = hub_say(h, "a", text, &result);
        first = first ? first : id;
        CU_ASSERT(id == first + i);
        hub_say(h, "b", "other", &result);
    }
    late = hub_listen(h, "a", SLV_HUB_ALL);
    from = hub_listen(h, "a", first + 6);
    CU_ASSERT(hub_lag(h, &a) == 10 && hub_lag(h, &late) == 10 && hub_lag(h, &from) == 3);
    for (unsigned i = 0; i < 10; i++) {
        CU_ASSERT(hub_next(h, &a, &m, NULL) == SLV_HUB_MESSAGE && m.id == first + i);
        CU_ASSERT(m.data.n == 1 && m.data.p[0] == (char)('0' + i));
        CU_ASSERT(hub_next(h, &late, &m, NULL) == SLV_HUB_MESSAGE && m.id == first + i);
        if (i > 6)
            CU_ASSERT(hub_next(h, &from, &m, NULL) == SLV_HUB_MESSAGE && m.id == first + i);
    }
    CU_ASSERT(hub_next(h, &a, &m, NULL) == SLV_HUB_NOTHING);
    CU_ASSERT(hub_next(h, &late, &m, NULL) == SLV_HUB_NOTHING);
    CU_ASSERT(hub_next(h, &from, &m, NULL) == SLV_HUB_NOTHING);
    CU_ASSERT(hub_lag(h, &a) == 0);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Whoever asks for what is not there any more, or not yet, is told. */
static void test_gap(void)
{
    struct hub_bounds three = { .messages = 3 };
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("x") };
    struct hub *h = hub_make(8, 65536);
    struct slv_hub_message m;
    struct hub_place place;
    uint64_t last = 0;

    for (int i = 0; i < 10; i++)
        CU_ASSERT_FATAL(hub_publish(h, &post, &three, 0, &last) == SLV_HUB_OK);
    place = hub_listen(h, "c", last - 3);
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.id == last - 2);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t after = i == 0 ? last - 4 : i == 1 ? last + 1 : 5;

        place = hub_listen(h, "c", after);
        CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_GAP);
        CU_ASSERT(place.id == last - 3);
        CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.id == last - 2);
    }
    place = hub_listen(h, "c", last);
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_NOTHING);
    hub_free(&h);
}

/* The history is bounded by number, by age and by bytes; 0 is no bound. */
static void test_bounds(void)
{
    struct hub_bounds bounds = { .messages = 5, .age = 1000, .bytes = 30 };
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("0123456789") };
    struct hub *h = hub_make(8, 65536);
    struct slv_hub_presence p;
    uint64_t id;

    for (int i = 0; i < 10; i++)
        hub_publish(h, &post, &bounds, 10000, &id);
    CU_ASSERT(hub_presence(h, STR("c"), &bounds, 10000, &p) == SLV_HUB_OK);
    CU_ASSERT(p.messages == 3 && p.bytes == 30 && p.last_id == id);
    bounds.bytes = 1000;
    for (int i = 0; i < 10; i++)
        hub_publish(h, &post, &bounds, 10000 + i * 100, &id);
    hub_presence(h, STR("c"), &bounds, 10900, &p);
    CU_ASSERT(p.messages == 5 && p.bytes == 50 && p.last_id == id);
    hub_presence(h, STR("c"), &bounds, 11700, &p);
    CU_ASSERT(p.messages == 3 && p.bytes == 30);
    hub_presence(h, STR("c"), &bounds, 100000, &p);
    CU_ASSERT(p.messages == 0 && p.bytes == 0 && p.last_id == id);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_presence(h, STR("unknown"), &bounds, 0, &p);
    CU_ASSERT(p.messages == 0 && p.subscribers == 0);
    CU_ASSERT(hub_presence(h, STR("bad name"), &bounds, 0, &p) == SLV_HUB_BAD_NAME);
    /* A message that is larger than the history is gone at once, but has been published. */
    bounds = (struct hub_bounds){ .bytes = 5 };
    CU_ASSERT(hub_publish(h, &post, &bounds, 0, &id) == SLV_HUB_OK);
    hub_presence(h, STR("c"), &bounds, 0, &p);
    CU_ASSERT(p.messages == 0 && p.last_id == id);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Many rounds of the ring with messages of all sizes: nothing breaks, memory does not grow. */
static void test_wrap(void)
{
    static const char *const names[] = { "a", "b", "c" };
    struct hub *h = hub_make(8, 0);
    struct hub_place places[3];
    struct slv_hub_message m;
    struct hub_figures f;
    uint64_t ids[3] = { 0 };
    char *text = malloc(20000);

    CU_ASSERT_FATAL(text != NULL);
    memset(text, 't', 20000);
    for (unsigned i = 0; i < 3; i++)
        places[i] = hub_listen(h, names[i], SLV_HUB_NOW);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = i * 7 % 3;
        struct slv_hub_post post = { .channel = str_of(names[k]),
                                     .data = { text, i * 2654435761u % 3000 } };
        uint64_t id = 0;

        CU_ASSERT_FATAL(hub_publish(h, &post, &hub_unbounded, 0, &id) == SLV_HUB_OK);
        CU_ASSERT(!ids[k] || id == ids[k] + 1);
        ids[k] = id;
        CU_ASSERT(hub_next(h, &places[k], &m, NULL) == SLV_HUB_MESSAGE && m.id == id);
        CU_ASSERT(m.data.n == post.data.n);
        hub_rest(h);
        if (i % 500 == 0)
            CU_ASSERT_PTR_NULL(hub_flaw(h));
    }
    hub_figures(h, &f);
    CU_ASSERT(f.published == 20000 && f.ring_used <= f.ring_size && f.dropped > 10000);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    free(text);
    hub_free(&h);
}

/* One who listens may read what has left the history; what has left the ring is a gap. */
static void test_overtaken(void)
{
    struct hub_bounds one = { .messages = 1 };
    struct hub *h = hub_make(8, 0);
    struct hub_place slow = hub_listen(h, "c", SLV_HUB_NOW);
    char text[1000];
    struct slv_hub_post post = { .channel = STR("c"), .data = { text, sizeof text } };
    struct slv_hub_message m;
    uint64_t id, first = 0;

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_FATAL(hub_publish(h, &post, &one, 0, &id) == SLV_HUB_OK);
        first = first ? first : id;
    }
    CU_ASSERT(hub_lag(h, &slow) == 20 * sizeof text);
    CU_ASSERT(hub_next(h, &slow, &m, NULL) == SLV_HUB_MESSAGE && m.id == first);
    hub_rest(h);
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_FATAL(hub_publish(h, &post, &one, 0, &id) == SLV_HUB_OK);
    CU_ASSERT(hub_next(h, &slow, &m, NULL) == SLV_HUB_GAP);
    CU_ASSERT(hub_next(h, &slow, &m, NULL) == SLV_HUB_MESSAGE && m.id == id);
    CU_ASSERT(hub_next(h, &slow, &m, NULL) == SLV_HUB_NOTHING);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* What was read in this turn stays as it is, whatever is published; then there is room again. */
static void test_pin(void)
{
    struct hub *h = hub_make(8, 0);
    struct hub_place place = hub_listen(h, "c", SLV_HUB_NOW);
    enum slv_hub_result result;
    struct slv_hub_message m;
    char text[4000];
    unsigned n = 0;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    hub_say(h, "c", "the first", &result);
    CU_ASSERT_FATAL(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE);
    while (hub_say(h, "c", text, &result))
        n++;
    CU_ASSERT(n > 20 && result == SLV_HUB_FULL);
    CU_ASSERT(str_eq(m.data, STR("the first")));
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.data.n == sizeof text - 1);
    CU_ASSERT(hub_say(h, "c", text, &result) == 0);
    hub_rest(h);
    CU_ASSERT(hub_say(h, "c", text, &result) != 0);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* A message that is too large for the ring is refused, and so is more than the rate allows. */
static void test_refused(void)
{
    struct hub *h = hub_make(8, 0);
    char *text = calloc(1, 200000);
    struct slv_hub_post post = { .channel = STR("c"), .kind = SLV_HUB_BINARY, .rate = 3 };
    struct hub_figures f;
    uint64_t id;

    CU_ASSERT_FATAL(text != NULL);
    for (size_t n = 10000; n <= 200000; n += 19000) {
        post.data = (struct str){ text, n };
        post.rate = 0;
        SUITE_CHECK(hub_publish(h, &post, &hub_unbounded, 0, &id)
                    == (n < 12000 ? SLV_HUB_OK : SLV_HUB_TOO_LARGE), "%zu", n);
    }
    post.data = STR("x");
    post.rate = 3;
    for (int i = 0; i < 8; i++)
        SUITE_CHECK(hub_publish(h, &post, &hub_unbounded, 5000 + i * 200, &id)
                    == (i < 3 || i > 4 ? SLV_HUB_OK : SLV_HUB_TOO_FAST), "%d", i);
    hub_figures(h, &f);
    CU_ASSERT(f.refused == 3);
    free(text);
    hub_free(&h);
}

/* Channels that nobody needs make room for others; their ids do not come again. */
static void test_channels(void)
{
    struct hub_bounds brief = { .age = 1000 };
    struct slv_hub_post post = { .data = STR("x") };
    struct hub *h = hub_make(3, 65536);
    struct hub_place place;
    uint64_t id, high = 0;
    struct hub_figures f;

    post.channel = STR("busy");
    for (int i = 0; i < 5; i++)
        CU_ASSERT(hub_publish(h, &post, &brief, 0, &high) == SLV_HUB_OK);
    place = hub_listen(h, "heard", SLV_HUB_NOW);
    post.channel = STR("third");
    CU_ASSERT(hub_publish(h, &post, &brief, 0, &id) == SLV_HUB_OK);
    /* Two have messages, one has a subscriber. */
    post.channel = STR("fourth");
    CU_ASSERT(hub_publish(h, &post, &brief, 0, &id) == SLV_HUB_FULL);
    CU_ASSERT(join_within(h, "fifth", SLV_HUB_NOW, &brief, &place) == SLV_HUB_FULL);
    /* The messages of one get too old. */
    struct slv_hub_presence p;

    hub_presence(h, STR("busy"), &brief, 5000, &p);
    CU_ASSERT(p.messages == 0);
    CU_ASSERT(hub_publish(h, &post, &brief, 0, &id) == SLV_HUB_OK && id == high + 1);
    hub_figures(h, &f);
    CU_ASSERT(f.channels == 3);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    /* It comes back in the place of one whose subscriber leaves, behind all that it had. */
    hub_leave(h, &(struct hub_place){ .channel = 1 });
    post.channel = STR("busy");
    CU_ASSERT(hub_publish(h, &post, &brief, 0, &id) == SLV_HUB_OK && id > high);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/*
 * Whoever begins in front of the history is not searched for in all that the ring still has: that
 * cannot be touched here.
 */
static void test_no_walk(void)
{
    struct hub_bounds few = { .messages = 4 };
    struct slv_hub_post post = { .channel = STR("c"), .data = STR("x") };
    struct hub *h = hub_make(8, 1 << 20);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (384 * 1024 / page) * page;
    char *old = (char *)(((uintptr_t)h->ring + page) / page * page);
    struct hub_place place;
    struct slv_hub_message m;
    uint64_t id;

    for (int i = 0; i < 4000; i++)
        CU_ASSERT_FATAL(hub_publish(h, &post, &few, 0, &id) == SLV_HUB_OK);
    CU_ASSERT_FATAL(mprotect(old, size, PROT_NONE) == 0);
    CU_ASSERT(join_within(h, "c", SLV_HUB_ALL, &few, &place) == SLV_HUB_OK);
    CU_ASSERT(hub_lag(h, &place) == 4);
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.id == id - 3);
    CU_ASSERT(join_within(h, "c", 5, &few, &place) == SLV_HUB_OK);
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_GAP && hub_lag(h, &place) == 4);
    CU_ASSERT(hub_next(h, &place, &m, NULL) == SLV_HUB_MESSAGE && m.id == id - 3);
    CU_ASSERT(mprotect(old, size, PROT_READ | PROT_WRITE) == 0);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_free(&h);
}

/* Subscribes as a client to a channel with these limits. */
static enum slv_hub_result join_as(struct hub *h, uint64_t client, struct slv_hub_most most,
                                   struct hub_place *place)
{
    return hub_join(h, STR("c"), SLV_HUB_NOW, client, most, &hub_unbounded, 0, place);
}

/* A channel has as many subscribers as it may. */
static void test_most(void)
{
    const struct slv_hub_most two = { .channel = 2 };
    struct hub *h = hub_make(8, 65536);
    struct slv_hub_presence p;
    struct hub_place a, b;

    CU_ASSERT(join_as(h, 0, two, &a) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 0, two, &b) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 0, two, &b) == SLV_HUB_CHANNEL_LIMIT);
    hub_presence(h, STR("c"), &hub_unbounded, 0, &p);
    CU_ASSERT(p.subscribers == 2);
    hub_leave(h, &a);
    CU_ASSERT(join_as(h, 0, two, &a) == SLV_HUB_OK);
    hub_free(&h);
}

/* A client has as many subscriptions as it may, of those that count. */
static void test_most_of_client(void)
{
    const struct slv_hub_most two = { .client = 2 }, three = { .client = 3 };
    struct hub *h = hub_make(8, 65536);
    struct hub_place a, b, c;

    CU_ASSERT(join_as(h, 7, hub_any, &a) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 7, two, &a) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 7, two, &b) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 7, two, &c) == SLV_HUB_CLIENT_LIMIT);
    CU_ASSERT(join_as(h, 8, two, &c) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 0, two, &c) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 7, three, &c) == SLV_HUB_OK);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    hub_leave(h, &a);
    hub_leave(h, &b);
    CU_ASSERT(join_as(h, 7, two, &a) == SLV_HUB_OK);
    CU_ASSERT(join_as(h, 7, two, &b) == SLV_HUB_CLIENT_LIMIT);
    hub_leave(h, &a);
    hub_leave(h, &c);
    CU_ASSERT(join_as(h, 7, (struct slv_hub_most){ .client = 1 }, &a) == SLV_HUB_OK);
    hub_free(&h);
}

/* Clients beyond those that there is room for are refused, and let in when others have gone. */
static void test_many_clients(void)
{
    const struct slv_hub_most one = { .client = 1 };
    struct hub *h = hub_make(8, 65536);
    struct hub_place places[8 * HUB_CLIENTS_EACH], late;
    enum slv_hub_result result = SLV_HUB_OK;
    unsigned n = 0, refused = 0;

    for (uint64_t client = 1; client < 10000; client++) {
        result = join_as(h, client, one, n < 8 * HUB_CLIENTS_EACH ? &places[n] : &late);
        n += result == SLV_HUB_OK;
        refused += result == SLV_HUB_FULL;
    }
    SUITE_CHECK(n == 8 * HUB_CLIENTS_EACH && refused == 9999 - n, "%u clients", n);
    CU_ASSERT_PTR_NULL(hub_flaw(h));
    while (n > 0)
        hub_leave(h, &places[--n]);
    CU_ASSERT(join_as(h, 10001, one, &late) == SLV_HUB_OK);
    hub_free(&h);
}

CU_TestInfo hub_log_tests[] = {
    { "names", test_names },
    { "events", test_events },
    { "frames", test_frames },
    { "texts", test_texts },
    { "order", test_order },
    { "gap", test_gap },
    { "bounds", test_bounds },
    { "wrap", test_wrap },
    { "overtaken", test_overtaken },
    { "pin", test_pin },
    { "refused", test_refused },
    { "channels", test_channels },
    { "no walk", test_no_walk },
    { "most", test_most },
    { "most of a client", test_most_of_client },
    { "many clients", test_many_clients },
    CU_TEST_INFO_NULL
};

int main(void)
{
    CU_SuiteInfo suites[] = {
        { "log", NULL, NULL, NULL, NULL, hub_log_tests },
        { "death", NULL, NULL, NULL, NULL, hub_death_tests },
        { "worker", NULL, NULL, NULL, NULL, hub_worker_tests },
        { "shared", NULL, NULL, NULL, NULL, hub_shared_tests },
        CU_SUITE_INFO_NULL
    };

    return suite_main("hub", suites);
}
