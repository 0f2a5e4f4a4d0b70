/*
 * template.h - text with $variables, taken apart; shared by templates and log formats.
 */
#ifndef SLV_TEMPLATE_H
#define SLV_TEMPLATE_H

#include "core/config.h"

/* A piece of a text: literal bytes, a variable, or a capture of the last regular expression. */
struct template_part {
    struct str text;               /* literal; .p NULL where a value stands */
    int variable;                  /* its index, or -1 */
    unsigned capture;              /* 1 … 9, or 0 */
};

/* A growing list of them. Zeroed: none. */
struct template_parts {
    struct template_part *list;    /* in config memory */
    size_t count;
};

/*
 * Takes text, which stands in word arg of the directive at hand, apart and puts the parts behind
 * those that are there: $name, ${name}, $1 … $9. 0, or -1 after slv_conf_error().
 */
int template_parse(struct slv_conf *cf, size_t arg, struct str text, struct template_parts *parts);

/* The value of a part for a request; .p NULL: not found. */
struct str template_part_value(struct slv_request *r, const struct template_part *part);

#endif
