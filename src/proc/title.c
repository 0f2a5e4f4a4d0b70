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

/* The environment's new place. Kept here, because libc forgets strings that it replaces. */
static char **new_environ;
static char *new_text;

/* Copies the environment to the heap. */
static void move_environment(size_t count, size_t size)
{
    size_t used = 0;

    new_environ = mem_zalloc((count + 1) * sizeof *new_environ);
    new_text = mem_alloc(size);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(environ[i]) + 1;

        AN(used + n <= size);
        new_environ[i] = memcpy(new_text + used, environ[i], n);
        used += n;
    }
    environ = new_environ;
}

void title_init(int argc, char **argv)
{
    size_t count = 0, size = 0;
    char *end;

    AN(argc > 0);
    AN(new_environ == NULL);
    area = end = argv[0];
    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    for (; environ[count]; count++) {
        if (environ[count] == end)
            end += strlen(environ[count]) + 1;
        size += strlen(environ[count]) + 1;
    }
    area_size = (size_t)(end - area);
    move_environment(count, size);
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
