/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunked bodies: the same data, trailers and verdict however they are cut; encoding the data again
 * gives it back, and trailers that are passed on read as the same trailers. The first byte of the
 * input is the framing, the second the size of the pieces.
 */
#include "fuzz_http1.h"

enum { OUT_MAX = 1 << 20 };

struct kept {
    struct http1_trailers trailers;
    char room[HTTP1_TRAILERS_ROOM];
};

static int read_all(struct http1_body *body, struct str in, size_t step, struct buf *out,
                    size_t *ret_used)
{
    int r = http1_body_done(body) ? HTTP1_E_DONE : 0;
    size_t at = 0;
    while (r == 0 && at < in.len) {
        size_t used;
        struct str data;
        struct str piece = str_slice(in, at, at + MIN(step, in.len - at));
        char *copy = fuzz_copy(piece);
        r = http1_body_read(body, str_make(copy, piece.len), &used, &data);
        fuzz_check((used > 0 || r == HTTP1_E_ROOM) && used <= piece.len && data.len <= used);
        fuzz_check((r == HTTP1_E_BAD) == (body->error.status != 0));
        fuzz_check((r == HTTP1_E_DONE) == http1_body_done(body));
        buf_add(out, data);
        at += used;
        free(copy);
        if (r == HTTP1_E_ROOM) {
            body->trailers->p = container_of(body->trailers, struct kept, trailers)->room;
            r = 0;
        }
    }
    *ret_used = at;
    return r;
}

static void check_again(struct str data, size_t step)
{
    struct buf wire = BUF_INIT(OUT_MAX), back = BUF_INIT(OUT_MAX);
    struct http1_body body;
    size_t used;
    for (struct str rest = data; rest.len; rest = str_skip(rest, step)) {
        char head[HTTP1_CHUNK_HEAD_MAX];
        struct str chunk = str_slice(rest, 0, step);
        buf_add_mem(&wire, head, http1_chunk_head(head, chunk.len));
        buf_add(&wire, chunk);
        buf_add(&wire, STR("\r\n"));
    }
    buf_add(&wire, STR(HTTP1_LAST_CHUNK));
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    fuzz_check(read_all(&body, buf_str(&wire), SIZE_MAX, &back, &used) == HTTP1_E_DONE);
    fuzz_check(used == wire.len && str_eq(buf_str(&back), data));
    buf_fini(&wire);
    buf_fini(&back);
}

static void check_trailers_again(struct str lines)
{
    static struct kept again;
    struct buf wire = BUF_INIT(OUT_MAX), none = BUF_INIT(16);
    struct http1_body body;
    size_t used;
    buf_add(&wire, STR("0\r\n"));
    buf_add(&wire, lines);
    buf_add(&wire, STR("\r\n"));
    again.trailers = (struct http1_trailers){0};
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    body.trailer_left = UINT16_MAX; /* the lines have grown by a space each */
    body.trailers = &again.trailers;
    fuzz_check(read_all(&body, buf_str(&wire), SIZE_MAX, &none, &used) == HTTP1_E_DONE);
    fuzz_check(used == wire.len && none.len == 0);
    fuzz_check(str_eq(http1_trailers_str(&again.trailers), lines));
    buf_fini(&wire);
    buf_fini(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct buf whole = BUF_INIT(OUT_MAX), split = BUF_INIT(OUT_MAX);
    static struct kept kept_a, kept_b;
    struct http1_body a, b;
    size_t used_a, used_b;
    unsigned kind = fuzz_byte(&in);
    size_t step = 1 + fuzz_byte(&in) % 16;
    enum http1_framing framing = kind < 200 ? HTTP1_BODY_CHUNKED : (enum http1_framing)(kind % 5);
    http1_body_init(&a, framing, kind % 64);
    http1_body_init(&b, framing, kind % 64);
    kept_a.trailers = kept_b.trailers = (struct http1_trailers){0};
    a.trailers = &kept_a.trailers;
    b.trailers = &kept_b.trailers;
    int r = read_all(&a, in, SIZE_MAX, &whole, &used_a);
    fuzz_check(read_all(&b, in, step, &split, &used_b) == r);
    fuzz_check(used_a == used_b && str_eq(buf_str(&whole), buf_str(&split)));
    fuzz_check(str_eq(http1_trailers_str(a.trailers), http1_trailers_str(b.trailers)));
    check_trailers_again(http1_trailers_str(a.trailers));
    int eof = http1_body_eof(&a);
    fuzz_check(r != HTTP1_E_DONE || eof == 0);
    fuzz_check(r != HTTP1_E_BAD || eof == HTTP1_E_BAD);
    check_again(buf_str(&whole), step);
    buf_fini(&whole);
    buf_fini(&split);
    return 0;
}
