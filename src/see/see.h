/* SPDX-License-Identifier: Apache-2.0
 *
 * see/: what happens inside: logs and metrics. A room of the core.
 *
 *   see/logs.h      reading logs: tail, history, search, following
 *   see/metrics.h   figures per service and replica, OpenMetrics
 *   see/pss.h       memory as it is shared, on demand
 *
 * It learns of output files and replicas from the bus, of requests from the edge's counters and
 * rings. Nothing waits for this room: services write to their files and the edge to its memory
 * whether it lives or not, and it catches up.
 */
#ifndef SEE_SEE_H
#define SEE_SEE_H

#include "core/core.h"
#include "see/logs.h"
#include "see/metrics.h"
#include "see/pss.h"

struct see;

extern const struct room_ops see_room;
struct see *see_get(const struct core *core);

#endif
