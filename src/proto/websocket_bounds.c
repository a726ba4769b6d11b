/* SPDX-License-Identifier: Apache-2.0
 *
 * A state a byte for heads (RFC 6455 §5.2); payload is stepped over.
 */
#include "proto/websocket_bounds.h"

#include "base/num.h"
#include "proto/websocket.h"

enum { OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f, LENGTH_2 = 126, LENGTH_8 = 127 };

static void payload_begins(struct websocket_bounds *bounds)
{
    bounds->state = bounds->left > 0 ? WEBSOCKET_BOUNDS_PAYLOAD : WEBSOCKET_BOUNDS_BETWEEN;
    if (bounds->opcode == WEBSOCKET_CLOSE && bounds->close_code == 0) {
        if (bounds->left >= 2) {
            bounds->state = WEBSOCKET_BOUNDS_CODE;
            bounds->more = 2;
        } else {
            bounds->close_code = WEBSOCKET_NO_CODE;
        }
    }
}

static void length_known(struct websocket_bounds *bounds)
{
    bounds->code = 0;
    if (bounds->left >> 63) {
        bounds->state = WEBSOCKET_BOUNDS_LOST;
    } else if (bounds->masked) {
        bounds->state = WEBSOCKET_BOUNDS_KEY;
        bounds->more = 4;
    } else {
        payload_begins(bounds);
    }
}

static void second(struct websocket_bounds *bounds, uint8_t c)
{
    uint8_t length = c & LENGTH;
    bounds->masked = c & MASKED;
    if (length >= LENGTH_2) {
        bounds->left = 0;
        bounds->more = length == LENGTH_2 ? 2 : 8;
        bounds->state = WEBSOCKET_BOUNDS_LENGTH;
    } else {
        bounds->left = length;
        length_known(bounds);
    }
}

static void code_byte(struct websocket_bounds *bounds, uint8_t c)
{
    bounds->more--;
    bounds->left--;
    bounds->code = (uint16_t)(bounds->code ^ (bounds->more ? c << 8 : c));
    if (bounds->more == 0) {
        bounds->close_code = bounds->code;
        bounds->state = bounds->left > 0 ? WEBSOCKET_BOUNDS_PAYLOAD : WEBSOCKET_BOUNDS_BETWEEN;
    }
}

static void head_byte(struct websocket_bounds *bounds, uint8_t c)
{
    switch ((enum websocket_bounds_state)bounds->state) {
    case WEBSOCKET_BOUNDS_BETWEEN:
        bounds->opcode = c & OPCODE;
        bounds->state = WEBSOCKET_BOUNDS_SECOND;
        break;
    case WEBSOCKET_BOUNDS_SECOND:
        second(bounds, c);
        break;
    case WEBSOCKET_BOUNDS_LENGTH:
        bounds->left = bounds->left << 8 | c;
        if (--bounds->more == 0) {
            length_known(bounds);
        }
        break;
    case WEBSOCKET_BOUNDS_KEY:
        if (--bounds->more >= 2) { /* the first two mask the code */
            bounds->code = (uint16_t)(bounds->code << 8 | c);
        }
        if (bounds->more == 0) {
            payload_begins(bounds);
        }
        break;
    default:
        code_byte(bounds, c);
        break;
    }
}

void websocket_bounds_pass(struct websocket_bounds *bounds, struct str bytes)
{
    while (bytes.len > 0 && bounds->state != WEBSOCKET_BOUNDS_LOST) {
        if (bounds->state != WEBSOCKET_BOUNDS_PAYLOAD) {
            head_byte(bounds, (uint8_t)bytes.p[0]);
            bytes = str_skip(bytes, 1);
            continue;
        }
        size_t n = (size_t)MIN(bounds->left, (uint64_t)bytes.len);
        bytes = str_skip(bytes, n);
        bounds->left -= n;
        if (bounds->left == 0) {
            bounds->state = WEBSOCKET_BOUNDS_BETWEEN;
        }
    }
}
