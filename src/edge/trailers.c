/* SPDX-License-Identifier: Apache-2.0
 *
 * The trailers of a chunked body between the two sides: kept in a block of their own, which only a
 * body that has any takes, and sent behind the last chunk (body.c).
 */
#include "edge/trailers.h"

#include "edge/worker.h"

void trailers_begin(struct stream *stream, enum stream_direction direction,
                    const struct http1_head *head)
{
    /* A trailer with a name that Connection lists is for this hop (RFC 9110 §7.6.1); a head that
     * lists any has its trailers dropped rather than read again for each. */
    if (stream->has_trailers[direction]) { /* the request is sent once more */
        stream->has_trailers[direction] = false;
        block_put(&stream->worker->blocks, stream->trailer_block[direction]);
    }
    if (stream->req.minor > 0 && !head->hop_names) {
        stream->trailers[direction] = (struct http1_trailers){0};
        stream_body(stream, direction)->trailers = &stream->trailers[direction];
    }
}

void trailers_give_room(struct stream *stream, enum stream_direction direction)
{
    struct block *block = block_get(&stream->worker->blocks, BLOCK_HEAD);
    if (!block) {
        stream_body(stream, direction)->trailers = NULL;
        return;
    }
    _Static_assert(HTTP1_TRAILERS_ROOM <= (int)BLOCK_HEAD_SIZE, "trailers fit a block");
    stream->has_trailers[direction] = true;
    stream->trailer_block[direction] = block;
    stream->trailers[direction].p = block->data;
}

void trailers_write_names(struct http1_writer *w, const struct http1_head *head)
{
    /* Of a stream of HTTP/2 the body has no length either, and may have trailers. */
    bool open = head->framing == HTTP1_BODY_CHUNKED || head->framing == HTTP1_BODY_CLOSE;
    for (size_t i = 0; open && i < head->count; i++) {
        if (head->headers[i].id == HTTP_H_TRAILER) {
            http1_write_header(w, STR("Trailer"), http1_value(head, i));
        }
    }
}
