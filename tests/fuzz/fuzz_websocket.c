/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of one direction: the same parts and verdict however they are cut; what is given back is
 * the front of the input, is in order by itself, and reads the same again. The first byte of the
 * input says whose frames they are, the second the size of the pieces.
 */
#include "fuzz.h"
#include "proto/websocket.h"

#include <stdlib.h>

enum { OUT_MAX = 1 << 20 };

static void init(struct websocket_reader *reader, unsigned kind)
{
    websocket_reader_init(reader, kind & 1 ? WEBSOCKET_CLIENT : WEBSOCKET_SERVER,
                          kind & 2 ? 64 : 0);
    reader->compressed = kind & 4;
}

/* Each piece is an allocation of its own, so that what is kept of it would be found. */
static int read_all(struct websocket_reader *reader, struct str in, size_t step, struct buf *out)
{
    int r = WEBSOCKET_E_MORE;
    while (r == WEBSOCKET_E_MORE && in.len > 0) {
        struct str piece = str_slice(in, 0, step);
        char *copy = malloc(piece.len);
        memcpy(copy, piece.p, piece.len);
        in = str_skip(in, piece.len);
        piece.p = copy;
        struct websocket_part part;
        while ((r = websocket_read(reader, &piece, &part)) == 0) {
            fuzz_check(part.bytes.len > 0 && part.payload.len <= part.bytes.len);
            fuzz_check(part.payload.p + part.payload.len == part.bytes.p + part.bytes.len);
            fuzz_check(part.ends == websocket_between(reader));
            buf_add(out, part.bytes);
        }
        fuzz_check((r == WEBSOCKET_E_BAD) == (reader->error != 0));
        fuzz_check((reader->error != 0) == (reader->reason != NULL));
        fuzz_check(r == WEBSOCKET_E_BAD || piece.len == 0);
        free(copy);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct buf whole = BUF_INIT(OUT_MAX), cut = BUF_INIT(OUT_MAX), again = BUF_INIT(OUT_MAX);
    struct websocket_reader a, b, c;
    unsigned kind = fuzz_byte(&in);
    size_t step = 1 + fuzz_byte(&in) % 32;
    init(&a, kind);
    init(&b, kind);
    init(&c, kind);
    if (in.len == 0) {
        return 0;
    }
    int r = read_all(&a, in, SIZE_MAX, &whole);
    fuzz_check(read_all(&b, in, step, &cut) == r && a.error == b.error);
    fuzz_check(a.close_code == b.close_code && str_eq(buf_str(&whole), buf_str(&cut)));
    fuzz_check(str_eq(buf_str(&whole), str_slice(in, 0, whole.len)));
    if (whole.len > 0) {
        fuzz_check(read_all(&c, buf_str(&whole), step, &again) == WEBSOCKET_E_MORE);
        fuzz_check(str_eq(buf_str(&whole), buf_str(&again)));
    }
    buf_fini(&whole);
    buf_fini(&cut);
    buf_fini(&again);
    return 0;
}
