/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading WebSocket frames: a head is judged byte by byte as far as it is there, so that what is
 * wrong is known as early as may be; the payload is only looked at where RFC 6455 asks for it (the
 * text of a message, a Close).
 *
 * 1. `held` keeps what an input ended in the middle of: at most a control frame. Nothing of a frame
 *    is given back before its head was judged, and nothing of a control frame before all of it was.
 * 2. UTF-8 is followed byte by byte over frames and inputs; bytes in front of a wrong one are still
 *    given back, so the parts are the same however the input is cut.
 * 3. After an error, and after a Close, nothing is given back any more.
 */
#include "proto/websocket.h"

#include "proto/websocket_private.h"

enum {
    RSV1 = 0x40,
    RSV = 0x70,
    OPCODE = 0x0f,
    CONTROL = 0x08,
    MASK = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
};

void websocket_reader_init(struct websocket_reader *reader, enum websocket_sender sender,
                           uint64_t message_max)
{
    *reader = (struct websocket_reader){.sender = (uint8_t)sender, .message_max = message_max};
}

static int bad(struct websocket_reader *reader, enum websocket_code code, const char *reason)
{
    reader->error = (uint16_t)code;
    reader->reason = reason;
    return WEBSOCKET_E_BAD;
}

static int protocol_error(struct websocket_reader *reader, const char *reason)
{
    return bad(reader, WEBSOCKET_PROTOCOL_ERROR, reason);
}

/* --- the head --- */

/* FIN, RSV1–3, opcode (§5.2, §5.4, §5.5). */
static int judge_first(struct websocket_reader *reader, uint8_t c)
{
    unsigned opcode = c & OPCODE;
    bool control = opcode & CONTROL;
    if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && !control)) {
        return protocol_error(reader, "a reserved opcode");
    }
    if ((c & RSV & ~RSV1) ||
        ((c & RSV1) && (!reader->compressed || control || opcode == WEBSOCKET_CONTINUATION))) {
        return protocol_error(reader, "a reserved bit is set");
    }
    if (control && !(c & WEBSOCKET_FIN)) {
        return protocol_error(reader, "a control frame in fragments");
    }
    if (opcode == WEBSOCKET_CONTINUATION && !reader->message) {
        return protocol_error(reader, "a continuation of nothing");
    }
    if (!control && opcode != WEBSOCKET_CONTINUATION && reader->message) {
        return protocol_error(reader, "a new message inside another one");
    }
    return 0;
}

/* MASK and the short length (§5.1, §5.5). */
static int judge_second(struct websocket_reader *reader, uint8_t first, uint8_t c)
{
    bool masked = c & MASK;
    if (masked != (reader->sender == WEBSOCKET_CLIENT)) {
        return protocol_error(reader, masked ? "a masked frame of a server"
                                             : "a frame of a client that is not masked");
    }
    if ((first & CONTROL) && (c & LENGTH) > WEBSOCKET_CONTROL_MAX) {
        return protocol_error(reader, "a control frame of more than 125 bytes");
    }
    if ((first & OPCODE) == WEBSOCKET_CLOSE && (c & LENGTH) == 1) {
        return protocol_error(reader, "a Close of one byte");
    }
    return 0;
}

static uint64_t number(const uint8_t *p, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n = n << 8 | p[i];
    }
    return n;
}

/* The shortest form only, and no message beyond the limit (§5.2, §10.4). */
static int judge_length(struct websocket_reader *reader, const uint8_t *p, uint64_t *ret_len)
{
    unsigned form = p[1] & LENGTH;
    uint64_t len = form;
    if (form == LENGTH_16) {
        len = number(p + 2, 2);
        if (len < LENGTH_16) {
            return protocol_error(reader, "a length that is longer than need be");
        }
    } else if (form == LENGTH_64) {
        len = number(p + 2, 8);
        if (len >> 63) {
            return protocol_error(reader, "a length of more than 63 bits");
        }
        if (len <= UINT16_MAX) {
            return protocol_error(reader, "a length that is longer than need be");
        }
    }
    if (!(p[0] & CONTROL) && reader->message_max &&
        (len > reader->message_max || reader->message_len > reader->message_max - len)) {
        return bad(reader, WEBSOCKET_TOO_BIG, "a message beyond the limit");
    }
    *ret_len = len;
    return 0;
}

static size_t head_size(uint8_t second)
{
    unsigned form = second & LENGTH;
    return 2U + (form == LENGTH_16 ? 2U : form == LENGTH_64 ? 8U : 0U) + (second & MASK ? 4U : 0U);
}

/* What must be there at once: a head, of a control frame all. */
static int judge(struct websocket_reader *reader, struct str s, size_t *ret_whole,
                 uint64_t *ret_len)
{
    const uint8_t *p = (const uint8_t *)s.p;
    if (s.len < 1) {
        return WEBSOCKET_E_MORE;
    }
    int r = judge_first(reader, p[0]);
    if (r == 0 && s.len < 2) {
        r = WEBSOCKET_E_MORE;
    }
    if (r == 0) {
        r = judge_second(reader, p[0], p[1]);
    }
    if (r == 0 && s.len < head_size(p[1])) {
        r = WEBSOCKET_E_MORE;
    }
    if (r == 0) {
        r = judge_length(reader, p, ret_len);
    }
    if (r != 0) {
        return r;
    }
    *ret_whole = head_size(p[1]) + (p[0] & CONTROL ? (size_t)*ret_len : 0);
    return s.len < *ret_whole ? WEBSOCKET_E_MORE : 0;
}

/* --- payload --- */

/* How many of these bytes are in order; those behind them are not. */
static size_t judge_text(struct websocket_reader *reader, struct str piece, bool last)
{
    const uint8_t *p = (const uint8_t *)piece.p;
    struct websocket_utf8 utf8 = {reader->need, reader->low, reader->high};
    size_t i = 0;
    while (i < piece.len) {
        if (utf8.need == 0) {
            i += websocket_ascii(str_skip(piece, i), reader->key, (reader->key_at + i) & 3);
            if (i == piece.len) {
                break;
            }
        }
        struct websocket_utf8 next = utf8;
        bool ok = websocket_utf8_step(&next, p[i] ^ reader->key[(reader->key_at + i) & 3]);
        if (!ok || (last && i + 1 == piece.len && next.need > 0)) {
            break;
        }
        utf8 = next;
        i++;
    }
    reader->need = utf8.need;
    reader->low = utf8.low;
    reader->high = utf8.high;
    return i;
}

static void end_frame(struct websocket_reader *reader)
{
    reader->inside = false;
    reader->message = !reader->fin;
    if (reader->fin) {
        reader->message_len = 0;
    }
}

/* As much of the payload as is there: its length, 0 when its first byte is wrong. */
static size_t take_payload(struct websocket_reader *reader, struct str piece)
{
    size_t len = (size_t)MIN(reader->left, (uint64_t)piece.len);
    if (reader->text) {
        bool last = reader->fin && len == reader->left;
        size_t good = judge_text(reader, str_slice(piece, 0, len), last);
        if (good == 0) {
            (void)bad(reader, WEBSOCKET_NOT_UTF8, "a text that is not UTF-8");
        }
        len = good;
    }
    reader->key_at = (uint8_t)((reader->key_at + len) & 3);
    reader->left -= len;
    if (reader->left == 0) {
        end_frame(reader);
    }
    return len;
}

/* §5.5.1, §7.4 */
static int judge_close(struct websocket_reader *reader, struct str payload)
{
    char plain[WEBSOCKET_CONTROL_MAX];
    struct websocket_utf8 utf8 = {0};
    if (payload.len == 0) {
        reader->close_code = WEBSOCKET_NO_CODE;
        return 0;
    }
    websocket_mask(plain, payload, reader->key, 0);
    unsigned code = (unsigned)number((const uint8_t *)plain, 2);
    if (!websocket_code_ok(code)) {
        return protocol_error(reader, "a close code that must not be sent");
    }
    for (size_t i = 2; i < payload.len; i++) {
        if (!websocket_utf8_step(&utf8, (uint8_t)plain[i])) {
            return bad(reader, WEBSOCKET_NOT_UTF8, "a close reason that is not UTF-8");
        }
    }
    if (utf8.need > 0) {
        return bad(reader, WEBSOCKET_NOT_UTF8, "a close reason that is not UTF-8");
    }
    reader->close_code = (uint16_t)code;
    return 0;
}

/* --- frames --- */

static int begin_control(struct websocket_reader *reader, struct websocket_part *part)
{
    part->payload = str_skip(part->bytes, head_size((uint8_t)part->bytes.p[1]));
    part->ends = true;
    return reader->opcode == WEBSOCKET_CLOSE ? judge_close(reader, part->payload) : 0;
}

static int begin_data(struct websocket_reader *reader, struct websocket_part *part, uint64_t len)
{
    uint8_t first = (uint8_t)part->bytes.p[0];
    if (reader->opcode != WEBSOCKET_CONTINUATION) {
        reader->text = reader->opcode == WEBSOCKET_TEXT && !(first & RSV1);
        reader->need = 0;
    }
    if (len == 0 && reader->fin && reader->text && reader->need > 0) {
        return bad(reader, WEBSOCKET_NOT_UTF8, "a text that ends inside a character");
    }
    reader->message_len += len;
    reader->left = len;
    reader->inside = true;
    part->payload = str_skip(part->bytes, part->bytes.len);
    if (len == 0) {
        end_frame(reader);
        part->ends = true;
    }
    return 0;
}

/* `part->bytes` is what judge asked for. */
static int begin_frame(struct websocket_reader *reader, struct websocket_part *part, uint64_t len)
{
    const uint8_t *p = (const uint8_t *)part->bytes.p;
    reader->opcode = p[0] & OPCODE;
    reader->key_at = 0;
    part->starts = true;
    if (p[1] & MASK) {
        memcpy(reader->key, p + head_size(p[1]) - 4, 4);
    }
    if (reader->opcode & CONTROL) {
        return begin_control(reader, part);
    }
    reader->fin = p[0] & WEBSOCKET_FIN;
    return begin_data(reader, part, len);
}

/* A frame of which a part came before. */
static int read_cut(struct websocket_reader *reader, struct str *in, struct websocket_part *part)
{
    size_t before = reader->held_len;
    struct str more = str_slice(*in, 0, sizeof(reader->held) - before);
    size_t whole;
    uint64_t len;
    if (more.len > 0) {
        memcpy(reader->held + before, more.p, more.len);
    }
    int r = judge(reader, str_make(reader->held, before + more.len), &whole, &len);
    if (r == WEBSOCKET_E_MORE) {
        reader->held_len = (uint8_t)(before + more.len);
        *in = str_skip(*in, more.len);
    }
    if (r != 0) {
        return r;
    }
    reader->held_len = 0;
    *in = str_skip(*in, whole - before);
    part->bytes = str_make(reader->held, whole);
    return begin_frame(reader, part, len);
}

static int read_frame(struct websocket_reader *reader, struct str *in, struct websocket_part *part)
{
    size_t whole;
    uint64_t len;
    int r = judge(reader, *in, &whole, &len);
    if (r == WEBSOCKET_E_MORE && in->len > 0) {
        memcpy(reader->held, in->p, in->len);
        reader->held_len = (uint8_t)in->len;
        *in = str_skip(*in, in->len);
    }
    if (r != 0) {
        return r;
    }
    part->bytes = str_slice(*in, 0, whole);
    *in = str_skip(*in, whole);
    r = begin_frame(reader, part, len);
    if (r == 0 && reader->inside && in->len > 0) {
        size_t taken = take_payload(reader, *in);
        part->payload = str_slice(*in, 0, taken);
        part->bytes.len += taken;
        part->ends = !reader->inside;
        *in = str_skip(*in, taken);
    }
    return r;
}

int websocket_read(struct websocket_reader *reader, struct str *in, struct websocket_part *ret)
{
    *ret = (struct websocket_part){0};
    if (reader->error) {
        return WEBSOCKET_E_BAD;
    }
    if (reader->close_code) { /* what comes behind a Close is discarded (§1.4) */
        *in = str_skip(*in, in->len);
        return WEBSOCKET_E_MORE;
    }
    if (!reader->inside) {
        return reader->held_len > 0 ? read_cut(reader, in, ret) : read_frame(reader, in, ret);
    }
    if (in->len == 0) {
        return WEBSOCKET_E_MORE;
    }
    size_t taken = take_payload(reader, *in);
    if (taken == 0) {
        return WEBSOCKET_E_BAD;
    }
    ret->bytes = ret->payload = str_slice(*in, 0, taken);
    ret->ends = !reader->inside;
    *in = str_skip(*in, taken);
    return 0;
}
