/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of HTTP/2 (RFC 9113 §6, §7; RFC 8441 for the extended CONNECT, RFC 9218 for
 * priorities). A frame's head:
 *
 *     length 3 · type 1 · flags 1 · stream 4 (the highest bit is ignored)
 */
#ifndef PROTO_HTTP2_TYPES_H
#define PROTO_HTTP2_TYPES_H

#include "base/str.h"

enum {
    HTTP2_FRAME_HEAD = 9,
    HTTP2_FRAME_MAX = 16384, /* payload: we allow no more, and send no more */
    HTTP2_WINDOW_FIRST = 65535,
    HTTP2_WINDOW_MAX = 0x7fffffff,
};
#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum http2_type {
    HTTP2_DATA,
    HTTP2_HEADERS,
    HTTP2_PRIORITY,
    HTTP2_RST_STREAM,
    HTTP2_SETTINGS,
    HTTP2_PUSH_PROMISE,
    HTTP2_PING,
    HTTP2_GOAWAY,
    HTTP2_WINDOW_UPDATE,
    HTTP2_CONTINUATION,
    HTTP2_PRIORITY_UPDATE = 16, /* RFC 9218 §7.1 */
    HTTP2_TYPES
};

enum {
    HTTP2_END_STREAM = 1, /* DATA, HEADERS */
    HTTP2_ACK = 1,        /* SETTINGS, PING */
    HTTP2_END_HEADERS = 4,
    HTTP2_PADDED = 8,
    HTTP2_PRIORITIZED = 32,
};

enum http2_error {
    HTTP2_NO_ERROR,
    HTTP2_PROTOCOL_ERROR,
    HTTP2_INTERNAL_ERROR,
    HTTP2_FLOW_CONTROL_ERROR,
    HTTP2_SETTINGS_TIMEOUT,
    HTTP2_STREAM_CLOSED,
    HTTP2_FRAME_SIZE_ERROR,
    HTTP2_REFUSED_STREAM,
    HTTP2_CANCEL,
    HTTP2_COMPRESSION_ERROR,
    HTTP2_CONNECT_ERROR,
    HTTP2_ENHANCE_YOUR_CALM,
};

enum http2_setting {
    HTTP2_SET_TABLE_SIZE = 1,
    HTTP2_SET_PUSH,
    HTTP2_SET_STREAMS_MAX,
    HTTP2_SET_WINDOW,
    HTTP2_SET_FRAME_MAX,
    HTTP2_SET_HEAD_MAX,
    HTTP2_SET_CONNECT = 8,
    HTTP2_SET_NO_PRIORITIES,
};

struct http2_frame {
    uint32_t len;
    uint32_t id;
    uint8_t type, flags;
};

static inline uint32_t http2_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}
static inline void http2_put_u32(char *p, uint32_t n)
{
    p[0] = (char)(n >> 24);
    p[1] = (char)(n >> 16);
    p[2] = (char)(n >> 8);
    p[3] = (char)n;
}
static inline void http2_put_frame(char *p, struct http2_frame frame)
{
    p[0] = (char)(frame.len >> 16);
    p[1] = (char)(frame.len >> 8);
    p[2] = (char)frame.len;
    p[3] = (char)frame.type;
    p[4] = (char)frame.flags;
    http2_put_u32(p + 5, frame.id);
}

#endif
