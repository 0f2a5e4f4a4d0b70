/*
 * title.c - what ps(1) shows of a process: the memory in which the kernel laid its arguments.
 */
#include "proc/title.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *area;                 /* the first argument */
static size_t area_size;           /* up to the end of the last argument or environment string */

void title_init(int argc, char **argv)
{
    char *end, **moved;
    size_t count = 0;

    AN(argc > 0);
    area = end = argv[0];
    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    while (environ[count])
        count++;
    moved = mem_zalloc((count + 1) * sizeof *moved);
    for (size_t i = 0; i < count; i++) {
        if (environ[i] == end)
            end += strlen(environ[i]) + 1;
        moved[i] = mem_strdup(environ[i]);
    }
    environ = moved;
    area_size = (size_t)(end - area);
}

void title_set(const char *format, ...)
{
    char text[4096];
    va_list args;
    size_t n;

    if (area_size < 2)
        return;
    memcpy(text, "selvage: ", sizeof "selvage: ");
    va_start(args, format);
    vsnprintf(text + sizeof "selvage: " - 1, sizeof text - sizeof "selvage: ", format, args);
    va_end(args);
    n = strlen(text);
    if (n > area_size - 1)
        n = area_size - 1;
    memcpy(area, text, n);
    memset(area + n, 0, area_size - n);
}
