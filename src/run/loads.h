/* SPDX-License-Identifier: Apache-2.0
 *
 * How busy the replicas of services with `balance: least_load` are: read once a second and put
 * where the edge looks (link/loads.h). While there is no such service nothing runs. Private to
 * run/.
 */
#ifndef RUN_LOADS_H
#define RUN_LOADS_H

#include "run/rounds.h"

extern const struct rounds_kind loads_rounds;

#endif
