/* SPDX-License-Identifier: Apache-2.0
 *
 * Huffman's code of HPACK (RFC 7541 §5.2), read.
 */
#ifndef PROTO_HPACK_HUFFMAN_H
#define PROTO_HPACK_HUFFMAN_H

#include "base/str.h"

/* Bytes that a text of `len` bytes becomes at most: no code is shorter than 5 bits. */
static inline size_t hpack_huffman_room(size_t len)
{
    return len + len / 5 * 3 + 3;
}
/* Into `out`, which has that room. The length, or -EBADMSG: EOS is in it, or what fills its last
 * byte is more than 7 bits or not the beginning of EOS. */
must_check ptrdiff_t hpack_huffman_read(struct str text, char *out);

#endif
