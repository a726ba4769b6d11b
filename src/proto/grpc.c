/* SPDX-License-Identifier: Apache-2.0
 *
 * A framed message is a byte (0 = not compressed), its length in 4 bytes, big end first, and the
 * message. Of Protocol Buffers only what the health check needs is here: field 1 as text (request)
 * or as a varint (answer); unknown fields are passed over.
 */
#include "proto/grpc.h"

#include "base/num.h"

enum { FRAME_HEAD = 5, TIMEOUT_DIGITS_MAX = 8 };

bool grpc_is_call(struct str content_type)
{
    static const struct str type = STR_INIT("application/grpc");
    if (!str_eq_nocase(str_slice(content_type, 0, type.len), type)) {
        return false;
    }
    struct str rest = str_skip(content_type, type.len);
    return rest.len == 0 || rest.p[0] == '+' || rest.p[0] == ';' || rest.p[0] == ' ';
}

enum grpc_status grpc_status_of(unsigned http_status)
{
    switch (http_status) {
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 408:
    case 504:
        return GRPC_DEADLINE_EXCEEDED;
    case 413:
    case 431:
        return GRPC_RESOURCE_EXHAUSTED;
    case 429:
    case 502:
    case 503:
        return GRPC_UNAVAILABLE;
    default:
        return http_status >= 400 && http_status < 500 ? GRPC_INTERNAL : GRPC_UNKNOWN;
    }
}

int grpc_parse_timeout(struct str value, int64_t *ret_ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
                 {'m', NS_PER_MS},       {'u', NS_PER_US},     {'n', 1}};
    uint64_t n;
    if (value.len < 2 || value.len > TIMEOUT_DIGITS_MAX + 1 ||
        num_parse_u64(str_slice(value, 0, value.len - 1), &n) < 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (value.p[value.len - 1] == units[i].unit) {
            *ret_ns =
                (int64_t)n > INT64_MAX / 2 / units[i].ns ? INT64_MAX / 2 : (int64_t)n * units[i].ns;
            return 0;
        }
    }
    return -EINVAL;
}

void grpc_write_message(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < ' ' || c > '~' || c == '%') {
            buf_printf(out, "%%%02X", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
}

/* --- health --- */

void grpc_write_health_request(struct buf *out, struct str service)
{
    ensure(service.len < 128); /* its length is one byte of a varint */
    size_t len = service.len ? service.len + 2 : 0;
    const char head[FRAME_HEAD] = {0, 0, 0, 0, (char)len};
    buf_add(out, str_make(head, sizeof(head)));
    if (len) {
        buf_add_char(out, 0x0a); /* field 1, text */
        buf_add_char(out, (char)service.len);
        buf_add(out, service);
    }
}

static int read_varint(struct str *in, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < in->len; i++) {
        value |= (uint64_t)(in->p[i] & 0x7f) << (7 * i);
        if (!(in->p[i] & 0x80)) {
            *in = str_skip(*in, i + 1);
            *ret = value;
            return 0;
        }
    }
    return -EBADMSG;
}

/* Passes over the value of a field of that wire type. */
static int skip_value(struct str *in, unsigned type)
{
    uint64_t len = 0;
    int r = 0;
    switch (type) {
    case 0:
        return read_varint(in, &len);
    case 1:
        len = 8;
        break;
    case 2:
        r = read_varint(in, &len);
        break;
    case 5:
        len = 4;
        break;
    default:
        r = -EBADMSG;
    }
    if (r < 0 || len > in->len) {
        return -EBADMSG;
    }
    *in = str_skip(*in, (size_t)len);
    return 0;
}

int grpc_read_health_answer(struct str bytes, enum grpc_health *ret)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.len < FRAME_HEAD || p[0] != 0) {
        return -EBADMSG;
    }
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    struct str message = str_skip(bytes, FRAME_HEAD);
    uint64_t status = 0;
    if (len != message.len) {
        return -EBADMSG;
    }
    while (message.len > 0) {
        uint64_t tag;
        int r = read_varint(&message, &tag);
        if (r == 0) {
            r = tag == 8 ? read_varint(&message, &status) : skip_value(&message, tag & 7);
        }
        if (r < 0) {
            return r;
        }
    }
    *ret = status <= GRPC_HEALTH_NO_SERVICE ? (enum grpc_health)status : GRPC_HEALTH_UNKNOWN;
    return 0;
}
