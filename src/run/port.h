/* SPDX-License-Identifier: Apache-2.0
 *
 * Ports for replicas, from a private range. See port.c. Private to run/.
 */
#ifndef RUN_PORT_H
#define RUN_PORT_H

#include "run/model.h"

must_check int port_take(struct run *run, struct replica *replica);
void port_put(struct run *run, uint16_t port);
void port_mark(struct run *run, uint16_t port);

#endif
