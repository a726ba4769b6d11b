/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads out. What may be forwarded and what is ours to say is decided where HTTP/1 decides it
 * (flags of the head, drop sets, exchange_write_own); only the form differs here.
 */
#include "edge/h2_heads.h"

#include "edge/exchange.h"
#include "edge/h2_fields.h"
#include "edge/lane.h"
#include "edge/worker.h"

static void add_status(struct h2_fields *fields, unsigned status, char memory[3])
{
    memory[0] = (char)('0' + status / 100);
    memory[1] = (char)('0' + status / 10 % 10);
    memory[2] = (char)('0' + status % 10);
    h2_fields_add(fields, STR(":status"), str_make(memory, 3));
}

/* What will come behind the body; the field itself is for one hop. */
static void add_trailer_names(struct h2_fields *fields, const struct http1_head *head)
{
    for (size_t i = 0; http_set_has(&head->present, HTTP_H_TRAILER) && i < head->count; i++) {
        if (head->headers[i].id == HTTP_H_TRAILER) {
            h2_fields_add(fields, STR("trailer"), http1_value(head, i));
        }
    }
}

static int error_of(int r)
{
    return r == 0 ? 0 : r == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPIPE;
}

/* Where the body behind a head comes from; without one the head is all. */
static nghttp2_data_provider provider_of(struct lane *lane, bool body)
{
    if (body) {
        return lane_body(lane);
    }
    lane_said_all(lane);
    return (nghttp2_data_provider){0};
}

static int submit_response(struct lane *lane, const struct h2_fields *fields, bool body)
{
    struct h2 *h2 = lane->h2;
    if (fields->full) {
        return -ENOBUFS;
    }
    if (!h2 || lane->closed) {
        return -EPIPE;
    }
    nghttp2_data_provider provider = provider_of(lane, body);
    h2_wants_write(h2);
    return error_of(nghttp2_submit_response(h2->session, lane->id, fields->nv, fields->count,
                                            body ? &provider : NULL));
}

static int submit_interim(struct lane *lane, const struct h2_fields *fields)
{
    struct h2 *h2 = lane->h2;
    if (fields->full || !h2 || lane->closed) {
        return -ENOBUFS; /* they may be left out */
    }
    h2_wants_write(h2);
    return error_of(nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, lane->id, NULL,
                                           fields->nv, fields->count, NULL));
}

int h2_write_response(struct stream *stream)
{
    struct worker *worker = stream->worker;
    const struct http1_head *head = &worker->response;
    struct http_set drop = worker->drop_response;
    struct h2_fields fields;
    char status[3];
    bool tunnel = head->framing == HTTP1_TUNNEL;
    if (tunnel) {
        http_set_add(&drop, HTTP_H_SEC_WEBSOCKET_ACCEPT); /* to a key of ours */
    }
    if (tunnel || head->status == 204 || head->status < 200) {
        http_set_add(&drop, HTTP_H_CONTENT_LENGTH);
    }
    h2_fields_init(&fields);
    add_status(&fields, tunnel ? 200 : head->status, status);
    h2_fields_forward(&fields, head, &drop);
    if (head->status < 200 && !tunnel) {
        return submit_interim(lane_of(&stream->client->conn), &fields);
    }
    for (unsigned i = 0; i < stream->add_response_count; i++) {
        h2_fields_add(&fields, stream->add_response[i].name, stream->add_response[i].value);
    }
    h2_fields_add_once(&fields, STR("x-request-id"),
                       str_make(stream->request_id, stream->request_id_len));
    add_trailer_names(&fields, head);
    return submit_response(lane_of(&stream->client->conn), &fields,
                           head->framing != HTTP1_BODY_NONE);
}

int h2_write_reply(struct stream *stream, struct str head, struct str body)
{
    struct lane *lane = lane_of(&stream->client->conn);
    struct h2_fields fields;
    h2_fields_init(&fields);
    h2_fields_add(&fields, STR(":status"), str_slice(head, 9, 12)); /* behind "HTTP/1.1 " */
    ptrdiff_t end = str_find_char(head, '\n');
    h2_fields_lines(&fields, str_skip(head, (size_t)end + 1));
    int r = submit_response(lane, &fields, body.len > 0);
    if (r == 0 && body.len > 0) {
        r = conn_send(&stream->client->conn, &body, 1);
        if (r == 0) {
            r = lane_end(lane, STR_NONE);
        }
    }
    return r;
}

/* The target as it is forwarded: what the client wrote, or put together in `memory`. */
static struct str target_of(const struct stream *stream, struct http1_writer *memory)
{
    const struct http1_head *req = &stream->req;
    if (!stream->path_changed) {
        return http1_str(req, req->target);
    }
    size_t from = memory->len;
    http1_write_raw(memory, stream->path.len ? stream->path : STR("/"));
    if (req->has_query) {
        http1_write_raw(memory, STR("?"));
        http1_write_raw(memory, http1_str(req, req->query));
    }
    return str_make(memory->p + from, memory->len - from);
}

int h2_write_request(struct stream *stream)
{
    struct worker *worker = stream->worker;
    const struct http1_head *req = &stream->req;
    struct lane *lane = lane_of(&stream->upstream->conn);
    struct http1_writer memory = http1_writer_make(worker->out, WORKER_OUT_SIZE);
    struct h2_fields fields;
    h2_fields_init(&fields);
    h2_fields_add(&fields, STR(":method"), http1_str(req, req->method_text));
    h2_fields_add(&fields, STR(":scheme"), STR("http"));
    h2_fields_add(&fields, STR(":authority"), http1_str(req, req->host));
    h2_fields_add(&fields, STR(":path"), target_of(stream, &memory));
    h2_fields_forward(&fields, req, exchange_dropped(stream));
    size_t own = memory.len;
    exchange_write_own(&memory, stream);
    h2_fields_lines(&fields, str_make(memory.p + own, memory.len - own));
    if (exchange_takes_trailers(req)) {
        h2_fields_add(&fields, STR("te"), STR("trailers"));
    }
    add_trailer_names(&fields, req);
    if (memory.full || fields.full) {
        return -ENOBUFS;
    }
    if (!lane->h2 || lane->h2->failed) {
        return -ECONNRESET;
    }
    bool body = req->framing != HTTP1_BODY_NONE;
    nghttp2_data_provider provider = provider_of(lane, body);
    int32_t id = nghttp2_submit_request(lane->h2->session, NULL, fields.nv, fields.count,
                                        body ? &provider : NULL, lane);
    h2_wants_write(lane->h2);
    lane->id = id;
    return id > 0 ? 0 : id == NGHTTP2_ERR_NOMEM ? -ENOMEM : -ECONNRESET;
}
