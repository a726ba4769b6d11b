/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets as one worker sees them. All workers wait on the same socket (opened once, by
 * the keeper); the kernel wakes one of them for a new connection. A snapshot that still names a
 * listener leaves it alone.
 */
#ifndef EDGE_LISTENER_H
#define EDGE_LISTENER_H

#include "edge/worker.h"

/* Brings the worker's listeners to what `config` says. Those that fail are left out: 0 or the last
 * -errno. */
must_check int listener_apply(struct worker *worker, const struct config *config);
/* Stops listening. */
void listener_close_all(struct worker *worker);

#endif
