/*
 * check.h - invariants.
 *
 * An assert states what the code around it relies on. Asserts stay on in release builds, have no
 * side effects, and end the process through panic(): the price of a broken invariant is one
 * worker's connections, the price of going on is unknown.
 *
 * Every struct that travels through a void pointer starts with "unsigned magic" and is taken back
 * with CAST_OBJ, so that a wrong pointer stops at the door.
 */
#ifndef SLV_CHECK_H
#define SLV_CHECK_H

#include <stddef.h>

/* True, or panic with the expression. */
#define AN(expr) \
    do { \
        if (__builtin_expect(!(expr), 0)) \
            panic(__FILE__, __LINE__, __func__, #expr); \
    } while (0)

/* Marks a place that no path may reach. */
#define NEVER(what) panic(__FILE__, __LINE__, __func__, what)

/* ptr is a live object of the kind that magic_value names. */
#define CHECK_OBJ(ptr, magic_value) \
    do { \
        AN((ptr) != NULL); \
        AN((ptr)->magic == (magic_value)); \
    } while (0)

/* Takes an object back from a void pointer. */
#define CAST_OBJ(to, from, magic_value) \
    do { \
        (to) = (from); \
        CHECK_OBJ((to), (magic_value)); \
    } while (0)

/* Moves an object out of *pfrom, which becomes NULL. */
#define TAKE_OBJ(to, pfrom, magic_value) \
    do { \
        (to) = *(pfrom); \
        *(pfrom) = NULL; \
        CHECK_OBJ((to), (magic_value)); \
    } while (0)

/* Writes the last words (place, expression, and what panic_context() adds) and aborts. */
_Noreturn void panic(const char *file, int line, const char *func, const char *what)
    __attribute__((cold));

/* fd: where last words go besides standard error; -1 for nowhere. Kept open by the caller. */
void panic_to(int fd);

/*
 * describe: called once on panic to add one line about the work in hand (the request line, the
 * connection's state). It must not allocate. NULL removes it.
 */
void panic_context(size_t (*describe)(char *buf, size_t size));

#endif
