/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer as the client gets it: written anew from worker->response. Here it is decided how its
 * body is framed and whether the client's connection lives on.
 *
 * 1. What frames the answer, or is for one hop, is never copied: it is said anew. X-Request-ID and
 *    X-Muelle-Replica are ours to say.
 * 2. An answer that begins before its request is whole is the connection's last.
 * 3. Interim answers (1xx) get nothing of ours; a 101 gets only its Upgrade.
 */
#include "edge/exchange.h"
#include "edge/h2_heads.h"
#include "edge/put.h"
#include "edge/worker.h"

/* A body without a length goes in chunks, or to HTTP/1.0 until the connection closes. */
static void framing(struct http1_writer *w, struct stream *stream, const struct http1_head *head)
{
    bool open_ended = head->framing == HTTP1_BODY_CHUNKED || head->framing == HTTP1_BODY_CLOSE;
    if (!open_ended) {
        http1_write_framing_of(w, head);
    } else if (stream->req.minor >= 1) {
        stream->chunk_down = true;
        http1_write_framing(w, HTTP1_BODY_CHUNKED, 0);
        trailers_write_names(w, head);
    } else {
        stream->keep_client = false;
    }
}

static void connection(struct http1_writer *w, struct stream *stream)
{
    if (!stream->up_done || (stream->worker->stopping && client_ends(stream->client))) {
        /* The rest of its request would be taken for the next one. */
        stream->keep_client = false;
    }
    if (!stream->keep_client) {
        http1_write_raw(w, STR("Connection: close\r\n"));
    } else if (unlikely(stream->req.minor == 0)) {
        http1_write_raw(w, STR("Connection: keep-alive\r\n"));
    }
}

static void upgrade(struct http1_writer *w, const struct http1_head *head)
{
    struct str protocol = http1_get(head, HTTP_H_UPGRADE);
    http1_write_raw(w, STR("Connection: upgrade\r\n"));
    if (protocol.len > 0) {
        http1_write_header(w, STR("Upgrade"), protocol);
    }
}

int exchange_write_response(struct stream *stream, size_t *ret_len)
{
    struct worker *worker = stream->worker;
    const struct http1_head *head = &worker->response;
    if (unlikely(conn_is_lane(&stream->client->conn))) {
        *ret_len = 0;
        return h2_write_response(stream);
    }
    struct http1_writer w = http1_writer_make(worker->out, WORKER_OUT_SIZE);
    http1_write_status_line(&w, head->status);
    http1_write_forward(&w, head, &worker->drop_response);
    if (head->framing == HTTP1_TUNNEL) {
        upgrade(&w, head);
    } else if (head->status >= 200) {
        for (unsigned i = 0; i < stream->add_response_count; i++) {
            http1_write_header(&w, stream->add_response[i].name, stream->add_response[i].value);
        }
        if (put_room(&w, STREAM_REQUEST_ID_MAX + 32 + DATE_LINE_LEN)) {
            put_lit(&w, "X-Request-ID: ");
            put_str(&w, str_make(stream->request_id, stream->request_id_len));
            put_lit(&w, "\r\n");
            if (!http_set_has(&head->present, HTTP_H_DATE)) {
                memcpy(w.p + w.len, date_line(&worker->date, worker->loop.wall_ns), DATE_LINE_LEN);
                w.len += DATE_LINE_LEN;
            }
        }
        framing(&w, stream, head);
        connection(&w, stream);
    }
    http1_write_end(&w);
    *ret_len = w.len;
    return w.full ? -ENOBUFS : 0;
}
