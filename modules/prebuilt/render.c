/*
 * render.c - what is made of the bytes of a file: its compressed variants.
 *
 * The levels, measured on a quarter of the Python manual (262 pages, 18,308,136 bytes), seconds of
 * one processor:
 *
 *     gzip    6   2922561   0.15      zstd   12   2627863   0.8      br    5   2579105    0.2
 *     gzip    9   2867497   0.34      zstd   15   2572500   1.7      br    9   2508007    5.7
 *     gzip   12   2786862   3.4       zstd   19   2525206   6.4      br   10   2284320    6.1
 *                                     zstd   22   2524253   7.6      br   11   2228205   19
 *
 * gzip is made at once, with every reload waiting for it: beyond level 9 three bytes in a hundred
 * take ten times as long. br and zstd can be put off, are made once for each version of a file and
 * sent many times: there the best level pays. Against gzip 9, br 11 saves 22 bytes in a hundred and
 * zstd 19 saves 12; zstd 22 adds nothing to it.
 */
#include "prebuilt.h"

#include <brotli/encode.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define GZIP_LEVEL 9
#define BROTLI_LEVEL BROTLI_MAX_QUALITY
#define ZSTD_LEVEL 19
/* Browsers need not decode more: RFC 9659 section 3. */
#define ZSTD_WINDOW_BITS 23
/* "Content-Encoding: ", the line end and the longest name of a coding. */
#define CODING_FIELD_SIZE 24u
/* Nothing gets smaller below this: header and trailer of gzip alone are 18 bytes. */
#define SIZE_LEAST 64u

struct renderer {
    struct libdeflate_compressor *gzip;
    ZSTD_CCtx *zstd;
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

/* Of those, the ones that are not text. */
static const struct str binary[] = {
    STR_INIT("application/msword"), STR_INIT("application/vnd.ms-excel"),
    STR_INIT("application/vnd.ms-fontobject"), STR_INIT("application/wasm"),
    STR_INIT("application/x-font-ttf")
};

/* Makes a renderer; NULL: there is no memory. */
struct renderer *renderer_new(void)
{
    struct renderer *rd = calloc(1, sizeof *rd);

    if (!rd)
        return NULL;
    rd->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    rd->zstd = ZSTD_createCCtx();
    if (rd->gzip && rd->zstd
        && !ZSTD_isError(ZSTD_CCtx_setParameter(rd->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL))
        && !ZSTD_isError(ZSTD_CCtx_setParameter(rd->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_BITS))
        && !ZSTD_isError(ZSTD_CCtx_setParameter(rd->zstd, ZSTD_c_contentSizeFlag, 1)))
        return rd;
    renderer_free(&rd);
    return NULL;
}

/* Frees a renderer. */
void renderer_free(struct renderer **rd)
{
    if (!*rd)
        return;
    libdeflate_free_compressor((*rd)->gzip);
    ZSTD_freeCCtx((*rd)->zstd);
    free((*rd)->room);
    free(*rd);
    *rd = NULL;
}

/* The type without its parameters. */
static struct str bare_type(struct str type)
{
    const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;

    if (end)
        type.n = (size_t)(end - type.p);
    return str_trim(type);
}

/* The type is in a list. */
static bool listed(struct str type, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_ieq(type, list[i]))
            return true;
    return false;
}

/* Bodies of this media type are compressed. */
bool render_negotiable(struct str type)
{
    type = bare_type(type);
    return str_starts(type, STR("text/")) || str_ends(type, STR("+xml"))
        || str_ends(type, STR("+json")) || str_ends(type, STR("+text"))
        || listed(type, compressible, sizeof compressible / sizeof compressible[0]);
}

/* The media type is one of text. */
bool render_text(struct str type)
{
    type = bare_type(type);
    return !str_starts(type, STR("font/")) && !str_starts(type, STR("image/"))
        && !listed(type, binary, sizeof binary / sizeof binary[0]);
}

/* ---- Codings --------------------------------------------------------------------------------- */

/* With no more room than the variant may take, each of these gives up by itself: *n is then 0. */
typedef bool compress_into(struct renderer *rd, const struct render_work *work, size_t most,
                           size_t *n);

/* RFC 1952. */
static bool make_gzip(struct renderer *rd, const struct render_work *work, size_t most, size_t *n)
{
    *n = libdeflate_gzip_compress(rd->gzip, work->data, work->size, rd->room, most);
    return true;
}

/* RFC 7932. The window is the least that holds the whole body, for the sake of clients' memory. */
static bool make_brotli(struct renderer *rd, const struct render_work *work, size_t most, size_t *n)
{
    BrotliEncoderState *s = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    uint32_t window = BROTLI_MIN_WINDOW_BITS;
    const uint8_t *in = (const uint8_t *)work->data;
    uint8_t *out = (uint8_t *)rd->room;
    size_t left = work->size, room = most;
    bool good;

    if (!s)
        return false;
    while (window < BROTLI_MAX_WINDOW_BITS && ((size_t)1 << window) - 16 < work->size)
        window++;
    good = BrotliEncoderSetParameter(s, BROTLI_PARAM_QUALITY, BROTLI_LEVEL)
        && BrotliEncoderSetParameter(s, BROTLI_PARAM_LGWIN, window)
        && BrotliEncoderSetParameter(s, BROTLI_PARAM_MODE,
                                     work->text ? BROTLI_MODE_TEXT : BROTLI_MODE_GENERIC)
        && BrotliEncoderSetParameter(s, BROTLI_PARAM_SIZE_HINT,
                                     work->size < UINT32_MAX ? (uint32_t)work->size : UINT32_MAX)
        && BrotliEncoderCompressStream(s, BROTLI_OPERATION_FINISH, &left, &in, &room, &out, NULL);
    *n = good && BrotliEncoderIsFinished(s) ? most - room : 0;
    BrotliEncoderDestroyInstance(s);
    return good;
}

/* RFC 8878. The size is known, so that it stands in the frame and bounds the window. */
static bool make_zstd(struct renderer *rd, const struct render_work *work, size_t most, size_t *n)
{
    *n = ZSTD_compress2(rd->zstd, rd->room, most, work->data, work->size);
    if (!ZSTD_isError(*n))
        return true;
    most = *n;
    *n = 0;
    return ZSTD_getErrorCode(most) == ZSTD_error_dstSize_tooSmall;
}

/* Makes one variant of at most so many bytes. False: no memory. */
static bool make(struct renderer *rd, struct render_work *work, enum slv_coding coding,
                 compress_into *compress, size_t most)
{
    size_t n = 0;

    if (!(work->wanted >> coding & 1))
        return true;
    if (!compress(rd, work, most, &n))
        return false;
    if (n == 0)
        return true;
    work->made[coding].p = malloc(n);
    if (!work->made[coding].p)
        return false;
    memcpy(work->made[coding].p, rd->room, n);
    work->made[coding].n = n;
    return true;
}

/* The most bytes that a variant of so many may have. */
static size_t most_of(size_t size)
{
    size_t most = size / 10 * 9 + size % 10 * 9 / 10;

    return size < SIZE_LEAST || most <= CODING_FIELD_SIZE ? 0 : most - CODING_FIELD_SIZE;
}

/* A body of that size can become smaller by more than it costs. */
bool render_may_pay(size_t size)
{
    return most_of(size) > 0;
}

/*
 * Makes the variants: a variant pays where it is at least a tenth smaller than the body, the field
 * that it costs included, and smaller than what gzip makes of it.
 */
void render_run(struct renderer *rd, struct render_work *work)
{
    size_t most = most_of(work->size), gzip;
    char *room;

    if (most > rd->size) {
        room = realloc(rd->room, most);
        if (!room) {
            work->failed = true;
            return;
        }
        rd->room = room;
        rd->size = most;
    }
    work->failed = !make(rd, work, SLV_CODING_GZIP, make_gzip, most);
    gzip = work->made[SLV_CODING_GZIP].n ? work->made[SLV_CODING_GZIP].n : work->gzip_size;
    if (gzip > 0 && gzip <= most)
        most = gzip - 1;
    work->failed = work->failed || !make(rd, work, SLV_CODING_BR, make_brotli, most)
        || !make(rd, work, SLV_CODING_ZSTD, make_zstd, most);
}

/* Frees what was made. */
void render_drop(struct render_work *work)
{
    for (int i = 0; i < SLV_CODING_COUNT; i++) {
        free(work->made[i].p);
        work->made[i].p = NULL;
        work->made[i].n = 0;
    }
}
