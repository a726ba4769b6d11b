/* SPDX-License-Identifier: Apache-2.0
 *
 * The call is one stream of an HTTP/2 session that lives as long as the probe's run. Of the answer
 * only its message and grpc-status matter.
 */
#include "edge/probe_call.h"

#include "base/num.h"
#include "proto/http2.h"

#include <stdlib.h>

enum { ANSWER_MAX = 256, REQUEST_MAX = 160, OUT_MAX = 8192, HEAD_MAX = 16384 };

struct probe_call {
    struct http2 http;
    struct http2_stream stream;
    char answer[ANSWER_MAX];
    size_t answer_len;
    uint64_t status; /* grpc-status; UINT64_MAX = none has come */
    bool interim;    /* the head that is being read is one of those */
    bool done;
    char out[OUT_MAX];
};

static struct probe_call *call_of(struct http2 *http)
{
    return container_of(http, struct probe_call, http);
}

static void on_field(struct http2 *http, struct http2_stream *stream,
                     const struct hpack_found *field)
{
    struct probe_call *call = call_of(http);
    (void)stream;
    if (field->id == HPACK_STATUS) {
        call->interim = str_starts(field->value, STR("1"));
    } else if (str_is(field->name, "grpc-status")) {
        uint64_t status;
        int r = num_parse_u64(field->value, &status);
        call->status = r == 0 ? status : GRPC_UNKNOWN;
    }
}

static enum http2_head_verdict on_head(struct http2 *http, struct http2_stream *stream, bool last)
{
    (void)last;
    return call_of(http)->interim && !stream->head_done ? HTTP2_HEAD_INTERIM : HTTP2_HEAD_OK;
}

static bool on_data(struct http2 *http, struct http2_stream *stream, struct str bytes)
{
    struct probe_call *call = call_of(http);
    size_t n = MIN(bytes.len, sizeof(call->answer) - call->answer_len);
    memcpy(call->answer + call->answer_len, bytes.p, n);
    call->answer_len += n;
    http2_taken(http, stream, bytes.len);
    return true;
}

static void on_closed(struct http2 *http, struct http2_stream *stream, uint32_t error)
{
    (void)stream;
    (void)error;
    call_of(http)->done = true;
}

static void on_end(struct http2 *http, struct http2_stream *stream)
{
    (void)http;
    (void)stream;
}

static void on_news(struct http2 *http)
{
    (void)http;
}

static bool on_room(struct http2 *http, size_t n)
{
    (void)http;
    (void)n;
    return false; /* whoever has so much answered wants no call */
}

static const struct http2_ops ops = {
    .field = on_field,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .closed = on_closed,
    .goaway = on_news,
    .window = on_news,
    .room = on_room,
};

static bool say_request(struct probe_call *call, struct str service, struct str authority,
                        bool secure)
{
    const struct hpack_field fields[] = {
        {.id = HPACK_METHOD, .value = STR("POST")},
        {.id = HPACK_SCHEME, .value = secure ? STR("https") : STR("http")},
        {.id = HPACK_PATH, .value = STR("/grpc.health.v1.Health/Check")},
        {.id = HPACK_AUTHORITY, .value = authority},
        {.id = HTTP_H_CONTENT_TYPE, .value = STR("application/grpc")},
        {.id = HTTP_H_TE, .value = STR("trailers")},
        {.id = HTTP_H_USER_AGENT, .value = STR("muelle-probe")},
    };
    char memory[REQUEST_MAX];
    struct buf request = {.p = memory, .cap = REQUEST_MAX, .max = REQUEST_MAX};
    grpc_write_health_request(&request, str_slice(service, 0, 127));
    struct http2 *http = &call->http;
    if (!http2_open(http, &call->stream) ||
        !http2_put_head(http, &call->stream, fields, ARRAY_LEN(fields), false) ||
        !http2_put_data(http, &call->stream, buf_str(&request))) {
        return false;
    }
    http2_end_in(http, &call->stream, http->out + http->last_frame);
    return true;
}

struct probe_call *probe_call_new(struct str service, struct str authority, bool secure)
{
    static const struct http2_limits limits = {
        .window = HTTP2_WINDOW_FIRST, .session_window = HTTP2_WINDOW_FIRST, .head_max = HEAD_MAX};
    struct probe_call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    call->status = UINT64_MAX;
    call->http.out = call->out;
    call->http.out_cap = OUT_MAX;
    if (http2_init(&call->http, &ops, &limits, false, 0) < 0 ||
        !say_request(call, service, authority, secure)) {
        probe_call_free(call);
        return NULL;
    }
    return call;
}

void probe_call_free(struct probe_call *call)
{
    if (call) {
        http2_forget(&call->http, &call->stream);
        http2_fini(&call->http);
        free(call);
    }
}

struct str probe_call_output(struct probe_call *call)
{
    struct str out = str_make(call->out, call->http.out_len);
    call->http.out_len = 0;
    return out;
}

int probe_call_input(struct probe_call *call, struct str bytes)
{
    http2_read(&call->http, bytes);
    if (call->done) {
        return PROBE_CALL_E_DONE;
    }
    return call->http.failed ? -EBADMSG : 0;
}

int probe_call_result(const struct probe_call *call, struct str *ret_what)
{
    static const struct str words[] = {STR_INIT("UNKNOWN"), STR_INIT("SERVING"),
                                       STR_INIT("NOT_SERVING"), STR_INIT("SERVICE_UNKNOWN")};
    enum grpc_health health = GRPC_HEALTH_UNKNOWN;
    *ret_what = STR("no grpc-status");
    if (call->status == UINT64_MAX) {
        return EBADMSG;
    }
    if (call->status != GRPC_OK) {
        *ret_what = call->status == GRPC_UNIMPLEMENTED ? STR("grpc.health.v1 is not implemented")
                    : call->status == 5                ? STR("no such service")
                                                       : STR("the call failed");
        return EPROTO;
    }
    if (grpc_read_health_answer(str_make(call->answer, call->answer_len), &health) < 0) {
        *ret_what = STR("not a health answer");
        return EBADMSG;
    }
    *ret_what = words[health];
    return health == GRPC_HEALTH_SERVING ? 0 : EPROTO;
}
