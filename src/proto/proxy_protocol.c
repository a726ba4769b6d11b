/* SPDX-License-Identifier: Apache-2.0
 *
 *   v1   "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"   107 bytes at most
 *        "PROXY UNKNOWN …\r\n"
 *   v2   0   signature (12 bytes)
 *        12  version and command: 0x20 LOCAL, 0x21 PROXY
 *        13  family and transport: 0x11 TCP over IPv4, 0x21 over IPv6, 0x31 unix, 0 not said
 *        14  length of the rest (big endian)
 *        16  source, destination, their ports (big endian); then extensions: type, length, value
 *
 * Strict: single spaces, numbers without leading zeros, addresses of the family that was named;
 * datagrams, unknown families and commands, and extensions that run over their end are refused.
 * What the extensions say is not used.
 */
#include "proto/proxy_protocol.h"

enum { V1_MAX = 107, V2_HEAD = 16, TLV_HEAD = 3 };
static const char signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

/* Decimal, without leading zeros. */
static bool read_port(struct str text, uint16_t *ret)
{
    unsigned port = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.p[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(text.p[i] - '0');
    }
    *ret = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* An address as the family was named: 4 by dots, 6 by colons. */
static bool read_address(struct str text, bool six, struct ip *ret)
{
    return (str_find_char(text, ':') >= 0) == six && ip_parse(text, ret) == 0;
}

/* What stands between "PROXY " and the line's end. */
static int read_words(struct str line, struct proxy_protocol *ret)
{
    struct str word[5] = {0};
    if (str_is(line, "UNKNOWN") || str_starts(line, STR("UNKNOWN "))) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(word); i++) {
        bool more = str_split(line, ' ', &word[i], &line);
        if (more != (i + 1 < ARRAY_LEN(word))) {
            return PROXY_PROTOCOL_E_BAD;
        }
    }
    bool six = str_is(word[0], "TCP6");
    ret->known = (six || str_is(word[0], "TCP4")) && read_address(word[1], six, &ret->source) &&
                 read_address(word[2], six, &ret->destination) &&
                 read_port(word[3], &ret->source_port) &&
                 read_port(word[4], &ret->destination_port);
    return ret->known ? 0 : PROXY_PROTOCOL_E_BAD;
}

static int read_v1(struct str in, struct proxy_protocol *ret)
{
    static const struct str intro = STR_INIT("PROXY ");
    struct str window = str_slice(in, 0, V1_MAX);
    size_t have = MIN(in.len, intro.len);
    if (memcmp(in.p, intro.p, have) != 0) {
        return PROXY_PROTOCOL_E_BAD;
    }
    ptrdiff_t end = str_find_char(window, '\n');
    if (end < 0) {
        return window.len == V1_MAX ? PROXY_PROTOCOL_E_BAD : PROXY_PROTOCOL_E_MORE;
    }
    if ((size_t)end < intro.len || window.p[end - 1] != '\r') {
        return PROXY_PROTOCOL_E_BAD;
    }
    ret->version = 1;
    ret->len = (size_t)end + 1;
    return read_words(str_slice(window, intro.len, (size_t)end - 1), ret);
}

static unsigned u16_at(const char *p)
{
    return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* Extensions fill the rest of the header to the byte. */
static bool extensions_fit(struct str rest)
{
    while (rest.len > 0) {
        if (rest.len < TLV_HEAD || rest.len - TLV_HEAD < u16_at(rest.p + 1)) {
            return false;
        }
        rest = str_skip(rest, TLV_HEAD + (size_t)u16_at(rest.p + 1));
    }
    return true;
}

static void read_pair(const char *p, uint8_t family, struct proxy_protocol *ret)
{
    size_t size = family == 6 ? 16 : 4;
    ret->known = true;
    ret->source = ip_make(family, (const uint8_t *)p);
    ret->destination = ip_make(family, (const uint8_t *)p + size);
    ret->source_port = (uint16_t)u16_at(p + 2 * size);
    ret->destination_port = (uint16_t)u16_at(p + 2 * size + 2);
}

/* Bytes of the addresses of a family; -1: none that is taken. */
static int addresses_len(uint8_t family)
{
    switch (family) {
    case 0x00:
        return 0;
    case 0x11:
        return 12;
    case 0x21:
        return 36;
    case 0x31:
        return 216;
    default:
        return -1;
    }
}

static int read_v2(struct str in, struct proxy_protocol *ret)
{
    if (memcmp(in.p, signature, MIN(in.len, sizeof(signature))) != 0) {
        return PROXY_PROTOCOL_E_BAD;
    }
    uint8_t command = in.len > 12 ? (uint8_t)in.p[12] : 0x21;
    uint8_t family = in.len > 13 ? (uint8_t)in.p[13] : 0;
    int addresses = command == 0x20 ? 0 : addresses_len(family);
    if ((command != 0x20 && command != 0x21) || addresses < 0) {
        return PROXY_PROTOCOL_E_BAD;
    }
    if (in.len < V2_HEAD) {
        return PROXY_PROTOCOL_E_MORE;
    }
    size_t len = u16_at(in.p + 14);
    if (len < (size_t)addresses || len + V2_HEAD > PROXY_PROTOCOL_MAX) {
        return PROXY_PROTOCOL_E_BAD;
    }
    if (in.len < V2_HEAD + len) {
        return PROXY_PROTOCOL_E_MORE;
    }
    struct str rest = str_slice(in, V2_HEAD + (size_t)addresses, V2_HEAD + len);
    /* LOCAL and families that were not said are followed by what receivers have to skip. */
    if (addresses > 0 && !extensions_fit(rest)) {
        return PROXY_PROTOCOL_E_BAD;
    }
    ret->version = 2;
    ret->len = V2_HEAD + len;
    if (addresses == 12 || addresses == 36) {
        read_pair(in.p + V2_HEAD, addresses == 36 ? 6 : 4, ret);
    }
    return 0;
}

int proxy_protocol_read(struct str in, struct proxy_protocol *ret)
{
    *ret = (struct proxy_protocol){0};
    if (in.len == 0) {
        return PROXY_PROTOCOL_E_MORE;
    }
    return in.p[0] == signature[0] ? read_v2(in, ret) : read_v1(in, ret);
}

/* Both of one family: that; else 0. */
static uint8_t family_of(const struct proxy_protocol *proxy)
{
    bool same = proxy->known && proxy->source.family == proxy->destination.family;
    return same ? proxy->source.family : 0;
}

static size_t write_v1(char *ret, const struct proxy_protocol *proxy)
{
    char memory[PROXY_PROTOCOL_WRITE_MAX];
    struct buf out = BUF_ON(memory);
    uint8_t family = family_of(proxy);
    if (family == 0) {
        buf_add(&out, STR("PROXY UNKNOWN\r\n"));
    } else {
        buf_add(&out, family == 6 ? STR("PROXY TCP6 ") : STR("PROXY TCP4 "));
        ip_format(&out, &proxy->source);
        buf_add_char(&out, ' ');
        ip_format(&out, &proxy->destination);
        buf_printf(&out, " %u %u\r\n", proxy->source_port, proxy->destination_port);
    }
    memcpy(ret, out.p, out.len);
    return out.len;
}

static char *put_u16(char *p, unsigned n)
{
    p[0] = (char)(n >> 8);
    p[1] = (char)n;
    return p + 2;
}

static size_t write_v2(char *ret, const struct proxy_protocol *proxy)
{
    uint8_t family = family_of(proxy);
    size_t size = family == 6 ? 16 : family; /* of one address */
    size_t len = family ? 2 * size + 4 : 0;
    memcpy(ret, signature, sizeof(signature));
    ret[12] = family ? 0x21 : 0x20;
    ret[13] = (char)(family == 6 ? 0x21 : family ? 0x11 : 0);
    char *p = put_u16(ret + 14, (unsigned)len);
    if (family) {
        memcpy(p, proxy->source.bytes, size);
        memcpy(p + size, proxy->destination.bytes, size);
        p = put_u16(p + 2 * size, proxy->source_port);
        (void)put_u16(p, proxy->destination_port);
    }
    return V2_HEAD + len;
}

size_t proxy_protocol_write(char ret[PROXY_PROTOCOL_WRITE_MAX], const struct proxy_protocol *proxy)
{
    return proxy->version == 1 ? write_v1(ret, proxy) : write_v2(ret, proxy);
}

size_t proxy_protocol_extend(char *header, size_t len, size_t cap,
                             enum proxy_protocol_extension type, struct str value)
{
    if (len < V2_HEAD || header[0] != signature[0] || value.len > PROXY_PROTOCOL_MAX ||
        len + 3 + value.len > cap) {
        return len;
    }
    header[len] = (char)type;
    memcpy(put_u16(header + len + 1, (unsigned)value.len), value.p, value.len);
    len += 3 + value.len;
    (void)put_u16(header + 14, (unsigned)(len - V2_HEAD));
    return len;
}

/* struct pp2_tlv_ssl: what the client did, 0 = its certificate was good, then more of the same
 * form. */
size_t proxy_protocol_ssl(char ret[PROXY_PROTOCOL_SSL_MAX], struct str version, bool certificate)
{
    enum { DID_TLS = 1, SHOWED_ONE_HERE = 2, SHOWED_ONE = 4, VERSION = 0x21, HEAD = 8 };
    version = str_slice(version, 0, PROXY_PROTOCOL_SSL_MAX - HEAD);
    ret[0] = DID_TLS | (certificate ? SHOWED_ONE_HERE | SHOWED_ONE : 0);
    memset(ret + 1, 0, 4);
    ret[4] = !certificate; /* "verify" is 0 only where one was shown and was good */
    ret[5] = VERSION;
    memcpy(put_u16(ret + 6, (unsigned)version.len), version.p, version.len);
    return HEAD + version.len;
}
