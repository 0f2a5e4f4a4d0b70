/*
 * fuzz_proxy.c - headers of the PROXY protocol from hostile peers.
 *
 * The input is fed whole, and again in pieces of one byte: the outcome must be the same. A broken
 * promise of proxy_protocol.h aborts.
 */
#include "conn/proxy_protocol.h"
#include "fuzz.h"

/* Feeds pieces of at most step bytes; what they come to. */
static enum proxy_event feed(struct proxy_parser *p, const char *data, size_t size, size_t step,
                             size_t *taken)
{
    enum proxy_event event = PROXY_MORE;
    size_t used;

    *taken = 0;
    while (event == PROXY_MORE && *taken < size) {
        size_t n = size - *taken < step ? size - *taken : step;

        event = proxy_feed(p, data + *taken, n, &used);
        promise(used <= n && (event != PROXY_MORE || used == n));
        *taken += used;
    }
    return event;
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_parser whole = { 0 }, bytes = { 0 };
    size_t taken, again;
    enum proxy_event event = feed(&whole, (const char *)data, size, size, &taken);

    promise(feed(&bytes, (const char *)data, size, 1, &again) == event && again == taken);
    promise(taken <= PROXY_HEADER_MAX && whole.seen == taken);
    promise((event == PROXY_BAD) == (whole.why != NULL));
    promise(memcmp(&whole.said, &bytes.said, sizeof whole.said) == 0);
    promise(whole.said.source.family == whole.said.target.family
            || (whole.said.source.family != ADDR_NONE && whole.said.target.family != ADDR_NONE));
    promise(event == PROXY_DONE || whole.said.source.family == ADDR_NONE);
    return 0;
}
