/* SPDX-License-Identifier: Apache-2.0
 *
 * WebSocket frames (RFC 6455), strict: one reading of every byte or none. No I/O, no allocation,
 * nothing is copied but what an input cuts in two (a frame's head, a control frame).
 *
 * A reader reads one direction. It takes the bytes as they come and gives them back in parts that
 * are checked and may be passed on as they are; what is not complete enough to be judged (a head, a
 * control frame) it holds back. The parts and the verdict do not depend on how the input was cut.
 *
 *     websocket_reader_init(&reader, WEBSOCKET_CLIENT, limit);
 *     while ((r = websocket_read(&reader, &in, &part)) == 0) { … part.bytes … }
 *     WEBSOCKET_E_MORE: `in` is used up · WEBSOCKET_E_BAD: close with reader.error
 */
#ifndef PROTO_WEBSOCKET_H
#define PROTO_WEBSOCKET_H

#include "base/str.h"

enum { WEBSOCKET_E_MORE = 1, WEBSOCKET_E_BAD = 2 };
enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};
/* Who sends: a client masks every frame, a server none (§5.1). */
enum websocket_sender { WEBSOCKET_CLIENT, WEBSOCKET_SERVER };
/* RFC 6455 §7.4.1, and the IANA registry for 1012. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_NO_CODE = 1005,  /* never on the wire: a Close without one */
    WEBSOCKET_ABNORMAL = 1006, /* never on the wire: the connection ended without a Close */
    WEBSOCKET_NOT_UTF8 = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_RESTART = 1012,
};
enum {
    WEBSOCKET_HEAD_MAX = 14,
    WEBSOCKET_CONTROL_MAX = 125, /* payload of a control frame */
    WEBSOCKET_CLOSE_MAX = WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX,
};

struct websocket_reader {
    uint64_t message_max;    /* payload bytes of one message, as they are on the wire; 0 = any */
    uint64_t message_len;    /* of the message so far */
    uint64_t left;           /* payload bytes of the frame that have not come yet */
    const char *reason;      /* with `error`: what is wrong */
    uint16_t error;          /* enum websocket_code; 0 = none */
    uint16_t close_code;     /* of the Close that has come, or NO_CODE; 0 = none has come */
    uint8_t sender;          /* enum websocket_sender */
    bool compressed;         /* permessage-deflate was agreed on (RFC 7692): RSV1 may be set */
    bool message;            /* one is under way: more frames of it are to come */
    bool text;               /* and is checked to be UTF-8 */
    bool inside;             /* of a data frame: behind its head, before its end */
    bool fin;                /* of the frame */
    uint8_t opcode;          /* of the frame */
    uint8_t key_at;          /* of `key`: the byte of it that the next payload byte gets */
    uint8_t need, low, high; /* UTF-8: bytes to come, and the bounds of the next one */
    uint8_t held_len;
    uint8_t key[4];
    char held[WEBSOCKET_CLOSE_MAX]; /* what was cut in two */
};

/* A checked piece of the stream: a whole control frame, or of a data frame its head and what is
 * there of its payload, or more of its payload. */
struct websocket_part {
    struct str bytes;   /* as they came; in the input, or in the reader until its next call */
    struct str payload; /* the end of `bytes`, masked as it came */
    bool starts, ends;  /* the frame: reader.opcode and reader.fin are its */
};

void websocket_reader_init(struct websocket_reader *reader, enum websocket_sender sender,
                           uint64_t message_max);
/* Takes the next part off the front of `in`. 0, WEBSOCKET_E_MORE, WEBSOCKET_E_BAD (also ever
 * after). */
must_check int websocket_read(struct websocket_reader *reader, struct str *in,
                              struct websocket_part *ret);
/* Between two frames, as far as they were given back: the place where another one may be put in. */
static inline bool websocket_between(const struct websocket_reader *reader)
{
    return !reader->inside;
}

/* Writes the head of a frame; `key` is NULL for a server's. Its length. */
size_t websocket_head(char to[WEBSOCKET_HEAD_MAX], unsigned opcode_fin, uint64_t len,
                      const uint8_t key[4]);
enum { WEBSOCKET_FIN = 0x80 }; /* of opcode_fin */
/* Masks, or unmasks, payload that begins `at` bytes behind the head; to == from.p is fine. */
void websocket_mask(char *to, struct str from, const uint8_t key[4], uint64_t at);
/* A whole control frame; the payload is cut to WEBSOCKET_CONTROL_MAX. Its length. */
size_t websocket_control(char to[WEBSOCKET_CLOSE_MAX], enum websocket_opcode opcode,
                         struct str payload, const uint8_t key[4]);
/* A Close with that code and reason (UTF-8; cut to what fits). Its length. */
size_t websocket_close(char to[WEBSOCKET_CLOSE_MAX], unsigned code, struct str reason,
                       const uint8_t key[4]);
/* May a Close carry it (§7.4)? */
bool websocket_code_ok(unsigned code);

enum { WEBSOCKET_ACCEPT_LEN = 28 };
/* Is it a Sec-WebSocket-Key: base64 of 16 bytes (§4.1)? */
bool websocket_key_ok(struct str key);
/* The Sec-WebSocket-Accept that answers a key (§4.2.2). */
void websocket_accept(struct str key, char ret[WEBSOCKET_ACCEPT_LEN]);

#endif
