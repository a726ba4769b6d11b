/* SPDX-License-Identifier: Apache-2.0
 *
 * The classes of bytes as one table, spelled out by ranges so that each line can be held against
 * its RFC.
 *
 * A request target may hold what browsers send: they leave [ ] ^ ` { | } and the backslash
 * unescaped in places, although RFC 3986 has no room for them; refusing those would break real
 * pages and protects nobody, as they delimit nothing here. Quote, angle brackets, '#', space,
 * controls and all beyond ASCII are refused.
 */
#include "proto/http_chars.h"

enum {
    T = HTTP_C_TOKEN,
    V = HTTP_C_VALUE,
    G = HTTP_C_TARGET,
    H = HTTP_C_HOST,
    U = HTTP_C_UNRESERVED,
    ALNUM = T | V | G | H | U,
};

__extension__ const uint8_t http_chars[256] = {
    /* ranges are a GNU extension */
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | G | H,
    ['"'] = V,
    ['#'] = T | V,
    ['$'] = T | V | G | H,
    ['%'] = T | V | G,
    ['&'] = T | V | G | H,
    ['\''] = T | V | G | H,
    ['('] = V | G | H,
    [')'] = V | G | H,
    ['*'] = T | V | G | H,
    ['+'] = T | V | G | H,
    [','] = V | G | H,
    ['-'] = T | V | G | H | U,
    ['.'] = T | V | G | H | U,
    ['/'] = V | G,
    ['0' ... '9'] = ALNUM | HTTP_C_DIGIT,
    [':'] = V | G,
    [';'] = V | G | H,
    ['<'] = V,
    ['='] = V | G | H,
    ['>'] = V,
    ['?'] = V | G,
    ['@'] = V | G,
    ['A' ... 'Z'] = ALNUM,
    ['['] = V | G,
    ['\\'] = V | G,
    [']'] = V | G,
    ['^'] = T | V | G,
    ['_'] = T | V | G | H | U,
    ['`'] = T | V | G,
    ['a' ... 'z'] = ALNUM,
    ['{'] = V | G,
    ['|'] = T | V | G,
    ['}'] = V | G,
    ['~'] = T | V | G | H | U,
    [0x80 ... 0xff] = V, /* obs-text */
};
