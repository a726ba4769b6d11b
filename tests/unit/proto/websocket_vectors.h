/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of WebSocket frames that a strict reader must refuse, or must take: each with the section
 * that it breaks or uses. They are read whole and cut at every byte.
 */
#ifndef TESTS_WEBSOCKET_VECTORS_H
#define TESTS_WEBSOCKET_VECTORS_H

#include "proto/websocket.h"

struct websocket_vector {
    const char *rfc; /* "6455 5.2" */
    const char *what;
    struct str bytes;
    uint8_t sender;
    uint16_t code;   /* 0 = taken; else the error */
    uint16_t frames; /* taken before that */
    uint8_t option;  /* enum websocket_vector_option */
};
enum websocket_vector_option {
    VECTOR_PLAIN,
    VECTOR_DEFLATE, /* permessage-deflate was agreed on */
    VECTOR_LIMIT,   /* a message has at most VECTOR_LIMIT_BYTES */
    VECTOR_BEHIND,  /* what comes behind the last frame is discarded */
};
enum { VECTOR_LIMIT_BYTES = 8 };

extern const struct websocket_vector websocket_vectors[];
extern const size_t websocket_vector_count;

#endif
