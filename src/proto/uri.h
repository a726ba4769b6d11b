/* SPDX-License-Identifier: Apache-2.0
 *
 * URIs (RFC 3986) as HTTP uses them: splitting, host and port, paths made comparable for routing,
 * queries. All slices point into the input. Nothing allocates; decoding goes to the caller's memory
 * or a buf. Parsers take the whole text or refuse it, and set nothing then.
 */
#ifndef PROTO_URI_H
#define PROTO_URI_H

#include "base/buf.h"

/* URI_HOST_MAX: no name that can be looked up is longer (RFC 3986 §3.2.2, RFC 1035 §2.3.4), and
 * what a proxy passes on of it would be several times as long. */
enum { URI_PORT_NONE = 0, URI_HOST_MAX = 255 };

struct uri_authority {
    struct str host; /* without brackets */
    uint16_t port;   /* URI_PORT_NONE: not given */
    bool is_ipv6;
};

struct uri {
    struct str scheme;
    struct uri_authority authority;
    struct str authority_text;
    struct str path;  /* "" or starting with '/' */
    struct str query; /* behind '?' */
    struct str fragment;
    bool has_query;
};

/* "host", "host:80", "[::1]:80"; no user name. 0 or -EINVAL. An empty port ("host:") counts as
 * none. */
must_check int uri_parse_authority(struct str s, struct uri_authority *ret);
/* "http://host:port/path?query#fragment": scheme and authority must be there; -EINVAL for the rest,
 * and for bytes that no URI holds (controls, space, non-ASCII). */
must_check int uri_parse(struct str s, struct uri *ret);

/* The path as routes compare it (RFC 3986 §6.2.2): percent-encoded unreserved characters decoded,
 * other escapes in upper case, dot segments removed. An encoded slash stays encoded, so it
 * separates nothing. *ret is `path` itself when nothing had to change, else it lies in `memory`. 0,
 * -EINVAL (broken escape, %00, a control character, backslash, or dots above the root, no leading
 * '/'), -ENOBUFS (memory too small: path.len bytes are always enough). */
must_check int uri_normalise(struct str path, char *memory, size_t size, struct str *ret);

/* The next "key=value" of a query (also application/x-www-form-urlencoded), still encoded; a
 * missing '=' gives an empty value, empty pairs are passed over. False at the end. */
bool uri_query_next(struct str *query, struct str *ret_key, struct str *ret_value);
/* Appends the decoded text; with `form`, '+' is a space. 0 or -EINVAL (broken escape; a part may
 * have been appended). What comes out is any bytes, NUL and invalid UTF-8 among them. */
must_check int uri_decode(struct buf *out, struct str text, bool form);
/* Finds `key` in a query and appends its decoded value. 0, URI_E_NONE, or -EINVAL. */
enum { URI_E_NONE = 1 };
must_check int uri_query_get(struct str query, struct str key, struct buf *out);
/* Escapes all but unreserved characters (and '/', with `path`): what comes out is the same inside
 * of a path, a query or a form, so no caller has to know which characters delimit where. Byte by
 * byte, so UTF-8 becomes what RFC 3986 §2.5 asks for. */
void uri_encode(struct buf *out, struct str text, bool path);

#endif
