/* SPDX-License-Identifier: Apache-2.0
 *
 * Cookies (RFC 6265): reading a Cookie header, writing a Set-Cookie value. Names and values are the
 * client's or another program's of the same host: a cookie proves nothing by itself. A browser may
 * send two of one name (set for two paths), and the order says which was set for the longer path.
 */
#ifndef PROTO_COOKIE_H
#define PROTO_COOKIE_H

#include "base/buf.h"

/* The next pair of a Cookie header, quotes around the value taken off; broken pairs are passed
 * over. */
bool cookie_next(struct str *header, struct str *ret_name, struct str *ret_value);
/* The value of the first cookie with that name (case matters), or STR_NONE. */
struct str cookie_get(struct str header, struct str name);

enum cookie_same_site { COOKIE_SAME_SITE_NONE_SET, COOKIE_LAX, COOKIE_STRICT, COOKIE_NONE };
enum { COOKIE_SESSION = -1 };

struct cookie {
    struct str name;  /* a token */
    struct str value; /* cookie-octets: no space, comma, semicolon, quote, backslash */
    struct str path;  /* empty = left out */
    struct str domain;
    int64_t max_age_s; /* COOKIE_SESSION = left out; 0 = delete */
    bool http_only;
    bool secure;
    enum cookie_same_site same_site;
};

/* Appends the value of a Set-Cookie header. 0, or -EINVAL if a part holds what it must not: then
 * nothing is appended, so a value from outside cannot add attributes or headers. SameSite=None
 * without `secure` is written as asked, and refused by browsers. */
must_check int cookie_write(struct buf *out, const struct cookie *cookie);

#endif
