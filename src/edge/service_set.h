/* SPDX-License-Identifier: Apache-2.0
 *
 * struct service_set: all services and endpoints of a thread, brought to what snapshots, deltas and
 * probes say. Both are found by stable id and live on over snapshots.
 */
#ifndef EDGE_SERVICE_SET_H
#define EDGE_SERVICE_SET_H

#include "edge/service.h"

/* All services of a thread. */
struct service_set {
    struct map services;       /* id → struct service */
    struct map endpoints;      /* id → struct endpoint */
    struct service **by_index; /* the config's order */
    bool cells_gone;           /* keys of the counters may be: ids went since they were looked at */
};

void service_set_init(struct service_set *set);
void service_set_fini(struct service_set *set);
/* Brings the set to what the snapshot of `config` says. 0; -ENOMEM: `by_index` is still that of the
 * config before, nothing was taken away, and it may be tried again. */
must_check int service_set_apply(struct worker *worker, const struct config *config);
/* One small change. Unknown ids are passed over: a snapshot that knows them is on its way. */
void service_set_delta(struct worker *worker, const struct delta *delta);
/* Looks at the probes' results again. */
void service_set_health(struct worker *worker);

#endif
