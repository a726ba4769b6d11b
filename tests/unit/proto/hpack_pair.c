/* SPDX-License-Identifier: Apache-2.0 */
#include "hpack_pair.h"

#include "base/buf.h"

#include <stdlib.h>

/* Fields as text, each with its length in front. */
static void add_field(struct buf *out, struct str name, struct str value, bool secret)
{
    buf_printf(out, "%zu %zu %d ", name.len, value.len, secret);
    buf_add(out, name);
    buf_add(out, value);
}

static void note(void *context, const struct hpack_found *field)
{
    add_field(context, field->name, field->value, field->secret);
    ensure(field->id == hpack_id(field->name));
    ensure(!field->mark || *field->mark <= 1);
    if (field->line) {
        const char *p = field->name.p + field->name.len;
        ensure(memcmp(p, ": ", 2) == 0 && p + 2 == field->value.p);
        ensure(memcmp(field->value.p + field->value.len, "\r\n", 2) == 0);
    }
}

int hpack_read_block(struct hpack_reader *reader, struct str block, size_t step,
                     void (*each)(void *context, const struct hpack_found *field), void *context)
{
    size_t at = 0;
    hpack_read_begin(reader);
    for (size_t end = 0; end < block.len || at == 0;) {
        struct hpack_room room;
        struct hpack_found field;
        end = MIN(end + MIN(step, block.len), block.len);
        char *copy = malloc(end - at + 1); /* a look beyond it is found */
        ensure(copy);
        if (end > at) {
            memcpy(copy, block.p + at, end - at);
        }
        struct str bytes = str_make(copy, end - at);
        hpack_room_init(&room);
        int r;
        while ((r = hpack_read(reader, &bytes, &room, &field)) == 0) {
            each(context, &field);
        }
        hpack_room_fini(&room);
        at = end - bytes.len;
        free(copy);
        if (r < 0) {
            return r;
        }
        if (end == block.len) {
            break;
        }
    }
    return at == block.len && !hpack_read_is_amid(reader) ? 0 : -EBADMSG;
}

static int read_theirs(nghttp2_hd_inflater *inflater, struct str block, struct buf *out)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n =
            nghttp2_hd_inflate_hd2(inflater, &nv, &flags, (const uint8_t *)block.p, block.len, 1);
        if (n < 0) {
            return -EBADMSG;
        }
        block = str_skip(block, (size_t)n);
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            add_field(out, str_make((char *)nv.name, nv.namelen),
                      str_make((char *)nv.value, nv.valuelen), nv.flags & NGHTTP2_NV_FLAG_NO_INDEX);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(inflater);
            return 0;
        }
    }
}

static void check_tables(const struct hpack_pair *pair)
{
    const struct hpack_ring *ring = &pair->ours.ring;
    size_t count = nghttp2_hd_inflate_get_num_table_entries(pair->theirs) - 61;
    ensure(ring->count == count);
    ensure(ring->size == nghttp2_hd_inflate_get_dynamic_table_size(pair->theirs));
    ensure(ring->size <= ring->limit && (count > 0 || !ring->entries));
    for (size_t i = 0; i < count; i++) {
        const struct hpack_kept *kept = hpack_ring_get(ring, (uint32_t)i);
        const nghttp2_nv *nv = nghttp2_hd_inflate_get_table_entry(pair->theirs, i + 62);
        struct str line = str_make(hpack_ring_line(ring, kept), kept->name_len);
        ensure(str_eq(line, str_make((char *)nv->name, nv->namelen)));
        line = str_make(line.p + line.len + 2, kept->value_len);
        ensure(str_eq(line, str_make((char *)nv->value, nv->valuelen)));
    }
}

void hpack_pair_init(struct hpack_pair *pair)
{
    hpack_reader_init(&pair->ours, 2 * HPACK_TEXT_MAX);
    ensure(nghttp2_hd_inflate_new(&pair->theirs) == 0);
}

void hpack_pair_fini(struct hpack_pair *pair)
{
    hpack_reader_fini(&pair->ours);
    nghttp2_hd_inflate_del(pair->theirs);
}

bool hpack_pair_read(struct hpack_pair *pair, struct str block, size_t step)
{
    struct buf ours = BUF_INIT(64 * MIB);
    struct buf theirs = BUF_INIT(64 * MIB);
    int r = hpack_read_block(&pair->ours, block, step, note, &ours);
    int r2 = read_theirs(pair->theirs, block, &theirs);
    ensure(r == r2);
    if (r == 0) {
        ensure(str_eq(buf_str(&ours), buf_str(&theirs)));
        check_tables(pair);
    }
    buf_fini(&ours);
    buf_fini(&theirs);
    return r == 0;
}
