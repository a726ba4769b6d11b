/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's part of a snapshot.
 */
#ifndef RUN_PUBLISH_GATEWAY_H
#define RUN_PUBLISH_GATEWAY_H

#include "link/snapshot.h"
#include "schema/spec.h"

/* Adds what one project says; `networks` collects trusted proxies. */
void publish_gateway(struct snapshot_gateway *gateway, struct buf *networks,
                     const struct gateway_spec *spec);

#endif
