/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing frames, and the answer to a handshake's key.
 *
 * SHA-1 (RFC 3174) is here because RFC 6455 asks for it, not for any secret: the answer only shows
 * that the other side read the request as a WebSocket's. So it is small rather than fast, and lets
 * this room stand without a library.
 */
#include "base/encode.h"
#include "base/utf8.h"
#include "proto/websocket.h"

size_t websocket_head(char to[WEBSOCKET_HEAD_MAX], unsigned opcode_fin, uint64_t len,
                      const uint8_t key[4])
{
    unsigned masked = key ? 0x80 : 0;
    unsigned bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    size_t at = 2;
    to[0] = (char)opcode_fin;
    to[1] = (char)(masked | (bytes == 0 ? (unsigned)len : bytes == 2 ? 126 : 127));
    while (bytes > 0) {
        to[at++] = (char)(len >> (8 * --bytes) & 0xff);
    }
    if (key) {
        memcpy(to + at, key, 4);
        at += 4;
    }
    return at;
}

size_t websocket_control(char to[WEBSOCKET_CLOSE_MAX], enum websocket_opcode opcode,
                         struct str payload, const uint8_t key[4])
{
    static const uint8_t none[4];
    payload = str_slice(payload, 0, WEBSOCKET_CONTROL_MAX);
    size_t len = websocket_head(to, WEBSOCKET_FIN | opcode, payload.len, key);
    websocket_mask(to + len, payload, key ? key : none, 0);
    return len + payload.len;
}

size_t websocket_close(char to[WEBSOCKET_CLOSE_MAX], unsigned code, struct str reason,
                       const uint8_t key[4])
{
    char payload[WEBSOCKET_CONTROL_MAX] = {(char)(code >> 8), (char)(code & 0xff)};
    reason = utf8_cut(reason, sizeof(payload) - 2);
    if (reason.len > 0) {
        memcpy(payload + 2, reason.p, reason.len);
    }
    return websocket_control(to, WEBSOCKET_CLOSE, str_make(payload, 2 + reason.len), key);
}

/* Those of the RFC that may be sent, those registered since (1012–1014), libraries' and
 * applications' own. */
bool websocket_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

bool websocket_key_ok(struct str key)
{
    char bytes[32];
    struct buf out = BUF_ON(bytes);
    return key.len == 24 && str_ends(key, STR("==")) && str_find_char(key, '-') < 0 &&
           str_find_char(key, '_') < 0 && decode_base64(&out, key) == 0 && out.len == 16;
}

/* --- SHA-1 of what fits into two blocks --- */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void expand(const uint8_t block[64], uint32_t w[80])
{
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *p = block + 4 * (size_t)i;
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (unsigned i = 16; i < 80; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    expand(block, w);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? (b & c) | (~b & d)
                     : i < 40 ? b ^ c ^ d
                     : i < 60 ? (b & c) | (b & d) | (c & d)
                              : b ^ c ^ d;
        uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void websocket_accept(struct str key, char ret[WEBSOCKET_ACCEPT_LEN])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t message[128] = {0}, digest[20];
    char text[WEBSOCKET_ACCEPT_LEN + 4];
    struct buf out = BUF_ON(text);
    key = str_slice(key, 0, 24);
    size_t len = key.len + sizeof(guid) - 1;
    if (key.len > 0) {
        memcpy(message, key.p, key.len);
    }
    memcpy(message + key.len, guid, sizeof(guid) - 1);
    message[len] = 0x80;
    message[126] = (uint8_t)(len * 8 >> 8);
    message[127] = (uint8_t)(len * 8);
    sha1_block(h, message);
    sha1_block(h, message + 64);
    for (unsigned i = 0; i < sizeof(digest); i++) {
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    }
    encode_base64(&out, str_make((const char *)digest, sizeof(digest)));
    memcpy(ret, text, WEBSOCKET_ACCEPT_LEN);
}
