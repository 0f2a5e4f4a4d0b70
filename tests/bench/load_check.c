/*
 * load_check.c - judges pages that say what they are.
 *
 * Such a page is one line of 64 bytes, many times over: "g", the generation in ten digits, a space,
 * the target of the page, and dots. The generation also decides how many lines there are. So a page
 * that is not wholly of one generation, or is another page, is found whatever its head says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define DIGITS 10
#define LINES_MIN 64
#define LINES_MORE 61

void
check_begin(struct check *c, size_t size)
{
    c->size = size;
    c->at = 0;
    c->bad = false;
}

/* Counts the page as wrong, once. */
static void
wrong(struct check *c, struct target target, const char *why)
{
    if (!c->bad)
        fail(1, "%.*s: %s at %zu of %zu bytes, generation %llu", (int)target.len, target.p, why,
             c->at, c->size, (unsigned long long)c->generation);
    c->bad = true;
}

/* Judges the first line: it names the generation, and with that the size. */
static void
judge_line(struct check *c, struct target target)
{
    char digits[DIGITS + 1] = "";
    uint64_t generation;

    memcpy(digits, c->line + 1, DIGITS);
    generation = strtoull(digits, NULL, 10);
    if (c->line[0] != 'g' || generation == 0)
        wrong(c, target, "no generation");
    else if (target.len + DIGITS + 2 >= LINE_SIZE ||
             memcmp(c->line + DIGITS + 2, target.p, target.len) != 0 ||
             c->line[DIGITS + 2 + target.len] != '.')
        wrong(c, target, "another page");
    else if (c->size != LINE_SIZE * (LINES_MIN + generation % LINES_MORE))
        wrong(c, target, "another generation's size");
    else if (generation < c->generation)
        wrong(c, target, "went back");
    else
        c->generation = generation;
    if (generation > stats.generation)
        stats.generation = generation;
}

void
check_bytes(struct check *c, struct target target, const char *p, size_t len)
{
    while (len > 0) {
        size_t in_line = c->at % LINE_SIZE;
        size_t n = LINE_SIZE - in_line < len ? LINE_SIZE - in_line : len;

        if (c->at < LINE_SIZE) {
            memcpy(c->line + in_line, p, n);
            if (in_line + n == LINE_SIZE)
                judge_line(c, target);
        } else if (memcmp(c->line + in_line, p, n) != 0) {
            wrong(c, target, "two generations");
        }
        c->at += n;
        p += n;
        len -= n;
    }
    if (c->at == c->size && c->size < LINE_SIZE)
        wrong(c, target, "too short");
}
