/* SPDX-License-Identifier: Apache-2.0
 *
 * struct probe_call: one gRPC health check (grpc.health.v1.Health/Check) over HTTP/2 with prior
 * knowledge, as bytes in and out: no socket, no clock.
 */
#ifndef EDGE_PROBE_CALL_H
#define EDGE_PROBE_CALL_H

#include "proto/grpc.h"

struct probe_call;

/* `service`: "" asks for the server as a whole; at most 127 bytes. `secure`: by TLS. NULL when
 * memory is out. */
struct probe_call *probe_call_new(struct str service, struct str authority, bool secure);
/* Accepts NULL. */
void probe_call_free(struct probe_call *call);
/* The next bytes to be sent, of use until the next call; empty: nothing now. */
struct str probe_call_output(struct probe_call *call);
/* Bytes that came. 0; PROBE_CALL_E_DONE: `probe_call_result` says how it is; -EBADMSG. */
enum { PROBE_CALL_E_DONE = 1 };
must_check int probe_call_input(struct probe_call *call, struct str bytes);
/* 0: it serves; else errno: EPROTO (answered, but not serving), EBADMSG. *ret_what: in words. */
int probe_call_result(const struct probe_call *call, struct str *ret_what);

#endif
