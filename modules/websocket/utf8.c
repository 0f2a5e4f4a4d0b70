/*
 * utf8.c - UTF-8 that arrives in pieces.
 */
#include "utf8.h"

#include <string.h>

/* Bytes of plain ASCII at the front, in steps of a word. */
static size_t plain_words(const char *data, size_t n)
{
    size_t i = 0;

    while (n - i >= 32) {
        uint64_t w[4];

        memcpy(w, data + i, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3]) & UINT64_C(0x8080808080808080))
            break;
        i += sizeof w;
    }
    while (n - i >= 8) {
        uint64_t w;

        memcpy(&w, data + i, sizeof w);
        if (w & UINT64_C(0x8080808080808080))
            break;
        i += sizeof w;
    }
    return i;
}

/*
 * The first byte of a character of several (RFC 3629 section 4): its second byte is where overlong
 * forms, surrogates and what lies beyond U+10FFFF are found.
 */
static bool begin(struct utf8 *u, unsigned char b)
{
    *u = (struct utf8){ .low = 0x80, .high = 0xbf };
    if (b >= 0xc2 && b <= 0xdf) {
        u->need = 1;
    } else if (b >= 0xe0 && b <= 0xef) {
        u->need = 2;
        if (b == 0xe0)
            u->low = 0xa0;
        else if (b == 0xed)
            u->high = 0x9f;
    } else if (b >= 0xf0 && b <= 0xf4) {
        u->need = 3;
        if (b == 0xf0)
            u->low = 0x90;
        else if (b == 0xf4)
            u->high = 0x8f;
    }
    return u->need > 0;
}

bool utf8_feed(struct utf8 *u, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)data[i];

        if (u->need) {
            if (b < u->low || b > u->high)
                return false;
            u->need--;
            u->low = 0x80;
            u->high = 0xbf;
        } else if (b < 0x80) {
            size_t plain = plain_words(data + i, n - i);

            i += plain ? plain - 1 : 0;
        } else if (!begin(u, b)) {
            return false;
        }
    }
    return true;
}
