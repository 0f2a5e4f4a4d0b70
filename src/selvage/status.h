/*
 * status.h - what the server counts.
 */
#ifndef SELVAGE_STATUS_H
#define SELVAGE_STATUS_H

#include <selvage/request.h>

#include <stdio.h>

/* A number that the server keeps; of all processes together, since it was started. */
struct slv_figure {
    const char *name;              /* as for Prometheus, without "selvage_" before it */
    const char *help;              /* a sentence; NULL: the name is that of the one before */
    struct slv_label {
        const char *name;          /* NULL: there is none */
        struct str value;
    } labels[2];                   /* the first one tells it from others of its name */
    bool gauge;                    /* it can go down */
    bool is_time;                  /* value is in seconds since 1970 */
    uint64_t value;
};

/* Calls for each number, those of one name together. Texts are valid until each() returns. */
SLV_API void slv_figures(const struct slv_request *r,
                         void (*each)(void *arg, const struct slv_figure *f), void *arg);

/* Writes one in the text format of Prometheus, 0.0.4. */
SLV_API void slv_figure_prometheus(const struct slv_figure *f, FILE *out);

#endif
