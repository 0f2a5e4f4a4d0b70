/*
 * tls_cert.c - certificates and their keys, read from files.
 */
#include "io/tls_ssl.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* No certificate, key or list of these is larger. */
#define FILE_MAX ((off_t)16 * 1024 * 1024)

const char *tls_reason(void)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                                 : ERR_reason_error_string(error);

    ERR_clear_error();
    return reason ? reason : "no reason is given";
}

/* Says what is wrong with a file of a pair. Always -1. */
static int refuse(struct tls_refusal *why, const struct tls_pair *p, bool key, const char *reason)
{
    why->key = key;
    snprintf(why->text, sizeof why->text, "cannot load %s \"%s\": %s",
             key ? "certificate key" : "certificate",
             p->files[key ? TLS_FILE_KEY : TLS_FILE_CERTIFICATE], reason);
    return -1;
}

/* Reads an open file. NULL with errno. */
static char *read_all(int fd, size_t *size)
{
    struct stat st;
    char *text;
    ssize_t n = 0;

    if (fstat(fd, &st) != 0)
        return NULL;
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    *size = 0;
    text = OPENSSL_malloc((size_t)st.st_size + 1);
    AN(text != NULL);
    while (*size < (size_t)st.st_size
           && (n = read(fd, text + *size, (size_t)st.st_size - *size)) > 0)
        *size += (size_t)n;
    if (n < 0) {
        OPENSSL_clear_free(text, (size_t)st.st_size + 1);
        return NULL;
    }
    text[*size] = '\0';
    return text;
}

char *tls_slurp(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
    char *text = fd < 0 ? NULL : read_all(fd, size);

    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return text;
}

char *tls_read_file(struct conf *conf, const struct tls_word *file, const char *what, size_t *size)
{
    char *text = tls_slurp(file->text.p, size);

    if (!text)
        conf_message(conf, SLV_LOG_EMERG, file->node, 1, "cannot load %s \"%.*s\": %s", what,
                     STR_ARG(file->text), strerror(errno));
    return text;
}

void tls_passwords_free(struct tls_passwords *passwords)
{
    if (passwords->text)
        OPENSSL_clear_free(passwords->text, passwords->size + 1);
    passwords->text = NULL;
}

/* What PEM_read_… asks for a password with: userdata is the line to try, or NULL. */
static int give_password(char *buf, int size, int writing, void *userdata)
{
    const struct str *line = userdata;

    (void)writing;
    if (!line || line->n > (size_t)size)
        return -1;
    memcpy(buf, line->p, line->n);
    return (int)line->n;
}

/* Tries a password on a key; NULL: none. */
static EVP_PKEY *try_key(const char *text, size_t size, struct str *password)
{
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    EVP_PKEY *key;

    AN(bio != NULL);
    ERR_clear_error();
    key = PEM_read_bio_PrivateKey(bio, NULL, give_password, password);
    BIO_free(bio);
    return key;
}

/* Reads a key; tries the passwords where there are some. NULL: why tells. */
static EVP_PKEY *read_key(const struct tls_pair *p, const struct tls_passwords *passwords,
                          struct tls_refusal *why)
{
    size_t size;
    char *text = tls_slurp(p->files[TLS_FILE_KEY], &size);
    EVP_PKEY *key = NULL;
    bool sealed;

    if (!text) {
        refuse(why, p, true, strerror(errno));
        return NULL;
    }
    sealed = strstr(text, "ENCRYPTED") != NULL;
    if (!sealed)
        key = try_key(text, size, NULL);
    for (char *at = passwords->text, *end; sealed && !key && at && *at; at = *end ? end + 1 : end) {
        struct str line = { at, 0 };

        end = strchrnul(at, '\n');
        line.n = (size_t)(end - at);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        key = try_key(text, size, &line);
    }
    OPENSSL_clear_free(text, size + 1);
    if (!key && sealed)
        refuse(why, p, true, passwords->text
               ? "it is encrypted, and no line of \"ssl_password_file\" is its password"
               : "it is encrypted, and there is no \"ssl_password_file\"");
    else if (!key)
        refuse(why, p, true, tls_reason());
    ERR_clear_error();
    return key;
}

/* Reads the certificates behind the first one. 0, or -1: OpenSSL notes why. */
static int read_chain(BIO *bio, STACK_OF(X509) *chain)
{
    X509 *issuer;
    unsigned long error;

    AN(chain != NULL);
    while ((issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        AN(sk_X509_push(chain, issuer) > 0);
    error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return -1;
    ERR_clear_error();
    return 0;
}

/* Reads a certificate with its chain. 0 or -1. */
static int read_certificate(const struct tls_pair *p, struct tls_material *m,
                            struct tls_refusal *why)
{
    size_t size;
    char *text = tls_slurp(p->files[TLS_FILE_CERTIFICATE], &size);
    BIO *bio;
    int result = 0;

    if (!text)
        return refuse(why, p, false, strerror(errno));
    bio = BIO_new_mem_buf(text, (int)size);
    AN(bio != NULL);
    ERR_clear_error();
    m->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    m->chain = sk_X509_new_null();
    if (!m->leaf || read_chain(bio, m->chain))
        result = refuse(why, p, false, tls_reason());
    BIO_free(bio);
    /* People put the key into the same file. */
    OPENSSL_clear_free(text, size + 1);
    return result;
}

void tls_material_free(struct tls_material *m)
{
    X509_free(m->leaf);
    sk_X509_pop_free(m->chain, X509_free);
    EVP_PKEY_free(m->key);
    *m = (struct tls_material){ NULL, NULL, NULL };
}

int tls_read_pair(const struct tls_pair *p, const struct tls_passwords *passwords,
                  struct tls_material *m, struct tls_refusal *why)
{
    int result = -1;

    CHECK_OBJ(p, TLS_PAIR_MAGIC);
    *m = (struct tls_material){ NULL, NULL, NULL };
    if (!read_certificate(p, m, why) && (m->key = read_key(p, passwords, why))) {
        ERR_clear_error();
        result = X509_check_private_key(m->leaf, m->key) == 1 ? 0 : -1;
        if (result) {
            why->key = true;
            snprintf(why->text, sizeof why->text,
                     "the key \"%s\" is not that of the certificate \"%s\": %s",
                     p->files[TLS_FILE_KEY], p->files[TLS_FILE_CERTIFICATE], tls_reason());
        }
    }
    if (result)
        tls_material_free(m);
    return result;
}
