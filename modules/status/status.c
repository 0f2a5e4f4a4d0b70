/*
 * status.c - the module that shows what the server counts: to people, and to programs.
 */
#include <selvage/module.h>
#include <selvage/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

extern const struct slv_module module_status;

enum format { STATUS_OFF, STATUS_HTML, STATUS_JSON, STATUS_PROMETHEUS };

struct status_conf {
    int format;
};

static const struct slv_word formats[] = {
    { "off", STATUS_OFF }, { "html", STATUS_HTML }, { "json", STATUS_JSON },
    { "prometheus", STATUS_PROMETHEUS }, { NULL, 0 }
};

static const struct slv_directive directives[] = {
    { "status", SLV_IN_LOCATION, 1, 1, 0, "html | json | prometheus | off", slv_set_enum,
      SLV_FIELD(struct status_conf, format), "off", formats },
    { 0 }
};

/* A page in the making. */
struct page {
    FILE *out;
    bool any;                      /* something has been told */
    bool open;                     /* the object of a name with labels is not closed yet */
};

/* Writes a text with the escapes of JSON. */
static void put_escaped(FILE *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c == '\\' || c == '"')
            fprintf(out, "\\%c", c);
        else if (c < ' ')
            fprintf(out, c == '\n' ? "\\n" : "\\u%04x", c);
        else
            putc(c, out);
    }
}

/* Writes a text in HTML. */
static void put_html(FILE *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '<' || text.p[i] == '&')
            fputs(text.p[i] == '<' ? "&lt;" : "&amp;", out);
        else
            putc(text.p[i], out);
    }
}

/* One figure for Prometheus. */
static void tell_prometheus(void *arg, const struct slv_figure *f)
{
    slv_figure_prometheus(f, ((struct page *)arg)->out);
}

/* One figure as a member of an object; those with labels are in one of their own. */
static void tell_json(void *arg, const struct slv_figure *f)
{
    struct page *p = arg;

    if (f->help) {
        fprintf(p->out, "%s%s\n\"%s\": ", p->open ? "}" : "", p->any ? "," : "", f->name);
        p->open = f->labels[0].name != NULL;
        p->any = true;
        if (p->open)
            putc('{', p->out);
    } else {
        putc(',', p->out);
    }
    if (f->labels[0].name) {
        putc('"', p->out);
        put_escaped(p->out, f->labels[0].value);
        fputs("\": ", p->out);
    }
    fprintf(p->out, "%llu", (unsigned long long)f->value);
}

/* One figure as a row of the table; reasons that never came up would only fill it. */
static void tell_html(void *arg, const struct slv_figure *f)
{
    FILE *out = ((struct page *)arg)->out;
    time_t seconds = (time_t)f->value;
    char when[32] = "";
    struct tm tm;

    if (f->labels[0].name && f->value == 0)
        return;
    fprintf(out, "<tr><th>%s", f->name);
    if (f->labels[0].name) {
        fputs(" <em>", out);
        put_html(out, f->labels[0].value);
        fputs("</em>", out);
    }
    if (f->is_time && gmtime_r(&seconds, &tm) && strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm))
        fprintf(out, "</th><td>%s UTC</td></tr>\n", when);
    else
        fprintf(out, "</th><td>%llu</td></tr>\n", (unsigned long long)f->value);
}

/* Writes the page. Returns its media type. */
static struct str write_page(struct slv_request *r, enum format format, struct page *p)
{
    switch (format) {
    case STATUS_JSON:
        putc('{', p->out);
        slv_figures(r, tell_json, p);
        fprintf(p->out, "%s\n}\n", p->open ? "}" : "");
        return STR("application/json");
    case STATUS_PROMETHEUS:
        slv_figures(r, tell_prometheus, p);
        return STR("text/plain; version=0.0.4; charset=utf-8");
    case STATUS_HTML:
    case STATUS_OFF:
        break;
    }
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"refresh\" content=\"5\">\n<title>Status: selvage</title>\n"
          "<style>\n:root { color-scheme: light dark }\n"
          "body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 40rem;"
          " padding: 0 1rem }\ntable { border-collapse: collapse; width: 100% }\n"
          "th { font-weight: normal; text-align: left }\n"
          "td { font-variant-numeric: tabular-nums; text-align: right }\n"
          "th, td { border-bottom: 1px solid #8884; padding: .2rem 0 }\n</style>\n"
          "<h1>Status</h1>\n<table>\n", p->out);
    slv_figures(r, tell_html, p);
    fputs("</table>\n</html>\n", p->out);
    return STR("text/html; charset=utf-8");
}

/* struct slv_module: content */
static int content(struct slv_request *r, const void *conf)
{
    const struct status_conf *c = conf;
    struct slv_response response = { .status = 200, .no_ranges = true };
    struct page p = { .out = NULL };
    char *text = NULL;
    size_t n = 0;

    if (c->format == STATUS_OFF)
        return SLV_DECLINED;
    if (r->method != SLV_GET && r->method != SLV_HEAD) {
        slv_header_out(r, STR("Allow"), STR("GET, HEAD"));
        return 405;
    }
    p.out = open_memstream(&text, &n);
    if (!p.out)
        abort();
    response.content_type = write_page(r, (enum format)c->format, &p);
    if (fclose(p.out) != 0)
        abort();
    slv_header_out(r, STR("Cache-Control"), STR("no-store"));
    response.body = (struct slv_body){
        .kind = SLV_BODY_MEM, .data = text, .size = (int64_t)n, .release = free, .owner = text
    };
    slv_respond(r, &response);
    return SLV_DONE;
}

const struct slv_module module_status = {
    SLV_MODULE_HEADER,
    .name = "status",
    .version = "1.0",
    .directives = directives,
    .conf_size = sizeof(struct status_conf),
    .content = content,
};
