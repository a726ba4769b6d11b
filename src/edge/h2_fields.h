/* SPDX-License-Identifier: Apache-2.0
 *
 * struct h2_fields: a head on its way to nghttp2, which copies names (in lower case) and values
 * when it is submitted. What HTTP/1 would not forward is not forwarded here either.
 */
#ifndef EDGE_H2_FIELDS_H
#define EDGE_H2_FIELDS_H

#include "proto/http1.h"

#include <nghttp2/nghttp2.h>

enum { H2_FIELDS_MAX = HTTP1_HEADERS_MAX + 32 };

struct h2_fields {
    size_t count;
    bool full;
    nghttp2_nv nv[H2_FIELDS_MAX]; /* not initialised */
};

static inline void h2_fields_init(struct h2_fields *fields)
{
    fields->count = 0;
    fields->full = false;
}
void h2_fields_add(struct h2_fields *fields, struct str name, struct str value);
/* One whose value does not come again: it is kept out of the tables of compression, where it would
 * drive out what does, and be compared with all its kind. */
void h2_fields_add_once(struct h2_fields *fields, struct str name, struct str value);
/* All headers of `head` but hop-by-hop ones, Host and those in `drop`. */
void h2_fields_forward(struct h2_fields *fields, const struct http1_head *head,
                       const struct http_set *drop);
/* Lines of HTTP/1 ("name: value\r\n"), but those about its connection and framing. */
void h2_fields_lines(struct h2_fields *fields, struct str lines);

#endif
