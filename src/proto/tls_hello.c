/* SPDX-License-Identifier: Apache-2.0
 *
 * Two passes: over the heads of the records, which tell whether the hello is whole (a few steps,
 * however often it is asked), then once over the hello, which reads across records.
 *
 *   record      type u8 = 22 | version u8.u8 = 3.x | length u16, 1…16,384 | that many bytes
 *   handshake   type u8 = 1 | length u24 | body
 *   body        version u16 | random 32 | session u8… | suites u16… | compression u8… | ext. u16…
 *   extension   type u16 | length u16 | data
 *
 * 1. A reader never leaves its bounds: what is too short makes it `bad`, which sticks.
 * 2. Each list must be used up exactly: bytes left over in one are a mistake or an attack.
 */
#include "proto/tls_hello.h"

enum {
    RECORD_HEAD = 5,
    RECORD_MAX = 16384,
    HANDSHAKE_HEAD = 4,
    TYPE_HANDSHAKE = 22,
    TYPE_CLIENT_HELLO = 1,
    EXT_SERVER_NAME = 0,
    EXT_ALPN = 16,
    EXT_ECH = 0xfe0d,
};

/* Reads the hello's bytes, over the heads of records. */
struct reader {
    const unsigned char *p; /* the next byte, if in_record > 0, else a record's head */
    size_t in_record;       /* bytes left in this record */
    size_t left;            /* of what is being read: the hello, or a list in it */
    bool bad;
};

static unsigned u16_at(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static unsigned read_u8(struct reader *r)
{
    if (r->left == 0) {
        r->bad = true;
        return 0;
    }
    if (r->in_record == 0) { /* there is one: the first pass has counted */
        r->in_record = u16_at(r->p + 3);
        r->p += RECORD_HEAD;
    }
    r->left--;
    r->in_record--;
    return *r->p++;
}

static unsigned read_u16(struct reader *r)
{
    unsigned high = read_u8(r);
    return high << 8 | read_u8(r);
}

static void skip(struct reader *r, size_t n)
{
    if (n > r->left) {
        r->bad = true;
        n = r->left;
    }
    for (; n > 0; n--) {
        (void)read_u8(r);
    }
}

/* Goes into a list of `n` bytes; the rest of what it lies in is given back to list_end. */
static size_t list_begin(struct reader *r, size_t n)
{
    r->bad |= n > r->left;
    n = MIN(n, r->left);
    size_t outside = r->left - n;
    r->left = n;
    return outside;
}

static void list_end(struct reader *r, size_t outside)
{
    r->bad |= r->left != 0;
    skip(r, r->left);
    r->left = outside;
}

/* --- extensions --- */

static bool name_char(unsigned *c)
{
    *c += *c >= 'A' && *c <= 'Z' ? 'a' - 'A' : 0U;
    return (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
           *c == '.';
}

/* Letters, digits, '-', '_' and single dots between: what can be a route's host. */
static void read_host_name(struct reader *r, size_t len, struct tls_hello *hello)
{
    r->bad |= len == 0 || len > TLS_HELLO_NAME_MAX || hello->name_len > 0;
    for (unsigned before = '.'; !r->bad && len > 0; len--) {
        unsigned c = read_u8(r);
        r->bad |= !name_char(&c) || (c == '.' && before == '.');
        hello->name[hello->name_len++] = (char)c;
        before = c;
    }
    if (hello->name_len > 1 && hello->name[hello->name_len - 1] == '.') {
        hello->name_len--;
    }
    hello->name[hello->name_len] = '\0';
}

/* One name at most (RFC 6066 §3); kinds other than host_name were never defined. */
static void read_server_name(struct reader *r, struct tls_hello *hello)
{
    size_t outside = list_begin(r, read_u16(r));
    r->bad |= r->left == 0;
    while (!r->bad && r->left > 0) {
        unsigned kind = read_u8(r);
        size_t len = read_u16(r);
        r->bad |= len > r->left;
        if (!r->bad && kind == 0) {
            read_host_name(r, len, hello);
        } else {
            skip(r, len);
        }
    }
    list_end(r, outside);
}

/* Entries that are no readable text (GREASE) are left out; so are those that have no room. */
static void read_protocol(struct reader *r, size_t len, struct tls_hello *hello)
{
    char name[TLS_HELLO_ALPN_MAX];
    size_t comma = hello->alpn_len > 0;
    bool shown = len + comma + hello->alpn_len <= TLS_HELLO_ALPN_MAX;
    for (size_t i = 0; i < len && !r->bad; i++) {
        unsigned c = read_u8(r);
        shown &= c > ' ' && c < 127 && c != ',' && c != '"' && c != '\\';
        if (i < sizeof(name)) {
            name[i] = (char)c;
        }
    }
    if (!shown || r->bad) {
        return;
    }
    if (comma) {
        hello->alpn[hello->alpn_len++] = ',';
    }
    memcpy(hello->alpn + hello->alpn_len, name, len);
    hello->alpn_len = (uint8_t)(hello->alpn_len + len);
    hello->alpn[hello->alpn_len] = '\0';
}

static void read_alpn(struct reader *r, struct tls_hello *hello)
{
    size_t outside = list_begin(r, read_u16(r));
    r->bad |= r->left == 0;
    while (!r->bad && r->left > 0) {
        size_t len = read_u8(r);
        r->bad |= len == 0 || len > r->left;
        read_protocol(r, r->bad ? 0 : len, hello);
    }
    list_end(r, outside);
}

/* Those that are read may come once only: with two, which one counts would be a matter of taste. */
static void read_extension(struct reader *r, struct tls_hello *hello, unsigned *seen)
{
    unsigned type = read_u16(r);
    size_t outside = list_begin(r, read_u16(r));
    unsigned bit = type == EXT_SERVER_NAME ? 1 : type == EXT_ALPN ? 2 : type == EXT_ECH ? 4 : 0;
    r->bad |= (*seen & bit) != 0;
    *seen |= bit;
    switch (type) {
    case EXT_SERVER_NAME:
        read_server_name(r, hello);
        break;
    case EXT_ALPN:
        read_alpn(r, hello);
        break;
    case EXT_ECH:
        hello->has_ech = true;
        skip(r, r->left);
        break;
    default:
        skip(r, r->left);
        break;
    }
    list_end(r, outside);
}

/* --- the hello --- */

static void read_body(struct reader *r, struct tls_hello *hello)
{
    unsigned seen = 0;
    r->bad |= read_u8(r) != 3; /* 1.3 says 3.3 here, too */
    skip(r, 1 + 32);
    size_t session = read_u8(r);
    r->bad |= session > 32;
    skip(r, session);
    size_t suites = read_u16(r);
    r->bad |= suites < 2 || suites % 2 != 0;
    skip(r, suites);
    size_t compressions = read_u8(r);
    r->bad |= compressions == 0;
    skip(r, compressions);
    if (r->bad || r->left == 0) {
        return; /* TLS 1.0 to 1.2 may have no extensions */
    }
    size_t outside = list_begin(r, read_u16(r));
    while (!r->bad && r->left > 0) {
        read_extension(r, hello, &seen);
    }
    list_end(r, outside);
    r->bad |= outside != 0;
}

/* Is this a record's head, as far as it is there? */
static bool head_ok(const unsigned char *p, size_t len)
{
    return !((len > 0 && p[0] != TYPE_HANDSHAKE) || (len > 1 && p[1] != 3) ||
             (len >= RECORD_HEAD && (u16_at(p + 3) == 0 || u16_at(p + 3) > RECORD_MAX)));
}

/* What is known of the handshake's head while records are walked. */
struct span {
    unsigned char head[HANDSHAKE_HEAD];
    size_t have; /* bytes of the handshake, its head among them */
    size_t want; /* as many as it will have; HANDSHAKE_HEAD until that is read */
};

static bool span_add(struct span *span, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len && span->have + i < HANDSHAKE_HEAD; i++) {
        span->head[span->have + i] = p[i];
    }
    span->have += len;
    if (span->have > 0 && span->head[0] != TYPE_CLIENT_HELLO) {
        return false;
    }
    if (span->have >= HANDSHAKE_HEAD) {
        span->want = HANDSHAKE_HEAD + ((size_t)span->head[1] << 16 | u16_at(span->head + 2));
    }
    return span->want <= TLS_HELLO_MAX;
}

/* Is the whole hello there? 0 and its length without heads of records, or E_MORE, E_BAD. */
static int find_end(struct str bytes, size_t *ret_len)
{
    struct span span = {.want = HANDSHAKE_HEAD};
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t left = bytes.len;
    for (unsigned records = 0; span.have < span.want; records++) {
        if (records == TLS_HELLO_RECORDS_MAX || !head_ok(p, left)) {
            return TLS_HELLO_E_BAD;
        }
        if (left < RECORD_HEAD) {
            return bytes.len >= TLS_HELLO_MAX ? TLS_HELLO_E_BAD : TLS_HELLO_E_MORE;
        }
        size_t len = u16_at(p + 3);
        size_t here = MIN(len, left - RECORD_HEAD);
        if (!span_add(&span, p + RECORD_HEAD, here)) {
            return TLS_HELLO_E_BAD;
        }
        p += RECORD_HEAD + here;
        left -= RECORD_HEAD + here;
        if (span.have < span.want && here < len) {
            return bytes.len >= TLS_HELLO_MAX ? TLS_HELLO_E_BAD : TLS_HELLO_E_MORE;
        }
    }
    *ret_len = span.want;
    return 0;
}

int tls_hello_parse(struct str bytes, struct tls_hello *ret)
{
    size_t len;
    int r = find_end(str_slice(bytes, 0, MIN(bytes.len, (size_t)TLS_HELLO_MAX)), &len);
    if (r != 0) {
        return r;
    }
    struct reader reader = {.p = (const unsigned char *)bytes.p, .left = len};
    *ret = (struct tls_hello){.name_len = 0};
    skip(&reader, HANDSHAKE_HEAD);
    read_body(&reader, ret);
    return reader.bad ? TLS_HELLO_E_BAD : 0;
}
