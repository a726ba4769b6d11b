/* SPDX-License-Identifier: Apache-2.0
 *
 * What a call needs besides being a request. The deadline is kept here although the service gets
 * grpc-timeout too: a service that hangs does not look at its clock.
 */
#include "edge/call.h"

#include "base/num.h"
#include "edge/lane.h"
#include "edge/worker.h"

bool call_is(const struct stream *stream)
{
    return unlikely(conn_is_lane(&stream->client->conn)) && stream->head_ns != 0 &&
           grpc_is_call(http1_get(&stream->req, HTTP_H_CONTENT_TYPE));
}

void call_begin(struct stream *stream)
{
    int64_t timeout_ns;
    if (!call_is(stream)) {
        return;
    }
    stream->flows = true;
    struct str text = http1_get_name(&stream->req, STR("grpc-timeout"));
    if (text.len > 0 && grpc_parse_timeout(text, &timeout_ns) == 0) {
        stream->client->latest_ns = stream->start_ns + timeout_ns;
    }
}

int call_status(const struct stream *stream)
{
    return stream->close_code > 0 && call_is(stream) ? stream->close_code - 1 : -1;
}

/* What an HTTP status of 500 and above would say; RESOURCE_EXHAUSTED is its 429, UNIMPLEMENTED its
 * 404. */
bool call_failed(const struct stream *stream)
{
    int status = call_status(stream);
    return status == GRPC_UNKNOWN || status == GRPC_DEADLINE_EXCEEDED || status == GRPC_INTERNAL ||
           status == GRPC_UNAVAILABLE || status == GRPC_DATA_LOSS;
}

void call_note_status(struct stream *stream, enum grpc_status status)
{
    stream->close_code = (uint16_t)(status + 1); /* 0 is "none" (ring_access) */
}

static void note(struct stream *stream, struct str text)
{
    uint64_t status;
    if (num_parse_u64(text, &status) == 0 && status <= GRPC_STATUS_MAX) {
        call_note_status(stream, (enum grpc_status)status);
    }
}

void call_answered(struct stream *stream)
{
    if (call_is(stream)) {
        note(stream, http1_get_name(&stream->worker->response, STR("grpc-status")));
    }
}

void call_ended(struct stream *stream, struct str trailers)
{
    static const struct str name = STR_INIT("grpc-status: ");
    if (!call_is(stream)) {
        return;
    }
    while (trailers.len > 0) {
        ptrdiff_t end = str_find_char(trailers, '\r');
        struct str line = str_slice(trailers, 0, end < 0 ? trailers.len : (size_t)end);
        if (str_eq_nocase(str_slice(line, 0, name.len), name)) {
            note(stream, str_skip(line, name.len));
        }
        trailers = str_skip(trailers, line.len + 2);
    }
}
