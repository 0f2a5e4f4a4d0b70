/*
 * panic.c - last words, then abort.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int last_words_fd = -1;
static size_t (*describe_work)(char *buf, size_t size);

void panic_to(int fd)
{
    last_words_fd = fd;
}

void panic_context(size_t (*describe)(char *buf, size_t size))
{
    describe_work = describe;
}

/* Writes to one descriptor; there is nobody left to tell if that fails. */
static void last_words(int fd, const char *text, size_t size)
{
    if (fd >= 0 && write(fd, text, size) < 0)
        return;
}

_Noreturn void panic(const char *file, int line, const char *func, const char *what)
{
    static int again;
    char text[1024];
    int n = snprintf(text, sizeof text, "panic: %s at %s:%d in %s()", what, file, line, func);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;

    /* A panic inside the description must not describe itself for ever. */
    if (describe_work && !again++) {
        used += (size_t)snprintf(text + used, sizeof text - used, ", ");
        if (used < sizeof text - 2)
            used += describe_work(text + used, sizeof text - used - 1);
    }
    if (used > sizeof text - 2)
        used = sizeof text - 2;
    text[used++] = '\n';
    last_words(STDERR_FILENO, text, used);
    last_words(last_words_fd, text, used);
    abort();
}
