/* SPDX-License-Identifier: Apache-2.0
 *
 * When the upstream is lost: another try if that can do no harm, else a page, else the answer is
 * cut.
 *
 * 1. Of what was not written all may be written again; of what may have arrived only a request
 *    whose method is idempotent, before the first byte of an answer, `retries` times.
 * 2. What was read of the body must still lie here (replay.h), and no filter be in the middle of
 *    it. Where only that is missing the record says so (RING_FLAG_NOT_REPEATED).
 */
#include "base/num.h"
#include "edge/exchange.h"
#include "edge/reply.h"
#include "edge/second.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

enum { UNWRITTEN_MAX = 16 };

/* Is it we who lack something? Then no other endpoint helps, and none is to blame. */
static bool own_shortage(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE;
}

/* Is there no time for more? */
static bool too_late(const struct stream *stream)
{
    int64_t latest_ns = stream->client->latest_ns;
    return latest_ns != 0 && stream->worker->loop.now_ns >= latest_ns;
}

/* May the whole request be sent once more? */
static bool can_repeat(struct stream *stream, bool written, int error)
{
    const struct policy *policy = stream->service->policy;
    bool filtered = stream->suspended[STREAM_UP] || stream->held[STREAM_UP]; /* in the middle */
    if (stream->answer_seen || stream->answer_begun || filtered || own_shortage(error) ||
        too_late(stream)) {
        return false;
    }
    if (stream->body_moved) {
        stream->flags |= RING_FLAG_NOT_REPEATED;
        return false;
    }
    if (unlikely(policy_has(policy, SNAPSHOT_POLICY_RETRIES))) {
        if (written) {
            return policy_may_retry(stream, error);
        }
        if (!(policy->spec.retry_when & SNAPSHOT_RETRY_CONNECT) && error != -ESTALE) {
            return false;
        }
    }
    if (!written) {
        /* Connecting again is bounded by the time to hold; a peer that resets each connection is
         * not. */
        return stream->state != STREAM_EXCHANGE || stream->retries < UNWRITTEN_MAX;
    }
    return error != -ETIMEDOUT && stream_repeatable(stream) &&
           stream->retries < stream->service->spec.retries;
}

void stream_rewind(struct stream *stream)
{
    if (stream->tcp) {
        return;
    }
    exchange_begin_body(stream, STREAM_UP, &stream->req);
    stream->client->in->at = stream->req.len;
    replay_rewind(stream);
    stream->client->conn.readable = true; /* its end may have been read */
    stream->up_done = stream->req.framing == HTTP1_BODY_NONE;
    stream->head_sent = false;
    stream->up_broken = false;
    stream->bytes_in = 0;
    stream->answer_seen = stream->continued = false;
    stream->close_code = 0; /* of a call: that try's status */
    block_put(&stream->worker->blocks, stream->answer_in);
    stream->answer_in = NULL;
}

void stream_try_again(struct stream *stream)
{
    counters_add(&stream->cell->retries, 1);
    stream->retries = (uint8_t)MIN(stream->retries + 1, UINT8_MAX);
    stream->avoid = stream->endpoint;
    stream->visit.again = true;
    stream_rewind(stream);
    stream_detach(stream, false);
    stream_move(stream, STREAM_PICK);
}

bool stream_lost(struct stream *stream, int error)
{
    bool connected = stream->state == STREAM_EXCHANGE;
    if (connected && unlikely(stream->visit.second != NULL) && error != -ETIMEDOUT &&
        second_takes_over(stream)) {
        return true;
    }
    stream->visit.trouble = !own_shortage(error) && error != -ESTALE; /* it was not looked at */
    if (!connected) {
        /* Of one that the core knows to be away nothing else was to be expected. */
        stream->visit.trouble &= endpoint_pools(stream->endpoint);
        counters_add(&stream->cell->connect_errors, 1);
        if (!own_shortage(error)) {
            endpoint_failed(stream->endpoint);
            upstream_close_idle(stream->endpoint);
        }
    }
    const struct conn *conn = stream->upstream ? &stream->upstream->conn : NULL;
    bool written = stream->head_sent && !(conn && (conn->unsent == CONN_REFUSED || conn->queued));
    if (can_repeat(stream, written, error)) {
        stream->last_error = error;
        stream_try_again(stream);
        return true;
    }
    counters_add(&stream->cell->errors, 1);
    if (stream->answer_begun) {
        stream->flags |= RING_FLAG_UPSTREAM_ABORT;
        stream->keep_client = false;
        stream->keep_upstream = false;
        stream->cut = true;
        stream_end(stream);
        return false;
    }
    if (unlikely(stream->service->policy != NULL) && policy_fallback(stream)) {
        return true;
    }
    reply_upstream_error(stream, error);
    return true;
}
