/*
 * load_request.c - what the load generator sends: one request, or one with targets at random.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define TARGET_MAX 1024

static char request[HEAD_MAX];
static size_t request_len;
static size_t pipelined;
static char *copies;            /* `pipelined` copies of the request, side by side */

static char *text;              /* the file of targets, its lines */
static struct target *targets;
static size_t target_count;
static size_t before, after;    /* of the request: where its own target begins and ends */
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

/* xorshift: the same targets in each run. */
static uint64_t
next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Reads a whole file, with a NUL behind it. */
static char *
slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "r");
    char *p;
    long n;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) <= 0)
        die(path);
    rewind(f);
    p = malloc((size_t)n + 1);
    if (p == NULL || fread(p, 1, (size_t)n, f) != (size_t)n)
        die(path);
    fclose(f);
    p[n] = '\0';
    *size = (size_t)n;
    return p;
}

/* Splits the file of targets into lines, and finds the place for one in the request. */
static void
read_targets(const char *path)
{
    size_t size, n = 0;
    char *space = memchr(request, ' ', request_len), *line, *eol;

    text = slurp(path, &size);
    for (size_t i = 0; i < size; i++)
        n += text[i] == '\n';
    targets = calloc(n + 1, sizeof(*targets));
    if (targets == NULL || space == NULL)
        die(path);
    for (line = text; (eol = strchr(line, '\n')) != NULL; line = eol + 1) {
        struct target t = {line, (size_t)(eol - line)};

        if (t.len > 0 && t.len <= TARGET_MAX)
            targets[target_count++] = t;
    }
    before = (size_t)(space + 1 - request);
    space = memchr(space + 1, ' ', request_len - before);
    if (space == NULL || target_count == 0)
        die(path);
    after = (size_t)(space - request);
}

void
requests_read(const char *path, const char *target_file, size_t pipeline)
{
    size_t size;
    char *p = slurp(path, &size);

    if (size > sizeof(request))
        die(path);
    memcpy(request, p, size);
    free(p);
    request_len = size;
    pipelined = pipeline;
    if (target_file != NULL) {
        read_targets(target_file);
        return;
    }
    copies = malloc(request_len * pipeline);
    if (copies == NULL)
        die("memory");
    for (size_t i = 0; i < pipeline; i++)
        memcpy(copies + i * request_len, request, request_len);
}

size_t
requests_make(char **own, size_t n, const char **bytes, struct target *target)
{
    char *p;

    if (target_count == 0) {
        *bytes = copies;
        return n * request_len;
    }
    if (*own == NULL)
        *own = malloc(pipelined * (request_len + TARGET_MAX));
    p = *own;
    if (p == NULL)
        die("memory");
    for (size_t i = 0; i < n; i++) {
        *target = targets[next_random() % target_count];
        p = (char *)mempcpy(p, request, before);
        p = (char *)mempcpy(p, target->p, target->len);
        p = (char *)mempcpy(p, request + after, request_len - after);
    }
    *bytes = *own;
    return (size_t)(p - *own);
}
