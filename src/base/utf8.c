/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 by the table of RFC 3629 §4: which second bytes may follow a lead byte is what keeps
 * overlong forms, surrogates and everything beyond U+10FFFF out.
 */
#include "base/utf8.h"

/* Length of the well-formed sequence at the front of `s`, 0 if there is none. */
static size_t sequence(struct str s, uint32_t *ret_code_point)
{
    unsigned char lead = (unsigned char)s.p[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (lead < 0x80) {
        *ret_code_point = lead;
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    if (lead < 0xe0) {
        len = 2;
    } else if (lead < 0xf0) {
        len = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else {
        len = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    }
    if (s.len < len) {
        return 0;
    }
    uint32_t code_point = lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < low || c > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
        code_point = code_point << 6 | (c & 0x3f);
    }
    *ret_code_point = code_point;
    return len;
}

size_t utf8_valid_prefix(struct str s)
{
    size_t at = 0;
    uint32_t code_point;
    while (at < s.len) {
        /* Text is mostly ASCII: eight bytes at a time. */
        uint64_t word;
        while (s.len - at >= sizeof(word)) {
            memcpy(&word, s.p + at, sizeof(word));
            if (word & UINT64_C(0x8080808080808080)) {
                break;
            }
            at += sizeof(word);
        }
        if (at == s.len) {
            break;
        }
        size_t len = sequence(str_skip(s, at), &code_point);
        if (len == 0) {
            break;
        }
        at += len;
    }
    return at;
}

struct str utf8_cut(struct str s, size_t max)
{
    if (s.len > max) {
        while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80) {
            max--;
        }
    }
    return str_slice(s, 0, max);
}

void utf8_add(struct buf *out, uint32_t code_point)
{
    ensure(code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff));
    if (code_point < 0x80) {
        buf_add_char(out, (char)code_point);
        return;
    }
    unsigned more = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
    char bytes[4];
    for (unsigned i = more; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    bytes[0] = (char)((0xff00u >> (more + 1) & 0xffu) | code_point);
    buf_add_mem(out, bytes, more + 1);
}

struct range {
    uint32_t first;
    uint32_t last;
};

/* Sorted. Marks that take no column of their own, and what is never seen. */
static const struct range narrow_none[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f},   {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},
    {0x0610, 0x061a}, {0x064b, 0x065f},   {0x0670, 0x0670}, {0x06d6, 0x06dc}, {0x06df, 0x06e4},
    {0x093c, 0x093c}, {0x0941, 0x0948},   {0x094d, 0x094d}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x2060, 0x2064},
    {0x20d0, 0x20ff}, {0x302a, 0x302d},   {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
    {0xfeff, 0xfeff}, {0xe0100, 0xe01ef},
};

/* Sorted. East Asian Width W and F (UAX #11), the emoji that terminals draw wide among them. */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x23f0, 0x23f0},   {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},
    {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},
    {0x2728, 0x2728},   {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27b0, 0x27b0},   {0x27bf, 0x27bf},
    {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x303e},
    {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},
    {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1b000, 0x1b2ff},
    {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
    {0x1f200, 0x1f265}, {0x1f300, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c},
    {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0},
    {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc},
    {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a},
    {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5},
    {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6d7}, {0x1f6eb, 0x1f6ec},
    {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945},
    {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code_point)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code_point > ranges[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && code_point >= ranges[low].first;
}

size_t utf8_width(struct str s)
{
    size_t columns = 0;
    while (s.len) {
        uint32_t code_point = 0xfffd;
        size_t len = sequence(s, &code_point);
        s = str_skip(s,
                     MAX(len, (size_t)1)); /* a stray byte is shown as one replacement character */
        if (in_ranges(wide, ARRAY_LEN(wide), code_point)) {
            columns += 2;
        } else if (!in_ranges(narrow_none, ARRAY_LEN(narrow_none), code_point)) {
            columns++;
        }
    }
    return columns;
}
