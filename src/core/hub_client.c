/*
 * hub_client.c - how many subscriptions a client has, in each seat: for limits.
 *
 * A client's counts are somewhere in the span that its number leads to. So nothing leads from one
 * to another, and a count alone says whether its place is free: whoever dies here leaves nothing
 * to repair.
 */
#include "core/hub_shared.h"

#include "base/check.h"

/* Where the span of a client begins. */
static uint32_t span_of(const struct hub *h, uint64_t number)
{
    number = (number ^ h->shared->client_seed) * UINT64_C(0xff51afd7ed558ccd);
    number = (number ^ number >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(number >> 32) & (h->clients - 1);
}

/* A place of the span that begins there. */
static struct hub_client *client_at(const struct hub *h, uint32_t begin, uint32_t i)
{
    return &h->client[(begin + i) & (h->clients - 1)];
}

enum slv_hub_result hub_client_enter(struct hub *h, uint64_t number, unsigned most, uint32_t *at)
{
    uint32_t begin = span_of(h, number);
    struct hub_client *mine = NULL, *vacant = NULL;
    uint64_t total = 0;

    for (uint32_t i = 0; i < HUB_CLIENT_SPAN; i++) {
        struct hub_client *c = client_at(h, begin, i);

        if (!c->count)
            vacant = vacant ? vacant : c;
        else if (c->number == number)
            total += c->count, mine = c->seat == h->seat ? c : mine;
    }
    if (total >= most)
        return SLV_HUB_CLIENT_LIMIT;
    if (!mine && !vacant)
        return SLV_HUB_FULL;
    if (!mine) {
        mine = vacant;
        h->shared->clients_counted = 1;
        hub_step(h);
        mine->number = number;
        mine->seat = h->seat;
        hub_step(h);
    }
    mine->count++;
    hub_step(h);
    *at = (uint32_t)(mine - h->client) + 1;
    return SLV_HUB_OK;
}

void hub_client_leave(struct hub *h, uint32_t at)
{
    struct hub_client *c = &h->client[at - 1];

    AN(at <= h->clients && c->seat == h->seat && c->count > 0);
    c->count--;
    hub_step(h);
}

void hub_clients_forget_seat(struct hub *h, unsigned seat)
{
    if (!h->shared->clients_counted)
        return;
    for (uint32_t i = 0; i < h->clients; i++)
        if (h->client[i].seat == seat)
            h->client[i].count = 0;
}

const char *hub_clients_flaw(const struct hub *h)
{
    for (uint32_t i = 0; i < h->clients; i++) {
        const struct hub_client *c = &h->client[i];
        uint32_t begin = span_of(h, c->number);

        if (!c->count)
            continue;
        if (c->seat >= h->seats || ((i - begin) & (h->clients - 1)) >= HUB_CLIENT_SPAN)
            return "a client is counted in the wrong place";
        for (uint32_t k = 0; k < HUB_CLIENT_SPAN; k++) {
            const struct hub_client *other = client_at(h, begin, k);

            if (other != c && other->count && other->number == c->number
                && other->seat == c->seat)
                return "a client is counted twice";
        }
    }
    return NULL;
}
