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

/* --- a walk from frame to frame --- */

enum { HEAD_LEN = 9, PRIORITY_LEN = 5, PREFACE_LEN = 24, FRAME_DATA = 0, FRAME_PRIORITY = 2 };

void http2_walk_init(struct http2_walk *walk)
{
    *walk = (struct http2_walk){.left = PREFACE_LEN};
}

static uint32_t number_at(const uint8_t *p)
{
    return ((uint32_t)(p[0] & 127) << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static uint32_t length_of(const uint8_t *head)
{
    return ((uint32_t)head[0] << 16) | ((uint32_t)head[1] << 8) | head[2];
}

/* Bytes that are looked at together: of PRIORITY with the stream it depends on. */
static size_t look_len(const uint8_t *p, size_t len)
{
    bool priority = len >= HEAD_LEN && p[3] == FRAME_PRIORITY && length_of(p) == PRIORITY_LEN;
    return priority ? HEAD_LEN + 4 : HEAD_LEN;
}

/* The head of a frame. True: the caller has to be told of it first. */
static bool stops_at(struct http2_walk *walk, const uint8_t *head, uint32_t *ret_id)
{
    uint32_t id = number_at(head + 5);
    if (head[3] == FRAME_DATA && !walk->told) {
        walk->told = true;
        *ret_id = id;
        return true;
    }
    walk->told = false;
    size_t looked_at = look_len(head, HEAD_LEN);
    walk->left = length_of(head) - (uint32_t)(looked_at - HEAD_LEN);
    walk->priorities += looked_at > HEAD_LEN;
    walk->bad = looked_at > HEAD_LEN && (id == 0 || number_at(head + HEAD_LEN) == id);
    return false;
}

/* A head that came in pieces. */
static struct str next_held(struct http2_walk *walk, struct str *bytes, uint32_t *ret_id)
{
    size_t need;
    while (walk->have < (need = look_len(walk->head, walk->have)) && bytes->len > 0) {
        size_t n = MIN(need - walk->have, bytes->len);
        memcpy(walk->head + walk->have, bytes->p, n);
        walk->have += (uint8_t)n;
        *bytes = str_skip(*bytes, n);
    }
    if (walk->have < need || stops_at(walk, walk->head, ret_id)) {
        return STR_NONE;
    }
    walk->have = 0;
    return str_make((const char *)walk->head, need);
}

struct str http2_walk_next(struct http2_walk *walk, struct str *bytes, uint32_t *ret_id)
{
    struct str all = *bytes;
    size_t at = 0;
    *ret_id = 0;
    if (walk->have) {
        return next_held(walk, bytes, ret_id);
    }
    while (!walk->bad) {
        size_t skipped = MIN((size_t)walk->left, all.len - at);
        walk->left -= (uint32_t)skipped;
        at += skipped;
        const uint8_t *head = (const uint8_t *)all.p + at;
        size_t need = look_len(head, all.len - at);
        if (all.len - at < need) {
            walk->have = (uint8_t)(all.len - at);
            memcpy(walk->head, head, walk->have);
            *bytes = STR_NONE;
            break;
        }
        if (stops_at(walk, head, ret_id)) {
            *bytes = str_skip(all, at);
            break;
        }
        at += need;
    }
    return str_slice(all, 0, at);
}
