/* SPDX-License-Identifier: Apache-2.0
 *
 * The cells of the counters that this thread counts in, by route, service and endpoint.
 */
#ifndef EDGE_CELLS_H
#define EDGE_CELLS_H

#include "edge/service.h"

/* Where requests of this route are counted; never NULL. Good while its in_flight is not 0. */
struct counters_cell *cells_of(struct endpoint *endpoint, const struct route *route);
/* The same for any key, looked up. A full table gets back the cells of ids that are gone; that
 * voids the addresses of all cells without a request in flight. */
struct counters_cell *cells_get(struct worker *worker, uint64_t route, uint64_t service,
                                uint64_t endpoint);

#endif
