/*
 * auth_basic.c - the module of HTTP Basic authentication (RFC 7617).
 */
#include <selvage/module.h>

#include "password.h"
#include "users.h"

#include <errno.h>
#include <openssl/crypto.h>

/* Base64 of more than this is no name and password. */
#define CREDENTIALS_MAX 4096

extern const struct slv_module module_auth_basic;

struct auth_conf {
    const struct slv_template *realm;
    const struct slv_template *user_file;
};

struct credentials {
    struct str user, password;     /* in the request's memory */
};

/* auth_basic_user_file path: beside the configuration file, unless a variable begins it. */
static int set_user_file(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct auth_conf *c = conf;
    struct str path = slv_conf_arg(cf, 1);

    (void)d;
    if (path.n && path.p[0] != '$')
        path = slv_conf_path(cf, path, true);
    c->user_file = slv_template_compile(cf, 1, path);
    return c->user_file ? 0 : -1;
}

#define CONTEXTS (SLV_IN_ANY_HTTP | SLV_IN_LIMIT_EXCEPT)

static const struct slv_directive directives[] = {
    { "auth_basic", CONTEXTS, 1, 1, 0, "string | off", slv_set_template,
      SLV_FIELD(struct auth_conf, realm), NULL, NULL },
    { "auth_basic_user_file", CONTEXTS, 1, 1, 0, "file", set_user_file,
      SLV_FIELD(struct auth_conf, user_file), NULL, NULL },
    { 0 }
};

/* Asks for name and password. */
static int challenge(struct slv_request *r, struct str realm)
{
    static const char begin[] = "Basic realm=\"";
    char *p = slv_alloc(r, sizeof begin + 2 * realm.n + 1), *end = p + sizeof begin - 1;

    memcpy(p, begin, sizeof begin - 1);
    for (size_t i = 0; i < realm.n; i++) {
        unsigned char ch = (unsigned char)realm.p[i];

        if (ch == '"' || ch == '\\')
            *end++ = '\\';
        *end++ = ch < 0x20 || ch == 0x7f ? ' ' : (char)ch;
    }
    *end++ = '"';
    slv_header_out(r, STR("WWW-Authenticate"), (struct str){ p, (size_t)(end - p) });
    return 401;
}

/* No control characters: RFC 7617 section 2 has none, and logs are happier without. */
static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* Reads Authorization. False where it does not hold a name and a password. */
static bool read_credentials(struct slv_request *r, struct credentials *out)
{
    struct str value = slv_header_in(r, SLV_H_AUTHORIZATION), all;
    const char *colon;
    uint8_t *decoded;
    size_t n;

    if (value.n < 6 || !str_ieq((struct str){ value.p, 6 }, STR("Basic ")))
        return false;
    value = str_trim(str_from(value, 6));
    if (value.n == 0 || value.n > CREDENTIALS_MAX)
        return false;
    decoded = slv_alloc(r, value.n);
    if (base64_decode(value, decoded, &n) != 0)
        return false;
    all = (struct str){ (const char *)decoded, n };
    colon = n ? memchr(all.p, ':', n) : NULL;
    if (!colon || colon == all.p || !is_text(all))
        return false;
    out->user = (struct str){ all.p, (size_t)(colon - all.p) };
    out->password = str_from(all, out->user.n + 1);
    return true;
}

/* The path of the file, with a NUL behind it. */
static struct str file_of(struct slv_request *r, const struct auth_conf *c)
{
    struct str path = slv_template_text(r, c->user_file);

    return slv_printf(r, "%.*s", STR_ARG(path));
}

/* Judges name and password by the file. */
static int judge(struct slv_request *r, const struct auth_conf *c, struct str realm,
                 const struct credentials *who)
{
    struct str path = file_of(r, c), text, stored;

    if (users_read(path, &text) != 0) {
        bool missing = errno == ENOENT;

        slv_log(r, missing ? SLV_LOG_ERROR : SLV_LOG_CRIT, errno, "open() \"%.*s\" failed",
                STR_ARG(path));
        return missing ? 403 : 500;
    }
    if (!users_find(text, who->user, &stored)) {
        slv_log(r, SLV_LOG_ERROR, 0, "user \"%.*s\" was not found in \"%.*s\"",
                STR_ARG(who->user), STR_ARG(path));
        return challenge(r, realm);
    }
    if (!users_check(stored, who->password)) {
        slv_log(r, SLV_LOG_ERROR, 0, "user \"%.*s\": password mismatch", STR_ARG(who->user));
        return challenge(r, realm);
    }
    slv_set_remote_user(r, who->user);
    return SLV_DONE;
}

/* May this request go on? */
static int access_hook(struct slv_request *r, const void *conf)
{
    const struct auth_conf *c = conf;
    struct credentials who;
    struct str realm;
    int result;

    if (!c->realm)
        return SLV_DECLINED;
    realm = slv_template_text(r, c->realm);
    if (str_eq(realm, STR("off")))
        return SLV_DECLINED;
    /* A door without a key is a mistake, and the safe reading of it is: closed. */
    if (!c->user_file) {
        slv_log(r, SLV_LOG_ERROR, 0, "\"auth_basic\" is on, but there is no "
                "\"auth_basic_user_file\"");
        return 403;
    }
    if (!read_credentials(r, &who)) {
        slv_log(r, SLV_LOG_INFO, 0, "no user/password was provided for basic authentication");
        return challenge(r, realm);
    }
    result = judge(r, c, realm, &who);
    OPENSSL_cleanse((char *)who.password.p, who.password.n);
    return result;
}

const struct slv_module module_auth_basic = {
    SLV_MODULE_HEADER,
    .name = "auth_basic",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct auth_conf),
    .access = access_hook,
    .worker_stop = users_forget,
};
