/*
 * prebuilt.h - what the files of the module prebuilt share.
 */
#ifndef PREBUILT_H
#define PREBUILT_H

#include <selvage/module.h>

struct prebuilt_conf {
    bool on;
    int64_t max_file;              /* bytes: larger files are left to "static" */
    int64_t max_size;              /* bytes of a whole image */
    int64_t keep;                  /* earlier images that are kept for a rollback */
    bool watch;                    /* build anew when files change */
    bool refine;                   /* make in the background what takes long */
    bool huge_pages;
};

/* The only symbol that the server looks for. */
extern SLV_API const struct slv_module selvage_module;

/* build.c: the build hook. */
int prebuilt_build(struct slv_build *b, void *conf);

/* render.c: what is made of the bytes of a file. */
struct renderer;

struct renderer *renderer_new(void);
void renderer_free(struct renderer **rd);

/*
 * Bodies of this media type are compressed, so that answers depend on Accept-Encoding. Types that
 * are not known to be made of text or to compress well are not.
 */
bool render_negotiable(struct str type);

/*
 * The gzip variant of size bytes at data. *out is a view that lasts until the next call. Returns
 * false where it would not be at least a tenth smaller, the header field that it costs included.
 */
bool render_gzip(struct renderer *rd, const void *data, size_t size, struct str *out);

#endif
