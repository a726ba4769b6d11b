/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeping costs a copy of each piece, for services whose policy may send it again. Without a policy
 * only bodies of HTTP/2 clients are kept, up to the block that HTTP/1 has them in: a stream that
 * was refused must not fail for lack of it.
 */
#include "edge/replay.h"

#include "base/num.h"
#include "edge/lane.h"
#include "edge/stream.h"
#include "edge/worker.h"

static size_t replay_max(const struct stream *stream)
{
    const struct policy *policy = stream->service->policy;
    const uint32_t repeating = SNAPSHOT_POLICY_RETRIES | SNAPSHOT_POLICY_HEDGE |
                               SNAPSHOT_POLICY_MIRROR | SNAPSHOT_POLICY_FALLBACK;
    if (policy && (policy->spec.parts & repeating)) {
        return policy->spec.retry_buffer;
    }
    return conn_is_lane(&stream->client->conn) ? REPLAY_USUAL : 0;
}

/* False: no memory. */
static bool append(struct stream *stream, struct str bytes)
{
    struct replay *replay = &stream->replay;
    struct block *from = replay->chain.last;
    if (!block_chain_add(&stream->worker->blocks, &replay->chain, bytes)) {
        return false;
    }
    for (struct block *block = from ? from : replay->chain.first; block; block = block->next) {
        block->at = block->len; /* they are used up, until replay_rewind */
    }
    replay->len += bytes.len;
    return true;
}

void replay_take(struct stream *stream, struct str bytes)
{
    if (stream->body_moved) {
        return;
    }
    if (stream->answer_begun || stream->replay.len + bytes.len > replay_max(stream) ||
        !append(stream, bytes)) {
        stream->body_moved = true;
        replay_drop(stream);
    }
}

void replay_trim(struct stream *stream, size_t len)
{
    struct replay *replay = &stream->replay;
    if (stream->body_moved || len == 0) {
        return;
    }
    ensure(len <= replay->len);
    size_t left = replay->len - len;
    struct block *block = replay->chain.first;
    replay->len = left;
    while (left > block->len) {
        left -= block->len;
        block = block->next;
    }
    block->len = (uint32_t)left;
    block->at = block->len;
    replay->chain.last = block;
    while (block->next) {
        struct block *next = block->next;
        block->next = next->next;
        block_put(&stream->worker->blocks, next);
    }
}

struct block *replay_next(const struct stream *stream)
{
    struct block *block = stream->replay.chain.first;
    while (block && block->at == block->len) {
        block = block->next;
    }
    return block;
}

void replay_rewind(struct stream *stream)
{
    for (struct block *block = stream->replay.chain.first; block; block = block->next) {
        block->at = 0;
    }
}

void replay_drop(struct stream *stream)
{
    struct replay *replay = &stream->replay;
    stream->body_moved |= replay->chain.first != NULL;
    block_chain_fini(&stream->worker->blocks, &replay->chain);
    replay->len = 0;
}
