/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the request head, sending it on, reading the answer's head, and the loop that moves both
 * bodies.
 *
 * 1. What is not understood is not forwarded: a bad request is answered before a byte of it went
 *    on, a bad answer becomes a 502 and its connection ends.
 * 2. The request's head may be written again (another endpoint) until the answer's head was sent.
 * 3. Of an answer that does not come whole only one part is kept, in `answer_in`; it is given back
 *    when the head is done.
 *
 * As it fails: the client leaves (stream_abort), the upstream does (stream_lost: another try, a
 * page, or a cut), nobody speaks (exchange_timeout). After a broken upload the answer is still
 * read: it may say why.
 */
#include "edge/exchange.h"

#include "base/num.h"
#include "edge/admit.h"
#include "edge/call.h"
#include "edge/h2_heads.h"
#include "edge/h2_link.h"
#include "edge/lane.h"
#include "edge/remote.h"
#include "edge/reply.h"
#include "edge/stream_private.h"
#include "edge/tunnel.h"
#include "edge/worker.h"

enum { INTERIMS_MAX = 200 /* interim answers to one request; more are a flood */ };

static bool valid_id(struct str id)
{
    if (id.len == 0 || id.len > STREAM_REQUEST_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.p[i];
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_' || c == '.' || c == ':' || c == '+' || c == '/' || c == '=';
        if (!ok) {
            return false;
        }
    }
    return true;
}

static void set_request_id(struct stream *stream)
{
    if (http_set_has(&stream->req.present, HTTP_H_X_REQUEST_ID)) {
        struct str id = http1_get(&stream->req, HTTP_H_X_REQUEST_ID);
        if (valid_id(id)) {
            memcpy(stream->request_id, id.p, id.len);
            stream->request_id_len = (uint8_t)id.len;
            return;
        }
    }
    worker_request_id(stream->worker, stream->request_id);
    stream->request_id_len = 32;
}

static void begin(struct stream *stream)
{
    struct client *client = stream->client;
    struct http1_head *req = &stream->req;
    client->in->at = req->len;
    stream->head_ns = stream->worker->loop.now_ns;
    stream_carry(stream, STREAM_AS_REQUEST);
    exchange_begin_body(stream, STREAM_UP, req);
    stream->up_done = req->framing == HTTP1_BODY_NONE;
    stream->keep_client =
        req->keep_alive && !(stream->worker->stopping && client_ends(stream->client));
    set_request_id(stream);
    if (unlikely(client->trusted)) {
        remote_find(stream);
    }
    if (unlikely(req->method_text.at > 0) && admit_glitch(client)) { /* an empty line in front */
        stream->keep_client = false;
    }
    if (unlikely(conn_is_lane(&client->conn))) {
        call_begin(stream);
    }
    stream_take_global(stream);
    if (unlikely(req->method == HTTP_TRACE ||
                 (req->method == HTTP_CONNECT && !worker_config(stream->worker)->connects))) {
        stream->keep_client = false; /* what follows a CONNECT is no HTTP */
        reply_method(stream);
        return;
    }
    stream_move(stream, client->requests == 1 ? STREAM_CONNECTION : STREAM_HEADERS);
}

/* The client ended before its head was complete. */
static bool head_ended(struct stream *stream)
{
    stream->keep_client = false;
    stream_end(stream);
    return false;
}

/* 0: nothing now; > 0: bytes have come; < 0: it is over. */
static int read_more(struct client *client)
{
    struct block *in = client->in;
    if (!client->conn.readable) {
        return 0;
    }
    int64_t n = conn_recv(&client->conn, in->data + in->len, in->cap - in->len);
    if (n < 0 || client->conn.eof) {
        return -1;
    }
    in->len += (uint32_t)n;
    return n > 0;
}

bool exchange_read_head(struct stream *stream)
{
    struct client *client = stream->client;
    struct worker *worker = stream->worker;
    bool lane = conn_is_lane(&client->conn);
    int r = lane ? lane_of(&client->conn)->head_result : HTTP1_E_MORE;
    if (unlikely(lane && (client->conn.failed || r == HTTP1_E_MORE))) {
        return client->conn.failed && head_ended(stream);
    }
    while (r == HTTP1_E_MORE) {
        if (client->in->len > 0) {
            r = http1_parse_request(&stream->req, client->in->data, client->in->len);
        }
        if (r == HTTP1_E_MORE) {
            int more = read_more(client);
            if (more < 0) {
                return head_ended(stream);
            }
            if (more == 0) {
                client_deadline(client, stream->start_ns + worker->gateway.head_ms * NS_PER_MS);
                return false;
            }
        }
    }
    if (unlikely(r == HTTP1_E_BAD)) {
        counters_add(&worker->stats->bad_requests, 1);
        stream->up_done = false;
        reply_page(stream, stream->req.error.status, (struct said){.en = stream->req.error.reason});
        return true;
    }
    begin(stream);
    return true;
}

/* Is the request here to its end? Then it leaves at the turn's end with its body, and is still here
 * if not a byte of it was taken. */
static bool has_whole(const struct stream *stream)
{
    const struct block *in = stream->client->in;
    return likely(stream->up_done) ||
           (stream->req.framing == HTTP1_BODY_LENGTH && stream->up.left <= in->len - in->at);
}

/* Sends the head, and with it the body as far as it is here already. */
static bool send_head(struct stream *stream)
{
    struct str part;
    int r;
    if (unlikely(conn_is_lane(&stream->upstream->conn))) {
        r = h2_write_request(stream, stream->upstream);
    } else {
        r = exchange_write_request(stream, &part);
        bool later = has_whole(stream);
        struct conn *conn = &stream->upstream->conn;
        r = r < 0 ? r : later ? conn_send_later(conn, part) : conn_send(conn, &part, 1);
    }
    if (r == -ENOBUFS) {
        reply_page(stream, 431,
                   SAID("the request head is too large to be passed on",
                        "la cabecera de la petición es demasiado grande para pasarla"));
        return true;
    }
    if (r < 0) {
        return stream_lost(stream, r); /* not a byte was taken: any method may be tried again */
    }
    stream->head_sent = true;
    stream->sent_ns = stream->worker->loop.now_ns;
    client_deadline(stream->client,
                    stream->sent_ns + stream->service->spec.first_byte_ms * NS_PER_MS);
    if (unlikely(stream->visit.begun) && stream->up_done) {
        policy_sent(stream);
    }
    return true;
}

/* An interim answer (100, 103) is passed on. */
static bool interim(struct stream *stream)
{
    size_t len;
    stream->continued |= stream->worker->response.status == 100;
    if (stream->req.minor == 0) {
        return true; /* HTTP/1.0 knows no interim answers */
    }
    if (exchange_write_response(stream, &len) < 0) {
        return true; /* they may be left out */
    }
    struct str part = str_make(stream->worker->out, len);
    if (conn_send(&stream->client->conn, &part, 1) < 0) {
        stream_abort(stream);
        return false;
    }
    return true;
}

/* Keeps what was read of a head until the rest comes, or until a filter resumes. */
static int keep_answer(struct stream *stream, struct str bytes)
{
    if (stream->answer_in) {
        return 0;
    }
    stream->answer_in = block_get(&stream->worker->blocks, BLOCK_LARGE);
    if (!stream->answer_in) {
        return -ENOMEM;
    }
    memcpy(stream->answer_in->data, bytes.p, bytes.len);
    stream->answer_in->len = (uint32_t)bytes.len;
    return 0;
}

/* Is it sure that all we sent was read as this request, and nothing as the next one? A service that
 * answers in front of the body's end, that does not say 100 to who waits for it, or that refuses to
 * upgrade, may have read no body. */
static bool read_whole(const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    if (likely(!req->expect_continue && !req->upgrade)) {
        return stream->up_done;
    }
    bool asked = req->upgrade ? req->framing == HTTP1_BODY_NONE : stream->continued;
    return stream->up_done && asked;
}

/* Server-sent events: pieces may be far apart. */
static bool are_events(const struct http1_head *head)
{
    static const struct str events = STR_INIT("text/event-stream");
    struct str type = http1_get(head, HTTP_H_CONTENT_TYPE);
    struct str rest = str_trim(str_skip(type, MIN(events.len, type.len)));
    return str_eq_nocase(str_slice(type, 0, events.len), events) &&
           (rest.len == 0 || rest.p[0] == ';');
}

/* The answer's head is in worker->response; `bytes` are its and what came behind it. */
static bool take_answer(struct stream *stream, struct str bytes)
{
    struct worker *worker = stream->worker;
    const struct http1_head *head = &worker->response;
    if (unlikely(stream->service->policy != NULL) && policy_retries_answer(stream, head)) {
        stream_try_again(stream);
        return true;
    }
    if (stream->filters->count[FILTER_RESPONSE]) {
        int r = keep_answer(stream, bytes);
        if (r < 0) {
            return stream_lost(stream, r);
        }
        if (!filters_run(stream, stream->filters, FILTER_RESPONSE, NULL)) {
            return true; /* suspended, or answered */
        }
    }
    stream->status = head->status;
    stream->answer_ns = worker->loop.now_ns;
    if (unlikely(head->framing != HTTP1_BODY_LENGTH)) {
        stream->flows |= are_events(head);
    }
    exchange_begin_body(stream, STREAM_DOWN, head);
    stream->keep_upstream = head->keep_alive && likely(read_whole(stream));
    stream->down_done = head->framing == HTTP1_BODY_NONE;
    struct str rest = str_skip(bytes, head->len);
    if (stream->down_done && rest.len > 0) {
        stream->keep_upstream = false; /* it says more than it was asked */
        rest.len = 0;
    }
    return exchange_pump_down(stream, rest);
}

/* The same when the upstream is a lane: heads lie beside it. */
static bool take_heads(struct stream *stream)
{
    struct worker *worker = stream->worker;
    for (;;) {
        int r = h2_link_answer(stream->upstream, &worker->response);
        if (r == H2_LINK_E_NONE) {
            return true;
        }
        if (r == -ESTALE) { /* as if it had not been written */
            stream->head_sent = false;
        }
        if (r < 0) {
            return stream_lost(stream, r);
        }
        stream->answer_seen = true;
        if (unlikely(worker->response.framing == HTTP1_TUNNEL)) {
            return tunnel_begin(stream, STR_NONE);
        }
        if (worker->response.status >= 200) {
            call_answered(stream);
            return take_answer(stream, STR_NONE);
        }
        if (++stream->interims > INTERIMS_MAX) {
            return stream_lost(stream, -EBADMSG);
        }
        if (!interim(stream)) {
            return false;
        }
    }
}

/* Parses what is there. Interim heads are taken off its front one by one. */
static bool parse_answer(struct stream *stream, struct str bytes)
{
    struct worker *worker = stream->worker;
    if (unlikely(conn_is_lane(&stream->upstream->conn))) {
        return take_heads(stream);
    }
    while (bytes.len > 0) {
        http1_head_init(&worker->response, &worker->limits);
        int r = http1_parse_response(&worker->response, (enum http_method)stream->req.method,
                                     bytes.p, bytes.len);
        if (r == HTTP1_E_BAD) {
            return stream_lost(stream, -EBADMSG);
        }
        if (r == HTTP1_E_MORE) {
            r = keep_answer(stream, bytes);
            return r < 0 ? stream_lost(stream, r) : true;
        }
        if (worker->response.framing == HTTP1_TUNNEL) {
            return tunnel_begin(stream, str_skip(bytes, worker->response.len));
        }
        if (worker->response.status >= 200) {
            return take_answer(stream, bytes);
        }
        if (++stream->interims > INTERIMS_MAX) {
            return stream_lost(stream, -EBADMSG);
        }
        if (!interim(stream)) {
            return false;
        }
        bytes = str_skip(bytes, worker->response.len);
        if (stream->answer_in) {
            stream->answer_in->at += worker->response.len;
        }
    }
    block_put(&worker->blocks, stream->answer_in);
    stream->answer_in = NULL;
    return true;
}

/* Reads (more of) the answer's head. */
static bool read_answer(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct conn *conn = &stream->upstream->conn;
    struct block *in = stream->answer_in;
    if (unlikely(conn_is_lane(conn))) {
        return take_heads(stream);
    }
    if (unlikely(conn->unsent)) {
        return stream_lost(stream, conn->unsent == CONN_CUT ? -ENOMEM : -EPIPE);
    }
    if (in && in->at > 0) { /* behind interim answers: there is always room for one more head */
        memmove(in->data, in->data + in->at, in->len - in->at);
        in->len -= in->at;
        in->at = 0;
    }
    char *to = in ? in->data + in->len : worker->in;
    size_t room = in ? in->cap - in->len : WORKER_IN_SIZE;
    int64_t n = conn_recv(conn, to, room);
    if (n < 0 || (n == 0 && conn->eof)) {
        return stream_lost(stream, n < 0 ? (int)n : -ECONNRESET);
    }
    if (n == 0) {
        return stream->up_broken ? stream_lost(stream, -ECONNRESET) : true;
    }
    if (unlikely(conn->queued) && (stream->upstream->idle_until_ns || conn_push(conn) < 0)) {
        return stream_lost(stream, -EPIPE); /* what came is no answer to us: nobody was asked */
    }
    stream->answer_seen = true;
    if (in) {
        in->len += (uint32_t)n;
        return parse_answer(stream, block_rest(in));
    }
    return parse_answer(stream, str_make(to, (size_t)n));
}

static bool run_down(struct stream *stream)
{
    if (stream->suspended[STREAM_DOWN]) {
        return true;
    }
    if (stream->answer_begun) {
        return exchange_pump_down(stream, STR_NONE);
    }
    if (stream->answer_in && stream->filter_at[STREAM_DOWN] > 0) {
        return parse_answer(stream, block_rest(stream->answer_in)); /* a filter resumed */
    }
    while (stream->upstream->conn.readable && !stream->answer_begun) {
        if (!read_answer(stream)) {
            return false;
        }
        if (stream->state != STREAM_EXCHANGE || stream->suspended[STREAM_DOWN]) {
            break;
        }
    }
    return true;
}

static bool finished(struct stream *stream)
{
    struct conn *conn = &stream->client->conn;
    return stream->answer_begun && stream->down_done && !stream->held[STREAM_DOWN] &&
           (likely(stream->keep_client) ? !conn_blocked(conn) : conn_settled(conn));
}

/* The client takes nothing at the moment. A pause may last idle_ms; all of them together as long as
 * what it has taken so far would at the least rate, and idle_ms more. */
static void reader_waits(struct stream *stream)
{
    struct worker *worker = stream->worker;
    uint32_t rate = worker->gateway.read_rate;
    int64_t idle_ns = stream->service->spec.idle_ms * NS_PER_MS;
    if (stream->blocked_ns == 0) {
        stream->blocked_ns = worker->loop.now_ns;
    }
    int64_t left_ns = idle_ns;
    if (rate != SNAPSHOT_NO_LIMIT) {
        left_ns += (int64_t)(stream->bytes_out / rate) * NS_PER_S - stream->waited_ns;
    }
    client_deadline(stream->client, stream->blocked_ns + MIN(left_ns, idle_ns));
}

/* It has taken all that waited for it. */
static void reader_caught_up(struct stream *stream)
{
    int64_t now_ns = stream->worker->loop.now_ns;
    stream->waited_ns += now_ns - stream->blocked_ns;
    stream->blocked_ns = 0;
    if (unlikely(stream->flows)) { /* the time of a pause is not that of a stream */
        client_deadline(stream->client, now_ns + stream->service->spec.stream_ms * NS_PER_MS);
    }
}

static bool flush(struct stream *stream)
{
    struct client *client = stream->client;
    if (client->conn.failed || conn_flush(&client->conn) < 0) {
        stream_abort(stream);
        return false;
    }
    if (unlikely(stream->blocked_ns) && !conn_blocked(&client->conn)) {
        reader_caught_up(stream);
    }
    if (stream->upstream && conn_flush(&stream->upstream->conn) < 0) {
        stream->up_broken = true;
        stream->upstream->conn.readable = true;
    }
    return true;
}

/* The whole request is said, and nothing lies anywhere: what follows would find nothing to do. */
static inline bool only_waits(const struct stream *stream)
{
    const struct conn *client = &stream->client->conn;
    return stream->state == STREAM_EXCHANGE && stream->up_done &&
           !stream->upstream->conn.readable && !client->out && !client->failed && !client->ops &&
           !stream->upstream->conn.ops;
}

bool exchange_run(struct stream *stream)
{
    if (!stream->head_sent && (!send_head(stream) || likely(only_waits(stream)))) {
        return false;
    }
    if (stream->state != STREAM_EXCHANGE) {
        return true;
    }
    if (!flush(stream)) {
        return false;
    }
    if (!stream->up_done && !exchange_pump_up(stream)) {
        return false;
    }
    if (stream->state == STREAM_EXCHANGE && !stream->down_done && !run_down(stream)) {
        return false;
    }
    if (stream->state != STREAM_EXCHANGE) {
        return true;
    }
    if (finished(stream)) {
        stream_end(stream);
    } else if (unlikely(conn_blocked(&stream->client->conn))) {
        reader_waits(stream);
    }
    return false;
}

bool exchange_timeout(struct stream *stream)
{
    if (stream->answer_begun) {
        bool reader = conn_blocked(&stream->client->conn);
        stream->flags |= reader ? RING_FLAG_CLIENT_ABORT : RING_FLAG_UPSTREAM_ABORT;
        counters_add(&stream->worker->stats->limit_read_rate, reader);
        stream->keep_client = false;
        stream->keep_upstream = false;
        stream->cut = true;
        stream_end(stream);
        return false;
    }
    bool waits = stream->req.expect_continue && !stream->continued && stream->bytes_in == 0;
    if (!stream->up_done && !waits && !conn_blocked(&stream->upstream->conn)) {
        counters_add(&stream->worker->stats->limit_body_rate, 1);
        reply_timeout(stream); /* the client stopped sending its body, or sends it in drops */
    } else {
        return stream_lost(stream, -ETIMEDOUT);
    }
    return true;
}
