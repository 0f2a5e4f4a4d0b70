/*
 * tls_pair.c - certificates with their keys: replaced, described, handed to workers.
 */
#include "io/tls_ssl.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/table.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a packed pair holds at most: certificates, a key, a response. */
#define PACKED_MAX ((size_t)4 << 20)

/* ---- One and all ----------------------------------------------------------------------------- */

struct tls_pair *tls_pair_at(const struct config *config, size_t context, size_t number)
{
    const struct tls_context *c;

    if (context >= config->tls_context_count)
        return NULL;
    c = config->tls_contexts[context];
    CHECK_OBJ(c, TLS_CONTEXT_MAGIC);
    return number < c->pair_count ? &c->pairs[number] : NULL;
}

size_t tls_pair_context(const struct tls_pair *p)
{
    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    return p->context->index;
}

struct tls_pair *tls_pair_next(const struct config *config, const struct tls_pair *p)
{
    struct tls_pair *next = p ? tls_pair_at(config, p->context->index, p->number + 1) : NULL;

    for (size_t i = p ? p->context->index + 1 : 0; !next && i < config->tls_context_count; i++)
        next = tls_pair_at(config, i, 0);
    return next;
}

struct tls_pair *tls_pair_next_first(const struct config *config, const struct tls_pair *p)
{
    struct tls_pair *next = tls_pair_next(config, p);

    while (next && !next->first)
        next = tls_pair_next(config, next);
    return next;
}

void tls_pairs_mark_first(const struct config *config)
{
    struct table seen = { 0 };

    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p)) {
        struct str file = str_of(p->files[TLS_FILE_CERTIFICATE]);

        p->first = !table_get(&seen, file);
        if (p->first)
            table_set(&seen, file, p);
    }
    table_free(&seen);
}

int64_t tls_seconds(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Lets go of what a pair holds. */
static void clear(struct tls_pair *p)
{
    struct tls_material old = { p->leaf, p->chain, p->key };

    tls_material_free(&old);
    OPENSSL_free(p->staple.der);
    p->staple = (struct tls_staple){ .der = NULL };
    p->leaf = NULL;
    p->chain = NULL;
    p->key = NULL;
}

void tls_pair_set(struct tls_pair *p, const struct tls_material *m)
{
    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    AN(m->leaf != NULL && m->key != NULL);
    if (p->key && EVP_PKEY_get_base_id(p->key) != EVP_PKEY_get_base_id(m->key))
        p->context->retyped = true;
    clear(p);
    p->leaf = m->leaf;
    p->chain = m->chain;
    p->key = m->key;
    p->not_before = tls_seconds(X509_get0_notBefore(p->leaf));
    p->not_after = tls_seconds(X509_get0_notAfter(p->leaf));
}

int tls_pairs_use(struct tls_context *c)
{
    int result = 0;

    CHECK_OBJ(c, TLS_CONTEXT_MAGIC);
    for (size_t i = 0; i < c->pair_count; i++) {
        const struct tls_pair *p = &c->pairs[i];

        if (p->leaf && SSL_CTX_use_cert_and_key(c->ctx, p->leaf, p->key, p->chain, 1) != 1)
            result = -1;
    }
    return result;
}

int tls_pairs_give(SSL *ssl, const struct tls_context *c)
{
    int result = 0;

    AN(c->pair_count > 0);
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < c->pair_count; i++) {
        const struct tls_pair *p = &c->pairs[i];

        if (SSL_use_cert_and_key(ssl, p->leaf, p->key, p->chain, 1) != 1)
            result = -1;
    }
    return result;
}

void tls_pairs_free(struct tls_context *c)
{
    for (size_t i = 0; i < c->pair_count; i++) {
        clear(&c->pairs[i]);
        c->pairs[i].magic = 0;
    }
    free(c->pairs);
    c->pairs = NULL;
    c->pair_count = 0;
}

/* ---- Looking at the files again -------------------------------------------------------------- */

/* How a file is now. */
static struct tls_mark mark_of(const char *path)
{
    struct tls_mark mark = { 0 };
    struct stat st;

    if (!path || stat(path, &st) != 0)
        return mark;
    mark.device = st.st_dev;
    mark.inode = st.st_ino;
    mark.size = st.st_size;
    mark.modified = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    mark.changed = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    return mark;
}

bool tls_pair_changed(struct tls_pair *p)
{
    struct tls_mark now[TLS_FILE_COUNT];
    bool changed;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    for (size_t i = 0; i < TLS_FILE_COUNT; i++)
        now[i] = mark_of(p->files[i]);
    changed = memcmp(now, p->marks, sizeof now) != 0;
    memcpy(p->marks, now, sizeof now);
    return changed;
}

/* The certificate behind the first one is not its issuer's. */
static bool is_disordered(X509 *leaf, const STACK_OF(X509) *chain)
{
    X509 *next = chain ? sk_X509_value(chain, 0) : NULL;

    return next && X509_check_issued(next, leaf) != X509_V_OK;
}

/* What must not be put in the place of what there is. 0 or -1. */
static int judge(const struct tls_pair *p, const struct tls_material *m, char *why, size_t size)
{
    const char *file = p->files[TLS_FILE_CERTIFICATE];

    if (p->marks[TLS_FILE_CERTIFICATE].size > (int64_t)PACKED_MAX / 2)
        snprintf(why, size, "the certificate \"%s\" is too large", file);
    else if (X509_cmp_current_time(X509_get0_notAfter(m->leaf)) < 0)
        snprintf(why, size, "the certificate \"%s\" has expired", file);
    else if (X509_cmp_current_time(X509_get0_notBefore(m->leaf)) > 0)
        snprintf(why, size, "the certificate \"%s\" is not valid yet", file);
    else if (is_disordered(m->leaf, m->chain) && !is_disordered(p->leaf, p->chain))
        snprintf(why, size, "the second certificate in \"%s\" is not that of the first one's "
                 "issuer", file);
    else
        return 0;
    return -1;
}

/* What is doubtful, but does not keep a pair out. */
static void doubt(const struct tls_pair *p, const struct tls_material *m, char *warning,
                  size_t size)
{
    const char *file = p->files[TLS_FILE_CERTIFICATE];
    const X509 *previous = sk_X509_value(m->chain, 0);

    warning[0] = '\0';
    if (sk_X509_num(p->chain) > 0 && sk_X509_num(m->chain) == 0) {
        snprintf(warning, size, "no certificate of an issuer follows the first one in \"%s\" any "
                 "more, clients may not find the way to the root", file);
        return;
    }
    for (int i = 1; i < sk_X509_num(m->chain); i++) {
        X509 *next = sk_X509_value(m->chain, i);

        if (X509_check_issued(next, (X509 *)(uintptr_t)previous) != X509_V_OK) {
            snprintf(warning, size, "certificate %d in \"%s\" is not that of the issuer of the one "
                     "before it", i + 2, file);
            return;
        }
        previous = next;
    }
}

/* Reads files that have been read with the configuration before. 0 or -1. */
static int read_again(const struct tls_pair *p, struct tls_material *m, char *why, size_t size)
{
    const struct tls_word *file = p->context->conf->password_file;
    struct tls_passwords passwords = { NULL, 0 };
    struct tls_refusal refusal;
    int result;

    if (file && !(passwords.text = tls_slurp(file->text.p, &passwords.size))) {
        snprintf(why, size, "cannot load ssl_password_file \"%s\": %s", file->text.p,
                 strerror(errno));
        return -1;
    }
    result = tls_read_pair(p, &passwords, m, &refusal);
    if (result)
        snprintf(why, size, "%s", refusal.text);
    tls_passwords_free(&passwords);
    return result;
}

/* The material is what the pair holds. */
static bool is_held(const struct tls_pair *p, const struct tls_material *m)
{
    if (X509_cmp(p->leaf, m->leaf) != 0 || sk_X509_num(p->chain) != sk_X509_num(m->chain))
        return false;
    for (int i = 0; i < sk_X509_num(p->chain); i++)
        if (X509_cmp(sk_X509_value(p->chain, i), sk_X509_value(m->chain, i)) != 0)
            return false;
    return true;
}

enum tls_renewal tls_pair_renew(struct tls_pair *p, char *why, char *warning, size_t size)
{
    struct tls_material m;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    AN(p->key != NULL);
    if (read_again(p, &m, why, size))
        return TLS_PAIR_BROKEN;
    if (is_held(p, &m)) {
        tls_material_free(&m);
        return TLS_PAIR_SAME;
    }
    ERR_clear_error();
    if (judge(p, &m, why, size)) {
        tls_material_free(&m);
        return TLS_PAIR_BROKEN;
    }
    /* OpenSSL has rules of its own; what it does not take changes nothing. */
    if (SSL_CTX_use_cert_and_key(p->context->ctx, m.leaf, m.key, m.chain, 1) != 1) {
        snprintf(why, size, "cannot load certificate \"%s\": %s", p->files[TLS_FILE_CERTIFICATE],
                 tls_reason());
        tls_material_free(&m);
        return TLS_PAIR_BROKEN;
    }
    doubt(p, &m, warning, size);
    tls_staple_discard(p);
    tls_pair_set(p, &m);
    p->version++;
    /* Of two pairs of one kind the last counts, as ever. */
    if (tls_pairs_use(p->context))
        NEVER("pairs that were good");
    return TLS_PAIR_RENEWED;
}

/* ---- Describing them ------------------------------------------------------------------------- */

bool tls_pair_same(const struct tls_pair *a, const struct tls_pair *b)
{
    return X509_cmp(a->leaf, b->leaf) == 0;
}

bool tls_pair_covers(const struct tls_pair *p, struct str name)
{
    char text[256];
    int n;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    /* A name for all below is as good as one of these. */
    if (str_starts(name, STR("*.")))
        n = snprintf(text, sizeof text, "any%.*s", (int)name.n - 1, name.p + 1);
    else
        n = snprintf(text, sizeof text, "%.*s", STR_ARG(name));
    return n > 0 && (size_t)n < sizeof text
        && (X509_check_host(p->leaf, text, (size_t)n, 0, NULL) == 1
            || X509_check_ip_asc(p->leaf, text, 0) == 1);
}

/* Appends a word; one that does not fit is left out. */
static void append(char *text, size_t size, const char *word, size_t n)
{
    size_t used = strlen(text);

    if (used + n + 2 > size || memchr(word, 0, n))
        return;
    if (used)
        text[used++] = ' ';
    memcpy(text + used, word, n);
    text[used + n] = '\0';
}

void tls_pair_names(const struct tls_pair *p, char *text, size_t size)
{
    GENERAL_NAMES *names;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    text[0] = '\0';
    names = X509_get_ext_d2i(p->leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            append(text, size, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                   (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    if (!text[0])
        X509_NAME_oneline(X509_get_subject_name(p->leaf), text, (int)size);
    ERR_clear_error();
}

void tls_pair_issuer(const struct tls_pair *p, char *text, size_t size)
{
    X509_NAME *issuer;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    issuer = X509_get_issuer_name(p->leaf);
    if (X509_NAME_get_text_by_NID(issuer, NID_commonName, text, (int)size) < 0)
        X509_NAME_oneline(issuer, text, (int)size);
}

/* ---- On the way to a worker ------------------------------------------------------------------ */

/* How a packed pair begins. Pieces follow, each behind its size: key, certificates, response. */
struct packed {
    uint32_t context, number, certificates;
    uint32_t zero;                 /* in place of padding, which would be bytes of the stack */
    int64_t from, until;
};

/* A piece, or what is left of the whole. */
struct piece {
    const unsigned char *p;
    uint32_t size;
};

/* Appends to a whole of PACKED_MAX bytes, whose *used bytes are there already. 0 or -1. */
static int add(unsigned char *whole, size_t *used, const void *data, int size)
{
    uint32_t n = (uint32_t)size;

    if (size < 0 || *used + sizeof n + n > PACKED_MAX)
        return -1;
    memcpy(whole + *used, &n, sizeof n);
    if (n)
        memcpy(whole + *used + sizeof n, data, n);
    *used += sizeof n + n;
    return 0;
}

/* Appends a certificate. */
static int add_certificate(unsigned char *whole, size_t *used, const X509 *certificate)
{
    unsigned char *der = NULL;
    int size = i2d_X509(certificate, &der), result = add(whole, used, der, size);

    OPENSSL_free(der);
    return result;
}

/* Appends the key. */
static int add_key(unsigned char *whole, size_t *used, const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int size = i2d_PrivateKey(key, &der), result = add(whole, used, der, size);

    if (size > 0)
        OPENSSL_clear_free(der, (size_t)size);
    return result;
}

/* Puts all into memory. 0 or -1. */
static int pack(const struct tls_pair *p, unsigned char *whole, size_t *used)
{
    struct packed head = {
        .context = (uint32_t)p->context->index, .number = p->number,
        .certificates = 1 + (uint32_t)sk_X509_num(p->chain),
        .from = p->staple.from, .until = p->staple.until
    };

    memcpy(whole, &head, sizeof head);
    *used = sizeof head;
    if (add_key(whole, used, p->key) || add_certificate(whole, used, p->leaf))
        return -1;
    for (int i = 0; i < sk_X509_num(p->chain); i++)
        if (add_certificate(whole, used, sk_X509_value(p->chain, i)))
            return -1;
    return add(whole, used, p->staple.der, (int)p->staple.size);
}

int tls_pair_pack(const struct tls_pair *p)
{
    int fd = memfd_create("selvage-certificate", MFD_CLOEXEC);
    unsigned char *whole;
    size_t used = 0;
    bool good;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    AN(p->key != NULL);
    if (fd < 0)
        return -1;
    whole = mem_alloc(PACKED_MAX);
    errno = EMSGSIZE;
    good = pack(p, whole, &used) == 0 && write(fd, whole, used) == (ssize_t)used;
    OPENSSL_cleanse(whole, used);
    free(whole);
    if (good)
        return fd;
    close(fd);
    return -1;
}

/* Takes the next piece. 0 or -1. */
static int take(struct piece *rest, struct piece *piece)
{
    if (rest->size < sizeof piece->size)
        return -1;
    memcpy(&piece->size, rest->p, sizeof piece->size);
    piece->p = rest->p + sizeof piece->size;
    rest->p += sizeof piece->size;
    rest->size -= (uint32_t)sizeof piece->size;
    if (piece->size > rest->size)
        return -1;
    rest->p += piece->size;
    rest->size -= piece->size;
    return 0;
}

/* Takes the key and the certificates. 0 or -1. */
static int take_material(struct piece *rest, uint32_t certificates, struct tls_material *m)
{
    struct piece piece;

    if (take(rest, &piece))
        return -1;
    m->key = d2i_AutoPrivateKey(NULL, &piece.p, (long)piece.size);
    m->chain = sk_X509_new_null();
    AN(m->chain != NULL);
    for (uint32_t i = 0; m->key && i < certificates; i++) {
        X509 *certificate = take(rest, &piece) ? NULL : d2i_X509(NULL, &piece.p, (long)piece.size);

        if (!certificate)
            return -1;
        if (i == 0)
            m->leaf = certificate;
        else
            AN(sk_X509_push(m->chain, certificate) > 0);
    }
    return m->key && m->leaf ? 0 : -1;
}

/* Takes the whole apart and puts it in its place. 0 or -1. */
static int unpack(const struct config *config, const unsigned char *whole, size_t size)
{
    struct tls_material m = { NULL, NULL, NULL };
    struct packed head;
    struct piece rest = { whole + sizeof head, (uint32_t)(size - sizeof head) }, response;
    struct tls_staple staple = { .der = NULL };
    struct tls_pair *p;

    memcpy(&head, whole, sizeof head);
    p = tls_pair_at(config, head.context, head.number);
    if (!p || take_material(&rest, head.certificates, &m) || take(&rest, &response)) {
        tls_material_free(&m);
        return -1;
    }
    tls_pair_set(p, &m);
    if (response.size) {
        staple = (struct tls_staple){ OPENSSL_memdup(response.p, response.size), response.size,
                                      head.from, head.until, 0 };
        AN(staple.der != NULL);
        tls_staple_set(p, &staple);
    }
    return tls_pairs_use(p->context);
}

int tls_pair_unpack(const struct config *config, int fd)
{
    struct stat st;
    unsigned char *whole;
    size_t size;
    int result = -1;

    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct packed)
        || st.st_size > (off_t)PACKED_MAX)
        return -1;
    size = (size_t)st.st_size;
    whole = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (whole == MAP_FAILED)
        return -1;
    ERR_clear_error();
    result = unpack(config, whole, size);
    OPENSSL_cleanse(whole, size);
    munmap(whole, size);
    return result;
}
