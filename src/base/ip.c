/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict: four decimal numbers without leading zeros, or RFC 4291 §2.2 without a zone. An address
 * has one value here however it is written, so that a list of networks cannot be passed by another
 * spelling.
 */
#include "base/ip.h"

#include "base/encode.h"

enum { GROUPS = 8 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* 0…255 in one to three digits. -1: it is none. */
static int number(struct str text)
{
    int value = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.p[0] == '0')) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.p[i] - '0');
    }
    return value > 255 ? -1 : value;
}

static bool parse_four(struct str text, uint8_t *ret)
{
    struct str part;
    for (int i = 0; i < 4; i++) {
        bool more = str_split(text, '.', &part, &text);
        int value = number(part);
        if (value < 0 || more != (i < 3)) {
            return false;
        }
        ret[i] = (uint8_t)value;
    }
    return true;
}

static int group(struct str text)
{
    int value = 0;
    if (text.len == 0 || text.len > 4) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = decode_hex_digit(text.p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* Groups between single colons, the last two perhaps as IPv4. Returns how many bytes, or -1. */
static int parse_groups(struct str text, uint8_t ret[16])
{
    int count = 0;
    bool more = text.len > 0;
    while (more) {
        struct str part;
        more = str_split(text, ':', &part, &text);
        if (!more && count <= 12 && parse_four(part, ret + count)) {
            return count + 4;
        }
        int value = group(part);
        if (value < 0 || count == 2 * GROUPS) {
            return -1;
        }
        ret[count++] = (uint8_t)(value >> 8);
        ret[count++] = (uint8_t)value;
    }
    return count;
}

static bool parse_six(struct str text, uint8_t ret[16])
{
    uint8_t left[16] = {0}, right[16] = {0};
    ptrdiff_t gap = str_find(text, STR("::"));
    if (gap < 0) {
        return parse_groups(text, ret) == 16;
    }
    struct str before = str_slice(text, 0, (size_t)gap);
    if (str_find_char(before, '.') >= 0) {
        return false; /* IPv4 is the end of it only */
    }
    int l = parse_groups(before, left);
    int r = parse_groups(str_skip(text, (size_t)gap + 2), right);
    if (l < 0 || r < 0 || l + r > 14) {
        return false;
    }
    memcpy(ret, left, (size_t)l);
    memset(ret + l, 0, (size_t)(16 - l - r));
    memcpy(ret + 16 - r, right, (size_t)r);
    return true;
}

struct ip ip_make(uint8_t family, const uint8_t *bytes)
{
    struct ip ip = {.family = family};
    if (family == 6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        ip.family = 4;
        bytes += sizeof(mapped);
    }
    memcpy(ip.bytes, bytes, ip.family == 6 ? 16 : ip.family);
    return ip;
}

int ip_parse(struct str text, struct ip *ret)
{
    uint8_t bytes[16] = {0};
    bool six = str_find_char(text, ':') >= 0;
    if (!(six ? parse_six(text, bytes) : parse_four(text, bytes))) {
        return -EINVAL;
    }
    *ret = ip_make(six ? 6 : 4, bytes);
    return 0;
}

/* Where the longest run of two zero groups or more begins; GROUPS: there is none. */
static int zeros(const uint8_t *bytes, int *ret_count)
{
    int best = GROUPS, best_count = 1;
    for (int i = 0; i < GROUPS; i++) {
        int n = 0;
        while (i + n < GROUPS && bytes[2 * (i + n)] == 0 && bytes[2 * (i + n) + 1] == 0) {
            n++;
        }
        if (n > best_count) {
            best = i;
            best_count = n;
        }
    }
    *ret_count = best_count;
    return best;
}

void ip_format(struct buf *out, const struct ip *ip)
{
    const uint8_t *bytes = ip->bytes;
    int count, gap;
    if (ip->family != 6) {
        buf_printf(out, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
        return;
    }
    gap = zeros(bytes, &count);
    for (int i = 0; i < GROUPS; i++) {
        if (i == gap) {
            buf_add(out, STR("::"));
            i += count - 1;
            continue;
        }
        const char *colon = i == 0 || i == gap + count ? "" : ":";
        buf_printf(out, "%s%x", colon, (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned rest = bits % 8;
    return memcmp(a, b, bits / 8) == 0 &&
           (rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

int ip_net_parse(struct str text, struct ip_net *ret)
{
    struct str address, bits;
    struct ip_net net;
    bool given = str_split(text, '/', &address, &bits);
    int r = ip_parse(address, &net.ip);
    if (r < 0) {
        return r;
    }
    int most = net.ip.family == 6 ? 128 : 32;
    int n = given ? number(bits) : most;
    if (n < 0 || n > most) {
        return -EINVAL;
    }
    net.bits = (uint8_t)n;
    for (unsigned i = net.bits; i < (unsigned)most; i++) {
        if (net.ip.bytes[i / 8] & (0x80u >> (i % 8))) {
            return -EINVAL;
        }
    }
    *ret = net;
    return 0;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
    return net->ip.family == ip->family && same_bits(net->ip.bytes, ip->bytes, net->bits);
}

bool ip_nets_have(const struct ip_net *nets, size_t count, const struct ip *ip)
{
    for (size_t i = 0; i < count; i++) {
        if (ip_net_has(&nets[i], ip)) {
            return true;
        }
    }
    return false;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const struct ip_net nets[] = {
        {{4, {127}}, 8},
        {{6, {[15] = 1}}, 128},
    };
    return ip_nets_have(nets, ARRAY_LEN(nets), ip);
}
