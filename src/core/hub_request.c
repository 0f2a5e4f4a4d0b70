/*
 * hub_request.c - the hub and requests: whose a subscription is, and what a refusal is in HTTP.
 */
#include "core/hub_worker.h"

#include <selvage/module.h>

#include "base/check.h"
#include "http/exchange.h"

/*
 * The number by which a client is counted: of IPv6 the half that tells customers apart, of IPv4
 * what stands there for it in a mapped address. 0: there is none.
 */
static uint64_t client_number(const struct slv_request *r)
{
    uint8_t ip[16];
    int size = r ? slv_request_peer(r, ip) : 0;
    uint64_t number = size == 4 ? 0xffff : 0;

    if (!size)
        return 0;
    for (int i = 0; i < (size == 4 ? 4 : 8); i++)
        number = number << 8 | ip[i];
    return number ? number : 1;
}

enum slv_hub_result slv_hub_subscribe(struct slv_hub_subscriber *s, const struct slv_request *r,
                                      struct str channel, uint64_t after, struct slv_hub_most most)
{
    s->connection = r ? exchange_of(r)->conn : NULL;
    return hub_subscribe(s, channel, after, client_number(r), most);
}

/* What each refusal is in HTTP, in the log, and in words. */
static const struct {
    int status;
    enum slv_level level;
    const char *words;
} refusals[] = {
    [SLV_HUB_BAD_NAME] = { 400, SLV_LOG_INFO, "the name of the channel is not allowed" },
    [SLV_HUB_BAD_TEXT] = { 400, SLV_LOG_INFO, "the text is not UTF-8, or the name of the event or "
                           "the media type is not allowed" },
    [SLV_HUB_TOO_LARGE] = { 413, SLV_LOG_INFO, "the message is larger than an eighth of hub_size" },
    [SLV_HUB_TOO_FAST] = { 429, SLV_LOG_INFO, "the channel has had all the messages that it may "
                           "have in this second" },
    [SLV_HUB_FULL] = { 503, SLV_LOG_WARN, "the hub has no room for another channel, client or "
                       "message" },
    [SLV_HUB_CHANNEL_LIMIT] = { 503, SLV_LOG_WARN, "the channel has all the subscribers that it "
                                "may have" },
    [SLV_HUB_CLIENT_LIMIT] = { 429, SLV_LOG_WARN, "the client has all the subscriptions that it "
                               "may have" },
    [SLV_HUB_OFF] = { 503, SLV_LOG_WARN, "there is no hub, or no seat in it for this worker" },
    [SLV_HUB_AWAY] = { 503, SLV_LOG_WARN, "the server that several machines share is away, or "
                       "refuses it" },
    [SLV_HUB_LATER] = { 504, SLV_LOG_ERROR, "the server that several machines share does not "
                        "answer in time; the message is sent when it does" },
};

const char *hub_refusal(enum slv_hub_result result)
{
    AN(result < sizeof refusals / sizeof *refusals && refusals[result].status != 0);
    return refusals[result].words;
}

int slv_hub_refused(struct slv_request *r, enum slv_hub_result result)
{
    slv_log(r, refusals[result].level, 0, "refused: %s", hub_refusal(result));
    if (refusals[result].status != 400 && refusals[result].status != 413)
        slv_header_out(r, STR("Retry-After"), STR("1"));
    return refusals[result].status;
}
