/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader of frames asks of websocket_text.c: UTF-8 (RFC 3629) that goes on over any cut,
 * and runs of ASCII behind a mask, eight bytes a step.
 */
#ifndef PROTO_WEBSOCKET_PRIVATE_H
#define PROTO_WEBSOCKET_PRIVATE_H

#include "base/str.h"

struct websocket_utf8 {
    uint8_t need; /* bytes to come */
    uint8_t low;  /* bounds of the next one */
    uint8_t high;
};

/* False: no text goes on like this, and the state is of no use. */
bool websocket_utf8_step(struct websocket_utf8 *utf8, uint8_t c);
/* How many bytes at the front of `s`, a multiple of eight, are ASCII once unmasked; the first one
 * gets key[at]. */
size_t websocket_ascii(struct str s, const uint8_t key[4], unsigned at);

#endif
