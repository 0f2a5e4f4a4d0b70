/*
 * users.c - password files and verified passwords, kept per worker.
 *
 * A page of fifty files sends the same password fifty times, and a hash that is good takes a tenth
 * of a second: what matched is remembered as a keyed digest of hash and password. Only successes
 * are, so nobody can fill it from outside, and a changed hash never hits.
 */
#include "users.h"

#include "password.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 16
#define FILE_SIZE_MAX (16 * 1024 * 1024)
#define MATCHES_MAX 256            /* a power of two */
#define DIGEST_SIZE 32

struct user_file {
    char *path;                    /* NULL: free */
    struct stat st;                /* of the file that was read */
    bool settled;                  /* its time stamp can be trusted to change with it */
    char *text;
    size_t size;
    unsigned long used;
};

static struct user_file files[FILES_MAX];
static unsigned long uses;

/* What matched: digests in the place that they name themselves. */
static uint8_t matches[MATCHES_MAX][DIGEST_SIZE];
static uint8_t match_key[DIGEST_SIZE];
static bool match_key_made;

/* ---- Files ----------------------------------------------------------------------------------- */

/* Is that still the file that was read? */
static bool unchanged(const struct user_file *f, const struct stat *st)
{
    return f->settled && f->st.st_dev == st->st_dev && f->st.st_ino == st->st_ino
        && f->st.st_size == st->st_size && f->st.st_mtim.tv_sec == st->st_mtim.tv_sec
        && f->st.st_mtim.tv_nsec == st->st_mtim.tv_nsec
        && f->st.st_ctim.tv_sec == st->st_ctim.tv_sec
        && f->st.st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

/* Empties a slot. */
static void drop(struct user_file *f)
{
    if (f->text)
        OPENSSL_cleanse(f->text, f->size);
    free(f->text);
    free(f->path);
    *f = (struct user_file){ .path = NULL };
}

/* The slot of a path, or the one that was not used for longest. */
static struct user_file *slot_for(struct str path)
{
    struct user_file *oldest = &files[0];

    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i].path && str_eq(str_of(files[i].path), path))
            return &files[i];
        if (files[i].used < oldest->used)
            oldest = &files[i];
    }
    return oldest;
}

/* Reads an open file whole. 0, or -1 with errno. */
static int read_whole(int fd, char *text, size_t room, size_t *n)
{
    *n = 0;
    while (*n < room) {
        ssize_t got = read(fd, text + *n, room - *n);

        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        *n += (size_t)got;
    }
    return 0;
}

/* Fills a slot from an open file. 0, or -1 with errno and an empty slot. */
static int fill(struct user_file *f, struct str path, int fd)
{
    struct timespec now;

    if (fstat(fd, &f->st) != 0)
        return -1;
    if (f->st.st_size > FILE_SIZE_MAX) {
        errno = EFBIG;
        return -1;
    }
    f->path = strdup(path.p);
    f->text = malloc((size_t)f->st.st_size + 1);
    if (!f->path || !f->text)
        abort();
    if (read_whole(fd, f->text, (size_t)f->st.st_size, &f->size) != 0) {
        int error = errno;

        drop(f);
        errno = error;
        return -1;
    }
    /* One who writes twice within a tick of the clock leaves the same stamp twice. */
    clock_gettime(CLOCK_REALTIME, &now);
    f->settled = now.tv_sec - f->st.st_ctim.tv_sec >= 2 && (off_t)f->size == f->st.st_size;
    return 0;
}

/* Reads a file, or finds it read. */
int users_read(struct str path, struct str *text)
{
    struct user_file *f = slot_for(path);
    struct stat st;
    int fd, rc, error;

    if (!f->path || !str_eq(str_of(f->path), path) || stat(path.p, &st) != 0
        || !unchanged(f, &st)) {
        drop(f);
        do
            fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        while (fd < 0 && errno == EINTR);
        if (fd < 0)
            return -1;
        rc = fill(f, path, fd);
        error = errno;
        close(fd);
        errno = error;
        if (rc != 0)
            return -1;
    }
    f->used = ++uses;
    *text = (struct str){ f->text, f->size };
    return 0;
}

/* Finds a user's line. */
bool users_find(struct str text, struct str user, struct str *stored)
{
    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        struct str line = { text.p, end ? (size_t)(end - text.p) : text.n };
        size_t n = 0;

        text = str_from(text, end ? line.n + 1 : line.n);
        if (line.n <= user.n || line.p[0] == '#' || line.p[user.n] != ':'
            || !str_starts(line, user))
            continue;
        line = str_from(line, user.n + 1);
        while (n < line.n && line.p[n] != ':' && line.p[n] != '\r')
            n++;
        *stored = (struct str){ line.p, n };
        return true;
    }
    return false;
}

/* ---- Verified passwords ---------------------------------------------------------------------- */

/* The keyed digest of a hash and its password. False where it cannot be made. */
static bool match_digest(struct str stored, struct str given, uint8_t out[DIGEST_SIZE])
{
    EVP_MD_CTX *ctx;
    bool ok;

    if (!match_key_made && RAND_bytes(match_key, sizeof match_key) != 1)
        return false;
    match_key_made = true;
    ctx = EVP_MD_CTX_new();
    if (!ctx)
        abort();
    ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
        && EVP_DigestUpdate(ctx, match_key, sizeof match_key) == 1
        && EVP_DigestUpdate(ctx, &stored.n, sizeof stored.n) == 1
        && EVP_DigestUpdate(ctx, stored.p, stored.n) == 1
        && EVP_DigestUpdate(ctx, given.p, given.n) == 1
        && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* Checks a password. */
bool users_check(struct str stored, struct str given)
{
    uint8_t digest[DIGEST_SIZE], *place;

    if (stored.n == 0 || stored.p[0] != '$' || !match_digest(stored, given, digest))
        return password_matches(stored, given);
    place = matches[digest[0] & (MATCHES_MAX - 1)];
    if (CRYPTO_memcmp(place, digest, DIGEST_SIZE) == 0)
        return true;
    if (!password_matches(stored, given))
        return false;
    memcpy(place, digest, DIGEST_SIZE);
    return true;
}

/* Forgets all. */
void users_forget(void)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        drop(&files[i]);
    OPENSSL_cleanse(matches, sizeof matches);
    OPENSSL_cleanse(match_key, sizeof match_key);
    match_key_made = false;
}
