/*
 * image_adopt.c - an image that was made elsewhere becomes that of a host.
 *
 * It is copied first and judged then, because a file can change while it is being looked at, and
 * the copy cannot.
 */
#include "core/images.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE ((size_t)256 * 1024)

/* Sets the reason of a refusal, and the system's if it is one; always -1. */
static int refuse(const char **reason, int *error, const char *why, int system)
{
    *reason = why;
    *error = system;
    return -1;
}

/* Looks at the file before much work is done. 0 or -1. */
static int look(int from, uint64_t max, uint64_t *size, const char **reason, int *error)
{
    struct snapshot_header header;
    struct stat st;
    ssize_t n;

    if (fstat(from, &st) != 0)
        return refuse(reason, error, "it cannot be read", errno);
    if (!S_ISREG(st.st_mode))
        return refuse(reason, error, "it is no regular file", 0);
    *size = (uint64_t)st.st_size;
    if (*size > max)
        return refuse(reason, error, "it is larger than it may be", 0);
    if (*size < sizeof header)
        return refuse(reason, error, "it is shorter than a header", 0);
    n = pread(from, &header, sizeof header, 0);
    if (n != (ssize_t)sizeof header)
        return refuse(reason, error, "it cannot be read", n < 0 ? errno : 0);
    *error = 0;
    return snapshot_check_header(&header, *size, reason);
}

/* Copies size bytes. 0 or -1. */
static int copy(int from, int to, uint64_t size, const char **reason, int *error)
{
    char *room = mem_alloc(COPY_SIZE);
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && at < size) {
        ssize_t n = pread(from, room, COPY_SIZE, (off_t)at), done = 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = refuse(reason, error, "it cannot be read to its end", n < 0 ? errno : 0);
            break;
        }
        while (rc == 0 && done < n) {
            ssize_t written = pwrite(to, room + done, (size_t)(n - done), (off_t)at + done);

            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                rc = refuse(reason, error, "copying it failed", written < 0 ? errno : EIO);
            else
                done += written;
        }
        at += (uint64_t)n;
    }
    free(room);
    return rc;
}

/* Judges the copy. 0 or -1. */
static int judge(int fd, uint64_t size, const char **reason, int *error)
{
    struct snapshot snapshot;
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    int rc;

    if (map == MAP_FAILED)
        return refuse(reason, error, "it cannot be mapped", errno);
    *error = 0;
    rc = snapshot_check(map, (size_t)size, true, &snapshot, reason);
    munmap(map, (size_t)size);
    return rc;
}

/* Gives the copy the number that it goes by here. 0 or -1. */
static int renumber(int fd, uint64_t number, const char **reason, int *error)
{
    struct snapshot_header header;

    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return refuse(reason, error, "its copy cannot be read", errno);
    AN(header.header_sum == snapshot_header_sum(&header));
    header.generation = number;
    header.header_sum = snapshot_header_sum(&header);
    if (pwrite(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return refuse(reason, error, "its copy cannot be written", errno);
    return 0;
}

/* Looks whether the copy is what answers already: then it is not needed. 0 or -1. */
static int compare(struct image_job *job, const char **reason, int *error)
{
    struct snapshot_header h;

    if (pread(job->fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
        return refuse(reason, error, "its copy cannot be read", errno);
    job->put_off = h.put_off;
    job->unchanged = job->previous
        && memcmp(h.content, job->previous->header->content, sizeof h.content) == 0
        && h.put_off == job->previous->header->put_off;
    if (job->unchanged && ftruncate(job->fd, 0) != 0)
        return refuse(reason, error, "its copy cannot be dropped", errno);
    return 0;
}

/* Copies an image and makes sure that it is one. */
int image_adopt(struct image_job *job, const char *path, uint64_t max, const char **reason,
                int *error)
{
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
    uint64_t size;

    AN(job->fd >= 0);
    if (from < 0)
        return refuse(reason, error, "it cannot be opened", errno);
    rc = look(from, max, &size, reason, error);
    if (rc == 0)
        rc = copy(from, job->fd, size, reason, error);
    if (rc == 0)
        rc = judge(job->fd, size, reason, error);
    if (rc == 0)
        rc = renumber(job->fd, job->number, reason, error);
    if (rc == 0)
        rc = compare(job, reason, error);
    close(from);
    return rc;
}
