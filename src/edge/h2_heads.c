/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads out. What may be forwarded and what is ours to say is decided where HTTP/1 decides it
 * (flags of the head, drop sets); only the form differs here. Values lie where they are until the
 * frame is written, in this call.
 */
#include "edge/h2_heads.h"

#include "base/encode.h"
#include "base/num.h"
#include "edge/exchange.h"
#include "edge/h2_fields.h"
#include "edge/h2_link.h"
#include "edge/lane.h"
#include "edge/put.h"
#include "edge/remote.h"
#include "edge/worker.h"

enum {
    OWN_MAX = 3072 /* of the texts that are put together here, besides what the client wrote */
};

static void add_status(struct h2_fields *fields, unsigned status, char memory[3])
{
    memory[0] = (char)('0' + status / 100);
    memory[1] = (char)('0' + status / 10 % 10);
    memory[2] = (char)('0' + status % 10);
    h2_fields_add(fields, HPACK_STATUS, str_make(memory, 3));
}

/* What will come behind the body; the field itself is for one hop. */
static void add_trailer_names(struct h2_fields *fields, const struct http1_head *head)
{
    for (size_t i = 0; http_set_has(&head->present, HTTP_H_TRAILER) && i < head->count; i++) {
        if (head->headers[i].id == HTTP_H_TRAILER) {
            h2_fields_add(fields, HTTP_H_TRAILER, http1_value(head, i));
            h2_fields_secret(fields, head->headers[i].flags & HTTP1_SECRET);
        }
    }
}

static void add_request_id(struct h2_fields *fields, const struct stream *stream)
{
    h2_fields_add(fields, HTTP_H_X_REQUEST_ID,
                  str_make(stream->request_id, stream->request_id_len));
    h2_fields_secret(fields, stream->req.secret & HTTP1_SECRET_ID);
}

int h2_write_response(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct lane *lane = lane_of(&stream->client->conn);
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
    h2_fields_secret(&fields, head->secret & HTTP1_SECRET_STATUS);
    h2_fields_forward(&fields, head, &drop);
    if (head->status < 200 && !tunnel) {
        return lane_say_head(lane, &fields, true);
    }
    for (unsigned i = 0; i < stream->add_response_count; i++) {
        h2_fields_name(&fields, stream->add_response[i].name, stream->add_response[i].value);
    }
    if (unlikely(!http_set_has(&head->present, HTTP_H_DATE))) {
        h2_fields_add(&fields, HTTP_H_DATE, date_text(&worker->date, worker->loop.wall_ns));
    }
    add_request_id(&fields, stream);
    add_trailer_names(&fields, head);
    return lane_say_head(lane, &fields, head->framing != HTTP1_BODY_NONE);
}

int h2_write_reply(struct stream *stream, const struct reply_head *head, struct str body)
{
    struct lane *lane = lane_of(&stream->client->conn);
    struct h2_fields fields;
    char status[3];
    h2_fields_init(&fields);
    add_status(&fields, head->status, status);
    for (size_t i = 0; i < head->count; i++) {
        h2_fields_name(&fields, head->fields[i].name, head->fields[i].value);
    }
    if (stream->request_id_len > 0) {
        add_request_id(&fields, stream);
    }
    int r = lane_say_head(lane, &fields, body.len > 0);
    if (r == 0 && body.len > 0) {
        r = conn_send(&stream->client->conn, &body, 1);
    }
    return r == 0 && body.len > 0 ? lane_end(lane, NULL) : r;
}

int h2_write_connected(struct stream *stream)
{
    struct h2_fields fields;
    h2_fields_init(&fields);
    h2_fields_add(&fields, HPACK_STATUS, STR("200"));
    return lane_say_head(lane_of(&stream->client->conn), &fields, true);
}

/* --- requests --- */

/* What was written since `from`. */
static struct str since(const struct http1_writer *memory, size_t from)
{
    return str_make(memory->p + from, memory->len - from);
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
    return since(memory, from);
}

/* Who asks; `words` and `memory` keep the texts. */
static void add_who(struct h2_fields *fields, const struct stream *stream,
                    struct http1_writer *memory, struct remote_words *words)
{
    struct str host = http1_str(&stream->req, stream->req.host);
    size_t from = memory->len;
    if (likely(stream->remote.family == 0)) {
        words->addresses = client_text(stream->client);
        words->proto = stream->client->secure ? STR("https") : STR("http");
        words->host = host;
        exchange_write_forwarded(memory, stream->client, host);
    } else {
        remote_words(stream, host, words);
        remote_write_forwarded(memory, words);
    }
    unsigned secret = stream->req.secret & (HTTP1_SECRET_WHO | HTTP1_SECRET_AUTHORITY);
    h2_fields_add(fields, HTTP_H_X_FORWARDED_FOR, words->addresses);
    h2_fields_secret(fields, secret & HTTP1_SECRET_WHO);
    h2_fields_add(fields, HTTP_H_X_FORWARDED_PROTO, words->proto);
    h2_fields_secret(fields, secret & HTTP1_SECRET_WHO);
    if (words->host.len > 0) {
        h2_fields_add(fields, HTTP_H_X_FORWARDED_HOST, words->host);
        h2_fields_secret(fields, secret);
    }
    h2_fields_add(fields, HTTP_H_FORWARDED, since(memory, from));
    h2_fields_secret(fields, secret);
}

/* The counterpart of request_head.c's. */
static void add_own(struct h2_fields *fields, const struct stream *stream,
                    struct http1_writer *memory, struct remote_words *words)
{
    const struct http1_head *req = &stream->req;
    add_who(fields, stream, memory, words);
    add_request_id(fields, stream);
    h2_fields_add(fields, HTTP_H_VIA, STR("1.1 muelle"));
    uint64_t hops;
    if (unlikely(req->method == HTTP_OPTIONS) &&
        num_parse_u64(http1_get(req, HTTP_H_MAX_FORWARDS), &hops) == 0 && hops > 0) {
        size_t from = memory->len;
        char digits[24];
        struct buf number = BUF_ON(digits);
        buf_add_u64(&number, hops - 1);
        http1_write_raw(memory, buf_str(&number));
        h2_fields_add(fields, HTTP_H_MAX_FORWARDS, since(memory, from));
        const struct http1_header *was = &req->headers[http1_find(req, HTTP_H_MAX_FORWARDS)];
        h2_fields_secret(fields, was->flags & HTTP1_SECRET);
    }
    if (unlikely(stream->route && stream->route->shows_client) && stream->client->identity) {
        size_t from = memory->len;
        http1_write_raw(memory, STR(":"));
        http1_write_raw(memory, str_from(stream->client->identity));
        http1_write_raw(memory, STR(":"));
        h2_fields_add(fields, HTTP_H_CLIENT_CERT, since(memory, from));
    }
    for (unsigned i = 0; i < stream->add_request_count; i++) {
        h2_fields_name(fields, stream->add_request[i].name, stream->add_request[i].value);
    }
}

/* What an extended CONNECT says otherwise than the GET that it stands for (RFC 8441 §5). */
static void add_connect(struct h2_fields *fields, struct http_set *drop)
{
    h2_fields_add(fields, HPACK_METHOD, STR("CONNECT"));
    h2_fields_add(fields, HPACK_PROTOCOL, STR("websocket"));
    http_set_add(drop, HTTP_H_UPGRADE);
    http_set_add(drop, HTTP_H_SEC_WEBSOCKET_KEY);
}

int h2_write_request(struct stream *stream, struct upstream *upstream)
{
    struct worker *worker = stream->worker;
    const struct http1_head *req = &stream->req;
    struct lane *lane = lane_of(&upstream->conn);
    struct http1_writer memory = http1_writer_make(worker->out, WORKER_OUT_SIZE);
    struct remote_words words;
    struct h2_fields fields;
    if (!put_room(&memory, (size_t)req->len + stream->path.len + req->host.len + OWN_MAX)) {
        return -ENOBUFS;
    }
    h2_fields_init(&fields);
    struct http_set drop = *exchange_dropped(stream);
    bool websocket = h2_link_is_websocket(upstream);
    if (unlikely(websocket)) {
        add_connect(&fields, &drop);
    } else {
        h2_fields_add(&fields, HPACK_METHOD, http1_str(req, req->method_text));
        h2_fields_secret(&fields, req->secret & HTTP1_SECRET_METHOD);
    }
    bool secure = upstream->endpoint->service->connector != NULL;
    h2_fields_add(&fields, HPACK_SCHEME, secure ? STR("https") : STR("http"));
    h2_fields_add(&fields, HPACK_AUTHORITY, exchange_host(stream));
    h2_fields_secret(&fields, req->secret & HTTP1_SECRET_AUTHORITY);
    h2_fields_add(&fields, HPACK_PATH, target_of(stream, &memory));
    h2_fields_secret(&fields, req->secret & HTTP1_SECRET_TARGET);
    h2_fields_forward(&fields, req, &drop);
    add_own(&fields, stream, &memory, &words);
    if (http_set_has(&req->present, HTTP_H_TE) && exchange_takes_trailers(req)) {
        h2_fields_add(&fields, HTTP_H_TE, STR("trailers"));
    }
    add_trailer_names(&fields, req);
    if (memory.full || fields.full) {
        return -ENOBUFS;
    }
    if (!lane->h2 || !http2_open(&lane->h2->http, &lane->stream)) {
        return -ECONNRESET;
    }
    int r = lane_say_head(lane, &fields, websocket || req->framing != HTTP1_BODY_NONE);
    return r == -EPIPE || r == -ENOMEM ? -ECONNRESET : r;
}
