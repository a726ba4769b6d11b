/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads for nghttp2. Lines of ours that HTTP/1 gets as text are taken apart again rather than made
 * in a second place: there are few, and they cannot differ then.
 */
#include "edge/h2_fields.h"

void h2_fields_add(struct h2_fields *fields, struct str name, struct str value)
{
    if (fields->count == H2_FIELDS_MAX) {
        fields->full = true;
        return;
    }
    fields->nv[fields->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.p,
        .value = (uint8_t *)(uintptr_t)value.p,
        .namelen = name.len,
        .valuelen = value.len,
    };
}

void h2_fields_add_once(struct h2_fields *fields, struct str name, struct str value)
{
    h2_fields_add(fields, name, value);
    if (!fields->full) {
        fields->nv[fields->count - 1].flags = NGHTTP2_NV_FLAG_NO_INDEX;
    }
}

static void add_known(struct h2_fields *fields, enum http_header_id id, struct str name,
                      struct str value)
{
    switch (id) {
    case HTTP_H_X_REQUEST_ID:
    case HTTP_H_TRACEPARENT:
    case HTTP_H_IDEMPOTENCY_KEY:
    case HTTP_H_SEC_WEBSOCKET_KEY:
        h2_fields_add_once(fields, name, value);
        break;
    default:
        h2_fields_add(fields, name, value);
    }
}

void h2_fields_forward(struct h2_fields *fields, const struct http1_head *head,
                       const struct http_set *drop)
{
    struct http_set dropped = drop ? *drop : (struct http_set){{0}};
    http_set_add(&dropped, HTTP_H_HOST);
    for (size_t i = 0; i < head->count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (!(header->flags & HTTP1_HOP) && !http_set_has(&dropped, header->id)) {
            add_known(fields, header->id, http1_name(head, i), http1_value(head, i));
        }
    }
}

/* Is that field about an HTTP/1 connection (RFC 9113 §8.2.2)? */
static bool is_connection(enum http_header_id id)
{
    switch (id) {
    case HTTP_H_CONNECTION:
    case HTTP_H_TRANSFER_ENCODING:
    case HTTP_H_KEEP_ALIVE:
    case HTTP_H_UPGRADE:
    case HTTP_H_PROXY_CONNECTION:
    case HTTP_H_HOST:
        return true;
    default:
        return false;
    }
}

void h2_fields_lines(struct h2_fields *fields, struct str lines)
{
    while (lines.len > 0) {
        ptrdiff_t end = str_find_char(lines, '\r');
        struct str line = str_slice(lines, 0, end < 0 ? lines.len : (size_t)end);
        ptrdiff_t colon = str_find_char(line, ':');
        if (colon > 0) {
            struct str name = str_slice(line, 0, (size_t)colon);
            enum http_header_id id = http_header_find(name);
            if (!is_connection(id)) {
                add_known(fields, id, name, str_skip(line, (size_t)colon + 2));
            }
        }
        lines = str_skip(lines, MIN(line.len + 2, lines.len));
    }
}
