/*
 * figures.c - everything that is counted, in the order in which it is told.
 */
#include "core/figures.h"

#include "base/metrics.h"
#include "core/config.h"
#include "core/context.h"
#include "core/images.h"

/* The connections that have ended, by reason. */
static void each_reason(const struct metrics *sum,
                        void (*each)(void *arg, const struct slv_figure *f), void *arg)
{
    struct slv_figure f = {
        .name = "connections_closed_total", .help = "Connections that have ended.",
        .label = "reason"
    };

    for (size_t i = 1; i < CLOSE_COUNT; i++) {
        f.value_of_label = str_of(close_token((enum close_reason)i));
        f.value = sum->closed[i];
        each(arg, &f);
        f.help = NULL;
    }
}

/* The number of the image of each host. */
static void each_image(const struct config *config,
                       void (*each)(void *arg, const struct slv_figure *f), void *arg)
{
    struct slv_figure f = {
        .name = "prebuilt_generation", .help = "Number of the image of a host.", .label = "host",
        .gauge = true
    };

    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        f.value_of_label = i->name;
        f.value = i->current ? i->current->number : 0;
        each(arg, &f);
        f.help = NULL;
    }
}

void figures_each(const struct config *config, void (*each)(void *arg, const struct slv_figure *f),
                  void *arg)
{
    struct metrics sum;

    metrics_sum(&sum);
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        each(arg, &(struct slv_figure){
            .name = metrics_name((enum counter)i), .help = metrics_help((enum counter)i),
            .value = sum.counter[i] });
    each_reason(&sum, each, arg);
    each(arg, &(struct slv_figure){
        .name = "connections_open", .help = "Connections that are open.", .gauge = true,
        .value = metrics_open(&sum) });
    each(arg, &(struct slv_figure){
        .name = "generation", .help = "Number of the configuration that serves.", .gauge = true,
        .value = config->generation });
    each_image(config, each, arg);
}

void slv_figures(const struct slv_request *r, void (*each)(void *arg, const struct slv_figure *f),
                 void *arg)
{
    figures_each(context_of(r)->config, each, arg);
}
