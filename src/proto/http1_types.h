/* SPDX-License-Identifier: Apache-2.0
 *
 * What head, body and writer of HTTP/1.1 share: conditions, limits, errors, framings.
 */
#ifndef PROTO_HTTP1_TYPES_H
#define PROTO_HTTP1_TYPES_H

#include "proto/http.h"

enum { HTTP1_E_MORE = 1, HTTP1_E_BAD = 2 };
enum {
    HTTP1_HEADERS_MAX = 128,
    HTTP1_METHOD_MAX = 32,
    HTTP1_NAME_MAX = 256,
    HTTP1_CONNECTION_MAX = 32, /* options of all Connection headers together; more: 400 */
};

/* In bytes, line ends included; each is refused with the status behind it at the first byte beyond,
 * so no buffer needs to be larger than head_max. */
struct http1_limits {
    uint32_t line_max;   /* request line (414) or status line */
    uint32_t header_max; /* one header line (431) */
    uint32_t head_max;   /* all of it (431) */
    uint16_t count_max;  /* header lines (431); at most HTTP1_HEADERS_MAX */
};
#define HTTP1_LIMITS_DEFAULT                                                                       \
    {                                                                                              \
        .line_max = 8192, .header_max = 8192, .head_max = 16384, .count_max = 100                  \
    }

/* Why a message was refused. `reason` is a static sentence for a person and the log. */
struct http1_error {
    uint16_t status; /* 400, 414, 417, 431, 501, 505; 502 for responses */
    const char *reason;
};

/* Of a head: what came as something that must not be kept (RFC 7541 §6.2.3), and is not forwarded
 * as the line it came in. */
enum {
    HTTP1_SECRET_AUTHORITY = 1,
    HTTP1_SECRET_METHOD = 2,
    HTTP1_SECRET_TARGET = 4,
    HTTP1_SECRET_STATUS = 8,
    HTTP1_SECRET_ID = 16,  /* X-Request-Id */
    HTTP1_SECRET_WHO = 32, /* Forwarded, X-Forwarded-… */
};

enum http1_framing {
    HTTP1_BODY_NONE,
    HTTP1_BODY_LENGTH, /* content_length > 0 */
    HTTP1_BODY_CHUNKED,
    HTTP1_BODY_CLOSE, /* responses: until the connection ends */
    HTTP1_TUNNEL,     /* 101, or 2xx to CONNECT: no longer HTTP */
};

#endif
