/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the frames of a WebSocket end, and with which code it is closed: for connections that are
 * passed on unread, so that a frame of our own may be put in at the end. Nothing is checked but
 * that lengths can be lengths. 16 bytes a direction.
 */
#ifndef PROTO_WEBSOCKET_BOUNDS_H
#define PROTO_WEBSOCKET_BOUNDS_H

#include "base/str.h"

enum websocket_bounds_state {
    WEBSOCKET_BOUNDS_BETWEEN, /* two frames; all zero is a new one */
    WEBSOCKET_BOUNDS_SECOND,
    WEBSOCKET_BOUNDS_LENGTH,
    WEBSOCKET_BOUNDS_KEY,
    WEBSOCKET_BOUNDS_CODE,
    WEBSOCKET_BOUNDS_PAYLOAD,
    WEBSOCKET_BOUNDS_LOST, /* no frames of a WebSocket: never between again */
};

struct websocket_bounds {
    uint64_t left;       /* payload that has not come yet; its length while that is read */
    uint16_t close_code; /* of the first Close, WEBSOCKET_NO_CODE without one; 0 = none has come */
    uint16_t code;       /* the front of the key, then the code behind it */
    uint8_t state;       /* enum websocket_bounds_state */
    uint8_t more;        /* bytes of LENGTH, KEY or CODE to come */
    uint8_t opcode;
    bool masked;
};

/* Bytes that pass, in any pieces. */
void websocket_bounds_pass(struct websocket_bounds *bounds, struct str bytes);
static inline bool websocket_bounds_between(const struct websocket_bounds *bounds)
{
    return bounds->state == WEBSOCKET_BOUNDS_BETWEEN;
}

#endif
