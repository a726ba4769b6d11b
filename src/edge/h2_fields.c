/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/h2_fields.h"

void h2_fields_name(struct h2_fields *fields, struct str name, struct str value)
{
    h2_fields_add(fields, http_header_find(name), value);
    if (!fields->full) {
        fields->items[fields->count - 1].name = name;
    }
}

void h2_fields_forward(struct h2_fields *fields, const struct http1_head *head,
                       const struct http_set *drop)
{
    struct http_set dropped = *drop;
    http_set_add(&dropped, HTTP_H_HOST);
    for (size_t i = 0; i < head->count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (!(header->flags & HTTP1_HOP) && !http_set_has(&dropped, header->id)) {
            h2_fields_add(fields, header->id, http1_value(head, i));
            if (fields->full) {
                return;
            }
            struct hpack_field *field = &fields->items[fields->count - 1];
            field->secret = header->flags & HTTP1_SECRET;
            if (header->id == HTTP_H_OTHER) {
                field->name = http1_name(head, i);
            }
        }
    }
}

void h2_fields_lines(struct h2_fields *fields, struct str lines, bool secret)
{
    while (lines.len > 0) {
        ptrdiff_t end = str_find_char(lines, '\r');
        struct str line = str_slice(lines, 0, end < 0 ? lines.len : (size_t)end);
        ptrdiff_t colon = str_find_char(line, ':');
        if (colon > 0) {
            struct str name = str_slice(line, 0, (size_t)colon);
            h2_fields_name(fields, name, str_skip(line, (size_t)colon + 2));
            h2_fields_secret(fields, secret);
        }
        lines = str_skip(lines, MIN(line.len + 2, lines.len));
    }
}
