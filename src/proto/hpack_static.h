/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: the static table of RFC 7541, appendix A, with the ids of its names.
 */
#ifndef PROTO_HPACK_STATIC_H
#define PROTO_HPACK_STATIC_H

#include "proto/hpack.h"

enum { HPACK_STATIC_LAST = 61 };

#define FIELD(ident, name, value)                                                                  \
    {                                                                                              \
        STR_INIT(name), STR_INIT(value), ident, false                                              \
    }
/* By index; 0 is none. */
static const struct hpack_field hpack_static[HPACK_STATIC_LAST + 1] = {
    FIELD(0, "", ""),
    FIELD(HPACK_AUTHORITY, ":authority", ""),
    FIELD(HPACK_METHOD, ":method", "GET"),
    FIELD(HPACK_METHOD, ":method", "POST"),
    FIELD(HPACK_PATH, ":path", "/"),
    FIELD(HPACK_PATH, ":path", "/index.html"),
    FIELD(HPACK_SCHEME, ":scheme", "http"),
    FIELD(HPACK_SCHEME, ":scheme", "https"),
    FIELD(HPACK_STATUS, ":status", "200"),
    FIELD(HPACK_STATUS, ":status", "204"),
    FIELD(HPACK_STATUS, ":status", "206"),
    FIELD(HPACK_STATUS, ":status", "304"),
    FIELD(HPACK_STATUS, ":status", "400"),
    FIELD(HPACK_STATUS, ":status", "404"),
    FIELD(HPACK_STATUS, ":status", "500"),
    FIELD(HTTP_H_OTHER, "accept-charset", ""),
    FIELD(HTTP_H_ACCEPT_ENCODING, "accept-encoding", "gzip, deflate"),
    FIELD(HTTP_H_ACCEPT_LANGUAGE, "accept-language", ""),
    FIELD(HTTP_H_ACCEPT_RANGES, "accept-ranges", ""),
    FIELD(HTTP_H_ACCEPT, "accept", ""),
    FIELD(HTTP_H_ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin", ""),
    FIELD(HTTP_H_AGE, "age", ""),
    FIELD(HTTP_H_ALLOW, "allow", ""),
    FIELD(HTTP_H_AUTHORIZATION, "authorization", ""),
    FIELD(HTTP_H_CACHE_CONTROL, "cache-control", ""),
    FIELD(HTTP_H_CONTENT_DISPOSITION, "content-disposition", ""),
    FIELD(HTTP_H_CONTENT_ENCODING, "content-encoding", ""),
    FIELD(HTTP_H_CONTENT_LANGUAGE, "content-language", ""),
    FIELD(HTTP_H_CONTENT_LENGTH, "content-length", ""),
    FIELD(HTTP_H_CONTENT_LOCATION, "content-location", ""),
    FIELD(HTTP_H_CONTENT_RANGE, "content-range", ""),
    FIELD(HTTP_H_CONTENT_TYPE, "content-type", ""),
    FIELD(HTTP_H_COOKIE, "cookie", ""),
    FIELD(HTTP_H_DATE, "date", ""),
    FIELD(HTTP_H_ETAG, "etag", ""),
    FIELD(HTTP_H_EXPECT, "expect", ""),
    FIELD(HTTP_H_EXPIRES, "expires", ""),
    FIELD(HTTP_H_OTHER, "from", ""),
    FIELD(HTTP_H_HOST, "host", ""),
    FIELD(HTTP_H_IF_MATCH, "if-match", ""),
    FIELD(HTTP_H_IF_MODIFIED_SINCE, "if-modified-since", ""),
    FIELD(HTTP_H_IF_NONE_MATCH, "if-none-match", ""),
    FIELD(HTTP_H_IF_RANGE, "if-range", ""),
    FIELD(HTTP_H_IF_UNMODIFIED_SINCE, "if-unmodified-since", ""),
    FIELD(HTTP_H_LAST_MODIFIED, "last-modified", ""),
    FIELD(HTTP_H_LINK, "link", ""),
    FIELD(HTTP_H_LOCATION, "location", ""),
    FIELD(HTTP_H_MAX_FORWARDS, "max-forwards", ""),
    FIELD(HTTP_H_PROXY_AUTHENTICATE, "proxy-authenticate", ""),
    FIELD(HTTP_H_PROXY_AUTHORIZATION, "proxy-authorization", ""),
    FIELD(HTTP_H_RANGE, "range", ""),
    FIELD(HTTP_H_REFERER, "referer", ""),
    FIELD(HTTP_H_OTHER, "refresh", ""),
    FIELD(HTTP_H_RETRY_AFTER, "retry-after", ""),
    FIELD(HTTP_H_SERVER, "server", ""),
    FIELD(HTTP_H_SET_COOKIE, "set-cookie", ""),
    FIELD(HTTP_H_STRICT_TRANSPORT_SECURITY, "strict-transport-security", ""),
    FIELD(HTTP_H_TRANSFER_ENCODING, "transfer-encoding", ""),
    FIELD(HTTP_H_USER_AGENT, "user-agent", ""),
    FIELD(HTTP_H_VARY, "vary", ""),
    FIELD(HTTP_H_VIA, "via", ""),
    FIELD(HTTP_H_WWW_AUTHENTICATE, "www-authenticate", ""),
};
#undef FIELD

#endif
