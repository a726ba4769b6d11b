/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events (HTML Living Standard, 9.2) as an answer that goes on, in chunks.
 *
 * Back-pressure: what a reader has not taken is bounded by API_STREAM_MAX; beyond it the stream
 * ends with a comment that says why, and the reader comes again with Last-Event-ID. A producer that
 * can wait (logs) asks exchange_backlog and goes on when `drained`. So no reader is waited for, and
 * none costs more than its bound.
 *
 *   1. Each event goes out whole, in a chunk of its own.
 *   2. A stream ends in one of three ways, each with exactly one last word to its owner: the client
 *      goes (`closed`), it is too slow or reading failed (`closed`, after a comment), or the owner
 *      ends it (no call, since it knows).
 *   3. A stream that has nothing to say sends a comment every 15 s: proxies and browsers take
 *      silence for death.
 *
 * On the wire, one chunk (RFC 9112 §7.1) per event:
 *
 *   5c CRLF                      its length in hexadecimal
 *   event: service LF            name; left out for a comment
 *   id: 4711 LF                  only of events that Last-Event-ID may name
 *   data: {"name":"web",…} LF    one line: JSON holds no line break
 *   LF CRLF                      the end of the event, and of the chunk
 */
#include "base/num.h"
#include "face/api_server.h"
#include "proto/accept.h"
#include "proto/http1_write.h"
#include "proto/sse.h"

/* Well below the 40 s after which the dashboard takes a silent stream for a dead one. */
#define ALIVE_NS (15 * NS_PER_S)

bool exchange_wants_stream(const struct exchange *x)
{
    return accept_type(http1_get(&x->head, HTTP_H_ACCEPT), STR("text/event-stream")) > 0;
}

/* RFC 9112 §7.1. One event, one chunk: a proxy that passes chunks on passes events on. */
static void add_chunk(struct buf *out, struct str data)
{
    char head[HTTP1_CHUNK_HEAD_MAX];

    buf_add_mem(out, head, http1_chunk_head(head, data.len));
    buf_add(out, data);
    buf_add_cstr(out, "\r\n");
}

/* The last chunk tells a stream that ended from one that broke; CLOSING waits until it is written.
 */
static void end_stream(struct exchange *x)
{
    struct api_conn *conn = x->conn;

    if (conn) {
        buf_add_cstr(&conn->out, HTTP1_LAST_CHUNK);
        conn->state = CONN_CLOSING;
        api_conn_flush_soon(conn);
    }
    exchange_free(x);
}

/* A log that says nothing for an hour is no dead connection: readers and what stands between tell
 * them apart by this. */
void exchange_sign_of_life(struct timer *timer, int64_t now_ns)
{
    struct exchange *x = container_of(timer, struct exchange, alive);
    cleanup(buf_fini) struct buf text = BUF_INIT(64);

    (void)now_ns;
    ensure(x->streaming && x->conn);
    loop_timer_after(x->api->loop, &x->alive, ALIVE_NS);
    if (!x->spoke && exchange_backlog(x) == 0) {
        sse_write_comment(&text, STR("alive"));
        add_chunk(&x->conn->out, buf_str(&text));
        api_conn_flush_soon(x->conn);
    }
    x->spoke = false;
}

bool exchange_stream_begin(struct exchange *x, struct exchange_stream stream)
{
    struct api_conn *conn = x->conn;
    char memory[4096];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));

    x->stream = stream;
    if (!conn) {
        stream.closed(x);
        exchange_free(x);
        return false;
    }
    x->streaming = true;
    x->stream_max = API_STREAM_MAX;
    http1_write_status_line(&w, 200);
    http1_write_header(&w, STR("Content-Type"), STR("text/event-stream"));
    http1_write_header(&w, STR("Cache-Control"), STR("no-store"));
    http1_write_header(&w, STR("X-Content-Type-Options"), STR("nosniff"));
    http1_write_header(&w, STR("X-Request-ID"), str_from(x->ctx.request_id));
    http1_write_header(&w, STR("Connection"), STR("close"));
    http1_write_header(&w, STR("Transfer-Encoding"), STR("chunked"));
    http1_write_end(&w);
    ensure(!w.full);
    buf_add_mem(&conn->out, w.p, w.len);
    conn->state = CONN_STREAMING;
    loop_timer_after(x->api->loop, &x->alive, ALIVE_NS);
    api_conn_flush_soon(conn);
    return true;
}

/* The reader comes again with Last-Event-ID. */
static void break_off(struct exchange *x, const char *why)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(256);

    sse_write_comment(&text, str_from(why));
    add_chunk(&x->conn->out, buf_str(&text));
    x->stream.closed(x);
    end_stream(x);
}

bool exchange_send(struct exchange *x, const char *event, uint64_t id, struct str data)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(API_OUT_MAX);
    char id_text[24] = "";

    ensure(x->streaming && x->conn);
    if (id > 0) {
        snprintf(id_text, sizeof(id_text), "%llu", (unsigned long long)id);
    }
    sse_write(&text,
              &(struct sse_event){.event = str_from(event), .id = str_from(id_text), .data = data});
    if (buf_error(&text) || exchange_backlog(x) + text.len > x->stream_max) {
        break_off(x, "closed: the reader is too slow; come again with Last-Event-ID");
        return false;
    }
    x->spoke = true;
    add_chunk(&x->conn->out, buf_str(&text));
    api_conn_flush_soon(x->conn);
    return true;
}

size_t exchange_backlog(const struct exchange *x)
{
    return x->conn ? x->conn->out.len - x->conn->sent : 0;
}

void exchange_stream_break(struct exchange *x)
{
    break_off(x, "closed: what comes next cannot be read now; come again with Last-Event-ID");
}

void exchange_stream_end(struct exchange *x)
{
    end_stream(x);
}
