/* SPDX-License-Identifier: Apache-2.0
 *
 * struct replay: what was read of a request's body behind its first block, so that the request can
 * be sent again (another replica, a fallback, a hedge) or copied (a mirror). As it came: chunks
 * keep their framing. In blocks of the pool, each with a reading place of its own (`at`).
 *
 * 1. A body that does not fit `replay_max` is not kept at all: then stream->body_moved says that it
 *    cannot be sent again.
 * 2. Dropped as soon as an answer begins: how slowly that is read has no price here.
 */
#ifndef EDGE_REPLAY_H
#define EDGE_REPLAY_H

#include "edge/block.h"

struct stream;

enum { REPLAY_USUAL = BLOCK_HEAD_SIZE /* as much as HTTP/1 has in its first block anyway */ };

struct replay {
    struct block_chain chain;
    size_t len;
};

/* These were just read from the client and are used up. */
void replay_take(struct stream *stream, struct str bytes);
/* The last `len` of them were not the body's. */
void replay_trim(struct stream *stream, size_t len);
/* A block with bytes to be sent again, or NULL. */
struct block *replay_next(const struct stream *stream);
void replay_rewind(struct stream *stream);
void replay_drop(struct stream *stream);

#endif
