/*
 * image_version.c - one version of a prebuilt image in this process: its descriptor, its mapping,
 * and who still needs it.
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

#define HUGE_PAGE ((size_t)2 << 20)

/* Since Linux 6.1: put into large pages now what is in small ones. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Since Linux 5.14: map what will be read. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Mappings that nobody reads any more. */
static struct image_version *retired;

/* One more holds it. */
struct image_version *image_version_ref(struct image_version *v)
{
    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    AN(v->refs > 0);
    v->refs++;
    return v;
}

/* One less. */
void image_version_unref(struct image_version **pv)
{
    struct image_version *v;

    TAKE_OBJ(v, pv, IMAGE_VERSION_MAGIC);
    AN(v->refs > 0);
    if (--v->refs > 0)
        return;
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    if (v->map) {
        v->next = retired;
        retired = v;
        return;
    }
    v->magic = 0;
    free(v);
}

/* Mapped versions that have a successor: some of them are retired, others still being read. */
static unsigned superseded;

/* There is something to reclaim, or will be. */
bool images_reclaimable(void)
{
    return superseded > 0;
}

/* Unmaps a part of what is retired, from the end of the mapping. */
bool images_reclaim(size_t bytes)
{
    struct image_version *v = retired;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped, rest;

    if (!v)
        return false;
    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    mapped = (v->size + page - 1) / page * page;
    rest = mapped > bytes ? (mapped - bytes) / page * page : 0;
    if (munmap((char *)v->map + rest, mapped - rest) != 0)
        log_alert(errno, "munmap() of an old prebuilt image failed");
    v->size = rest;
    if (rest == 0) {
        retired = v->next;
        superseded -= superseded > 0;
        v->magic = 0;
        free(v);
    }
    return retired != NULL;
}

/* A version of which this process has the descriptor. */
struct image_version *image_version_new(int fd, uint64_t number)
{
    struct image_version *v = mem_zalloc(sizeof *v);

    AN(fd >= 0 && number > 0);
    v->magic = IMAGE_VERSION_MAGIC;
    v->refs = 1;
    v->fd = fd;
    v->number = number;
    return v;
}

/* The current version of a host is about to get a successor. */
void image_version_superseded(const struct image_version *v)
{
    superseded += v != NULL;
}

/* Nothing can be changed in there any more. */
bool image_version_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & IMAGE_SEALS) == IMAGE_SEALS;
}

/*
 * Maps at an address where large pages can be, which the kernel would not choose by itself for a
 * file that began with small ones.
 */
static void *map_aligned(int fd, size_t size)
{
    size_t room = size + HUGE_PAGE;
    char *reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t misfit;
    char *at;

    if (reserved == MAP_FAILED)
        return MAP_FAILED;
    misfit = (uintptr_t)reserved % HUGE_PAGE;
    at = reserved + (misfit ? HUGE_PAGE - misfit : 0);
    if (munmap(reserved, room) != 0)
        return MAP_FAILED;
    return mmap(at, size, PROT_READ, MAP_SHARED, fd, 0);
}

/* Maps a version. whole: look at every offset in it. NULL, or why it is refused. */
const char *image_version_map(struct image_version *v, bool whole, bool huge_pages)
{
    const char *reason = NULL;
    struct stat st;
    void *map;

    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    AN(v->map == NULL);
    /* What is checked once must not change afterwards, and must not shrink under the mapping. */
    if (!image_version_sealed(v->fd))
        return "it is not sealed";
    if (fstat(v->fd, &st) != 0 || st.st_size < (off_t)sizeof(struct snapshot_header))
        return "it is shorter than a header";
    map = huge_pages ? map_aligned(v->fd, (size_t)st.st_size)
                     : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, v->fd, 0);
    if (map == MAP_FAILED)
        return "it cannot be mapped";
    v->map = map;
    v->size = (size_t)st.st_size;
    if ((whole ? snapshot_check : snapshot_open)(map, v->size, false, &v->snapshot, &reason) != 0)
        return reason;
    return NULL;
}

/* The section that is the i-th to be warmed: what every request needs, and then the rest. */
static const struct snapshot_section *section_to_warm(const struct snapshot_header *h, unsigned i)
{
    static const unsigned kinds[] = { SNAPSHOT_INDEX, SNAPSHOT_ENTRIES, SNAPSHOT_BYTES };

    if (i >= sizeof kinds / sizeof kinds[0])
        return NULL;
    for (unsigned k = 0; k < h->sections; k++)
        if (h->section[k].kind == kinds[i])
            return &h->section[k];
    NEVER("it was looked at when it was mapped");
}

/* Enters a part of a version into the page table. */
size_t image_version_warm(struct image_version *v, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), misfit;
    const struct snapshot_section *section;
    uint64_t before = v->warmed;
    char *at;

    CHECK_OBJ(v, IMAGE_VERSION_MAGIC);
    AN(v->map != NULL && bytes >= page);
    for (unsigned i = 0; (section = section_to_warm(v->snapshot.header, i)) != NULL; i++) {
        if (before < section->size)
            break;
        before -= section->size;
    }
    if (!section || v->warmed == UINT64_MAX)
        return 0;
    if (bytes > section->size - before)
        bytes = (size_t)(section->size - before);
    at = (char *)v->map + section->offset + before;
    misfit = (uintptr_t)at % page;
    if (madvise(at - misfit, bytes + misfit, MADV_POPULATE_READ) != 0) {
        /* An older kernel, or no memory for the table: then faults do it one by one. */
        log_info(errno, "madvise(MADV_POPULATE_READ) of a prebuilt image failed");
        v->warmed = UINT64_MAX;
        return 0;
    }
    v->warmed += bytes;
    return bytes;
}

/* Looks at a version whole, and leaves it unmapped. NULL, or what is wrong with it. */
const char *image_version_verify(struct image_version *v, bool huge_pages)
{
    const char *reason = image_version_map(v, true, huge_pages);

    if (!reason && huge_pages && madvise(v->map, v->size, MADV_COLLAPSE) != 0)
        log_notice(errno, "the kernel has no huge pages for a prebuilt image");
    if (v->map && munmap(v->map, v->size) != 0)
        log_alert(errno, "munmap() of a prebuilt image failed");
    v->map = NULL;
    return reason;
}
