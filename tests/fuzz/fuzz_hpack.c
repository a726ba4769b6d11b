/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of one connection, read by us and by nghttp2: the same verdict, fields and table. The
 * first byte: how ours are cut (0: not); then blocks, each with its length in two bytes in front.
 *
 * nghttp2 refuses nothing that we take, and the other way round: no difference is lawful.
 *
 * A third reader passes over texts that are too long for it: the rest of what it reads, and its
 * table, are the same.
 */
#include "fuzz.h"

#include "../unit/proto/hpack_pair.h"

enum { TEXT_MAX = 64, FIELDS_MAX = 4096, LEAST = TEXT_MAX / 4 - 8 /* that 30 bits a letter say */ };

/* What was read of a block. */
struct read {
    struct buf text;
    size_t ends[FIELDS_MAX];
    bool too_long[FIELDS_MAX];
    size_t count;
};

static void note(void *context, const struct hpack_found *field)
{
    struct read *read = context;
    buf_add(&read->text, field->name);
    buf_add(&read->text, field->value);
    fuzz_check(read->count < FIELDS_MAX);
    read->too_long[read->count] = field->too_long;
    read->ends[read->count++] = read->text.len;
}

static struct str field_of(const struct read *read, size_t i)
{
    return str_slice(buf_str(&read->text), i ? read->ends[i - 1] : 0, read->ends[i]);
}

static void compare(const struct read *all, const struct read *some)
{
    fuzz_check(all->count == some->count);
    for (size_t i = 0; i < all->count; i++) {
        fuzz_check(!all->too_long[i]);
        fuzz_check(some->too_long[i] ? field_of(all, i).len >= LEAST
                                     : str_eq(field_of(all, i), field_of(some, i)));
    }
}

/* False: the block is bad. */
static bool pass_over(struct hpack_reader readers[2], struct str block, size_t step)
{
    static struct read reads[2];
    int r[2];
    for (unsigned i = 0; i < 2; i++) {
        reads[i].text = BUF_INIT(64 * MIB);
        reads[i].count = 0;
        r[i] = hpack_read_block(&readers[i], block, step, note, &reads[i]);
    }
    if (r[0] == 0) { /* what is passed over may be bad */
        fuzz_check(r[1] == 0);
        compare(&reads[0], &reads[1]);
        fuzz_check(readers[0].ring.count == readers[1].ring.count);
        fuzz_check(readers[0].ring.size == readers[1].ring.size);
    }
    buf_fini(&reads[0].text);
    buf_fini(&reads[1].text);
    return r[0] == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hpack_reader readers[2];
    struct str in = str_make((const char *)data, size);
    struct hpack_pair pair;
    size_t step = fuzz_byte(&in);
    hpack_pair_init(&pair);
    hpack_reader_init(&readers[0], 2 * HPACK_TEXT_MAX);
    hpack_reader_init(&readers[1], TEXT_MAX);
    while (in.len > 0) {
        size_t len = fuzz_byte(&in) << 8;
        len |= fuzz_byte(&in);
        struct str block = str_slice(in, 0, len);
        in = str_skip(in, block.len);
        step = step ? step : SIZE_MAX;
        if (!hpack_pair_read(&pair, block, step) || !pass_over(readers, block, step)) {
            break;
        }
    }
    hpack_pair_fini(&pair);
    hpack_reader_fini(&readers[0]);
    hpack_reader_fini(&readers[1]);
    return 0;
}
