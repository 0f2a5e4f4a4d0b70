/*
 * pack_list.c - selvage-pack: shows what is in an image, to people and to programs.
 */
#include "proc/pack.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <time.h>

static const char *const kind_words[] = {
    [SNAPSHOT_FILE] = "file", [SNAPSHOT_REDIRECT] = "redirect",
    [SNAPSHOT_ERROR_PAGE] = "error_page"
};

static const char *const coding_words[CODING_MAX] = {
    [CODING_IDENTITY] = "identity", [CODING_GZIP] = "gzip", [CODING_BR] = "br",
    [CODING_ZSTD] = "zstd"
};

/* Writes a text on one line. */
void pack_put_escaped(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < ' ' || c == 0x7f || c == '\\')
            printf("\\x%02X", c);
        else
            putchar(c);
    }
}

/* ---- What is the same for both --------------------------------------------------------------- */

/* The entity-tag of a variant, or empty. */
static struct str etag_of(const struct snapshot *s, const struct snapshot_variant *v)
{
    return snapshot_text(s, v->brief + v->etag_at, v->etag_size);
}

/* A body, for sorting. */
struct body {
    uint64_t offset, size;
};

/* In the order of their places. */
static int by_offset(const void *a, const void *b)
{
    const struct body *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Bytes of all bodies, each counted once. */
static uint64_t sum_bodies(const struct snapshot *s)
{
    struct body *list = NULL;
    size_t count = 0, room = 0;
    const struct snapshot_entry *e = NULL;
    uint64_t sum = 0;

    while ((e = snapshot_next(s, e)) != NULL) {
        if (count + e->variants > room) {
            room = room * 2 + 64;
            list = mem_resize(list, room, sizeof *list);
        }
        AN(count + e->variants <= room);
        for (unsigned i = 0; i < e->variants; i++) {
            const struct snapshot_variant *v = &snapshot_variants(e)[i];

            list[count++] = (struct body){ v->body, v->body_size };
        }
    }
    if (count > 0)
        qsort(list, count, sizeof *list, by_offset);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || list[i].offset != list[i - 1].offset)
            sum += list[i].size;
    free(list);
    return sum;
}

/* ---- For people ------------------------------------------------------------------------------ */

/* Writes one line. */
static void put_entry(const struct snapshot *s, const struct snapshot_entry *e)
{
    printf("%u\t", e->status);
    pack_put_escaped(snapshot_path(e));
    putchar('\t');
    pack_put_escaped(snapshot_text(s, e->type, e->type_size));
    if (e->kind == SNAPSHOT_REDIRECT) {
        fputs("\tto ", stdout);
        pack_put_escaped(snapshot_text(s, e->extra, e->extra_size));
    }
    for (unsigned i = 0; e->kind != SNAPSHOT_REDIRECT && i < e->variants; i++) {
        const struct snapshot_variant *v = &snapshot_variants(e)[i];
        struct str etag = etag_of(s, v);

        printf("\t%s %llu ", coding_words[v->coding], (unsigned long long)v->body_size);
        pack_put_escaped(etag.n ? etag : STR("-"));
    }
    putchar('\n');
}

/* Writes the last line. */
static void put_summary(const struct snapshot *s)
{
    const struct snapshot_header *h = s->header;
    time_t seconds = (time_t)(h->built / 1000);
    struct tm tm;
    char built[32] = "?";

    if (gmtime_r(&seconds, &tm))
        strftime(built, sizeof built, "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("# %llu paths, bodies of %llu bytes, image of %llu bytes, generation %llu, built %s\n",
           (unsigned long long)h->entries, (unsigned long long)sum_bodies(s),
           (unsigned long long)h->size, (unsigned long long)h->generation, built);
}

/* ---- For programs ---------------------------------------------------------------------------- */

/* Bytes of a well-formed UTF-8 sequence at the front of text (RFC 3629), or 0. */
static size_t utf8_length(struct str text)
{
    static const struct {
        unsigned char first, last, low, high; /* of the first byte; of the second */
        unsigned char n;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 }
    };
    const unsigned char *p = (const unsigned char *)text.p;
    size_t n = 0;

    AN(text.n > 0);
    for (size_t i = 0; n == 0 && i < sizeof rows / sizeof rows[0]; i++)
        if (p[0] >= rows[i].first && p[0] <= rows[i].last && text.n >= rows[i].n
            && (rows[i].n == 1 || (p[1] >= rows[i].low && p[1] <= rows[i].high)))
            n = rows[i].n;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Writes a text as a string of JSON (RFC 8259); bytes that are not UTF-8 as surrogates. */
static void put_string(struct str text)
{
    putchar('"');
    while (text.n > 0) {
        size_t n = utf8_length(text);
        unsigned char c = (unsigned char)text.p[0];

        if (n == 0)
            printf("\\udc%02x", c);
        else if (c < ' ' || c == 0x7f)
            printf("\\u%04x", c);
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else
            fwrite(text.p, 1, n, stdout);
        text = str_from(text, n ? n : 1);
    }
    putchar('"');
}

/* Writes a variant as an object. */
static void put_variant_object(const struct snapshot *s, const struct snapshot_variant *v)
{
    struct str etag = etag_of(s, v);

    printf("{\"coding\":\"%s\",\"size\":%llu,\"etag\":", coding_words[v->coding],
           (unsigned long long)v->body_size);
    if (etag.n)
        put_string(etag);
    else
        fputs("null", stdout);
    printf(",\"hash\":\"%016llx%016llx\"}", (unsigned long long)v->hash[1],
           (unsigned long long)v->hash[0]);
}

/* Writes an entry as an object. */
static void put_entry_object(const struct snapshot *s, const struct snapshot_entry *e)
{
    bool known = e->kind < sizeof kind_words / sizeof kind_words[0];

    fputs("{\"path\":", stdout);
    put_string(snapshot_path(e));
    printf(",\"status\":%u,\"kind\":\"%s\",\"type\":", e->status,
           known ? kind_words[e->kind] : "other");
    put_string(snapshot_text(s, e->type, e->type_size));
    if (e->modified == SNAPSHOT_NO_DATE)
        fputs(",\"modified\":null", stdout);
    else
        printf(",\"modified\":%lld", (long long)e->modified);
    if (e->kind == SNAPSHOT_REDIRECT) {
        fputs(",\"location\":", stdout);
        put_string(snapshot_text(s, e->extra, e->extra_size));
    }
    fputs(",\"variants\":[", stdout);
    for (unsigned i = 0; i < e->variants; i++) {
        if (i > 0)
            putchar(',');
        put_variant_object(s, &snapshot_variants(e)[i]);
    }
    fputs("]}", stdout);
}

/* Writes an image as an object. */
static void put_image_object(const char *path, const struct snapshot *s)
{
    const struct snapshot_header *h = s->header;
    const struct snapshot_entry *e = NULL;

    fputs("{\"file\":", stdout);
    put_string(str_of(path));
    printf(",\"version\":%u,\"generation\":%llu,\"built\":%lld,\"size\":%llu,\"bodies\":%llu,"
           "\"entries\":[", h->version, (unsigned long long)h->generation, (long long)h->built,
           (unsigned long long)h->size, (unsigned long long)sum_bodies(s));
    for (bool first = true; (e = snapshot_next(s, e)) != NULL; first = false) {
        fputs(first ? "\n" : ",\n", stdout);
        put_entry_object(s, e);
    }
    fputs("\n]}\n", stdout);
}

/* Lists an image. */
int pack_list(const struct pack_options *o)
{
    struct pack_image image;
    const struct snapshot_entry *e = NULL;

    AN(o->image_count == 1);
    if (pack_image_read(o->images[0], &image) != 0)
        return PACK_FAILED;
    if (o->json) {
        put_image_object(o->images[0], &image.snapshot);
    } else {
        while ((e = snapshot_next(&image.snapshot, e)) != NULL)
            put_entry(&image.snapshot, e);
        put_summary(&image.snapshot);
    }
    pack_image_free(&image);
    return PACK_GOOD;
}
