/* SPDX-License-Identifier: Apache-2.0
 *
 * A session's input and output around nghttp2, and what is the same for both roles.
 *
 * The happy path: h2_run reads, nghttp2 calls the notes below, lanes in `ready` go on (their owners
 * read, decide, submit), and at the end of the turn `flush` takes from nghttp2 what may be sent.
 * As it fails: a connection that breaks, or a peer that breaks the protocol, makes `failed`; the
 * owner cuts the lanes off and closes.
 */
#include "edge/h2.h"

#include "base/num.h"
#include "edge/h2_fields.h"
#include "edge/lane.h"
#include "edge/worker.h"

enum {
    ROUNDS_MAX = 4, /* reads before others get their turn */
    FRAME_MAX = 16 * 1024 + 9,
    STREAMS_MAX = 128, /* that a peer may have open */
    SENT_MIN = 1024,   /* bytes of a DATA frame that pay for a window update or two */
    TABLE_SIZE = 4096, /* of HPACK, both ways: what compression costs in memory */
};

static int64_t now_ns(const struct h2 *h2)
{
    return h2->conn->worker->loop.now_ns;
}

static void note(struct h2 *h2, enum http2_guard_kind kind)
{
    struct counters_thread *stats = h2->conn->worker->stats;
    uint32_t before = h2->guard.glitches;
    if (!http2_guard_note(&h2->guard, kind, now_ns(h2)) && !h2->calmed) {
        h2->calmed = true;
        counters_add(&stats->limit_glitches, 1);
        h2_terminate(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (h2->guard.glitches != before) {
        counters_add(&stats->glitches, 1);
    }
}

static struct lane *find(struct h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

/* --- what nghttp2 tells --- */

/* Frames on streams that are gone, which nghttp2 passes over whatever the reason (RFC 9113
 * §5.1). */
static int judge_gone(struct h2 *h2, uint32_t id)
{
    switch (http2_past_ask(&h2->past, id)) {
    case HTTP2_PAST_SKIPPED:
        h2->violation = NGHTTP2_PROTOCOL_ERROR;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    case HTTP2_PAST_OPENED:
        h2->violation = NGHTTP2_STREAM_CLOSED;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    default:
        return 0;
    }
}

static bool is_gone(struct h2 *h2, uint32_t id)
{
    nghttp2_stream *stream = nghttp2_session_find_stream(h2->session, (int32_t)id);
    return !stream || nghttp2_stream_get_state(stream) == NGHTTP2_STREAM_STATE_IDLE;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *context)
{
    struct h2 *h2 = context;
    uint32_t id = (uint32_t)hd->stream_id;
    (void)session;
    if (hd->type != NGHTTP2_HEADERS || id % 2 == 0) {
        return 0; /* a client's are odd; nghttp2 refuses others */
    }
    if (id > h2->past.last) {
        http2_past_open(&h2->past, id);
        return 0;
    }
    return is_gone(h2, id) ? judge_gone(h2, id) : 0;
}

/* An answer that nobody waits for any more is whole: its request need not go on. */
static void answer_sent(struct h2 *h2, int32_t id)
{
    if (h2->role->open && !find(h2, id) &&
        nghttp2_session_get_stream_remote_close(h2->session, id) == 0) {
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2 *h2 = context;
    (void)session;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        answer_sent(h2, frame->hd.stream_id);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        http2_past_leave(&h2->past, (uint32_t)frame->hd.stream_id);
    } else if (frame->hd.type == NGHTTP2_DATA && frame->hd.length >= SENT_MIN) {
        note(h2, HTTP2_GUARD_SENT); /* whoever reads so much may open windows */
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2 *h2 = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    note(h2, HTTP2_GUARD_REQUEST);
    struct lane *lane = h2->role->open(h2, frame->hd.stream_id);
    if (!lane) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    lane->id = frame->hd.stream_id;
    return nghttp2_session_set_stream_user_data(session, lane->id, lane);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    struct h2 *h2 = context;
    struct lane *lane = find(h2, frame->hd.stream_id);
    (void)session;
    (void)flags;
    if (lane) {
        h2->role->field(lane, str_make((const char *)name, name_len),
                        str_make((const char *)value, value_len));
    }
    return 0;
}

/* A field that is not one: the whole message is malformed (RFC 9113 §8.1.1), not only the field. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *context)
{
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)context;
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                    NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void end_of_input(struct lane *lane, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        lane->in_end = true;
        lane->conn->readable = true;
        lane_note(lane);
    }
}

static void on_headers(struct h2 *h2, struct lane *lane, const nghttp2_frame *frame)
{
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!lane->head_done) {
        h2->role->head(lane, last);
        lane_note(lane);
    }
    end_of_input(lane, frame);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2 *h2 = context;
    struct lane *lane = frame->hd.stream_id ? find(h2, frame->hd.stream_id) : NULL;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (lane) {
            on_headers(h2, lane, frame);
        }
        break;
    case NGHTTP2_DATA:
        if (frame->hd.length == frame->data.padlen &&
            !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
            note(h2, HTTP2_GUARD_EMPTY_DATA);
        }
        if (lane) {
            end_of_input(lane, frame);
        }
        break;
    case NGHTTP2_WINDOW_UPDATE:
        note(h2, HTTP2_GUARD_WINDOW);
        h2_wants_write(h2);
        break;
    case NGHTTP2_SETTINGS:
        note(h2, HTTP2_GUARD_SETTINGS);
        h2->settings_seen |= !(frame->hd.flags & NGHTTP2_FLAG_ACK);
        h2_wants_write(h2);
        break;
    case NGHTTP2_PING:
        note(h2, HTTP2_GUARD_PING);
        break;
    case NGHTTP2_PRIORITY_UPDATE:
        note(h2, HTTP2_GUARD_PRIORITY);
        break;
    case NGHTTP2_RST_STREAM:
        note(h2, HTTP2_GUARD_RESET);
        break;
    case NGHTTP2_GOAWAY:
        h2->role->goaway(h2);
        break;
    default:
        break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *context)
{
    (void)session;
    (void)frame;
    (void)error;
    note(context, HTTP2_GUARD_INVALID);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                   size_t len, void *context)
{
    struct h2 *h2 = context;
    struct lane *lane = find(h2, id);
    (void)flags;
    if (len > 0) {
        note(h2, HTTP2_GUARD_DATA);
    }
    if (!lane) {
        (void)nghttp2_session_consume_connection(session, len);
        return 0;
    }
    if (lane_received(lane, str_make((const char *)p, len)) < 0) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *context)
{
    struct lane *lane = find(context, id);
    (void)session;
    if (lane) {
        lane_closed(lane, error_code);
    }
    return 0;
}

/* --- input and output --- */

static void run_ready(struct h2 *h2)
{
    struct list *node;
    while ((node = list_pop_front(&h2->ready))) {
        struct lane *lane = list_entry(node, struct lane, ready);
        lane_update_room(lane);
        lane->news(lane);
    }
}

/* Lanes that waited for windows, or for others to be sent. */
static void feed_starved(struct h2 *h2)
{
    list_for_each_safe (node, &h2->starved) {
        struct lane *lane = list_entry(node, struct lane, starved);
        lane_update_room(lane);
        if (lane->conn->room > 0) {
            lane_note(lane);
        }
    }
}

/* Sends what nghttp2 has, as long as the socket takes it. */
static void send_frames(struct h2 *h2)
{
    struct worker *worker = h2->conn->worker;
    bool more = true;
    while (more && !h2->failed && !conn_blocked(h2->conn)) {
        size_t len = 0;
        while (len + FRAME_MAX <= WORKER_OUT_SIZE) {
            const uint8_t *p;
            ssize_t n = nghttp2_session_mem_send(h2->session, &p);
            if (n <= 0) {
                h2->failed |= n < 0;
                more = false;
                break;
            }
            memcpy(worker->out + len, p, (size_t)n);
            len += (size_t)n;
        }
        struct str part = str_make(worker->out, len);
        if (len > 0 && conn_send(h2->conn, &part, 1) < 0) {
            h2->failed = true;
        }
    }
}

static void flush(struct loop_task *task)
{
    struct h2 *h2 = container_of(task, struct h2, flush);
    if (conn_flush(h2->conn) < 0) {
        h2->failed = true;
    }
    if (!list_empty(&h2->starved)) { /* so that nghttp2 can choose what is urgent */
        feed_starved(h2);
        run_ready(h2);
    }
    send_frames(h2);
    feed_starved(h2);
    run_ready(h2);
    h2->role->flushed(h2);
}

void h2_wants_write(struct h2 *h2)
{
    loop_defer(&h2->conn->worker->loop, &h2->flush);
}

static void give_up(struct h2 *h2, uint32_t error_code)
{
    h2_terminate(h2, error_code);
    send_frames(h2);
    h2->failed = true;
}

static void feed_all(struct h2 *h2, struct str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.p, bytes.len);
    if (n < 0) {
        bool calm = n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_SETTINGS ||
                    n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
        uint32_t other = h2->violation ? h2->violation : NGHTTP2_PROTOCOL_ERROR;
        give_up(h2, calm ? NGHTTP2_ENHANCE_YOUR_CALM : other);
    }
}

/* A client's DATA on a stream that is gone, and its PRIORITY, are judged here: nghttp2 does not
 * tell of them. And it would take each piece of a CONTINUATION frame's head for one more frame of a
 * flood. */
static void feed(struct h2 *h2, struct str bytes)
{
    if (!h2->role->open) {
        feed_all(h2, bytes);
        return;
    }
    while (!h2->failed && !http2_walk_done(&h2->walk, bytes)) {
        uint32_t id;
        struct str part = http2_walk_next(&h2->walk, &bytes, &id);
        if (part.len > 0) {
            feed_all(h2, part);
        }
        if (id % 2 && id <= h2->past.last && !h2->failed && is_gone(h2, id) &&
            judge_gone(h2, id) != 0) {
            give_up(h2, h2->violation);
        }
    }
    for (; unlikely(h2->walk.priorities > 0); h2->walk.priorities--) {
        note(h2, HTTP2_GUARD_PRIORITY);
    }
    if (unlikely(h2->walk.bad && !h2->failed)) {
        give_up(h2, NGHTTP2_PROTOCOL_ERROR);
    }
}

void h2_run(struct h2 *h2, struct str already)
{
    struct worker *worker = h2->conn->worker;
    struct conn *conn = h2->conn;
    if (already.len > 0) {
        feed(h2, already);
    }
    for (unsigned round = 0; conn->readable && !h2->failed; round++) {
        if (round >= ROUNDS_MAX) {
            h2_wants_write(h2); /* comes back here at the end of the turn */
            break;
        }
        int64_t n = conn_recv(conn, worker->in, WORKER_IN_SIZE);
        if (n < 0 || conn->eof) {
            h2->failed = true;
            break;
        }
        if (n > 0) {
            feed(h2, str_make(worker->in, (size_t)n));
        }
    }
    if (conn->failed) {
        h2->failed = true;
    }
    h2_wants_write(h2);
    run_ready(h2);
}

bool h2_over(struct h2 *h2)
{
    return h2->failed || (!nghttp2_session_want_read(h2->session) &&
                          !nghttp2_session_want_write(h2->session) && !conn_blocked(h2->conn));
}

void h2_drain(struct h2 *h2)
{
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    h2_wants_write(h2);
}

void h2_terminate(struct h2 *h2, uint32_t error_code)
{
    (void)nghttp2_session_terminate_session(h2->session, error_code);
    h2_wants_write(h2);
}

/* --- life --- */

static int set_callbacks(nghttp2_session_callbacks **ret, bool server)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (server) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    }
    *ret = callbacks;
    return 0;
}

static int new_session(struct h2 *h2, bool server)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int r = set_callbacks(&callbacks, server);
    if (r == 0 && nghttp2_option_new(&option) != 0) {
        r = -ENOMEM;
    }
    if (r == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, TABLE_SIZE);
        nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
        nghttp2_mem memory = h2_memory(h2);
        r = server ? nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory)
                   : nghttp2_session_client_new3(&h2->session, callbacks, h2, option, &memory);
        r = r == 0 ? 0 : -ENOMEM;
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return r;
}

static int say_settings(struct h2 *h2, bool server)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, TABLE_SIZE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2->conn->worker->limits.head_max},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? STREAMS_MAX : 0},
        {server ? NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL : NGHTTP2_SETTINGS_ENABLE_PUSH,
         server ? 1 : 0},
        /* Urgency and increments of RFC 9218 order what is sent, not a tree of RFC 7540. */
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries));
    if (r == 0) {
        r = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                  H2_SESSION_WINDOW);
    }
    return r == 0 ? 0 : -ENOMEM;
}

int h2_init(struct h2 *h2, struct conn *conn, const struct h2_role *role, bool server)
{
    *h2 = (struct h2){.conn = conn, .role = role};
    list_init(&h2->lanes);
    list_init(&h2->ready);
    list_init(&h2->starved);
    loop_task_init(&h2->flush, flush);
    http2_walk_init(&h2->walk);
    http2_guard_init(&h2->guard, conn->worker->loop.now_ns);
    int r = new_session(h2, server);
    if (r == 0) {
        r = say_settings(h2, server);
    }
    if (r < 0) {
        h2_fini(h2);
        return r;
    }
    h2_wants_write(h2);
    return 0;
}

void h2_fini(struct h2 *h2)
{
    ensure(h2->lane_count == 0);
    loop_task_cancel(&h2->flush);
    nghttp2_session_del(h2->session);
    h2->session = NULL;
}
