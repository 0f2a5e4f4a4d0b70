/*
 * signed_token.c - the module of access by a token that somebody with the secret has signed.
 *
 * A token is HMAC-SHA256 (RFC 2104) in hexadecimal digits over a text, a space, and the second
 * since 1970 at which it expires. The text is what the token opens, so that it opens nothing else.
 */
#include <selvage/module.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

extern const struct slv_module module_signed_token;

/* Bytes of a mark, and the least of a secret. */
#define MARK_SIZE 32
#define SECRET_LEAST 16

/* More digits than any time has that matters. */
#define EXPIRES_DIGITS 15

struct secret {
    struct secret *next;
    struct str text;
};

struct secret_list {
    struct secret *first, *last;
};

/* signed_token token expires | off */
struct token_where {
    const struct slv_template *token, *expires; /* NULL: off */
};

struct token_conf {
    struct token_where where;
    const struct slv_template *text;
    struct secret_list secrets;
};

/* signed_token token expires | off */
static int set_token(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct token_where *where = &((struct token_conf *)conf)->where;
    bool off = str_eq(slv_conf_arg(cf, 1), STR("off"));

    (void)d;
    if (off && slv_conf_count(cf) == 2)
        return 0;
    if (off || slv_conf_count(cf) == 2)
        return slv_conf_error(cf, 1, "\"signed_token\" must have two texts, where the token and "
                              "where its end is to be found, or \"off\"");
    where->token = slv_template_compile(cf, 1, slv_conf_arg(cf, 1));
    where->expires = slv_template_compile(cf, 2, slv_conf_arg(cf, 2));
    return where->token && where->expires ? 0 : -1;
}

/* signed_token_secret text: several may sign, so that one can be replaced */
static int set_secret(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct secret_list *list = &((struct token_conf *)conf)->secrets;
    struct secret *s = slv_conf_alloc(cf, sizeof *s);

    (void)d;
    if (slv_conf_arg(cf, 1).n < SECRET_LEAST)
        return slv_conf_error(cf, 1, "a secret of %zu bytes can be guessed, it must have %d at "
                              "least", slv_conf_arg(cf, 1).n, SECRET_LEAST);
    s->text = slv_conf_str(cf, slv_conf_arg(cf, 1));
    *(list->last ? &list->last->next : &list->first) = s;
    list->last = s;
    return 0;
}

/* Without a secret nobody could get in. */
static int finish(struct slv_conf *cf, void *conf)
{
    const struct token_conf *c = conf;

    if (!c->where.token || c->secrets.first)
        return 0;
    return slv_conf_error(cf, 0, "\"signed_token\" needs a \"signed_token_secret\"");
}

#define CONTEXTS (SLV_IN_ANY_HTTP | SLV_IN_LIMIT_EXCEPT)
#define FIELD(member) SLV_FIELD(struct token_conf, member)

static const struct slv_directive directives[] = {
    { "signed_token", CONTEXTS, 1, 2, 0, "token expires | off", set_token, FIELD(where), NULL,
      NULL },
    { "signed_token_text", CONTEXTS, 1, 1, 0, "text", slv_set_template, FIELD(text), "$uri", NULL },
    { "signed_token_secret", CONTEXTS, 1, 1, SLV_REPEATS, "secret", set_secret, FIELD(secrets),
      NULL, NULL },
    { 0 }
};

/* The value of a hexadecimal digit; -1: it is none. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads a mark. False: it is none. */
static bool read_mark(struct str token, unsigned char mark[MARK_SIZE])
{
    if (token.n != 2 * MARK_SIZE)
        return false;
    for (size_t i = 0; i < MARK_SIZE; i++) {
        int high = digit(token.p[2 * i]), low = digit(token.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        mark[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Reads a second. -1: it is none. */
static int64_t read_second(struct str text)
{
    int64_t n = 0;

    if (text.n == 0 || text.n > EXPIRES_DIGITS)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        n = n * 10 + (text.p[i] - '0');
    }
    return n;
}

/* Has one of the secrets made that mark? All are tried, so that time does not tell which. */
static bool is_signed(const struct secret_list *secrets, struct str text, const unsigned char *mark)
{
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned good = 0, size = 0;

    for (const struct secret *s = secrets->first; s; s = s->next)
        if (HMAC(EVP_sha256(), s->text.p, (int)s->text.n, (const unsigned char *)text.p, text.n,
                 made, &size) && size == MARK_SIZE)
            good |= CRYPTO_memcmp(made, mark, MARK_SIZE) == 0;
    return good;
}

/* NULL, or why the token does not let the client in. */
static const char *refusal(struct slv_request *r, const struct token_conf *c)
{
    struct str token = slv_template_text(r, c->where.token);
    struct str expires = slv_template_text(r, c->where.expires), text;
    int64_t end = read_second(expires);
    unsigned char mark[MARK_SIZE];

    if (!token.n)
        return "there is none";
    if (!read_mark(token, mark) || end < 0)
        return "it is malformed";
    text = slv_template_text(r, c->text);
    text = slv_printf(r, "%.*s %.*s", STR_ARG(text), STR_ARG(expires));
    if (!is_signed(&c->secrets, text, mark))
        return "the signature is wrong";
    return end <= time(NULL) ? "it has expired" : NULL;
}

/* Judges the client by its token. */
static int access_hook(struct slv_request *r, const void *conf)
{
    const struct token_conf *c = conf;
    const char *why;

    if (!c->where.token)
        return SLV_DECLINED;
    why = refusal(r, c);
    if (!why)
        return SLV_DONE;
    /* Where a password may still open the door, this is no incident. */
    if (!slv_satisfy_any(r))
        slv_log(r, SLV_LOG_ERROR, 0, "access forbidden by signed token: %s", why);
    return 403;
}

const struct slv_module module_signed_token = {
    SLV_MODULE_HEADER,
    .name = "signed_token",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct token_conf),
    .finish = finish,
    .access = access_hook,
};
