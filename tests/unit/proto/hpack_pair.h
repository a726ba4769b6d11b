/* SPDX-License-Identifier: Apache-2.0
 *
 * Our reader of HPACK and nghttp2's side by side: the same fields, the same verdict, the same
 * table.
 */
#ifndef TESTS_HPACK_PAIR_H
#define TESTS_HPACK_PAIR_H

#include "proto/hpack_read.h"

#include <nghttp2/nghttp2.h>

struct hpack_pair {
    struct hpack_reader ours;
    nghttp2_hd_inflater *theirs;
};

void hpack_pair_init(struct hpack_pair *pair);
void hpack_pair_fini(struct hpack_pair *pair);
/* A block; ours gets it in pieces of `step` bytes. False: both refuse it, and are of no use now. */
bool hpack_pair_read(struct hpack_pair *pair, struct str block, size_t step);

/* All fields of a block that comes in such pieces. 0 or -EBADMSG, after those that could be
 * read. */
int hpack_read_block(struct hpack_reader *reader, struct str block, size_t step,
                     void (*each)(void *context, const struct hpack_found *field), void *context);

#endif
