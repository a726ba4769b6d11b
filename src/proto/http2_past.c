/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring in ascending order; looked through from the newest, and only when something is odd.
 */
#include "proto/http2_past.h"

#include "base/num.h"

static const uint32_t left = 1U << 31;

void http2_past_open(struct http2_past *past, uint32_t id)
{
    past->items[past->count % HTTP2_PAST_MAX] = id;
    past->count++;
    past->last = id;
}

/* Its place, or the one of the next lower stream; -1: all that are known are higher. */
static int find(const struct http2_past *past, uint32_t id)
{
    for (uint32_t back = 1; back <= HTTP2_PAST_MAX && back <= past->count; back++) {
        uint32_t i = (past->count - back) % HTTP2_PAST_MAX;
        if ((past->items[i] & ~left) <= id) {
            return (int)i;
        }
    }
    return -1;
}

void http2_past_leave(struct http2_past *past, uint32_t id)
{
    int i = find(past, id);
    if (i >= 0 && past->items[i] == id) {
        past->items[i] |= left;
    }
}

enum http2_past_verdict http2_past_ask(const struct http2_past *past, uint32_t id)
{
    if (id > past->last) {
        return HTTP2_PAST_NEW;
    }
    int i = find(past, id);
    if (i < 0) {
        return past->count > HTTP2_PAST_MAX ? HTTP2_PAST_UNKNOWN : HTTP2_PAST_SKIPPED;
    }
    if ((past->items[i] & ~left) != id) {
        return HTTP2_PAST_SKIPPED;
    }
    return past->items[i] & left ? HTTP2_PAST_LEFT : HTTP2_PAST_OPENED;
}
