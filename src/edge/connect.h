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

#endif
