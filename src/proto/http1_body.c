/* SPDX-License-Identifier: Apache-2.0
 *
 * The chunked coding, byte by byte where it is grammar and in one step where it is data:
 *
 *   chunk      = 1*HEXDIG [ BWS ";" ext ] CRLF data CRLF
 *   last-chunk = 1*"0" [ BWS ";" ext ] CRLF *( trailer CRLF ) CRLF
 *
 * Extensions are checked for control characters and ignored; extensions and trailers of a whole
 * body have a budget, so that a sender cannot make us read much for little. Trailers go to whoever
 * asked for them (body->trailers), line by line; else they are checked and dropped.
 */
#include "proto/http1_body.h"

#include "base/encode.h"
#include "proto/http_chars.h"

enum {
    CHUNK_SIZE, /* first: a fresh body starts here */
    CHUNK_SPACE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    TRAILER_END_LF,
    BODY_DONE,
    BODY_BAD,
};

/* 2^60: no overflow. Leading zeros count, or a sender could write them for ever at no cost of its
 * budget. */
enum { CHUNK_DIGITS_MAX = 15 };

void http1_body_init(struct http1_body *body, enum http1_framing framing, uint64_t length)
{
    *body = (struct http1_body){
        .framing = (uint8_t)framing,
        .extension_left = HTTP1_EXTENSIONS_MAX,
        .trailer_left = HTTP1_TRAILERS_MAX,
    };
    if (framing == HTTP1_BODY_LENGTH) {
        body->left = length;
        body->step = length ? CHUNK_DATA : BODY_DONE;
    } else if (framing == HTTP1_BODY_CLOSE || framing == HTTP1_TUNNEL) {
        body->left = UINT64_MAX;
        body->step = CHUNK_DATA;
    } else if (framing == HTTP1_BODY_NONE) {
        body->step = BODY_DONE;
    }
}

bool http1_body_done(const struct http1_body *body)
{
    return body->step == BODY_DONE;
}

static int refuse(struct http1_body *body, const char *reason)
{
    body->step = BODY_BAD;
    body->error = (struct http1_error){400, reason};
    return HTTP1_E_BAD;
}

static int take(uint16_t *budget)
{
    return (*budget)-- == 0 ? -1 : 0;
}

static int size_byte(struct http1_body *body, char c)
{
    int digit = decode_hex_digit(c);
    if (digit >= 0) {
        if (body->digits == CHUNK_DIGITS_MAX) {
            return refuse(body, "chunk size too large");
        }
        body->digits++;
        body->left = body->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (body->digits == 0) {
        return refuse(body, "bad chunk size");
    }
    switch (c) {
    case '\r':
        body->step = CHUNK_SIZE_LF;
        return 0;
    case ';':
        body->step = CHUNK_EXTENSION;
        return 0;
    case ' ':
    case '\t':
        body->step = CHUNK_SPACE;
        return 0;
    default:
        return refuse(body, "bad chunk size");
    }
}

static int extension_byte(struct http1_body *body, char c)
{
    if (take(&body->extension_left) < 0) {
        return refuse(body, "chunk extensions too large");
    }
    if (body->step == CHUNK_SPACE) {
        if (c == ';') {
            body->step = CHUNK_EXTENSION;
            return 0;
        }
        return c == ' ' || c == '\t' ? 0 : refuse(body, "bad chunk size");
    }
    if (c == '\r') {
        body->step = CHUNK_SIZE_LF;
        return 0;
    }
    return http_char_is(c, HTTP_C_VALUE) ? 0 : refuse(body, "bad chunk extension");
}

static int size_line_feed(struct http1_body *body, char c)
{
    if (c != '\n') {
        return refuse(body, "CR without LF in a chunk");
    }
    body->step = body->left ? CHUNK_DATA : TRAILER_START;
    return 0;
}

static int trailer_name(struct http1_body *body, char c)
{
    if (c == ':') {
        body->step = TRAILER_VALUE;
    } else if (!http_char_is(c, HTTP_C_TOKEN)) {
        return refuse(body, "bad trailer");
    }
    if (body->trailers) {
        http1_trailers_name(body->trailers, c);
    }
    return 0;
}

/* The first byte of a trailer line, or of the empty line behind the last one. */
static int trailer_start(struct http1_body *body, char c)
{
    if (c == '\r') {
        body->step = TRAILER_END_LF;
        return 0;
    }
    if (body->trailer_lines == HTTP1_TRAILER_LINES_MAX) {
        return refuse(body, "too many trailers");
    }
    body->trailer_lines++;
    body->step = TRAILER_NAME;
    return c == ':' ? refuse(body, "bad trailer") : trailer_name(body, c);
}

static int trailer_value(struct http1_body *body, char c)
{
    if (c == '\r') {
        body->step = TRAILER_LF;
        return 0;
    }
    if (body->trailers) {
        http1_trailers_value(body->trailers, c);
    }
    return http_char_is(c, HTTP_C_VALUE) ? 0 : refuse(body, "bad trailer");
}

static int trailer_line_feed(struct http1_body *body, char c)
{
    if (c != '\n') {
        return refuse(body, "CR without LF in a trailer");
    }
    if (body->step == TRAILER_END_LF) {
        body->step = BODY_DONE;
        return 0;
    }
    if (body->trailers) {
        http1_trailers_line_end(body->trailers);
    }
    body->step = TRAILER_START;
    return 0;
}

/* One byte of the trailer section. */
static int trailer_byte(struct http1_body *body, char c)
{
    if (body->step == TRAILER_START && c != '\r' && body->trailers && !body->trailers->p) {
        return HTTP1_E_ROOM;
    }
    if (take(&body->trailer_left) < 0) {
        return refuse(body, "trailers too large");
    }
    switch (body->step) {
    case TRAILER_START:
        return trailer_start(body, c);
    case TRAILER_NAME:
        return trailer_name(body, c);
    case TRAILER_VALUE:
        return trailer_value(body, c);
    default:
        return trailer_line_feed(body, c);
    }
}

/* One byte of grammar. Byte by byte is fast enough here: a chunk has a dozen such bytes and
 * thousands of data, which go in one step (take_data). */
static int chunk_byte(struct http1_body *body, char c)
{
    switch (body->step) {
    case CHUNK_SIZE:
        return size_byte(body, c);
    case CHUNK_SPACE:
    case CHUNK_EXTENSION:
        return extension_byte(body, c);
    case CHUNK_SIZE_LF:
        return size_line_feed(body, c);
    case CHUNK_DATA_CR:
        body->step = CHUNK_DATA_LF;
        return c == '\r' ? 0 : refuse(body, "no CR LF behind a chunk");
    case CHUNK_DATA_LF:
        body->step = CHUNK_SIZE;
        body->digits = 0;
        return c == '\n' ? 0 : refuse(body, "no CR LF behind a chunk");
    default:
        return trailer_byte(body, c);
    }
}

static struct str take_data(struct http1_body *body, struct str in)
{
    struct str data = str_slice(in, 0, (size_t)MIN(body->left, (uint64_t)in.len));
    if (body->left != UINT64_MAX) {
        body->left -= data.len;
        if (body->left == 0) {
            body->step = body->framing == HTTP1_BODY_CHUNKED ? CHUNK_DATA_CR : BODY_DONE;
        }
    }
    return data;
}

int http1_body_read(struct http1_body *body, struct str in, size_t *ret_used, struct str *ret_data)
{
    size_t at = 0;
    int r = 0;
    *ret_data = STR_NONE;
    while (r == 0 && at < in.len && body->step < BODY_DONE) {
        if (body->step == CHUNK_DATA) {
            if (ret_data->len) {
                break; /* one piece a call */
            }
            *ret_data = take_data(body, str_skip(in, at));
            at += ret_data->len;
        } else {
            r = chunk_byte(body, in.p[at]);
            at += r != HTTP1_E_ROOM;
        }
    }
    *ret_used = at;
    if (body->step == BODY_BAD) {
        return HTTP1_E_BAD;
    }
    return body->step == BODY_DONE ? HTTP1_E_DONE : r;
}

int http1_body_eof(struct http1_body *body)
{
    if (body->step == BODY_DONE || body->left == UINT64_MAX) {
        return 0;
    }
    return body->step == BODY_BAD ? HTTP1_E_BAD : refuse(body, "the connection ended in the body");
}

size_t http1_chunk_head(char ret[HTTP1_CHUNK_HEAD_MAX], uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    ensure(n > 0);
    size_t len = (size_t)(67 - __builtin_clzll(n)) / 4;
    for (size_t i = len; i > 0; i--) {
        ret[i - 1] = digits[n & 15];
        n >>= 4;
    }
    ret[len] = '\r';
    ret[len + 1] = '\n';
    return len + 2;
}
