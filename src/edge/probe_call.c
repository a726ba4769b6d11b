/* SPDX-License-Identifier: Apache-2.0
 *
 * The call is one stream of an HTTP/2 session that lives as long as the probe's run. Of the answer
 * only its message and grpc-status matter.
 */
#include "edge/probe_call.h"

#include "base/num.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { ANSWER_MAX = 256, REQUEST_MAX = 160 };

struct probe_call {
    nghttp2_session *session;
    char request[REQUEST_MAX];
    size_t request_len, sent;
    char answer[ANSWER_MAX];
    size_t answer_len;
    uint64_t status; /* grpc-status; UINT64_MAX = none has come */
    bool done;
};

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    struct probe_call *call = context;
    (void)session;
    (void)frame;
    (void)flags;
    if (str_is(str_make((const char *)name, name_len), "grpc-status")) {
        uint64_t status;
        int r = num_parse_u64(str_make((const char *)value, value_len), &status);
        call->status = r == 0 ? status : GRPC_UNKNOWN;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                   size_t len, void *context)
{
    struct probe_call *call = context;
    size_t n = MIN(len, sizeof(call->answer) - call->answer_len);
    (void)session;
    (void)flags;
    (void)id;
    memcpy(call->answer + call->answer_len, p, n);
    call->answer_len += n;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *context)
{
    struct probe_call *call = context;
    (void)session;
    (void)id;
    (void)error_code;
    call->done = true;
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *p, size_t len,
                            uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct probe_call *call = context;
    size_t n = MIN(len, call->request_len - call->sent);
    (void)session;
    (void)id;
    (void)source;
    memcpy(p, call->request + call->sent, n);
    call->sent += n;
    if (call->sent == call->request_len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static nghttp2_nv field(struct str name, struct str value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.p,
        .value = (uint8_t *)(uintptr_t)value.p,
        .namelen = name.len,
        .valuelen = value.len,
    };
}

static int submit(struct probe_call *call, struct str authority)
{
    const nghttp2_nv fields[] = {
        field(STR(":method"), STR("POST")),
        field(STR(":scheme"), STR("http")),
        field(STR(":path"), STR("/grpc.health.v1.Health/Check")),
        field(STR(":authority"), authority),
        field(STR("content-type"), STR("application/grpc")),
        field(STR("te"), STR("trailers")),
        field(STR("user-agent"), STR("muelle-probe")),
    };
    nghttp2_data_provider body = {.read_callback = read_request};
    int r = nghttp2_submit_settings(call->session, NGHTTP2_FLAG_NONE, NULL, 0);
    if (r == 0) {
        r = nghttp2_submit_request(call->session, NULL, fields, ARRAY_LEN(fields), &body, NULL);
    }
    return r < 0 ? -ENOMEM : 0;
}

static int new_session(struct probe_call *call)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int r = nghttp2_session_client_new(&call->session, callbacks, call);
    nghttp2_session_callbacks_del(callbacks);
    return r == 0 ? 0 : -ENOMEM;
}

struct probe_call *probe_call_new(struct str service, struct str authority)
{
    struct probe_call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    struct buf request = {.p = call->request, .cap = REQUEST_MAX, .max = REQUEST_MAX};
    grpc_write_health_request(&request, str_slice(service, 0, 127));
    call->request_len = request.len;
    call->status = UINT64_MAX;
    if (new_session(call) < 0 || submit(call, authority) < 0) {
        probe_call_free(call);
        return NULL;
    }
    return call;
}

void probe_call_free(struct probe_call *call)
{
    if (call) {
        nghttp2_session_del(call->session);
        free(call);
    }
}

struct str probe_call_output(struct probe_call *call)
{
    const uint8_t *p = NULL;
    ssize_t n = nghttp2_session_mem_send(call->session, &p);
    return n > 0 ? str_make((const char *)p, (size_t)n) : STR_NONE;
}

int probe_call_input(struct probe_call *call, struct str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(call->session, (const uint8_t *)bytes.p, bytes.len);
    if (n < 0) {
        return -EBADMSG;
    }
    return call->done ? PROBE_CALL_E_DONE : 0;
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
