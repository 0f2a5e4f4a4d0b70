/*
 * figures.h - everything that is counted, in the order in which it is told.
 */
#ifndef SLV_CORE_FIGURES_H
#define SLV_CORE_FIGURES_H

#include <selvage/status.h>

struct config;

/* As slv_figures(), for a configuration. */
void figures_each(const struct config *config, void (*each)(void *arg, const struct slv_figure *f),
                  void *arg);

#endif
