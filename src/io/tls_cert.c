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
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    ERR_clear_error();
    return reason ? reason : "no reason is given";
}

/* Reports what is wrong with a file. Always -1. */
static int refuse(struct conf *conf, const struct tls_word *file, const char *what,
                  const char *reason)
{
    conf_message(conf, SLV_LOG_EMERG, file->node, 1, "cannot load %s \"%.*s\": %s", what,
                 STR_ARG(file->text), reason);
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

char *tls_read_file(struct conf *conf, const struct tls_word *file, const char *what, size_t *size)
{
    int fd = open(file->text.p, O_RDONLY | O_CLOEXEC), error;
    char *text = fd < 0 ? NULL : read_all(fd, size);

    error = errno;
    if (fd >= 0)
        close(fd);
    if (!text)
        refuse(conf, file, what, strerror(error));
    return text;
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

/* Reads a key; tries the passwords where there are some. NULL after a message. */
static EVP_PKEY *read_key(struct conf *conf, const struct tls_word *file,
                          const struct tls_passwords *passwords)
{
    static const char what[] = "certificate key";
    size_t size;
    char *text = tls_read_file(conf, file, what, &size);
    EVP_PKEY *key = NULL;
    bool sealed;

    if (!text)
        return NULL;
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
        refuse(conf, file, what, passwords->text
               ? "it is encrypted, and no line of \"ssl_password_file\" is its password"
               : "it is encrypted, and there is no \"ssl_password_file\"");
    else if (!key)
        refuse(conf, file, what, tls_reason());
    ERR_clear_error();
    return key;
}

/* Puts the certificates behind the first one into the chain of the pair at hand. */
static int add_chain(struct conf *conf, SSL_CTX *ctx, BIO *bio, const struct tls_word *file)
{
    X509 *issuer;
    unsigned long error;

    if (SSL_CTX_clear_chain_certs(ctx) != 1)
        return refuse(conf, file, "certificate", tls_reason());
    while ((issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (SSL_CTX_add0_chain_cert(ctx, issuer) != 1) {
            X509_free(issuer);
            return refuse(conf, file, "certificate", tls_reason());
        }
    }
    error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return refuse(conf, file, "certificate", tls_reason());
    ERR_clear_error();
    return 0;
}

/* Reads a certificate with its chain. */
static int load_certificate(struct conf *conf, SSL_CTX *ctx, const struct tls_word *file)
{
    size_t size;
    char *text = tls_read_file(conf, file, "certificate", &size);
    BIO *bio;
    X509 *leaf;
    int result = -1;

    if (!text)
        return -1;
    bio = BIO_new_mem_buf(text, (int)size);
    AN(bio != NULL);
    ERR_clear_error();
    leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1)
        refuse(conf, file, "certificate", tls_reason());
    else
        result = add_chain(conf, ctx, bio, file);
    X509_free(leaf);
    BIO_free(bio);
    /* People put the key into the same file. */
    OPENSSL_clear_free(text, size + 1);
    return result;
}

int tls_load_pair(struct conf *conf, SSL_CTX *ctx, const struct tls_word *certificate,
                  const struct tls_word *key, const struct tls_passwords *passwords)
{
    EVP_PKEY *pkey;
    int result = 0;

    AN(certificate != NULL && key != NULL);
    if (load_certificate(conf, ctx, certificate))
        return -1;
    pkey = read_key(conf, key, passwords);
    if (!pkey)
        return -1;
    ERR_clear_error();
    if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), pkey) != 1
        || SSL_CTX_use_PrivateKey(ctx, pkey) != 1) {
        conf_message(conf, SLV_LOG_EMERG, key->node, 1,
                     "the key \"%.*s\" is not that of the certificate \"%.*s\": %s",
                     STR_ARG(key->text), STR_ARG(certificate->text), tls_reason());
        result = -1;
    }
    EVP_PKEY_free(pkey);
    return result;
}
