/* SPDX-License-Identifier: Apache-2.0
 *
 * The head is written as for the first one; the body is decoded once more from where it lies, since
 * the receiver may want another framing than the client's.
 */
#include "edge/whole.h"

#include "base/num.h"
#include "edge/exchange.h"
#include "edge/gather.h"
#include "edge/h2_heads.h"
#include "edge/worker.h"

bool whole_is_here(const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    return !stream->tcp && !stream->connect && !req->upgrade && stream->up_done &&
           !stream->body_moved && !stream->filters->count[FILTER_BODY_UP] &&
           req->len + stream->bytes_in <= WHOLE_MAX;
}

/* The body's decoder, as exchange_begin_body has it, of no effect on the stream. */
static struct http1_body decoder(const struct stream *stream)
{
    struct http1_body body = {0};
    if (conn_is_lane(&stream->client->conn)) {
        http1_body_init(&body, HTTP1_BODY_CLOSE, 0);
    } else {
        http1_body_of(&body, &stream->req);
    }
    return body;
}

/* Each piece of content in `bytes`; those of a next request, behind the end, are left out. */
static void add_bytes(struct http1_body *body, struct gather *gather, struct str bytes)
{
    while (bytes.len > 0 && !http1_body_done(body)) {
        size_t used;
        struct str piece;
        int r = http1_body_read(body, bytes, &used, &piece);
        if (r == HTTP1_E_BAD) { /* it was good when it came */
            gather->error = -EBADMSG;
            return;
        }
        if (r == HTTP1_E_ROOM) {
            body->trailers = NULL; /* known from the first time */
        }
        gather_piece(gather, piece);
        bytes = str_skip(bytes, used);
    }
}

static void add_body(struct stream *stream, struct gather *gather)
{
    const struct block *in = stream->client->in;
    struct http1_body body = decoder(stream);
    add_bytes(&body, gather, str_make(in->data + stream->req.len, in->len - stream->req.len));
    for (const struct block *block = stream->replay.chain.first; block; block = block->next) {
        add_bytes(&body, gather, str_make(block->data, block->len));
    }
    gather_last(gather, &stream->up);
    gather_send(gather, STR_NONE);
}

static int send_text(struct stream *stream, struct conn *conn, bool close)
{
    static const struct str last = STR_INIT("Connection: close\r\n\r\n");
    struct str parts[2] = {STR_NONE, last};
    int r = exchange_write_request(stream, &parts[0]);
    parts[0].len -= r == 0 && close ? 2 : 0; /* the empty line */
    return r < 0 ? r : conn_send(conn, parts, close ? 2 : 1);
}

static int send_body(struct stream *stream, struct conn *conn)
{
    const struct http1_head *req = &stream->req;
    struct gather gather = {
        .conn = conn,
        .p = stream->worker->out,
        .chunked = req->framing == HTTP1_BODY_CHUNKED && !conn_is_lane(conn),
    };
    if (req->framing != HTTP1_BODY_NONE) {
        add_body(stream, &gather);
    }
    return gather.error;
}

int whole_send(struct stream *stream, struct upstream *upstream)
{
    struct conn *conn = &upstream->conn;
    int r =
        conn_is_lane(conn) ? h2_write_request(stream, upstream) : send_text(stream, conn, false);
    return r < 0 ? r : send_body(stream, conn);
}

/* A connection to nowhere: what is sent stays in its `out`. */
static int keep_all(struct conn *conn, const struct str *parts, size_t count)
{
    return conn_keep(conn, parts, count, 0);
}
static const struct conn_ops paper_ops = {.send = keep_all};

struct block *whole_write(struct stream *stream)
{
    struct conn paper = {.worker = stream->worker, .ops = &paper_ops};
    int r = send_text(stream, &paper, true);
    if (r == 0) {
        r = send_body(stream, &paper);
    }
    if (r < 0) {
        block_put(&stream->worker->blocks, paper.out);
        return NULL;
    }
    return paper.out;
}
