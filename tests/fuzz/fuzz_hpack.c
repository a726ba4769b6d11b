/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of one connection, read by us and by nghttp2: the same verdict, fields and table. The
 * first byte: how ours are cut (0: not); then blocks, each with its length in two bytes in front.
 *
 * nghttp2 refuses nothing that we take, and the other way round: no difference is lawful.
 * Texts that are too long for everybody are none here: their code is not run (docs/decisions/0020).
 */
#include "fuzz.h"

#include "../unit/proto/hpack_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct hpack_pair pair;
    size_t step = fuzz_byte(&in);
    hpack_pair_init(&pair);
    while (in.len > 0) {
        size_t len = fuzz_byte(&in) << 8;
        len |= fuzz_byte(&in);
        struct str block = str_slice(in, 0, len);
        in = str_skip(in, block.len);
        if (!hpack_pair_read(&pair, block, step ? step : SIZE_MAX)) {
            break;
        }
    }
    hpack_pair_fini(&pair);
    return 0;
}
