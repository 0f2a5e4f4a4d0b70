/*
 * item.h - answers on their way into the image.
 */
#ifndef PREBUILT_ITEM_H
#define PREBUILT_ITEM_H

#include "prebuilt.h"

/* One of them. Belongs to the queue from item_enqueue() on. */
struct item {
    struct item *next;
    unsigned refs;                 /* from the queue, from builder.recent, from later twins */
    struct item *twin;             /* with the same body, before it in the queue, and compressed in
                                      its stead; NULL: none */
    enum { ITEM_FILE, ITEM_DIRECTORY, ITEM_AGAIN } kind;
    struct str path, file, type;   /* views of text */
    struct slv_again again;        /* ITEM_AGAIN */
    struct str cache_control, links; /* of the configuration */
    struct slv_origin origin;
    bool negotiated;
    bool incomplete;               /* br and zstd were put off */
    bool keep;                     /* all is as the earlier image has it, but perhaps its head */
    char *data;                    /* the file's bytes; NULL: the earlier image has them */
    size_t cost;                   /* bytes in memory while it waits */
    struct slv_variant old[SLV_CODING_COUNT]; /* of the earlier image; size 0: none */
    struct render_work work;
    char text[];
};

/* Makes one for a path, of the file or directory at hand. */
struct item *item_new(const struct builder *w, struct str path, struct str type);

/*
 * Finds an item with the same body that is being compressed, or was recently, and makes it the twin
 * of this one. False: there is none, and this one is noted for those to come. Whoever is not found
 * is compressed once more, and that is all.
 */
bool item_find_twin(struct builder *w, struct item *it);

/* Takes an item, and lets others go first where there are too many. 0, or -1: the image is full. */
int item_enqueue(struct builder *w, struct item *it);

#endif
