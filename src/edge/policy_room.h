/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections to a service there may be (`breaker.connections`), for those that make and
 * close them.
 */
#ifndef EDGE_POLICY_ROOM_H
#define EDGE_POLICY_ROOM_H

#include "edge/service.h"

/* One is about to be made, or has gone. False: there are as many as there may be. Also for a
 * service without a policy. */
must_check bool policy_connection_begin(struct service *service);
void policy_connection_end(struct service *service);
/* Another thread may lack connections to this service: then idle ones are closed. */
void policy_give_room(struct endpoint *endpoint);

#endif
