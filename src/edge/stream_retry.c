/* SPDX-License-Identifier: Apache-2.0
 *
 * When the upstream is lost: another try if that can do no harm, else a page, else the answer is
 * cut.
 *
 * 1. Of what was not written all may be written again; of what may have arrived only a request
 *    whose method is idempotent, before the first byte of an answer, `retries` times.
 * 2. The body must still lie whole behind the head, and no filter be in the middle of it.
 */
#include "base/num.h"
#include "edge/exchange.h"
#include "edge/reply.h"
#include "edge/stream_private.h"
#include "edge/worker.h"

enum { UNWRITTEN_MAX = 16 };

/* Is it we who lack something? Then no other endpoint helps, and none is to blame. */
static bool own_shortage(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE;
}

/* May the whole request be sent once more? Its body must still lie in the client's first block. */
static bool can_repeat(const struct stream *stream, bool written, int error)
{
    bool filtered = stream->suspended[STREAM_UP] || stream->held[STREAM_UP]; /* in the middle */
    if (stream->answer_seen || stream->answer_begun || stream->body_moved || filtered ||
        own_shortage(error)) {
        return false;
    }
    if (!written) {
        /* Connecting again is bounded by the time to hold; a peer that resets each connection is
         * not. */
        return stream->state != STREAM_EXCHANGE || stream->retries < UNWRITTEN_MAX;
    }
    return stream_repeatable(stream) && stream->retries < stream->service->spec.retries;
}

static void rewind_request(struct stream *stream)
{
    exchange_begin_body(stream, STREAM_UP, &stream->req);
    stream->client->in->at = stream->req.len;
    stream->up_done = stream->req.framing == HTTP1_BODY_NONE;
    stream->head_sent = false;
    stream->up_broken = false;
    stream->bytes_in = 0;
}

bool stream_lost(struct stream *stream, int error)
{
    bool connected = stream->state == STREAM_EXCHANGE;
    if (!connected) {
        counters_add(&stream->cell->connect_errors, 1);
        if (!own_shortage(error)) {
            endpoint_failed(stream->endpoint);
            upstream_close_idle(stream->endpoint);
        }
    }
    if (can_repeat(stream, stream->head_sent, error)) {
        counters_add(&stream->cell->retries, 1);
        stream->retries = (uint8_t)MIN(stream->retries + 1, UINT8_MAX);
        stream->avoid = stream->endpoint;
        stream->last_error = error;
        if (!stream->tcp) {
            rewind_request(stream);
        }
        stream_detach(stream, false);
        stream_move(stream, STREAM_PICK);
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
    reply_upstream_error(stream, error);
    return true;
}
