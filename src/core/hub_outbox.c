/*
 * hub_outbox.c - messages on their way to the server that several machines share.
 */
#include "core/hub_outbox.h"

#include "base/check.h"
#include "core/hub_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The letter at a position. */
static struct hub_slip *slip_at(const struct hub *h, uint64_t at)
{
    AN(at % HUB_ALIGN == 0);
    return (struct hub_slip *)(void *)(h->queue + at % h->queue_size);
}

/* ---- Who publishes --------------------------------------------------------------------------- */

/* Room for a letter in one piece behind out_head. False: there is none. */
static bool reserve(struct hub *h, uint64_t size)
{
    struct hub_shared *s = h->shared;
    uint64_t head = s->out_head, left = h->queue_size - head % h->queue_size;
    uint64_t wanted = left < size ? left + size : size;

    if (head + wanted - atomic_load_explicit(&s->out_tail, memory_order_acquire) > h->queue_size)
        return false;
    if (left < size) {
        slip_at(h, head)->size = (uint32_t)left;
        slip_at(h, head)->number = 0;
        hub_step(h);
        atomic_store_explicit(&s->out_head, head + left, memory_order_release);
        hub_step(h);
    }
    return true;
}

/* Writes text; returns where the next one goes. */
static char *put_text(char *at, struct str text)
{
    if (text.n)
        memcpy(at, text.p, text.n);
    return at + text.n;
}

/* Writes a letter, with the lock held. */
static enum slv_hub_result put(struct hub *h, const struct slv_hub_post *post, uint64_t size,
                               uint64_t *number)
{
    struct hub_shared *s = h->shared;
    struct hub_slip *slip;
    char *at;

    if (!reserve(h, size))
        return SLV_HUB_FULL;
    slip = slip_at(h, s->out_head);
    *number = ++s->out_number;
    hub_step(h);
    *slip = (struct hub_slip){
        .size = (uint32_t)size, .seat = h->seat, .number = *number, .kind = post->kind,
        .channel = (uint32_t)post->channel.n, .event = (uint32_t)post->event.n,
        .type = (uint32_t)post->type.n, .data = (uint32_t)post->data.n
    };
    at = put_text(slip->bytes, post->channel);
    at = put_text(at, post->event);
    at = put_text(at, post->type);
    put_text(at, post->data);
    hub_step(h);
    atomic_store_explicit(&s->out_head, s->out_head + size, memory_order_release);
    hub_step(h);
    return SLV_HUB_OK;
}

enum slv_hub_result hub_outbox_put(struct hub *h, const struct slv_hub_post *post, int64_t now,
                                   uint64_t *number)
{
    enum slv_hub_result result = hub_post_check(h, post);
    uint64_t size = sizeof(struct hub_slip) + post->channel.n + post->event.n + post->type.n
        + post->data.n;
    uint64_t one = 1;

    CHECK_OBJ(h, HUB_MAGIC);
    AN(h->queue_size > 0);
    size = (size + HUB_ALIGN - 1) / HUB_ALIGN * HUB_ALIGN;
    if (result != SLV_HUB_OK)
        return result;
    if (size > h->queue_size / 2)
        return SLV_HUB_TOO_LARGE;
    hub_lock(h);
    hub_step(h);
    if (!atomic_load(&h->shared->linked)) {
        result = SLV_HUB_AWAY;
    } else if (post->rate) {
        struct hub_channel *c = hub_channel_find(h, post->channel, true);

        result = !c ? SLV_HUB_FULL : hub_too_fast(c, post->rate, now) ? SLV_HUB_TOO_FAST
                                                                      : SLV_HUB_OK;
    }
    if (result == SLV_HUB_OK)
        result = put(h, post, size, number);
    if (result != SLV_HUB_OK)
        h->shared->refused++;
    hub_unlock(h);
    /* It fails where it is readable already. */
    if (result == SLV_HUB_OK && write(h->out_fd, &one, sizeof one) != sizeof one)
        AN(errno == EAGAIN);
    return result;
}

bool hub_outbox_outcome(const struct hub *h, uint64_t number, enum slv_hub_result *result,
                        uint64_t *id)
{
    uint64_t settled;

    CHECK_OBJ(h, HUB_MAGIC);
    settled = atomic_load(&h->shared->out_settled);
    if (settled < number)
        return false;
    *id = atomic_load(&h->shared->outcomes[number % HUB_OUTCOMES]);
    settled = atomic_load(&h->shared->out_settled);
    if (settled - number >= HUB_OUTCOMES - 1)
        *id = 0;
    *result = *id == HUB_LETTER_REFUSED ? SLV_HUB_AWAY : SLV_HUB_OK;
    return true;
}

/* ---- The process that sends them ------------------------------------------------------------- */

bool hub_outbox_claim(struct hub *h)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

    CHECK_OBJ(h, HUB_MAGIC);
    /* The kernel lets go of it when the process ends, however that happens. */
    return fcntl(h->fd, F_SETLK, &lock) == 0;
}

int hub_outbox_fd(const struct hub *h)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return h->out_fd;
}

void hub_outbox_take_wake(struct hub *h)
{
    uint64_t count;

    CHECK_OBJ(h, HUB_MAGIC);
    if (read(h->out_fd, &count, sizeof count) != sizeof count)
        AN(errno == EAGAIN);
}

void hub_outbox_link(struct hub *h, bool there)
{
    CHECK_OBJ(h, HUB_MAGIC);
    atomic_store(&h->shared->linked, there);
}

const char *hub_outbox_origin(const struct hub *h)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return h->shared->origin;
}

/* The next text of a letter, which at moves behind. */
static struct str take_text(const char **at, size_t n)
{
    struct str text = { *at, n };

    *at += n;
    return text;
}

bool hub_outbox_next(struct hub *h, uint64_t *at, struct hub_letter *letter)
{
    struct hub_shared *s = h->shared;
    uint64_t head = atomic_load_explicit(&s->out_head, memory_order_acquire);
    const struct hub_slip *slip;
    const char *text;

    CHECK_OBJ(h, HUB_MAGIC);
    if (!*at)
        *at = s->out_tail;
    if (*at < head && slip_at(h, *at)->number == 0)
        *at += slip_at(h, *at)->size;
    if (*at >= head)
        return false;
    slip = slip_at(h, *at);
    text = slip->bytes;
    AN(slip->size > 0 && slip->size % HUB_ALIGN == 0);
    letter->number = slip->number;
    letter->post = (struct slv_hub_post){ .kind = (enum slv_hub_kind)slip->kind };
    letter->post.channel = take_text(&text, slip->channel);
    letter->post.event = take_text(&text, slip->event);
    letter->post.type = take_text(&text, slip->type);
    letter->post.data = take_text(&text, slip->data);
    *at += slip->size;
    return true;
}

void hub_outbox_settle(struct hub *h, uint64_t id)
{
    struct hub_shared *s = h->shared;
    struct hub_letter letter;
    uint64_t at = 0, tail = s->out_tail;
    unsigned seat;

    CHECK_OBJ(h, HUB_MAGIC);
    if (slip_at(h, tail)->number == 0)
        tail += slip_at(h, tail)->size;
    AN(hub_outbox_next(h, &at, &letter));
    seat = slip_at(h, tail)->seat;
    atomic_store(&s->outcomes[letter.number % HUB_OUTCOMES], id);
    hub_step(h);
    atomic_store(&s->out_settled, letter.number);
    hub_step(h);
    atomic_store_explicit(&s->out_tail, at, memory_order_release);
    hub_step(h);
    if (seat < h->seats)
        hub_poke(h, seat);
}

uint64_t hub_cursor(const struct hub *h, uint64_t server)
{
    CHECK_OBJ(h, HUB_MAGIC);
    return atomic_load(&h->shared->cursor_of) == server ? atomic_load(&h->shared->cursor) : 0;
}

void hub_set_cursor(struct hub *h, uint64_t server, uint64_t cursor)
{
    CHECK_OBJ(h, HUB_MAGIC);
    if (atomic_load(&h->shared->cursor_of) != server) {
        atomic_store(&h->shared->cursor, 0);
        atomic_store(&h->shared->cursor_of, server);
    }
    atomic_store(&h->shared->cursor, cursor);
}
