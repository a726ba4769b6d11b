/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening connections to endpoints, whatever is spoken on them.
 */
#ifndef EDGE_CONNECT_H
#define EDGE_CONNECT_H

#include "edge/conn.h"
#include "edge/service.h"

/* Starts connecting; `conn` is zeroed. It is connected when it is writable and sock_error says 0.
 * 0 or -errno. */
must_check int connect_open(struct endpoint *endpoint, struct conn *conn,
                            void (*ready)(struct loop_fd *watch, uint32_t events));

/* Goes on with what lies between a connected socket and the first byte: the TLS handshake. 0,
 * CONNECT_E_WAIT, or -errno. */
enum { CONNECT_E_WAIT = 1 };
must_check int connect_step(struct conn *conn);
/* Something came on a connection that is not in use. False: bytes that nobody asked for, or its
 * end. True: TLS speaks for itself (a ticket), and it may be used on. */
bool connect_is_quiet(struct conn *conn);
/* What the service wants of TLS; takes effect for new connections. 0 or -ENOMEM. */
must_check int connect_learn(struct service *service, const struct snapshot_service *spec);
void connect_forget(struct service *service);

#endif
