/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 3986 for those who route by what they read: wherever two parsers might see two different
 * things (backslashes, encoded dots, dots above the root, NUL), the text is refused or brought into
 * one form.
 *
 * Paths are decoded before dots are removed, so "%2e%2e" is "..": the other order is a classic way
 * out of a folder. They are decoded once: "%252e" stays "%252e" and means the three characters
 * "%2e" to whoever decodes it next. Slashes are neither decoded nor merged: "/a//b" and "/a%2fb"
 * may be resources of their own behind us.
 */
#include "proto/uri.h"

#include "base/encode.h"
#include "proto/http_scan.h"

enum { IPV6_GROUPS = 8 };

/* Two hex digits behind a '%' at s.p[at]; -1 when they are not there. */
static int escaped_byte(struct str s, size_t at)
{
    if (s.len - at < 3) {
        return -1;
    }
    int high = decode_hex_digit(s.p[at + 1]);
    int low = decode_hex_digit(s.p[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* dec-octet "." …, four of them, without leading zeros. */
static bool is_ipv4(struct str s)
{
    for (int part = 0; part < 4; part++) {
        struct str number;
        bool more = str_split(s, '.', &number, &s);
        unsigned value = 0;
        if (more != (part < 3) || number.len == 0 || number.len > 3 ||
            (number.len > 1 && number.p[0] == '0')) {
            return false;
        }
        for (size_t i = 0; i < number.len; i++) {
            if (!http_char_is(number.p[i], HTTP_C_DIGIT)) {
                return false;
            }
            value = value * 10 + (unsigned)(number.p[i] - '0');
        }
        if (value > 255) {
            return false;
        }
    }
    return true;
}

/* Up to eight groups of one to four hex digits; "::" once for at least one of them; the last two
 * may be written as IPv4. No zone. */
static bool is_ipv6(struct str s)
{
    unsigned groups = 0;
    bool gap = str_starts(s, STR("::"));
    if (gap) {
        s = str_skip(s, 2);
    }
    while (s.len) {
        struct str group;
        bool more = str_split(s, ':', &group, &s);
        if (!more && str_find_char(group, '.') >= 0) {
            groups += 2;
            return is_ipv4(group) && (gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS);
        }
        if (group.len == 0 || group.len > 4) {
            return false;
        }
        for (size_t i = 0; i < group.len; i++) {
            if (decode_hex_digit(group.p[i]) < 0) {
                return false;
            }
        }
        groups++;
        if (more && s.len && s.p[0] == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            s = str_skip(s, 1);
        } else if (more && s.len == 0) {
            return false; /* a single colon at the end */
        }
    }
    return gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

/* Length of the reg-name at the front of `s`, escapes and all; 0 when there is none or one is
 * broken. */
static size_t reg_name(struct str s)
{
    size_t at = 0;
    for (;;) {
        at = http_scan_host(s.p, at, s.len);
        if (at == s.len || s.p[at] != '%') {
            return at;
        }
        if (escaped_byte(s, at) < 0x20) {
            return 0;
        }
        at += 3;
    }
}

/* Length of "[address]" at the front of `s`; 0 when it is none. */
static size_t ip_literal(struct str s)
{
    ptrdiff_t end = str_find_char(s, ']');
    return end > 0 && is_ipv6(str_slice(s, 1, (size_t)end)) ? (size_t)end + 1 : 0;
}

/* Digits up to 65535; none at all, and 0, mean "not given". */
static int parse_port(struct str s, uint16_t *ret)
{
    unsigned port = 0;
    if (s.len > 5) {
        return -EINVAL;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!http_char_is(s.p[i], HTTP_C_DIGIT)) {
            return -EINVAL;
        }
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    if (port > UINT16_MAX || (port == 0 && s.len)) {
        return -EINVAL;
    }
    *ret = (uint16_t)port;
    return 0;
}

int uri_parse_authority(struct str s, struct uri_authority *ret)
{
    bool is_literal = s.len && s.p[0] == '[';
    size_t end = is_literal ? ip_literal(s) : reg_name(s);
    if (end == 0 || end > URI_HOST_MAX || (end < s.len && s.p[end] != ':')) {
        return -EINVAL;
    }
    *ret = (struct uri_authority){
        .host = str_slice(s, is_literal, end - is_literal),
        .is_ipv6 = is_literal,
    };
    return end == s.len ? 0 : parse_port(str_skip(s, end + 1), &ret->port);
}

static bool is_scheme(struct str s)
{
    if (s.len == 0 || (s.p[0] | 0x20) < 'a' || (s.p[0] | 0x20) > 'z') {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        char c = s.p[i];
        bool is_alnum = http_char_is(c, HTTP_C_UNRESERVED) && c != '_' && c != '~';
        if (!is_alnum && c != '+') {
            return false;
        }
    }
    return true;
}

int uri_parse(struct str s, struct uri *ret)
{
    struct uri uri = {0};
    struct str rest;
    (void)str_split(s, '#', &s, &uri.fragment);
    if (http_scan_target(s.p, 0, s.len) != s.len ||
        http_scan_target(uri.fragment.p, 0, uri.fragment.len) != uri.fragment.len) {
        return -EINVAL;
    }
    if (!str_split(s, ':', &uri.scheme, &rest) || !is_scheme(uri.scheme) ||
        !str_starts(rest, STR("//"))) {
        return -EINVAL;
    }
    rest = str_skip(rest, 2);
    uri.has_query = str_split(rest, '?', &rest, &uri.query);
    ptrdiff_t slash = str_find_char(rest, '/');
    uri.authority_text = slash < 0 ? rest : str_slice(rest, 0, (size_t)slash);
    uri.path = str_skip(rest, uri.authority_text.len);
    int r = uri_parse_authority(uri.authority_text, &uri.authority);
    if (r == 0) {
        *ret = uri;
    }
    return r;
}

/* What keeps a path from being normal, at one byte: an escape, what is refused anyway, and "/."
 * . */
static bool is_suspect(const char *p, size_t i, size_t len)
{
    unsigned char c = (unsigned char)p[i];
    return c <= 0x20 || c >= 0x7f || c == '%' || c == '\\' ||
           (c == '/' && i + 1 < len && p[i + 1] == '.');
}

/* Most paths are as they should be; this looks at sixteen bytes in about as many instructions. */
static bool is_normal(struct str path)
{
    size_t at = 0;
#ifdef __SSE2__
    unsigned slash_before = 0;
    while (path.len - at >= 16) {
        __m128i v = http_load(path.p + at);
        __m128i bad = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21));
        bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('%')));
        bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        unsigned slash = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('/')));
        unsigned dot = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')));
        if (_mm_movemask_epi8(bad) || (dot & (slash << 1 | slash_before))) {
            return false;
        }
        slash_before = slash >> 15;
        at += 16;
    }
    if (slash_before && at < path.len && path.p[at] == '.') {
        return false;
    }
#endif
    for (; at < path.len; at++) {
        if (is_suspect(path.p, at, path.len)) {
            return false;
        }
    }
    return true;
}

/* Escapes of unreserved characters become those; others get capital digits. */
static int decode_unreserved(struct str path, char *memory, size_t *ret_len)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\') {
            return -EINVAL;
        }
        if (c != '%') {
            memory[len++] = (char)c;
            continue;
        }
        int byte = escaped_byte(path, i);
        if (byte <= 0) {
            return -EINVAL;
        }
        i += 2;
        if (http_char_is((char)byte, HTTP_C_UNRESERVED)) {
            memory[len++] = (char)byte;
        } else {
            memory[len++] = '%';
            memory[len++] = digits[byte >> 4];
            memory[len++] = digits[byte & 15];
        }
    }
    *ret_len = len;
    return 0;
}

/* RFC 3986 §5.2.4 in place, but for dots above the root, which are refused instead of dropped. */
static int remove_dots(char *p, size_t *len)
{
    size_t out = 0;
    for (size_t in = 0; in < *len;) {
        const char *slash = memchr(p + in + 1, '/', *len - in - 1);
        size_t end = slash ? (size_t)(slash - p) : *len;
        struct str segment = str_make(p + in + 1, end - in - 1);
        bool up = str_eq(segment, STR(".."));
        if (up && out == 0) {
            return -EINVAL;
        }
        if (up || str_eq(segment, STR("."))) {
            if (up) {
                out = (size_t)str_rfind_char(str_make(p, out), '/');
            }
            if (end == *len) {
                p[out++] = '/';
            }
        } else {
            memmove(p + out, p + in, end - in);
            out += end - in;
        }
        in = end;
    }
    *len = out;
    return 0;
}

int uri_normalise(struct str path, char *memory, size_t size, struct str *ret)
{
    size_t len;
    if (path.len == 0 || path.p[0] != '/') {
        return -EINVAL;
    }
    if (is_normal(path)) {
        *ret = path;
        return 0;
    }
    if (size < path.len) {
        return -ENOBUFS;
    }
    int r = decode_unreserved(path, memory, &len);
    if (r == 0) {
        r = remove_dots(memory, &len);
    }
    if (r == 0) {
        *ret = str_make(memory, len);
    }
    return r;
}

bool uri_query_next(struct str *query, struct str *ret_key, struct str *ret_value)
{
    while (query->len) {
        struct str pair;
        (void)str_split(*query, '&', &pair, query);
        if (pair.len) {
            (void)str_split(pair, '=', ret_key, ret_value);
            return true;
        }
    }
    return false;
}

int uri_decode(struct buf *out, struct str text, bool form)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '%') {
            int byte = escaped_byte(text, i);
            if (byte < 0) {
                return -EINVAL;
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        buf_add_char(out, c);
    }
    return 0;
}

/* Compares without a buffer: an encoded key is equal if its decoded bytes are. */
static bool key_is(struct str encoded, struct str key)
{
    size_t at = 0;
    for (size_t i = 0; i < encoded.len; i++, at++) {
        int c = (unsigned char)encoded.p[i];
        if (c == '%') {
            c = escaped_byte(encoded, i);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (at == key.len || c != (unsigned char)key.p[at]) {
            return false;
        }
    }
    return at == key.len;
}

int uri_query_get(struct str query, struct str key, struct buf *out)
{
    struct str name, value;
    while (uri_query_next(&query, &name, &value)) {
        if (key_is(name, key)) {
            return uri_decode(out, value, true);
        }
    }
    return URI_E_NONE;
}

void uri_encode(struct buf *out, struct str text, bool path)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (http_char_is(c, HTTP_C_UNRESERVED) || (path && c == '/')) {
            buf_add_char(out, c);
        } else {
            unsigned char byte = (unsigned char)c;
            buf_add_char(out, '%');
            buf_add_char(out, digits[byte >> 4]);
            buf_add_char(out, digits[byte & 15]);
        }
    }
}
