/*
 * handshake.c - the opening handshake (RFC 6455 section 4.2).
 */
#include "handshake.h"

#include <selvage/module.h>

#include <openssl/evp.h>

#define KEY_SIZE 24                /* 16 bytes in base64 */

/* Logs why a handshake is refused, and returns the status. */
static int refuse(struct slv_request *r, int status, const char *why)
{
    slv_log(r, SLV_LOG_INFO, 0, "websocket handshake is refused with %d: %s", status, why);
    return status;
}

/* How many fields of that name there are; value: of the first. */
static size_t count_fields(const struct slv_request *r, struct str name, struct str *value)
{
    size_t n = 0;

    *value = (struct str){ NULL, 0 };
    for (size_t i = 0; i < r->header_count; i++) {
        if (!str_eq(r->headers[i].name, name))
            continue;
        if (n++ == 0)
            *value = r->headers[i].value;
    }
    return n;
}

/* A letter of base64. */
static bool is_base64(char b)
{
    return (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '+'
        || b == '/';
}

/* 16 bytes in base64. */
static bool key_valid(struct str key)
{
    if (key.n != KEY_SIZE || key.p[KEY_SIZE - 2] != '=' || key.p[KEY_SIZE - 1] != '=')
        return false;
    for (size_t i = 0; i < KEY_SIZE - 2; i++)
        if (!is_base64(key.p[i]))
            return false;
    return true;
}

/* What proves that we have read the key: base64 of SHA-1 of the key and a constant. */
static struct str accept_key(struct slv_request *r, struct str key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_SIZE + sizeof guid - 1];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char *accept = slv_alloc(r, 32);

    memcpy(text, key.p, KEY_SIZE);
    memcpy(text + KEY_SIZE, guid, sizeof guid - 1);
    if (!EVP_Digest(text, sizeof text, hash, &size, EVP_sha1(), NULL))
        return (struct str){ NULL, 0 };
    return (struct str){
        accept, (size_t)EVP_EncodeBlock((unsigned char *)accept, hash, (int)size)
    };
}

/* ---- Origin --------------------------------------------------------------------------------- */

int origin_rule_parse(struct slv_conf *cf, size_t arg, struct origin_rule *rule)
{
    struct str word = slv_conf_arg(cf, arg);

    if (str_eq(word, STR("any"))) {
        rule->kind = ORIGIN_ANY;
    } else if (str_eq(word, STR("same"))) {
        rule->kind = ORIGIN_SAME;
    } else if (word.n && word.p[0] == '~') {
        rule->kind = ORIGIN_REGEX;
        rule->regex = slv_regex_compile(cf, arg, str_from(word, 1), true);
        return rule->regex ? 0 : -1;
    } else if (str_starts(word, STR("*.")) && word.n > 2) {
        rule->kind = ORIGIN_SUFFIX;
        rule->text = slv_conf_str(cf, str_from(word, 1));
    } else {
        rule->kind = ORIGIN_EXACT;
        rule->text = slv_conf_str(cf, word);
    }
    if (rule->kind > ORIGIN_SAME && (!rule->text.n || memchr(rule->text.p, '*', rule->text.n)))
        return slv_conf_error(cf, arg, "invalid origin \"%.*s\", it must be \"any\", \"same\", a "
                              "name, *.name, scheme://name[:port] or ~regex", STR_ARG(word));
    return 0;
}

/* The part of an origin behind its scheme: name[:port]; .p NULL: there is no scheme. */
static struct str origin_authority(struct str origin)
{
    const char *mark = memmem(origin.p, origin.n, "://", 3);

    if (!mark)
        return (struct str){ NULL, 0 };
    return str_from(origin, (size_t)(mark + 3 - origin.p));
}

/* Without its port. */
static struct str without_port(struct str authority)
{
    const char *colon = memrchr(authority.p, ':', authority.n);
    const char *bracket = memrchr(authority.p, ']', authority.n);

    if (colon && (!bracket || colon > bracket))
        authority.n = (size_t)(colon - authority.p);
    return authority;
}

/* Without the port that its scheme has anyway. */
static struct str without_default_port(struct str authority)
{
    if (str_ends(authority, STR(":80")))
        authority.n -= 3;
    else if (str_ends(authority, STR(":443")))
        authority.n -= 4;
    return authority;
}

/* s ends with suffix but for ASCII case, and there is something before it. */
static bool ends_with(struct str s, struct str suffix)
{
    return s.n > suffix.n && str_ieq(str_from(s, s.n - suffix.n), suffix);
}

/* A rule lets an origin pass. */
static bool origin_matches(const struct slv_request *r, const struct origin_rule *rule,
                           struct str origin)
{
    struct str authority = origin_authority(origin);

    switch (rule->kind) {
    case ORIGIN_ANY:
        return true;
    case ORIGIN_SAME:
        /* The scheme is not compared: who ends TLS before us, is not known here. */
        return authority.p && str_ieq(without_default_port(authority),
                                      without_default_port(slv_header_in(r, SLV_H_HOST)));
    case ORIGIN_EXACT:
        return str_ieq(origin, rule->text)
            || (authority.p && str_ieq(without_port(authority), rule->text));
    case ORIGIN_SUFFIX:
        return authority.p && ends_with(without_port(authority), rule->text);
    case ORIGIN_REGEX:
        return slv_regex_match(rule->regex, origin, NULL);
    }
    return false;
}

/* Browsers say where a page came from; what says nothing is none, and has no user to protect. */
static bool origin_allowed(const struct slv_request *r, const struct origin_rule *rules,
                           struct str origin)
{
    if (!rules || !origin.p)
        return true;
    for (const struct origin_rule *rule = rules; rule; rule = rule->next)
        if (origin_matches(r, rule, origin))
            return true;
    return false;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

/* Bytes of a token (RFC 9110 section 5.6.2). */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
            return false;
    return s.n > 0;
}

/* The server speaks that subprotocol. */
static bool speaks(const struct protocol_name *names, struct str name)
{
    for (const struct protocol_name *p = names; p; p = p->next)
        if (str_eq(p->name, name))
            return true;
    return false;
}

/* Chooses among the offers of one field. 0, or -1 where it is malformed. */
static int choose_protocol(struct str list, const struct protocol_name *names, struct str *chosen)
{
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.p) : list.n;
        struct str name = str_trim((struct str){ list.p, n });

        list = str_from(list, comma ? n + 1 : n);
        if (name.n && !is_token(name))
            return -1;
        if (name.n && !chosen->p && speaks(names, name))
            *chosen = name;
    }
    return 0;
}

/* Looks through the fields that offer something. 0, or a status. */
static int take_offers(struct slv_request *r, const struct handshake_rules *rules,
                       struct str *protocol, struct deflate_terms *terms)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const struct slv_header *h = &r->headers[i];

        if (str_eq(h->name, STR("sec-websocket-protocol"))
            && choose_protocol(h->value, rules->protocols, protocol) != 0)
            return refuse(r, 400, "Sec-WebSocket-Protocol is malformed");
        if (str_eq(h->name, STR("sec-websocket-extensions"))
            && deflate_negotiate(h->value, rules->deflate, terms) != 0)
            return refuse(r, 400, "Sec-WebSocket-Extensions is malformed");
    }
    return 0;
}

/* ---- The handshake -------------------------------------------------------------------------- */

/* Judges what every handshake must have. 0 with the key, or a status. */
static int judge(struct slv_request *r, const struct handshake_rules *rules, struct str *key)
{
    struct str version, origin;
    size_t versions = count_fields(r, STR("sec-websocket-version"), &version);

    if (r->method != SLV_GET) {
        slv_header_out(r, STR("Allow"), STR("GET"));
        return refuse(r, 405, "the method is not GET");
    }
    if (r->version < 11)
        return refuse(r, 400, "it is not HTTP/1.1");
    if (r->content_length != 0)
        return refuse(r, 400, "it has a body");
    if (!slv_upgrade_offered(r, STR("websocket"))) {
        slv_header_out(r, STR("Upgrade"), STR("websocket"));
        return refuse(r, 426, "Connection and Upgrade do not ask for it");
    }
    if (versions > 1)
        return refuse(r, 400, "there is more than one Sec-WebSocket-Version");
    if (!str_eq(version, STR("13"))) {
        slv_header_out(r, STR("Upgrade"), STR("websocket"));
        slv_header_out(r, STR("Sec-WebSocket-Version"), STR("13"));
        return refuse(r, 426, "Sec-WebSocket-Version is not 13");
    }
    if (count_fields(r, STR("sec-websocket-key"), key) != 1)
        return refuse(r, 400, "there is not one Sec-WebSocket-Key");
    if (!key_valid(*key))
        return refuse(r, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (count_fields(r, STR("origin"), &origin) > 1)
        return refuse(r, 400, "there is more than one Origin");
    if (!origin_allowed(r, rules->origins, origin))
        return refuse(r, 403, "websocket_origin does not allow the Origin");
    return 0;
}

int handshake(struct slv_request *r, const struct handshake_rules *rules,
              struct deflate_terms *terms, struct str *protocol)
{
    struct str key, accept;
    int status = judge(r, rules, &key);

    *protocol = (struct str){ NULL, 0 };
    *terms = (struct deflate_terms){ .agreed = false };
    if (!status)
        status = take_offers(r, rules, protocol, terms);
    if (status)
        return status;
    accept = accept_key(r, key);
    if (!accept.p)
        return refuse(r, 500, "SHA-1 is not to be had");
    slv_header_out(r, STR("Sec-WebSocket-Accept"), accept);
    if (protocol->p)
        slv_header_out(r, STR("Sec-WebSocket-Protocol"),
                       slv_printf(r, "%.*s", STR_ARG(*protocol)));
    if (terms->agreed) {
        char *answer = slv_alloc(r, DEFLATE_ANSWER_MAX);
        size_t n = deflate_answer(terms, answer);

        slv_header_out(r, STR("Sec-WebSocket-Extensions"), (struct str){ answer, n });
    }
    return 0;
}
