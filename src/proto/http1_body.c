/* SPDX-License-Identifier: Apache-2.0
 *
 * The chunked coding, byte by byte where it is grammar and in one step where it is data:
 *
 *   chunk      = 1*HEXDIG ext CRLF data CRLF
 *   last-chunk = 1*"0" ext CRLF *( trailer CRLF ) CRLF
 *   ext        = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
 *
 * Extensions are checked and ignored; extensions and trailers of a whole
 * body have a budget, so that a sender cannot make us read much for little. Trailers go to whoever
 * asked for them (body->trailers), line by line; else they are checked and dropped.
 */
#include "proto/http1_body.h"

#include "base/encode.h"
#include "proto/http_chars.h"

enum {
    CHUNK_SIZE,  /* first: a fresh body starts here */
    CHUNK_SPACE, /* behind the size or an extension: only another one may follow */
    EXTENSION_START,
    EXTENSION_NAME,
    EXTENSION_NAME_SPACE,
    EXTENSION_VALUE_START,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What may stand behind a size, a name or a value that is whole. */
static int extension_over(struct http1_body *body, char c)
{
    switch (c) {
    case '\r':
        body->step = CHUNK_SIZE_LF;
        return 0;
    case ';':
        body->step = EXTENSION_START;
        return 0;
    case ' ':
    case '\t':
        body->step = body->step == EXTENSION_NAME ? EXTENSION_NAME_SPACE : CHUNK_SPACE;
        return 0;
    default:
        return refuse(body, body->step == CHUNK_SIZE ? "bad chunk size" : "bad chunk extension");
    }
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
    return extension_over(body, c);
}

static int move(struct http1_body *body, int step)
{
    body->step = (uint8_t)step;
    return 0;
}

static int quoted_byte(struct http1_body *body, char c)
{
    bool escaped = body->step == EXTENSION_ESCAPED;
    if (!escaped && c == '"') {
        return move(body, EXTENSION_QUOTED_END);
    }
    if (!http_char_is(c, HTTP_C_VALUE)) {
        return refuse(body, "bad chunk extension");
    }
    return move(body, !escaped && c == '\\' ? EXTENSION_ESCAPED : EXTENSION_QUOTED);
}

/* In front of, or in, a name or a value. */
static int extension_text(struct http1_body *body, char c)
{
    bool name = body->step == EXTENSION_START || body->step == EXTENSION_NAME;
    bool starts = body->step == EXTENSION_START || body->step == EXTENSION_VALUE_START;
    if (http_char_is(c, HTTP_C_TOKEN)) {
        return move(body, name ? EXTENSION_NAME : EXTENSION_VALUE);
    }
    if (starts && is_blank(c)) {
        return 0;
    }
    if (body->step == EXTENSION_VALUE_START && c == '"') {
        return move(body, EXTENSION_QUOTED);
    }
    if (body->step == EXTENSION_NAME && c == '=') {
        return move(body, EXTENSION_VALUE_START);
    }
    return starts ? refuse(body, "bad chunk extension") : extension_over(body, c);
}

static int extension_byte(struct http1_body *body, char c)
{
    if (take(&body->extension_left) < 0) {
        return refuse(body, "chunk extensions too large");
    }
    switch (body->step) {
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPED:
        return quoted_byte(body, c);
    case EXTENSION_QUOTED_END:
        return extension_over(body, c);
    case CHUNK_SPACE:
    case EXTENSION_NAME_SPACE:
        if (c == '=' && body->step == EXTENSION_NAME_SPACE) {
            return move(body, EXTENSION_VALUE_START);
        }
        return is_blank(c) ? 0
               : c == ';'  ? move(body, EXTENSION_START)
                           : refuse(body, "bad chunk size");
    default:
        return extension_text(body, c);
    }
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
        return body->step < CHUNK_SIZE_LF ? extension_byte(body, c) : trailer_byte(body, c);
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
