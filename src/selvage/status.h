/*
 * status.h - what the server counts.
 */
#ifndef SELVAGE_STATUS_H
#define SELVAGE_STATUS_H

#include <selvage/request.h>

/* A number that the server keeps; of all processes together, since it was started. */
struct slv_figure {
    const char *name;              /* as for Prometheus, without "selvage_" before it */
    const char *help;              /* a sentence; NULL: the name is that of the one before */
    const char *label;             /* what tells it from others of the name, or NULL */
    struct str value_of_label;
    bool gauge;                    /* it can go down */
    uint64_t value;
};

/* Calls for each number, those of one name together. Texts are valid until each() returns. */
SLV_API void slv_figures(const struct slv_request *r,
                         void (*each)(void *arg, const struct slv_figure *f), void *arg);

#endif
