/*
 * password.c - the schemes of htpasswd files.
 */
#include "password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define MD5_SIZE 16
#define SHA1_SIZE 20
#define STORED_MAX 512             /* more than any hash is long */
#define APR1_ROUNDS 1000
#define APR1_SALT_MAX 8

/* Equal, in a time that depends on the lengths only. */
static bool same_bytes(const void *a, size_t an, const void *b, size_t bn)
{
    return an == bn && CRYPTO_memcmp(a, b, an) == 0;
}

/* The value of one base64 digit, or -1. */
static int base64_digit(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A';
    if (ch >= 'a' && ch <= 'z')
        return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9')
        return ch - '0' + 52;
    return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}

/* Decodes base64. */
int base64_decode(struct str text, uint8_t *out, size_t *n)
{
    unsigned bits = 0;
    uint32_t word = 0;

    for (int i = 0; i < 2 && text.n && text.p[text.n - 1] == '='; i++)
        text.n--;
    *n = 0;
    if (text.n % 4 == 1)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);

        if (digit < 0)
            return -1;
        word = word << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[(*n)++] = (uint8_t)(word >> bits);
        }
    }
    return 0;
}

/* ---- $apr1$ ---------------------------------------------------------------------------------- */

/* A digest under way; remembers whether all went well. */
struct md5 {
    EVP_MD_CTX *ctx;
    bool ok;
};

/* Starts anew. */
static void md5_start(struct md5 *m)
{
    m->ok = m->ok && EVP_DigestInit_ex(m->ctx, EVP_md5(), NULL) == 1;
}

/* Adds bytes. */
static void md5_add(struct md5 *m, const void *p, size_t n)
{
    m->ok = m->ok && EVP_DigestUpdate(m->ctx, p, n) == 1;
}

/* Ends. */
static void md5_end(struct md5 *m, uint8_t out[MD5_SIZE])
{
    m->ok = m->ok && EVP_DigestFinal_ex(m->ctx, out, NULL) == 1;
}

/* The digest before the rounds: password, magic and salt, stirred by the password's length. */
static void apr1_begin(struct md5 *m, struct str given, struct str salt, uint8_t out[MD5_SIZE])
{
    uint8_t inner[MD5_SIZE] = { 0 };

    md5_start(m);
    md5_add(m, given.p, given.n);
    md5_add(m, salt.p, salt.n);
    md5_add(m, given.p, given.n);
    md5_end(m, inner);

    md5_start(m);
    md5_add(m, given.p, given.n);
    md5_add(m, "$apr1$", 6);
    md5_add(m, salt.p, salt.n);
    for (size_t left = given.n; left; left -= left < MD5_SIZE ? left : MD5_SIZE)
        md5_add(m, inner, left < MD5_SIZE ? left : MD5_SIZE);
    for (size_t i = given.n; i; i >>= 1)
        md5_add(m, i & 1 ? "" : given.p, 1);
    md5_end(m, out);
    OPENSSL_cleanse(inner, sizeof inner);
}

/* One of the thousand rounds that are there to take time. */
static void apr1_round(struct md5 *m, int round, struct str given, struct str salt,
                       uint8_t digest[MD5_SIZE])
{
    bool odd = round & 1;

    md5_start(m);
    if (odd)
        md5_add(m, given.p, given.n);
    else
        md5_add(m, digest, MD5_SIZE);
    if (round % 3)
        md5_add(m, salt.p, salt.n);
    if (round % 7)
        md5_add(m, given.p, given.n);
    if (odd)
        md5_add(m, digest, MD5_SIZE);
    else
        md5_add(m, given.p, given.n);
    md5_end(m, digest);
}

/* Writes n digits of the alphabet of crypt(3), the lowest first. */
static char *put_crypt64(char *out, uint32_t value, int n)
{
    static const char digits[] =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    for (; n; n--, value >>= 6)
        *out++ = digits[value & 63];
    return out;
}

/* Makes an $apr1$ hash. */
int password_apr1(struct str given, struct str salt, char out[APR1_SIZE])
{
    /* The order in which the bytes of the digest are written, three by three. */
    static const uint8_t order[5][3] = {
        { 0, 6, 12 }, { 1, 7, 13 }, { 2, 8, 14 }, { 3, 9, 15 }, { 4, 10, 5 }
    };
    struct md5 m = { EVP_MD_CTX_new(), true };
    uint8_t d[MD5_SIZE] = { 0 };
    char *p = out;

    if (!m.ctx)
        abort();
    if (salt.n > APR1_SALT_MAX)
        salt.n = APR1_SALT_MAX;
    apr1_begin(&m, given, salt, d);
    for (int i = 0; i < APR1_ROUNDS && m.ok; i++)
        apr1_round(&m, i, given, salt, d);
    EVP_MD_CTX_free(m.ctx);

    memcpy(p, "$apr1$", 6);
    if (salt.n)
        memcpy(p + 6, salt.p, salt.n);
    p += 6 + salt.n;
    *p++ = '$';
    for (int i = 0; i < 5; i++)
        p = put_crypt64(p, (uint32_t)d[order[i][0]] << 16 | (uint32_t)d[order[i][1]] << 8
                        | d[order[i][2]], 4);
    *put_crypt64(p, d[11], 2) = '\0';
    OPENSSL_cleanse(d, sizeof d);
    return m.ok ? 0 : -1;
}

/* Is it the password of an $apr1$ hash? rest: behind the magic. */
static bool matches_apr1(struct str stored, struct str rest, struct str given)
{
    const char *dollar = memchr(rest.p, '$', rest.n);
    struct str salt = { rest.p, dollar ? (size_t)(dollar - rest.p) : rest.n };
    char made[APR1_SIZE];

    return password_apr1(given, salt, made) == 0
        && same_bytes(made, strlen(made), stored.p, stored.n);
}

/* ---- The others ------------------------------------------------------------------------------ */

/* Is it the password of a {SHA} or {SSHA} hash? What follows the digest is the salt. */
static bool matches_sha(struct str base64, bool salted, struct str given)
{
    uint8_t raw[STORED_MAX], digest[SHA1_SIZE];
    EVP_MD_CTX *ctx;
    bool ok;
    size_t n;

    if (base64.n > sizeof raw || base64_decode(base64, raw, &n) != 0
        || (salted ? n < SHA1_SIZE : n != SHA1_SIZE))
        return false;
    ctx = EVP_MD_CTX_new();
    if (!ctx)
        abort();
    ok = EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1
        && EVP_DigestUpdate(ctx, given.p, given.n) == 1
        && EVP_DigestUpdate(ctx, raw + SHA1_SIZE, n - SHA1_SIZE) == 1
        && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok && same_bytes(raw, SHA1_SIZE, digest, SHA1_SIZE);
}

/* Is it the password of a hash that crypt(3) knows? */
static bool matches_crypt(struct str stored, struct str given)
{
    char setting[STORED_MAX], phrase[PASSWORD_MAX + 1];
    struct crypt_data *data;
    const char *made;
    bool ok;

    /* crypt() answers with "*0" or "*1" where it cannot; no password may ever match these. */
    if (stored.n < 2 || stored.n >= sizeof setting || stored.p[0] == '*')
        return false;
    memcpy(setting, stored.p, stored.n);
    setting[stored.n] = '\0';
    if (given.n)
        memcpy(phrase, given.p, given.n);
    phrase[given.n] = '\0';
    data = calloc(1, sizeof *data);
    if (!data)
        abort();
    made = crypt_r(phrase, setting, data);
    ok = made && made[0] != '*' && same_bytes(made, strlen(made), stored.p, stored.n);
    OPENSSL_cleanse(data, sizeof *data);
    OPENSSL_cleanse(phrase, sizeof phrase);
    free(data);
    return ok;
}

/* Tells by the beginning which scheme it is. */
bool password_matches(struct str stored, struct str given)
{
    if (given.n > PASSWORD_MAX || (given.n && memchr(given.p, '\0', given.n)))
        return false;
    if (str_starts(stored, STR("$apr1$")))
        return matches_apr1(stored, str_from(stored, 6), given);
    if (str_starts(stored, STR("{PLAIN}")))
        return same_bytes(stored.p + 7, stored.n - 7, given.p, given.n);
    if (str_starts(stored, STR("{SHA}")))
        return matches_sha(str_from(stored, 5), false, given);
    if (str_starts(stored, STR("{SSHA}")))
        return matches_sha(str_from(stored, 6), true, given);
    return matches_crypt(stored, given);
}
