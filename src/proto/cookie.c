/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading is lenient about what other software puts beside our cookie (broken pairs are passed
 * over), writing is strict: a value that could end its attribute or its header is refused. Quotes
 * around a value are taken off, as some clients add them and none means them.
 */
#include "proto/cookie.h"

#include "proto/http.h"

/* cookie-octet: RFC 6265 §4.1.1. */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* av-octet: any but controls and ';'. */
static bool is_attribute(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f || c == ';') {
            return false;
        }
    }
    return true;
}

bool cookie_next(struct str *header, struct str *ret_name, struct str *ret_value)
{
    while (header->len) {
        struct str pair;
        (void)str_split(*header, ';', &pair, header);
        pair = str_trim(pair);
        if (!str_split(pair, '=', ret_name, ret_value) || !http_is_token(*ret_name)) {
            continue;
        }
        size_t len = ret_value->len;
        if (len >= 2 && ret_value->p[0] == '"' && ret_value->p[len - 1] == '"') {
            *ret_value = str_slice(*ret_value, 1, len - 1);
        }
        if (is_value(*ret_value)) {
            return true;
        }
    }
    return false;
}

struct str cookie_get(struct str header, struct str name)
{
    struct str found, value;
    while (cookie_next(&header, &found, &value)) {
        if (str_eq(found, name)) {
            return value;
        }
    }
    return STR_NONE;
}

static void add_attribute(struct buf *out, struct str name, struct str value)
{
    if (value.len) {
        buf_add(out, name);
        buf_add(out, value);
    }
}

int cookie_write(struct buf *out, const struct cookie *cookie)
{
    static const struct str same_site[] = {
        [COOKIE_SAME_SITE_NONE_SET] = STR_INIT(""),
        [COOKIE_LAX] = STR_INIT("Lax"),
        [COOKIE_STRICT] = STR_INIT("Strict"),
        [COOKIE_NONE] = STR_INIT("None"),
    };
    if (!http_is_token(cookie->name) || !is_value(cookie->value) || !is_attribute(cookie->path) ||
        !is_attribute(cookie->domain)) {
        return -EINVAL;
    }
    buf_add(out, cookie->name);
    buf_add_char(out, '=');
    buf_add(out, cookie->value);
    add_attribute(out, STR("; Path="), cookie->path);
    add_attribute(out, STR("; Domain="), cookie->domain);
    if (cookie->max_age_s >= 0) {
        buf_add(out, STR("; Max-Age="));
        buf_add_i64(out, cookie->max_age_s);
    }
    if (cookie->http_only) {
        buf_add(out, STR("; HttpOnly"));
    }
    if (cookie->secure) {
        buf_add(out, STR("; Secure"));
    }
    add_attribute(out, STR("; SameSite="), same_site[cookie->same_site]);
    return 0;
}
