/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of HTTP. Header names are found by a perfect hash (http_hash.h, written by
 * script/header-hash when the list changes): one table look-up and one comparison.
 *
 * The hash looks at the length and three bytes: names of ours never share a slot, a stranger's name
 * may hit one and is then told apart by the comparison, so nothing can be made slow by choosing
 * names.
 */
#include "proto/http.h"

#include "proto/http_hash.h"
#include "proto/http_scan.h"

static const struct str method_names[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = STR_INIT("GET"),         [HTTP_HEAD] = STR_INIT("HEAD"),
    [HTTP_POST] = STR_INIT("POST"),       [HTTP_PUT] = STR_INIT("PUT"),
    [HTTP_DELETE] = STR_INIT("DELETE"),   [HTTP_CONNECT] = STR_INIT("CONNECT"),
    [HTTP_OPTIONS] = STR_INIT("OPTIONS"), [HTTP_TRACE] = STR_INIT("TRACE"),
    [HTTP_PATCH] = STR_INIT("PATCH"),
};

const struct http_name http_names[HTTP_H_COUNT] = {
#define X(id, name) [HTTP_H_##id] = {name, sizeof(name) - 1},
    HTTP_HEADER_LIST(X)
#undef X
};

enum http_method http_method_find(struct str text)
{
    if (text.len == 3 && memcmp(text.p, "GET", 3) == 0) {
        return HTTP_GET;
    }
    for (unsigned i = HTTP_METHOD_OTHER + 1; i < HTTP_METHOD_COUNT; i++) {
        if (str_eq(text, method_names[i])) {
            return (enum http_method)i;
        }
    }
    return HTTP_METHOD_OTHER;
}

struct str http_method_name(enum http_method method)
{
    ensure(method < HTTP_METHOD_COUNT);
    return method_names[method];
}

enum http_header_id http_header_find(struct str name)
{
    if (name.len < 2) {
        return HTTP_H_OTHER;
    }
    const unsigned char *p = (const unsigned char *)name.p;
    size_t hash = name.len * HASH_LEN + (p[0] | 32u) * HASH_FIRST;
    hash += (p[name.len / 2] | 32u) * HASH_MIDDLE + (p[name.len - 2] | 32u) * HASH_LAST;
    unsigned id = http_hash_slots[hash & 255];
    struct str found = http_header_name((enum http_header_id)id);
    bool same = str_eq(name, found) || str_eq_nocase(name, found); /* HTTP/2 has lower case */
    return same ? (enum http_header_id)id : HTTP_H_OTHER;
}

struct str http_header_name(enum http_header_id id)
{
    ensure(id < HTTP_H_COUNT);
    return str_make(http_names[id].text, http_names[id].len);
}

/* Registered codes (IANA) that a gateway or its services answer with. */
struct reason {
    unsigned status;
    struct str text;
};

static const struct reason reasons[] = {
    {100, STR_INIT("Continue")},
    {101, STR_INIT("Switching Protocols")},
    {103, STR_INIT("Early Hints")},
    {200, STR_INIT("OK")},
    {201, STR_INIT("Created")},
    {202, STR_INIT("Accepted")},
    {203, STR_INIT("Non-Authoritative Information")},
    {204, STR_INIT("No Content")},
    {205, STR_INIT("Reset Content")},
    {206, STR_INIT("Partial Content")},
    {300, STR_INIT("Multiple Choices")},
    {301, STR_INIT("Moved Permanently")},
    {302, STR_INIT("Found")},
    {303, STR_INIT("See Other")},
    {304, STR_INIT("Not Modified")},
    {307, STR_INIT("Temporary Redirect")},
    {308, STR_INIT("Permanent Redirect")},
    {400, STR_INIT("Bad Request")},
    {401, STR_INIT("Unauthorized")},
    {402, STR_INIT("Payment Required")},
    {403, STR_INIT("Forbidden")},
    {404, STR_INIT("Not Found")},
    {405, STR_INIT("Method Not Allowed")},
    {406, STR_INIT("Not Acceptable")},
    {407, STR_INIT("Proxy Authentication Required")},
    {408, STR_INIT("Request Timeout")},
    {409, STR_INIT("Conflict")},
    {410, STR_INIT("Gone")},
    {411, STR_INIT("Length Required")},
    {412, STR_INIT("Precondition Failed")},
    {413, STR_INIT("Content Too Large")},
    {414, STR_INIT("URI Too Long")},
    {415, STR_INIT("Unsupported Media Type")},
    {416, STR_INIT("Range Not Satisfiable")},
    {417, STR_INIT("Expectation Failed")},
    {421, STR_INIT("Misdirected Request")},
    {422, STR_INIT("Unprocessable Content")},
    {425, STR_INIT("Too Early")},
    {426, STR_INIT("Upgrade Required")},
    {428, STR_INIT("Precondition Required")},
    {429, STR_INIT("Too Many Requests")},
    {431, STR_INIT("Request Header Fields Too Large")},
    {451, STR_INIT("Unavailable For Legal Reasons")},
    {500, STR_INIT("Internal Server Error")},
    {501, STR_INIT("Not Implemented")},
    {502, STR_INIT("Bad Gateway")},
    {503, STR_INIT("Service Unavailable")},
    {504, STR_INIT("Gateway Timeout")},
    {505, STR_INIT("HTTP Version Not Supported")},
    {507, STR_INIT("Insufficient Storage")},
    {511, STR_INIT("Network Authentication Required")},
};

struct str http_reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return STR_NONE;
}

bool http_is_token(struct str s)
{
    return s.len > 0 && http_scan_token(s.p, 0, s.len) == s.len;
}

bool http_is_field_value(struct str s)
{
    return http_scan_value(s.p, 0, s.len) == s.len;
}

/* Index of the comma that ends the first element, or the length. */
static size_t list_item_end(struct str list)
{
    bool quoted = false;
    for (size_t i = 0; i < list.len; i++) {
        char c = list.p[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            return i;
        }
    }
    return list.len;
}

bool http_list_next(struct str *list, struct str *ret_item)
{
    while (list->len) {
        size_t end = list_item_end(*list);
        *ret_item = str_trim(str_slice(*list, 0, end));
        *list = str_skip(*list, end + 1);
        if (ret_item->len) {
            return true;
        }
    }
    return false;
}
