/* SPDX-License-Identifier: Apache-2.0
 *
 * A request that was handed over whole, once more in one go: to a second replica (second.c) or as a
 * copy (mirror.c). Its body must still lie here (replay.h) and be small: it waits in one block of
 * the receiver's connection.
 */
#ifndef EDGE_WHOLE_H
#define EDGE_WHOLE_H

#include "edge/stream.h"

/* Can it be? Not what filters may have changed, tunnels, and what is larger than WHOLE_MAX. */
enum { WHOLE_MAX = 96 * 1024 };
bool whole_is_here(const struct stream *stream);
/* To an upstream that is connected, or a lane. 0 or -errno. */
must_check int whole_send(struct stream *stream, struct upstream *upstream);
/* As HTTP/1 text with `Connection: close`, for one that is not connected yet. NULL: no memory, or
 * it became too large. The caller gives the block back. */
struct block *whole_write(struct stream *stream);

#endif
