/* SPDX-License-Identifier: Apache-2.0
 *
 * What of gRPC over HTTP/2 concerns a gateway (gRPC's PROTOCOL-HTTP2.md): which requests are calls,
 * their deadline, and how an answer of our own is said to one who reads grpc-status. Messages stay
 * bytes, but those of the health check.
 */
#ifndef PROTO_GRPC_H
#define PROTO_GRPC_H

#include "base/buf.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
    GRPC_STATUS_MAX = 16,
};

/* Is that Content-Type one of a call: application/grpc, also with "+proto", ";…"? Not grpc-web. */
bool grpc_is_call(struct str content_type);
/* What an HTTP status of a gateway means to a caller (gRPC's http-grpc-status-mapping.md). A body
 * or head that is too large is RESOURCE_EXHAUSTED; 504 is DEADLINE_EXCEEDED. */
enum grpc_status grpc_status_of(unsigned http_status);
/* The value of grpc-timeout, at most 8 digits and a unit. 0 or -EINVAL. */
must_check int grpc_parse_timeout(struct str value, int64_t *ret_ns);
/* The value of grpc-message: what is not printable ASCII, and '%', as %XX. */
void grpc_write_message(struct buf *out, struct str text);

/* grpc.health.v1: the message of Check for a service ("" = the server), framed; and what the framed
 * answer says. */
void grpc_write_health_request(struct buf *out, struct str service);
enum grpc_health {
    GRPC_HEALTH_UNKNOWN,
    GRPC_HEALTH_SERVING,
    GRPC_HEALTH_NOT_SERVING,
    GRPC_HEALTH_NO_SERVICE
};
/* 0 or -EBADMSG. */
must_check int grpc_read_health_answer(struct str bytes, enum grpc_health *ret);

#endif
