/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC calls among the requests of HTTP/2 clients: their deadline, and the grpc-status for the
 * record.
 */
#ifndef EDGE_CALL_H
#define EDGE_CALL_H

#include "edge/stream.h"
#include "proto/grpc.h"

/* Is its request a call? Its head must be there. */
bool call_is(const struct stream *stream);
/* The request's head is there: grpc-timeout is the latest moment of all that follows. */
void call_begin(struct stream *stream);
/* The answer's head is in worker->response: perhaps it is all, and has the status. */
void call_answered(struct stream *stream);
/* The answer is whole; `trailers` are lines. */
void call_ended(struct stream *stream, struct str trailers);
/* The status that the service gave, as far as it is known; -1: none, or no call. */
int call_status(const struct stream *stream);
/* Does that status speak of a service that does not work? Not of a caller that asked in vain. */
bool call_failed(const struct stream *stream);
/* For the record. */
void call_note_status(struct stream *stream, enum grpc_status status);

#endif
