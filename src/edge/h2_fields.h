/* SPDX-License-Identifier: Apache-2.0
 *
 * struct h2_fields: a head on its way into frames: names and values where they lie. What HTTP/1
 * would not forward is not forwarded here either.
 */
#ifndef EDGE_H2_FIELDS_H
#define EDGE_H2_FIELDS_H

#include "proto/hpack.h"
#include "proto/http1.h"

enum { H2_FIELDS_MAX = HTTP1_HEADERS_MAX + 32 };

struct h2_fields {
    size_t count;
    bool full;
    struct hpack_field items[H2_FIELDS_MAX]; /* not initialised */
};

static inline void h2_fields_init(struct h2_fields *fields)
{
    fields->count = 0;
    fields->full = false;
}
/* One whose name has an id (enum http_header_id, or HPACK_…). */
static inline void h2_fields_add(struct h2_fields *fields, unsigned id, struct str value)
{
    if (unlikely(fields->count == H2_FIELDS_MAX)) {
        fields->full = true;
        return;
    }
    struct hpack_field *field = &fields->items[fields->count++];
    field->name = STR_NONE;
    field->value = value;
    field->id = (uint8_t)id;
    field->secret = false;
}
/* The last one must not be kept, also behind us (RFC 7541 §6.2.3), if `secret` is not 0. */
static inline void h2_fields_secret(struct h2_fields *fields, unsigned secret)
{
    if (unlikely(secret) && !fields->full) {
        fields->items[fields->count - 1].secret = true;
    }
}
/* One by its name, in any case. */
void h2_fields_name(struct h2_fields *fields, struct str name, struct str value);
/* All headers of `head` but hop-by-hop ones, Host and those in `drop`. */
void h2_fields_forward(struct h2_fields *fields, const struct http1_head *head,
                       const struct http_set *drop);
/* Trailers: lines of HTTP/1 ("name: value\r\n"). */
void h2_fields_lines(struct h2_fields *fields, struct str lines, bool secret);

#endif
