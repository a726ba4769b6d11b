/* SPDX-License-Identifier: Apache-2.0
 *
 * Costs are in proportion to what a frame makes us do: a reset leaves an upstream request to be
 * undone, a PING an answer, a window update a look at who may send.
 */
#include "proto/http2_guard.h"

#include "base/num.h"

static const int16_t gains[HTTP2_GUARD_KINDS] = {
    [HTTP2_GUARD_PING] = -20,     [HTTP2_GUARD_SETTINGS] = -50,   [HTTP2_GUARD_PRIORITY] = -10,
    [HTTP2_GUARD_WINDOW] = -4,    [HTTP2_GUARD_EMPTY_DATA] = -20, [HTTP2_GUARD_RESET] = -100,
    [HTTP2_GUARD_INVALID] = -200, [HTTP2_GUARD_REQUEST] = 30,     [HTTP2_GUARD_DATA] = 20,
    [HTTP2_GUARD_SENT] = 30,
};

void http2_guard_init(struct http2_guard *guard, uint32_t max, int64_t now_ns)
{
    int32_t points = max ? (int32_t)MIN(max, (uint32_t)INT32_MAX / 2) : HTTP2_GUARD_POINTS;
    *guard = (struct http2_guard){.points = points, .max = points, .at_ns = now_ns};
}

/* Points for the time that has passed, counted only when somebody needs them. */
static void rest(struct http2_guard *guard, int64_t now_ns)
{
    int64_t passed_ns = MIN(MAX(now_ns - guard->at_ns, (int64_t)0), 60 * NS_PER_S);
    int64_t points = passed_ns / NS_PER_MS * guard->max / (1000 * HTTP2_GUARD_SECONDS);
    if (points > 0) {
        guard->points = (int32_t)MIN(guard->points + points, (int64_t)guard->max);
        guard->at_ns = now_ns;
    }
}

bool http2_guard_note(struct http2_guard *guard, enum http2_guard_kind kind, int64_t now_ns)
{
    int32_t gain = gains[kind];
    if (gain > 0) {
        guard->points = MIN(guard->points + gain, guard->max);
        return true;
    }
    guard->points += gain;
    int32_t ordinary = guard->max - guard->max / 4;
    if (guard->points < ordinary) {
        rest(guard, now_ns);
    }
    guard->glitches += kind == HTTP2_GUARD_INVALID || guard->points < ordinary;
    return guard->points >= 0;
}
