/*
 * acme.c - acme_challenge_dir: files that a client of ACME has laid out for its authority.
 *
 * Nothing else can be reached by it: a token is one name of harmless letters, its file is small,
 * regular, and no symbolic link. So it is read at once, and no rule of the site is asked.
 */
#include "core/acme.h"

#include "base/check.h"
#include "core/core_conf.h"
#include "http/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key authorization has 87 bytes with the tokens of today. */
#define FILE_MAX 4096
#define TOKEN_MAX 255

static const struct str place = STR_INIT("/.well-known/acme-challenge/");

int acme_set_directory(struct slv_conf *cf, const struct slv_directive *d, void *conf)
{
    struct str text = slv_conf_arg(cf, 1);

    if (str_eq(text, STR("off")))
        return 0;
    if (!text.n || memchr(text.p, '$', text.n))
        return slv_conf_error(cf, 1, "invalid directory \"%.*s\" in \"%s\", it must be a path "
                              "without variables", STR_ARG(text), d->name);
    return slv_set_path(cf, d, conf);
}

/* RFC 8555: letters of base64url. */
static bool is_token(struct str token)
{
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
              || c == '-' || c == '_'))
            return false;
    }
    return token.n > 0 && token.n <= TOKEN_MAX;
}

/* Reads an open file. .p NULL with errno. */
static struct str read_small(struct slv_request *r, int fd)
{
    struct str text = { NULL, 0 };
    char *room;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return text;
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return text;
    }
    room = slv_alloc(r, FILE_MAX);
    n = read(fd, room, FILE_MAX);
    if (n >= 0)
        text = (struct str){ room, (size_t)n };
    return text;
}

int acme_answer(struct slv_request *r, struct str directory)
{
    struct str token, text = { NULL, 0 };
    char *name;
    int fd, error;

    if ((r->method != SLV_GET && r->method != SLV_HEAD) || !str_starts(r->path, place))
        return SLV_DECLINED;
    token = str_from(r->path, place.n);
    if (!is_token(token))
        return 404;
    name = slv_alloc(r, directory.n + r->path.n + 1);
    AN(directory.p[0] == '/');
    memcpy(name, directory.p, directory.n);
    memcpy(name + directory.n, r->path.p, r->path.n);
    name[directory.n + r->path.n] = '\0';
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0)
        text = read_small(r, fd);
    error = errno;
    if (fd >= 0)
        close(fd);
    if (!text.p) {
        slv_log(r, SLV_LOG_ERROR, error, "the challenge \"%s\" cannot be read", name);
        return error == EACCES ? 403 : 404;
    }
    return slv_respond_text(r, 200, STR("application/octet-stream"), text);
}
