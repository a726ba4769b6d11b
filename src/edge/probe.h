/* SPDX-License-Identifier: Apache-2.0
 *
 * Health probes, on thread 0, so that health works while the core is away. Each endpoint of a
 * service with a probe is asked by HTTP (GET, 2xx or 3xx is well) or by connecting: fast at first
 * (5 ms, then an eighth of its age; or start_interval), then each interval with jitter. After
 * `retries` failures in a row it fails; in the start period failures do not count. The first good
 * answer makes it pass again.
 *
 * A result goes to the counters (status, latency, the first bytes of the body), to the ring when
 * the status changes or a person would want it, and to the workers, who stop sending to what fails.
 */
#ifndef EDGE_PROBE_H
#define EDGE_PROBE_H

#include "edge/worker.h"

struct edge_probes;

/* Probes run on the loop of `worker`; `changed` is told when one begins to fail or to pass. */
must_check int probe_new(struct worker *worker, void (*changed)(struct worker *worker),
                         struct edge_probes **ret);
void probe_free(struct edge_probes *probes);
/* Worker 0 has taken a snapshot: follows its services and endpoints. */
void probe_apply(struct edge_probes *probes);
void probe_delta(struct edge_probes *probes, const struct delta *delta);

#endif
