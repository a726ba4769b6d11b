/* SPDX-License-Identifier: Apache-2.0
 *
 * struct http2_guard: how much nonsense a peer of an HTTP/2 connection may send. Frames that cost
 * us work and bring nothing (PING, SETTINGS, PRIORITY, empty DATA, window updates without need,
 * resets) take points away; useful ones (requests, content, both ways) and time give them back. Who
 * has none left is ended with ENHANCE_YOUR_CALM. Floods of these kinds: CVE-2019-9511…9518, rapid
 * reset CVE-2023-44487. Pure: the time is handed in.
 */
#ifndef PROTO_HTTP2_GUARD_H
#define PROTO_HTTP2_GUARD_H

#include "base/str.h"

enum http2_guard_kind {
    HTTP2_GUARD_PING,
    HTTP2_GUARD_SETTINGS,
    HTTP2_GUARD_PRIORITY,
    HTTP2_GUARD_WINDOW,
    HTTP2_GUARD_EMPTY_DATA,
    HTTP2_GUARD_RESET, /* of a request that was not answered yet; a service's beyond one a request */
    HTTP2_GUARD_INVALID, /* a stream error of the peer's making */
    HTTP2_GUARD_REQUEST,
    HTTP2_GUARD_DATA,
    HTTP2_GUARD_SENT, /* a DATA frame of ours: worth its head, or not cut short by a window */
    HTTP2_GUARD_KINDS
};

enum {
    HTTP2_GUARD_POINTS = 20000,  /* usual: at most, and at the start */
    HTTP2_GUARD_SECONDS = 20,    /* in which time gives back all of them */
    HTTP2_GUARD_SENT_MIN = 1024, /* bytes of a DATA frame that are worth its head */
};

struct http2_guard {
    int32_t points, max;
    int64_t at_ns;     /* when time last gave any */
    uint32_t glitches; /* frames that took points when a quarter of them was gone, or invalid */
};

/* `max` 0: as many as usual. */
void http2_guard_init(struct http2_guard *guard, uint32_t max, int64_t now_ns);
/* False: it is too much. */
must_check bool http2_guard_note(struct http2_guard *guard, enum http2_guard_kind kind,
                                 int64_t now_ns);

#endif
