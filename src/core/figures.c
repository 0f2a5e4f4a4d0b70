/*
 * figures.c - everything that is counted, in the order in which it is told.
 */
#include "core/figures.h"

#include "base/metrics.h"
#include "core/config.h"
#include "core/context.h"
#include "core/images.h"
#include "core/tls_conf.h"

/* The connections that have ended, by reason. */
static void each_reason(const struct metrics *sum,
                        void (*each)(void *arg, const struct slv_figure *f), void *arg)
{
    struct slv_figure f = {
        .name = "connections_closed_total", .help = "Connections that have ended.",
        .labels = { { .name = "reason" } }
    };

    for (size_t i = 1; i < CLOSE_COUNT; i++) {
        f.labels[0].value = str_of(close_token((enum close_reason)i));
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
        .name = "prebuilt_generation", .help = "Number of the image of a host.",
        .labels = { { .name = "host" } }, .gauge = true
    };

    for (const struct slv_image *i = images_next(config, NULL); i; i = images_next(config, i)) {
        f.labels[0].value = i->name;
        f.value = i->current ? i->current->number : 0;
        each(arg, &f);
        f.help = NULL;
    }
}

/* Whom certificates are told to. */
struct listener {
    void (*each)(void *arg, const struct slv_figure *f);
    void *arg;
    bool told;                     /* one of them was */
};

/* The end of one certificate. */
static void tell_certificate(void *arg, const char *file, const char *names, int64_t end)
{
    struct listener *l = arg;

    l->each(l->arg, &(struct slv_figure){
        .name = "certificate_not_after_seconds",
        .help = l->told ? NULL : "End of a certificate, in seconds since 1970.",
        .labels = { { "file", str_of(file) }, { "names", str_of(names) } },
        .gauge = true, .is_time = true, .value = end > 0 ? (uint64_t)end : 0 });
    l->told = true;
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
    if (config->tls)
        config->tls->each_certificate(config, tell_certificate,
                                      &(struct listener){ each, arg, false });
}

void slv_figures(const struct slv_request *r, void (*each)(void *arg, const struct slv_figure *f),
                 void *arg)
{
    figures_each(context_of(r)->config, each, arg);
}

/* Writes a label. */
static void put_label(const struct slv_label *l, FILE *out)
{
    fprintf(out, "%s=\"", l->name);
    for (size_t i = 0; i < l->value.n; i++) {
        char c = l->value.p[i];

        if (c == '\\' || c == '"' || c == '\n')
            putc('\\', out);
        putc(c == '\n' ? 'n' : c, out);
    }
    putc('"', out);
}

void slv_figure_prometheus(const struct slv_figure *f, FILE *out)
{
    if (f->help)
        fprintf(out, "# HELP selvage_%s %s\n# TYPE selvage_%s %s\n", f->name, f->help, f->name,
                f->gauge ? "gauge" : "counter");
    fprintf(out, "selvage_%s", f->name);
    if (f->labels[0].name) {
        putc('{', out);
        put_label(&f->labels[0], out);
        if (f->labels[1].name) {
            putc(',', out);
            put_label(&f->labels[1], out);
        }
        putc('}', out);
    }
    fprintf(out, " %llu\n", (unsigned long long)f->value);
}
