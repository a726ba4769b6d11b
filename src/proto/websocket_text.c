/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes inside of frames: masks (RFC 6455 §5.3) and UTF-8 (RFC 3629), both eight bytes a step
 * where that is right, and byte by byte elsewhere. No overlong form, no surrogate, nothing above
 * U+10FFFF.
 */
#include "proto/websocket.h"
#include "proto/websocket_private.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool begin_character(struct websocket_utf8 *utf8, uint8_t c)
{
    utf8->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    utf8->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c < 0x80) {
        return true;
    }
    if (c < 0xc2 || c > 0xf4) {
        return false;
    }
    utf8->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    return true;
}

bool websocket_utf8_step(struct websocket_utf8 *utf8, uint8_t c)
{
    if (utf8->need == 0) {
        return begin_character(utf8, c);
    }
    if (c < utf8->low || c > utf8->high) {
        return false;
    }
    utf8->low = 0x80;
    utf8->high = 0xbf;
    utf8->need--;
    return true;
}

/* The key as it lies over eight bytes whose first one gets key[at]. */
static uint64_t spread(const uint8_t key[4], unsigned at)
{
    uint8_t bytes[8];
    uint64_t word;
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = key[(at + i) & 3];
    }
    memcpy(&word, bytes, sizeof(word));
    return word;
}

size_t websocket_ascii(struct str s, const uint8_t key[4], unsigned at)
{
    uint64_t mask = spread(key, at);
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, sizeof(word));
        if ((word ^ mask) & HIGH_BITS) {
            break;
        }
    }
    return i;
}

void websocket_mask(char *to, struct str from, const uint8_t key[4], uint64_t at)
{
    uint64_t mask = spread(key, (unsigned)(at & 3));
    size_t i = 0;
    for (; i + 8 <= from.len; i += 8) {
        uint64_t word;
        memcpy(&word, from.p + i, sizeof(word));
        word ^= mask;
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < from.len; i++) {
        to[i] = (char)((uint8_t)from.p[i] ^ key[(at + i) & 3]);
    }
}
