/* SPDX-License-Identifier: Apache-2.0
 *
 * What all versions of HTTP share (RFC 9110): methods, header field names as small ids, status
 * codes.
 *
 * A name that is in the list below has an id; all others are HTTP_H_OTHER and are told apart by
 * their text. Ids make a filter's question "is there an Authorization?" one bit test (struct
 * http_set).
 */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include "base/buf.h"
#include "proto/http_names.h"

enum http_method {
    HTTP_METHOD_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
    HTTP_METHOD_COUNT,
};

enum http_header_id {
    HTTP_H_OTHER,
#define X(id, name) HTTP_H_##id,
    HTTP_HEADER_LIST(X)
#undef X
        HTTP_H_COUNT
};
enum { HTTP_HEADER_NAME_MAX = 32 }; /* of the names above */

/* A set of header ids. OTHER is a member like the rest. */
struct http_set {
    uint64_t bits[2];
};

static inline void http_set_add(struct http_set *set, unsigned id)
{
    set->bits[id / 64] |= UINT64_C(1) << (id % 64);
}
static inline bool http_set_has(const struct http_set *set, unsigned id)
{
    return set->bits[id / 64] >> (id % 64) & 1;
}

/* Case matters for methods, not for names. */
enum http_method http_method_find(struct str text);
struct str http_method_name(enum http_method method); /* OTHER = "" */
enum http_header_id http_header_find(struct str name);
struct str http_header_name(enum http_header_id id); /* OTHER = "" */
/* "Not Found"; the empty slice for codes that are not registered. */
struct str http_reason(unsigned status);

/* Safe to repeat after a connection broke (RFC 9110 §9.2.2): twice has the effect of once. Methods
 * that are not registered may be anything and count as not. */
static inline bool http_method_idempotent(enum http_method method)
{
    return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_PUT ||
           method == HTTP_DELETE || method == HTTP_OPTIONS || method == HTTP_TRACE;
}

/* tchar of RFC 9110 §5.6.2; a token is one or more of them. */
bool http_is_token(struct str s);
/* field-content of RFC 9110 §5.5 with obs-text: no control character but the tab. */
bool http_is_field_value(struct str s);
/* The next element of a comma-separated list (RFC 9110 §5.6.1), trimmed, empty ones passed over.
 * Quoted strings are kept whole, with their quotes; one that does not end takes all that is left,
 * so that what a writer meant as text is never read as an element. False at the end. */
bool http_list_next(struct str *list, struct str *ret_item);

#endif
