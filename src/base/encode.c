/* SPDX-License-Identifier: Apache-2.0
 *
 * Text forms of bytes. Decoders are strict where laxness would give one value two spellings: the
 * unused bits behind the last base64 digit must be zero (RFC 4648 §3.5), padding must be whole. On
 * -EINVAL `out` is as it was, so a caller may try another form of the same text.
 */
#include "base/encode.h"

static const char hex_digits[] = "0123456789abcdef";

void encode_hex(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        buf_add_char(out, hex_digits[c >> 4]);
        buf_add_char(out, hex_digits[c & 15]);
    }
}

int decode_hex(struct buf *out, struct str text)
{
    size_t start = out->len;
    if (text.len % 2) {
        return -EINVAL;
    }
    for (size_t i = 0; i < text.len; i += 2) {
        int high = decode_hex_digit(text.p[i]);
        int low = decode_hex_digit(text.p[i + 1]);
        if (high < 0 || low < 0) {
            buf_cut(out, start);
            return -EINVAL;
        }
        buf_add_char(out, (char)(high << 4 | low));
    }
    return buf_error(out);
}

/* The digits of the whole text are reserved at once: a file of megabytes is kept in this form. */
static void add_base64(struct buf *out, struct str bytes, const char *alphabet, bool padded)
{
    const unsigned char *in = (const unsigned char *)bytes.p;
    size_t whole = bytes.len / 3, rest = bytes.len % 3;
    size_t end = !rest ? 0 : padded ? 4 : rest + 1;
    char *to = bytes.len ? buf_reserve(out, whole * 4 + end) : NULL;
    char *at = to;
    if (!to) {
        return;
    }
    for (size_t i = 0; i < whole; i++, in += 3, at += 4) {
        at[0] = alphabet[in[0] >> 2];
        at[1] = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
        at[2] = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
        at[3] = alphabet[in[2] & 63];
    }
    if (rest) {
        unsigned second = rest == 2 ? in[1] : 0;
        *at++ = alphabet[in[0] >> 2];
        *at++ = alphabet[(unsigned)(in[0] & 3) << 4 | second >> 4];
        if (rest == 2) {
            *at++ = alphabet[(second & 15) << 2];
        }
        for (size_t i = rest; padded && i < 3; i++) {
            *at++ = '=';
        }
    }
    buf_commit(out, (size_t)(at - to));
}

void encode_base64(struct buf *out, struct str bytes)
{
    add_base64(out, bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
               true);
}

void encode_base64url(struct buf *out, struct str bytes)
{
    add_base64(out, bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
               false);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* The digits without their padding; false when the padding is not whole or one digit is left over.
 */
static bool strip_padding(struct str *text)
{
    size_t whole = text->len;
    while (text->len && whole - text->len < 2 && text->p[text->len - 1] == '=') {
        text->len--;
    }
    return (text->len == whole || whole % 4 == 0) && text->len % 4 != 1;
}

int decode_base64(struct buf *out, struct str text)
{
    size_t start = out->len;
    uint32_t bits = 0;
    unsigned held = 0;
    bool valid = strip_padding(&text);
    for (size_t i = 0; valid && i < text.len; i++) {
        int value = base64_value(text.p[i]);
        valid = value >= 0;
        bits = bits << 6 | ((uint32_t)value & 63);
        held += 6;
        if (held >= 8) {
            held -= 8;
            buf_add_char(out, (char)(bits >> held));
            bits &= (1u << held) - 1;
        }
    }
    if (!valid || bits != 0) {
        buf_cut(out, start);
        return -EINVAL;
    }
    return buf_error(out);
}

/* byte   0-5       6              7        8              9-15
 *        unix ms   version | 4b   random   variant | 6b   random   (RFC 9562 §5.7) */
void uuid_v7(int64_t wall_ms, const uint8_t random[10], char ret[UUID_TEXT_LEN + 1])
{
    uint8_t bytes[16];
    for (unsigned i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    }
    memcpy(bytes + 6, random, 10);
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    char *p = ret;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        *p++ = hex_digits[bytes[i] >> 4];
        *p++ = hex_digits[bytes[i] & 15];
    }
    *p = '\0';
}
