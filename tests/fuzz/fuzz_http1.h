/* SPDX-License-Identifier: Apache-2.0
 *
 * What the HTTP/1 targets share: parsing whole and cut, and comparing.
 */
#ifndef TESTS_FUZZ_HTTP1_H
#define TESTS_FUZZ_HTTP1_H

#include "fuzz.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"

#include <stdlib.h>

static const struct http1_limits fuzz_limits = {
    .line_max = 200, .header_max = 120, .head_max = 1000, .count_max = 12};

typedef int fuzz_parse_fn(struct http1_head *head, const char *data, size_t len);

/* Parses with more and more of the bytes, `step` at a time, each time in other memory. */
static inline int fuzz_parse(struct http1_head *head, fuzz_parse_fn *parse, struct str in,
                             size_t step)
{
    int r = HTTP1_E_MORE;
    size_t len = 0;
    http1_head_init(head, &fuzz_limits);
    while (r == HTTP1_E_MORE && len < in.len) {
        len += MIN(step, in.len - len);
        char *copy = fuzz_copy(str_slice(in, 0, len));
        r = parse(head, copy, len);
        free(copy);
    }
    head->base = in.p;
    return r;
}

static inline void fuzz_same_head(const struct http1_head *a, const struct http1_head *b)
{
    fuzz_check(a->len == b->len && a->error.status == b->error.status &&
               a->error.reason == b->error.reason);
    fuzz_check(a->framing == b->framing && a->content_length == b->content_length &&
               a->count == b->count);
    fuzz_check(a->keep_alive == b->keep_alive && a->upgrade == b->upgrade &&
               a->status == b->status);
    fuzz_check(memcmp(a->headers, b->headers, a->count * sizeof(a->headers[0])) == 0);
}

/* Every span lies in the head; every name is a token, every value has no control character. */
static inline void fuzz_sound_head(const struct http1_head *head, struct str in)
{
    fuzz_check(head->len <= in.len && str_ends(str_slice(in, 0, head->len), STR("\r\n\r\n")));
    for (size_t i = 0; i < head->count; i++) {
        fuzz_check(http_is_token(http1_name(head, i)) && http_is_field_value(http1_value(head, i)));
        fuzz_check(head->headers[i].id == http_header_find(http1_name(head, i)));
        fuzz_check(http_set_has(&head->present, head->headers[i].id));
    }
}

#endif
