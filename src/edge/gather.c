/* SPDX-License-Identifier: Apache-2.0
 *
 * Framing. Small pieces are copied behind each other and behind the head, so that a small answer is
 * one send; large ones are sent from where they lie. Trailers go behind the last chunk.
 *
 * 1. The bytes on the wire are in the order of the calls, whatever is copied.
 * 2. After an error nothing more is sent: part of a chunk must not look like a whole one.
 */
#include "edge/gather.h"

#include "edge/lane.h"
#include "edge/worker.h"

enum { GATHER_MAX = 8 * 1024 /* larger pieces are not copied */ };

__attribute__((noinline)) static void send_piece(struct gather *gather, struct str piece)
{
    struct str parts[2] = {str_make(gather->p, gather->len), piece};
    size_t count = piece.len ? 2 : 1;
    gather->error =
        conn_send(gather->conn, gather->len ? parts : &parts[1], gather->len ? count : 1);
}

void gather_send(struct gather *gather, struct str piece)
{
    if (gather->error < 0 || gather->len + piece.len == 0) {
        return;
    }
    if (likely(gather->later && piece.len == 0)) {
        gather->error = conn_send_later(gather->conn, str_make(gather->p, gather->len));
    } else {
        send_piece(gather, piece);
    }
    gather->len = 0;
    gather->p = gather->conn->worker->out; /* what was sent may wait where it lies */
}

static void gather_put(struct gather *gather, struct str bytes)
{
    if (gather->len + bytes.len > WORKER_OUT_SIZE) {
        gather_send(gather, STR_NONE);
    }
    memcpy(gather->p + gather->len, bytes.p, bytes.len);
    gather->len += bytes.len;
}

void gather_piece(struct gather *gather, struct str piece)
{
    if (piece.len == 0) {
        return;
    }
    if (gather->chunked) {
        char head[HTTP1_CHUNK_HEAD_MAX];
        gather_put(gather, str_make(head, http1_chunk_head(head, piece.len)));
    }
    if (piece.len <= GATHER_MAX) {
        gather_put(gather, piece);
    } else {
        gather_send(gather, piece);
    }
    if (gather->chunked) {
        gather_put(gather, STR("\r\n"));
    }
}

void gather_last(struct gather *gather, const struct http1_body *body)
{
    if (unlikely(conn_is_lane(gather->conn))) {
        gather_send(gather, STR_NONE);
        if (gather->error == 0) {
            gather->error = lane_end(lane_of(gather->conn), body->trailers);
        }
        return;
    }
    if (!gather->chunked) {
        return;
    }
    if (likely(!body->trailers || body->trailers->at == 0)) {
        gather_put(gather, STR(HTTP1_LAST_CHUNK));
        return;
    }
    gather_put(gather, STR("0\r\n"));
    gather_put(gather, http1_trailers_str(body->trailers));
    gather_put(gather, STR("\r\n"));
}
