/* SPDX-License-Identifier: Apache-2.0
 *
 * A window of 64 bits, the next one highest. What is short (all that usual texts consist of) is
 * found by its first byte at once; the code is canonical, so that the others are found by
 * comparing with the first code of each length.
 */
#include "proto/hpack_huffman.h"

#include "proto/hpack_huffman_table.h"

#include <endian.h>
#include <errno.h>

enum {
    BITS_MAX = 30, /* of a code */
    SHORT = 8,     /* bits by which `huffman_short` is asked */
};

struct window {
    uint64_t bits;
    unsigned have;
    const char *p, *end;
};

/* Length of a longer code and its symbol, as in `huffman_short`; 0: EOS, or none. */
static unsigned find_long(uint64_t bits)
{
    for (size_t i = 0; i < HUFFMAN_GROUPS; i++) {
        unsigned len = huffman_long[i].bits;
        uint32_t at = (uint32_t)(bits >> (64 - len)) - huffman_long[i].first;
        if (at < huffman_long[i].count) {
            return len << 8 | huffman_symbols[huffman_long[i].at + at];
        }
    }
    return 0;
}

static unsigned find(uint64_t bits)
{
    unsigned found = huffman_short[bits >> (64 - SHORT)];
    return likely(found) ? found : find_long(bits);
}

/* As long as there are eight bytes: symbols without a look at what is left. NULL: EOS. */
static char *read_fast(struct window *w, char *out)
{
    while (w->end - w->p >= 8) {
        uint64_t next;
        memcpy(&next, w->p, 8);
        w->bits |= be64toh(next) >> w->have;
        w->p += (63 - w->have) / 8;
        w->have |= 56;
        do {
            unsigned found = find(w->bits);
            if (unlikely(!found)) {
                return NULL;
            }
            *out++ = (char)found;
            w->bits <<= found >> 8;
            w->have -= found >> 8;
        } while (w->have >= BITS_MAX);
    }
    return out;
}

/* The last ones, each after a look at what is left: zeroes behind it. */
static char *read_slow(struct window *w, char *out)
{
    for (;;) {
        for (; w->have <= 56 && w->p < w->end; w->have += 8) {
            w->bits |= (uint64_t)(unsigned char)*w->p++ << (56 - w->have);
        }
        unsigned found = find(w->bits);
        if (!found || found >> 8 > w->have) {
            return out;
        }
        *out++ = (char)found;
        w->bits <<= found >> 8;
        w->have -= found >> 8;
    }
}

ptrdiff_t hpack_huffman_read(struct str text, char *out)
{
    struct window w = {.p = text.p, .end = text.p + text.len};
    char *end = read_fast(&w, out);
    if (end) {
        end = read_slow(&w, end);
    }
    /* What is left is the beginning of EOS, which is ones. */
    if (!end || w.have > 7 || (w.have > 0 && ~w.bits >> (64 - w.have) != 0)) {
        return -EBADMSG;
    }
    return end - out;
}
