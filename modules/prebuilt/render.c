/*
 * render.c - what is made of the bytes of a file: its compressed variants.
 */
#include "prebuilt.h"

#include <libdeflate.h>
#include <stdlib.h>

/*
 * As far as it pays: level 12 takes ten times as long for HTML, which a reload would have to wait
 * for, and saves three bytes in a hundred.
 */
#define GZIP_LEVEL 9
/* "Content-Encoding: gzip" and its line end. */
#define CODING_FIELD_SIZE 24u
/* Nothing gets smaller below this: header and trailer of gzip alone are 18 bytes. */
#define GZIP_LEAST 64u

struct renderer {
    struct libdeflate_compressor *gzip;
    char *room;                    /* where the variant at hand lies */
    size_t size;
};

/* Whole types that compress well. */
static const struct str compressible[] = {
    STR_INIT("application/ecmascript"), STR_INIT("application/graphql"),
    STR_INIT("application/javascript"), STR_INIT("application/json"),
    STR_INIT("application/msword"), STR_INIT("application/postscript"),
    STR_INIT("application/rtf"), STR_INIT("application/sql"), STR_INIT("application/toml"),
    STR_INIT("application/vnd.ms-excel"), STR_INIT("application/vnd.ms-fontobject"),
    STR_INIT("application/wasm"), STR_INIT("application/x-font-ttf"),
    STR_INIT("application/x-javascript"), STR_INIT("application/x-ndjson"),
    STR_INIT("application/x-perl"), STR_INIT("application/x-sh"), STR_INIT("application/x-tcl"),
    STR_INIT("application/x-yaml"), STR_INIT("application/xml"), STR_INIT("application/yaml"),
    STR_INIT("font/collection"), STR_INIT("font/otf"), STR_INIT("font/sfnt"),
    STR_INIT("font/ttf"), STR_INIT("image/bmp"), STR_INIT("image/vnd.microsoft.icon"),
    STR_INIT("image/x-icon"), STR_INIT("image/x-ms-bmp")
};

/* Makes a renderer; there is memory, or the build ends. */
struct renderer *renderer_new(void)
{
    struct renderer *rd = calloc(1, sizeof *rd);

    if (!rd)
        return NULL;
    rd->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (!rd->gzip) {
        free(rd);
        return NULL;
    }
    return rd;
}

/* Frees a renderer. */
void renderer_free(struct renderer **rd)
{
    if (!*rd)
        return;
    libdeflate_free_compressor((*rd)->gzip);
    free((*rd)->room);
    free(*rd);
    *rd = NULL;
}

/* Bodies of this media type are compressed. */
bool render_negotiable(struct str type)
{
    const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;

    if (end)
        type.n = (size_t)(end - type.p);
    type = str_trim(type);
    if (str_starts(type, STR("text/")) || str_ends(type, STR("+xml"))
        || str_ends(type, STR("+json")) || str_ends(type, STR("+text")))
        return true;
    for (size_t i = 0; i < sizeof compressible / sizeof compressible[0]; i++)
        if (str_ieq(type, compressible[i]))
            return true;
    return false;
}

/* Compresses. */
bool render_gzip(struct renderer *rd, const void *data, size_t size, struct str *out)
{
    size_t most = size / 10 * 9 + size % 10 * 9 / 10, n;
    char *room;

    if (size < GZIP_LEAST || most <= CODING_FIELD_SIZE)
        return false;
    most -= CODING_FIELD_SIZE;
    if (most > rd->size) {
        room = realloc(rd->room, most);
        if (!room)
            return false;
        rd->room = room;
        rd->size = most;
    }
    /* With no more room than the variant may take, the compressor gives up by itself. */
    n = libdeflate_gzip_compress(rd->gzip, data, size, rd->room, most);
    *out = (struct str){ rd->room, n };
    return n > 0;
}
